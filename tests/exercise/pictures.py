"""What the learner's functions draw: my_interpolation.png and .gif, and the walk of the challenge.

All this runs in the process of the learner's code.
"""

import shutil
from pathlib import Path
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import torch

from patterns import IMAGE_SIZE, PATTERN_TYPES, generate_patterns, grid_figure, save_figure
from tests.exercise.hints import WrongError
from tests.exercise.reference import interpolate, loud_weights
from tests.exercise.todos import CHALLENGE
from vae_model import WEIGHTS_FILE, load_model

SEED = 7                 # of the patterns that are drawn; training never saw them
MORPH_STEPS = 16         # of my_interpolation.gif, one way
SIDE = 320               # pixels of one of its frames, at least


def draw(learner, outputs, right):
    """Write the pictures into a folder, which holds the trained weights; returns lines on them."""
    images, labels = generate_patterns(len(PATTERN_TYPES), SEED)      # one of each type
    patterns = torch.from_numpy(images[labels.argsort()])
    pairs = list(zip(patterns, patterns.roll(-1, dims=0)))
    learner.load()
    try:
        trained = load_model(outputs / WEIGHTS_FILE)
        vae = learner.make_vae(layer_by_layer(trained))
    except (WrongError, ValueError):
        return (f"No picture: {outputs / WEIGHTS_FILE} is missing, or its layers are not those of "
                "SimpleVAE. Run python latent_space_exploration.py, without options or edits")
    try:
        mine = np.stack([morph(learner, vae, pair) for pair in pairs])
    except Exception:
        return "No picture: what is written gives no frames that could be drawn yet."
    model = SimpleNamespace(encode=lambda x: trained.encode(x)[0], decode=trained.decoder)
    correct = np.reshape([interpolate(model, *pair, mine.shape[1]) for pair in pairs], mine.shape)

    name, walk = "my", "latent_walk.gif"          # which never stand for another file's
    if learner.source.path.name != "latent_starter.py":
        name, walk = learner.source.path.stem, f"{learner.source.path.stem}_walk.gif"
    drawn = [outputs / f"{name}_interpolation.png"]
    try:
        save_figure(drawn[0], comparison, mine, correct)
        if "interpolate" in right:
            drawn.append(drawn[0].with_suffix(".gif"))
            write_gif(drawn[-1], morph(learner, vae, pairs[0], MORPH_STEPS))
        if CHALLENGE.name in right:
            drawn.append(outputs / walk)
            learner.call(learner.module.create_latent_walk_animation, vae, patterns)
            shutil.copyfile(learner.folder / "outputs" / gif_name(learner), drawn[-1])
    except OSError as error:
        return f"No picture: {outputs} cannot be written ({error.strerror})"
    return "\n".join(f"Drawn: {file}" for file in drawn)


def layer_by_layer(trained):
    """The weights of a trained VAE under the names of SimpleVAE's layers: a state dict."""
    values = [one for name, one in trained.state_dict().items() if not name.startswith("fc_var")]
    return dict(zip(loud_weights(), values, strict=True))


def morph(learner, vae, pair, *steps):
    """The frames of the learner's morph from one pattern to another: array (steps, pixels)."""
    frames = learner.call(learner.module.interpolate, vae, *(one.clone() for one in pair), *steps)
    frames = [frame.detach() if isinstance(frame, torch.Tensor) else frame for frame in frames]
    return np.reshape(np.stack(frames), (len(frames), IMAGE_SIZE**2)).astype(float)


def comparison(mine, correct):
    """A figure of morphs (morphs, frames, pixels): the learner's, below each the correct one."""
    rows = np.stack([mine, correct], axis=1).reshape(-1, *mine.shape[1:])
    labels = [label for start, end in zip(PATTERN_TYPES, PATTERN_TYPES[1:] + PATTERN_TYPES[:1])
              for label in (f"{start} to\n{end}:\nyour frames", "correct frames")]
    return grid_figure("From pattern to pattern through the trained latent space", rows, labels,
                       [*map(str, range(1, rows.shape[1] + 1))])


def write_gif(file, frames):
    """Write frames (steps, pixels) there and back, each end once."""
    block = np.ones([-(-SIDE // IMAGE_SIZE)] * 2)
    large = [np.kron(255 * frame.reshape(IMAGE_SIZE, -1), block).astype(np.uint8)
             for frame in (*frames, *frames[-2:0:-1])]
    iio.imwrite(file, large, duration=80, loop=0)


def gif_name(learner):
    """The name of the file that the challenge is to write."""
    return Path(getattr(learner.module, "GIF_FILE", "latent_walk.gif")).name
