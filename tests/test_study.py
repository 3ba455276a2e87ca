"""The measures of the parameter study, on models and codes whose answer is known."""

import csv
import math
from dataclasses import asdict, fields
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latent_space_exploration import make_data
from patterns import IMAGE_SIZE, PATTERN_TYPES
from solutions import parameter_study as study

DATA = make_data(0)
# codes that are the images themselves, so that the decoder decides what a midpoint shows
IDENTITY = SimpleNamespace(decoder=lambda z: z)


def of_type(name):
    return DATA.labels == PATTERN_TYPES.index(name)


def shifts(name, axis):
    """Where the brightest row or column of each clean line lies, by brute force."""
    images = DATA.clean[of_type(name)].reshape(-1, IMAGE_SIZE, IMAGE_SIZE).sum(axis=axis)
    return np.array([sum(i * v for i, v in enumerate(row)) / sum(row) for row in images])


def test_undecided_pixels_are_counted():
    assert study.undecided_pixels(np.array([[0.0, 0.05, 0.5, 0.95, 1.0]])) == pytest.approx(0.2)
    assert study.undecided_pixels(np.full((3, 9), 0.3)) == 1


def test_midpoints_of_blended_pixels_are_no_crosses_but_of_added_ones_are():
    assert study.midpoints_that_are_crosses(IDENTITY, DATA, DATA.clean / 2) == 0
    adding = SimpleNamespace(decoder=lambda z: (4 * z).clamp(max=1))
    assert study.midpoints_that_are_crosses(adding, DATA, DATA.clean / 2) > 0.9


def test_paths_lead_from_a_diagonal_to_a_cross():
    paths = study.paths(IDENTITY, DATA, DATA.clean)
    assert len(paths) == 100
    np.testing.assert_allclose(paths[0][0], DATA.clean[of_type("diagonal")][0], atol=1e-6)
    np.testing.assert_allclose(paths[0][-1], DATA.clean[of_type("cross")][0], atol=1e-6)


@pytest.mark.parametrize("kind", range(4))
def test_width_kept_is_one_for_copies_and_zero_for_equal_lines(kind):
    assert study.width_kept(DATA.clean, DATA, kind) == pytest.approx(1)
    assert study.width_kept(np.ones_like(DATA.clean), DATA, kind) == 0
    noise = np.random.default_rng(0).random(DATA.clean.shape)
    assert study.width_kept(noise, DATA, kind) < 0.1


def codes_with_shifts(*columns):
    """Codes (400, 4) of noise in which some columns hold the shift of each line."""
    mu = np.random.default_rng(1).normal(size=(len(DATA.labels), 4))
    for name, axis in (("horizontal", 2), ("vertical", 1)):
        for column in columns:
            mu[of_type(name), column] = shifts(name, axis)
    return mu


def test_axis_gap_is_large_for_one_axis_and_zero_for_two():
    assert study.axis_gap(DATA, codes_with_shifts(2)) > 0.9
    assert study.axis_gap(DATA, codes_with_shifts(1, 2)) == pytest.approx(0, abs=1e-9)
    assert study.axis_gap(DATA, codes_with_shifts()) < 0.1
    assert study.axis_gap(DATA, np.zeros((len(DATA.labels), 4))) == 0     # collapsed


@pytest.mark.parametrize(("model_class", "hidden_layers"), [
    (study.ShallowVAE, 1), (study.DeepVAE, 3)])
def test_other_depths_have_as_many_layers_as_they_say(model_class, hidden_layers):
    model = model_class(latent_dim=5)
    recon, mu, log_var = model(torch.rand(2, IMAGE_SIZE**2))
    assert recon.shape == (2, IMAGE_SIZE**2)
    assert mu.shape == log_var.shape == (2, 5)
    for half in (model.encoder, model.decoder):
        assert sum(isinstance(layer, torch.nn.ReLU) for layer in half) == hidden_layers


def test_one_run_of_the_study_measures_everything(tmp_path):
    threads = torch.get_num_threads()
    job = (study.Setting("tiny", latent_dim=3, epochs=1), 0)
    same_job, measures, pictures = study.study_one(job)
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
    assert same_job == job
    assert len(pictures) == 12
    assert all(math.isfinite(value) for value in asdict(measures).values())
    assert measures.loss == pytest.approx(measures.reconstruction + measures.kl)

    study.write_csv(tmp_path / "study.csv", {("tiny", 0): measures})
    with open(tmp_path / "study.csv", encoding="utf-8") as file:
        row, = csv.DictReader(file)
    assert list(row) == ["setting", "seed", *(field.name for field in fields(study.Measures))]
    assert float(row["rmse"]) == pytest.approx(measures.rmse, abs=5e-5)


def test_every_measure_has_a_column_in_the_table():
    assert set(study.HEADINGS) == {field.name for field in fields(study.Measures)}
