"""Soft-edged lines on a small square image: the data of the exercise.

    python patterns.py      # draws a sheet of examples: outputs/pattern_samples.png

Every pattern is one of four types. A line has a soft edge (its brightness
falls off like a Gaussian), and the place and the width of the line vary
*continuously* from pattern to pattern. That continuity is what a latent space
can pick up: between any two lines there are others.
"""

from pathlib import Path
import contextlib, sys, os, tempfile
import numpy as np
OUTPUT_DIR = Path(__file__).resolve().parent / "outputs"   # SHIM

# --- what the patterns look like (all of it may be changed) -------------------
IMAGE_SIZE = 16               # pixels per side              (try: 8, 24, 32)
MAX_SHIFT = 0.09              # how far a centre moves, as a share of IMAGE_SIZE
LINE_WIDTH = (0.05, 0.09)     # sigma of a line, narrowest and widest, same unit
NOISE = 0.03                  # standard deviation of the pixel noise

PATTERN_TYPES = ("diagonal", "horizontal", "vertical", "cross")


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
    _require_count("num_patterns", num_patterns)
    _require_count("image_size", image_size)
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a number of 0 or more, not {noise!r}")

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
    across = np.abs(centres - shifts[:, :1])[:, None, :]          # (N, 1, size)
    down = np.abs(centres - shifts[:, 1:])[:, :, None]            # (N, size, 1)
    signed = (centres - shifts[:, :1])[:, None, :] - (centres - shifts[:, 1:])[:, :, None]
    distance = np.select(
        [labels[:, None, None] == kind for kind in range(len(PATTERN_TYPES))],
        np.broadcast_arrays(
            np.abs(signed) / np.sqrt(2),    # diagonal, from top left to bottom right
            down,                           # horizontal
            across,                         # vertical
            np.minimum(across, down),       # cross: both of them
        ),
    )
    brightness = np.exp(-0.5 * (distance / widths[:, None, None]) ** 2)
    return brightness.reshape(len(labels), -1)


def nearest_clean(images, *, num_shifts=21, num_widths=7, image_size=IMAGE_SIZE):
    """Find, for each image, the nearest clean pattern that could have been drawn.

    Tries a dense grid of all types, shifts and widths. At the default density
    and 16 pixels, neighbouring lines of the grid lie 0.14 pixels apart.

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
    labels, shifts, widths = _dense_grid(num_shifts, num_widths)
    family = draw_lines(labels, shifts, widths, image_size).astype(np.float32)
    images = np.asarray(images, dtype=np.float32)
    # |a - b|**2 = |a|**2 - 2 a.b + |b|**2 needs one matrix product for all pairs
    best = ((family**2).sum(axis=1) - 2 * images @ family.T).argmin(axis=1)
    distances = np.sqrt(np.mean((images - family[best]) ** 2, axis=1))
    return distances, labels[best]


def _dense_grid(num_shifts, num_widths):
    """Labels, shifts and widths that cover all patterns, for ``draw_lines``."""
    shift = np.linspace(-MAX_SHIFT, MAX_SHIFT, num_shifts)
    width = np.linspace(*LINE_WIDTH, num_widths)
    # A cross moves in two directions, a line only across itself: one walk along
    # the other diagonal moves each of the three lines from end to end.
    walk = np.stack([shift, -shift], axis=1)
    plane = np.stack(np.meshgrid(shift, shift), axis=-1).reshape(-1, 2)
    places = [plane if name == "cross" else walk for name in PATTERN_TYPES]
    labels = np.repeat(range(len(PATTERN_TYPES)), [len(place) for place in places])
    shifts = np.concatenate(places)
    return (np.tile(labels, num_widths), np.tile(shifts, (num_widths, 1)),
            np.repeat(width, len(shifts)))


def _require_count(name, value):
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number of 1 or more, not {value!r}")


def grid_figure(*a, **k):   # SHIM
    from latent_space_exploration import grid_figure as g
    return g(*a, **k)


@contextlib.contextmanager
def plain_matplotlib():   # SHIM
    yield


@contextlib.contextmanager
def publish_together(output_dir):   # SHIM
    from latent_space_exploration import publish_together as g
    with g(output_dir) as scratch:
        yield scratch


def run_program(main):   # SHIM
    sys.exit(main())


def main():
    """Draw a sheet of examples, a row for each type, into the folder ``outputs``."""
    # imported here, because the data themselves need nothing but NumPy
    from latent_space_exploration import OUTPUT_DIR, grid_figure, publish_together

    patterns, labels = generate_patterns(48, rng=42)
    rows = [patterns[labels == kind][:12] for kind in range(len(PATTERN_TYPES))]
    title = f"Twelve patterns of each type, {IMAGE_SIZE} x {IMAGE_SIZE} pixels"
    figure = grid_figure(title, rows, PATTERN_TYPES)
    OUTPUT_DIR.mkdir(exist_ok=True)
    with publish_together(OUTPUT_DIR) as scratch:
        figure.savefig(scratch / "pattern_samples.png")
    print(f"Wrote {OUTPUT_DIR / 'pattern_samples.png'}")


if __name__ == "__main__":
    main()
