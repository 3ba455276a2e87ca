"""Write a page that shows the latent space of a trained model, and open it in the browser.

    python solutions/latent_explorer.py                       # the model of the last run
    python solutions/latent_explorer.py --output-dir FOLDER   # the model of another run

The page itself is ``latent_explorer.html`` beside this program, which fills in one JSON
object. The result is a single file that works without Python and without a network.
"""

import argparse
import base64
import json
import os
import signal
import sys
import webbrowser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from torch import nn

import latent_space_exploration as exploration
from patterns import IMAGE_SIZE, LINE_WIDTH, OUTPUT_DIR, PATTERN_TYPES
from vae_model import WEIGHTS_FILE, ModelError, check_model, load_model

PAGE = "latent_explorer.html"
NUM_PATTERNS = 400          # marks on the map; each adds 0.4 kB to the page
# Layers that the page has a formula for, besides Linear, and the settings in that formula
ACTIVATIONS = {"ReLU": [], "LeakyReLU": ["negative_slope"], "ELU": ["alpha"], "Sigmoid": [],
               "Tanh": [], "SiLU": [], "Softplus": ["beta"]}


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Write a page that shows a trained model.")
    parser.add_argument("--output-dir", type=Path, default=OUTPUT_DIR,
                        help="folder of the run, and of the page (default: outputs)")
    parser.add_argument("--no-browser", action="store_true", help="only write the page")
    settings = parser.parse_args(arguments)
    folder = settings.output_dir.resolve()
    try:
        model = load_model(settings.output_dir / WEIGHTS_FILE)
        check_model(model)
        data = exploration.make_data(exploration.SEED)
        run = describe_run(model, data, exploration.explore(model, data))
    except ModelError as error:
        sys.exit(str(error))
    run["about"] = (f"{folder.name}/{WEIGHTS_FILE}: {len(run['kl'])} latent dimensions, "
                    f"{len(run['in_use'])} in use")
    exploration.prepare_folder(folder)
    template = Path(__file__).with_name(PAGE).read_text(encoding="utf-8")
    text = json.dumps(run).replace("<", "\\u003c")           # "</script>" would end the object
    exploration.write_file(folder / PAGE, template.replace(">null<", f">{text}<").encode())
    print(f"{run['about']}\nWrote {folder / PAGE}")
    # without a screen, Python might open the page in the terminal
    screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if not settings.no_browser and (screen or sys.platform in ("win32", "darwin")):
        webbrowser.open((folder / PAGE).as_uri())


def describe_run(model, data, space):
    """All that the page needs to know about one run, for JSON."""
    return {
        "network": [describe_layers(getattr(model, part), part)
                    for part in ("encoder", "fc_mu", "fc_var", "decoder")],
        "image_size": IMAGE_SIZE,
        "brush": IMAGE_SIZE * np.mean(LINE_WIDTH),           # sigma in pixels, as in the patterns
        "types": [{"name": name, "color": exploration.type_color(label),
                   "outline": [part.round(2).tolist() for part in
                               exploration.type_marker(label).to_polygons()]}
                  for label, name in enumerate(PATTERN_TYPES)],
        "labels": data.labels[:NUM_PATTERNS].tolist(),
        "patterns": [in_base64((255 * image).round(), np.uint8)
                     for image in data.held_out[:NUM_PATTERNS].numpy()],
        "codes": space.mu[:NUM_PATTERNS].tolist(),
        "means": [space.mu[data.of_type(label)].mean(axis=0).tolist()
                  for label in range(len(PATTERN_TYPES))],
        "reach": int(max(4, np.ceil(np.abs(space.mu).max()))),     # of the sliders
        **{name: np.asarray(getattr(space, name)).tolist()
           for name in ("kl", "by_kl", "in_use", "origin", "axes", "names")},
    }


def describe_layers(layer, part):
    """A list of the layers in ``layer``; raises ModelError if the page has no formula for one."""
    kind = type(layer).__name__
    if isinstance(layer, nn.Sequential):
        return [description for inner in layer for description in describe_layers(inner, part)]
    if isinstance(layer, nn.Dropout | nn.Identity):          # change nothing in a trained model
        return []
    if isinstance(layer, nn.Linear):
        bias = np.zeros(layer.out_features) if layer.bias is None else layer.bias.detach()
        weights = in_base64(layer.weight.detach())           # a row for each output
        return [{"kind": kind, "weights": weights, "bias": in_base64(bias)}]
    if kind in ACTIVATIONS:
        return [{"kind": kind, "settings": [getattr(layer, name) for name in ACTIVATIONS[kind]]}]
    raise ModelError(f"The explorer cannot compute {kind} (in self.{part} in vae_model.py), only "
                     f"Linear, {', '.join(ACTIVATIONS)}")


def in_base64(values, dtype="<f4"):
    return base64.b64encode(np.asarray(values).astype(dtype).tobytes()).decode()


if __name__ == "__main__":
    if "IPython" not in sys.modules and not sys.flags.interactive:
        signal.signal(signal.SIGINT, signal.SIG_DFL)         # Ctrl-C ends the program quietly
    main()
