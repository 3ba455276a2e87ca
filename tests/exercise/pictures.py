"""What the learner's functions draw: my_interpolation.png and .gif, and the walk of the challenge.

The files are made in the process of the learner's code (``draw_frames``) and put into
their place outside of it (``show``), after all has been said. What needs torch is
imported where it is used, because the outside does without.
"""

import contextlib
import os
import shutil
from pathlib import Path

from tests.exercise.hints import MORPH, RESULT
from tests.exercise.todos import CHALLENGE

SECONDS = 10             # that the functions and the drawing may take
SEED = 7                 # of the patterns that are drawn; training never saw them
PARTS = ("encode", "decode", "interpolate")      # what a morph is made with
MORPH_STEPS = 16         # of my_interpolation.gif, one way
SIDE = 320               # pixels of one of its frames, at least


# --- in the process of the learner's code ------------------------------------------------
def draw_frames(learner, outputs, usable, right, weights_file):
    """Make the files in the learner's folder: a dict that names them, or the problem.

    ``usable`` holds the names of the functions that may be called, ``right`` those that
    are right; ``weights_file`` is empty for the weights of the last run, or holds one path.
    """
    import matplotlib.style
    import numpy as np
    import torch

    from patterns import PATTERN_TYPES, generate_patterns, png
    from tests.exercise.reference import ReferenceVAE, equal, interpolate
    from vae_model import load_model, reconstruct

    images, labels = generate_patterns(len(PATTERN_TYPES), SEED)      # one of each type
    patterns = torch.from_numpy(images[labels.argsort()])
    pairs = list(zip(patterns, patterns.roll(-1, dims=0)))

    def morphs(function, model, pairs, *steps):
        """The frames of all morphs as one array (morphs, frames, pixels)."""
        answers = [learner.call(function, model, a.clone(), b.clone(), *steps) for a, b in pairs]
        frames = [frame.detach() if isinstance(frame, torch.Tensor) else frame
                  for answer in answers for frame in answer]
        return np.stack(frames).reshape(len(answers), -1, patterns.shape[1])

    try:
        trained = load_model(*weights_file)
    except ValueError as error:
        return {"problem": str(error)}
    problem = "the last model was trained with other layers than SimpleVAE has: run " \
              "python latent_space_exploration.py once more, without options or edits"
    with contextlib.suppress(Exception):            # then it stays at the problem so far
        right_vae = ReferenceVAE(layer_by_layer(trained))
        codes = right_vae.encode(patterns).detach()
        if not equal(reconstruct(trained, patterns), right_vae.decode(codes).detach()):
            raise ValueError("other activations, or layers between")
        problem = "what is written gives no frames that could be drawn yet"
        learner.load_again()
        vae = right_vae
        if {"encode", "decode"} & set(usable):
            vae = learner.make_vae(layer_by_layer(trained))
            for name in {"encode", "decode"} - set(usable):
                setattr(vae, name, getattr(right_vae, name))
        if "interpolate" not in usable:
            learner.module.interpolate = interpolate       # the challenge calls it, too
        mine = morphs(learner.module.interpolate, vae, pairs)
        expected = morphs(interpolate, right_vae, pairs, mine.shape[1])
        made = learner.folder / "made"
        made.mkdir(exist_ok=True)
        with matplotlib.style.context("default"):
            rows = np.stack([mine, expected], axis=1).astype(float)
            (made / "interpolation.png").write_bytes(png(draw(rows, whose(learner.source.path))))
        files = ["interpolation.png"]
        if "interpolate" in right:
            animate(morphs(learner.module.interpolate, vae, pairs[:1], MORPH_STEPS)[0], made)
            files.append("interpolation.gif")
        if CHALLENGE.name in right:
            learner.call(learner.module.create_latent_walk_animation, vae, patterns)
            (learner.folder / "outputs" / gif_name(learner)).replace(made / "walk.gif")
            files.append("walk.gif")
        return {"files": files, "outputs": str(outputs)}
    return {"problem": problem}


def animate(frames, folder):
    """Write interpolation.gif: frames (steps, pixels) there and back, each end once."""
    import imageio.v3 as iio
    import numpy as np

    from patterns import IMAGE_SIZE

    block = np.ones([-(-SIDE // IMAGE_SIZE)] * 2)
    frames = [np.kron(255 * frame.reshape(IMAGE_SIZE, -1), block).astype(np.uint8)
              for frame in (*frames, *frames[-2:0:-1])]
    iio.imwrite(folder / "interpolation.gif", frames, duration=80, loop=0)


def gif_name(learner):
    """The name of the file that the challenge is to write."""
    return Path(getattr(learner.module, "GIF_FILE", "latent_walk.gif")).name


def layer_by_layer(trained):
    """The weights of a trained VAE under the names of SimpleVAE's layers: a state dict."""
    from tests.exercise.reference import loud_weights

    values = [one for name, one in trained.state_dict().items() if not name.startswith("fc_var")]
    return dict(zip(loud_weights(), values, strict=True))


def draw(rows, maker):
    """A figure of frames (morphs, 2, frames, pixels): the learner's above, correct ones below."""
    from patterns import PATTERN_TYPES, grid_figure

    labels = [label for start, end in zip(PATTERN_TYPES, PATTERN_TYPES[1:] + PATTERN_TYPES[:1])
              for label in (f"{start} to\n{end}:\n{maker}", "correct frames")]
    return grid_figure("From pattern to pattern through the trained latent space",
                       rows.reshape(-1, *rows.shape[2:]), labels,
                       [str(number + 1) for number in range(rows.shape[2])])


# --- outside of it ---------------------------------------------------------------------------
def show(judgement, workshop, outputs=None, weights=()):
    """Let the pictures be made and put them into their folder; returns lines on what came of it."""
    right = judgement.names("right")
    usable = [todo.name for todo, one in judgement.results.items()
              if one.state == "right" or one.hint in {**RESULT, **MORPH}]     # it gave something
    if not right and not judgement.names("wrong"):
        return ""
    if not set(PARTS) & set(usable):
        return "No picture: none of your functions returns anything that could be drawn yet."
    message = workshop.run(SECONDS, task="draw", file=str(judgement.source.path), usable=usable,
                           right=right, weights=list(map(str, weights)))
    if "lost" in message:
        return "No picture: your code did not end when it was run with the trained weights."
    if "files" not in message:
        return f"No picture: {message.get('problem') or message['result']['message']}"
    outputs, lines = Path(outputs or message["outputs"]), []
    try:
        outputs.mkdir(parents=True, exist_ok=True)
        for made in message["files"]:
            target = outputs / file_name(judgement.source.path, made)
            shutil.copyfile(workshop.folder / "made" / made, f"{target}.new")
            os.replace(f"{target}.new", target)        # a viewer never sees half a file
            lines.append(f"{CAPTIONS[made]:8} {target}")
    except OSError as error:
        return f"No picture: {outputs} cannot be written ({error.strerror})"
    ours = " and ".join(name for name in PARTS if name not in usable)
    ours = f", with our {ours}" if ours else ""
    lines[1:1] = [f"{'':8} top row of each pair: {whose(judgement.source.path)}{ours}",
                  f"{'':8} bottom row of each pair: correct frames"]
    return "\n".join(lines)


CAPTIONS = {"interpolation.png": "Picture:", "interpolation.gif": "Morph:",
            "walk.gif": "Walk:"}


def whose(path):
    """Words for the frames that a file makes."""
    return "your frames" if path.name == "latent_starter.py" else "its frames"


def file_name(path, made):
    """The name of a file in outputs; that of the starter never stands for another file."""
    if path.name == "latent_starter.py":
        return "latent_walk.gif" if made == "walk.gif" else f"my_{made}"
    return f"{path.stem}_{made}"


