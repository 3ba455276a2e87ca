"""The main script as its users meet it: runs, files, bad input, interruptions."""

import math
import os
import re
import runpy
import signal
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from slow_runs import (
    OUTPUTS,
    assert_earlier_outputs_are_whole,
    fill_with_earlier_outputs,
)

import latent_space_exploration as main_script
from patterns import IMAGE_SIZE, PATTERN_TYPES
from vae_model import LATENT_DIM, VAE

ROOT = Path(main_script.__file__).parent
FIGURES = OUTPUTS[:-1]


@pytest.fixture
def torch_settings():
    """Put back what ``main`` sets for its own process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def finished_runs(slow_runs):
    """The folder of the slow runs, and what they said: as it is, interrupted, edited."""
    folder, process = slow_runs
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    return folder, *output.partition("== interrupted: 130\n")


@pytest.fixture(scope="module")
def finished_run(finished_runs):
    """Results and output of the script as it is, run with a few epochs."""
    return finished_runs[0] / "results", finished_runs[1]


@pytest.fixture(scope="module")
def repeated_run(tmp_path_factory):
    """The same run once more, in this process."""
    folder = tmp_path_factory.mktemp("again")
    threads = torch.get_num_threads()
    assert main_script.main(["--epochs", "12", "--output-dir", str(folder)]) == 0
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
    return folder


# --- importing and asking for help ------------------------------------------------
def test_the_help_shows_the_defaults(capsys):
    with pytest.raises(SystemExit) as stop:
        main_script.main(["--help"])
    assert stop.value.code == 0
    output = " ".join(capsys.readouterr().out.split())
    for default in (main_script.EPOCHS, main_script.LATENT_DIM, main_script.BETA, main_script.SEED):
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
])
def test_bad_numbers_get_one_sentence(option, values, allowed, capsys, monkeypatch):
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
    ("NUM_TRAIN", 0), ("BATCH_SIZE", 0), ("NUM_HELD_OUT", 3), ("LEARNING_RATE", -1.0),
    ("LEARNING_RATE", float("nan"))])
def test_bad_constants_get_one_sentence(name, value, capsys, monkeypatch):
    monkeypatch.setattr(main_script, name, value)
    with pytest.raises(SystemExit) as stop:
        main_script.main([])
    assert stop.value.code == 2
    assert f"{name} in the configuration block must be" in capsys.readouterr().err


def test_an_empty_output_folder_gets_one_sentence(capsys):
    with pytest.raises(SystemExit) as stop:
        main_script.main(["--output-dir", ""])
    assert stop.value.code == 2
    assert "must be the name of a folder" in capsys.readouterr().err


def test_publishing_is_all_or_nothing(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(IsADirectoryError), main_script.publish_together(tmp_path) as scratch:
        (scratch / "a").write_text("new")
        (scratch / "b").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_bad_default_is_found_like_bad_input(capsys, monkeypatch):
    monkeypatch.setattr(main_script, "BETA", float("nan"))
    with pytest.raises(SystemExit):
        main_script.main([])
    assert "--beta: must be a number from 0 to 1000, not 'nan'" in capsys.readouterr().err


def test_bad_output_folders_get_one_sentence(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(main_script, "run", lambda settings: pytest.fail("training began"))
    file = tmp_path / "file"
    file.write_text("not a folder")
    for folder in (file, file / "below", "/proc/nowhere", "bad\0name"):
        with pytest.raises(SystemExit) as stop:
            main_script.main(["--output-dir", str(folder)])
        errors = capsys.readouterr().err
        assert stop.value.code == 2
        assert len(errors.splitlines()) == 1
        assert "must be a folder that can be written to" in errors
    assert file.read_text() == "not a folder"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output_folder_gets_one_sentence(capsys, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SystemExit):
        main_script.main(["--output-dir", str(tmp_path)])
    assert "Permission denied" in capsys.readouterr().err


def test_load_alone_gets_one_sentence(capsys):
    with pytest.raises(SystemExit) as stop:
        main_script.main(["--load"])
    assert stop.value.code == 2
    assert "--load goes with --interactive" in capsys.readouterr().err


def test_weights_that_cannot_be_loaded_are_named(tmp_path):
    file = tmp_path / "vae_weights.pth"
    with pytest.raises(main_script.WeightsError, match="there is no .*run once without --load"):
        main_script.load_model(file)
    file.write_bytes(b"not weights")
    with pytest.raises(main_script.WeightsError, match="does not hold the weights"):
        main_script.load_model(file)
    for other in ({"weight": torch.zeros(2)}, VAE(hidden_dim=32).state_dict(), [1, 2]):
        torch.save(other, file)
        with pytest.raises(main_script.WeightsError, match="does not hold the weights"):
            main_script.load_model(file)


def test_loaded_weights_make_the_same_model(tmp_path):
    model = VAE(latent_dim=3)
    torch.save(model.state_dict(), tmp_path / "weights")
    loaded = main_script.load_model(tmp_path / "weights")     # finds the dimension by itself
    codes = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(
        main_script.decode(loaded, codes), main_script.decode(model, codes))


# --- runs that fail or are interrupted ----------------------------------------------
@pytest.fixture
def earlier_outputs(tmp_path):
    """An output folder with files of an earlier run, which have to survive the test."""
    fill_with_earlier_outputs(tmp_path)
    yield tmp_path
    assert_earlier_outputs_are_whole(tmp_path)


def few_epochs(folder):
    return ["--epochs", "2", "--output-dir", str(folder)]


@pytest.mark.usefixtures("torch_settings")
@pytest.mark.parametrize("rate", [1e12, 1e38])
def test_a_diverging_run_says_what_to_try(earlier_outputs, capsys, monkeypatch, rate):
    monkeypatch.setattr(main_script, "LEARNING_RATE", rate)
    assert main_script.main(few_epochs(earlier_outputs)) == 1
    errors = capsys.readouterr().err
    assert len(errors.splitlines()) == 1
    assert "smaller LEARNING_RATE" in errors


@pytest.mark.usefixtures("torch_settings")
def test_a_figure_that_fails_leaves_the_earlier_ones(earlier_outputs, monkeypatch):
    def fail(*_):
        raise OSError("disk full")
    monkeypatch.setattr(main_script, "draw_latent_space", fail)       # the second figure
    assert main_script.main(few_epochs(earlier_outputs)) == 1


# --- measures, against brute force ------------------------------------------------
def test_purity_against_a_loop():
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(60, 2)), rng.integers(4, size=60)
    hits = 0
    for i, point in enumerate(points):
        others = [j for j in range(60) if j != i]
        nearest = min(others, key=lambda j: math.dist(point, points[j]))
        hits += labels[nearest] == labels[i]
    assert main_script.nearest_neighbour_purity(points, labels) == pytest.approx(hits / 60)


def test_pixel_entropy_is_the_floor_of_the_loss():
    images = torch.tensor([[0.0, 1.0, 0.5, 0.1]])
    expected = math.log(2) - 0.1 * math.log(0.1) - 0.9 * math.log(0.9)
    assert main_script.pixel_entropy(images) == pytest.approx(expected, rel=1e-6)
    perfect = main_script.reconstruction_loss(images, images).item()
    assert perfect == pytest.approx(expected, abs=1e-5)


def test_largest_step_of_known_paths():
    even = np.linspace(0, 1, 8)[:, None] * np.ones(9)
    assert main_script.largest_step(even) == pytest.approx(1 / 7)
    switch = np.repeat([0.0, 1.0], 4)[:, None] * np.ones(9)
    assert main_script.largest_step(switch) == pytest.approx(1)


def test_the_plane_is_orthonormal_and_holds_the_directions_of_the_centres():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 25)
    centres = np.zeros((4, 6))
    centres[:, [1, 4]] = [(5, 0), (-5, 0), (0, 3), (0, -3)]     # they differ in z2 and z5 alone
    codes = centres[labels] + 0.01 * rng.normal(size=(100, 6))
    plane = main_script.choose_plane(codes, labels)
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
    plane = main_script.choose_plane(codes, np.repeat(np.arange(4), 10))
    np.testing.assert_array_equal(plane.project(codes), codes)
    assert "z1" in plane.names[0]


def test_the_grid_shows_every_image_in_its_place():
    rows = np.random.default_rng(3).random((2, 3, IMAGE_SIZE**2))
    axes = main_script.grid_figure("title", rows, ["a", "b"], ["x", "y", "z"]).axes[0]
    canvas = axes.images[0].get_array()
    for x, column in zip(axes.get_xticks(), range(3)):
        for y, row in zip(axes.get_yticks(), range(2)):
            top, left = math.ceil(y - IMAGE_SIZE / 2), math.ceil(x - IMAGE_SIZE / 2)
            shown = canvas[top:top + IMAGE_SIZE, left:left + IMAGE_SIZE]
            np.testing.assert_array_equal(shown.ravel(), rows[row, column])
    assert axes.images[0].get_clim() == (0, 1)


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



# --- what a run writes and says -------------------------------------------------
def test_a_run_writes_every_file_and_nothing_else(finished_run):
    expected = {*OUTPUTS, "latent_manifold.png"} if LATENT_DIM == 2 else {*OUTPUTS}
    assert {path.name for path in finished_run[0].iterdir()} == expected


@pytest.mark.parametrize("name", FIGURES)
def test_no_figure_is_blank_and_all_are_as_wide_as_the_page(finished_run, name):
    picture = iio.imread(finished_run[0] / name)[..., :3].astype(float)
    assert picture.shape[1] == 8 * 150
    height, width = picture.shape[:2]
    for part in (picture[: height // 2], picture[height // 2:],
                 picture[:, : width // 2], picture[:, width // 2:]):
        assert part.std() > 10, "half of the figure is empty"


@pytest.mark.parametrize("name", OUTPUTS)
def test_two_runs_write_the_same_bytes(finished_run, repeated_run, name):
    assert (finished_run[0] / name).read_bytes() == (repeated_run / name).read_bytes()


def test_weights_are_a_plain_state_dict(finished_run):
    weights = torch.load(finished_run[0] / "vae_weights.pth", weights_only=True)
    VAE().load_state_dict(weights)      # raises if a name or a shape differs


def test_the_report_names_files_losses_and_findings(finished_run):
    _, output = finished_run
    for name in FIGURES:
        assert name in output
    rows = [line.split() for line in output.splitlines() if line.split()[:1] in (["1"], ["12"])]
    (_, *first), (_, *last) = [[float(number) for number in row] for row in rows]
    for loss, reconstruction, kl in (first, last):
        assert loss == pytest.approx(reconstruction + kl, abs=0.011)
    assert last[0] < 0.95 * first[0]    # it learns
    assert output.isascii()             # any terminal can show it
    shown = (ROOT / "README.rst").read_text(encoding="utf-8")
    for finding in ("The reconstruction loss cannot fall below ", "Latent dimensions alive (KL"):
        assert finding in output        # the page shows these two
        assert finding in shown


# --- constants that the page tells learners to change -----------------------------
def test_edited_constants_need_no_other_edit(finished_runs):
    folder, *_, output = finished_runs
    for sizes in ("VAE 64-128.*-2,", "VAE 576-64.*-32,", "VAE 1024-128.*-64,"):
        assert re.search(sizes, output)
    assert (folder / "outputs" / "latent_manifold.png").exists()       # of two dimensions


# --- interruption -------------------------------------------------------------------
def test_ctrl_c_ends_quietly_with_code_130(finished_runs):
    folder, _, interrupted, _ = finished_runs
    assert interrupted
    assert_earlier_outputs_are_whole(folder / "interrupted")
