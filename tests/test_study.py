"""The parameter study: what it trains, what it writes, and claims that can fail."""

import csv
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
from vae_model import LATENT_DIM, VAE, sample_prior

SETTINGS = {                     # the options of the training, and the model, that each changes
    **{f"latent {number}": {"latent": number} for number in (2, 32, 64)},
    **{f"beta {number}": {"beta": number} for number in (0, 0.5, 4, 256)},
    **{f"epochs {number}": {"epochs": number} for number in (1, 50)},
    "default": {},
    "shallow": {"depths": [1, 1]},
    "shallow encoder": {"depths": [1, 2]},
    "shallow decoder": {"depths": [2, 1]},
    "deep": {"depths": [3, 3]},
    "deep warm-up": {"depths": [3, 3], "warm_up": 800},
    "deep slow": {"depths": [3, 3], "learning_rate": 0.001},
}


def depths(model):
    """The numbers of hidden layers in encoder and decoder."""
    return [sum(isinstance(layer, torch.nn.ReLU) for layer in half)
            for half in (model.encoder, model.decoder)]


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


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_reaches_the_training(train, monkeypatch, name):
    monkeypatch.setattr(study, "MEASURES", ())
    monkeypatch.setattr(study.main_script, "measure", lambda model, data, space: None)
    study.study_one(next(one for one in study.SETTINGS if one.name == name), 7)
    (call,) = train
    expected = {"beta": study.BETA, "epochs": study.EPOCHS, "warm_up": study.BETA_WARM_UP,
                "learning_rate": study.LEARNING_RATE, "seed": 7,
                "latent": LATENT_DIM, "depths": depths(VAE())}
    assert expected | SETTINGS[name] == {
        **call.options, "latent": call.model.fc_mu.out_features, "depths": depths(call.model)}


def test_a_run_depends_on_its_seed_and_measures_the_model_before_and_after(train):
    """Made layer by layer, a VAE starts from the same weights as that of vae_model.py."""
    values, pictures = study.study_one(study.Setting("as it is", hidden_layers=depths(VAE())), 7)
    (call,) = train
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
def folder(monkeypatch, tmp_path):
    """The folder of the files, without training; every other picture is near no pattern."""
    monkeypatch.setattr(study, "study_all", made_up)
    monkeypatch.setattr(study, "OUTPUT_DIR", tmp_path)
    monkeypatch.setattr(study, "grid_figure", MagicMock())
    monkeypatch.setattr(study, "png", lambda figure: b"not drawn")
    monkeypatch.setattr(study, "types_near", lambda images: np.array(["none", "cross"] * 5))
    return tmp_path


@pytest.mark.parametrize(("arguments", "name", "seeds"), [
    ([], "parameter_study", study.SEEDS),
    (["--quick"], "parameter_study_quick", study.SEEDS[:1]),
    (["--seeds", "300-302"], "parameter_study_seeds", range(300, 303))])
def test_each_number_is_in_its_place(folder, capsys, arguments, name, seeds):
    """Only the plain study replaces what the pages quote."""
    study.main(arguments)
    results = made_up(seeds)
    assert {file.name for file in folder.iterdir()} == {f"{name}.csv", f"{name}.png"}
    rows = csv.DictReader((folder / f"{name}.csv").read_text().splitlines())
    for row, ((setting, seed), (values, _)) in zip(rows, results.items(), strict=True):
        assert (row.pop("setting"), row.pop("seed")) == (setting.name, str(seed))
        assert {name: float(cell) for name, cell in row.items()} == pytest.approx(values)
    heading, *lines = capsys.readouterr().out.partition("means")[2].splitlines()
    shown = [measure for measure in study.MEASURES if measure.heading]
    assert heading.split() == " ".join(measure.heading for measure in shown).split()
    for line, setting in zip(lines, study.SETTINGS):
        means = [np.mean([results[setting, seed][0][one.name] for seed in seeds]) for one in shown]
        cells = [f"{mean:9{measure.form}}" for mean, measure in zip(means, shown)]
        assert line == f"{setting.name:16s}" + "".join(cells)
    (title, drawn, labels, columns), options = study.grid_figure.call_args
    first = [results[setting, seeds[0]] for setting in study.SETTINGS]
    assert f"seed {seeds[0]}:" in title
    np.testing.assert_array_equal(drawn, [pictures for _, pictures in first])
    assert labels == [
        f"{setting.name}\nRMSE {values['rmse']:.3f}\n{values['in_use']:.0f} in use"
        for setting, (values, _) in zip(study.SETTINGS, first)]
    types = min(len(PATTERN_TYPES), 5)
    assert columns == ["recon"] * types + ["sample"] * (10 - types)
    marked = [column >= types and column % 2 == 0 for column in range(10)]
    np.testing.assert_array_equal(options["marked"], [marked] * len(first))


def test_runs_are_means_and_ranges():
    runs = read_runs(["setting,seed,rmse,kl", "a,1,2,5", "b,1,7,7", "a,2,3,6", "a,3,7,1"])
    assert (runs["a"].rmse, runs["a"].lowest.rmse, runs["a"].highest.rmse) == (4, 2, 7)
    assert (runs["a"].kl, runs["b"].rmse) == (4, 7)


# --- the program --------------------------------------------------------------------------
TRUE = Claim(("default",), lambda default: f"always {default.rmse:.2f}", lambda default: True)
FALSE = Claim(("default",), lambda default: "never", lambda default: default.rmse < 0)
FOUR, THREE = ("diagonal", "horizontal", "vertical", "cross"), ("diagonal", "ring", "cross")


@pytest.mark.parametrize(("claims", "seeds", "types", "code", "lines"), [
    ([TRUE], "1-10", FOUR, 0, ["holds  always 5.56", "1 of 1 claims hold"]),
    ([TRUE, FALSE], "1-10", FOUR, 1, ["FAILS  never", "1 of 2 claims hold"]),
    ([FALSE], "1-9", FOUR, 0, ["Too few seeds to judge the claims: it takes ten."]),
    ([FALSE], "1-10", THREE, 0,
     ["The claims are about the four types of the exercise, so they are not judged."])])
@pytest.mark.usefixtures("folder")
def test_claims_are_judged_with_ten_seeds_and_the_four_types(
        monkeypatch, capsys, claims, seeds, types, code, lines):
    monkeypatch.setattr(study, "PATTERN_TYPES", types)
    monkeypatch.setattr(study, "CLAIMS", claims)
    assert study.main(["--seeds", seeds]) == code
    assert capsys.readouterr().out.splitlines()[-len(lines):] == lines


# --- the claims (test_page.py sees that all hold in the committed study) -------------------
def test_a_claim_fails_without_a_difference_and_with_exchanged_settings():
    file = Path(study.__file__).parents[1] / "outputs" / "parameter_study.csv"
    runs = read_runs(file.read_text(encoding="utf-8").splitlines())
    for claim in CLAIMS:
        wrong = [runs | {"default": runs["beta 256"]}]           # for descriptions of the default
        if claim.about != ("default",):
            first, second = claim.about
            wrong = [dict.fromkeys(runs, runs["default"]),
                     runs | {first: runs[second], second: runs[first]}]
        assert not any(claim.holds(one) for one in wrong), claim.text(runs)
