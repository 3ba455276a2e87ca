"""The check of TODO 3: does interpolate walk a straight line through the latent space?

It is asked with the reference model, which writes down what it is given, so it can
be checked before TODO 1 and 2 work. One least-squares fit then tells how much of
the code of pattern_a, of that of pattern_b and of a constant is in each code that
was decoded. Mistakes are looked for from top to bottom, each in a line of its own.
"""

import numpy as np
import torch

from patterns import IMAGE_SIZE
from tests.exercise import reference
from tests.exercise.hints import WrongError
from tests.exercise.reference import ReferenceVAE, as_squares, decode, encode, equal
from tests.exercise.todos import INTERPOLATE
from vae_model import LATENT_DIM

SHAPE = (IMAGE_SIZE, IMAGE_SIZE)
DEFAULT = 8             # of num_steps
NEAR = 1e-3             # weights this close are the same


def wrong_if(found, hint, seen, **details):
    """Raise a WrongError if a mistake is found."""
    if found:
        raise WrongError(hint, seen, **details)


def check_interpolate(learner, right):
    """Raise the first WrongError that is found."""
    function = learner.find(learner.module, "interpolate")
    for num_steps in (DEFAULT, 5, 2):
        check_once(learner, function, num_steps)
    if {"encode", "decode"} <= right:
        vae, pair = learner.make_vae(), reference.two_patterns()
        called = f"{shown(DEFAULT)} with your own SimpleVAE"
        try:
            frames = require_frames(learner.call(function, vae, *pair, called=called))
            wrong_if(not equal(frames, right_frames(encode(pair), DEFAULT)), "own-model",
                     "other frames than with the model of the checks")
        except WrongError as wrong:
            wrong.hint = "own-model"
            raise


def check_once(learner, function, num_steps):
    """Check calls with so many steps: two alike, and one with the patterns exchanged."""
    pair, vae = reference.two_patterns(), ReferenceVAE()
    given = list(pair.clone())

    def ask(model, steps=num_steps):
        options = {} if steps == DEFAULT else {"num_steps": steps}
        try:
            return require_frames(
                learner.call(function, model, *given, called=shown(steps), **options))
        except WrongError as wrong:
            if options and wrong.hint in ("error", "alpha-shape", "reshape", "batch-reshape"):
                wrong.hint, wrong.show_line = "steps-ignored", False
            raise

    frames = ask(vae)
    wrong_if(not all(map(torch.equal, given, pair)), "arguments-changed",
             "the patterns are not as before after the call")
    wrong_if(weights_of(vae) != weights_of(ReferenceVAE()), "model-changed",
             "the model has other weights after the call")
    require_number(len(frames), num_steps, vae, encode(pair), ask,
                   learner.source.returns_in_loop(INTERPOLATE))
    again = ask(ReferenceVAE())
    wrong_if(len(again) != len(frames), "kept-between-calls",
             f"{len(again)} frames when called again")
    wrong_if(vae.decoded and not equal(again, frames), "random",
             "other frames when called again with the same patterns")
    require_right(frames, pair.double().numpy(), vae)
    given.reverse()
    wrong_if(not equal(ask(ReferenceVAE()), frames[::-1]), "kept-between-calls",
             "with the patterns exchanged, other frames than the morph backwards")


def shown(steps):
    """A call with so many steps, as the learner would write it."""
    option = "" if steps == DEFAULT else f", num_steps={steps}"
    return f"interpolate(vae, pattern_a, pattern_b{option})"


def weights_of(model):
    return {name: values.numpy().tobytes() for name, values in model.state_dict().items()}


# --- what comes back ----------------------------------------------------------------
def require_frames(answer):
    """The frames as one float array (num_steps, side, side), or a WrongError."""
    listed = isinstance(answer, (list, tuple)) or (
        isinstance(answer, np.ndarray) and answer.ndim == 3)
    entries = list(answer) if listed else [answer]
    first = entries[0] if entries else None
    seen = described(answer) + (f", its first entry is {described(first)}" if listed else "")
    wrong_if(answer is None, "returns-nothing", "nothing came back (None)")
    wrong_if(isinstance(answer, tuple) and (isinstance(first, (list, tuple))
             or len({described(entry) for entry in entries}) > 1), "second-value", seen)
    wrong_if(len(entries) > DEFAULT and getattr(first, "shape", ()) == SHAPE[:1],
             "rows-joined", seen)
    wrong_if(any(isinstance(frame, torch.Tensor) for frame in entries), "tensors", seen)
    wrong_if(not listed, "not-a-list", seen)
    wrong_if(not all(isinstance(frame, np.ndarray) and frame.dtype.kind in "fiub"
                     for frame in entries), "not-numbers", seen)
    for shape in {frame.shape for frame in entries} - {SHAPE}:
        hint = "flat-frames" if np.prod(shape) == IMAGE_SIZE**2 else "wrong-shape"
        raise WrongError(hint, f"frames of shape {shape}, not {SHAPE}")
    frames = np.array(entries, dtype=float)
    wrong_if(not np.isfinite(frames).all(), "not-finite", "values that are infinite or no number")
    return frames


def described(thing):
    """In words: what something is, and its shape or length."""
    kind = type(thing).__name__.replace("ndarray", "NumPy array").replace("Tensor", "tensor")
    if hasattr(thing, "shape"):
        return f"a {kind} of shape {tuple(thing.shape)}"
    if isinstance(thing, (list, tuple)):
        return f"a {kind} of length {len(thing)}"
    return f"something of the type {kind}"


def require_number(count, num_steps, vae, codes, ask, returns_in_loop):
    """Raise a WrongError that tells from what was decoded why the number of frames is wrong."""
    if count == num_steps:
        return
    decoded, other = sum(map(len, vae.decoded)), num_steps + 3       # another number to try
    seen = f"{count} frame{'s' * (count != 1)} for num_steps {num_steps}"
    if decoded == 1 >= count:
        alpha = np.linspace(0, 1, LATENT_DIM)
        row = equal(vae.decoded[0][0], (1 - alpha) * codes[0] + alpha * codes[1])
        hint = "alpha-row" if row else "return-in-loop" if returns_in_loop else "one-round"
        raise WrongError(hint, f"{seen}; one code was decoded")
    wrong_if(count <= 1 and decoded >= num_steps, "last-only",
             f"{seen}; {decoded} codes were decoded")
    wrong_if(count > 1 and len(ask(ReferenceVAE(), other)) == count, "steps-ignored",
             f"{seen}, and for {other} as well")
    raise WrongError("added-twice" if count == 2 * num_steps else "wrong-count", seen)


# --- what is in the frames ------------------------------------------------------------
def require_right(frames, patterns, vae):
    """Raise a WrongError that names the mistake if a frame is not what it should be."""
    codes, count = encode(patterns), len(frames)
    if equal(frames, right_frames(codes, count)):
        return
    decoded = np.concatenate([np.empty((0, LATENT_DIM)), *vae.decoded])
    same = np.ptp(frames, axis=0).max() < NEAR
    seen = f"{count} times the same picture" if same else \
        f"{count} frames, as it should be, but with other pictures in them"
    if len(decoded) != count:
        seen += f"; codes that vae decoded: {len(decoded)}"
    flat, encoded = frames.reshape(count, -1), np.concatenate([patterns, *vae.encoded])
    for rows, pair, what in (
        (flat, patterns, "the given patterns themselves"),
        (flat, decode(codes), "the two decoded pictures"),
        (encoded, patterns, "the given patterns, before they are encoded"),
    ):
        wrong_if(are_blended(rows, pair), "pixels-blended", seen, what=what)
    wrong_if(not vae.decoded, "decoder-unused" if vae.encoded else "model-unused", seen)
    wrong_if(equal(frames[[0, -1]], as_squares(patterns)), "ends-raw", seen)
    pictures = as_squares(decode(decoded))
    nearest = [np.abs(pictures - frame).max(axis=(1, 2)).argmin() for frame in frames]
    if equal(frames, pictures[nearest]):
        wrong_if(same and np.ptp(decoded, axis=0).max() > NEAR, "all-the-same", seen)
        require_weights(decoded[nearest], codes, seen)
    elif len(decoded) == count:
        require_unchanged(frames, pictures, seen)
        require_weights(decoded, codes, seen)
        raise WrongError("all-the-same" if same else "codes-fine", seen)
    raise WrongError("unknown", seen)


def right_frames(codes, count):
    return as_squares(decode(np.linspace(*codes, count)))


def are_blended(rows, pair):
    """Whether the rows are weighted sums of two vectors, and some weights no whole numbers."""
    weights = np.linalg.lstsq(pair.T, rows.T, rcond=None)[0]
    return equal(weights.T @ pair, rows) and np.abs(weights - weights.round()).max() > NEAR


def require_unchanged(frames, right, seen):
    """Raise a WrongError for known changes to the pictures that the decoder gave."""
    low, high = right.min(axis=(1, 2), keepdims=True), right.max(axis=(1, 2), keepdims=True)
    for hint, what, values in (
        ("transposed", "", right.transpose(0, 2, 1)),
        *(("upside-down", "", np.rot90(view, turns, (1, 2)))
          for view in (right, right[:, ::-1]) for turns in range(4)),
        ("stretched", "", (right - low) / np.maximum(high - low, NEAR)),
        ("stretched", "", right / high),
        ("stretched", "", (right - right.min()) / np.ptp(right)),
        ("stretched", "", right / right.max()),
        ("frames-scaled", "rounded to 0 and 1", np.round(right)),
        ("frames-scaled", "without decimals", np.floor(right)),
        ("frames-scaled", "black and white exchanged", 1 - right),
        ("frames-scaled", "moved to the range from -1 to 1", 2 * right - 1),
        ("frames-scaled", "a second sigmoid", 1 / (1 + np.exp(-right))),
    ):
        wrong_if(equal(frames, values), hint, seen, what=what, step="step 4 of its docstring")
    # whole numbers, however they were rounded, differ by less than one
    wrong_if(np.abs(frames - 255 * right).max() < 1.001, "frames-scaled", seen,
             what="they go from 0 to 255, not from 0 to 1")


def require_weights(decoded, codes, seen):
    """Raise a WrongError that tells from the weights of both codes what was mixed, and how."""
    alpha = np.linspace(0, 1, len(decoded))
    basis = np.vstack([codes, np.ones(LATENT_DIM)])[:LATENT_DIM]     # no more than can be told
    weights = np.linalg.lstsq(basis.T, decoded.T, rcond=None)[0].round(5) + 0.0       # no -0.0
    a, b, *shifts = weights
    angle = np.arccos(codes[0] @ codes[1] / np.prod(np.linalg.norm(codes, axis=1)))
    wrong_if(not equal(weights.T @ basis, decoded), "off-line", seen)
    wrong_if(equal(b, np.sin(angle * alpha) / np.sin(angle)), "not-straight", seen)
    for shift in shifts:
        wrong_if(np.abs(shift).max() > NEAR, "shifted", seen,
                 what="something" if np.ptp(shift) > NEAR else f"{shift[0]:.3g}")
    names = [name_of(a, alpha), name_of(b, alpha)]
    wrong_if(not equal(a + b, np.ones_like(a)) or "minus alpha" in names, "weights-sum", seen,
             what=f"the code of pattern_a counts {names[0]}, that of pattern_b {names[1]}")
    wrong_if(names == ["in full", "not at all"], "one-code", seen, what="pattern_a")
    wrong_if(names == ["not at all", "in full"], "one-code", seen, what="pattern_b")
    wrong_if(names == ["alpha", "1 - alpha"], "reversed", seen)
    wrong_if(np.ptp(b) < NEAR, "all-the-same", seen)
    wrong_if(np.ptp(np.diff(b)) > NEAR, "uneven-steps", seen,
             places=", ".join(f"{place:.2f}" for place in b[:8]))
    if b[0] > b[-1]:
        b, seen = a, f"{seen}, and the walk runs backwards"
    first, last = b[0], b[-1]
    wrong_if(min(first, 1 - last) < -NEAR, "alpha-range", seen, first=first, last=last)
    wrong_if(min(first, 1 - last) > NEAR, "both-ends-missing", seen)
    wrong_if(first > NEAR, "start-missing", seen)
    wrong_if(last < 1 - NEAR, "end-missing", seen)


def name_of(weights, alpha):
    """Words for the weights that one code has in all frames."""
    names = {"not at all": 0 * alpha, "in full": 0 * alpha + 1, "alpha": alpha,
             "1 - alpha": 1 - alpha, "minus alpha": -alpha, "1 + alpha": 1 + alpha,
             "alpha - 1": alpha - 1}
    return next((name for name, values in names.items() if np.allclose(weights, values, atol=NEAR)),
                f"from {weights[0]:.2f} to {weights[-1]:.2f}")
