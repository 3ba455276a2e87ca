"""The check of TODO 3: does interpolate walk a straight line through the latent space?

It is asked with the reference model, which writes down what it is given, so it can
be checked before TODO 1 and 2 work. One least-squares fit then tells how much of
the code of pattern_a, of that of pattern_b and of a constant is in each code that
was decoded; these weights show what was mixed, and how.
"""

import numpy as np
import torch

from patterns import IMAGE_SIZE
from tests.exercise import reference
from tests.exercise.hints import WrongError
from tests.exercise.reference import ReferenceVAE, as_squares, decode, encode, mix
from tests.exercise.todos import INTERPOLATE

TOLERANCE = 2e-3        # of brightness; right answers stay below 1e-5
SHAPE = (IMAGE_SIZE, IMAGE_SIZE)
STEP_4 = "step 4 of its docstring"


def check_interpolate(learner, right):
    """Raise the first WrongError that is found."""
    function = learner.find(learner.module, "interpolate")
    for num_steps in (8, 5, 2):
        check_once(learner, function, num_steps)
    if {"encode", "decode"} <= right:
        check_with_own_model(learner, function)


def check_once(learner, function, num_steps):
    vae = ReferenceVAE()
    pair = reference.two_patterns()
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
            raise WrongError("arguments-changed", "the patterns are not as before after the call")
        require_same_model(vae)
        require_number(answer, num_steps, vae, untouched, learner.source)
        frames = require_arrays(answer)
        again = ask(ReferenceVAE())
        if np.shape(again) and len(again) != len(frames):
            raise WrongError("kept-between-calls", f"{len(again)} frames when called again")
        if vae.decoded and not close(require_arrays(again), frames):
            raise WrongError("random", "other frames when called again with the same patterns")
        require_right(frames, untouched.double().numpy(), vae)
        given.reverse()
        if not close(require_arrays(ask(ReferenceVAE())), frames[::-1]):
            raise WrongError("kept-between-calls",
                             "with the patterns exchanged, other frames than the morph backwards")
    except WrongError as wrong:
        if wrong.hint in ("error", "alpha-shape", "reshape", "batch-reshape") and options:
            wrong.hint, wrong.show_line = "steps-ignored", False
        wrong.called = shown
        raise


# --- what comes back ----------------------------------------------------------------
def require_list(answer):
    if answer is None:
        raise WrongError("returns-nothing", "nothing came back (None)")
    if isinstance(answer, torch.Tensor):
        raise WrongError("tensors", f"one tensor of shape {tuple(answer.shape)}")
    if not isinstance(answer, (list, tuple, np.ndarray)):
        raise WrongError("not-a-list", f"something of the type {type(answer).__name__}")
    if isinstance(answer, tuple) and len(answer) and (isinstance(answer[0], (list, tuple))
                                                      or getattr(answer[0], "ndim", 0) > 2):
        raise WrongError("second-value", f"{len(answer)} things, the first of them a "
                         f"{type(answer[0]).__name__} of length {len(answer[0])}")
    if isinstance(answer, np.ndarray) and answer.ndim != 3:
        raise WrongError("not-a-list", f"one array of shape {np.shape(answer)}")


def require_same_model(vae):
    now, before = vae.state_dict(), reference.loud_weights()
    if now.keys() != before.keys() or any(
            now[name].dtype != value.dtype or not torch.equal(now[name], value)
            for name, value in before.items()):
        raise WrongError("model-changed", "the model has other weights after the call")


def require_number(answer, num_steps, vae, patterns, source):
    """Raise a WrongError that tells from what was decoded why the number of frames is wrong."""
    count = len(answer)
    if count == num_steps:
        return
    decoded = sum(map(len, vae.decoded))
    shape = np.shape(answer[0]) if count else ()
    codes, alpha = encode(patterns), np.linspace(0, 1, num_steps)
    seen = f"{count} frame{'s' * (count != 1)} for num_steps {num_steps}"
    if count == num_steps * IMAGE_SIZE or (len(shape) == 1 and shape[0] == IMAGE_SIZE):
        hint, seen = "rows-joined", f"a list of {count} entries of shape {shape}"
    elif decoded == 1 and codes.shape[1] == num_steps and close(
            vae.decoded[0][0], (1 - alpha) * codes[0] + alpha * codes[1]):
        hint = "alpha-row"
    elif decoded == 1 >= count:
        hint = "return-in-loop" if source.returns_in_loop(INTERPOLATE) else "one-round"
        seen += "; one code was decoded"
    elif count <= 1 and decoded >= num_steps:
        hint, seen = "last-only", f"{seen}; {decoded} codes were decoded"
    elif count == 2 * num_steps:
        hint = "added-twice"
    else:
        hint = "steps-ignored" if count == 8 else "wrong-count"
    raise WrongError(hint, seen)


def require_arrays(answer):
    """The frames as one float array (num_steps, side, side)."""
    first = answer[0]
    if any(isinstance(frame, torch.Tensor) for frame in answer):
        raise WrongError("tensors", f"a list of tensors, the first of shape {tuple(first.shape)}"
                         if isinstance(first, torch.Tensor) else "a list with tensors in it")
    if not all(isinstance(frame, np.ndarray) and frame.dtype.kind in "fiub" for frame in answer):
        raise WrongError("not-numbers", f"a list whose first entry is a {type(first).__name__}")
    wrong = [frame for frame in answer if frame.shape != SHAPE]
    if wrong:
        hint = "flat-frames" if wrong[0].size == IMAGE_SIZE**2 else "wrong-shape"
        raise WrongError(hint, f"frames of shape {wrong[0].shape}, not {SHAPE}")
    return np.array(answer, dtype=float)


# --- what is in the frames ------------------------------------------------------------
def require_right(frames, patterns, vae):
    """Raise a WrongError that names the mistake if a frame is not what it should be."""
    codes, count = encode(patterns), len(frames)
    alpha = np.linspace(0, 1, count)
    if close(frames, as_squares(decode(mix(*codes, 1 - alpha, alpha)))):
        return
    seen = f"{count} frames, as it should be, but with other pictures in them"
    require_no_blend(frames, patterns, codes, vae, seen)
    if not vae.decoded:
        hint, model = ("decoder-unused", "decode anything") if vae.encoded \
            else ("model-unused", "do anything")
        raise WrongError(hint, f"{seen}; vae was not asked to {model}")
    decoded = np.concatenate(vae.decoded)
    order = require_kept(frames, as_squares(decode(decoded)), patterns, seen)
    if len(decoded) == count:
        require_weights(decoded[order], codes, alpha, seen)
        if np.ptp(frames, axis=0).max() < TOLERANCE:
            raise WrongError("all-the-same", f"{count} times the same picture")
        raise WrongError("codes-fine", seen)
    if np.ptp(frames, axis=0).max() < TOLERANCE:
        raise WrongError("all-the-same", f"{count} times the same picture")
    raise WrongError("unknown", f"{seen}; {len(decoded)} codes were decoded")


def require_no_blend(frames, patterns, codes, vae, seen):
    """Raise a WrongError for mixtures of pictures instead of codes."""
    flat = frames.reshape(len(frames), -1)
    ends = decode(codes)
    switches = all(np.abs(ends - frame).max(axis=1).min() < TOLERANCE for frame in flat)
    if np.ptp(flat, axis=0).max() > TOLERANCE and not switches:
        for pictures, what in ((patterns, "the given patterns themselves"),
                               (ends, "the two decoded pictures")):
            if fits(flat, pictures):
                raise WrongError("pixels-blended", seen, what=what)
    encoded = np.concatenate(vae.encoded) if vae.encoded else patterns
    known = [np.abs(encoded - pattern).max(axis=1) < TOLERANCE for pattern in patterns]
    if not np.any(known, axis=0).all() and fits(encoded, patterns):
        raise WrongError("pixels-blended", seen,
                         what="the given patterns, before they are encoded")


def require_kept(frames, decoded, patterns, seen):
    """Raise a WrongError if the frames are not what the decoder gave; return their order."""
    if len(frames) != len(decoded):
        ends = np.concatenate([frames[:1], frames[-1:]])
        if close(ends, as_squares(patterns)):
            raise WrongError("ends-raw", f"{seen}; {len(decoded)} codes were decoded")
        return None
    if close(frames, decoded):
        return slice(None)
    if close(frames[1:-1], decoded[1:-1]) and close(frames[[0, -1]], as_squares(patterns)):
        raise WrongError("ends-raw", seen)
    for hint, what, changed in changed_frames(decoded):
        if close(frames, changed):
            raise WrongError(hint, seen, what=what, step=STEP_4)
    order = [np.abs(decoded - frame).max(axis=(1, 2)).argmin() for frame in frames]
    if close(frames, decoded[order]) and len(set(order)) == len(order):
        return order
    return slice(None)


def changed_frames(right):
    """Yield hint, description and frames of known changes to what was decoded."""
    yield "transposed", "", right.transpose(0, 2, 1)
    for turned in (right[:, ::-1], right[:, :, ::-1], right[:, ::-1, ::-1],
                   np.rot90(right, 1, (1, 2)), np.rot90(right, 3, (1, 2))):
        yield "upside-down", "", turned
    low, high = (edge(right, axis=(1, 2), keepdims=True) for edge in (np.min, np.max))
    with np.errstate(all="ignore"):
        for stretched in ((right - low) / (high - low), right / high, right - low,
                          (right - right.min()) / np.ptp(right), right / right.max()):
            yield "stretched", "", stretched
    for what, frames in (
        ("multiplied by 255", 255 * right),
        ("multiplied by 255, without decimals", np.floor(255 * right)),
        ("multiplied by 255 and rounded", np.round(255 * right)),
        ("multiplied by 256, without decimals", np.floor(256 * right) % 256),
        ("rounded to 0 and 1", np.round(right)),
        ("without decimals", np.floor(right)),
        ("black and white exchanged", 1 - right),
        ("moved to the range from -1 to 1", 2 * right - 1),
        ("a second sigmoid", reference.sigmoid(right)),
    ):
        yield "frames-scaled", what, frames


def require_weights(decoded, codes, alpha, seen):
    """Raise a WrongError that tells from the weights of both codes what was mixed, and how."""
    basis = np.vstack([codes, np.ones(codes.shape[1])])[:max(2, min(3, codes.shape[1]))]
    weights = np.linalg.lstsq(basis.T, decoded.T, rcond=None)[0].T
    angle = np.arccos(codes[0] @ codes[1] / np.prod(np.linalg.norm(codes, axis=1)))
    arc = mix(*codes, *(np.sin(angle * w) / np.sin(angle) for w in (1 - alpha, alpha)))
    if len(alpha) > 2 and close(decoded, arc):
        raise WrongError("not-straight", seen)
    if not close(decoded, weights @ basis):
        raise WrongError("off-line", seen)
    weight_a, weight_b = weights[:, 0], weights[:, 1]
    if len(basis) > 2 and np.abs(weights[:, 2]).max() > TOLERANCE:
        shift = weights[:, 2]
        what = f"{shift[0]:.3g}" if np.ptp(shift) < TOLERANCE else \
            f"something between {shift.min():.3g} and {shift.max():.3g}"
        raise WrongError("shifted", seen, what=what)
    require_sum_of_one(weight_a, weight_b, alpha, seen)
    require_even(weight_b, alpha, seen)


def require_sum_of_one(weight_a, weight_b, alpha, seen):
    if close(weight_a + weight_b, np.ones_like(alpha)):
        for weights, pattern in ((weight_b, "pattern_a"), (weight_a, "pattern_b")):
            if np.abs(weights).max() < TOLERANCE:
                raise WrongError("one-code", f"{len(alpha)} times the same picture", what=pattern)
        known = ((1 + alpha, -alpha), (-alpha, 1 + alpha))
        for weights in known:
            if len(alpha) > 2 and close(weight_a, weights[0]) and close(weight_b, weights[1]):
                break
        else:
            return
    names = [name_of_weights(weights, alpha) for weights in (weight_a, weight_b)]
    raise WrongError("weights-sum", seen, what=f"the code of pattern_a counts {names[0]}, that "
                     f"of pattern_b {names[1]}")


def name_of_weights(weights, alpha):
    """Words for the weights that one code has in all frames."""
    for name, values in (("not at all", 0 * alpha), ("in full", 0 * alpha + 1), ("alpha", alpha),
                         ("1 - alpha", 1 - alpha), ("minus alpha", -alpha),
                         ("1 + alpha", 1 + alpha), ("alpha - 1", alpha - 1)):
        if close(weights, values):
            return name
        if close(weights, values / 2):
            return f"half of {name}"
    return f"from {weights[0]:.2f} to {weights[-1]:.2f}"


def require_even(places, alpha, seen):
    """Raise a WrongError if the mixtures lie on the line, but not where they should."""
    if close(places, alpha):
        return
    first, last = places[0], places[-1]
    if close(places, alpha[::-1]):
        raise WrongError("reversed", seen)
    if np.ptp(places) < TOLERANCE:
        raise WrongError("all-the-same", f"{len(places)} times the same picture")
    if np.ptp(np.diff(places)) > TOLERANCE:
        listed = ", ".join(f"{place:.2f}" for place in places[:8])
        raise WrongError("uneven-steps", seen, places=listed)
    backwards = first > last
    first, last = (1 - first, 1 - last) if backwards else (first, last)
    if first < -TOLERANCE or last > 1 + TOLERANCE:
        raise WrongError("alpha-range", seen, first=first, last=last)
    starts, ends = abs(first) < TOLERANCE, abs(last - 1) < TOLERANCE
    hint = {(True, False): "end-missing", (False, True): "start-missing"}.get(
        (starts, ends), "both-ends-missing")
    raise WrongError(hint, seen + (" and the walk runs backwards" if backwards else ""))


# --- with the learner's own model ------------------------------------------------------
def check_with_own_model(learner, function):
    """With right TODOs 1 and 2, interpolate has to work with the learner's own model too."""
    shown = "interpolate(vae, pattern_a, pattern_b) with your own SimpleVAE"
    vae = learner.make_vae()
    pair = reference.two_patterns()
    alpha = np.linspace(0, 1, 8)
    right = as_squares(decode(mix(*encode(pair), 1 - alpha, alpha)))
    try:
        if not close(require_arrays(learner.call(function, vae, *pair)), right):
            raise WrongError("own-model", "other frames than with the model of the checks")
    except WrongError as wrong:
        wrong.hint, wrong.called = "own-model", shown
        raise


def fits(rows, pair):
    """Whether each row is a weighted sum of two vectors."""
    weights = np.linalg.lstsq(pair.T, rows.T, rcond=None)[0]
    return close(weights.T @ pair, rows)


def close(answer, right):
    """Whether two arrays agree, up to rounding."""
    if answer.shape != right.shape:
        return False
    with np.errstate(all="ignore"):
        return bool(np.abs(answer - right).max(initial=0)
                    <= TOLERANCE * max(1, np.abs(right).max(initial=0) / 10))
