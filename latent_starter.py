"""Exercise 3: write the two halves of a VAE, and walk through its latent space.

    python latent_space_exploration.py        # once: trains the weights used here
    python latent_starter.py                  # at any time: what runs, what is next
    python -m pytest tests/test_exercise.py   # after each TODO: what is right

Four functions are yours: TODO 1, 2 and 3, and the challenge. Each docstring says
what goes in, what comes out, and which steps lie between. Write your code in the
place of the line ``raise NotImplementedError(...)``; everything else is given.
"""

import sys
import traceback
from pathlib import Path

import imageio.v3 as iio  # noqa: F401  (for the challenge)
import numpy as np
import torch
from torch import nn

from latent_space_exploration import OUTPUT_DIR, SEED, grid_figure, make_data, publish_together
from patterns import IMAGE_SIZE, PATTERN_TYPES
from vae_model import HIDDEN_DIM, LATENT_DIM, VAE

WEIGHTS_FILE = OUTPUT_DIR / "vae_weights.pth"
GIF_FILE = OUTPUT_DIR / "latent_walk.gif"


class SimpleVAE(nn.Module):
    """The layers of the trained VAE, each under its own name, to be connected by you.

    ``input_dim``, ``hidden_dim`` and ``latent_dim`` mean the same as in ``VAE``.
    """

    def __init__(self, input_dim=IMAGE_SIZE**2, hidden_dim=HIDDEN_DIM, latent_dim=LATENT_DIM):
        super().__init__()
        self.encoder_fc1 = nn.Linear(input_dim, hidden_dim)
        self.encoder_fc2 = nn.Linear(hidden_dim, hidden_dim)
        self.fc_mu = nn.Linear(hidden_dim, latent_dim)
        self.decoder_fc1 = nn.Linear(latent_dim, hidden_dim)
        self.decoder_fc2 = nn.Linear(hidden_dim, hidden_dim)
        self.decoder_out = nn.Linear(hidden_dim, input_dim)

    def encode(self, x):
        """TODO 1: map images to their codes, the mean ``mu`` alone (3 lines).

        1. Send x through encoder_fc1 and a ReLU.
        2. Send the result through encoder_fc2 and a ReLU.
        3. Send the result through fc_mu and return it as it is: a code may be negative.

        Parameters
        ----------
        x : tensor (N, input_dim), values in [0, 1]

        Returns
        -------
        tensor (N, latent_dim)
        """
        raise NotImplementedError("TODO 1: make encode return the code of each image")

    def decode(self, z):
        """TODO 2: map codes to images (3 lines).

        1. Send z through decoder_fc1 and a ReLU.
        2. Send the result through decoder_fc2 and a ReLU.
        3. Send the result through decoder_out and a sigmoid, which keeps every pixel
           between 0 and 1, and return it.

        Parameters
        ----------
        z : tensor (N, latent_dim)

        Returns
        -------
        tensor (N, input_dim), values in [0, 1]
        """
        raise NotImplementedError("TODO 2: make decode return an image for each code")


def interpolate(vae, pattern_a, pattern_b, num_steps=8):
    """TODO 3: morph one pattern into another through the latent space (about 6 lines).

    1. Encode both patterns. Nothing is trained here: switch gradients off.
    2. Let alpha go from 0 to 1 in num_steps equal steps, both ends included.
    3. For each alpha mix the two codes: all of the code of pattern_a and nothing of
       the other at alpha 0, the reverse at alpha 1, a straight line in between.
    4. Decode each mixture and make it a square NumPy array.

    Parameters
    ----------
    vae : SimpleVAE, or any model whose ``encode`` and ``decode`` work like its own
    pattern_a, pattern_b : tensors (input_dim,), to be left unchanged;
        ``torch.stack([pattern_a, pattern_b])`` is a batch of both
    num_steps : int, number of frames, 2 or more

    Returns
    -------
    list of num_steps arrays (IMAGE_SIZE, IMAGE_SIZE), values in [0, 1]
    """
    raise NotImplementedError("TODO 3: make interpolate return the frames of a morph")


def create_latent_walk_animation(vae, patterns, fps=10):
    """Challenge: write a GIF that walks from pattern to pattern for ever (about 8 lines).

    1. Interpolate from each pattern to the next, in order, and from the last one
       straight back to the first; how many steps for each stretch is up to you.
    2. One stretch ends with the frame that the next one begins with: keep it once.
    3. Enlarge every frame to 256 pixels per side or more, without smoothing, so that
       each pixel becomes a square block (``np.kron`` or ``np.repeat``).
    4. Turn brightness, 0 to 1, into whole numbers, 0 to 255 (``np.uint8``).
    5. Write the frames to GIF_FILE with ``iio.imwrite``, looping for ever
       (``loop=0``); ``duration`` is the time that one frame stays, in milliseconds.

    Parameters
    ----------
    vae : SimpleVAE, or any model whose ``encode`` and ``decode`` work like its own
    patterns : tensor (K, input_dim), K is 2 or more
    fps : number, frames per second
    """
    raise NotImplementedError("Challenge: make create_latent_walk_animation write the GIF")


# --- given from here on: the run --------------------------------------------------
class StopError(Exception):
    """Ends the run early; the text says why. Exit code 0: nothing is wrong, only unwritten."""

    def __init__(self, text, exit_code=1):
        super().__init__(text)
        self.exit_code = exit_code


def main(vae, interpolate, create_latent_walk_animation):
    """Run the four functions in order, as far as they are written; returns the exit code."""
    patterns = one_of_each_type()
    try:
        attempt("TODO 1, encode", lambda: vae.encode(patterns))
        attempt("TODO 2, decode", lambda: vae.decode(torch.zeros(1, LATENT_DIM)))
        load_weights(vae)
        attempt("TODO 3, interpolate", draw_interpolations, vae, patterns, interpolate)
        attempt("Challenge, create_latent_walk_animation",
                draw_walk, vae, patterns, create_latent_walk_animation)
    except StopError as stop:
        print(stop)
        return stop.exit_code
    print("\nAll four run. Whether they are right: python -m pytest tests/test_exercise.py")
    return 0


def attempt(name, function, *arguments):
    """Call a function and say how that went; what cannot be finished ends the run."""
    try:
        answer = function(*arguments)
    except NotImplementedError as error:
        raise StopError(f"{name}: to do, this one is next\n    {line_of(error)}", 0) from None
    except Exception as error:      # whatever goes wrong in code that is being written
        raise StopError(
            f"{name}: stopped by {type(error).__name__}: {error}\n    {line_of(error)}\n"
            "What may be the cause: python -m pytest tests/test_exercise.py") from None
    if answer is None:
        raise StopError(f"{name}: returns nothing yet, this one is next", 0)
    print(f"{name}: runs" + (f", see {answer}" if isinstance(answer, Path) else ""))


def line_of(error):
    """The line of the started program that an error comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    program = Path(sys.argv[0]).name
    frame = ([frame for frame in frames if Path(frame.filename).name == program] or frames)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}: {frame.line}"


def one_of_each_type():
    """One held-out pattern of each type: tensor (4, input_dim)."""
    data = make_data(SEED)
    return data.held_out[data.first_of_each_type(1)]


def load_weights(vae):
    """Copy what the main script has trained, layer by layer."""
    train = "Train first: python latent_space_exploration.py"
    try:
        weights = torch.load(WEIGHTS_FILE, weights_only=True)
        latent_dim = len(weights["fc_mu.bias"])
    except FileNotFoundError:
        raise StopError(f"There are no trained weights yet: {WEIGHTS_FILE}\n{train}") from None
    except Exception:               # damaged files raise a dozen different errors
        raise StopError(f"This file does not hold weights: {WEIGHTS_FILE}\n{train}") from None
    if latent_dim != LATENT_DIM:
        raise StopError(f"The weights were trained with LATENT_DIM = {latent_dim}, but "
                        f"vae_model.py now says {LATENT_DIM}: {WEIGHTS_FILE}\n{train}")
    trained = VAE()
    try:
        trained.load_state_dict(weights)
        for mine, theirs in (
            (vae.encoder_fc1, trained.encoder[0]), (vae.encoder_fc2, trained.encoder[2]),
            (vae.fc_mu, trained.fc_mu),
            (vae.decoder_fc1, trained.decoder[0]), (vae.decoder_fc2, trained.decoder[2]),
            (vae.decoder_out, trained.decoder[4]),
        ):
            mine.load_state_dict(theirs.state_dict())
    except (RuntimeError, LookupError):
        raise StopError("The trained layers differ in size or number from those that vae_model.py "
                        f"and SimpleVAE have now: {WEIGHTS_FILE}\n{train}") from None


def draw_interpolations(vae, patterns, interpolate):
    """Draw a morph from each pattern to the next; returns the file, None for no frames."""
    rows = [interpolate(vae, *pair) for pair in zip(patterns, patterns.roll(-1, dims=0))]
    if rows[0] is None:
        return None
    to_names = [*PATTERN_TYPES[1:], PATTERN_TYPES[0]]
    figure = grid_figure(
        "My interpolations through the latent space",
        np.reshape(rows, (len(rows), -1, IMAGE_SIZE**2)),
        [f"{start}\nto {end}" for start, end in zip(PATTERN_TYPES, to_names)],
        [f"alpha\n{alpha:.2f}" for alpha in np.linspace(0, 1, len(rows[0]))],
    )
    OUTPUT_DIR.mkdir(exist_ok=True)
    with publish_together(OUTPUT_DIR) as scratch:
        figure.savefig(scratch / "my_interpolation.png")
    return OUTPUT_DIR / "my_interpolation.png"


def draw_walk(vae, patterns, create_latent_walk_animation):
    """Let the challenge write its GIF; returns the file, None if it wrote none."""
    before = time_of(GIF_FILE)               # an older GIF must not pass for a new one
    create_latent_walk_animation(vae, patterns)
    return GIF_FILE if time_of(GIF_FILE) != before else None


def time_of(file):
    """When a file was last written, in nanoseconds; None if there is none."""
    return file.stat().st_mtime_ns if file.exists() else None


if __name__ == "__main__":
    sys.exit(main(SimpleVAE(), interpolate, create_latent_walk_animation))
