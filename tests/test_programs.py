"""How all programs start and end, write files, and answer bad input: the end of patterns.py."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

import patterns
import vae_model
from patterns import PATTERN_TYPES, ProgramError, check_folder, generate_patterns, png, publish

ROOT = Path(patterns.__file__).parent


def run_python(code, **options):
    """Run Python code as a program of this folder; returns exit code, output, errors."""
    done = subprocess.run([sys.executable, "-c", "from patterns import *\n" + code], cwd=ROOT,
                          capture_output=True, check=False, timeout=60, **options)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


# --- the end of a program -----------------------------------------------------------
@pytest.mark.parametrize(("main", "code", "output", "errors"), [
    ("lambda: print('done')", 0, "done\n", ""),
    ("lambda: 3", 3, "", ""),
    ("lambda: check_number('N', 0, 1, 9, whole=True)", 2, "",
     "-c: N must be a whole number from 1 to 9, not 0\n"),
    ("lambda: open('no/such/file')", 1, "",
     "-c: could not write the results: [Errno 2] No such file or directory: 'no/such/file'\n"),
])
def test_a_program_ends_with_a_code_and_at_most_one_sentence(main, code, output, errors):
    assert run_python(f"run_program({main})") == (code, output, errors)


@pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_at_once_in_silence_even_where_exceptions_are_lost(name):
    code = f"""
import signal, weakref
class Thing: pass
def main():
    thing = Thing()
    lost = weakref.ref(thing, lambda _: signal.raise_signal(signal.{name}))
    del thing
    print("the run went on")
signal.signal(signal.{name}, signal.SIG_DFL)      # whoever started the tests may ignore it
run_program(main)"""
    assert run_python(code) == (128 + getattr(signal, name), "", "")


@pytest.mark.skipif(os.name != "posix", reason="there is no nohup")
def test_a_signal_that_was_ignored_before_stays_ignored():
    code = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
run_program(lambda: signal.raise_signal(signal.SIGHUP))"""
    assert run_python(code)[0] == 0


def test_a_closed_pipe_ends_it_in_silence():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", "from patterns import *\nrun_program(lambda: print('x' * 100000))"],
        cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_any_terminal_takes_any_text():
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    code, output, errors = run_python("run_program(lambda: print('\\u6a21'))", env=ascii_only)
    assert (code, output, errors) == (0, "\\u6a21\n", "")


@pytest.mark.parametrize("found", ["2.3.1", "1.13.0+cpu"])
def test_a_package_that_is_too_old_gets_one_sentence(monkeypatch, found):
    monkeypatch.setattr(patterns.importlib.metadata, "version", lambda package: found)
    with pytest.raises(ProgramError, match="torch .* is too old, 2.4 or newer is needed: python"):
        patterns.check_versions()


def test_the_installed_packages_are_new_enough():
    patterns.check_versions()


# --- constants ----------------------------------------------------------------------
@pytest.mark.parametrize(("name", "value"), [
    ("IMAGE_SIZE", 0), ("IMAGE_SIZE", 16.0), ("IMAGE_SIZE", "16"), ("MAX_SHIFT", -0.1),
    ("IMAGE_SIZE", np.int64(16)), ("OUTPUT_DIR", "pictures"),
    ("NOISE", float("nan")), ("DPI", 0), ("NEAR_RMSE", None), ("LINE_WIDTH", 0.05),
    ("LINE_WIDTH", (0.09, 0.05)), ("LINE_WIDTH", (0, 0.1)), ("PATTERN_TYPES", ("cross",)),
    ("PATTERN_TYPES", ("cross", "diagonal", "vertical", "level")),
    ("PATTERN_TYPES", list(PATTERN_TYPES)),
])
def test_a_constant_that_cannot_be_is_named_with_its_file(monkeypatch, name, value):
    monkeypatch.setattr(patterns, name, value)
    with pytest.raises(ProgramError, match=rf"{name} in patterns.py must be .*, not ") as caught:
        patterns.check_constants()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("name", "value"), [
    ("HIDDEN_DIM", 0), ("LATENT_DIM", 1), ("LATENT_DIM", 8.0)])
def test_a_size_that_cannot_be_is_named_with_its_file(monkeypatch, name, value):
    monkeypatch.setattr(vae_model, name, value)
    with pytest.raises(ProgramError, match=rf"{name} in vae_model.py must be a whole number"):
        vae_model.check_constants()


@pytest.mark.parametrize(("text", "word"), [
    ("x = 1\n    y = 2\n", "(a_module.py, line 2)"), ("x = (1\n", "(a_module.py, line 1)"),
    ("x = 1\0", "null bytes"),
    ("\nimport no_such_package\n", "line 2, because of this: ModuleNotFoundError"),
    ("import no_such_package\n", "python -m pip install -r requirements.txt"),
    ("from patterns import NO_SUCH_NAME\n", "line 1, because of this: ImportError"),
    ("x = 1\nSIZE = x + HIDDEN\n", "line 2, because of this: NameError"),
])
def test_a_file_that_cannot_be_imported_gets_one_sentence(
        tmp_path, monkeypatch, capsys, text, word):
    (tmp_path / "a_module.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit) as ended:
        patterns.check_edits("patterns", "a_module")
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1
    assert said.startswith("Python cannot read a_module.py") and word in said


@pytest.mark.parametrize(("error", "said"), [
    ("MemoryError", "memory ran out"),
    ('RuntimeError("DefaultCPUAllocator: can\'t allocate memory")', "memory ran out"),
    ('RuntimeError("odd")', "RuntimeError: odd\n"),         # ours: its traceback is wanted
])
def test_memory_that_runs_out_gets_one_sentence(error, said):
    code, _, errors = run_python(f"def main():\n    raise {error}\nrun_program(main)")
    assert code == 1 and said in errors
    assert (errors.count("\n") == 1) == ("memory" in said)


def test_the_constants_as_they_are_can_be():
    patterns.check_constants()
    vae_model.check_constants()


# --- files ----------------------------------------------------------------------------
def test_publishing_makes_the_folder_and_replaces_files(tmp_path):
    folder = tmp_path / "new" / "folder"
    publish({"a": b"old", "b": b"1"}, folder)
    publish({"a": b"new"}, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a": b"new", "b": b"1"}


def test_publishing_is_all_or_nothing(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(IsADirectoryError):
        publish({"a": b"new", "b": b"new"}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    publish({"a": b"old"}, tmp_path)
    def full(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        publish({"a": b"new"}, tmp_path)
    monkeypatch.undo()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_leftovers_of_a_killed_run_are_removed_but_not_those_of_a_running_one(tmp_path):
    for name, age in ((".unfinished-old", 3600), (".unfinished-new", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "figure.png").write_bytes(b"half")
        os.utime(tmp_path / name, times=2 * (time.time() - age,))
    for name in ("deep/er", "file"):                 # whatever else is called so does no harm
        (tmp_path / f".unfinished-{name}").mkdir(parents=True)
    publish({"a": b""}, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {".unfinished-new", "a"}
    assert not (tmp_path / ".unfinished-old").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
def test_a_signal_between_two_moves_does_not_leave_half_of_the_files(tmp_path, monkeypatch):
    replace = os.replace
    def interrupted(*names):
        signal.raise_signal(signal.SIGTERM)
        replace(*names)
    monkeypatch.setattr(os, "replace", interrupted)
    publish({"a": b"1", "b": b"2"}, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_looking_whether_a_folder_can_be_written_makes_nothing(tmp_path):
    check_folder(tmp_path / "not" / "yet" / "there")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written_get_one_sentence(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    bad = [tmp_path / "file", tmp_path / "file" / "below", "bad\0name", tmp_path / ("x" * 300)]
    if hasattr(os, "symlink") and os.name == "posix":
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        bad += [tmp_path / "link", tmp_path / "link" / "below", "/proc/nowhere"]
    for folder in bad:
        with pytest.raises(ProgramError, match="files must be writable in .*, which they are not"):
            check_folder(folder)
    (tmp_path / "figure.png").mkdir()
    with pytest.raises(ProgramError, match="figure.png .* must be a file or nothing"):
        check_folder(tmp_path, ["other.png", "figure.png"])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_gets_one_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ProgramError, match="Permission denied"):
        check_folder(tmp_path / "below")


# --- pictures -------------------------------------------------------------------------
def draw_some():
    images, _ = generate_patterns(6, 0, image_size=12)
    return patterns.grid_figure("title", images.reshape(2, 3, -1), ["a", "b"], ["x", "y", "z"],
                                [["one", "two", "three"]] * 2)


def test_readers_settings_do_not_change_a_picture():
    import matplotlib as mpl

    plain = png(draw_some)
    with mpl.rc_context():
        mpl.rcParams.update({
            "figure.facecolor": "black", "text.color": "white", "image.origin": "lower",
            "font.size": 30, "savefig.bbox": "tight", "savefig.dpi": 40, "axes.grid": True,
            "text.usetex": True, "image.interpolation": "bilinear", "savefig.transparent": True})
        assert png(draw_some) == plain
        assert mpl.rcParams["font.size"] == 30                # and the reader keeps them


def test_drawing_gives_the_readers_own_settings_back(monkeypatch):
    theirs = {"MPLBACKEND": "module://no_such_package.backend", "MATPLOTLIBRC": "not/there"}
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    png(draw_some)
    assert {name: os.environ[name] for name in theirs} == theirs
    for name in theirs:
        monkeypatch.delenv(name)
    png(draw_some)
    assert not set(theirs) & set(os.environ)


def test_the_grid_shows_every_image_in_its_place():
    rows = np.random.default_rng(3).random((2, 3, 49))
    for captions in (None, [["a"] * 3] * 2):
        axes = patterns.grid_figure("title", rows, ["a", "b"], ["x", "y", "z"], captions).axes[0]
        canvas = axes.images[0].get_array()
        for x, column in zip(axes.get_xticks(), range(3)):
            for y, row in zip(axes.get_yticks(), range(2)):
                top, left = round(y - 3), round(x - 3)
                np.testing.assert_array_equal(
                    canvas[top:top + 7, left:left + 7].ravel(), rows[row, column])
        assert axes.images[0].get_clim() == (0, 1)


def test_captions_stand_below_their_images_and_touch_nothing():
    figure = draw_some()
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    ticks = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert [text.get_text() for text in axes.texts] == ["one", "two", "three"] * 2
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in [*boxes[:index], *ticks])


def test_images_in_the_prompt(capsys):
    image = np.zeros((4, 4))
    image[1] = 1
    patterns.show_images(np.stack([image.ravel(), image.T.ravel()]))
    assert capsys.readouterr().out == "@@@@   @  \n       @  \n\n"


def test_images_in_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(patterns, "OUTPUT_DIR", tmp_path / "outputs")
    patterns.show_images(np.ones((7, 9)), "mine.png")
    picture = iio.imread(io.BytesIO((tmp_path / "outputs" / "mine.png").read_bytes()))
    assert picture.shape[1] == 8 * patterns.DPI
    assert capsys.readouterr().out == f"Wrote {tmp_path / 'outputs' / 'mine.png'}\n"


@pytest.mark.parametrize("name", ["outputs/mine.png", "", ROOT / "mine.png"])
def test_names_in_folders_are_named(name):
    with pytest.raises(ValueError, match="name must be that of a file, without a folder"):
        patterns.show_images(np.ones(9), name)


def test_images_of_a_training_that_diverged_are_called_so():
    with pytest.raises(ValueError, match="NaN, the mark of a training that diverged"):
        patterns.show_images(np.full(9, np.nan))


@pytest.mark.parametrize("bad", [np.zeros(15), np.zeros((2, 15)), np.zeros((0, 16))])
def test_images_of_another_shape_are_named(bad):
    with pytest.raises(ValueError, match="images must have the shape"):
        patterns.show_images(bad)


def test_the_sheet_of_examples_is_written_whatever_the_readers_settings_are(tmp_path):
    (tmp_path / "patterns.py").write_bytes((ROOT / "patterns.py").read_bytes())
    (tmp_path / "matplotlibrc").write_bytes(b"font.size: \xff\n")         # cannot be read
    theirs = {"MPLBACKEND": "inline", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    done = subprocess.run([sys.executable, str(tmp_path / "patterns.py")], check=False, text=True,
                          cwd=ROOT, capture_output=True, env={**os.environ, **theirs})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Wrote ")
    assert iio.imread(tmp_path / "outputs" / "pattern_samples.png").shape[1] == 8 * patterns.DPI
