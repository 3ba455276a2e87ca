"""What right answers to exercise 3 are, given by a model that is apart from all others.

With freshly initialised weights most wrong answers differ from the right one by
less than 0.001. The weights here are loud: drawn from a seeded normal
distribution that is wide enough for each ReLU and each layer to matter.
"""

import contextlib
import functools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from patterns import IMAGE_SIZE, generate_patterns
from vae_model import HIDDEN_DIM, LATENT_DIM

PIXELS = IMAGE_SIZE**2
TOLERANCE = 1e-3        # of the largest right value; right answers stay below 1e-5
SIZES = {                                   # layer: values in, values out
    "encoder_fc1": (PIXELS, HIDDEN_DIM),
    "encoder_fc2": (HIDDEN_DIM, HIDDEN_DIM),
    "fc_mu": (HIDDEN_DIM, LATENT_DIM),
    "decoder_fc1": (LATENT_DIM, HIDDEN_DIM),
    "decoder_fc2": (HIDDEN_DIM, HIDDEN_DIM),
    "decoder_out": (HIDDEN_DIM, PIXELS),
}


@functools.cache
def loud_weights():
    """A state dict for ``SimpleVAE``: float32 tensors. Nobody may change them."""
    rng = np.random.default_rng(3)
    weights = {}
    for layer, (inputs, outputs) in SIZES.items():
        # values above 6, where a ReLU6 ends, but in the sigmoid not only black and white
        gain = {"encoder_fc1": 8.0, "decoder_fc1": 5.0, "decoder_out": 0.25}.get(layer, 2.0)
        weights[f"{layer}.weight"] = gain / inputs**0.5 * rng.normal(size=(outputs, inputs))
        weights[f"{layer}.bias"] = rng.uniform(-0.5, 0.5, size=outputs)
    return {name: torch.from_numpy(values).float() for name, values in weights.items()}


def some_patterns(count):
    """A few patterns, as the exercise has them: tensor (count, pixels)."""
    return torch.from_numpy(generate_patterns(count, 11, noise=0.03)[0])


def some_codes(count):
    """Codes with values of both signs: tensor (count, LATENT_DIM)."""
    return torch.from_numpy(np.random.default_rng(12).normal(size=(count, LATENT_DIM))).float()


class Layer(nn.Linear):
    """A linear layer whose weights are given later."""

    def reset_parameters(self):
        """Random weights would take most of the time of a check."""


class ReferenceVAE(nn.Module):
    """A right model that keeps what it was asked to encode and to decode."""

    def __init__(self, weights=None):
        super().__init__()
        for layer, sizes in SIZES.items():
            self.add_module(layer, Layer(*sizes))
        self.load_state_dict(weights or loud_weights())
        self.encoded, self.decoded = [], []

    def encode(self, x):
        hidden = F.relu(self.encoder_fc2(F.relu(self.encoder_fc1(x))))
        with contextlib.suppress(RuntimeError):      # inside torch.vmap there are no values
            self.encoded.append(x.detach().reshape(-1, PIXELS).numpy().copy())
        return self.fc_mu(hidden)

    def decode(self, z):
        hidden = F.relu(self.decoder_fc2(F.relu(self.decoder_fc1(z))))
        with contextlib.suppress(RuntimeError):
            self.decoded.append(z.detach().reshape(-1, LATENT_DIM).numpy().copy())
        return torch.sigmoid(self.decoder_out(hidden))


exact_vae = functools.cache(lambda: ReferenceVAE().double())


def encode(x):
    """Right codes (N, LATENT_DIM) of images (N, pixels): arrays, in double precision."""
    return exact_vae().encode(torch.as_tensor(x).double()).detach().numpy()


def decode(z):
    """Right images (N, pixels) of codes (N, LATENT_DIM): arrays, in double precision."""
    return exact_vae().decode(torch.as_tensor(z).double()).detach().numpy()


def equal(values, right):
    """Whether two arrays or tensors agree, up to rounding."""
    most = np.abs(np.asarray(right)).max()
    return np.shape(values) == np.shape(right) and np.allclose(
        values, right, rtol=1e-4, atol=TOLERANCE * max(1e-3, min(10, most)))


def interpolate(vae, pattern_a, pattern_b, num_steps=8):
    """A right ``interpolate``, for a challenge that is written before TODO 3."""
    with torch.no_grad():
        codes = vae.encode(torch.stack([pattern_a, pattern_b])).numpy()
        steps = torch.from_numpy(np.linspace(*codes, num_steps))
        return list(vae.decode(steps).numpy().reshape(-1, IMAGE_SIZE, IMAGE_SIZE))
