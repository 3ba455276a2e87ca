"""The finished latent_starter.py: one clear way to write TODO 1, 2, 3 and the challenge.

    python solutions/latent_solution.py    # checks itself, draws outputs/latent_solution_*
"""

if __name__ == "__main__":      # the checks run this file again, in a process of its own
    import pathlib
    import sys
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from tests.exercise.run import check
    check(__file__)

import math

import imageio.v3 as iio
import numpy as np
import torch
from torch import nn

from patterns import IMAGE_SIZE, OUTPUT_DIR
from vae_model import HIDDEN_DIM, LATENT_DIM

GIF_FILE = OUTPUT_DIR / "latent_solution_walk.gif"


class SimpleVAE(nn.Module):
    """The layers of the trained VAE, connected."""

    def __init__(self, input_dim=IMAGE_SIZE**2, hidden_dim=HIDDEN_DIM, latent_dim=LATENT_DIM):
        super().__init__()
        self.encoder_fc1 = nn.Linear(input_dim, hidden_dim)
        self.encoder_fc2 = nn.Linear(hidden_dim, hidden_dim)
        self.fc_mu = nn.Linear(hidden_dim, latent_dim)
        self.decoder_fc1 = nn.Linear(latent_dim, hidden_dim)
        self.decoder_fc2 = nn.Linear(hidden_dim, hidden_dim)
        self.decoder_out = nn.Linear(hidden_dim, input_dim)

    def encode(self, x):
        """TODO 1: map images (N, input_dim) to their codes ``mu`` (N, latent_dim)."""
        hidden = torch.relu(self.encoder_fc1(x))             # (N, hidden_dim)
        hidden = torch.relu(self.encoder_fc2(hidden))
        return self.fc_mu(hidden)                            # no ReLU: a code may be negative

    def decode(self, z):
        """TODO 2: map codes (N, latent_dim) to images (N, input_dim) in [0, 1]."""
        hidden = torch.relu(self.decoder_fc1(z))             # (N, hidden_dim)
        hidden = torch.relu(self.decoder_fc2(hidden))
        return torch.sigmoid(self.decoder_out(hidden))       # keeps pixels between 0 and 1


def interpolate(vae, pattern_a, pattern_b, num_steps=8):
    """TODO 3: morph pattern_a into pattern_b: list of arrays (IMAGE_SIZE, IMAGE_SIZE)."""
    with torch.no_grad():                                    # so that .numpy() works below
        code_a, code_b = vae.encode(torch.stack([pattern_a, pattern_b]))
        alpha = torch.linspace(0, 1, num_steps)[:, None]     # (num_steps, 1)
        images = vae.decode((1 - alpha) * code_a + alpha * code_b)      # (num_steps, input_dim)
    return list(images.reshape(num_steps, IMAGE_SIZE, IMAGE_SIZE).numpy())


def create_latent_walk_animation(vae, patterns, fps=10):
    """Challenge: write a GIF that walks from pattern to pattern, in a loop."""
    block = np.ones([math.ceil(256 / IMAGE_SIZE)] * 2)       # what one pixel becomes
    pictures = []
    for start, end in zip(patterns, patterns.roll(-1, dims=0)):   # the last goes to the first
        for frame in interpolate(vae, start, end, num_steps=12)[:-1]:   # the end: next start
            pictures.append((255 * np.kron(frame, block)).round().astype(np.uint8))
    iio.imwrite(GIF_FILE, pictures, duration=1000 / fps, loop=0)   # milliseconds for a frame
