"""The main script as its users meet it: runs, files, bad input, interruptions."""

import math
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

import latent_space_exploration as main_script
from patterns import IMAGE_SIZE, PATTERN_TYPES, ProgramError
from tests.slow_runs import (
    EDITS,
    MODULES,
    OUTPUTS,
    RESULTS_DPI,
    assert_earlier_outputs_are_whole,
    fill_with_earlier_outputs,
)
from vae_model import LATENT_DIM, VAE, draw_architecture, make_model, reconstruct, vae_loss

ROOT = Path(main_script.__file__).parent
FIGURES = OUTPUTS[:-1]


@pytest.fixture
def torch_settings():
    """Put back what ``main`` sets for its own process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def run_slowly(folder):
    """The folder of the slow runs, and what they printed."""
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    done = subprocess.run(
        [sys.executable, "-B", str(ROOT / "tests" / "slow_runs.py"), str(folder)],
        env=environment, text=True, capture_output=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    # other packages may warn of what they like; no warning is about a line of ours
    assert not any(f"{name}.py" in done.stderr for name in MODULES), done.stderr
    return folder, done.stdout


BACKGROUND = {"slow runs": run_slowly}


@pytest.fixture(scope="module")
def finished_runs(background):
    return background["slow runs"].result()


@pytest.fixture(scope="module")
def finished_run(finished_runs):
    """Results and output of the script as it is handed out, run with a few epochs."""
    folder, output = finished_runs
    return folder / "results", output.split("Data ")[1].split("==")[0]


# --- importing and asking for help ------------------------------------------------
def test_the_help_shows_the_defaults(capsys):
    with pytest.raises(SystemExit) as stop:
        main_script.main(["--help"])
    assert stop.value.code == 0
    output = " ".join(capsys.readouterr().out.split())
    for default in (main_script.EPOCHS, LATENT_DIM, main_script.BETA, main_script.SEED):
        assert f"(default: {default})" in output


@pytest.mark.parametrize("name", ["patterns", "vae_model", "latent_space_exploration"])
def test_importing_a_module_does_nothing(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = torch.get_rng_state(), torch.get_num_threads(), signal.getsignal(signal.SIGINT)
    runpy.run_path(str(ROOT / f"{name}.py"), run_name=name)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (torch.get_num_threads(), signal.getsignal(signal.SIGINT)) == before[1:]
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


# --- bad input ------------------------------------------------------------------
@pytest.mark.parametrize(("option", "values", "allowed"), [
    ("--epochs", ("0", "-5", "2.5", "many", "nan", "inf", "100001"), "from 1 to 100000"),
    ("--latent-dim", ("1", "0", "513", "8.0", ""), "from 2 to 512"),
    ("--seed", ("-1", "4294967296", "x"), "from 0 to 4294967295"),
    ("--beta", ("-0.1", "nan", "inf", "-inf", "1001", "one"), "from 0 to 1000"),
    ("--output-dir", ("",), "must be the name of a folder"),
])
def test_bad_options_get_one_sentence(option, values, allowed, capsys, monkeypatch):
    monkeypatch.setattr(main_script, "run", lambda settings: pytest.fail("training began"))
    for value in values:
        with pytest.raises(SystemExit) as stop:
            main_script.main([f"{option}={value}"])
        output, errors = capsys.readouterr()
        assert stop.value.code == 2
        assert output == ""
        assert len(errors.splitlines()) == 1
        for part in (option, allowed, repr(value)):
            assert part in errors


@pytest.mark.parametrize(("name", "value"), [
    ("EPOCHS", 0), ("EPOCHS", 2.0), ("BETA", float("nan")), ("BETA", "1"), ("SEED", -1),
    ("LEARNING_RATE", -1.0), ("LEARNING_RATE", float("nan")), ("COOL_DOWN", 1.5),
    ("BATCH_SIZE", 256.0), ("BATCH_SIZE", 0), ("NUM_TRAIN", 0), ("NUM_HELD_OUT", 3),
    ("NUM_SAMPLES", -1), ("ALIVE_KL", None)])
def test_a_constant_that_cannot_be_is_named_with_its_file(name, value, monkeypatch):
    monkeypatch.setattr(main_script, "run", lambda settings: pytest.fail("training began"))
    monkeypatch.setattr(main_script, name, value)
    with pytest.raises(ProgramError, match=rf"^{name} in latent_space_exploration.py must be .*"):
        main_script.main([])


def test_an_output_folder_that_cannot_be_written_is_named_first(monkeypatch, tmp_path):
    monkeypatch.setattr(main_script, "run", lambda settings: pytest.fail("training began"))
    (tmp_path / "vae_weights.pth").mkdir()
    with pytest.raises(ProgramError, match="vae_weights.pth .* must be a file or nothing"):
        main_script.main(["--output-dir", str(tmp_path)])
    with pytest.raises(ProgramError, match="files must be writable"):
        main_script.main(["--output-dir", str(ROOT / "patterns.py")])


# --- runs that fail -------------------------------------------------------------------
@pytest.fixture
def earlier_outputs(tmp_path):
    """An output folder with files of an earlier run, which have to survive the test."""
    fill_with_earlier_outputs(tmp_path)
    yield tmp_path
    assert_earlier_outputs_are_whole(tmp_path)


def few_epochs(folder):
    return ["--epochs", "2", "--output-dir", str(folder)]


@pytest.mark.usefixtures("torch_settings")
@pytest.mark.parametrize("rate", [1e5, 1e6])
def test_a_diverging_run_says_what_to_try(earlier_outputs, capsys, monkeypatch, rate):
    monkeypatch.setattr(main_script, "LEARNING_RATE", rate)
    monkeypatch.setattr(main_script, "NUM_TRAIN", 2048)
    assert main_script.main(few_epochs(earlier_outputs)) == 1
    errors = capsys.readouterr().err
    assert len(errors.splitlines()) == 1
    assert "smaller LEARNING_RATE" in errors


@pytest.mark.usefixtures("torch_settings")
def test_a_figure_that_fails_leaves_the_earlier_ones(earlier_outputs, monkeypatch):
    def fail(*_):
        raise OSError("disk full")
    monkeypatch.setattr(main_script, "draw_latent_space", fail)       # the second figure
    for name, size in (("NUM_TRAIN", 50), ("NUM_HELD_OUT", 8), ("NUM_SAMPLES", 1)):
        monkeypatch.setattr(main_script, name, size)
    with pytest.raises(OSError, match="disk full"):
        main_script.main(few_epochs(earlier_outputs))


# --- training ------------------------------------------------------------------------
def test_the_rate_is_constant_and_falls_to_zero_in_the_end(monkeypatch):
    monkeypatch.setattr(main_script, "LEARNING_RATE", 2.0)
    monkeypatch.setattr(main_script, "COOL_DOWN", 0.25)
    rates = [main_script.learning_rate(step, 1000) for step in range(1, 1001)]
    assert rates[:749] == [2.0] * 749
    falls = -np.diff(rates[750:])
    np.testing.assert_allclose(falls, falls[0])              # a straight line
    assert 0 < rates[-1] < 0.01
    monkeypatch.setattr(main_script, "COOL_DOWN", 0)
    assert main_script.learning_rate(1000, 1000) == 2.0


def test_in_a_warm_up_the_weight_of_the_kl_term_rises_to_beta(monkeypatch):
    seen = []
    def note(*arguments):
        seen.append(arguments[4])
        return vae_loss(*arguments)
    monkeypatch.setattr(main_script, "vae_loss", note)
    monkeypatch.setattr(main_script, "NUM_TRAIN", 50)
    monkeypatch.setattr(main_script, "BATCH_SIZE", 10)
    data = main_script.make_data(0)
    for warm_up, expected in ((0, [3] * 10), (4, [0.75, 1.5, 2.25] + [3] * 7)):
        seen.clear()
        list(main_script.train(VAE(), data, epochs=2, beta=3, seed=0, warm_up=warm_up))
        assert seen == expected


@pytest.mark.usefixtures("torch_settings")
def test_dropout_is_seeded_and_rests_while_the_model_is_judged(monkeypatch):
    monkeypatch.setattr(main_script, "NUM_TRAIN", 50)
    data, pictures = main_script.make_data(0), []
    with torch.random.fork_rng():
        for _ in range(2):
            main_script.set_up_torch(3)
            model = make_model(2, 0)
            model.encoder.append(torch.nn.Dropout(0.5))
            list(main_script.train(model, data, epochs=2, beta=1, seed=0))
            pictures += [reconstruct(model, data.held_out) for _ in range(2)]
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture, pictures[0])


def test_held_out_patterns_are_not_trained_on():
    data = main_script.make_data(0)
    train = {row.tobytes() for row in data.train.numpy()}
    assert not train & {row.tobytes() for row in data.held_out.numpy()}
    chosen = data.first_of_each_type(2)
    assert data.labels[chosen].tolist() == sorted([*range(len(PATTERN_TYPES))] * 2)


@pytest.mark.parametrize(("epochs", "expected"), [
    (200, [1, 50, 100, 150, 200]), (1, [1]), (2, [1, 2]), (10, [1, 2, 5, 8, 10])])
def test_milestones(epochs, expected):
    assert main_script.milestones(epochs) == expected
    assert set(expected) <= main_script.epochs_to_record(epochs)
    assert max(main_script.epochs_to_record(epochs)) == epochs


# --- figures ----------------------------------------------------------------------------
def plane_of(codes, labels):
    return main_script.LatentSpace(codes, None, *main_script.choose_plane(codes, labels))


def test_the_plane_is_orthonormal_and_holds_the_directions_of_the_centres():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 25)
    centres = np.zeros((4, 6))
    centres[:, [1, 4]] = [(5, 0), (-5, 0), (0, 3), (0, -3)]     # they differ in z2 and z5 alone
    codes = centres[labels] + 0.01 * rng.normal(size=(100, 6))
    plane = plane_of(codes, labels)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(np.abs(plane.axes), np.eye(6)[[1, 4]], atol=0.02)
    np.testing.assert_allclose(
        plane.project(plane.origin + np.array([[2.0, -1.0]]) @ plane.axes), [[2, -1]], atol=1e-9)


def test_the_view_is_square_even_for_points_on_a_line():
    (left, right), (low, high) = main_script.square_view(np.array([[0.0, 5.0], [2.0, 5.0]]))
    assert right - left == pytest.approx(high - low)
    assert left < 0
    assert right > 2
    assert low < 5 < high
    (left, right), _ = main_script.square_view(np.zeros((3, 2)))      # collapsed to a point
    assert left < right


def test_two_dimensions_show_their_raw_axes():
    codes = np.random.default_rng(2).normal(size=(40, 2))
    plane = plane_of(codes, np.repeat(np.arange(4), 10))
    np.testing.assert_array_equal(plane.project(codes), codes)
    assert "z1" in plane.names[0]


def with_layers(hidden_layers, latent_dim):
    """A VAE with other numbers of layers."""
    model = VAE(latent_dim=latent_dim)
    middle = [torch.nn.Linear(128, 128) for _ in range(hidden_layers - 1)]
    model.encoder = torch.nn.Sequential(torch.nn.Linear(IMAGE_SIZE**2, 128), *middle)
    model.decoder = torch.nn.Sequential(
        torch.nn.Linear(latent_dim, 128), *middle, torch.nn.Linear(128, IMAGE_SIZE**2))
    return model


@pytest.mark.parametrize("epochs", [1, 2, 200])
def test_the_loss_curves_have_a_scale_that_names_epochs(epochs):
    data = main_script.make_data(0)
    records = [main_script.Record(epoch, 70.0, 9.0) for epoch in range(1, epochs + 1)]
    shown = main_script.milestones(epochs)
    snapshots = {record: data.held_out[:4].numpy() for record in records if record.epoch in shown}
    figure = main_script.draw_progression(data, records, snapshots, 60.0, 1.0)
    figure.draw_without_rendering()
    upper, lower = figure.axes[1:]
    low, high = lower.get_xlim()
    ticks = [label.get_text() for label, place in zip(lower.get_xticklabels(), lower.get_xticks())
             if low <= place <= high]
    assert len(ticks) >= 2 and {"1", str(min(2, max(2, epochs)))} <= set(ticks) and "0" not in ticks
    note, = upper.texts
    assert upper.bbox.x0 <= note.get_window_extent().x0
    assert note.get_window_extent().x1 <= upper.bbox.x1


@pytest.mark.parametrize(("hidden_layers", "latent_dim"), [
    (1, 2), (1, 512), (2, 8), (3, 64), (4, 2), (4, 512)])
def test_nothing_overlaps_in_the_architecture_figure(hidden_layers, latent_dim):
    figure = draw_architecture(with_layers(hidden_layers, latent_dim))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [patch.get_window_extent() for patch in axes.patches]
    labels, notes = axes.texts[:len(boxes)], axes.texts[-3:]
    for box, label in zip(boxes, labels):
        text = label.get_window_extent()
        assert box.contains(text.x0, text.y0), label
        assert box.contains(text.x1, text.y1), label
    placed = [*boxes, *(note.get_window_extent() for note in notes)]
    for index, box in enumerate(placed):
        assert axes.bbox.padded(10).contains(box.x0, box.y0)
        assert axes.bbox.padded(10).contains(box.x1, box.y1)
        assert not any(box.overlaps(other) for other in placed[:index])
    arrows = [text for text in axes.texts if text not in [*labels, *notes]]
    assert len(arrows) == 2 * hidden_layers + 6
    for arrow in arrows:
        (x0, y0), (x1, y1) = axes.transData.transform([arrow.xyann, arrow.xy])
        assert math.hypot(x1 - x0, y1 - y0) > 10, "an arrow too short to be seen"


# --- what a run writes and says -------------------------------------------------
def test_a_run_writes_every_file_and_nothing_else(finished_run):
    assert {path.name for path in finished_run[0].iterdir()} == {*OUTPUTS}


@pytest.mark.parametrize("name", FIGURES)
def test_no_figure_is_blank_and_all_are_as_wide_as_the_page(finished_run, name):
    picture = iio.imread(finished_run[0] / name)[..., :3].astype(float)
    assert picture.shape[1] == 8 * RESULTS_DPI
    height, width = picture.shape[:2]
    for part in (picture[: height // 2], picture[height // 2:],
                 picture[:, : width // 2], picture[:, width // 2:]):
        assert part.std() > 10, "half of the figure is empty"


@pytest.mark.parametrize("name", [*OUTPUTS, "latent_manifold.png"])
def test_two_runs_write_the_same_bytes(finished_runs, name):
    one, other = (finished_runs[0] / folder / name for folder in ("wild", "wild again"))
    assert one.read_bytes() == other.read_bytes()


def test_weights_are_a_plain_state_dict(finished_run):
    weights = torch.load(finished_run[0] / "vae_weights.pth", weights_only=True)
    assert {name: tuple(values.shape) for name, values in weights.items()} == {
        f"{layer}.{kind}": (outputs, inputs) if kind == "weight" else (outputs,)
        for layer, inputs, outputs in (
            ("encoder.0", 256, 128), ("encoder.2", 128, 128), ("fc_mu", 128, 8),
            ("fc_var", 128, 8), ("decoder.0", 8, 128), ("decoder.2", 128, 128),
            ("decoder.4", 128, 256))
        for kind in ("weight", "bias")}


def test_the_report_names_files_losses_and_findings(finished_run):
    _, output = finished_run
    for name in OUTPUTS:
        assert name in output
    rows = [line.split() for line in output.splitlines() if line.split()[:1] in (["1"], ["12"])]
    (_, *first), (_, *last) = [[float(number) for number in row] for row in rows]
    for loss, reconstruction, kl in (first, last):
        assert loss == pytest.approx(reconstruction + kl, abs=0.011)
    assert last[0] < 0.95 * first[0]    # it learns
    parts = re.findall(r"(?:copied|predict|model) +(-?[\d.]+)\n", output)
    assert sum(map(float, parts)) == pytest.approx(last[1], abs=0.016)
    assert len(parts) == 3
    assert output.isascii()             # any terminal can show it
    assert max(map(len, output.splitlines())) <= 100


def test_the_window_started_from_a_notebook_says_what_to_do(finished_runs):
    folder, output = finished_runs
    if "== notebook:" not in output:
        pytest.skip("this system cannot fork")
    assert "== notebook: 2\n" in output
    errors = (folder / "notebook-err").read_text()
    assert "unset MPLBACKEND" in errors and errors.count("\n") == 1


# --- constants that the page tells learners to change -----------------------------
def test_edited_constants_need_no_other_edit(finished_runs):
    folder, output = finished_runs
    for sizes in ("VAE 64-128.*-2,", "VAE 225-32.*-64,"):
        assert re.search(sizes, output)
    for name in EDITS:
        assert {path.name for path in (folder / name).iterdir()} == {
            *OUTPUTS, *(["latent_manifold.png"] if name == "wild" else [])}


# --- interruption -------------------------------------------------------------------
@pytest.mark.parametrize(("moment", "code"), [("in training", 130), ("in figures", 143)])
def test_a_signal_ends_a_run_at_once_and_publishes_nothing(finished_runs, moment, code):
    folder, output = finished_runs
    if f"== {moment}:" not in output:
        pytest.skip("this system cannot fork")
    assert f"== {moment}: {code}\n" in output
    assert (folder / f"{moment}-err").read_text() == ""
    assert_earlier_outputs_are_whole(folder / moment)
