"""The check of TODO 3: does interpolate walk a straight line through the latent space?

It is asked with the reference model, so it can be checked before TODO 1 and 2
work. As there, a wrong answer is compared with what each known mistake gives.
"""

import exercise_reference as reference
import numpy as np
import torch
from exercise_file import WrongError
from exercise_reference import ReferenceVAE, as_squares, decode, encode, mix

from patterns import IMAGE_SIZE

TOLERANCE = 2e-3        # of brightness; right answers stay below 1e-5
SHAPE = (IMAGE_SIZE, IMAGE_SIZE)


def check_interpolate(learner, todo):
    """Raise the first WrongError that is found."""
    function = learner.function(todo)
    for num_steps in (8, 5, 2):
        check_once(learner, function, num_steps)


def check_once(learner, function, num_steps):
    vae = ReferenceVAE()
    pair = reference.some_patterns(3)[1:]
    untouched, given = pair.clone(), list(pair)
    options = {} if num_steps == 8 else {"num_steps": num_steps}      # 8 is the default
    shown = "interpolate(vae, pattern_a, pattern_b" + "".join(
        f", {name}={value}" for name, value in options.items()) + ")"

    def ask(model):
        return learner.call(function, model, *given, called=shown, **options)

    try:
        answer = ask(vae)
        require_list(answer)
        if [pattern.shape for pattern in given] != [pattern.shape for pattern in untouched] \
                or not torch.equal(pair, untouched):
            raise WrongError("arguments-changed", "the patterns hold other values after the call")
        weights = vae.state_dict()
        right = reference.loud_weights()
        if weights.keys() != right.keys() or any(
                weights[name].dtype != value.dtype or not torch.equal(weights[name], value)
                for name, value in right.items()):
            raise WrongError("model-changed", "the model has other weights after the call")
        require_number(answer, num_steps)
        frames = require_arrays(answer)
        if vae.decoded and not close(require_arrays(ask(ReferenceVAE())), frames):
            raise WrongError("random", "other frames when called again with the same patterns")
        require_right(frames, untouched.double().numpy(), vae)
    except WrongError as wrong:
        if wrong.hint == "error" and "num_steps" in shown:
            wrong.seen += "\n(with the default num_steps it works)"
        wrong.called = shown
        raise


def require_list(answer):
    if answer is None:
        raise WrongError("returns-nothing", "nothing came back (None)")
    if not isinstance(answer, (list, tuple, np.ndarray, torch.Tensor)):
        raise WrongError("not-a-list", f"something of the type {type(answer).__name__}")
    if isinstance(answer, torch.Tensor):
        raise WrongError("tensors", f"one tensor of shape {tuple(answer.shape)}")
    if isinstance(answer, np.ndarray) and answer.ndim != 3 or not len(answer):
        raise WrongError("not-a-list", f"a {type(answer).__name__} of shape {np.shape(answer)}")


def require_number(answer, num_steps):
    if len(answer) == num_steps:
        return
    hint = "steps-ignored" if len(answer) == 8 else "wrong-count"
    raise WrongError(hint, f"{len(answer)} frames for num_steps {num_steps}")


def require_arrays(answer):
    """The frames as one float array (num_steps, side, side)."""
    first = answer[0]
    if any(isinstance(frame, torch.Tensor) for frame in answer):
        raise WrongError("tensors", f"a list of tensors, the first of shape {tuple(first.shape)}")
    if not all(isinstance(frame, np.ndarray) and frame.dtype.kind in "fiub" for frame in answer):
        raise WrongError("not-numbers", f"a list whose first entry is a {type(first).__name__}")
    wrong = [frame for frame in answer if frame.shape != SHAPE]
    if wrong:
        hint = "flat-frames" if wrong[0].size == IMAGE_SIZE**2 else "wrong-shape"
        raise WrongError(hint, f"frames of shape {wrong[0].shape}, not {SHAPE}")
    return np.array(answer, dtype=float)


def require_right(frames, patterns, vae):
    """Raise a WrongError that names the mistake if a frame is not what it should be."""
    codes = encode(patterns)
    alpha = np.linspace(0, 1, len(frames))
    if close(frames, as_squares(decode(mix(*codes, 1 - alpha, alpha)))):
        return
    seen = f"{len(frames)} frames, as it should be, but with other pictures in them"
    for hint, what, wrong_frames in mistakes(patterns, codes, len(frames)):
        if close(frames, wrong_frames):
            raise WrongError(hint, seen, what=what)
    if not vae.encoded and not vae.decoded:
        raise WrongError("model-unused", seen + "; vae was not asked anything")
    if np.isfinite(frames).all() and np.ptp(frames, axis=0).max() < TOLERANCE:
        raise WrongError("all-the-same", f"{len(frames)} times the same picture")
    if not vae.decoded:
        raise WrongError("model-unused", seen + "; vae was not asked to decode anything")
    decoded = np.concatenate(vae.decoded)
    if close(decoded, mix(*codes, 1 - alpha, alpha)):
        raise WrongError("codes-fine", seen)
    require_on_the_line(decoded, codes, seen)
    raise WrongError("unknown", seen)


def require_on_the_line(decoded, codes, seen):
    """Raise a WrongError if the decoded codes lie on the line, but at other places."""
    way = codes[1] - codes[0]
    places = (decoded - codes[0]) @ way / (way @ way)
    if close(decoded, codes[0] + np.outer(places, way)):
        listed = ", ".join(f"{place:.2f}" for place in places[:12])
        raise WrongError("uneven-steps", f"{seen}; alpha was {listed}")


def mistakes(patterns, codes, number):
    """Yield hint, description and frames (number, side, side) of each known mistake."""
    ends = codes

    def morph(weight_a, weight_b):
        return as_squares(decode(mix(*ends, weight_a, weight_b)))

    alpha = np.linspace(0, 1, number)
    right = morph(1 - alpha, alpha)
    yield from changed_frames(right)
    yield "reversed", "", right[::-1]
    for hint, places in (
        ("end-missing", np.arange(number) / number),
        ("start-missing", np.arange(1, number + 1) / number),
        ("both-ends-missing", np.arange(1, number + 1) / (number + 1)),
        ("both-ends-missing", (np.arange(number) + 0.5) / number),
    ):
        yield hint, "", morph(1 - places, places)
    yield from wrong_weights(morph, alpha)
    yield from other_paths(codes, alpha)
    yield from blends(patterns, codes, alpha)


def changed_frames(right):
    """Right morphs whose frames were turned or rescaled."""
    yield "transposed", "", right.transpose(0, 2, 1)
    for turned in (right[:, ::-1], right[:, :, ::-1], right[:, ::-1, ::-1],
                   np.rot90(right, 1, (1, 2)), np.rot90(right, 3, (1, 2))):
        yield "upside-down", "", turned
    for what, frames in (
        ("multiplied by 255", 255 * right),
        ("multiplied by 255, without decimals", np.floor(255 * right)),
        ("multiplied by 255 and rounded", np.round(255 * right)),
        ("multiplied by 256, without decimals", np.floor(256 * right) % 256),
        ("rounded to 0 and 1", np.round(right)),
        ("without decimals", np.floor(right)),
        ("black and white exchanged", 1 - right),
        ("stretched to the range from -1 to 1", 2 * right - 1),
        ("stretched between the darkest and the brightest pixel",
         (right - right.min()) / np.ptp(right)),
        ("a second sigmoid", reference.sigmoid(right)),
    ):
        yield "frames-scaled", what, frames


def wrong_weights(morph, alpha):
    """Morphs whose two weights do not add up to one."""
    ones, zeros = np.ones_like(alpha), np.zeros_like(alpha)
    for what, weight_a, weight_b in (
        ("both patterns get alpha", alpha, alpha),
        ("both patterns get 1 - alpha", 1 - alpha, 1 - alpha),
        ("pattern_a always counts in full", ones, alpha),
        ("pattern_b always counts in full", 1 - alpha, ones),
        ("pattern_b always counts in full", alpha, ones),
        ("pattern_a always counts in full", ones, 1 - alpha),
        ("the difference of the two codes is taken the wrong way round", 1 + alpha, -alpha),
        ("the difference of the two codes is added to pattern_b", -alpha, 1 + alpha),
        ("the one is taken away instead of added", 1 - alpha, -alpha),
        ("the one is taken away instead of added", alpha - 1, alpha),
        ("their sum is halved once more", (1 - alpha) / 2, alpha / 2),
        ("pattern_a does not count at all", zeros, alpha),
        ("pattern_b does not count at all", 1 - alpha, zeros),
        ("pattern_b does not count at all", alpha, zeros),
    ):
        yield "weights-sum", what, morph(weight_a, weight_b)


def other_paths(codes, alpha):
    """Ways between the two codes that are not straight, or not even."""
    for places in (alpha**2, np.sqrt(alpha), (1 - np.cos(np.pi * alpha)) / 2,
                   alpha**2 * (3 - 2 * alpha)):
        yield "uneven-steps", "", as_squares(decode(mix(*codes, 1 - places, places)))
    angle = np.arccos(codes[0] @ codes[1] / np.prod(np.linalg.norm(codes, axis=1)))
    arc = mix(*codes, *(np.sin(angle * weight) / np.sin(angle) for weight in (1 - alpha, alpha)))
    yield "not-straight", "it goes along an arc (spherical interpolation)", as_squares(decode(arc))


def blends(patterns, codes, alpha):
    """Mixtures of pictures instead of codes."""
    for first, second in ((1 - alpha, alpha), (alpha, 1 - alpha)):
        pixels = mix(*patterns, first, second)
        yield "pixels-blended", "the given patterns themselves", as_squares(pixels)
        yield ("pixels-blended", "the given patterns, before they are encoded",
               as_squares(decode(encode(pixels))))
        yield ("pixels-blended", "the two decoded pictures",
               as_squares(mix(*decode(codes), first, second)))


def check_with_own_model(learner, todo):
    """With right TODOs 1 and 2, interpolate has to work with the learner's own model too."""
    function, vae = learner.function(todo), learner.make_vae()
    shown = "interpolate(vae, pattern_a, pattern_b) with your own SimpleVAE"
    pair = reference.some_patterns(3)[1:]
    alpha = np.linspace(0, 1, 8)
    right = as_squares(decode(mix(*encode(pair), 1 - alpha, alpha)))
    try:
        if not close(require_arrays(learner.call(function, vae, *pair)), right):
            raise WrongError("own-model", "other frames than with the model of the checks")
    except WrongError as wrong:
        wrong.hint, wrong.called = "own-model", shown
        raise


def close(answer, right):
    """Whether two arrays are, as good as exactly, the same."""
    return answer.shape == right.shape and bool(
        np.abs(answer - right).max() <= TOLERANCE * max(1, np.abs(right).max() / 10))
