"""How all programs start and end, write files, and answer bad input: the end of patterns.py."""

import io
import json
import os
import re
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


# --- the end of a program -----------------------------------------------------------
ENDS = {      # what happens: a program, and the exit code, the output and the errors of its end
    "it prints": ("run_program(lambda: print('done'))", 0, "done\n", ""),
    "it returns a number": ("run_program(lambda: 3)", 3, "", ""),
    "a mistake of the user's": ("run_program(lambda: check_number('N', 0, 1, 9, whole=True))", 2,
                                "", "-c: N must be a whole number from 1 to 9, not 0\n"),
    "no such folder": (
        "run_program(lambda: open('no/such/file'))", 1, "", "-c: could not write the results: "
        r"\[Errno 2\] No such file or directory: 'no/such/file'\n"),
    "memory runs out": ("def main(): raise MemoryError\nrun_program(main)", 1,
                        "", "-c: memory ran out: .*\n"),
    "torch has no memory": (
        "def main(): raise RuntimeError('DefaultCPUAllocator: can\\'t allocate memory')\n"
        "run_program(main)", 1, "", "-c: memory ran out: .*\n"),
    "a mistake of ours": ("def main(): raise RuntimeError('odd')\nrun_program(main)", 1,
                          "", r"Traceback (.*\n)+RuntimeError: odd\n"),       # where it is
    "a terminal for ASCII": (
        "sys.stdout.reconfigure(encoding='ascii')\nrun_program(lambda: print('\\u6a21'))", 0,
        r"\\u6a21\n", ""),
    "the data need NumPy alone": (
        "generate_patterns(8, 0)\nprint({'torch', 'matplotlib'} & set(sys.modules))", 0,
        r"set\(\)\n", ""),
    "unreadable settings": (
        "import runpy\nos.environ |= {'MPLBACKEND': 'inline', 'MATPLOTLIBRC': '../settings'}\n"
        "os.mkdir('elsewhere')\nos.chdir('elsewhere')\n"
        "runpy.run_path('../patterns.py', run_name='__main__')", 0, "Wrote .*samples.png\n", ""),
}
if os.name == "posix":        # elsewhere signals are of another kind
    ENDS["a closed pipe"] = ("""
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 1)
run_program(lambda: print('x'))""", 1, "", "")
    ENDS["a signal under nohup"] = ("""
signal.signal(signal.SIGHUP, signal.SIG_IGN)
run_program(lambda: signal.raise_signal(signal.SIGHUP))""", 0, "", "")
    ENDS |= {f"{name} where exceptions are lost": (f"""
import weakref
def main():
    thing = set()
    lost = weakref.ref(thing, lambda _: signal.raise_signal(signal.{name}))
    del thing
    print("the run went on")
signal.signal(signal.{name}, signal.SIG_DFL)      # whoever started the tests may ignore it
run_program(main)""", 128 + getattr(signal, name), "", "")
             for name in ("SIGINT", "SIGTERM", "SIGHUP")}

ALL_IN_FORKS = """
import json, tempfile
check_versions()                   # what it imports and finds, the forks know already
programs, sys.argv, ends = sys.argv[1:], ["-c"], []
for program in programs:
    files = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    child = os.fork()
    if not child:
        os.dup2(files[0].fileno(), 1)
        os.dup2(files[1].fileno(), 2)
        exec(program)
        sys.exit()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ends.append([code, *(os.pread(file.fileno(), 100_000, 0).decode() for file in files)])
print(json.dumps(ends))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where these programs run, with a copy of patterns.py, which writes its files beside it."""
    folder = tmp_path_factory.mktemp("programs")
    source = (ROOT / "patterns.py").read_text(encoding="utf-8")
    source = re.sub(r"^DPI = .*", "DPI = 30", source, flags=re.M)          # draws faster
    (folder / "patterns.py").write_text(source, encoding="utf-8")
    (folder / "settings").write_bytes(b"font.size: \xff\n")               # cannot be read
    return folder


@pytest.fixture(scope="module")
def ends(folder):
    """How the programs end: in forks of one process, if there are any, which imports NumPy once."""
    def run(code, *arguments):
        done = subprocess.run(
            [sys.executable, "-c", "from patterns import *\n" + code, *arguments], cwd=folder,
            text=True, capture_output=True, check=False, timeout=60)
        return done.returncode, done.stdout, done.stderr

    programs = [program for program, *_ in ENDS.values()]
    if not hasattr(os, "fork"):
        return dict(zip(ENDS, map(run, programs)))
    code, output, errors = run(ALL_IN_FORKS, *programs)
    assert (code, errors) == (0, "")
    return dict(zip(ENDS, json.loads(output)))


@pytest.mark.parametrize("event", ENDS)
def test_a_program_ends_with_a_code_and_at_most_one_sentence(ends, event):
    (_, code, *expected), (found, *said) = ENDS[event], ends[event]
    assert found == code
    for pattern, text in zip(expected, said):
        assert re.fullmatch(pattern, text), text


def test_the_sheet_of_examples_is_written_whatever_the_readers_settings_are(ends, folder):
    assert ends["unreadable settings"][0] == 0
    assert iio.imread(folder / "outputs" / "pattern_samples.png").shape[1] == 8 * 30


# --- packages -------------------------------------------------------------------------
@pytest.mark.parametrize("found", ["2.3.1", "1.13.0+cpu"])
def test_a_package_that_is_too_old_gets_one_sentence(monkeypatch, found):
    monkeypatch.setattr(patterns.importlib.metadata, "version", lambda package: found)
    with pytest.raises(ProgramError, match="torch .* is too old, 2.4 or newer is needed: python"):
        patterns.check_versions()


# --- constants ----------------------------------------------------------------------
@pytest.mark.parametrize(("name", "value"), [
    ("HIDDEN_DIM", 0), ("LATENT_DIM", 1), ("LATENT_DIM", 8.0),
    ("IMAGE_SIZE", 0), ("IMAGE_SIZE", 16.0), ("IMAGE_SIZE", "16"), ("MAX_SHIFT", -0.1),
    ("IMAGE_SIZE", np.int64(16)), ("OUTPUT_DIR", "pictures"),
    ("NOISE", float("nan")), ("DPI", 0), ("NEAR_RMSE", None), ("LINE_WIDTH", 0.05),
    ("LINE_WIDTH", (0.09, 0.05)), ("LINE_WIDTH", (0, 0.1)), ("PATTERN_TYPES", ("cross",)),
    ("PATTERN_TYPES", ("cross", "diagonal", "vertical", "level")),
    ("PATTERN_TYPES", list(PATTERN_TYPES)),
])
def test_a_constant_that_cannot_be_is_named_with_its_file(monkeypatch, name, value):
    module = vae_model if "DIM" in name else patterns
    monkeypatch.setattr(module, name, value)
    sentence = rf"{name} in {module.__name__}.py must be .*, not "
    with pytest.raises(ProgramError, match=sentence) as caught:
        module.check_constants()
    assert len(str(caught.value)) < 200


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


def test_packages_and_constants_as_they_are_can_be():
    patterns.check_versions()
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


def test_readers_settings_do_not_change_a_picture_and_are_given_back(monkeypatch):
    import matplotlib as mpl

    theirs = {"MPLBACKEND": "module://no_such_package.backend", "MATPLOTLIBRC": "not/there"}
    for name in theirs:
        monkeypatch.delenv(name, raising=False)
    plain = png(draw_some)
    assert not set(theirs) & set(os.environ)
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    with mpl.rc_context():
        mpl.rcParams.update({
            "figure.facecolor": "black", "text.color": "white", "image.origin": "lower",
            "font.size": 30, "savefig.bbox": "tight", "savefig.dpi": 40, "axes.grid": True,
            "text.usetex": True, "image.interpolation": "bilinear", "savefig.transparent": True})
        assert png(draw_some) == plain
        assert mpl.rcParams["font.size"] == 30
    assert {name: os.environ[name] for name in theirs} == theirs


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
    monkeypatch.setattr(patterns, "DPI", 30)
    patterns.show_images(np.ones((7, 9)), "mine.png")
    picture = iio.imread(io.BytesIO((tmp_path / "outputs" / "mine.png").read_bytes()))
    assert picture.shape[1] == 8 * patterns.DPI
    assert capsys.readouterr().out == f"Wrote {tmp_path / 'outputs' / 'mine.png'}\n"


@pytest.mark.parametrize(("images", "name", "sentence"), [
    *((np.ones(9), name, "name must be that of a file, without a folder")
      for name in ("outputs/mine.png", "", ROOT / "mine.png")),
    *((np.zeros(shape), None, "images must have the shape") for shape in (15, (2, 15), (0, 16))),
    (np.full(9, np.nan), None, "NaN, the mark of a training that diverged")])
def test_images_that_cannot_be_shown_are_named(images, name, sentence):
    with pytest.raises(ValueError, match=sentence):
        patterns.show_images(images, name)
