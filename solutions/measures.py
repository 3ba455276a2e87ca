"""What the parameter study measures of a trained model: one table, and its functions.

Everything is measured on held-out patterns. A row of ``MEASURES`` is a column of
parameter_study.csv and of the table that the study prints.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from latent_space_exploration import (
    ALIVE_KL,
    Data,
    Findings,
    LatentSpace,
    Record,
    pairs_of_two_types,
    paths,
)
from patterns import IMAGE_SIZE, NEAR_RMSE, NONE, PATTERN_TYPES, kinds, rmse
from vae_model import VAE


@dataclass(frozen=True)
class Trained:
    """What one training left behind: all that a measure may look at."""

    model: VAE
    data: Data
    history: list[Record]    # losses on held-out patterns, epoch by epoch
    space: LatentSpace
    findings: Findings       # the measures that the main script prints
    recon: np.ndarray        # (N, pixels), held-out patterns decoded from mu
    untrained: LatentSpace   # the same patterns encoded with the initial weights


@dataclass(frozen=True)
class Measure:
    """One number about a Trained."""

    name: str
    heading: str             # two lines in the printed table
    spec: str                # how Python formats it
    legend: str              # what it means, for a reader of the table
    of: Callable             # Trained -> float


# --- the table ------------------------------------------------------------------
MEASURES = (
    Measure("reconstruction", "recon\nnats", ".1f",
            "reconstruction loss of an image, from sampled codes",
            lambda t: t.history[-1].reconstruction),
    Measure("floor", "floor\nnats", ".1f",
            "the noise's part of it, which stays even if each clean pattern is known",
            lambda t: t.findings.floor),
    Measure("excess", "missed\nnats", ".1f",
            "the other part, recon - floor: what the model could have known",
            lambda t: t.history[-1].reconstruction - t.findings.floor),
    Measure("kl", "KL\nnats", ".1f",
            "what the code of an image costs",
            lambda t: t.history[-1].kl),
    Measure("kl_dip", "KL\nlowest", ".2f",
            "the least that it was on the way",
            lambda t: min(record.kl for record in t.history)),
    Measure("loss", "total\nnats", ".1f",
            "recon + KL, the negative ELBO, whatever beta is",
            lambda t: t.history[-1].loss(beta=1)),
    Measure("rmse", "RMSE\nbrightness", ".3f",
            "root mean square error of reconstructions (from mu) against clean patterns",
            lambda t: rmse(t.recon, t.data.clean).mean()),

    Measure("samples", "samples\nVAE", ".0%",
            f"draws from the prior that are near a clean pattern (within RMSE {NEAR_RMSE})",
            lambda t: t.findings.samples),
    Measure("samples_pca", "samples\nPCA", ".0%",
            "the same for draws of a linear model, PCA with as many numbers for an image",
            lambda t: t.findings.samples_pca),
    Measure("midpoints", "midpoints\nof codes", ".0%",
            "halfway between two of one type, far apart: how often near that type again",
            lambda t: t.findings.midpoints),
    Measure("midpoints_blended", "midpoints\nof pixels", ".0%",
            "the same where the pixels are blended instead of the codes",
            lambda t: t.findings.midpoints_blended),
    Measure("lost", "lost\nof codes", ".1f",
            "of 6 pictures between two of different types, how many are near no pattern",
            lambda t: t.findings.lost),
    Measure("lost_blended", "lost\nof pixels", ".1f",
            "the same where the pixels are blended instead of the codes",
            lambda t: t.findings.lost_blended),
    Measure("detours", "detours\nof codes", ".0%",
            "ways from one type to another that pass by a third",
            lambda t: detours(t.model, t.data, t.space)),

    Measure("alive", "alive\ndimensions", ".2g",
            f"latent dimensions that carry something, a KL above {ALIVE_KL} nats",
            lambda t: len(t.space.alive)),
    Measure("undecided", "soft\nrecon", ".0%",
            "reconstructed pixels neither dark nor bright (0.1 to 0.9); more is blurrier",
            lambda t: undecided_pixels(t.recon)),
    Measure("undecided_clean", "soft\nclean", ".0%",
            "the same in the clean patterns, whose edges are soft",
            lambda t: undecided_pixels(t.data.clean)),
    Measure("width_kept", "width kept\nall", ".0%",
            "of the variance in how wide lines are, what reconstructions keep",
            lambda t: np.mean([width_kept(t.recon, t.data, name) for name in PATTERN_TYPES])),
    Measure("cross_width_kept", "width kept\ncrosses", ".0%",
            "the same for crosses alone",
            lambda t: width_kept(t.recon, t.data, "cross")),
    Measure("cross", "h + v\nis a cross", ".0%",
            "halfway between a horizontal and a vertical: how often near a cross",
            lambda t: midpoints_that_are_crosses(t.model, t.data, t.space)),
    Measure("axis_gap", "axis gap\n0 to 1", ".2f",
            "how far one dimension alone stands for a line's shift; 1 is disentangled",
            lambda t: axis_gap(t.data, t.space.mu)),

    Measure("apart", "types\napart", ".2f",
            "from a code to the nearest of another type, median; the prior's sigma is 1",
            lambda t: distance_to_other_types(t.space.mu, t.data.labels)),
    Measure("purity", "own type\nplane", ".0%",
            "patterns whose nearest neighbour in the drawn plane is of their own type",
            lambda t: purity(t.space.project(t.space.mu), t.data.labels)),
    Measure("purity_untrained", "own type\nuntrained", ".0%",
            "the same before training, with random weights",
            lambda t: purity(t.untrained.project(t.untrained.mu), t.data.labels)),
    Measure("purity_pixels", "own type\npixels", ".0%",
            "the same among the pictures themselves, without any network",
            lambda t: purity(t.data.held_out, t.data.labels)),
)


# --- its functions ----------------------------------------------------------------
def undecided_pixels(images):
    """Share of pixels that are neither dark (below 0.1) nor bright (above 0.9)."""
    return np.mean((images > 0.1) & (images < 0.9))


def width_kept(recon, data, name):
    """Of the variance in the widths of one type's lines, the share that is left: 0 to 1.

    The summed brightness of a clean line says how wide it is. A model whose code
    does not mention the width draws all lines equally wide and keeps nothing of it.
    """
    chosen = data.of_type(name)
    before, after = data.clean[chosen].sum(axis=1), recon[chosen].sum(axis=1)
    return max(0.0, 1 - np.var(after - before) / np.var(before))


def detours(model, data, space):
    """Share of the paths between two types that pass by a third."""
    pairs = pairs_of_two_types(data.labels)
    latent, _ = paths(model, data, space, pairs)
    seen = kinds(latent.reshape(-1, latent.shape[-1])).reshape(latent.shape[:2])
    third = (seen != NONE) & (seen[:, :, None] != data.labels[pairs]).all(axis=2)
    return np.mean(third[1:-1].any(axis=0))


def midpoints_that_are_crosses(model, data, space):
    """Share of midpoints between a horizontal and a vertical that decode to a cross."""
    pairs = np.array(list(zip(data.of_type("horizontal"), data.of_type("vertical"))))
    latent, _ = paths(model, data, space, pairs, num_steps=3)
    return np.mean(kinds(latent[1]) == PATTERN_TYPES.index("cross"))


def axis_gap(data, mu):
    """How far one latent dimension alone stands for the shift of a line, 0 to 1.

    The shift of a horizontal line (up and down) and of a vertical one (left and
    right) is read off its clean image. The gap is the squared correlation with
    the best dimension minus that with the second best, averaged over both: 1 if
    one dimension does it all ("disentangled"), 0 if two share the work. After
    the mutual information gap of Chen et al. (2018), with correlation in place
    of information.
    """
    place = (np.arange(IMAGE_SIZE) + 0.5) / IMAGE_SIZE
    gaps = []
    for name, axis in (("horizontal", 2), ("vertical", 1)):
        chosen = data.of_type(name)
        profile = data.clean[chosen].reshape(-1, IMAGE_SIZE, IMAGE_SIZE).mean(axis=axis)
        shift = profile @ place / profile.sum(axis=1)
        second, best = np.sort(squared_correlations(shift, mu[chosen]))[-2:]
        gaps.append(best - second)
    return np.mean(gaps)


def squared_correlations(values, columns):
    """Of values (N,) with each column of (N,) or (N, D); one that never moves explains nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(np.corrcoef(values, columns, rowvar=False)[0, 1:] ** 2)


def distance_to_other_types(codes, labels):
    """Median over codes (N, D) of the distance to the nearest one of another type."""
    codes, labels = torch.as_tensor(codes), torch.as_tensor(labels)
    same = labels[:, None] == labels
    return torch.cdist(codes, codes).masked_fill(same, torch.inf).amin(dim=1).median().item()


def purity(points, labels):
    """Share of points (N, D) whose nearest neighbour has the same label.

    It describes a map and proves no learning: pictures of one type resemble each
    other, so that pixels and random weights come close to it, too.
    """
    points = torch.as_tensor(points)
    nearest = torch.cdist(points, points).fill_diagonal_(torch.inf).argmin(dim=1)
    return np.mean(labels[nearest.numpy()] == labels)
