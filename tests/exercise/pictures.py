"""my_interpolation.png: what the learner's functions draw, beside what right ones draw.

The frames are made in the process of the learner's code (``make_frames``), the
picture outside of it (``draw``), where Matplotlib may be slow after all has been said.
"""

import json
import types

from tests.exercise.hints import MORPH, RESULT

ANSWERED = {**RESULT, **MORPH}   # hints of functions that gave something, although it was wrong
SEED = 7                 # of the patterns that are drawn; training never saw them
PARTS = ("encode", "decode", "interpolate")      # what a morph is made with
PICTURE, GIF = "my_interpolation.png", "latent_walk.gif"


# --- in the process of the learner's code ------------------------------------------------
def make_frames(learner, usable, folder, weights_file):
    """Write the frames of the learner's functions and of right ones, or say why not.

    ``usable`` holds the names of the functions that may be called; ``weights_file`` is
    empty for the weights of the last run, or holds one path.
    """
    import numpy as np

    from tests.exercise.hints import WrongError
    from tests.exercise.reference import ReferenceVAE, interpolate, loud_weights
    from vae_model import WeightsError, load_model

    note = {}
    try:
        weights = layer_by_layer(load_model(*weights_file))
        if any(weights[name].shape != value.shape for name, value in loud_weights().items()):
            raise WeightsError
    except (WeightsError, LookupError):
        note["problem"] = ("no weights that fit vae_model.py: run "
                           "python latent_space_exploration.py without options")
    else:
        patterns = one_of_each_type()
        right_vae = ReferenceVAE(weights)
        try:
            learner.load()
            vae = learner.make_vae(weights)
            for name in {"encode", "decode"} - set(usable):
                setattr(vae, name, types.MethodType(getattr(ReferenceVAE, name), vae))
                vae.encoded, vae.decoded = [], []
            mine = learner.module.interpolate if "interpolate" in usable else interpolate
            learner.module.interpolate = mine       # the challenge calls it
            pairs = list(zip(patterns, patterns.roll(-1, dims=0)))
            for name, function, model in (("mine", mine, vae),
                                          ("right", interpolate, right_vae)):
                rows = [learner.call(function, model, a.clone(), b.clone()) for a, b in pairs]
                np.save(folder / f"{name}.npy", as_rows(rows, patterns.shape[1]))
            if "create_latent_walk_animation" in usable:
                learner.call(learner.module.create_latent_walk_animation, vae, patterns)
        except (WrongError, ValueError, RuntimeError, TypeError, AttributeError):
            note["problem"] = "what is written gives no frames that could be drawn yet"
    (folder / "note.json").write_text(json.dumps(note))


def layer_by_layer(trained):
    """The weights of a trained VAE under the names of SimpleVAE's layers: a state dict."""
    layers = {"encoder_fc1": trained.encoder[0], "encoder_fc2": trained.encoder[2],
              "fc_mu": trained.fc_mu, "decoder_fc1": trained.decoder[0],
              "decoder_fc2": trained.decoder[2], "decoder_out": trained.decoder[4]}
    return {f"{name}.{kind}": getattr(layer, kind).detach()
            for name, layer in layers.items() for kind in ("weight", "bias")}


def one_of_each_type():
    """A pattern of each type: tensor (4, input_dim)."""
    import numpy as np
    import torch

    from patterns import PATTERN_TYPES, generate_patterns

    images, labels = generate_patterns(10 * len(PATTERN_TYPES), SEED)
    first = [int(np.flatnonzero(labels == kind)[0]) for kind in range(len(PATTERN_TYPES))]
    return torch.from_numpy(images[first])


def as_rows(rows, pixels):
    """Frames of whatever kind as an array (morphs, frames, pixels)."""
    import numpy as np
    import torch

    plain = [[frame.detach().numpy() if isinstance(frame, torch.Tensor) else np.asarray(frame)
              for frame in row] for row in rows]
    return np.array(plain, dtype=np.float32).reshape(len(rows), -1, pixels)


# --- outside of it ---------------------------------------------------------------------------
def show(judgement, workshop, *weights_file):
    """Let the pictures be made and publish them; returns a line that says what came of it."""
    import numpy as np

    from patterns import OUTPUT_DIR, png, publish

    states = {todo.name: one for todo, one in judgement.results.items()}
    begun = [name for name, one in states.items() if one.state in ("right", "wrong")]
    if not begun or judgement.file.state == "wrong":
        return ""
    usable = [name for name in begun if states[name].state == "right"
              or states[name].hint in ANSWERED]
    mine = [name for name in PARTS if name in usable]
    if not mine:
        return "No picture: none of your functions gives anything that could be drawn yet."
    job = {"task": "show", "file": str(judgement.source.path), "usable": usable, "left": 10,
           "weights": [str(file) for file in weights_file]}
    *_, last = workshop.run([job], job["left"])
    folder = workshop.folder
    if last["kind"] != "done" or not (folder / "note.json").exists():
        return "No picture: what is written did not get to its end with the trained weights."
    note = json.loads((folder / "note.json").read_text())
    if "problem" in note:
        return f"No picture: {note['problem']}"
    gif = folder / "outputs" / GIF
    label = whose(mine, all(states[name].state == "right" for name in mine))
    files = {PICTURE: png(draw, np.load(folder / "mine.npy"), np.load(folder / "right.npy"), label)}
    line = (f"Picture: {OUTPUT_DIR.name}/{PICTURE}\n"
            f"         (in each pair above: {' '.join(label.split())}; below: a right answer)")
    if gif.exists() and all(one.state == "right" for one in states.values()):
        files[GIF] = gif.read_bytes()
        line += f"\nGIF:     {OUTPUT_DIR.name}/{GIF} (open it in a browser)"
    publish(files, OUTPUT_DIR)
    return line


def whose(mine, right):
    """In words: which of the functions behind a morph are the learner's, and how good they are."""
    text = "yours" if len(mine) == len(PARTS) else f"your {' and '.join(mine)}"
    text += "" if right else " (not right yet)"
    return text if len(mine) == len(PARTS) else f"{text},\nthe rest is ours"


def draw(mine, right, maker):
    """A figure of the frames that the learner's functions and right ones made."""
    import numpy as np

    from patterns import PATTERN_TYPES, grid_figure

    count = mine.shape[1]
    right = right if right.shape[1] == count else right[:, np.linspace(
        0, right.shape[1] - 1, count).round().astype(int)]
    rows = np.stack([mine, right], axis=1).reshape(2 * len(mine), count, -1)
    to_names = [*PATTERN_TYPES[1:], PATTERN_TYPES[0]]
    labels = [label for start, end in zip(PATTERN_TYPES, to_names)
              for label in (f"{start} to {end}\n{maker}", "a right answer")]
    return grid_figure("From pattern to pattern through the trained latent space", rows,
                       labels, [str(number) for number in range(1, count + 1)])
