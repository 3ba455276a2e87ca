"""Write a page that shows the latent space of a trained model, and open it in the browser.

    python solutions/latent_explorer.py                       # the model of the last run
    python solutions/latent_explorer.py --output-dir FOLDER   # the model of another run

The page is ``latent_explorer.html`` beside this program: HTML, CSS and JavaScript. The
program fills in one JSON object, the run: the layers and their weights, the held-out
patterns and their codes, the plane of the map. The result is a single file that works
without Python: open it with a double click, mail it, or embed it in an ``iframe``.

The picture on the exercise page is a screenshot of it:

    chromium --headless --no-sandbox --hide-scrollbars --window-size=1200,840 \\
        --screenshot=outputs/latent_explorer.png outputs/latent_explorer.html
"""

import argparse
import base64
import json
import os
import signal
import sys
import webbrowser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np
from torch import nn

from latent_space_exploration import (
    SEED,
    explore,
    make_data,
    prepare_folder,
    set_up_torch,
    write_files,
)
from patterns import IMAGE_SIZE, LINE_WIDTH, OUTPUT_DIR, PATTERN_TYPES, TYPE_COLORS, type_marker
from vae_model import WEIGHTS_FILE, load_model

PAGE = "latent_explorer.html"
NUM_PATTERNS = 400          # marks in the map; each is 256 bytes of the page
# Layers that the page can compute besides Linear, and their settings; the page has the formulas.
ACTIVATIONS = {
    "ReLU": [], "LeakyReLU": ["negative_slope"], "ELU": ["alpha"], "Sigmoid": [], "Tanh": [],
    "SiLU": [], "Softplus": ["beta"], "GELU": [],
}


def fill_page(model, data, space, about):
    """The page's text with one run in it; ``about`` says which run that is."""
    run = {
        "about": about,
        "network": {part: list(describe_layers(getattr(model, part), part))
                    for part in ("encoder", "fc_mu", "fc_var", "decoder")},
        "image_size": IMAGE_SIZE,
        "brush": IMAGE_SIZE * np.mean(LINE_WIDTH),           # sigma in pixels
        "types": [{"name": name, "color": TYPE_COLORS[label % len(TYPE_COLORS)],
                   "outline": [np.round(part, 3).tolist()
                               for part in type_marker(label).to_polygons()]}
                  for label, name in enumerate(PATTERN_TYPES)],
        "labels": data.labels[:NUM_PATTERNS].tolist(),
        "patterns": in_base64((255 * data.held_out[:NUM_PATTERNS].numpy()).round(), np.uint8),
        "mu": in_base64(space.mu[:NUM_PATTERNS]),
        "kl": space.kl.tolist(),
        "by_kl": space.by_kl.tolist(),
        "in_use": space.in_use.tolist(),
        "reach": int(max(4, np.ceil(np.abs(space.mu).max()))),     # of the sliders
        "origin": space.origin.tolist(),
        "axes": space.axes.tolist(),
        "names": list(space.names),
    }
    template = Path(__file__).with_name(PAGE).read_text(encoding="utf-8")
    text = json.dumps(run).replace("<", "\\u003c")           # a "</script>" would end the object
    return template.replace(">null<", f">{text}<")


def describe_layers(layer, part):
    """Yield each layer as the page needs it; raises ValueError if the page does not know it."""
    kind = type(layer).__name__
    if isinstance(layer, nn.Sequential):
        for inner in layer:
            yield from describe_layers(inner, part)
    elif isinstance(layer, nn.Linear):
        bias = np.zeros(layer.out_features) if layer.bias is None else layer.bias.detach()
        yield {"kind": "Linear", "weights": in_base64(layer.weight.detach()),
               "bias": in_base64(bias)}
    elif kind in ACTIVATIONS:
        yield {"kind": kind, "settings": [getattr(layer, name) for name in ACTIVATIONS[kind]]}
    elif not isinstance(layer, nn.Dropout | nn.Identity):    # these change nothing after training
        raise ValueError(f"The explorer cannot show {kind} (in {part} of vae_model.py): it knows "
                         f"Linear, {', '.join(ACTIVATIONS)} and Dropout")


def in_base64(values, dtype="<f4"):
    return base64.b64encode(np.asarray(values).astype(dtype).tobytes()).decode()


def has_browser():
    """Whether there is a screen: without one, Python may find a browser for the terminal."""
    return sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Write a page that shows a trained model.")
    parser.add_argument("--output-dir", type=Path, default=OUTPUT_DIR, metavar="FOLDER",
                        help="folder of the run, and of the page (default: outputs)")
    parser.add_argument("--no-browser", action="store_true", help="only write the page")
    settings = parser.parse_args(arguments)
    folder = settings.output_dir.resolve()
    set_up_torch(SEED)
    data = make_data(SEED)
    try:
        model = load_model(settings.output_dir / WEIGHTS_FILE)
        space = explore(model, data)
        about = (f"{folder.name}/{WEIGHTS_FILE}: {len(space.kl)} latent dimensions, "
                 f"{len(space.in_use)} in use")
        page = fill_page(model, data, space, about)
    except ValueError as error:
        sys.exit(str(error))
    prepare_folder(folder)
    write_files({PAGE: page.encode()}, folder)
    print(f"{about}\nThe page: {folder / PAGE}")
    if not settings.no_browser and has_browser():
        webbrowser.open((folder / PAGE).as_uri())


if __name__ == "__main__":
    if "IPython" not in sys.modules and not sys.flags.interactive:
        signal.signal(signal.SIGINT, signal.SIG_DFL)         # Ctrl-C ends it without a traceback
    main()
