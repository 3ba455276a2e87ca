"""The check of the challenge: is the GIF a closed walk, at the right speed, for ever?

What counts is what a viewer sees. Each frame is looked up among the pictures
that the reference model decodes on the lines between all pairs of patterns;
from there on the walk is a sequence of places. Identical neighbours in a GIF
are merged into one frame that stays longer, so frames are never counted.
"""

import contextlib
import functools
import itertools
import types
from dataclasses import dataclass

import exercise_reference as reference
import imageio.v3 as iio
import numpy as np
import torch
from exercise_file import WrongError, shortened
from exercise_reference import ReferenceVAE, decode, encode, mix, reference_interpolate

from patterns import IMAGE_SIZE

SMALLEST = 256          # pixels per side
NEAR = 0.025            # RMSE in brightness at which a frame shows a certain picture
PLACES = 121            # that are looked at on each line between two patterns
SAME = 0.008            # RMSE by which a frame may be nearer to another line and yet lie on one
AT_A_PATTERN = 0.03     # alpha this close to an end shows the pattern itself
LARGEST_STEP = 0.51     # of the way from one pattern to the next
NAME = "create_latent_walk_animation"


@dataclass
class Gif:
    """What a GIF shows."""

    pictures: np.ndarray     # (frames, height, width), uint8
    durations: np.ndarray    # (frames,), milliseconds
    loops: int | None        # 0: for ever, None: plays once

    @property
    def small(self):
        """One value for each block: (frames, pixels)."""
        return self.sampled(0.5).reshape(len(self.pictures), -1)

    def sampled(self, *places):
        """Pixels at given places, 0 to 1, inside each block."""
        height, width = self.pictures.shape[1:]
        cells = np.arange(IMAGE_SIZE)[:, None] + np.array(places)
        rows, columns = ((cells.ravel() * side / IMAGE_SIZE).astype(int)
                         for side in (height, width))
        return self.pictures[:, rows[:, None], columns] / 255


def check_animation(learner, todo, interpolate_is_right):
    """Raise the first WrongError that is found."""
    function = learner.function(todo)
    with contextlib.ExitStack() as stack:
        if not interpolate_is_right:
            stack.enter_context(replaced(learner.module, interpolate=reference_interpolate))
        usual = check_once(learner, function, reference.some_patterns(3), None)
        slower = check_once(learner, function, reference.some_patterns(5), 4)
        try:
            require_speed(usual, slower)
        except WrongError as wrong:
            wrong.called = f"{NAME}(vae, patterns), and again with fps=4"
            raise
        check_once(learner, function, reference.some_patterns(2), 20)


def check_once(learner, function, patterns, fps):
    """Let a GIF be written, look at all but its speed, and return it."""
    vae, untouched = ReferenceVAE(), patterns.clone()
    options = {} if fps is None else {"fps": fps}
    shown = f"{NAME}(vae, patterns{''.join(f', {n}={v}' for n, v in options.items())}) " \
            f"with {len(patterns)} patterns"
    folder, here = learner.folder / "outputs", learner.folder / "cwd"
    remove_files(folder, here)
    file = folder / "latent_walk.gif"
    try:
        with defaults_replaced(learner.module, getattr(learner.module, "GIF_FILE", None), file), \
                replaced(learner.module, GIF_FILE=file, OUTPUT_DIR=folder,
                         __file__=str(learner.folder / "latent_starter.py")):
            learner.call(function, vae, patterns, seconds=3 * learner.seconds, **options)
        if not torch.equal(patterns, untouched):
            raise WrongError("arguments-changed", "the patterns hold other values after the call")
        gif = read_gif(find_file(folder, here))
        require_pictures(gif, untouched.double().numpy(), vae)
        require_loop(gif)
    except WrongError as wrong:
        wrong.called = shown
        raise
    finally:
        remove_files(folder, here)
    return gif


@contextlib.contextmanager
def replaced(module, **names):
    """Give module-level names other values for a while."""
    before = {name: getattr(module, name) for name in names if hasattr(module, name)}
    for name, value in names.items():
        text = isinstance(before.get(name), str)         # a learner may keep a path as text
        setattr(module, name, str(value) if text else value)
    try:
        yield
    finally:
        for name in names:
            if name in before:
                setattr(module, name, before[name])
            else:
                delattr(module, name)


@contextlib.contextmanager
def defaults_replaced(module, old, new):
    """Do the same where a function took a value as the default of an argument."""
    functions = [function for function in vars(module).values()
                 if isinstance(function, types.FunctionType)]
    before = [function.__defaults__ for function in functions]
    for function in functions:
        function.__defaults__ = function.__defaults__ and tuple(
            new if value is old else value for value in function.__defaults__)
    try:
        yield
    finally:
        for function, defaults in zip(functions, before):
            function.__defaults__ = defaults


def remove_files(*folders):
    for path in itertools.chain.from_iterable(folder.rglob("*") for folder in folders):
        if path.is_file():
            path.unlink()


# --- the file ---------------------------------------------------------------------
def find_file(folder, here):
    """The GIF, in the place that was asked for."""
    file = folder / "latent_walk.gif"
    if file.exists():
        return file
    written = [path.relative_to(folder.parent if folder in path.parents else here)
               for place in (folder, here) for path in place.rglob("*") if path.is_file()]
    if written:
        raise WrongError("wrong-place", f"a file {written[0]}, but none at GIF_FILE")
    raise WrongError("no-file", "no file at GIF_FILE after the call")


def read_gif(file):
    if not file.read_bytes().startswith(b"GIF8"):
        raise WrongError("not-a-gif", "a file of another kind")
    try:
        with iio.imopen(file, "r", plugin="pillow") as gif:
            frames = [(picture, gif.metadata(index=index).get("duration") or 0)
                      for index, picture in enumerate(gif.iter(mode="L"))]
            loops = gif.metadata(index=0).get("loop")
    except (OSError, SyntaxError, ValueError) as error:
        raise WrongError("not-a-gif", shortened(f"{error}")) from None
    pictures, durations = zip(*frames)
    if loops is None and len(frames) == 1:
        loops = 0                                         # a still picture need not loop
    return Gif(np.stack(pictures), np.array(durations, dtype=float), loops)


# --- the pictures -------------------------------------------------------------------
def require_pictures(gif, patterns, vae):
    """Raise a WrongError unless the frames are the walk that was asked for."""
    height, width = gif.pictures.shape[1:]
    seen = f"frames of {width} x {height} pixels"
    if min(height, width) < SMALLEST:
        raise WrongError("too-small", f"{seen}; at least {SMALLEST} are asked for")
    if height != width:
        raise WrongError("not-square", seen)
    require_brightness(gif)
    walk = look_up(gif.small, patterns)
    if walk is None:
        explain_pictures(gif, patterns, vae)
    blocks = gif.sampled(0.25, 0.75).reshape(len(gif.pictures), IMAGE_SIZE, 2, IMAGE_SIZE, 2)
    if np.abs(blocks - gif.sampled(0.5)[:, :, None, :, None]).mean() > 0.02:
        raise WrongError("smoothed", f"{seen}, in which neighbouring pixels run into each other")
    if len(gif.pictures) == 1:
        raise WrongError("frames-the-same", "a GIF that shows one picture only")
    require_route(walk, len(patterns))
    require_no_stutter(gif, walk)


def require_brightness(gif):
    if gif.pictures.max() <= 1:
        raise WrongError("black", "frames that are black, or as good as black")
    if len(gif.pictures) > 1 and np.ptp(gif.pictures, axis=0).max() == 0:
        raise WrongError("frames-the-same", "the same picture in every frame")


@functools.cache
def all_places(patterns):
    """Places (i, j, alpha) on the lines between any two patterns, and the pictures there.

    ``patterns`` are the bytes of a float64 array (K, pixels), which can be cached.
    """
    codes = encode(np.frombuffer(patterns).reshape(-1, reference.PIXELS))
    alpha = np.linspace(0, 1, PLACES)
    pairs = list(itertools.combinations(range(len(codes)), 2))
    lines = [decode(mix(codes[i], codes[j], 1 - alpha, alpha)) for i, j in pairs]
    return [(i, j, a) for i, j in pairs for a in alpha], np.concatenate(lines)


def look_up(small, patterns):
    """The place (i, j, alpha) of each frame, on the way from pattern i to pattern j.

    None if there are frames that show no such place.
    """
    places, pictures = all_places(patterns.tobytes())
    squared = (small**2).sum(1)[:, None] - 2 * small @ pictures.T + (pictures**2).sum(1)
    error = np.sqrt(np.maximum(squared, 0) / small.shape[1])
    if np.mean(error.min(axis=1) > NEAR) > 0.02:
        return None
    error = error.reshape(len(small), -1, PLACES)            # (frames, lines, places)
    of_line, place = error.min(axis=2), error.argmin(axis=2)
    near = of_line <= of_line.min(axis=1, keepdims=True) + SAME
    return shortest([[(places[PLACES * line + place[frame, line]], of_line[frame, line])
                      for line in np.flatnonzero(near[frame])] for frame in range(len(small))])


def shortest(candidates):
    """The shortest walk through one of the (place, error) that each frame may show.

    Where two lines cross, a picture lies on both: it belongs to the one on which
    its neighbours lie as well.
    """
    walks = [(error, [place]) for place, error in candidates[0]]
    for frame in candidates[1:]:
        walks = [min(((length + step(walk[-1], place) + error, [*walk, place])
                      for length, walk in walks), key=lambda found: found[0])
                 for place, error in frame]
    return min(walks, key=lambda found: found[0])[1]


def explain_pictures(gif, patterns, vae):
    """Raise a WrongError for frames that the model does not make of any place."""
    seen = "frames that show other pictures than the decoder makes on such a walk"
    small = gif.small
    decoded = decode(np.concatenate(vae.decoded)) if vae.decoded else patterns
    for hint, what, pictures in changed_pictures(decoded):
        if mostly_among(small, pictures):
            raise WrongError(hint, seen, what=what)
    ends = decode(encode(patterns))
    for hint, pictures in (
        ("originals-shown", patterns),
        ("walk-of-pixels", blends(ends)),
        ("walk-of-pixels", blends(patterns)),
    ):
        if mostly_among(small, pictures):
            raise WrongError(hint, seen, what="")
    if not vae.decoded and not vae.encoded:
        raise WrongError("model-unused", f"{seen}; vae was not asked anything")
    raise WrongError("unknown", seen)


def changed_pictures(decoded):
    """Yield hint, description and pictures of known changes to what was decoded."""
    squares = decoded.reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    yield "inverted", "", 1 - decoded
    for factor in (256, 257, 260, 300, 500, 510, 512, 1000, 1024, 255 * 255, 255 * 256, 256 * 256):
        yield "wrapped", "", np.floor(factor * decoded) % 256 / 255
    yield "wrapped", "", (np.floor(255 * decoded) + 128) % 256 / 255
    for factor in (2, 10, 16, 64, 100, 127, 128, 200):
        yield "too-dark", f"1 became {factor} of 255", factor * decoded / 255
    yield "rounded", "", np.round(decoded)
    yield "rounded", "", np.floor(decoded)
    yield "transposed", "", squares.transpose(0, 2, 1).reshape(len(decoded), -1)
    for turned in (squares[:, ::-1], squares[:, :, ::-1], squares[:, ::-1, ::-1],
                   np.rot90(squares, 1, (1, 2)), np.rot90(squares, 3, (1, 2))):
        yield "upside-down", "", turned.reshape(len(decoded), -1)


def blends(pictures):
    """Mixtures of the pixels of any two pictures."""
    alpha = np.linspace(0, 1, 61)
    return np.concatenate([mix(a, b, 1 - alpha, alpha)
                           for a, b in itertools.combinations(pictures, 2)])


def mostly_among(small, pictures):
    """Whether most frames are among some pictures."""
    squared = (small**2).sum(1)[:, None] - 2 * small @ pictures.T + (pictures**2).sum(1)
    return np.mean(np.sqrt(np.maximum(squared.min(axis=1), 0) / small.shape[1]) <= NEAR) > 0.9


# --- the route ------------------------------------------------------------------------
def require_route(walk, count):
    """Raise a WrongError unless the walk visits 0, 1, ..., count - 1 and goes back to 0."""
    visited = [pattern for pattern, _ in itertools.groupby(
        pattern for pattern in map(at_pattern, walk) if pattern is not None)]
    names = ", ".join(str(pattern) for pattern in visited)
    seen = f"a walk by the patterns {names or 'none'} (counted from 0)"
    there = list(range(count))
    left_out = sorted(set(there) - set(visited))
    if left_out:
        require_no_near_miss(walk, left_out, seen)
        what = "a pattern" if len(left_out) == 1 else "patterns"
        numbers = ", ".join(map(str, left_out))
        raise WrongError("pattern-skipped", seen, what=f"{what}, counted from 0: {numbers}")
    closing = largest_gap([walk[-1], walk[0]])
    if visited == there + there[-2:0:-1] + [0] * (visited[-1] == 0) and count > 2:
        raise WrongError("there-and-back", seen)
    start = visited.index(0)
    turned = visited[start:] + visited[:start]
    if [pattern for pattern, _ in itertools.groupby(turned + [0])] != there + [0]:
        raise WrongError("other-order", seen)
    if largest_gap(walk) > LARGEST_STEP:
        raise WrongError("jump-cuts", f"{seen}, with a jump of more than half the way")
    if closing > LARGEST_STEP:
        raise WrongError("not-closed", f"{seen}, and a jump from the last frame to the first")


def require_no_near_miss(walk, left_out, seen):
    """A pattern that the walk only just misses is not skipped: its frame was dropped."""
    for pattern in left_out:
        near = [alpha if i == pattern else 1 - alpha for i, j, alpha in walk if pattern in (i, j)]
        if near and min(near) < 0.5 and sum(distance < 0.5 for distance in near) > 1:
            raise WrongError("never-arrives", f"{seen}; it comes near to pattern {pattern}, "
                             "but its own frame is missing")


def at_pattern(place):
    """The pattern that a place on the walk is, or None on the way."""
    i, j, alpha = place
    if alpha <= AT_A_PATTERN:
        return i
    return j if alpha >= 1 - AT_A_PATTERN else None


def largest_gap(walk):
    """The largest step from frame to frame, as a share of the way between two patterns."""
    return max(itertools.starmap(step, itertools.pairwise(walk)))


def step(one, other):
    """How far two places are apart; 1 if they do not lie on the same line."""
    if one[:2] == other[:2]:
        return abs(one[2] - other[2])
    for a, b in ((one, other), (other, one)):
        pattern = at_pattern(a)
        if pattern is not None and pattern in b[:2]:
            return b[2] if pattern == b[0] else 1 - b[2]
    return 1.0


def require_no_stutter(gif, walk):
    """Raise a WrongError if a frame is shown twice, where a stretch or the GIF ends."""
    usual = np.median(gif.durations)
    longer = gif.durations > 1.5 * usual
    same = [step(*pair) == 0 and np.array_equal(*pictures) for pair, pictures in zip(
        itertools.pairwise(walk), itertools.pairwise(gif.pictures))]
    if usual and longer.any() or any(same):
        number = int(longer.sum()) or sum(same)
        at_patterns = all(at_pattern(place) is not None
                          for place, long in zip(walk, longer) if long)
        hint = "doubled" if at_patterns else "uneven-durations"
        raise WrongError(hint, f"{number} of {len(walk)} frames that stay for longer")
    # in a walk of very many frames neighbours look almost the same as well
    usual_change = np.abs(gif.small[-1] - gif.small[-2]).max()
    if np.abs(gif.small[0] - gif.small[-1]).max() < min(2 / 255, 0.3 * usual_change):
        raise WrongError("doubled-at-the-end", "the same picture in the first and the last frame")
    if usual and (gif.durations < 0.6 * usual).any():
        raise WrongError("uneven-durations", "frames that stay for different times")


# --- the time ---------------------------------------------------------------------------
def require_loop(gif):
    if gif.loops != 0:
        times = "once" if gif.loops is None else f"{gif.loops + 1} times"
        raise WrongError("plays-once", "a GIF that comes to an end", what=times)


def require_speed(usual, slower):
    """Raise a WrongError unless a frame lasts 100 ms by default and 250 ms at fps 4."""
    times = np.array([np.median(usual.durations), np.median(slower.durations)])
    right = np.array([100, 250])
    if (np.abs(times - right) <= 10).all():               # a GIF counts in hundredths
        return
    seen = f"frames of {times[0]:g} milliseconds by default (fps 10), {times[1]:g} at fps 4"
    if times[0] == times[1]:
        in_seconds = times[0] == 0
        raise WrongError("wrong-unit" if in_seconds else "fps-ignored", seen)
    if times[0] > times[1]:
        raise WrongError("fps-inverted", seen)
    ratio = times / right
    hint = "wrong-unit" if any(np.allclose(ratio, unit, rtol=0.3) for unit in (10, 0.1, 1000)) \
        else "wrong-speed"
    raise WrongError(hint, seen)
