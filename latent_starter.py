"""Exercise 3: write the two halves of a VAE, and walk through its latent space.

    python latent_space_exploration.py    # once: trains the weights that are used here
    python latent_starter.py              # at any time: checks what is written, and draws it

Four functions are yours: TODO 1, 2 and 3, and the challenge. Each docstring says
what goes in, what comes out, and which steps lie between. Write your code in the
place of the line ``raise NotImplementedError(...)``; everything else is given.
"""
# ruff: noqa: E402  (the run comes first, because it needs none of the imports)

if __name__ == "__main__":      # given: the run, which checks this file and draws what it makes
    import pathlib
    import runpy
    import sys
    if not pathlib.Path(__file__).resolve().with_name("tests").is_dir():
        sys.exit("The folder tests is missing beside latent_starter.py: it holds the checks.")
    sys.argv = ["latent_starter.py", __file__]
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))    # python -P leaves it out
    runpy.run_module("tests.exercise", run_name="__main__")

import imageio.v3 as iio  # noqa: F401  (for the challenge)
import numpy as np  # noqa: F401
import torch  # noqa: F401
from torch import nn

from patterns import IMAGE_SIZE, OUTPUT_DIR
from vae_model import HIDDEN_DIM, LATENT_DIM

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
