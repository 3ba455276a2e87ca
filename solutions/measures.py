"""What the parameter study measures of a trained model, and how.

Everything is measured on held-out patterns. Each entry of ``MEASURES`` is a column of
parameter_study.csv; those with a heading are in the printed table as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from latent_space_exploration import IN_USE_KL, Data, LatentSpace, Record
from patterns import IMAGE_SIZE, NEAR_RMSE, PATTERN_TYPES, rmse, types_near
from vae_model import VAE, decode


@dataclass(frozen=True)
class Trained:
    """What one training leaves behind: all that a measure may look at."""

    model: VAE
    data: Data
    history: list[Record]    # losses on held-out patterns, epoch by epoch
    space: LatentSpace
    findings: SimpleNamespace       # what the main script measures
    recon: np.ndarray        # (N, pixels), held-out patterns decoded from mu
    untrained: LatentSpace   # the same patterns encoded with the initial weights


@dataclass(frozen=True)
class Measure:
    """One number about a Trained."""

    name: str
    of: Callable             # Trained -> float
    meaning: str
    heading: str = ""        # in the printed table
    form: str = ".2f"        # how Python formats it there


# --- the table ------------------------------------------------------------------
MEASURES = (
    Measure("reconstruction", lambda t: t.history[-1].reconstruction,
            "reconstruction loss, nats per image, z sampled", "recon", ".1f"),
    Measure("clean_loss", lambda t: t.findings.clean_loss,
            "of it: the lowest loss without copying the noise"),
    Measure("code_noise", lambda t: t.history[-1].reconstruction - t.findings.mu_loss,
            "of it: what sampling z around mu adds", "noise", ".2f"),
    Measure("left", lambda t: t.findings.mu_loss - t.findings.clean_loss,
            "of it: what is left for the model to learn", "left", ".2f"),
    Measure("kl", lambda t: t.history[-1].kl,
            "KL, nats per image", "KL", ".1f"),
    Measure("kl_lowest", lambda t: min(record.kl for record in t.history),
            "the lowest KL during training"),
    Measure("rmse", lambda t: rmse(t.recon, t.data.clean).mean(),
            "error of reconstructions (from mu) against the clean patterns", "RMSE", ".3f"),
    Measure("soft", lambda t: soft_pixels(t.recon),
            "share of reconstructed pixels between 0.1 and 0.9"),
    Measure("width_kept",
            lambda t: np.mean([width_kept(t.recon, t.data, name) for name in PATTERN_TYPES]),
            "share of the variance of the line widths in the reconstructions", "width", ".0%"),
    Measure("cross_width_kept", lambda t: width_kept(t.recon, t.data, "cross"),
            "the same of the crosses alone"),

    Measure("in_use", lambda t: len(t.space.in_use),
            f"latent dimensions with a KL above {IN_USE_KL} nats", "in use", ".1f"),
    Measure("unused", lambda t: len(t.space.kl) - len(t.space.in_use),
            "the other latent dimensions"),
    Measure("code_size", lambda t: np.abs(t.space.mu[:, t.space.by_kl[0]]).mean(),
            "mean absolute value of mu in the dimension with the largest KL"),
    Measure("apart", lambda t: distance_to_other_types(t.space.mu, t.data.labels),
            "median distance from a code to the nearest code of another type", "apart", ".1f"),
    Measure("purity", lambda t: purity(t.space.project(t.space.mu), t.data.labels),
            "share of codes whose nearest neighbor in the plane of the map has the same type"),
    Measure("purity_untrained",
            lambda t: purity(t.untrained.project(t.untrained.mu), t.data.labels),
            "the same before training"),
    Measure("purity_pixels", lambda t: purity(t.data.held_out, t.data.labels),
            "the same of the images themselves"),
    Measure("axis_gap", lambda t: axis_gap(t.data, t.space.mu),
            "how far one dimension alone follows the shift of a line, 0 to 1"),

    Measure("samples", lambda t: t.findings.samples,
            f"share of samples from the prior that are near a pattern (RMSE {NEAR_RMSE})",
            "samples", ".0%"),
    Measure("samples_pca", lambda t: t.findings.samples_pca,
            "the same of samples from PCA with equally many numbers"),
    Measure("recon_pca",
            lambda t: np.mean(types_near(reconstruct_pca(t.data, len(t.space.kl))) != "none"),
            "the same of reconstructions by PCA"),
    Measure("midpoints", lambda t: t.findings.midpoints,
            "share of midpoints of two codes of one type that decode to that type"),
    Measure("midpoints_blended", lambda t: t.findings.midpoints_blended,
            "the same of blended pixels"),
    Measure("frames_near_none", lambda t: t.findings.frames_near_none,
            "of the 6 frames between two types, how many are near no pattern", "none", ".1f"),
    Measure("frames_near_none_blended", lambda t: t.findings.frames_near_none_blended,
            "the same of blended pixels"),
    Measure("cross_midpoints", lambda t: crosses(t.model, t.data, t.space, weight=0.5),
            "share of midpoints of horizontal and vertical that decode to a cross"),
    Measure("cross_sums", lambda t: crosses(t.model, t.data, t.space, weight=1),
            "the same of sums"),
)


# --- its functions ----------------------------------------------------------------
def soft_pixels(images):
    """Share of pixels that are neither dark (below 0.1) nor bright (above 0.9)."""
    return np.mean((images > 0.1) & (images < 0.9))


def width_kept(recon, data, name):
    """The share of the variance of the widths of one type's lines that is kept: 0 to 1.

    The summed brightness of a clean line tells its width. A model that draws all lines
    equally wide keeps nothing. nan if there is no such type.
    """
    if name not in PATTERN_TYPES:
        return np.nan
    chosen = data.of_type(PATTERN_TYPES.index(name))
    before, after = data.clean[chosen].sum(axis=1), recon[chosen].sum(axis=1)
    return max(0.0, 1 - np.var(after - before) / np.var(before))


def reconstruct_pca(data, dimensions):
    """The held-out patterns, each described with its leading principal components."""
    train, images = data.train.numpy(), data.held_out.numpy()
    mean = train.mean(axis=0)
    _, components = np.linalg.eigh(np.cov(train, rowvar=False))     # ascending variance
    leading = components[:, -dimensions:]
    return (mean + (images - mean) @ leading @ leading.T).clip(0, 1)


def crosses(model, data, space, weight):
    """How often weight * (code of a horizontal + code of a vertical) decodes to a cross.

    A weight of 0.5 gives midpoints, 1 gives sums. nan if one of the three types is missing.
    """
    if not {"horizontal", "vertical", "cross"} <= set(PATTERN_TYPES):
        return np.nan
    horizontal, vertical = (space.mu[data.of_type(PATTERN_TYPES.index(name))]
                            for name in ("horizontal", "vertical"))
    count = min(len(horizontal), len(vertical))
    codes = weight * (horizontal[:count] + vertical[:count])
    return np.mean(types_near(decode(model, codes)) == "cross")


def axis_gap(data, mu):
    """How far one latent dimension alone follows the shift of a line, 0 to 1.

    The shift of a horizontal line (up and down) and of a vertical one (left and right) is
    read off its clean image. The gap is the squared correlation with the best dimension
    minus that with the second best, averaged over both types: 1 if one dimension does it
    all ("disentangled"), 0 if two share the work. After the mutual information gap of
    Chen et al. (2018), with correlation in place of information.
    """
    if not {"horizontal", "vertical"} <= set(PATTERN_TYPES):
        return np.nan
    gaps = []
    for name, axis in (("horizontal", 2), ("vertical", 1)):
        chosen = data.of_type(PATTERN_TYPES.index(name))
        profile = data.clean[chosen].reshape(-1, IMAGE_SIZE, IMAGE_SIZE).sum(axis=axis)
        shift = profile @ np.arange(IMAGE_SIZE) / profile.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):     # dimensions that never move
            correlations = np.corrcoef(shift, mu[chosen], rowvar=False)[0, 1:]
        second, best = np.sort(np.nan_to_num(correlations) ** 2)[-2:]
        gaps.append(best - second)
    return np.mean(gaps)


def distance_to_other_types(codes, labels):
    """Median over codes (N, D) of the distance to the nearest one of another type."""
    codes, labels = torch.as_tensor(codes), torch.as_tensor(labels)
    same = labels[:, None] == labels
    return torch.cdist(codes, codes).masked_fill(same, torch.inf).amin(dim=1).median().item()


def purity(points, labels):
    """Share of points (N, D) whose nearest neighbor has the same label."""
    points = torch.as_tensor(points)
    nearest = torch.cdist(points, points).fill_diagonal_(torch.inf).argmin(dim=1)
    return np.mean(labels[nearest.numpy()] == labels)
