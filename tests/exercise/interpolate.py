"""The check of TODO 3: does interpolate walk a straight line through the latent space?

It is asked with a test card, so it can be checked before TODO 1 and 2 work, and how
much of both patterns is in each code that was decoded can be told. Mistakes are
looked for from top to bottom, each in a line of its own.
"""

import functools

import numpy as np
import torch

from patterns import IMAGE_SIZE
from tests.exercise import reference
from tests.exercise.card import TestCard, encodes_others, require_card, require_none, weights_of
from tests.exercise.hints import WrongError, about, placed
from tests.exercise.reference import ReferenceVAE, equal
from tests.exercise.todos import INTERPOLATE
from vae_model import LATENT_DIM

SHAPE = (IMAGE_SIZE, IMAGE_SIZE)
DEFAULT = 8             # of num_steps
NEAR = 1e-3             # weights this close are the same
alike = functools.partial(np.allclose, rtol=0, atol=NEAR)


@placed
def check_interpolate(learner, right):
    """Raise the first WrongError that is found."""
    pair = reference.some_patterns(2)
    learner.in_turn(lambda num_steps: check_once(learner, pair, num_steps), (DEFAULT, 5, 2, 22))
    try:
        check_once(learner, pair[[0, 0]], DEFAULT)
    except WrongError as wrong:
        wrong.hint, wrong.called = "same-patterns", "interpolate(vae, pattern_a, pattern_a)"
        wrong.show_line = False
        raise
    if {"encode", "decode"} <= right:
        vae, called = learner.make_vae(), f"{shown(DEFAULT)} with your own SimpleVAE"
        wanted = reference.interpolate(ReferenceVAE(), *pair)
        try:
            with about(called):
                function = learner.find(learner.module, "interpolate")
                frames = require_frames(learner.call(function, vae, *pair, called=called))
                require_none("other frames than with the model of the checks",
                             [("own-model", not equal(frames, wanted))])
        except WrongError as wrong:
            wrong.hint = "own-model"
            raise


def check_once(learner, pair, num_steps):
    """Check a call with so many steps; with the default also a second one, and one with the
    patterns exchanged."""
    vae, again = (TestCard(pair, brightest=0.9) for _ in range(2))
    calls = (vae, again) if num_steps == DEFAULT else (vae,)
    given, weights = list(pair.clone()), [values.clone() for values in vae.state_dict().values()]

    def ask(model, steps=num_steps):
        options, called = {} if steps == DEFAULT else {"num_steps": steps}, shown(steps)
        function = learner.find(learner.module, "interpolate")
        try:
            with about(called):
                return require_frames(
                    learner.call(function, model, *given, called=called, **options))
        except WrongError as wrong:
            if len(model.decoded) == 1 and is_row(model.decoded[0], model, steps):
                wrong.hint = "alpha-row"
            elif options and wrong.hint in ("error", "alpha-shape", "reshape", "batch-reshape"):
                wrong.hint, wrong.show_line = "steps-ignored", False
            raise

    with about(shown(num_steps)):
        frames, *second = learner.in_turn(ask, calls)
        require_none("the patterns or the model are not as before after the call", (
            ("arguments-changed", not all(map(torch.equal, given, pair))),
            ("model-changed", not all(map(torch.equal, weights, vae.state_dict().values())))))
        if vae.decoded and second:
            learner.require_same(*second, frames, lambda: ask(TestCard(pair, brightest=0.9)))
        if len(frames) != num_steps:
            explain_number(len(frames), num_steps, vae, ask, learner.source)
        if not equal(frames, reference.interpolate(again, *pair, num_steps)):
            explain_frames(frames, vae)
    if second:
        given.reverse()
        with about(f"{shown(num_steps)}, then with pattern_b, pattern_a"):
            require_none("the second morph is not the first one backwards",
                         [("kept-between-calls", not equal(ask(again), frames[::-1]))])


def shown(steps):
    """A call with so many steps, as the learner would write it."""
    option = "" if steps == DEFAULT else f", num_steps={steps}"
    return f"interpolate(vae, pattern_a, pattern_b{option})"


def require_frames(answer):
    """The frames as one float array (num_steps, side, side), or a WrongError."""
    listed = isinstance(answer, (list, tuple)) or (
        isinstance(answer, np.ndarray) and answer.ndim > 2)
    entries = list(answer) if listed else [answer]
    kinds = [described(entry) for entry in entries]
    shapes = [getattr(entry, "shape", None) for entry in entries]
    seen = described(answer) + "".join(f", its first entry: {kind}" for kind in kinds[:listed])
    require_none(seen, (
        ("returns-nothing", answer is None),
        ("second-value", isinstance(answer, tuple) and len(set(kinds)) > 1),
        ("rows-joined", len(entries) > DEFAULT and shapes[0] == SHAPE[:1]),
        ("frames-last", shapes[0] != SHAPE == answer.shape[:-1]
         if isinstance(answer, np.ndarray) else False),
        ("returns-method", any(map(callable, entries))),
        ("decoder-unused", entries and shapes[0] and np.prod(shapes[0]) == LATENT_DIM),
        ("tensors", any(isinstance(frame, torch.Tensor) for frame in entries)),
        ("flat-frames", np.shape(answer)[1:] == (IMAGE_SIZE**2,) if not listed else False),
        ("not-a-list", not listed),
        ("not-numbers", not all(isinstance(frame, np.ndarray) and frame.dtype.kind in "fiub"
                                for frame in entries))))
    wrong = [shape for shape in shapes if shape != SHAPE]
    require_none(seen, (
        ("flat-frames", wrong and np.prod(wrong[0]) == IMAGE_SIZE**2
         and (len(wrong[0]) == 1 or 1 in wrong[0])),
        ("frame-shape", wrong, f"{IMAGE_SIZE} x {IMAGE_SIZE}"),
        ("not-finite", not all(np.isfinite(frame).all() for frame in entries))))
    return np.array(entries, dtype=float)


def described(thing):
    """In words: what something is, and its shape or length."""
    kind = type(thing).__name__.replace("ndarray", "NumPy array").replace("Tensor", "tensor")
    if isinstance(thing, (list, tuple)):
        return f"{kind} of length {len(thing)}"
    return f"{kind} of shape {tuple(thing.shape)}" if hasattr(thing, "shape") else kind


def is_row(codes, vae, num_steps):
    """Whether there is one code, mixed number by number with as many shares."""
    shares = torch.linspace(0, 1, LATENT_DIM)
    return num_steps == LATENT_DIM and equal(codes, torch.lerp(*vae.codes, shares)[None])


def explain_number(count, num_steps, vae, ask, source):
    """Raise a WrongError that tells from what was decoded why the number of frames is wrong."""
    decoded, other = sum(map(len, vae.decoded)), DEFAULT if num_steps > DEFAULT else 3 * DEFAULT
    one, alpha, codes = decoded == 1 >= count, np.linspace(0, 1, num_steps), vae.decoded or [[]]
    shares = weights_of(torch.from_numpy(np.concatenate(codes)))[:, 1] if decoded > 1 else [0]
    require_none(f"frames: {count}, for num_steps {num_steps}; codes that vae decoded: {decoded}", (
        ("alpha-row", one and is_row(vae.decoded[0], vae, num_steps)),
        ("return-in-loop", one and source.returns_in_loop(INTERPOLATE)),
        ("one-round", one),
        ("last-only", count <= 1 and decoded >= num_steps),
        ("steps-ignored", count > 1 and len(ask(vae, other)) == count),
        ("added-twice", count == 2 * num_steps),
        ("list-changed", decoded == num_steps),
        ("start-missing", np.shape(shares) == alpha[1:].shape and alike(shares, alpha[1:])),
        ("end-missing", np.shape(shares) == alpha[:-1].shape and alike(shares, alpha[:-1])),
        ("wrong-count", True)))


def explain_frames(frames, vae):
    """Raise a WrongError that names what is wrong with frames of the right number."""
    seen = f"{len(frames)} frames, as it should be, but with other pictures in them"
    require_card(frames, vae, seen)
    codes = torch.from_numpy(np.concatenate([vae.codes, *vae.decoded]))
    pictures = vae.drawn(codes).numpy().reshape(-1, *SHAPE)
    nearest = [np.abs(pictures - frame).max(axis=(1, 2)).argmin() for frame in frames]
    weights = weights_of(codes[nearest]).numpy().round(5) + 0.0         # no -0.0
    alpha, a, b, others = np.linspace(0, 1, len(frames)), *weights.T[:2], weights[:, 2:LATENT_DIM]
    first, last = (a if b[0] > b[-1] else b)[[0, -1]]           # the walk may run backwards
    same, decoded = np.ptp(frames, axis=0).max() < NEAR, pictures[2:]
    require_none(seen, (
        ("encodes-others", encodes_others(vae)),
        ("all-the-same", same and (len(decoded) == 1 or np.abs(decoded - decoded[0]).max() > NEAR)),
        ("unknown", not equal(frames, pictures[nearest])),
        ("alpha-row", is_row(codes[nearest[:1]], vae, len(frames))),
        ("codes-in-columns", len(vae.decoded[-1]) == LATENT_DIM == len(frames) and equal(
            weights_of(torch.from_numpy(vae.decoded[-1].T))[:, 1], alpha)),
        ("off-line", np.abs(others).max(initial=0) > NEAR),
        ("not-straight", alike([*a[[0, -1]], *b[[0, -1]]], [1, 0, 0, 1]) and not alike(a + b, 1)),
        ("codes-scaled", np.ptp(a + b) < NEAR and not alike(a + b, 1) and alike(b, alpha * (a + b)),
         f"{a[0]:.2g}"),
        ("weights-sum", not alike(a + b, 1) or alike(b, -alpha),
         f"the code of pattern_a counts from {a[0]:.2f} to {a[-1]:.2f}, "
         f"that of pattern_b from {b[0]:.2f} to {b[-1]:.2f}"),
        ("one-code", alike(b, 0), "pattern_a"),
        ("one-code", alike(b, 1), "pattern_b"),
        ("reversed", alike(b, 1 - alpha)),
        ("all-the-same", np.ptp(b) < NEAR),
        ("easing", np.diff(b).min() > 0 and (
            alike(b, 1 - b[::-1]) or alike(b, alpha ** (np.log(abs(b[1])) / np.log(alpha[1]))))
         and not alike(b, alpha) and alike(b[[0, -1]], [0, 1])),
        ("turns-back", alike(b, b[::-1]), ", ".join(f"{place:.2g}" for place in b[:8])),
        ("uneven-steps", np.ptp(np.diff(b)) > NEAR, ", ".join(f"{place:.2g}" for place in b[:8])),
        ("alpha-range", min(first, 1 - last) < -NEAR),
        ("both-ends-missing", min(first, 1 - last) > NEAR),
        ("start-missing", first > NEAR),
        ("end-missing", last < 1 - NEAR),
        ("unknown", True)), first=first, last=last)
