"""Soft-edged lines on a small square image: the data of the exercise.

    python patterns.py      # draws a sheet of examples: outputs/pattern_samples.png

Every pattern is one of four types. A line has a soft edge (its brightness
falls off like a Gaussian), and the place and the width of the line vary
*continuously* from pattern to pattern. That continuity is what a latent space
can pick up: between any two lines there are others.

The file reads: the patterns, pictures of them in a grid, and last what all
programs of this folder share (how they start, end and write files).
"""

import os
import signal

if __name__ == "__main__":   # Ctrl-C ends quietly from here on, while modules load as well
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import argparse
import contextlib
import functools
import importlib.metadata
import importlib.util
import io
import math
import shutil
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import numpy as np

# --- what the patterns look like (all of it may be changed) -------------------
IMAGE_SIZE = 16               # pixels per side                          (try: 8, 24, 32)
MAX_SHIFT = 0.09              # how far a centre moves, as a share of IMAGE_SIZE
LINE_WIDTH = (0.05, 0.09)     # sigma of a line, narrowest and widest, same unit
NOISE = 0.03                  # standard deviation of the pixel noise
PATTERN_TYPES = ("diagonal", "horizontal", "vertical", "cross")     # in any order

# --- comparing pictures with them ---------------------------------------------
NEAR_RMSE = 0.1               # an image this close to a clean pattern counts as one of them
NONE = -1                     # the kind of an image that is not

# --- where pictures go, and how large -----------------------------------------
OUTPUT_DIR = Path(__file__).resolve().parent / "outputs"
DPI = 150                     # pixels per inch; a figure is 8 inches wide


# --- the patterns ---------------------------------------------------------------
def generate_patterns(num_patterns, rng, *, noise=NOISE, image_size=IMAGE_SIZE):
    """Draw random patterns, the four types in equal shares and in mixed order.

    The noise is drawn last, so the same seed with ``noise=0`` gives the same
    patterns without their noise: the clean images that a model should find.

    Parameters
    ----------
    num_patterns : int
        How many, at least 1. If it is not a multiple of four, some types get
        one pattern more than others.
    rng : int or numpy.random.Generator
        A seed or a generator. The same seed gives the same bytes.
    noise : float
        Standard deviation of the Gaussian pixel noise, 0 or more.
    image_size : int
        Pixels per side, at least 1.

    Returns
    -------
    patterns : float32 array (num_patterns, image_size**2), values in [0, 1]
    labels : int64 array (num_patterns,), indices into ``PATTERN_TYPES``

    Raises
    ------
    ValueError
        If a count or the noise is out of range.
    """
    check_number("num_patterns", num_patterns, 1, math.inf, whole=True)
    check_number("image_size", image_size, 1, math.inf, whole=True)
    check_number("noise", noise, 0, sys.float_info.max)

    rng = np.random.default_rng(rng)
    labels = rng.permutation(np.arange(num_patterns) % len(PATTERN_TYPES))
    shifts = rng.uniform(-MAX_SHIFT, MAX_SHIFT, size=(num_patterns, 2))
    widths = rng.uniform(*LINE_WIDTH, size=num_patterns)
    clean = draw_lines(labels, shifts, widths, image_size)
    noisy = clean + noise * rng.standard_normal(clean.shape)
    return noisy.clip(0.0, 1.0).astype(np.float32), labels


def draw_lines(labels, shifts, widths, image_size=IMAGE_SIZE):
    """Render lines without noise: brightness exp(-distance**2 / (2 width**2)).

    Parameters
    ----------
    labels : int array (N,), indices into ``PATTERN_TYPES``
    shifts : float array (N, 2), the centre's move to the right and down
    widths : float array (N,), sigma of the line; shifts and widths are shares
        of the image's side, so a pattern looks the same at every size
    image_size : int, pixels per side

    Returns
    -------
    float array (N, image_size**2), values in [0, 1]
    """
    centres = (np.arange(image_size) + 0.5) / image_size - 0.5    # of the pixels
    right = (centres - shifts[:, :1])[:, None, :]                 # (N, 1, size)
    down = (centres - shifts[:, 1:])[:, :, None]                  # (N, size, 1)
    distances = {                       # (N, size, size), from each pixel to the line's middle
        "diagonal": np.abs(right - down) / np.sqrt(2),            # top left to bottom right
        "horizontal": np.abs(down),
        "vertical": np.abs(right),
        "cross": np.minimum(np.abs(right), np.abs(down)),         # to the nearer of both lines
    }
    distance = np.select(
        [labels[:, None, None] == kind for kind in range(len(PATTERN_TYPES))],
        np.broadcast_arrays(*(distances[name] for name in PATTERN_TYPES)),
    )
    brightness = np.exp(-0.5 * (distance / widths[:, None, None]) ** 2)
    return brightness.reshape(len(labels), -1)


def nearest_clean(images, *, num_shifts=21, num_widths=7, image_size=IMAGE_SIZE):
    """Find, for each image, the nearest clean pattern that could have been drawn.

    Tries a dense grid of all types, shifts and widths. At the default density
    and 16 pixels, neighbouring lines lie 0.14 pixels apart, diagonals 0.20.

    Parameters
    ----------
    images : float array (N, image_size**2)
    num_shifts, num_widths : int, grid points along each range
    image_size : int, pixels per side

    Returns
    -------
    distances : float array (N,), root mean square difference (RMSE) in brightness
    labels : int array (N,), type of the nearest pattern, index into ``PATTERN_TYPES``
    """
    family, labels = _clean_family(
        num_shifts, num_widths, image_size, MAX_SHIFT, tuple(LINE_WIDTH), PATTERN_TYPES)
    images = np.asarray(images, dtype=np.float32)
    # |a - b|**2 = |a|**2 - 2 a.b + |b|**2 needs one matrix product for all pairs
    best = ((family**2).sum(axis=1) - 2 * images @ family.T).argmin(axis=1)
    distances = np.sqrt(np.mean((images - family[best]) ** 2, axis=1))
    return distances, labels[best]


def kinds(images):
    """The type of the clean pattern that each image (N, pixels) is near, or NONE: (N,)."""
    distances, labels = nearest_clean(images)
    return np.where(distances <= NEAR_RMSE, labels, NONE)


def rmse(a, b):
    """Root mean square difference of images (..., pixels), in units of brightness."""
    return np.sqrt(np.mean((a - b) ** 2, axis=-1))


@functools.lru_cache(maxsize=2)
def _clean_family(num_shifts, num_widths, image_size, max_shift, line_width, types):
    """Clean patterns (F, pixels) on a grid that covers all of them, and their labels (F,).

    They are drawn once, since the window asks for them in each frame.
    """
    shift = np.linspace(-max_shift, max_shift, num_shifts)
    width = np.linspace(*line_width, num_widths)
    # A cross moves in two directions, a line only across itself: one walk along
    # the other diagonal moves each of the three lines from end to end.
    walk = np.stack([shift, -shift], axis=1)
    plane = np.stack(np.meshgrid(shift, shift), axis=-1).reshape(-1, 2)
    places = [plane if name == "cross" else walk for name in types]
    shifts = np.tile(np.concatenate(places), (num_widths, 1))
    labels = np.tile(np.repeat(range(len(types)), [len(place) for place in places]), num_widths)
    widths = np.repeat(width, len(labels) // num_widths)
    return draw_lines(labels, shifts, widths, image_size).astype(np.float32), labels


# --- pictures in a grid ---------------------------------------------------------
# Matplotlib is imported where it draws, because the data themselves need NumPy alone.
def show_images(images, name=None):
    """Show images in rows of four: as characters in the prompt, or in a file.

    Parameters
    ----------
    images : array or tensor (N, pixels) or (pixels,), values from 0 (black) to 1 (white);
        pictures (..., IMAGE_SIZE, IMAGE_SIZE) do as well
    name : str or None
        Of a PNG file that is written into the folder ``outputs``; None prints.
    """
    if name is not None and (not isinstance(name, str) or Path(name).name != name
                             or Path(name).suffix.lower() != ".png"):
        raise ValueError("name must be that of a PNG file, such as 'mine.png', without a folder, "
                         f"since it goes into the folder outputs, not {name!r}")
    if hasattr(images, "detach"):                            # a tensor may record gradients
        images = images.detach()
    images = np.atleast_2d(np.asarray(images, dtype=float))
    if images.shape[-2:] == (IMAGE_SIZE, IMAGE_SIZE):
        images = images.reshape(-1, IMAGE_SIZE**2)
    if images.ndim != 2 or not len(images) or math.isqrt(images.shape[1]) ** 2 != images.shape[1]:
        raise ValueError(f"images must have the shape (N, pixels), one square image in a row, "
                         f"not {images.shape}")
    if np.isnan(images).any():
        raise ValueError("images must be numbers, but some are NaN, the mark of a training that "
                         "diverged")
    if name is None:
        for start in range(0, len(images), 4):
            print(_as_text(images[start:start + 4]), end="\n\n")
        return
    gaps = np.full((-len(images) % 4, images.shape[1]), np.nan)
    rows = np.concatenate([images, gaps]).reshape(-1, 4, images.shape[1])
    publish({name: png(grid_figure, name, rows)}, OUTPUT_DIR)
    print(f"Wrote {OUTPUT_DIR / name}")


def _as_text(images, shades=" .:-=+*#%@"):
    """Images (N, pixels) side by side, a character for two pixels, one above the other."""
    size = math.isqrt(images.shape[1])
    squares = images.reshape(-1, size, size)
    upper_or_lower = np.maximum.reduceat(squares, range(0, size, 2), axis=1)
    levels = (upper_or_lower.clip(0, 1) * (len(shades) - 1)).round().astype(int)
    lines = ("  ".join("".join(shades[level] for level in row) for row in rows)
             for rows in levels.swapaxes(0, 1))
    return "\n".join(lines)


def new_figure(height, title):
    """A Matplotlib figure as wide as the page, ``height`` inches tall, that needs no display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=11)
    return figure


def grid_figure(title, rows, row_labels=(), column_labels=(), captions=None, xlabel=""):
    """A figure that holds one grid of images and is just tall enough for it."""
    words = [line for label in row_labels for line in label.split("\n")]
    margin = 0.1 + 0.085 * max(map(len, words), default=0)   # inches, left of the images
    lines = title.count("\n") + max((label.count("\n") + 1 for label in column_labels), default=0)
    lines += bool(xlabel)
    pitch = (8 - margin) / len(rows[0])
    height = pitch * len(rows) * (1 if captions is None else 1.12) + 0.4 + 0.2 * lines
    figure = new_figure(height, title)
    axes = figure.subplots()
    axes.set_xlabel(xlabel)
    axes.set_anchor("E")                                     # what room is left goes to the labels
    show_grid(axes, rows, row_labels, column_labels, captions)
    return figure


def show_grid(axes, rows, row_labels=(), column_labels=(), captions=None):
    """Show rows of images as one grid, black 0 to white 1, with labels beside it.

    All images become one large picture with gaps, which draws many times faster
    than a set of axes for each.

    Parameters
    ----------
    axes : Matplotlib axes
    rows : array (rows, columns, pixels)
    row_labels, column_labels : sequences of str
    captions : sequence (rows, columns) of str, set below the images, or None
    """
    num_rows, num_columns, pixels = np.shape(rows)
    size = math.isqrt(pixels)
    gap = max(1, size // 8)
    below = gap if captions is None else max(2, size // 4)    # leaves a line for the caption
    height = num_rows * (size + below) - (below if captions is None else 0)
    canvas = np.full((height, num_columns * (size + gap) - gap), np.nan)
    for row, column in np.ndindex(num_rows, num_columns):
        top, left = row * (size + below), column * (size + gap)
        canvas[top:top + size, left:left + size] = np.reshape(rows[row][column], (size, size))
        if captions is not None:
            axes.text(left + (size - 1) / 2, top + size - 0.3, captions[row][column],
                      fontsize=7, ha="center", va="top")
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    middle = (size - 1) / 2
    axes.set_yticks((size + below) * np.arange(len(row_labels)) + middle, row_labels)
    axes.set_xticks((size + gap) * np.arange(len(column_labels)) + middle, column_labels)
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)


def png(draw, *arguments):
    """The figure that ``draw(*arguments)`` returns, as the bytes of a PNG file.

    It looks the same everywhere: drawn with Matplotlib's own defaults, whatever the
    reader's settings say (or fail to say, in a file that cannot be read), and without
    a backend (notebooks name one that may be missing).
    """
    theirs = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
    os.environ["MATPLOTLIBRC"] = os.devnull
    try:
        import matplotlib

        with matplotlib.rc_context(), io.BytesIO() as file:
            matplotlib.rcdefaults()
            draw(*arguments).savefig(file, format="png")
            return file.getvalue()
    finally:
        del os.environ["MATPLOTLIBRC"]
        os.environ.update({name: value for name, value in theirs.items() if value is not None})


# --- this program -----------------------------------------------------------------
def main(arguments=None):
    """Draw a sheet of examples, a row for each type, into the folder ``outputs``."""
    OneSentenceParser(description=main.__doc__).parse_args(arguments)
    check_constants()
    check_folder(OUTPUT_DIR, ["pattern_samples.png"])
    patterns, labels = generate_patterns(48, rng=42)
    rows = [patterns[labels == kind][:12] for kind in range(len(PATTERN_TYPES))]
    title = f"Twelve patterns of each type, {IMAGE_SIZE} x {IMAGE_SIZE} pixels"
    sheet = png(grid_figure, title, rows, PATTERN_TYPES)
    publish({"pattern_samples.png": sheet}, OUTPUT_DIR)
    print(f"Wrote {OUTPUT_DIR / 'pattern_samples.png'}")


def check_constants():
    """Raise a ProgramError that names the first constant of this file that cannot be."""
    check_number("IMAGE_SIZE in patterns.py", IMAGE_SIZE, 4, 64, whole=True)
    check_number("MAX_SHIFT in patterns.py", MAX_SHIFT, 0, 0.5)
    check_number("NOISE in patterns.py", NOISE, 0, 1)
    check_number("NEAR_RMSE in patterns.py", NEAR_RMSE, 0, 1)
    check_number("DPI in patterns.py", DPI, 30, 600)
    if not isinstance(LINE_WIDTH, (tuple, list)) or len(LINE_WIDTH) != 2:
        raise ProgramError("LINE_WIDTH in patterns.py must be a pair, the narrowest and the widest "
                           f"line, not {LINE_WIDTH!r}")
    check_number("the first LINE_WIDTH in patterns.py", LINE_WIDTH[0], 0.01, 0.5)
    check_number("the second LINE_WIDTH in patterns.py", LINE_WIDTH[1], LINE_WIDTH[0], 0.5)
    if not isinstance(OUTPUT_DIR, Path):
        raise ProgramError("OUTPUT_DIR in patterns.py must be a path, such as Path('pictures'), "
                           f"not {OUTPUT_DIR!r}")
    known = ("cross", "diagonal", "horizontal", "vertical")
    if not isinstance(PATTERN_TYPES, tuple) or sorted(map(str, PATTERN_TYPES)) != list(known):
        raise ProgramError("PATTERN_TYPES in patterns.py must be a tuple that holds each of "
                           f"{', '.join(known)} once, not {PATTERN_TYPES!r}")


# --- what all programs share: one way to start, to end and to write files -----------
class ProgramError(ValueError):
    """What a program says in one sentence before it ends: what is wrong, what is allowed."""


def check_number(name, value, low, high, whole=False):
    """Return ``value`` if it is a number from ``low`` to ``high``, or raise a ProgramError."""
    types = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, types) or not low <= value <= high:
        raise ProgramError(f"{name} must be {allowed(low, high, whole)}, not {value!r}")
    return value


def allowed(low, high, whole=False):
    """In words: numbers from ``low`` to ``high``."""
    span = f"from {low:g} to {high:.10g}" if high < 1e300 else f"of {low:g} or more"
    return f"a {'whole ' if whole else ''}number {span}"


class OneSentenceParser(argparse.ArgumentParser):
    """A parser that answers bad input with one sentence instead of the usage."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def number(low, high, whole=False):
    """A parser, for argparse, of numbers from ``low`` to ``high``."""
    def parse(text):
        with contextlib.suppress(ValueError):
            return check_number("", (int if whole else float)(text), low, high, whole)
        raise argparse.ArgumentTypeError(f"must be {allowed(low, high, whole)}, not {text!r}")
    return parse


def folder(text):
    """A parser, for argparse, of the name of a folder."""
    if not text:
        raise argparse.ArgumentTypeError("must be the name of a folder, not ''")
    return Path(text)


def run_program(main):
    """Run ``main`` as a program, and end with the exit code that it returns (None: 0).

    Every program of this folder starts and ends here. Ctrl-C, SIGTERM and SIGHUP end
    it at once and in silence, with 128 + the signal's number. A ProgramError, a file
    that cannot be written and a pipe that is closed end it with one sentence or none.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):             # the last is unknown to Windows
        known = getattr(signal, name, None)
        if known and signal.getsignal(known) != signal.SIG_IGN:         # "nohup" ignores one
            # An exception raised here could be swallowed by whatever is interrupted
            signal.signal(known, lambda known, _: os._exit(128 + known))
    if hasattr(sys.stdout, "reconfigure"):
        # a pipe shows progress as it happens, and any terminal takes any folder's name
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        check_versions()
        code = main() or 0
    except ProgramError as error:
        code = _say(f"{Path(sys.argv[0]).name}: {error}", 2)
    except BrokenPipeError:          # whoever reads the output has seen enough, as "head" does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        code = _say(f"{Path(sys.argv[0]).name}: memory ran out: smaller sizes and fewer patterns "
                    "and samples, in the constants, need less", 1)
    except OSError as error:
        code = _say(f"{Path(sys.argv[0]).name}: could not write the results: {error}", 1)
    sys.exit(code)


def _say(sentence, code):
    print(sentence, file=sys.stderr)
    return code


def check_edits(*modules):
    """Import modules of this folder, or end the program with one sentence about the first mistake.

    They are there to be edited, and a plain import would answer a slip with a traceback.
    """
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:                            # whatever an edit may raise
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
                     if Path(frame.filename).name == f"{name}.py"]
            place = f", line {lines[0]}," if lines else ""
            missing = isinstance(error, ModuleNotFoundError)
            remedy = "; what this folder itself needs comes with python -m pip install " \
                     "-r requirements.txt" if missing else ""
            sys.exit(_say(f"Python cannot read {name}.py{place} because of this: "
                          f"{type(error).__name__}: {error}{remedy}", 2))


def check_versions(least=(("torch", (2, 4)), ("matplotlib", (3, 9)))):
    """Raise a ProgramError if a package is missing, or too old for this folder."""
    for package, needed in least:
        if importlib.util.find_spec(package) is None:
            raise ProgramError(
                f"{package} is not installed: python -m pip install -r requirements.txt")
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found = importlib.metadata.version(package)
            if tuple(int(part) for part in found.split(".")[:2]) < needed:
                raise ProgramError(
                    f"{package} {found} is too old, {'.'.join(map(str, needed))} or newer is "
                    "needed: python -m pip install -r requirements.txt")


def check_folder(folder, names=()):
    """Raise a ProgramError unless files of these names can be written there; makes nothing."""
    folder = Path(folder)
    existing = folder.absolute()
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    try:
        with contextlib.suppress(FileNotFoundError):
            os.lstat(folder)                                  # raises for names that cannot be
        tempfile.TemporaryFile(dir=existing).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ProgramError(f"files must be writable in {str(folder)!r}, "
                           f"which they are not: {reason}") from None
    for name in names:
        if os.path.isdir(folder / name):                      # False for names that are too long
            raise ProgramError(f"{name} in {str(folder)!r} must be a file or nothing, "
                               "but it is a folder")


def publish(files, folder, *, leftover=".unfinished-"):
    """Write files into a folder, which is made if need be: all of them or none.

    Parameters
    ----------
    files : dict of name (str) to content (bytes)
    folder : path
    leftover : str, how the folders are named that a killed program may leave behind

    Raises
    ------
    OSError
        If they cannot be written; what was there before is untouched.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{leftover}*"):
        with contextlib.suppress(OSError):            # others may be sweeping here as well
            if time.time() - old.stat().st_mtime > 60:       # nobody is at work there any more
                shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=leftover) as scratch:
        for name, content in files.items():
            Path(scratch, name).write_bytes(content)
        for name in files:       # before the first move, so that it is all or nothing
            if (folder / name).is_dir():
                raise IsADirectoryError(f"{folder / name} is a folder")
        with _undisturbed():
            for name in files:
                os.replace(Path(scratch, name), folder / name)


@contextlib.contextmanager
def _undisturbed():
    """Ignore the signals that end a program, for the millisecond in which files move."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")
               if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []                                          # only that one may set handlers
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    run_program(main)
