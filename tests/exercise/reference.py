"""What right answers to exercise 3 are, computed independently of every VAE class.

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
SIZES = {                                   # layer: values in, values out
    "encoder_fc1": (PIXELS, HIDDEN_DIM),
    "encoder_fc2": (HIDDEN_DIM, HIDDEN_DIM),
    "fc_mu": (HIDDEN_DIM, LATENT_DIM),
    "decoder_fc1": (LATENT_DIM, HIDDEN_DIM),
    "decoder_fc2": (HIDDEN_DIM, HIDDEN_DIM),
    "decoder_out": (HIDDEN_DIM, PIXELS),
}


@functools.cache
def loud_weights(seed=3):
    """A state dict for ``SimpleVAE``: float32 tensors. Nobody may change them."""
    rng = np.random.default_rng(seed)
    weights = {}
    for layer, (inputs, outputs) in SIZES.items():
        # the last layer is quieter, or the sigmoid would leave only black and white
        gain = 0.5 if layer == "decoder_out" else 2.0
        weights[f"{layer}.weight"] = gain / inputs**0.5 * rng.normal(size=(outputs, inputs))
        weights[f"{layer}.bias"] = rng.uniform(-0.5, 0.5, size=outputs)
    return {name: torch.from_numpy(values).float() for name, values in weights.items()}


WEIGHTS = {name: values.double().numpy() for name, values in loud_weights().items()}


def some_patterns(count, seed=11):
    """A few patterns, as the exercise has them: tensor (count, pixels)."""
    return torch.from_numpy(generate_patterns(count, seed, noise=0.03)[0])


def some_codes(count, seed=12):
    """Codes with values of both signs: tensor (count, LATENT_DIM)."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, LATENT_DIM))).float()


# --- plain NumPy ----------------------------------------------------------------
def linear(layer):
    """The function that a layer is."""
    return lambda x: x @ WEIGHTS[f"{layer}.weight"].T + WEIGHTS[f"{layer}.bias"]


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2          # 1 / (1 + exp(-x)) without an overflow


def encode(x):
    """Images (N, pixels) to codes (N, LATENT_DIM)."""
    hidden = relu(linear("encoder_fc1")(np.asarray(x, dtype=float)))
    return linear("fc_mu")(relu(linear("encoder_fc2")(hidden)))


def decode(z):
    """Codes (N, LATENT_DIM) to images (N, pixels)."""
    hidden = relu(linear("decoder_fc1")(np.asarray(z, dtype=float)))
    return sigmoid(linear("decoder_out")(relu(linear("decoder_fc2")(hidden))))


def two_patterns():
    """The two of some patterns whose codes are nearest to a right angle: tensor (2, pixels).

    Between codes in one direction an arc is a straight line, and a mistake could not be seen.
    """
    patterns = some_patterns(8)
    codes = encode(patterns)
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    return patterns[list(divmod(np.abs(codes @ codes.T).argmin(), len(codes)))]


def mix(a, b, weight_a, weight_b):
    """Weighted sums of two vectors: one row for each pair of weights."""
    return np.outer(weight_a, a) + np.outer(weight_b, b)


def as_squares(images):
    return np.reshape(images, (-1, IMAGE_SIZE, IMAGE_SIZE))


# --- a model and a function for the TODOs that come after -------------------------
class ReferenceVAE(nn.Module):
    """A right model that keeps what it was asked to encode and to decode."""

    def __init__(self, weights=None):
        super().__init__()
        for layer, (inputs, outputs) in SIZES.items():
            self.add_module(layer, nn.Linear(inputs, outputs, device="meta"))   # no values yet
        weights = weights or loud_weights()
        copies = {name: values.clone() for name, values in weights.items()}
        self.load_state_dict(copies, assign=True)
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


def interpolate(vae, pattern_a, pattern_b, num_steps=8):
    """A right ``interpolate``, for a challenge that is written before TODO 3."""
    with torch.no_grad():
        codes = vae.encode(torch.stack([pattern_a, pattern_b]))
        steps = [torch.lerp(*codes, alpha) for alpha in np.linspace(0, 1, num_steps)]
        return [vae.decode(code).numpy().reshape(IMAGE_SIZE, IMAGE_SIZE) for code in steps]
