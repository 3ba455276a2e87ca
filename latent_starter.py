"""Exercise 3: write the two halves of a VAE, and walk through its latent space.

    python latent_space_exploration.py         # once: trains the weights that are used here
    python latent_starter.py                   # at any time: checks this file, draws its pictures
    python -m pytest tests/test_exercise.py    # the same checks with pytest

Write your code in place of each ``raise NotImplementedError(...)``: TODO 1, 2 and 3,
and the challenge if you like. Each docstring states what goes in and what comes out.
"""

if __name__ == "__main__":      # the checks run this file again, in a process of its own
    from tests.exercise.run import check
    check(__file__)

import imageio.v3 as iio
import numpy as np
import torch
from torch import nn

from patterns import IMAGE_SIZE, OUTPUT_DIR
from vae_model import HIDDEN_DIM, LATENT_DIM

GIF_FILE = OUTPUT_DIR / "latent_walk.gif"


class SimpleVAE(nn.Module):
    """The layers of the trained VAE. You connect them in ``encode`` and ``decode``.

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
        """TODO 1: map images to their codes, the mean ``mu`` alone (about 3 lines).

        The left half of outputs/vae_architecture.png shows the layers and what stands
        between them. A code may be negative.

        Parameters
        ----------
        x : tensor (N, input_dim), values in [0, 1]

        Returns
        -------
        tensor (N, latent_dim)
        """
        raise NotImplementedError("TODO 1: make encode return the code of each image")

    def decode(self, z):
        """TODO 2: map codes to images (about 3 lines).

        The right half of outputs/vae_architecture.png shows the way. Its last step
        keeps every pixel between 0 and 1.

        Parameters
        ----------
        z : tensor (N, latent_dim), any finite values

        Returns
        -------
        tensor (N, input_dim), values in [0, 1]
        """
        raise NotImplementedError("TODO 2: make decode return an image for each code")


def interpolate(vae, pattern_a, pattern_b, num_steps=8):
    """TODO 3: morph one pattern into another through the latent space (about 6 lines).

    The idea: the codes of the two patterns are two points. Walk from one to the other
    on a straight line in equal steps, both ends included, and decode each point. A point
    of the line is a mixture of both codes: all of the first and nothing of the second
    at the start, the reverse at the end. Nothing is trained, so no gradients are needed.

    Parameters
    ----------
    vae : SimpleVAE, or any model whose ``encode`` and ``decode`` work like its own
    pattern_a, pattern_b : tensors (input_dim,), to be left unchanged;
        ``torch.stack([pattern_a, pattern_b])`` is a batch of both
    num_steps : int, number of frames, 2 or more

    Returns
    -------
    list or array of num_steps NumPy arrays (IMAGE_SIZE, IMAGE_SIZE), in [0, 1]
    """
    raise NotImplementedError("TODO 3: make interpolate return the frames of a morph")


def create_latent_walk_animation(vae, patterns, fps=10):
    """Challenge: write a GIF that walks from pattern to pattern, in a loop (about 8 lines).

    1. Interpolate from each pattern to the next, in order, and from the last one straight
       back to the first. You choose the number of frames, with one or more in between.
    2. One stretch ends with the frame that the next one begins with: keep it once.
    3. Enlarge every frame to 256 pixels per side or more, without smoothing, so that
       each pixel becomes a square block (``np.kron`` or ``np.repeat``).
    4. Turn brightness, 0 to 1, into whole numbers, 0 to 255 (``np.uint8``).
    5. Write the frames to GIF_FILE with ``iio.imwrite``. ``loop=0`` repeats the GIF without
       end, and ``duration`` is the time of one frame in milliseconds.

    Parameters
    ----------
    vae : SimpleVAE, or any model whose ``encode`` and ``decode`` work like its own
    patterns : tensor (K, input_dim), K is 2 or more
    fps : positive number, frames per second, such as 10, 2.5 or 1
    """
    raise NotImplementedError("Challenge: make create_latent_walk_animation write the GIF")
