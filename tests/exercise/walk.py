"""The check of the challenge: is the GIF a closed walk, at the right speed, in a loop?

It is asked with a test card, so what each frame is mixed from can be read off it.
Identical neighbors in a GIF are merged into one frame that stays longer, so frames
are never counted.
"""

import itertools

import numpy as np
import torch

from patterns import IMAGE_SIZE
from tests.exercise import reference
from tests.exercise.card import DARK, TestCard, curved, encodes_others, require_card, require_none
from tests.exercise.hints import WrongError, about, placed
from tests.exercise.pictures import gif_name
from vae_model import LATENT_DIM, WEIGHTS_FILE

NAME = "create_latent_walk_animation"
SMALLEST = 256          # pixels per side
AT_A_PATTERN = 0.97     # a weight from here on shows the pattern itself
LEFT_OVER = 0.08        # by which weights may differ from those of a mixture of two codes
LARGEST_STEP = 0.51     # of the way from one pattern to the next
MOVED = 0.01            # of the way: less is rounding
EARLIER = b"a file of an earlier call"
GRID = np.linspace(0, 1, 1001)


# --- the calls ------------------------------------------------------------------------
@placed
def check_walk(learner, right):
    """Raise the first WrongError that is found."""
    if "interpolate" not in right:
        learner.given = {"interpolate": reference.interpolate}
        vars(learner.module).update(learner.given)
    many = min(5, LATENT_DIM + 1, IMAGE_SIZE - 2)
    calls = ((3, {}), (many, {"fps": 2.5}), (2, {"fps": 1}), (2, {"fps": 1}, 0.05))
    require_speed(np.array(learner.in_turn(lambda call: check_once(learner, *call), calls))[:3])


def check_once(learner, count, options, apart=1.0):
    """Let a GIF be written, look at all but its speed; return how many ms a frame stays."""
    patterns = reference.some_patterns(count)
    vae, untouched = TestCard(patterns, apart=apart), patterns.clone()
    given = "".join(f", {name}={value}" for name, value in options.items())
    shown = f"{NAME}(vae, patterns{given}) with {count} patterns"
    shown += " whose codes are close together" * (apart < 1)
    learner.empty_folders()
    file = learner.folder / "outputs" / gif_name(learner)
    if options:                                      # another call finds a file of an earlier one
        file.write_bytes(EARLIER)
    learner.call(learner.find(learner.module, NAME), vae, patterns, called=shown, **options)
    with about(shown):
        require_none("the file that was there before the call", [
            ("earlier-file", file.exists() and file.read_bytes() == EARLIER)])
        require_none("the patterns are not as before after the call",
                     [("arguments-changed", not torch.equal(patterns, untouched))])
        try:
            pictures, durations, loops = read_gif(learner.folder, file)
            shares = shares_of(pictures, count, vae)
        except WrongError as wrong:
            if wrong.hint in ("frames-the-same", "off-the-way") and encodes_others(vae):
                wrong.hint = "encodes-others"
            raise
        require_route(shares)
        require_steady(pictures, durations, loops, shares)
    return np.median(durations)


# --- the pictures ---------------------------------------------------------------------
def read_gif(folder, file):
    """Pictures (frames, side, side), a pixel for each block, milliseconds of each, and how often
    they play; or a WrongError if these are no gray squares that are made of blocks."""
    from PIL import Image, ImageSequence  # what imageio reads GIFs with

    if not file.exists():
        others = sorted(path.name for place in ("outputs", "cwd")
                        for path in (folder / place).rglob("*")
                        if path.is_file() and path.name != WEIGHTS_FILE)
        require_none(f"no file at GIF_FILE; other files: {', '.join(others[:4]) or 'none'}", (
            ("many-files", len(others) > 2), ("wrong-place", others), ("no-file", True)))
    try:
        with Image.open(file, formats=["GIF"]) as image:
            loops = image.info.get("loop")
            frames = [(np.asarray(frame.convert("RGB")), frame.info.get("duration", 0))
                      for frame in ImageSequence.Iterator(image)]
    except (OSError, SyntaxError, ValueError):
        raise WrongError("not-a-gif", "a file that cannot be read as a GIF") from None
    colors, durations = zip(*frames)
    pictures = np.stack([color[..., 1] for color in colors])
    count, height, width = pictures.shape
    small, varies = blocks_of(pictures)
    flat_or_thin = ("enlarged in one direction only" if min(height, width) > 1 else
                    "flattened: np.repeat without an axis gives one long row")
    require_none(f"different frames: {count}; pixels: {width} x {height}", (
        ("too-small", max(height, width) < SMALLEST),
        ("margins", min(pictures[:, [0, -1]].min(), pictures[..., [0, -1]].min()) == 255),
        ("not-square", height != width and min(height, width) <= IMAGE_SIZE, flat_or_thin),
        ("not-square", height != width, "joined side by side, stacked along the wrong axis, or "
         "drawn by Matplotlib"),
        ("colored", np.ptp([color[::9, ::9] for color in colors], axis=-1).max() > 24),
        ("black", pictures.max() <= 1),
        ("tiled", varies.mean() > 0.005 and np.array_equal(
            pictures[:, IMAGE_SIZE:, IMAGE_SIZE:], pictures[:, :-IMAGE_SIZE, :-IMAGE_SIZE])),
        ("smoothed", varies.mean() > 0.005),
        ("one-picture", count == 1 and durations[0] <= 250),
        ("frames-the-same", count == 1)))
    return small, np.array(durations, dtype=float), loops


def blocks_of(pictures):
    """Brightness, 0 to 1, in the middle of each block, and by how much it varies inside of them."""
    cells = ((np.arange(IMAGE_SIZE)[:, None] + (0.06, 0.5, 0.94)) / IMAGE_SIZE).ravel()
    rows, columns = ((cells * side).astype(int) for side in pictures.shape[1:])
    blocks = pictures[:, rows[:, None], columns] / 255
    blocks = blocks.reshape(-1, IMAGE_SIZE, 3, IMAGE_SIZE, 3)
    return blocks[:, :, 1, :, 1], np.abs(blocks - blocks[:, :, 1:2, :, 1:2])


def shares_of(pictures, count, vae):
    """What each frame is mixed from: (frames, patterns), one or two shares, which add up to 1."""
    seen = "frames that lie on no straight way between two of the patterns"
    require_card(pictures, vae, seen)
    gray = (pictures[:, 1:count + 2].mean(axis=2) - DARK) / (1 - DARK)
    weights, stray = np.split(np.interp(gray, curved(GRID), GRID), [count], axis=1)
    own = weights.max(axis=1) > AT_A_PATTERN
    others = np.sort(weights, axis=1)[:, :-2].sum(axis=1) + stray.sum(axis=1)
    off = ~own & (np.abs(weights.sum(axis=1) - 1) > LEFT_OVER) | (others > LEFT_OVER)
    require_none(seen, (
        ("wrapped", gray.min() < -0.05),
        ("patterns-unused", off.any() and not vae.encoded),
        ("off-the-way", off.any())))
    np.put_along_axis(weights, np.argsort(weights)[:, :-2], 0, axis=1)
    weights[own] = np.eye(count)[weights[own].argmax(axis=1)]
    return weights / weights.sum(axis=1, keepdims=True)


# --- the route, and the time ----------------------------------------------------------
def require_route(shares):
    """Raise a WrongError unless the walk goes from 0 to 1 and so on to the last, and to 0.

    How far it goes in all from each pattern towards each other one is what counts.
    """
    count = shares.shape[1]
    ways = np.array([way(*pair) for pair in zip(shares, np.roll(shares, -1, axis=0))])
    jumps = ways.max(axis=(1, 2)) > LARGEST_STEP
    travelled = ways[:-1][~jumps[:-1]].sum(axis=0)
    walked = set(map(tuple, np.argwhere(travelled > MOVED).tolist()))
    tour = [(k, (k + 1) % count) for k in range(count)]
    mirrored = {(j, i) for i, j in walked}
    missing = [stretch for stretch in tour if stretch not in walked]
    whole = min(travelled[stretch] for stretch in tour) > 0.7
    twice = [stretch for stretch in tour if travelled[stretch] > 1 + MOVED]
    stretches = ", ".join(f"from {i} to {j}" for i, j in missing or twice)
    skipped = [f"pattern {k}" for k in range(count) if not any(k in pair for pair in walked)]
    own = [int(row.argmax()) for row in shares if row.max() == 1]
    visited = ", ".join(str(k) for k, _ in itertools.groupby(own)) or "none"
    passed_by = len(set(own)) < count
    seen = f"a walk that shows these patterns, counted from 0: {visited}; jumps: {jumps.sum()}"
    require_none(seen, (
        ("standing-still", not walked),
        ("shuffled", jumps.sum() > (1 if whole else count)),
        ("first-stretch-only", walked == {tour[0]} and count > 2),
        ("there-and-back", missing == tour[-1:] and mirrored == walked),
        ("last-stretch-only", walked == {tour[-1]}),
        ("stretch-backwards", missing and mirrored == set(tour) and jumps[:-1].any()),
        ("from-the-first", ({(0, 1), (0, 2)} <= walked or {(1, 0), (2, 0)} <= walked)
         and all(0 in pair for pair in walked)),
        ("pattern-skipped", skipped, ", ".join(skipped)),
        ("stretch-twice", twice and not missing, stretches),
        ("other-order", walked - set(tour)),
        ("not-closed", missing == tour[-1:]),
        ("stretch-missing", missing, stretches),
        ("never-arrives", passed_by),
        ("jump-cuts", jumps[:-1].any()),
        ("not-closed", jumps[-1])))


def way(one, other):
    """How far a step from frame to frame goes between patterns: a matrix [from, to]. Between
    stretches it goes by way of the pattern that both have in them; without one it is a jump."""
    matrix = np.zeros((len(one), len(one)))
    shared = np.flatnonzero(one * other)
    if not len(shared):
        return matrix + 1
    stops = [one, other] if len(shared) > 1 else [one, np.eye(len(one))[shared[0]], other]
    for start, end in itertools.pairwise(stops):
        matrix[(start - end).argmax(), (end - start).argmax()] += (end - start).max()
    return matrix


def require_steady(pictures, durations, loops, shares):
    """Raise a WrongError unless all frames are new ones, stay for the same time, in a loop."""
    usual = np.median(durations)
    longer, shorter = durations > 1.5 * usual, durations < 0.6 * usual
    played = {None: "once", 0: "without end"}.get(loops) or f"{loops + 1} times"
    same = any(np.array_equal(*pair) for pair in itertools.pairwise(pictures))
    at_patterns = (shares[longer].max(axis=1) == 1).all()
    seen = f"{len(pictures)} frames, played {played}; {longer.sum()} stay for longer than others"
    require_none(seen, (
        ("wrong-unit", not durations.any() and np.array_equal(pictures[0], pictures[-1])),
        ("one-stays", longer.sum() == 1, f"number {longer.argmax() + 1}"),
        ("doubled", (longer.any() or same) and at_patterns),
        ("doubled-at-the-end", np.array_equal(pictures[0], pictures[-1])),
        ("uneven-durations", longer.any() or shorter.any()),
        ("plays-once", loops != 0, played)))


def require_speed(times):
    """Raise a WrongError unless a frame lasts 100 ms by default, 400 at fps 2.5, 1000 at fps 1."""
    right = np.array([100, 400, 1000])
    ratio = round(times[0] / right[0])
    known = any(np.isclose(times / right, factor, rtol=0.3).all() for factor in (10, 0.1, 1000))
    seen = (f"frames of {times[0]:g} milliseconds by default (fps 10), {times[1]:g} at fps 2.5, "
            f"{times[2]:g} at fps 1")
    require_none(seen, (
        ("fps-inverted", times[0] > times[2]),
        ("wrong-unit", known or not times.any()),
        ("fps-ignored", np.ptp(times) == 0),
        ("repeated-frames", ratio > 1 and np.allclose(times / right, ratio, rtol=0.02),
         f"{ratio:.0f}"),
        ("wrong-speed", (np.abs(times - right) > 10).any()),      # a GIF counts in hundredths
    ), called=f"{NAME}(vae, patterns), then with fps=2.5 and fps=1")
