"""The check of the challenge: is the GIF a closed walk, at the right speed, for ever?

The model it is asked with is a test card. It encodes pattern k as a code of its own
and decodes a mixture of such codes to a picture in which each row of pixels shows
how much of one pattern is in it, below a ramp from dark to bright. So the weights
can be read off each frame, and what happened to brightness off the ramp. Identical
neighbours in a GIF are merged into one frame that stays longer, so frames are never
counted.
"""

import itertools

import numpy as np
import torch
from torch.nn import functional as F

from patterns import IMAGE_SIZE
from tests.exercise import reference
from tests.exercise.hints import WrongError
from tests.exercise.reference import PIXELS, ReferenceVAE
from vae_model import LATENT_DIM

NAME = "create_latent_walk_animation"
SMALLEST = 256          # pixels per side
DARK, BRIGHT = 0.1, 0.8   # ends of the ramp; 1.0 is kept for a pattern itself, to show overflows
NEAR = 0.012            # by which brightness, 0 to 1, may differ: rounding to 255 steps, a palette
AT_A_PATTERN = 0.97     # a weight from here on shows the pattern itself
LEFT_OVER = 0.08        # by which weights may differ from those of a mixture of two codes
LARGEST_STEP = 0.51     # of the way from one pattern to the next
MOVED = 0.01            # of the way: less is rounding
RAMP = np.linspace(DARK, BRIGHT, IMAGE_SIZE)
GRID = np.linspace(0, 1, 1001)


# --- the test card --------------------------------------------------------------------
def curved(weight):
    """Brightness of a weight, both 0 to 1. It is no straight line, so that a mixture of two
    pictures differs from the picture of a mixture."""
    return weight * (0.4 + 0.6 * weight)


class TestCard(ReferenceVAE):
    """A model whose pictures show what they are mixed from."""

    __test__ = False         # not one of pytest's

    def __init__(self, patterns):
        super().__init__()
        self.patterns = patterns.clone()
        # one dimension for each pattern; if there is one too few, the last pattern is zero
        self.codes = torch.eye(len(patterns), LATENT_DIM)

    def encode(self, x):
        real = super().encode(x)                # refuses what a layer refuses, and notes it
        distance = (x.detach().unsqueeze(-2).float() - self.patterns).abs().amax(-1)
        nearest, which = distance.min(-1)
        # a stranger is off the way; 0 * real records gradients
        return self.codes[which] + nearest.unsqueeze(-1) + 0 * real

    def decode(self, z):
        real = super().decode(z)
        weights = torch.cat([z, 1 - z.sum(-1, keepdim=True)], dim=-1)[..., :len(self.patterns)]
        weights = (1.00001 * weights).clamp(0, 1)             # a pattern itself is 1, not nearly
        rows = (DARK + (1 - DARK) * curved(weights)).repeat_interleave(IMAGE_SIZE, -1)
        ramp = torch.from_numpy(RAMP).float().expand(*z.shape[:-1], -1)
        card = torch.cat([ramp, rows], dim=-1)
        return F.pad(card, (0, PIXELS - card.shape[-1]), value=DARK) + 0 * real


# --- the calls ------------------------------------------------------------------------
def check_walk(learner, right):
    """Raise the first WrongError that is found."""
    if "interpolate" not in right:
        learner.module.interpolate = reference.interpolate
    usual = check_once(learner, 3)
    slower = check_once(learner, min(5, LATENT_DIM + 1, IMAGE_SIZE - 2), fps=4)
    require_speed(np.array([usual, slower]))
    check_once(learner, 2, fps=20)


def check_once(learner, count, **options):
    """Let a GIF be written, look at all but its speed; return how many ms a frame stays."""
    patterns = reference.some_patterns(count)
    vae, untouched = TestCard(patterns), patterns.clone()
    given = "".join(f", {name}={value}" for name, value in options.items())
    shown = f"{NAME}(vae, patterns{given}) with {count} patterns"
    learner.empty_folders()
    learner.call(learner.find(learner.module, NAME), vae, patterns, called=shown, **options)
    if not torch.equal(patterns, untouched):
        raise WrongError("arguments-changed", "the patterns are not as before after the call")
    pictures, durations, loops = read_gif(learner.folder)
    shares = shares_of(pictures, untouched.double().numpy(), vae)
    require_route(shares)
    require_steady(pictures, durations, loops, shares)
    return np.median(durations)


def require_none(seen, cases, **details):
    """Raise a WrongError for the first of the cases (hint, applies, what exactly) that applies."""
    for hint, applies, *what in cases:
        if applies:
            raise WrongError(hint, seen, what="".join(what), **details)


# --- the pictures ---------------------------------------------------------------------
def read_gif(folder):
    """Pictures (frames, height, width) in uint8, milliseconds of each, how often they play.

    Raise a WrongError unless they are grey squares that are made of blocks.
    """
    from PIL import Image, ImageSequence  # what imageio reads GIFs with

    file = folder / "outputs" / "latent_walk.gif"
    if not file.exists():
        others = sorted(path.name for place in ("outputs", "cwd")
                        for path in (folder / place).rglob("*") if path.is_file())
        require_none(f"no file at GIF_FILE; other files: {', '.join(others[:4]) or 'none'}", (
            ("many-files", len(others) > 2), ("wrong-place", others), ("no-file", True)))
    try:
        with Image.open(file, formats=["GIF"]) as image:
            loops = image.info.get("loop")
            frames = [(np.asarray(frame.convert("RGB")), frame.info.get("duration", 0))
                      for frame in ImageSequence.Iterator(image)]
    except (OSError, SyntaxError, ValueError):
        raise WrongError("not-a-gif", "a file that cannot be read as a GIF") from None
    colours, durations = zip(*frames)
    pictures = np.stack([colour[..., 1] for colour in colours])
    count, height, width = pictures.shape
    require_none(f"different frames: {count}; pixels: {width} x {height}", (
        ("too-small", max(height, width) < SMALLEST),
        ("margins", min(pictures[:, [0, -1]].min(), pictures[..., [0, -1]].min()) == 255),
        ("not-square", height != width),
        ("coloured", np.ptp([colour[::9, ::9] for colour in colours], axis=-1).max() > 24),
        ("black", pictures.max() <= 1),
        ("tiled", is_tiled(pictures[0])),
        ("smoothed", is_smoothed(pictures)),
        ("one-picture", count == 1 and durations[0] <= 250),
        ("frames-the-same", count == 1)))
    return pictures, np.array(durations, dtype=float), loops


def sampled(pictures, *places):
    """Brightness, 0 to 1, at some places, 0 to 1, across and down each block."""
    cells = (np.arange(IMAGE_SIZE)[:, None] + np.array(places)).ravel() / IMAGE_SIZE
    rows, columns = ((cells * side).astype(int) for side in pictures.shape[1:])
    return pictures[:, rows[:, None], columns] / 255


def is_tiled(picture):
    """Whether a small picture comes again and again: row by row, or run together (np.resize)."""
    flat = picture.ravel()
    periods = IMAGE_SIZE * picture.shape[1], PIXELS
    return np.ptp(flat) > 0 and any((flat[n:] == flat[:-n]).all() for n in periods)


def is_smoothed(pictures):
    """Whether brightness varies in blocks, but by less than in a picture without blocks."""
    blocks = sampled(pictures, 0.15, 0.5, 0.85).reshape(-1, IMAGE_SIZE, 3, IMAGE_SIZE, 3)
    varies = np.abs(blocks - blocks[:, :, 1:2, :, 1:2])
    return varies.mean() > 0.005 and varies.max() < 0.8


def shares_of(pictures, patterns, vae):
    """What each frame is mixed from: (frames, patterns), one or two shares, which add up to 1."""
    small, count = sampled(pictures, 0.5), len(patterns)
    if not is_card(small, count):
        explain_pictures(small, patterns, vae)
    grey = (small[:, 1:count + 1].mean(axis=2) - DARK) / (1 - DARK)
    weights = np.interp(grey, curved(GRID), GRID)
    own = weights.max(axis=1) > AT_A_PATTERN
    off = np.abs(weights.sum(axis=1) - 1) > LEFT_OVER
    others = np.sort(weights[~own], axis=1)[:, :-2].sum(axis=1)
    require_none("frames that lie on no straight way between two of the patterns", (
        ("wrapped", grey.min() < -0.05),
        ("patterns-unused", off.any() and not vae.encoded),
        ("walk-of-pixels", off[~own].any()),
        ("off-the-way", (others > LEFT_OVER).any())))
    np.put_along_axis(weights, np.argsort(weights)[:, :-2], 0, axis=1)
    weights[own] = np.eye(count)[weights[own].argmax(axis=1)]
    return weights / weights.sum(axis=1, keepdims=True)


def is_card(small, count):
    """Whether frames are pictures of the test card, unchanged."""
    return np.abs(small[:, 0] - RAMP).max() < NEAR \
        and np.ptp(small[:, 1:count + 1], axis=2).max() < NEAR


def explain_pictures(small, patterns, vae):
    """Raise a WrongError for frames that the test card does not make."""
    count, flat = len(patterns), small.reshape(len(small), -1)
    seen = "frames that show other pictures than the decoder makes on such a walk"
    mixed = np.linalg.lstsq(patterns.T, flat.T, rcond=None)[0].T @ patterns
    originals = max(np.abs(patterns - frame).max(axis=1).min() for frame in flat) < NEAR
    turned = [np.rot90(one, k, (1, 2)) for one in (small, small[:, ::-1]) for k in range(4)]
    require_none(seen, (
        ("originals-shown", not vae.decoded and originals),
        ("walk-of-pixels", not vae.decoded and np.sqrt(np.mean((mixed - flat)**2)) < NEAR),
        ("decoder-unused", not vae.decoded and vae.encoded),
        ("model-unused", not vae.decoded),
        ("transposed", is_card(small.transpose(0, 2, 1), count)),
        ("upside-down", any(is_card(one, count) for one in turned)),
        ("unknown", np.ptp(small[:, 1:count + 1], axis=2).max() > 0.05 >= np.ptp(small[:, 0])),
    ), step="what happens to a frame")
    ramp = small[:, 0]
    factors = ramp @ RAMP / (RAMP @ RAMP)
    multiplied = np.abs(ramp - factors[:, None] * RAMP).max() < NEAR
    falls = (np.diff(ramp, axis=1) < -NEAR).any()
    ends = f"{ramp[0, 0]:.2f} to {ramp[0, -1]:.2f}"
    require_none(f"{seen}: the ramp from {DARK} to {BRIGHT} became {ends}", (
        ("inverted", np.abs(ramp - (1 - RAMP)).max() < NEAR),
        ("rounded", set(np.unique(small)) <= {0, 1}),
        ("too-dark", multiplied and factors.max() < 1 - NEAR, f"{255 * factors[0]:.0f}"),
        ("stretched", not falls and (small.min(axis=(1, 2)).max() < 0.02
                                     or small.max(axis=(1, 2)).min() > 0.98)),
        ("wrapped", falls or multiplied),
        ("tones", True),
    ), step="step 4 of its docstring")


# --- the route, and the time ----------------------------------------------------------
def require_route(shares):
    """Raise a WrongError unless the walk goes from 0 to 1 and so on to the last, and to 0.

    What counts is how far it goes in all from each pattern towards each other one: once from
    each to the next, and nowhere else.
    """
    count = shares.shape[1]
    ways = np.array([way(*pair) for pair in zip(shares, np.roll(shares, -1, axis=0))])
    jumps = ways.max(axis=(1, 2)) > LARGEST_STEP
    travelled = ways[:-1][~jumps[:-1]].sum(axis=0)
    walked = set(map(tuple, np.argwhere(travelled > MOVED).tolist()))
    tour = [(k, (k + 1) % count) for k in range(count)]
    mirrored = {(j, i) for i, j in walked}
    missing = [stretch for stretch in tour if stretch not in walked]
    twice = [stretch for stretch in tour if travelled[stretch] > 1 + MOVED]
    stretches = ", ".join(f"from {i} to {j}" for i, j in missing or twice)
    skipped = [f"pattern {k}" for k in range(count) if not any(k in pair for pair in walked)]
    own = [int(row.argmax()) for row in shares if row.max() == 1]
    visited = ", ".join(str(k) for k, _ in itertools.groupby(own)) or "none"
    passed_by = len(set(own)) < count
    seen = f"a walk that shows these patterns, counted from 0: {visited}; jumps: {jumps.sum()}"
    require_none(seen, (
        ("jump-cuts", not walked),
        ("there-and-back", missing == tour[-1:] and mirrored == walked),
        ("last-stretch-only", walked == {tour[-1]}),
        ("stretch-backwards", missing and mirrored == set(tour) and jumps[:-1].any()),
        ("from-the-first", {(0, 1), (0, 2)} <= walked and travelled[1:].max() < 0.6),
        ("pattern-skipped", skipped, ", ".join(skipped)),
        ("stretch-twice", twice and not missing, stretches),
        ("other-order", walked - set(tour)),
        ("not-closed", missing == tour[-1:]),
        ("stretch-missing", missing, stretches),
        ("frames-left-out", passed_by and np.ptp(ways[:-1].sum(axis=(1, 2))) < 0.05),
        ("never-arrives", passed_by),
        ("jump-cuts", jumps[:-1].any()),
        ("not-closed", jumps[-1])))


def way(one, other):
    """How far a step from frame to frame goes between patterns: a matrix [from, to].

    From stretch to stretch it goes by way of the pattern that both have in them; without
    such a pattern it is a jump.
    """
    matrix = np.zeros((len(one), len(one)))
    shared = np.flatnonzero(one * other)
    if not len(shared):
        return matrix + 1
    stops = [one, other] if len(shared) > 1 else [one, np.eye(len(one))[shared[0]], other]
    for start, end in itertools.pairwise(stops):
        matrix[(start - end).argmax(), (end - start).argmax()] += (end - start).max()
    return matrix


def require_steady(pictures, durations, loops, shares):
    """Raise a WrongError unless all frames are new ones, stay for the same time, for ever."""
    usual = np.median(durations)
    longer, shorter = durations > 1.5 * usual, durations < 0.6 * usual
    played = {None: "once", 0: "for ever"}.get(loops) or f"{loops + 1} times"
    same = any(np.array_equal(*pair) for pair in itertools.pairwise(pictures))
    at_patterns = (shares[longer].max(axis=1) == 1).all()
    seen = f"{len(pictures)} frames, played {played}; {longer.sum()} stay for longer than others"
    require_none(seen, (
        ("one-stays", longer.sum() == 1, f"number {longer.argmax() + 1}"),
        ("doubled", (longer.any() or same) and at_patterns),
        ("doubled-at-the-end", np.array_equal(pictures[0], pictures[-1])),
        ("uneven-durations", longer.any() or shorter.any()),
        ("plays-once", loops != 0, played)))


def require_speed(times):
    """Raise a WrongError unless a frame lasts 100 ms by default and 250 ms at fps 4."""
    right = np.array([100, 250])
    known = any(np.allclose(times / right, unit, rtol=0.3) for unit in (10, 0.1, 1000))
    seen = f"frames of {times[0]:g} milliseconds by default (fps 10), {times[1]:g} at fps 4"
    require_none(seen, (
        ("wrong-unit", known or not times.any()),
        ("fps-ignored", times[0] == times[1]),
        ("fps-inverted", times[0] > times[1]),
        ("wrong-speed", (np.abs(times - right) > 10).any()),      # a GIF counts in hundredths
    ), called=f"{NAME}(vae, patterns), and again with fps=4")
