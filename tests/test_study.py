"""The parameter study: what it trains, what it writes, and claims that can fail."""

import csv
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from latent_space_exploration import explore, make_data
from patterns import IMAGE_SIZE, PATTERN_TYPES
from solutions import measures
from solutions import parameter_study as study
from solutions.claims import CLAIMS, Claim, read_runs
from vae_model import HIDDEN_DIM, LATENT_DIM, VAE, sample_prior

DEFAULT = {"beta": study.BETA, "epochs": study.EPOCHS, "warm_up": study.BETA_WARM_UP,
           "learning_rate": study.LEARNING_RATE}
SETTINGS = [                     # name, latent dimensions, hidden layers, what else is changed
    ("default", LATENT_DIM, None, {}),
    ("latent 2", 2, None, {}),
    ("latent 32", 32, None, {}),
    ("latent 64", 64, None, {}),
    ("beta 0", LATENT_DIM, None, {"beta": 0}),
    ("beta 0.5", LATENT_DIM, None, {"beta": 0.5}),
    ("beta 4", LATENT_DIM, None, {"beta": 4}),
    ("beta 256", LATENT_DIM, None, {"beta": 256}),
    ("shallow", LATENT_DIM, (1, 1), {}),
    ("shallow encoder", LATENT_DIM, (1, 2), {}),
    ("shallow decoder", LATENT_DIM, (2, 1), {}),
    ("deep", LATENT_DIM, (3, 3), {}),
    ("deep warm-up", LATENT_DIM, (3, 3), {"warm_up": 800}),
    ("deep slow", LATENT_DIM, (3, 3), {"learning_rate": 0.001}),
    ("epochs 1", LATENT_DIM, None, {"epochs": 1}),
    ("epochs 50", LATENT_DIM, None, {"epochs": 50}),
]


# --- what is trained ------------------------------------------------------------------
@pytest.fixture
def train(monkeypatch):
    """Stands for the training: records its arguments, and scales the weights."""
    calls = []

    def record(model, data, **options):
        weights = [weights.clone() for weights in model.parameters()]
        calls.append(SimpleNamespace(model=model, data=data, weights=weights, options=options))
        for parameter in model.parameters():
            parameter.data *= 1.5
        return [SimpleNamespace(reconstruction=60.0, kl=5.0)]

    monkeypatch.setattr(study.main_script, "train", record)
    monkeypatch.setattr(study.main_script, "set_up_torch", lambda: None)
    for name, few in (("NUM_TRAIN", 64), ("NUM_HELD_OUT", 40), ("NUM_SAMPLES", 20)):
        monkeypatch.setattr(study.main_script, name, few)
    return calls


@pytest.mark.parametrize(("setting", "expected"), zip(study.SETTINGS, SETTINGS, strict=True))
def test_each_setting_reaches_the_training(train, monkeypatch, setting, expected):
    monkeypatch.setattr(study, "MEASURES", ())
    monkeypatch.setattr(study.main_script, "measure", lambda model, data, space: None)
    study.study_one(setting, 7)
    name, latent_dim, hidden_layers, changes = expected
    call, = train
    assert setting.name == name
    assert call.options == DEFAULT | changes | {"seed": 7}
    assert call.model.fc_mu.out_features == latent_dim
    for half, depth in zip((call.model.encoder, call.model.decoder), hidden_layers or ()):
        assert sum(isinstance(layer, torch.nn.ReLU) for layer in half) == depth


def test_a_layered_vae_starts_from_the_weights_of_the_vae_with_as_many_layers():
    torch.manual_seed(5)
    vae = VAE()
    depths = [sum(isinstance(layer, torch.nn.ReLU) for layer in half)
              for half in (vae.encoder, vae.decoder)]
    torch.manual_seed(5)
    layered = study.LayeredVAE(LATENT_DIM, *depths)
    assert layered.encoder[-2].out_features == HIDDEN_DIM
    for name, weights in vae.state_dict().items():
        assert torch.equal(layered.state_dict()[name], weights)


def test_a_run_depends_on_its_seed_and_measures_the_model_before_and_after(train):
    values, pictures = study.study_one(study.SETTINGS[0], 7)
    call, = train
    torch.manual_seed(7)
    untrained, data = VAE(), make_data(7)
    assert all(map(torch.equal, call.weights, untrained.parameters()))
    assert torch.equal(call.data.train, data.train)

    for name, model in (("purity_untrained", untrained), ("purity", call.model)):
        space = explore(model, data)
        assert values[name] == measures.purity(space.project(space.mu), data.labels)
    with torch.no_grad():
        recon = call.model.decoder(call.model.encode(data.held_out)[0]).numpy()
    assert values["soft"] == measures.soft_pixels(recon)
    types = min(len(PATTERN_TYPES), 5)
    firsts = [np.flatnonzero(data.labels == label)[0] for label in range(types)]
    np.testing.assert_allclose(pictures[:types], recon[firsts], atol=1e-6)
    np.testing.assert_array_equal(pictures[types:], sample_prior(call.model, 10 - types, 7))


def test_all_settings_run_with_all_seeds(monkeypatch):
    monkeypatch.setattr(study, "ProcessPoolExecutor", lambda workers, _: ThreadPoolExecutor(1))
    monkeypatch.setattr(study, "study_one", lambda *job: job)
    jobs = {(setting, seed) for setting in study.SETTINGS for seed in (3, 5)}
    assert study.study_all([3, 5]) == {job: job for job in jobs}


# --- what is written and printed --------------------------------------------------------
def made_up(seeds):
    """Results of a whole study without training: value = 100 setting + seed + measure / 100."""
    images = np.random.default_rng(0).uniform(size=(10, IMAGE_SIZE**2))
    return {(setting, seed): ({measure.name: 100 * row + seed + column / 100
                               for column, measure in enumerate(study.MEASURES)}, images + row)
            for row, setting in enumerate(study.SETTINGS) for seed in seeds}


@pytest.fixture
def without_training(monkeypatch, tmp_path):
    monkeypatch.setattr(study, "study_all", made_up)
    monkeypatch.setattr(study, "OUTPUT_DIR", tmp_path)
    monkeypatch.setattr(study, "draw_study", MagicMock())
    monkeypatch.setattr(study, "png", lambda figure: b"not drawn")
    return tmp_path


@pytest.mark.parametrize(("arguments", "name", "seeds"), [
    ([], "parameter_study", study.SEEDS),
    (["--quick"], "parameter_study_quick", study.SEEDS[:1]),
    (["--seeds", "300-303"], "parameter_study_seeds", range(300, 304))])
def test_each_number_is_in_its_place_of_its_own_file(without_training, arguments, name, seeds):
    """Only the plain study replaces what the pages quote."""
    study.main(arguments)
    assert {file.name for file in without_training.iterdir()} == {f"{name}.csv", f"{name}.png"}
    results = made_up(seeds)
    (drawn, seed), _ = study.draw_study.call_args
    assert seed == seeds[0]
    assert [values for values, _ in drawn] == [
        results[setting, seed][0] for setting in study.SETTINGS]
    rows = csv.DictReader((without_training / f"{name}.csv").read_text().splitlines())
    for row, ((setting, seed), (values, _)) in zip(rows, results.items(), strict=True):
        assert (row.pop("setting"), row.pop("seed")) == (setting.name, str(seed))
        assert {name: float(cell) for name, cell in row.items()} == pytest.approx(values)


def test_runs_are_means_and_ranges():
    runs = read_runs(["setting,seed,rmse,kl", "a,1,2,5", "b,1,7,7", "a,2,3,6", "a,3,7,1"])
    assert (runs["a"].rmse, runs["a"].lowest.rmse, runs["a"].highest.rmse) == (4, 2, 7)
    assert (runs["a"].kl, runs["b"].rmse) == (4, 7)


def test_the_table_prints_means_under_their_headings(without_training, capsys):
    study.main(["--seeds", "3-5"])
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("means"))
    shown = [measure for measure in study.MEASURES if measure.heading]
    assert lines[start].split() == ["means", *" ".join(m.heading for m in shown).split()]
    for row, setting in enumerate(study.SETTINGS):
        cells = [f"{100 * row + 4 + study.MEASURES.index(measure) / 100:9{measure.form}}"
                 for measure in shown]
        assert lines[start + 1 + row] == f"{setting.name:16s}" + "".join(cells)


def test_the_figure_marks_samples_that_are_near_no_pattern(monkeypatch):
    monkeypatch.setattr(study, "grid_figure", MagicMock())
    monkeypatch.setattr(study, "types_near", lambda images: np.where(
        images[:, 0] < 5, "none", "cross"))
    results = [made_up([4])[setting, 4] for setting in study.SETTINGS]
    study.draw_study(results, 4)
    (title, rows, labels, columns), options = study.grid_figure.call_args
    types = columns.count("recon")
    assert "seed 4" in title
    assert types == min(len(PATTERN_TYPES), 5)
    np.testing.assert_array_equal(rows, [pictures for _, pictures in results])
    values = results[2][0]
    assert labels[2] == f"latent 32\nRMSE {values['rmse']:.3f}\n{values['in_use']:.0f} in use"
    expected = [[column >= types and pictures[column, 0] < 5 for column in range(10)]
                for _, pictures in results]
    np.testing.assert_array_equal(options["marked"], expected)


# --- the program --------------------------------------------------------------------------
@pytest.mark.parametrize("arguments", [
    ["--seeds", "5-3"], ["--seeds", "a"], ["--quick", "--seeds", "1"]])
def test_bad_options_are_refused_before_anything_runs(monkeypatch, arguments):
    monkeypatch.setattr(study, "study_all", lambda seeds: pytest.fail("trained all the same"))
    with pytest.raises(SystemExit, match="2"):
        study.main(arguments)


TRUE = Claim(("default",), lambda default: f"always {default.rmse:.2f}", lambda default: True)
FALSE = Claim(("default",), lambda default: "never", lambda default: default.rmse < 0)
FOUR, THREE = ("diagonal", "horizontal", "vertical", "cross"), ("diagonal", "ring", "cross")


@pytest.mark.parametrize(("claims", "seeds", "types", "code", "lines"), [
    ([TRUE], "1-10", FOUR, 0, ["holds  always 5.56", "1 of 1 claims hold"]),
    ([TRUE, FALSE], "1-10", FOUR, 1, ["FAILS  never", "1 of 2 claims hold"]),
    ([FALSE], "1-9", FOUR, 0, ["Too few seeds to judge the claims: it takes ten."]),
    ([FALSE], "1-10", THREE, 0,
     ["The claims are about the four types of the exercise, so they are not judged."])])
def test_claims_are_judged_with_ten_seeds_and_the_four_types(
        without_training, monkeypatch, capsys, claims, seeds, types, code, lines):
    monkeypatch.setattr(study, "PATTERN_TYPES", types)
    monkeypatch.setattr(study, "CLAIMS", claims)
    assert study.main(["--seeds", seeds]) == code
    assert capsys.readouterr().out.splitlines()[-len(lines):] == lines


# --- the claims -----------------------------------------------------------------------------
EFFECTS = [claim for claim in CLAIMS if claim.about != ("default",)]


@pytest.fixture(scope="module")
def runs():
    """The committed study."""
    file = Path(study.__file__).parents[1] / "outputs" / "parameter_study.csv"
    runs = read_runs(file.read_text(encoding="utf-8").splitlines())
    if math.isnan(runs["default"].cross_midpoints):
        pytest.skip("outputs/parameter_study.csv is about other types")
    return runs


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_holds_in_the_committed_study(runs, claim):
    assert claim.holds(runs), claim.text(runs)


@pytest.mark.parametrize("claim", EFFECTS)
def test_an_effect_fails_without_a_difference_and_with_exchanged_settings(runs, claim):
    first, second = claim.about
    assert not claim.holds(dict.fromkeys(runs, runs["default"])), claim.text(runs)
    exchanged = runs | {first: runs[second], second: runs[first]}
    assert not claim.holds(exchanged), claim.text(exchanged)


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim not in EFFECTS])
def test_a_description_of_the_default_fails_for_a_collapsed_model(runs, claim):
    assert not claim.holds(runs | {"default": runs["beta 256"]}), claim.text(runs)
