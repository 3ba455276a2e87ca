"""The parameter study: what it trains, what it writes, and claims that can fail."""

import csv
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latent_space_exploration import explore, make_data
from patterns import IMAGE_SIZE, PATTERN_TYPES
from solutions import measures
from solutions import parameter_study as study
from solutions.claims import CLAIMS, Claim, read_runs
from vae_model import HIDDEN_DIM, LATENT_DIM, VAE, sample_prior

NAMES = [setting.name for setting in study.SETTINGS]


# --- what is trained ------------------------------------------------------------------
@pytest.fixture
def train(monkeypatch):
    """Stands for the training: records its arguments, and scales the weights."""
    calls = []

    def record(model, data, **options):
        calls.append(SimpleNamespace(
            weights={name: weights.clone() for name, weights in model.state_dict().items()},
            model=model, data=data, **options))
        for weights in model.state_dict().values():
            weights.mul_(1.5)
        return [SimpleNamespace(reconstruction=60.0, kl=5.0)]

    monkeypatch.setattr(study.main_script, "set_up_torch", lambda seed: None)
    monkeypatch.setattr(study.main_script, "NUM_TRAIN", 64)
    monkeypatch.setattr(study.main_script, "NUM_HELD_OUT", 40)
    monkeypatch.setattr(study.main_script, "NUM_SAMPLES", 20)
    monkeypatch.setattr(study.main_script, "train", record)
    return calls


DEFAULT = {"latent_dim": LATENT_DIM, "beta": study.BETA, "epochs": study.EPOCHS,
           "warm_up": study.BETA_WARM_UP, "learning_rate": study.LEARNING_RATE}


@pytest.mark.parametrize(("name", "changes", "depths"), [
    ("default", {}, None),
    ("latent 2", {"latent_dim": 2}, None),
    ("latent 32", {"latent_dim": 32}, None),
    ("latent 64", {"latent_dim": 64}, None),
    ("beta 0", {"beta": 0}, None),
    ("beta 0.5", {"beta": 0.5}, None),
    ("beta 4", {"beta": 4}, None),
    ("beta 256", {"beta": 256}, None),
    ("shallow", {}, (1, 1)),
    ("shallow encoder", {}, (1, 2)),
    ("shallow decoder", {}, (2, 1)),
    ("deep", {}, (3, 3)),
    ("deep warm-up", {"warm_up": 800}, (3, 3)),
    ("deep slow", {"learning_rate": 0.001}, (3, 3)),
    ("epochs 1", {"epochs": 1}, None),
    ("epochs 50", {"epochs": 50}, None),
])
def test_each_setting_reaches_the_training(train, monkeypatch, name, changes, depths):
    monkeypatch.setattr(study, "MEASURES", ())
    monkeypatch.setattr(study.main_script, "measure", lambda model, data, space: None)
    study.study_one(study.SETTINGS[NAMES.index(name)], 7)
    (call,) = train
    expected = DEFAULT | changes
    assert call.model.fc_mu.out_features == expected.pop("latent_dim")
    assert {option: getattr(call, option) for option in expected} == expected
    assert call.seed == 7
    for half, depth in zip((call.model.encoder, call.model.decoder), depths or ()):
        assert sum(isinstance(layer, torch.nn.ReLU) for layer in half) == depth


def test_every_setting_has_a_test():
    tested = test_each_setting_reaches_the_training.pytestmark[0].args[1]
    assert NAMES == [name for name, *_ in tested]


def test_a_layered_vae_starts_from_the_weights_of_the_vae_with_as_many_layers():
    torch.manual_seed(5)
    vae = VAE()
    depths = [sum(isinstance(layer, torch.nn.Linear) for layer in half)
              for half in (vae.encoder, vae.decoder[:-2])]
    torch.manual_seed(5)
    layered = study.LayeredVAE(LATENT_DIM, *depths)
    assert layered.encoder[-2].out_features == HIDDEN_DIM
    for ours, theirs in zip(layered.parameters(), vae.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_run_depends_on_its_seed_and_measures_the_model_before_and_after(train):
    values, pictures = study.study_one(study.SETTINGS[0], 7)
    (call,) = train
    torch.manual_seed(7)
    untrained, data = VAE(), make_data(7)
    for name, weights in untrained.state_dict().items():
        assert torch.equal(call.weights[name], weights)
    assert torch.equal(call.data.train, data.train)

    def purity(model):
        space = explore(model, data)
        return measures.purity(space.project(space.mu), data.labels)

    assert values["purity_untrained"] == purity(untrained)
    assert values["purity"] == purity(call.model)
    with torch.no_grad():
        recon = call.model.decoder(call.model.encode(data.held_out)[0]).numpy()
    assert values["rmse"] == pytest.approx(
        np.sqrt(((recon - data.clean) ** 2).mean(axis=1)).mean(), rel=1e-5)
    assert values["code_size"] == pytest.approx(
        max(np.abs(explore(call.model, data).mu).mean(axis=0), key=lambda size: size), rel=1)
    types = min(len(PATTERN_TYPES), 5)
    firsts = [np.flatnonzero(data.labels == label)[0] for label in range(types)]
    np.testing.assert_allclose(pictures[:types], recon[firsts], atol=1e-6)
    np.testing.assert_array_equal(pictures[types:], sample_prior(call.model, 10 - types, 7))


def test_all_settings_run_with_all_seeds(monkeypatch, capsys):
    monkeypatch.setattr(study, "ProcessPoolExecutor", lambda workers, _: ThreadPoolExecutor(1))
    monkeypatch.setattr(study, "study_one", lambda *job: job)
    pickle.dumps(study.SETTINGS)                  # since they go to other processes
    jobs = {(setting, seed) for setting in study.SETTINGS for seed in (3, 5)}
    assert study.study_all([3, 5]) == {job: job for job in jobs}
    assert "32 of 32" in capsys.readouterr().out


# --- what is written and printed --------------------------------------------------------
def made_up(seeds):
    """Results of a whole study without training: value = 100 setting + seed + measure / 100."""
    images = np.random.default_rng(0).uniform(size=(10, IMAGE_SIZE**2))
    return {(setting, seed): ({measure.name: 100 * row + seed + column / 100
                               for column, measure in enumerate(study.MEASURES)}, images + row)
            for row, setting in enumerate(study.SETTINGS) for seed in seeds}


@pytest.fixture
def without_training(monkeypatch, tmp_path):
    monkeypatch.setattr(study, "study_all", lambda seeds: made_up(seeds))
    monkeypatch.setattr(study, "OUTPUT_DIR", tmp_path)
    monkeypatch.setattr(study, "png", lambda figure: b"not drawn")
    return tmp_path


def test_each_number_is_in_its_row_and_column_of_the_csv(without_training):
    study.write_results(made_up([3, 5]), [3, 5], "name")
    with open(without_training / "name.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["setting"], row["seed"]) for row in rows] == [
        (name, seed) for name in NAMES for seed in ("3", "5")]
    for index, row in enumerate(rows):
        for column, measure in enumerate(study.MEASURES):
            assert float(row[measure.name]) == pytest.approx(
                100 * (index // 2) + int(row["seed"]) + column / 100)


def test_runs_are_means_and_ranges():
    lines = ["setting,seed,rmse,kl", "a,1,2,5", "b,1,7,7", "a,2,3,6", "a,3,7,1"]
    runs = read_runs(iter(lines))
    assert (runs["a"].rmse, runs["a"].lowest.rmse, runs["a"].highest.rmse) == (4, 2, 7)
    assert (runs["a"].kl, runs["b"].rmse) == (4, 7)


def test_the_table_prints_means_under_their_headings(without_training, capsys):
    study.main(["--seeds", "3-5"])
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("means"))
    shown = [measure for measure in study.MEASURES if measure.heading]
    for i, measure in enumerate(shown):
        cells = [line[16 + 9 * i:25 + 9 * i] for line in lines[start:start + 1 + len(NAMES)]]
        assert cells[0].strip() == measure.heading
        for row, cell in enumerate(cells[1:]):
            expected = 100 * row + 4 + study.MEASURES.index(measure) / 100
            assert cell == f"{expected:9{measure.form}}"
        assert any(line.split("  ")[1:2] == [measure.heading] and line.endswith(measure.meaning)
                   for line in lines)


def test_the_figure_marks_samples_that_are_near_no_pattern(monkeypatch):
    monkeypatch.setattr(study, "grid_figure", lambda *arguments, **options: (arguments, options))
    monkeypatch.setattr(study, "types_near", lambda images: np.where(
        images[:, 0] < 5, "none", "cross"))
    results = [made_up([4])[setting, 4] for setting in study.SETTINGS]
    (title, rows, labels, columns), options = study.draw_study(results, 4)
    types = columns.count("recon")
    assert "seed 4" in title and types == min(len(PATTERN_TYPES), 5)
    np.testing.assert_array_equal(rows, [pictures for _, pictures in results])
    assert labels[2] == f"latent 32\nRMSE {results[2][0]['rmse']:.3f}\n" \
                        f"{results[2][0]['in_use']:.0f} in use"
    expected = np.array([[column >= types and pictures[column, 0] < 5 for column in range(10)]
                         for _, pictures in results])
    np.testing.assert_array_equal(options["marked"], expected)
    assert expected.any()


# --- the program --------------------------------------------------------------------------
@pytest.mark.parametrize(("arguments", "name", "seeds"), [
    ([], "parameter_study", range(42, 52)), (["--quick"], "parameter_study_quick", [42]),
    (["--seeds", "300-303"], "parameter_study_seeds", range(300, 304)),
    (["--seeds", "7"], "parameter_study_seeds", [7])])
def test_only_the_plain_study_replaces_what_the_pages_quote(
        without_training, monkeypatch, arguments, name, seeds):
    monkeypatch.setattr(study, "SEEDS", range(42, 52))
    study.main(arguments)
    assert {file.name for file in without_training.iterdir()} == {f"{name}.csv", f"{name}.png"}
    with open(without_training / f"{name}.csv", encoding="utf-8") as file:
        assert sorted({int(row["seed"]) for row in csv.DictReader(file)}) == list(seeds)


@pytest.mark.parametrize("arguments", [
    ["--seeds", "5-3"], ["--seeds", "a"], ["--seeds", ""], ["--quick", "--seeds", "1"]])
def test_bad_options_are_refused_before_anything_runs(monkeypatch, arguments):
    monkeypatch.setattr(study, "study_all", lambda seeds: pytest.fail("trained all the same"))
    with pytest.raises(SystemExit) as stop:
        study.main(arguments)
    assert stop.value.code == 2


TRUE = Claim(("default",), lambda default: f"always {default.rmse:.2f}", lambda default: True)
FALSE = Claim(("default",), lambda default: "never", lambda default: default.rmse < 0)


@pytest.mark.parametrize(("claims", "seeds", "code", "lines"), [
    ([TRUE, TRUE], "1-10", 0, ["holds  always 5.56", "holds  always 5.56", "2 of 2 claims hold"]),
    ([TRUE, FALSE], "1-10", 1, ["holds  always 5.56", "FAILS  never", "1 of 2 claims hold"]),
    ([FALSE], "1-9", 0, ["Too few seeds to judge the claims: it takes 10."]),
])
def test_claims_are_judged_with_ten_seeds(
        without_training, monkeypatch, capsys, claims, seeds, code, lines):
    monkeypatch.setattr(study, "PATTERN_TYPES", ("diagonal", "horizontal", "vertical", "cross"))
    monkeypatch.setattr(study, "CLAIMS", claims)
    assert study.main(["--seeds", seeds]) == code
    assert capsys.readouterr().out.splitlines()[-len(lines):] == lines


def test_claims_are_not_judged_with_other_types(without_training, monkeypatch, capsys):
    monkeypatch.setattr(study, "PATTERN_TYPES", ("diagonal", "horizontal", "ring"))
    monkeypatch.setattr(study, "CLAIMS", [FALSE])
    assert study.main([]) == 0
    assert "not judged" in capsys.readouterr().out


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


def short(claim):
    return f"{', '.join(claim.about)}: {claim.condition.__code__.co_firstlineno}"


@pytest.mark.parametrize("claim", CLAIMS, ids=short)
def test_a_claim_holds_in_the_committed_study(runs, claim):
    assert claim.holds(runs), claim.text(runs)


@pytest.mark.parametrize("claim", EFFECTS, ids=short)
def test_a_claim_about_an_effect_fails_if_there_is_none(runs, claim):
    assert len(claim.about) == 2
    assert not claim.holds({setting: runs["default"] for setting in runs})


@pytest.mark.parametrize("claim", EFFECTS, ids=short)
def test_a_claim_about_two_settings_fails_if_they_are_exchanged(runs, claim):
    first, second = claim.about
    assert not claim.holds(runs | {first: runs[second], second: runs[first]})


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim not in EFFECTS], ids=short)
def test_a_description_of_the_default_fails_for_a_collapsed_model(runs, claim):
    assert not claim.holds(runs | {"default": runs["beta 256"]})
