"""Each measure of the study on a hand-made training whose numbers are known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latent_space_exploration import Data, LatentSpace, Record
from patterns import IMAGE_SIZE
from solutions import measures
from solutions.measures import MEASURES, Trained

COUNT = 40
FACTORS = np.array([0.5, 0.6, 2.5, 0.95])   # by which each type is brighter when reconstructed
WIDTH_KEPT = np.array([0.75, 0.84, 0, 1 - 0.05**2])                      # what that leaves


@pytest.fixture
def trained(monkeypatch):
    """A training in which every number differs from every other, with the types as handed out."""
    monkeypatch.setattr(
        measures, "PATTERN_TYPES", ("diagonal", "horizontal", "vertical", "cross"))
    rng = np.random.default_rng(3)
    labels = np.arange(COUNT) % 4
    clean = rng.uniform(size=(COUNT, IMAGE_SIZE**2))
    noisy = torch.from_numpy(clean + rng.normal(0, 0.5, clean.shape)).float()
    train = torch.from_numpy(rng.uniform(size=(60, IMAGE_SIZE**2)))
    history = [Record(1, 90, 3, None), Record(2, 80, 0.5, None), Record(3, 62, 4, None)]
    spaces = [LatentSpace(rng.normal(size=(COUNT, 4)), np.array([0.05, 0.09, 2, 0.1]),
                          rng.normal(size=4), np.eye(4)[[0, 3]], ("", "")) for _ in range(2)]
    findings = SimpleNamespace(
        samples=0.81, samples_pca=0.07, midpoints=0.98, midpoints_blended=0.2,
        frames_near_none=0.9, frames_near_none_blended=3.5, copy_loss=55, clean_loss=59,
        mu_loss=60.8)
    return Trained(SimpleNamespace(decoder=lambda z: z), Data(train, noisy, labels, clean),
                   history, spaces[0], findings, clean * FACTORS[labels][:, None], spaces[1])


def value(name, trained):
    return next(measure for measure in MEASURES if measure.name == name).of(trained)


def purity(points, labels):
    by_distance = np.linalg.norm(points[:, None] - points, axis=2).argsort(axis=1)
    return np.mean(labels[by_distance[:, 1]] == labels)        # [:, 0] are the points themselves


def median_distance(codes, labels):
    """From each code to the nearest one of another type (the lower median)."""
    return sorted(min(math.dist(a, b) for b, other in zip(codes, labels) if other != label)
                  for a, label in zip(codes, labels))[COUNT // 2 - 1]


def test_measures_against_their_definitions(trained):
    mu, labels, clean = trained.space.mu, trained.data.labels, trained.data.clean
    found = {measure.name: measure.of(trained) for measure in MEASURES if measure.name not in
             ("axis_gap", "recon_pca", "cross_midpoints", "cross_sums")}      # tested below
    assert found == pytest.approx({
        "reconstruction": 62, "clean_loss": 59, "code_noise": 1.2, "left": 1.8,
        "kl": 4, "kl_lowest": 0.5,
        "rmse": np.mean([math.sqrt(np.mean(one**2)) for one in trained.recon - clean]),
        "soft": np.mean([0.1 < pixel < 0.9 for pixel in trained.recon.flatten()]),
        "width_kept": np.mean(WIDTH_KEPT), "cross_width_kept": WIDTH_KEPT[3],
        "in_use": 1, "unused": 3, "code_size": sum(abs(code[2]) for code in mu) / COUNT,
        "apart": median_distance(mu, labels),
        "purity": purity(mu[:, [0, 3]], labels),
        "purity_untrained": purity(trained.untrained.mu[:, [0, 3]], labels),
        "purity_pixels": purity(trained.data.held_out.numpy(), labels),
        "samples": 0.81, "samples_pca": 0.07, "midpoints": 0.98, "midpoints_blended": 0.2,
        "frames_near_none": 0.9, "frames_near_none_blended": 3.5,
    }, rel=1e-5)


def test_crosses_are_counted_at_midpoints_and_at_sums(trained, monkeypatch):
    mu, labels, seen = trained.space.mu, trained.data.labels, []
    mu[labels == 1, 2], mu[labels == 2, 2] = np.arange(10), 1      # midpoints 0.5, 1.0, ..., 5.0
    monkeypatch.setattr(measures, "types_near", lambda images: seen.append(images)
                        or np.where(images[:, 2] > 3.75, "cross", "horizontal"))
    assert value("cross_midpoints", trained) == 0.3
    assert value("cross_sums", trained) == 0.7
    np.testing.assert_allclose(seen[0], (mu[labels == 1] + mu[labels == 2]) / 2, rtol=1e-6)


def test_pca_reconstructs_with_the_components_of_the_training_patterns(trained, monkeypatch):
    train, images, seen = trained.data.train.numpy(), trained.data.held_out.numpy(), []
    mean = train.mean(axis=0)
    components = np.linalg.svd(train - mean)[2][:4]
    weights = np.linalg.lstsq(components.T, (images - mean).T, rcond=None)[0]
    monkeypatch.setattr(measures, "types_near", lambda images: seen.append(images)
                        or np.array(["none"] * 10 + ["cross"] * 30))
    assert value("recon_pca", trained) == 0.75
    np.testing.assert_allclose(seen[0], (mean + weights.T @ components).clip(0, 1), atol=1e-4)


def test_axis_gap_is_large_for_one_dimension_and_zero_for_two(trained):
    rng = np.random.default_rng(0)
    data, noise = trained.data, rng.normal(size=COUNT)
    rows, columns = rng.integers(IMAGE_SIZE, size=(2, COUNT))
    data.clean[:] = 0                             # one white pixel tells where a line is
    data.clean[np.arange(COUNT), rows * IMAGE_SIZE + columns] = 1
    shift = np.where(data.labels == 1, rows, columns)
    two = np.column_stack([noise, shift, -2 * shift, 0 * shift])
    assert measures.axis_gap(data, two) == pytest.approx(0, abs=1e-9)
    one = np.column_stack([noise, 0 * shift, shift])
    shared = [np.corrcoef(shift[chosen], noise[chosen])[0, 1] ** 2
              for chosen in (data.labels == 1, data.labels == 2)]
    assert measures.axis_gap(data, one) == pytest.approx(1 - np.mean(shared))


def test_measures_of_types_that_are_missing_are_nan(trained, monkeypatch):
    monkeypatch.setattr(measures, "PATTERN_TYPES", ("diagonal", "horizontal", "ring"))
    for name in ("cross_width_kept", "cross_midpoints", "cross_sums", "axis_gap"):
        assert math.isnan(value(name, trained))
    assert value("width_kept", trained) == pytest.approx(np.mean(WIDTH_KEPT[:3]))
