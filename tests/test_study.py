"""The parameter study: measures on models of known answer, its claims, table and options."""

import csv
import itertools
import math
import pickle
import re
import string
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import latent_space_exploration as main_script
import patterns
from latent_space_exploration import Data, LatentSpace, pairs_of_two_types
from patterns import IMAGE_SIZE, NONE, PATTERN_TYPES, ProgramError, generate_patterns, kinds
from solutions import claims, measures
from solutions import parameter_study as study
from solutions.claims import CLAIMS, Claim, filled, holds, read_runs
from vae_model import check_model, make_model


@pytest.fixture(scope="module", autouse=True)
def constants_as_handed_out():
    """What a learner changes must not decide what these tests see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "MAX_SHIFT", 0.09)
        patch.setattr(patterns, "LINE_WIDTH", (0.05, 0.09))
        patch.setattr(patterns, "NEAR_RMSE", 0.1)
        yield


@pytest.fixture(scope="module")
def data():
    """A small data set as handed out, whatever a learner has changed."""
    noisy, labels = generate_patterns(200, 1, noise=0.03)
    clean, _ = generate_patterns(200, 1, noise=0)
    return Data(torch.from_numpy(noisy[:64]), torch.from_numpy(noisy), labels, clean)


def results(seeds=(0, 1, 2)):
    """Made-up results of a whole study, as study_all yields them, without training."""
    rng = np.random.default_rng(0)
    return {(setting, seed): ({measure.name: rng.uniform() for measure in measures.MEASURES},
                              rng.uniform(size=(12, IMAGE_SIZE**2)))
            for setting in study.SETTINGS for seed in seeds}


@pytest.fixture(scope="module")
def runs():
    """Made-up results as claims and the table take them."""
    return read_runs(study.as_csv({job: values for job, (values, _) in results().items()})
                     .splitlines())


# --- measures -----------------------------------------------------------------------
def test_undecided_pixels_are_counted():
    assert measures.undecided_pixels(np.array([[0.0, 0.05, 0.5, 0.95, 1.0]])) == pytest.approx(0.2)
    assert measures.undecided_pixels(np.full((3, 9), 0.3)) == 1


@pytest.mark.skipif(IMAGE_SIZE < 12, reason="in so few pixels, blends are near clean patterns")
def test_midpoints_of_blended_pixels_are_no_crosses_but_of_added_ones_are(data):
    space = LatentSpace(data.clean, np.ones(1), None, None, None)
    share = measures.midpoints_that_are_crosses
    assert share(SimpleNamespace(decoder=lambda z: z), data, space) == 0
    assert share(SimpleNamespace(decoder=lambda z: (2 * z).clamp(max=1)), data, space) > 0.9


def test_detours_against_a_loop(data):
    data = replace(data, labels=data.labels[:80], clean=data.clean[:80])
    space = LatentSpace(data.clean, np.ones(1), None, None, None)
    def brighter(z):
        return (2 * z).clamp(max=1)             # halfway both patterns show: some are crosses
    pairs = pairs_of_two_types(data.labels)
    ways = [(1 - step / 7) * data.clean[a] + step / 7 * data.clean[b]
            for a, b in pairs for step in range(1, 7)]
    seen = iter(kinds(brighter(torch.from_numpy(np.stack(ways))).numpy()))
    passed = [sum(next(seen) not in (NONE, *data.labels[pair]) for _ in range(6)) > 0
              for pair in pairs]
    assert 0 < np.mean(passed) < 1
    found = measures.detours(SimpleNamespace(decoder=brighter), data, space)
    assert found == pytest.approx(np.mean(passed))


@pytest.mark.parametrize("name", PATTERN_TYPES)
def test_width_kept_of_copies_of_equal_lines_and_of_smears(data, name):
    assert measures.width_kept(data.clean, data, name) == 1
    assert measures.width_kept(data.clean / 2 + 0.1, data, name) == pytest.approx(0.75)
    assert measures.width_kept(np.ones_like(data.clean), data, name) == pytest.approx(0, abs=1e-6)
    # follows the width, but in next to no strength
    assert measures.width_kept(0.5 + 0.01 * data.clean, data, name) < 0.03
    assert measures.width_kept(1 - data.clean, data, name) == 0


def codes_with_shifts(data, *columns):
    """Codes (N, 4) of noise in which some columns hold the shift of each line."""
    mu = np.random.default_rng(1).normal(size=(len(data.labels), 4))
    for name, axis in (("horizontal", 2), ("vertical", 1)):
        chosen = data.of_type(name)
        images = data.clean[chosen].reshape(-1, IMAGE_SIZE, IMAGE_SIZE).sum(axis=axis)
        shifts = [sum(i * v for i, v in enumerate(row)) / sum(row) for row in images]
        for column in columns:
            mu[chosen, column] = shifts
    return mu


def test_axis_gap_is_large_for_one_axis_and_zero_for_two(data):
    assert measures.axis_gap(data, codes_with_shifts(data, 2)) > 0.8
    assert measures.axis_gap(data, codes_with_shifts(data, 1, 2)) == pytest.approx(0, abs=1e-9)
    assert measures.axis_gap(data, codes_with_shifts(data)) < 0.2
    assert measures.axis_gap(data, np.zeros((len(data.labels), 4))) == 0      # collapsed


def test_purity_and_the_distance_to_other_types_against_loops():
    rng = np.random.default_rng(3)
    points, labels = rng.normal(size=(60, 3)), rng.integers(4, size=60)
    distance = [[math.dist(a, b) for b in points] for a in points]
    right, other = 0, []
    for i in range(60):
        nearest = min((j for j in range(60) if j != i), key=distance[i].__getitem__)
        right += labels[nearest] == labels[i]
        other.append(min(distance[i][j] for j in range(60) if labels[j] != labels[i]))
    assert measures.purity(points, labels) == right / 60
    lower_median = sorted(other)[29]
    assert measures.distance_to_other_types(points, labels) == pytest.approx(lower_median)


def test_purity_of_types_that_lie_apart_and_of_one_heap():
    labels = np.arange(80) % 4
    assert measures.purity(10.0 * labels[:, None] + np.linspace(0, 1, 80)[:, None], labels) == 1
    assert measures.purity(np.linspace(0, 1, 80)[:, None], labels) == 0     # neighbours all differ


# --- models -------------------------------------------------------------------------
@pytest.mark.parametrize(("model_class", "hidden_layers"), [
    (study.ShallowVAE, (1, 1)), (study.ShallowDecoderVAE, (2, 1)), (study.DeepVAE, (3, 3))])
def test_other_depths_have_as_many_layers_as_they_say(model_class, hidden_layers):
    model = model_class(latent_dim=5)
    check_model(model)
    assert model.fc_mu.out_features == 5
    assert hidden_layers == tuple(
        sum(isinstance(layer, torch.nn.ReLU) for layer in half)
        for half in (model.encoder, model.decoder))


# --- the program ----------------------------------------------------------------------
class OneProcess(ThreadPoolExecutor):
    """Stands for the pool of processes, each of which imports torch for seconds."""

    def __init__(self, _workers, context, initializer):
        assert context.get_start_method() == "spawn" and initializer is study.end_with_parent
        super().__init__(1)

    def submit(self, function, *arguments):
        function, arguments = pickle.loads(pickle.dumps((function, arguments)))
        return super().submit(function, *arguments)


def test_a_study_takes_all_measures(monkeypatch):
    """A training of one epoch; CI runs the quick study with its processes as well."""
    monkeypatch.setattr(study, "ProcessPoolExecutor", OneProcess)
    monkeypatch.setattr(main_script, "set_up_torch", lambda seed: None)
    for count, few in (("NUM_HELD_OUT", 80), ("NUM_SAMPLES", 50)):
        monkeypatch.setattr(main_script, count, few)
    monkeypatch.setattr(study, "SETTINGS", (
        study.Setting("deep", latent_dim=2, epochs=1, warm_up=4, model_class=study.DeepVAE),))
    found = dict(study.study_all([7]))
    assert {(setting.name, seed) for setting, seed in found} == {("deep", 7)}
    for values, pictures in found.values():
        assert list(values) == [measure.name for measure in measures.MEASURES]
        assert all(math.isfinite(value) for value in values.values())
        assert values["loss"] == pytest.approx(values["reconstruction"] + values["kl"])
        assert values["excess"] == pytest.approx(values["reconstruction"] - values["floor"])
        assert pictures.shape == (12, IMAGE_SIZE**2)


def test_the_csv_holds_every_run_and_is_read_back():
    made_up = {job: values for job, (values, _) in results().items()}
    text = study.as_csv(made_up)
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == len(made_up)
    assert list(rows[0]) == ["setting", "seed", *(m.name for m in measures.MEASURES)]
    runs = read_runs(text.splitlines())
    setting = study.SETTINGS[3]
    expected = [made_up[setting, seed]["rmse"] for seed in (0, 1, 2)]
    np.testing.assert_allclose(runs[setting.name, "rmse"], expected, atol=5e-5)


@pytest.mark.parametrize("several", [True, False])
def test_the_table_fits_the_page_and_explains_each_heading(capsys, runs, several):
    study.print_table(runs if several else {place: row[:1] for place, row in runs.items()})
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert max(map(len, lines)) <= 100
    assert printed.isascii()
    for measure in measures.MEASURES:
        name = " ".join(measure.heading.split("\n"))
        assert re.search(rf"^  {re.escape(name)} +{re.escape(measure.legend)}$", printed, re.M)
        assert all(word in printed for word in measure.heading.split("\n"))
        assert f"{np.mean(runs['deep', measure.name]):{measure.spec}}" in printed or not several
    assert printed.count("lowest-highest") == several


def test_cells_of_the_table_never_touch(capsys):
    widest = {".0%": [1.0, 0.99], ".1f": [188.8, 199.9], ".2f": [8.88, 9.99], ".3f": [0.498, 0.512],
              ".2g": [63, 64]}
    study.print_table({(setting.name, measure.name): np.array(widest[measure.spec])
                       for setting in study.SETTINGS for measure in measures.MEASURES})
    for line in capsys.readouterr().out.splitlines():
        if line.startswith((*(s.name for s in study.SETTINGS), " " * 16)) and "-" in line[16:]:
            assert len(line[16:].split()) == len(line[16:]) / 12, line


@pytest.mark.parametrize(("text", "seeds"), [
    ("300-302", [300, 301, 302]), ("300,305", [300, 305]), ("9", [9]), ("3,1-2,2", [1, 2, 3])])
def test_seeds_are_ranges_and_lists(text, seeds):
    assert study.seed_list(text) == seeds


@pytest.mark.parametrize("arguments", [
    ["--seeds", "5-3"], ["--seeds", "a"], ["--seeds", ""], ["--seeds", "1,,2"],
    ["--seeds", "1-2-3"], ["--seeds", "1.5"], ["--seeds=-4"], ["--seeds", "0-4294967296"],
    ["--seeds", "0-5000"], ["--quick", "--seeds", "1"], ["--slow"]])
def test_bad_options_are_answered_with_one_sentence(arguments, capsys, monkeypatch):
    monkeypatch.setattr(study, "run", lambda *_: pytest.fail("trained all the same"))
    with pytest.raises(SystemExit) as stop:
        study.main(arguments)
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture
def without_training(monkeypatch, tmp_path):
    """The program with made-up results and a figure not drawn, in a folder of its own."""
    monkeypatch.setattr(study, "study_all", lambda seeds: results(seeds).items())
    monkeypatch.setattr(study, "OUTPUT_DIR", tmp_path)
    monkeypatch.setattr(study, "png", lambda *_: b"not drawn")
    monkeypatch.setattr(study, "make_model", lambda *_: None)       # 13 models in each test, which
    monkeypatch.setattr(study, "check_model", lambda model: None)   # one test asks for again
    return tmp_path


@pytest.mark.parametrize(("arguments", "name", "runs_each"), [
    ([], "parameter_study", 10), (["--quick"], "parameter_study_quick", 1),
    (["--seeds", "300-303"], "parameter_study_seeds", 4)])
def test_only_the_plain_study_replaces_what_the_pages_quote(
        without_training, arguments, name, runs_each):
    study.main(arguments)
    assert {file.name for file in without_training.iterdir()} == {f"{name}.csv", f"{name}.png"}
    with open(without_training / f"{name}.csv", encoding="utf-8") as file:
        seeds = {row["seed"] for row in csv.DictReader(file)}
    assert len(seeds) == runs_each


def test_the_figure_has_a_row_for_each_setting_with_its_numbers():
    made_up = {setting: values for (setting, seed), values in results([4]).items()}
    figure = study.draw_study(made_up, 4)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    labels = axes.get_yticklabels()
    assert [label.get_text().split("\n")[0] for label in labels] == [s.name for s in made_up]
    assert "seed 4" in figure.get_suptitle()
    boxes = [label.get_window_extent() for label in labels]
    assert not any(upper.overlaps(lower) for upper, lower in itertools.pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0


def test_a_folder_in_the_way_is_found_before_the_long_work(without_training, monkeypatch):
    (without_training / "parameter_study.csv").mkdir()
    monkeypatch.setattr(study, "study_all", lambda seeds: pytest.fail("trained all the same"))
    with pytest.raises(ProgramError, match=r"parameter_study\.csv"):
        study.main([])


def test_a_model_that_cannot_be_trained_is_named_with_its_setting(without_training, monkeypatch):
    class Odd(study.DeepVAE):
        encode = None

    monkeypatch.setattr(study, "make_model", make_model)
    monkeypatch.setattr(study, "check_model", check_model)
    monkeypatch.setattr(study, "SETTINGS", (*study.SETTINGS, study.Setting("odd", model_class=Odd)))
    monkeypatch.setattr(study, "study_all", lambda seeds: pytest.fail("trained all the same"))
    with pytest.raises(ProgramError, match="the setting 'odd', whose model is Odd"):
        study.main([])


@pytest.mark.parametrize(("error", "sentence"), [
    (FloatingPointError("the held-out loss is not finite"), "LEARNING_RATE"),
    (BrokenProcessPool("a process died"), "ended from outside")])
def test_trainings_that_fail_are_reported_in_one_sentence(
        without_training, monkeypatch, error, sentence):
    def fail(seeds):
        raise error
    monkeypatch.setattr(study, "study_all", fail)
    with pytest.raises(ProgramError, match=sentence):
        study.main(["--quick"])
    assert not list(without_training.iterdir())


# --- claims ---------------------------------------------------------------------------
TRUE = Claim("always {default, rmse:.1f}", lambda r: [len(r["default", "rmse"]) > 1])
FALSE = Claim("never {default, rmse:.1f}", lambda r: [
    claims.every(r["default", "rmse"] > 0), claims.every(r["default", "rmse"] < 0)])


@pytest.mark.parametrize(("made", "code", "count"), [
    ((TRUE, TRUE), 0, "2 of 2 claims hold"), ((TRUE, FALSE), 1, "1 of 2 claims hold")])
def test_claims_that_do_not_hold_are_reported_and_decide_the_exit_code(
        without_training, monkeypatch, capsys, made, code, count):
    monkeypatch.setattr(study, "CLAIMS", made)
    assert study.main(["--seeds", "1-3"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == count
    assert [line[:12] for line in lines[-3:-1]] == [
        "holds  alway" if claim is TRUE else "FAILS  never" for claim in made]


def test_a_quick_look_judges_no_claims(without_training, monkeypatch, capsys):
    monkeypatch.setattr(study, "CLAIMS", [FALSE])
    assert study.main(["--quick"]) == 0
    assert "claims hold" not in capsys.readouterr().out


def test_blanks_are_filled_with_means_and_ends_of_the_range():
    runs = {("beta 4", "rmse"): np.array([0.25, 0.5, 1.0]), ("deep", "alive"): np.array([1, 1, 4])}
    claim = Claim("{beta 4, rmse:.3f}, {beta 4, rmse, lowest:.0%} to {beta 4, rmse, highest:.0%}; "
                  "{deep, alive:.2g}", None)
    assert filled(claim, runs) == "0.583, 25% to 100%; 2"


def test_the_words_of_the_conditions():
    ten = np.arange(10)
    assert claims.every(ten >= 0) and not claims.every(ten > 0)
    assert claims.most(ten >= 2) and not claims.most(ten >= 3)
    assert claims.about(ten, 4, 5) and not claims.about(ten, 5, 9) and not claims.about(ten, 0, 4)
    assert claims.less(ten, ten + 1) and claims.less(ten, ten + 1, by=1)
    assert not claims.less(ten, ten + 1, by=1.1)
    assert claims.alike(ten, ten - 1, within=1) and not claims.alike(ten, ten + 1, within=0.9)
    for word in (claims.about, claims.less, claims.alike):
        assert not word(np.full(3, np.nan), 1, 2)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text[:40])
def test_each_claim_is_about_what_the_study_measures(claim, runs):
    asked = set()

    class Watched(dict):
        def __getitem__(self, place):
            asked.add(place)
            return runs[place]

    assert isinstance(holds(claim, Watched()), bool)
    stated = {tuple(blank.split(":")[0].split(", ")[:2])
              for blank in re.findall(r"\{(.+?)\}", claim.text)}
    assert stated, "a claim without a number"
    assert stated <= asked, "a number that the condition says nothing about"
    text = filled(claim, runs)
    assert not set(text) & set("{}|\n")
    assert set(text) <= set(string.printable)


def test_nothing_rests_on_one_seed(runs):
    """In whatever order the seeds come, each claim says the same and is as true."""
    for order in ([1, 2, 0], [2, 0, 1]):
        other = {place: values[order] for place, values in runs.items()}
        for claim in CLAIMS:
            assert filled(claim, other) == filled(claim, runs)
            assert holds(claim, other) == holds(claim, runs)


def test_no_claim_is_true_of_everything(runs):
    """All settings equal and poor, all equal and huge, all at random: one of them refutes it."""
    poor, huge = defaultdict(lambda: np.zeros(10)), defaultdict(lambda: np.full(10, 1000.0))
    random = {place: 100 * values for place, values in runs.items()}
    for claim in CLAIMS:
        assert not all(holds(claim, made) for made in (poor, huge, random)), claim.text


def test_settings_have_names_of_their_own_that_fit_the_table():
    names = [setting.name for setting in study.SETTINGS]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 15 and "," not in name and ":" not in name for name in names)
    assert study.SETTINGS[0] == replace(study.Setting("default"))
