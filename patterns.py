"""Soft-edged lines on a small square image: the data of the exercise.

    python patterns.py      # draws a sheet of examples: outputs/pattern_samples.png

A line has a soft edge: its brightness falls off like a Gaussian. The position and the
width of the line vary *continuously* from pattern to pattern, so that between any two
lines of a type there are others. A latent space can pick up that continuity.
"""

import functools
import io
import math
from pathlib import Path

import numpy as np

# --- what the patterns look like (change anything) -----------------------------
IMAGE_SIZE = 16               # pixels per side                          (try: 8, 24, 32)
MAX_SHIFT = 0.09              # how far a center moves, as a share of IMAGE_SIZE
LINE_WIDTH = (0.05, 0.09)     # sigma of the narrowest and the widest line, same unit
NOISE = 0.03                  # standard deviation of the pixel noise       (try: 0, 0.1)

# A type is a name and a distance: how far a pixel is from the line, if the pixel is `right` and
# `down` from the center (as shares of IMAGE_SIZE). Keep two at least. To add one, add for example:
#   "ring": lambda right, down: np.abs(np.hypot(right, down) - 0.25),
DISTANCES = {
    "diagonal": lambda right, down: np.abs(right - down) / np.sqrt(2),
    "horizontal": lambda right, down: np.abs(down),
    "vertical": lambda right, down: np.abs(right),
    "cross": lambda right, down: np.minimum(np.abs(right), np.abs(down)),
}
PATTERN_TYPES = tuple(DISTANCES)

NEAR_RMSE = 0.1               # an image this close to a clean pattern is "near" that pattern

# --- how figures look ------------------------------------------------------------
OUTPUT_DIR = Path(__file__).resolve().parent / "outputs"
DPI = 150                     # pixels per inch; a figure is 8 inches wide


# --- the patterns ---------------------------------------------------------------
def generate_patterns(num_patterns, rng, *, noise=NOISE):
    """Sample random patterns, all types in equal shares and in mixed order.

    The noise is drawn last, so the same seed with ``noise=0`` gives the same
    patterns without their noise.

    Parameters
    ----------
    num_patterns : int
    rng : int (a seed) or numpy.random.Generator
    noise : float, standard deviation of the Gaussian pixel noise, 0 or more

    Returns
    -------
    patterns : float32 array (num_patterns, IMAGE_SIZE**2), values in [0, 1]
    labels : int array (num_patterns,), indices into ``PATTERN_TYPES``
    """
    rng = np.random.default_rng(rng)
    labels = rng.permutation(np.arange(num_patterns) % len(PATTERN_TYPES))
    shifts = rng.uniform(-MAX_SHIFT, MAX_SHIFT, size=(num_patterns, 2))
    widths = rng.uniform(*LINE_WIDTH, size=num_patterns)
    clean = draw_patterns(labels, shifts, widths)
    noisy = clean + noise * rng.standard_normal(clean.shape)
    return noisy.clip(0.0, 1.0).astype(np.float32), labels


def draw_patterns(labels, shifts, widths):
    """Draw patterns without noise: brightness exp(-distance**2 / (2 width**2)).

    Takes ``labels`` (N,), indices into PATTERN_TYPES; ``shifts`` (N, 2), how far each center
    moves right and down, and ``widths`` (N,), the sigma of each line, as shares of IMAGE_SIZE.
    Returns a float array (N, IMAGE_SIZE**2), values in [0, 1].
    """
    pixels = (np.arange(IMAGE_SIZE) + 0.5) / IMAGE_SIZE - 0.5     # from the middle of the image
    right, down = np.meshgrid(pixels, pixels)                     # both (size, size)
    images = np.empty((len(labels), IMAGE_SIZE, IMAGE_SIZE))
    for image, label, (shift_right, shift_down), width in zip(images, labels, shifts, widths):
        distance = DISTANCES[PATTERN_TYPES[label]](right - shift_right, down - shift_down)
        image[:] = np.exp(-0.5 * (distance / width) ** 2)         # fills its part of images
    return images.reshape(len(images), -1)


@functools.cache              # drawn at the first call, then kept
def clean_patterns():
    """Clean patterns on a dense grid of shifts and widths: F of them (F, pixels), and labels (F,).

    Where two shifts give one picture (a horizontal line moved along itself), it is kept once.
    """
    shift = np.linspace(-MAX_SHIFT, MAX_SHIFT, 21)                # steps of 0.14 pixels at 16 x 16
    shifts = np.array([(right, down) for right in shift for down in shift])
    images, labels = [], []
    for label in range(len(PATTERN_TYPES)):
        # draw all shifts at one width, only to find those that give different pictures
        drawn = draw_patterns([label] * len(shifts), shifts, [LINE_WIDTH[0]] * len(shifts))
        _, first_of_each = np.unique(drawn.round(5), axis=0, return_index=True)
        kept = shifts[first_of_each]
        for width in np.linspace(*LINE_WIDTH, 7):
            images.append(draw_patterns([label] * len(kept), kept, [width] * len(kept)))
            labels += [label] * len(kept)
    return np.concatenate(images).astype(np.float32), np.array(labels)


def nearest_pattern(images):
    """The clean pattern that differs least from each image (N, IMAGE_SIZE**2).

    Returns its distances (N,), as RMSE, and its labels (N,), indices into PATTERN_TYPES.
    """
    clean, labels = clean_patterns()
    images = np.asarray(images, dtype=np.float32)
    # |i - c|**2 = |i|**2 - 2 i.c + |c|**2; the first term decides nothing. (All i - c: gigabytes.)
    best = ((clean**2).sum(axis=1) - 2 * images @ clean.T).argmin(axis=1)
    return rmse(images, clean[best]), labels[best]


def types_near(images):
    """The type that each image (N, pixels) is near, as an array of names; "none" if near none."""
    distances, labels = nearest_pattern(images)
    return np.where(distances <= NEAR_RMSE, np.array(PATTERN_TYPES)[labels], "none")


def rmse(a, b):
    """Root mean square difference of images (..., pixels), in units of brightness."""
    return np.sqrt(np.mean((a - b) ** 2, axis=-1))


# --- ways to look at them ---------------------------------------------------------
# Matplotlib is imported where it draws: the patterns themselves need NumPy alone.
def show_images(images, name=None):
    """Show images in rows of four: as characters in the prompt, or in a file.

    Parameters
    ----------
    images : array or tensor (N, pixels) or (N, IMAGE_SIZE, IMAGE_SIZE), or a single image;
        values from 0 (black) to 1 (white)
    name : str or None, of a PNG file in the folder ``outputs``; None prints
    """
    if hasattr(images, "detach"):                # a tensor, perhaps with gradients
        images = images.detach().cpu()
    images = np.asarray(images, dtype=float).reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    if np.isnan(images).any():
        raise ValueError("images holds NaN: a training that diverged, or a mean over nothing")
    if name is None:
        for start in range(0, len(images), 4):
            print_images(images[start:start + 4])
    else:
        blank = np.full((-len(images) % 4, IMAGE_SIZE, IMAGE_SIZE), np.nan)    # fills the last row
        rows = np.concatenate([images, blank]).reshape(-1, 4, IMAGE_SIZE**2)
        save_figure(OUTPUT_DIR / name, grid_figure, name, rows)     # calls grid_figure(name, rows)


def save_figure(file, draw, *arguments):
    """Call ``draw(*arguments)``, write the figure that it returns, and print where it is.

    Both happen in Matplotlib's default style, whatever the reader's own style is.
    """
    import matplotlib.style

    file.parent.mkdir(exist_ok=True)
    with matplotlib.style.context("default"):
        file.write_bytes(png(draw(*arguments)))
    print(f"Wrote {file}")


def print_images(images, shades=" .:-=+*#%@"):
    """Print images (N, size, size) side by side, one character for two pixels of a column."""
    for top in range(0, images.shape[1], 2):
        row = images[:, top:top + 2].max(axis=1).clip(0, 1)       # (N, size)
        levels = (row * (len(shades) - 1)).round().astype(int)
        print("  ".join("".join(shades[level] for level in line) for line in levels))
    print()


def new_figure(height, title):
    """A Matplotlib figure as wide as the page and ``height`` inches tall; it needs no display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=11)
    return figure


def grid_figure(title, rows, row_labels=(), column_labels=(), captions=None, marked=None,
                xlabel="", ylabel=""):
    """A figure that holds one grid of images; ``show_grid`` explains the arguments."""
    lines = [line for label in row_labels for line in label.split("\n")]
    # about, in inches: a character is 0.085 wide, a line of text 0.2 high
    left = 0.1 + 0.085 * max(map(len, lines), default=0) + 0.2 * bool(ylabel)
    pitch = (8 - left) / len(rows[0])                              # from image to image
    height = pitch * len(rows) * (1 if captions is None else 1.13)     # captions need room
    texts = (title, *column_labels[:1], xlabel)     # take height; one column label stands for all
    text_lines = sum(1 + text.count("\n") for text in texts if text)
    figure = new_figure(height + 0.3 + 0.2 * text_lines, title)
    axes = figure.subplots()
    show_grid(axes, rows, row_labels, column_labels, captions, marked)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure


def show_grid(axes, rows, row_labels=(), column_labels=(), captions=None, marked=None):
    """Show rows of images as one grid, black 0 to white 1, with labels beside it.

    All images become one large picture with gaps: a set of axes for each image
    would take a second to draw.

    Parameters
    ----------
    axes : Matplotlib axes
    rows : array (rows, columns, pixels)
    row_labels, column_labels : sequences of str
    captions : (rows, columns) of str, written below the images, or None
    marked : bool array (rows, columns), images that get an orange frame, or None
    """
    from matplotlib.patches import Rectangle

    num_rows, num_columns, pixels = np.shape(rows)
    size = math.isqrt(pixels)
    gap = max(2, size // 6)
    pitch_x, pitch_y = size + gap, size + (gap if captions is None else max(3, size // 3))
    canvas = np.full((num_rows * pitch_y - gap, num_columns * pitch_x - gap), np.nan)
    for row, column in np.ndindex(num_rows, num_columns):
        top, left = row * pitch_y, column * pitch_x
        canvas[top:top + size, left:left + size] = np.reshape(rows[row][column], (size, size))
        if captions is not None:
            axes.text(left + size / 2, top + size, captions[row][column],
                      fontsize=8, ha="center", va="top")
        if marked is not None and marked[row][column]:
            axes.add_patch(Rectangle((left - 0.5, top - 0.5), size, size, fill=False,
                                     edgecolor="#E69F00", linewidth=2.5))
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    # imshow's first pixel begins at -0.5. One more on all sides is for the frames.
    # Spare room goes to the left, where the labels are.
    axes.set(xlim=(-1.5, canvas.shape[1] + 0.5), ylim=(canvas.shape[0] + 0.5, -1.5), anchor="E")
    axes.set_yticks(pitch_y * np.arange(len(row_labels)) + size / 2, row_labels)
    axes.set_xticks(pitch_x * np.arange(len(column_labels)) + size / 2, column_labels)
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)


def png(figure):
    """A figure as the bytes of a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)      # figure.savefig would lay everything out twice
    return file.getvalue()


def main():
    """Draw a sheet of examples, a row for each type, into the folder ``outputs``."""
    patterns, labels = generate_patterns(10 * len(PATTERN_TYPES), rng=42)
    rows = [patterns[labels == label] for label in range(len(PATTERN_TYPES))]
    title = f"Ten patterns of each type, {IMAGE_SIZE} x {IMAGE_SIZE} pixels"
    save_figure(OUTPUT_DIR / "pattern_samples.png", grid_figure, title, rows, PATTERN_TYPES)


if __name__ == "__main__":
    main()
