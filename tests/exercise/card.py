"""The test card: a model whose pictures show what they are mixed from.

Each pattern has a code of its own, and the decoder draws, row by row, how much of
each pattern is in a code, below a ramp from dark to bright. So the weights of a
mixture can be read off a picture, and what happened to brightness off the ramp.
"""

import numpy as np
import torch
from torch.nn import functional as F

from patterns import IMAGE_SIZE
from tests.exercise.hints import WrongError
from tests.exercise.reference import PIXELS, ReferenceVAE
from vae_model import LATENT_DIM

DARK, BRIGHT = 0.1, 0.8   # ends of the ramp
RAMP = np.linspace(DARK, BRIGHT, IMAGE_SIZE)
NEAR = 0.05               # by which brightness may differ: a palette of 256 colors rounds it
SCALES = {"another sigmoid": 1 / (1 + np.exp(-RAMP)), "(x + 1) / 2": (RAMP + 1) / 2,
          "2 x - 1": 2 * RAMP - 1, "a square": RAMP**2, "a root": RAMP**0.5}
# at right angles, all of length 3, with values of both signs that no ReLU leaves alone
CODES = 3 * torch.eye(LATENT_DIM, dtype=torch.float32) - 6 / LATENT_DIM


def curved(weight):
    """Brightness of a weight, both 0 to 1. It is no straight line, so that a mixture of two
    pictures differs from the picture of a mixture."""
    return weight * (0.4 + 0.6 * weight)


def weights_of(codes):
    """How much of each pattern is in codes: tensor (..., LATENT_DIM + 1). The last is of a pattern
    whose code is zero: there may be one pattern more than dimensions."""
    weights = codes @ CODES.to(codes) / 9
    return torch.cat([weights, 1 - weights.sum(-1, keepdim=True)], dim=-1)


class TestCard(ReferenceVAE):
    """A model with a picture for each code. A pattern itself is as bright as ``brightest``: 1
    shows what overflows, less than 1 what is divided by the brightest pixel of all. Codes are
    ``apart`` times as far from each other as usual."""

    __test__ = False         # not one of pytest's

    def __init__(self, patterns, brightest=1.0, apart=1.0):
        super().__init__()
        self.patterns, self.brightest, self.apart = patterns.clone(), brightest, apart
        self.codes = apart * F.pad(CODES, (0, 0, 0, 1))[:len(patterns)]

    def encode(self, x):
        real = super().encode(x)                # refuses what a layer refuses, and notes it
        distance = (x.detach().unsqueeze(-2).float() - self.patterns).abs().amax(-1)
        nearest, which = distance.min(-1)
        # a stranger is off the way; 0 * real records gradients
        return self.codes[which] + 3 * nearest.unsqueeze(-1) + 0 * real

    def decode(self, z):
        real = super().decode(z)
        return self.drawn(z) + 0 * real

    def drawn(self, z):
        """The pictures of codes, without a note on what was decoded."""
        weights = weights_of(z / self.apart)
        # a pattern itself is 1, not nearly
        shown = (1.00001 * weights[..., :len(self.patterns)]).clamp(0, 1)
        stray = (weights.abs().sum(-1, keepdim=True) - shown.sum(-1, keepdim=True)).clamp(min=0)
        rows = curved(torch.cat([shown, stray / (1 + stray)], dim=-1))
        rows = (DARK + (self.brightest - DARK) * rows).repeat_interleave(IMAGE_SIZE, -1)
        ramp = torch.from_numpy(RAMP).float().expand(*z.shape[:-1], -1)
        card = torch.cat([ramp, rows], dim=-1)
        return F.pad(card, (0, PIXELS - card.shape[-1]), value=DARK)


# --- what its pictures show --------------------------------------------------------------
def require_none(seen, cases, **details):
    """Raise a WrongError for the first of the cases (hint, applies, what exactly) that applies."""
    for hint, applies, *what in cases:
        if applies:
            raise WrongError(hint, seen, what="".join(what), **details)


def require_card(pictures, vae, seen):
    """Raise a WrongError unless pictures (frames, side, side) are those of the test card."""
    flat, patterns = pictures.reshape(len(pictures), -1), vae.patterns.numpy()
    encoded = np.concatenate([patterns, *vae.encoded])
    ramp, plain = pictures[:, 0], np.ptp(pictures[:, 1:], axis=2).max() < NEAR
    require_none(seen, (
        ("pixels-blended", are_mixed(flat, patterns), "the given patterns themselves"),
        ("pixels-blended", are_mixed(flat, vae.drawn(vae.codes).numpy()), "decoded ones"),
        ("pixels-blended", are_mixed(encoded, patterns), "the patterns, before they are encoded")))
    if is_card(pictures):
        return
    rises, last = np.diff(ramp, axis=1), vae.decoded[-1] if vae.decoded else vae.codes.numpy()
    steady = np.ptp(rises, axis=1).max() < NEAR and rises.min() > 0.03
    lowest, highest = pictures.min(axis=(1, 2)), pictures.max(axis=(1, 2))
    full = np.abs(lowest).max() < 0.02 or np.abs(highest - 1).max() < 0.02
    scaled_by = [name for name, values in SCALES.items() if np.abs(ramp[0] - values).max() < 0.005]
    turned = [np.rot90(one, k, (1, 2)) for one in (pictures, pictures[:, ::-1]) for k in range(4)]
    require_none(seen, (
        ("ends-raw", min(distances(flat, patterns)) < NEAR),
        ("decoder-unused", not vae.decoded and vae.encoded),
        ("model-unused", not vae.decoded),
        ("transposed", is_card(pictures.swapaxes(1, 2))),
        ("upside-down", any(map(is_card, turned))),
        ("transposed", not plain and np.ptp(pictures[:, :, 1:], axis=1).max() < NEAR),
        ("rounded", set(np.unique(pictures)) <= {0, 1}),
        ("frame-empty", 0 < np.sum(lowest == highest) < len(flat)),
        ("scrambled", are_moved(flat, vae.drawn(torch.from_numpy(last)).numpy())),
        ("unknown", not plain),
        ("inverted", np.abs(ramp - (1 - RAMP)).max() < NEAR),
        ("stretched", steady and full),
        ("wrapped", rises.min() < -NEAR),
        ("frames-scaled", True, f"{DARK} became {ramp[0, 0]:.3g}, {BRIGHT} {ramp[0, -1]:.3g}",
         *(f", as by {name}" for name in scaled_by))))


def are_moved(pictures, drawn):
    """Whether pictures hold the same numbers as those that were drawn."""
    return np.size(pictures) == np.size(drawn) and np.allclose(
        np.sort(pictures, axis=None), np.sort(drawn, axis=None), atol=1e-4)


def is_card(pictures):
    """Whether pictures are those of a test card, unchanged."""
    return max(np.ptp(pictures[:, 1:], axis=2).max(), np.abs(pictures[:, 0] - RAMP).max()) < NEAR


def distances(pictures, patterns):
    """How far pictures, one a row, are from the nearest of the patterns."""
    return [np.abs(patterns - one).max(axis=1).min() for one in pictures]


def encodes_others(vae):
    """Whether the model was asked to encode other pictures than its patterns."""
    return max(distances(np.concatenate([vae.patterns, *vae.encoded]), vae.patterns.numpy())) > NEAR


def are_mixed(pictures, sources):
    """Whether pictures, one a row, are means of others, not these themselves."""
    weights = np.linalg.lstsq(sources.T, pictures.T, rcond=None)[0]
    off = [weights.T @ sources - pictures, weights.sum(axis=0) - 1]
    return max(np.abs(one).max() for one in off) < NEAR < np.abs(weights - weights.round()).max()
