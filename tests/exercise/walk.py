"""The check of the challenge: is the GIF a closed walk, at the right speed, for ever?

The model it is asked with is a test card. It encodes pattern k as a code of its own
and decodes a mixture of such codes to a picture in which each row of pixels shows
how much of one pattern is in it, below a ramp from dark to bright. So the weights
can be read off each frame, and what happened to brightness off the ramp. Identical
neighbours in a GIF are merged into one frame that stays longer, so frames are never
counted.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import torch

from patterns import IMAGE_SIZE
from tests.exercise import reference
from tests.exercise.hints import WrongError
from tests.exercise.reference import PIXELS, ReferenceVAE
from vae_model import LATENT_DIM

NAME = "create_latent_walk_animation"
SMALLEST = 256          # pixels per side
DARK, BRIGHT = 0.1, 0.8   # ends of the ramp; 1.0 is kept for a pattern itself, to show overflows
NEAR = 0.012            # by which brightness, 0 to 1, may differ: rounding to 255 steps, a palette
AT_A_PATTERN = 0.03     # a weight this close to 1 shows the pattern itself
LARGEST_STEP = 0.51     # of the way from one pattern to the next
STEP_4 = "step 4 of its docstring"


# --- the test card --------------------------------------------------------------------
def curved(weight):
    """Brightness of a weight, both 0 to 1. It is no straight line, so that a mixture of two
    pictures differs from the picture of a mixture."""
    return weight * (0.4 + 0.6 * weight)


RAMP = np.linspace(DARK, BRIGHT, IMAGE_SIZE)
GRID = np.linspace(0, 1, 1001)


class TestCard(ReferenceVAE):
    """A model whose pictures show what they are mixed from."""

    __test__ = False         # not one of pytest's

    def __init__(self, patterns):
        super().__init__()
        self.patterns = patterns.clone()
        # one dimension for each pattern; if there is one too few, the last pattern is zero
        self.codes = torch.eye(len(patterns), LATENT_DIM)

    def encode(self, x):
        super().encode(x)                       # refuses what a layer refuses, and notes it
        distance = (x.detach().unsqueeze(-2).float() - self.patterns).abs().amax(-1)
        nearest, which = distance.min(-1)
        codes = self.codes[which] + nearest.unsqueeze(-1)         # a stranger is off the way
        return codes + 0 * self.fc_mu.bias.sum()                  # records gradients

    def decode(self, z):
        super().decode(z)
        weights = z[..., :len(self.patterns)]
        if weights.shape[-1] < len(self.patterns):
            weights = torch.cat([weights, 1 - weights.sum(-1, keepdim=True)], dim=-1)
        weights = weights.clamp(0, 1)
        grey = DARK + (1 - DARK) * curved(weights)
        grey = torch.where(weights > 1 - 1e-5, 1.0, grey)
        rows = grey.repeat_interleave(IMAGE_SIZE, -1)
        ramp = torch.from_numpy(RAMP).float().expand(*z.shape[:-1], -1)
        rest = torch.full((*z.shape[:-1], PIXELS - rows.shape[-1] - IMAGE_SIZE), DARK)
        return torch.cat([ramp, rows, rest], dim=-1) + 0 * self.fc_mu.bias.sum()


@dataclass
class Gif:
    """What a GIF shows."""

    pictures: np.ndarray     # (frames, height, width), uint8
    durations: np.ndarray    # (frames,), milliseconds
    loops: int | None        # 0: for ever, None: plays once
    coloured: bool

    @property
    def small(self):
        """One value for each block, 0 to 1: (frames, IMAGE_SIZE, IMAGE_SIZE)."""
        return self.sampled(0.5)

    def sampled(self, *places):
        """Pixels at given places, 0 to 1, inside each block."""
        cells = np.arange(IMAGE_SIZE)[:, None] + np.array(places)
        rows, columns = ((cells.ravel() * side / IMAGE_SIZE).astype(int)
                         for side in self.pictures.shape[1:])
        return self.pictures[:, rows[:, None], columns] / 255


def check_walk(learner, right):
    """Raise the first WrongError that is found."""
    learner.find(learner.module, NAME)
    if "interpolate" not in right:
        learner.module.interpolate = reference.interpolate
    usual = check_once(learner, 3, None)
    slower = check_once(learner, min(5, LATENT_DIM + 1, IMAGE_SIZE - 2), 4)
    try:
        require_speed(usual, slower)
    except WrongError as wrong:
        wrong.called = f"{NAME}(vae, patterns), and again with fps=4"
        raise
    check_once(learner, 2, 20)


def check_once(learner, count, fps):
    """Let a GIF be written, look at all but its speed, and return it."""
    count = min(count, LATENT_DIM + 1)
    patterns = reference.some_patterns(count)
    vae, untouched = TestCard(patterns), patterns.clone()
    options = {} if fps is None else {"fps": fps}
    shown = f"{NAME}(vae, patterns{''.join(f', {n}={v}' for n, v in options.items())}) " \
            f"with {count} patterns"
    learner.empty_folders()
    try:
        learner.call(getattr(learner.module, NAME), vae, patterns, called=shown, **options)
        if not torch.equal(patterns, untouched):
            raise WrongError("arguments-changed", "the patterns are not as before after the call")
        gif = read_gif(find_file(learner.folder))
        require_pictures(gif, untouched.double().numpy(), vae)
        require_loop(gif)
    except WrongError as wrong:
        wrong.called = shown
        raise
    finally:
        learner.empty_folders()
    return gif


# --- the file ---------------------------------------------------------------------------
def find_file(folder):
    """The GIF, in the place that was asked for."""
    file = folder / "outputs" / "latent_walk.gif"
    if file.exists():
        return file
    written = [path.relative_to(place.parent if place.name == "outputs" else place)
               for place in (folder / "outputs", folder / "cwd")
               for path in place.rglob("*") if path.is_file()]
    if len(written) > 2:
        raise WrongError("many-files", f"{len(written)} files, but none at GIF_FILE")
    if written:
        raise WrongError("wrong-place", f"a file {written[0]}, but none at GIF_FILE")
    raise WrongError("no-file", "no file at GIF_FILE after the call")


def read_gif(file):
    from PIL import Image, ImageSequence  # what imageio reads GIFs with

    if not file.read_bytes().startswith(b"GIF8"):
        raise WrongError("not-a-gif", "a file of another kind")
    try:
        with Image.open(file) as image:
            loops = image.info.get("loop")
            frames = [(np.asarray(frame.convert("RGB")), frame.info.get("duration", 0))
                      for frame in ImageSequence.Iterator(image)]
    except (OSError, SyntaxError, ValueError) as error:
        raise WrongError("not-a-gif", str(error)) from None
    pictures, durations = zip(*frames)
    if loops is None and len(frames) == 1:
        loops = 0                                         # a still picture need not loop
    few = np.stack([picture[::5, ::5] for picture in pictures]).astype(int)
    coloured = max(np.abs(few[..., 0] - few[..., k]).max() for k in (1, 2)) > 24
    return Gif(np.stack([picture[..., 1] for picture in pictures]),
               np.array(durations, dtype=float), loops, coloured)


def require_loop(gif):
    if gif.loops != 0:
        times = "once" if gif.loops is None else f"{gif.loops + 1} times"
        raise WrongError("plays-once", "a GIF that comes to an end", what=times)


# --- the pictures -----------------------------------------------------------------------
def require_pictures(gif, patterns, vae):
    """Raise a WrongError unless the frames are the walk that was asked for."""
    height, width = gif.pictures.shape[1:]
    seen = f"frames of {width} x {height} pixels"
    if min(height, width) < SMALLEST <= max(height, width):
        raise WrongError("not-square", seen)
    if min(height, width) < SMALLEST:
        raise WrongError("too-small", f"{seen}; at least {SMALLEST} are asked for")
    border = np.concatenate([gif.pictures[:, [0, -1]].ravel(), gif.pictures[..., [0, -1]].ravel()])
    if border.min() == 255:
        raise WrongError("margins", f"{seen} with a white border")
    if height != width:
        raise WrongError("not-square", seen)
    if gif.coloured:
        raise WrongError("coloured", f"{seen} in colours")
    require_brightness(gif)
    require_blocks(gif, seen)
    weights = weights_of(gif, len(patterns))
    if weights is None:
        explain_pictures(gif, patterns, vae)
    if len(gif.pictures) == 1:
        time = gif.durations[0]
        raise WrongError("one-picture" if time <= 250 else "frames-the-same",
                         f"a GIF that shows one picture only, for {time:g} milliseconds")
    if (np.abs(weights.sum(axis=1) - 1) > 0.08).any() and vae.decoded and not vae.encoded:
        raise WrongError("patterns-unused", "frames on no way between the patterns")
    require_route(places_of(weights), len(patterns))
    require_no_stutter(gif, weights)


def require_brightness(gif):
    if gif.pictures.max() <= 1:
        raise WrongError("black", "frames that are black, or nearly so")


def require_blocks(gif, seen):
    """Raise a WrongError unless each pixel became a block of one brightness."""
    picture = gif.pictures[0].astype(int)
    side, flat = IMAGE_SIZE, picture.ravel()
    again = (picture[side:] == picture[:-side]).all() \
        and (picture[:, side:] == picture[:, :-side]).all()
    if again or (flat[PIXELS:] == flat[:-PIXELS]).all() and np.ptp(flat):
        raise WrongError("tiled", f"{seen}, in which the same small picture comes again and again")
    middle = gif.small[:, :, None, :, None]
    blocks = gif.sampled(0.15, 0.85).reshape(len(gif.pictures), side, 2, side, 2)
    if np.abs(blocks - middle).mean() > 0.01 and np.abs(blocks - middle).max() < 0.8:
        raise WrongError("smoothed", f"{seen}, in which neighbouring pixels run into each other")


def weights_of(gif, count):
    """How much of each pattern every frame shows: (frames, count); None if it is no test card."""
    small = gif.small
    rows = small[:, 1:count + 1]
    constant = np.ptp(rows, axis=2).max() < NEAR
    if not constant or np.abs(small[:, 0] - RAMP).max() > NEAR:
        return None
    grey = (rows.mean(axis=2) - DARK) / (1 - DARK)
    if grey.min() < -0.05:
        raise WrongError("wrapped", "dark stripes where the decoder gave white")
    return np.interp(grey, curved(GRID), GRID)


def explain_pictures(gif, patterns, vae):
    """Raise a WrongError for frames that the test card does not make."""
    small, count = gif.small, len(patterns)
    seen = "frames that show other pictures than the decoder makes on such a walk"
    flat = small.reshape(len(small), -1)
    if not vae.decoded and (shows(flat, patterns) or shows(flat[:, 5:], patterns[:, 5:])):
        whole = all(np.abs(patterns - frame).max(axis=1).min() < NEAR for frame in flat)
        raise WrongError("originals-shown" if whole else "walk-of-pixels", seen)
    if not vae.decoded:
        raise WrongError("decoder-unused" if vae.encoded else "model-unused",
                         f"{seen}; vae decoded nothing")
    for hint, turned in (
        ("transposed", small.transpose(0, 2, 1)), ("upside-down", small[:, ::-1]),
        ("upside-down", small[:, :, ::-1]), ("upside-down", small[:, ::-1, ::-1]),
        ("upside-down", np.rot90(small, 1, (1, 2))), ("upside-down", np.rot90(small, 3, (1, 2))),
    ):
        if np.abs(turned[:, 0] - RAMP).max() < NEAR and np.ptp(
                turned[:, 1:count + 1], axis=2).max() < NEAR:
            raise WrongError(hint, seen, step="what happens to a frame")
    if np.ptp(small[:, 1:count + 1], axis=2).max() > 0.05 and not np.ptp(small[:, 0]) > 0.05:
        raise WrongError("unknown", seen)
    require_tones(small, seen)


def shows(flat, patterns):
    """Whether each frame is a mixture of the given patterns."""
    weights = np.linalg.lstsq(patterns.T, flat.T, rcond=None)[0]
    return np.sqrt(np.mean((weights.T @ patterns - flat) ** 2)) < NEAR


def require_tones(small, seen):
    """Raise a WrongError that tells from the ramp what was done to brightness."""
    ramp = small[:, 0]
    seen = f"{seen}: the ramp from {DARK} to {BRIGHT} became {ramp[0, 0]:.2f} to {ramp[0, -1]:.2f}"

    def is_ramp(values):
        return np.abs(ramp - values).max() < NEAR

    if is_ramp(1 - RAMP):
        raise WrongError("inverted", seen)
    if is_ramp(RAMP.round()) or set(np.unique(small)) <= {0, 1}:
        raise WrongError("rounded", seen)
    factors = (ramp @ RAMP) / (RAMP @ RAMP)
    if np.abs(ramp - factors[:, None] * RAMP).max() < NEAR and factors.max() < 1 - NEAR:
        raise WrongError("too-dark", seen, what=f"{255 * factors[0]:.0f}")
    low, high = small.min(axis=(1, 2)), small.max(axis=(1, 2))
    rising = (np.diff(ramp, axis=1) > -NEAR).all()
    if rising and ((low < 0.02).all() or (high > 0.98).all()):
        raise WrongError("stretched", seen, step=STEP_4)
    for factor in (256, 257, 260, 300, 500, 510, 512, 1000, 1024, 255 * 255, 255 * 256):
        if is_ramp(np.floor(factor * RAMP) % 256 / 255):
            raise WrongError("wrapped", seen)
    raise WrongError("tones" if rising else "wrapped", seen)


# --- the route ------------------------------------------------------------------------------
def places_of(weights):
    """Each frame as (i, j, alpha), on the way from pattern i to j > i; (k, k, 0) for k itself."""
    places = []
    for row in weights:
        i, j = sorted(np.argsort(row)[-2:])
        if row.max() > 1 - AT_A_PATTERN:
            k = int(row.argmax())
            places.append((k, k, 0.0))
        else:
            if abs(row.sum() - 1) > 0.08:
                raise WrongError("walk-of-pixels", "frames that are mixtures of decoded pictures")
            if row.sum() - row[i] - row[j] > 0.08:
                raise WrongError("off-the-way", "frames with more than two patterns in them")
            places.append((int(i), int(j), float(row[j] / (row[i] + row[j]))))
    return places


def require_route(places, count):
    """Raise a WrongError unless the walk visits 0, 1, ..., count - 1 and goes back to 0."""
    legs, visited = legs_of(places), visits(places)
    names = ", ".join(map(str, visited)) or "none"
    seen = f"a walk by the patterns {names} (counted from 0)"
    tour = [(k, (k + 1) % count) for k in range(count)]
    if not legs:
        raise WrongError("jump-cuts", f"{seen}, with no frame on the way")
    if turned(legs, tour[0]) != tour:
        explain_route(legs, visited, tour, seen)
    left_out = [k for k in range(count) if k not in visited]
    steps = np.array([step(*pair) for pair in itertools.pairwise(places)])
    if left_out:
        numbers = ", ".join(map(str, left_out))
        even = len(steps) and np.ptp(steps) < 0.05
        raise WrongError("frames-left-out" if even else "never-arrives",
                         f"{seen}; it comes near to pattern {numbers}, but the frame itself is "
                         "missing")
    if steps.max() > LARGEST_STEP:
        raise WrongError("jump-cuts", f"{seen}, with a jump of more than half the way")
    if step(places[-1], places[0]) > LARGEST_STEP:
        raise WrongError("not-closed", f"{seen}, and a jump from the last frame to the first")


def explain_route(legs, visited, tour, seen):
    """Raise a WrongError for stretches that are missing, too many, or in another direction."""
    count, walked = len(tour), set(legs)
    back = [(j, i) for i, j in tour]
    missing = [leg for leg in tour if leg not in walked]
    left_out = [k for k in range(count) if not any(k in leg for leg in legs)]
    there = tour[:-1]
    if count > 2 and walked == set(there + [(j, i) for i, j in there]) and len(legs) > count:
        raise WrongError("there-and-back", seen)
    if legs == tour[-1:] and count > 2 or count == 2 and legs == tour[1:]:
        raise WrongError("last-stretch-only", f"{seen}, on one stretch alone")
    if walked == set(back) and count > 2:
        jumps = not all(a[1] == b[0] for a, b in itertools.pairwise(legs))
        raise WrongError("stretch-backwards" if jumps else "other-order", seen)
    if len(legs) > 1 and len(walked) > 1 and all(i == 0 for i, _ in legs):
        raise WrongError("from-the-first", seen)
    if left_out:
        what = "a pattern" if len(left_out) == 1 else "patterns"
        raise WrongError("pattern-skipped", seen,
                         what=f"{what}, counted from 0: {', '.join(map(str, left_out))}")
    if walked - set(tour):
        raise WrongError("other-order", seen)
    twice = [leg for leg in tour if legs.count(leg) > 1]
    if missing == tour[-1:]:
        raise WrongError("not-closed", seen)
    if missing:
        raise WrongError("stretch-missing", seen, what=", ".join(
            f"from {i} to {j}" for i, j in missing))
    if twice:
        raise WrongError("stretch-twice", seen, what=f"from {twice[0][0]} to {twice[0][1]}")
    raise WrongError("other-order", seen)


def legs_of(places):
    """The stretches between two patterns in the order walked: a list of (from, to).

    A stretch of one frame has no direction of its own; the pattern in front of it or
    behind it tells.
    """
    legs = []
    for (i, j), group in itertools.groupby(enumerate(places), key=lambda one: one[1][:2]):
        if i == j:
            continue
        numbers, alphas = zip(*((number, place[2]) for number, place in group))
        for part, start, end in monotone(alphas, numbers[0]):
            forward = part[-1] > part[0]
            if len(part) == 1:
                before = places[start - 1] if start else None
                after = places[end + 1] if end + 1 < len(places) else None
                forward = (before[0] == i if before and before[0] == before[1]
                           else after[0] == j if after and after[0] == after[1] else True)
            legs.append((i, j) if forward else (j, i))
    if len(legs) > 1 and legs[0] == legs[-1] and places[0][0] != places[0][1]:
        legs.pop()                     # a walk that starts in the middle of a stretch
    return legs


def monotone(alphas, first):
    """Cut a row of numbers where it turns round: (numbers, index of first, index of last)."""
    cuts, sign = [0], 0
    for k in range(1, len(alphas)):
        step = np.sign(round(alphas[k] - alphas[k - 1], 3))
        if step and sign and step != sign:
            cuts.append(k)
            sign = 0
        elif step:
            sign = step
    cuts.append(len(alphas))
    return [(alphas[a:b], first + a, first + b - 1) for a, b in itertools.pairwise(cuts)]


def visits(places):
    """The patterns whose own frames are shown, in order."""
    own = (i for i, j, _ in places if i == j)
    return [pattern for pattern, _ in itertools.groupby(own)]


def turned(legs, first):
    """A cycle of stretches, turned so that it begins with a certain one."""
    start = legs.index(first) if first in legs else 0
    return legs[start:] + legs[:start]


def step(one, other):
    """How far two places are apart, by way of a pattern that both have in them; 1 for none."""
    shares = [{i: 1 - alpha, j: alpha} if i != j else {i: 1.0} for i, j, alpha in (one, other)]
    if one[:2] == other[:2]:
        return abs(one[2] - other[2])
    return min((2 - shares[0][k] - shares[1][k] for k in set(shares[0]) & set(shares[1])),
               default=1)


def require_no_stutter(gif, weights):
    """Raise a WrongError if a frame is shown twice or stays longer than others."""
    usual = np.median(gif.durations)
    longer = gif.durations > 1.5 * usual
    same = [np.array_equal(*pair) for pair in itertools.pairwise(gif.pictures)]
    if usual and longer.any() or any(same):
        number = int(longer.sum()) or sum(same)
        seen = f"{number} of {len(weights)} frames that stay for longer"
        at_patterns = (weights[longer].max(axis=1) > 1 - AT_A_PATTERN).all()
        if number == 1 and longer.any():
            raise WrongError("one-stays", seen, what=f"number {longer.argmax() + 1}")
        raise WrongError("doubled" if at_patterns else "uneven-durations", seen)
    if np.array_equal(gif.pictures[0], gif.pictures[-1]):
        raise WrongError("doubled-at-the-end", "the same picture in the first and the last frame")
    if usual and (gif.durations < 0.6 * usual).any():
        raise WrongError("uneven-durations", "frames that stay for different times")


# --- the time ---------------------------------------------------------------------------
def require_speed(usual, slower):
    """Raise a WrongError unless a frame lasts 100 ms by default and 250 ms at fps 4."""
    times = np.array([np.median(usual.durations), np.median(slower.durations)])
    right = np.array([100, 250])
    if (np.abs(times - right) <= 10).all():               # a GIF counts in hundredths
        return
    seen = f"frames of {times[0]:g} milliseconds by default (fps 10), {times[1]:g} at fps 4"
    if times[0] == times[1]:
        raise WrongError("fps-ignored" if times[0] else "wrong-unit", seen)
    if times[0] > times[1]:
        raise WrongError("fps-inverted", seen)
    ratio = times / right
    known = any(np.allclose(ratio, unit, rtol=0.3) for unit in (10, 0.1, 1000))
    raise WrongError("wrong-unit" if known else "wrong-speed", seen)
