"""The checks of TODO 1 and 2: do encode and decode connect the layers rightly?

Hooks write down what each layer was given and what it gave. Where the input of a
layer is not the ReLU of what the layer before it gave, there is the mistake, and
what it is instead is its cause. Each step is compared with what the steps before
it really gave, so that two mistakes are found as easily as one.
"""

import contextlib
import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from tests.exercise import reference
from tests.exercise.hints import WrongError
from tests.exercise.reference import SIZES, WEIGHTS, relu, sigmoid, softmax
from vae_model import HIDDEN_DIM

TOLERANCE = 1e-3        # of the largest right value; right answers stay below 1e-5


@dataclass(frozen=True)
class Chain:
    """One half of the model: its layers, and what follows the last one."""

    name: str
    layers: tuple
    end: object          # function of the last layer's output
    ends: dict           # description: (hint, function) of what may stand there instead
    right: object        # the whole function, in NumPy


@dataclass(frozen=True)
class Call:
    """A call of a layer: what it was given and what it gave, arrays (N, width)."""

    layer: str
    given: np.ndarray
    gave: np.ndarray


def by_torch(function):
    """A torch function for NumPy arrays."""
    return lambda x: function(torch.from_numpy(x)).numpy()


def leave_out(x):
    return x


def stretched(x):
    return (x - x.min(-1, keepdims=True)) / np.ptp(x, axis=-1, keepdims=True)


ACTIVATIONS = {
    "a tanh": np.tanh, "a sigmoid": sigmoid, "a leaky ReLU": by_torch(F.leaky_relu),
    "a GELU": by_torch(F.gelu), "an ELU": by_torch(F.elu), "a SiLU": by_torch(F.silu),
    "a softplus": by_torch(F.softplus), "a ReLU6": by_torch(F.relu6),
    "a SELU": by_torch(F.selu), "the absolute value": np.abs, "a softmax": softmax,
    "a minimum with 0": lambda x: np.minimum(x, 0), "clamping to 0 and 1": lambda x: x.clip(0, 1),
    "a leaky ReLU of slope 0.2": by_torch(lambda x: F.leaky_relu(x, 0.2)),
    "a square": np.square,
}
AFTER_THE_MEAN = {
    "a ReLU": ("relu-on-mean", relu),
    **{name: ("mean-changed", function) for name, function in (
        ("a sigmoid", sigmoid), ("a tanh", np.tanh), ("exp()", np.exp), ("a softmax", softmax),
        ("the absolute value", np.abs), ("clamping to 0 and 1", lambda x: x.clip(0, 1)),
        ("division by its length", lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)))},
}
INSTEAD_OF_SIGMOID = {
    "nothing, no sigmoid": ("sigmoid-missing", leave_out),
    "a sigmoid and then another one": ("sigmoid-twice", lambda x: sigmoid(sigmoid(x))),
    "1 minus the sigmoid, or 1 / (1 + exp(x)) without its minus sign": (
        "not-the-sigmoid", lambda x: sigmoid(-x)),
    "a ReLU and then the sigmoid": ("relu-before-sigmoid", lambda x: sigmoid(relu(x))),
    **{f"{name} instead of the sigmoid": ("not-the-sigmoid", function) for name, function in (
        ("a ReLU", relu), ("a tanh", np.tanh), ("a tanh, moved to 0 and 1,",
                                                lambda x: (np.tanh(x) + 1) / 2),
        ("clamping", lambda x: x.clip(0, 1)), ("a softmax", softmax),
        ("a hard sigmoid", by_torch(F.hardsigmoid)), ("a softplus", by_torch(F.softplus)),
        ("the logarithm of the sigmoid", lambda x: -np.logaddexp(0, -x)),
        ("stretching from the darkest to the brightest pixel", stretched))},
    "a sigmoid, times 255 without decimals": ("scaled", lambda x: np.floor(255 * sigmoid(x))),
    "a sigmoid, rounded to black and white": ("scaled", lambda x: sigmoid(x).round()),
}
ENCODER = Chain("encode", ("encoder_fc1", "encoder_fc2", "fc_mu"), leave_out, AFTER_THE_MEAN,
                reference.encode)
DECODER = Chain("decode", ("decoder_fc1", "decoder_fc2", "decoder_out"), sigmoid,
                INSTEAD_OF_SIGMOID, reference.decode)


# --- the checks -------------------------------------------------------------------
def check_encode(learner, _right):
    return check_half(learner, ENCODER, reference.some_patterns, "x")


def check_decode(learner, _right):
    return check_half(learner, DECODER, reference.some_codes, "z")


def check_half(learner, chain, make_input, letter):
    """Raise the first WrongError that is found in one half of the model; or return a remark."""
    vae = learner.make_vae()

    def ask(x, calls=None):
        shown = f"vae.{chain.name}({letter}) with {letter} of shape {tuple(x.shape)}"
        with watched(vae, calls):
            answer = learner.call(learner.find(vae, chain.name), x, called=shown)
        try:
            require_tensor(answer)
            require_shape(answer, len(x), chain)
        except WrongError as wrong:
            wrong.called = shown
            raise
        return shown, answer

    x = make_input(5)
    untouched, calls = x.clone(), []         # calls of the second time, when all layers are there
    shown, answer = ask(x)
    values = as_array(answer)
    try:
        if x.shape != untouched.shape or not torch.equal(x, untouched):
            raise WrongError("arguments-changed", f"{letter} is not as before after the call")
        if not equal(as_array(ask(x, calls)[1]), values) and not np.isnan(values).any():
            raise WrongError("random", "another result when called again with the same input")
        right = chain.right(untouched)
        if not equal(values, right):
            require_right(values, right, untouched.double().numpy(), calls, chain,
                          lambda: as_array(ask(x[:1])[1]))
    except WrongError as wrong:
        wrong.called = wrong.called or shown
        raise
    for count in (1, 3):
        require_count(make_input(count), chain, ask)
    return remark_on(answer, vae, chain)


class watched:  # noqa: N801  (reads like a function)
    """Write each call of a layer of ``vae`` into the list ``calls``, if there is one."""

    def __init__(self, vae, calls):
        self.hooks = [] if calls is None else [
            module.register_forward_hook(self.note(name, calls), with_kwargs=True)
            for name, module in vae.named_modules()
            if getattr(module, "weight", None) is not None]

    @staticmethod
    def note(name, calls):
        def hook(_, given, named, gave):
            x, = [*given, *named.values()]          # layer(x), or layer(input=x)
            with contextlib.suppress(RuntimeError):     # inside torch.vmap there are no values
                calls.append(Call(name, as_array(x).copy(), as_array(gave).copy()))
        return hook

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


def as_array(tensor):
    return tensor.detach().double().numpy()


def require_tensor(answer):
    """Raise a WrongError unless the answer is a tensor of decimal numbers."""
    if answer is None:
        raise WrongError("returns-nothing", "nothing came back (None)")
    if isinstance(answer, (tuple, list)):
        raise WrongError("returns-tuple", f"a {type(answer).__name__} of length {len(answer)}")
    if isinstance(answer, np.ndarray):
        raise WrongError("returns-array", f"a NumPy array of shape {answer.shape}")
    if not isinstance(answer, torch.Tensor) or answer.is_complex():
        raise WrongError("returns-other", f"something of the type {type(answer).__name__}")


def require_shape(answer, count, chain):
    width = SIZES[chain.layers[-1]][1]
    shape = tuple(answer.shape)
    if shape == (count, width):
        return
    if shape == (width, count):
        hint = "transposed-batch"
    elif shape in ((count * width,), (width,)):
        hint = "batch-lost"
    elif shape == (count, HIDDEN_DIM):
        hint = "head-missing"
    else:
        hint = "wrong-shape"
    promised = "(N, latent_dim)" if chain is ENCODER else "(N, input_dim)"
    raise WrongError(hint, f"a tensor of shape {shape}, where {promised} is promised",
                     step="step 3 of its docstring",
                     what=f"As many numbers as a hidden layer has: {chain.layers[-1]} is left "
                          "out, or its result is not what is returned")


def require_count(x, chain, ask):
    """Check another number of images: a batch of one, a smaller batch."""
    try:
        shown, answer = ask(x)
    except WrongError as wrong:
        if wrong.hint in ("error", "wrong-shape", "reshape", "batch-reshape", "broadcast",
                          "sizes-do-not-fit"):
            wrong.hint, wrong.show_line = "fixed-batch", False
        raise
    if not equal(as_array(answer), chain.right(x)):
        raise WrongError("mixes-images", "other values than in a batch of five", called=shown)


def remark_on(answer, vae, chain):
    """A word on answers that are right, but through which nothing could be trained."""
    if answer.requires_grad:
        answer.sum().backward()
        if all(getattr(vae, layer).weight.grad is not None for layer in chain.layers):
            return ""
    return "no gradient flows through it: fine for pictures, but not for training"


# --- the cause of wrong values ------------------------------------------------------
def require_right(values, right, x, calls, chain, answer_to_first):
    """Raise a WrongError that names the cause of wrong values."""
    if not np.isfinite(values).all():
        raise WrongError("not-finite", "values that are infinite or no number (inf or nan)")
    seen = f"the right shape {values.shape}, but values that are off by up to " \
           f"{np.abs(values - right).max():.2g}"
    if not equal(answer_to_first(), values[:1]):
        raise WrongError("mixes-images", "other values for the first image when it comes alone")
    found = causes(chain, x, in_batches(calls, len(x)), values)
    if not found:
        raise WrongError("unknown", seen)
    what = "; ".join([found[0][1], *(text[0].lower() + text[1:] for _, text, _ in found[1:3])])
    raise WrongError(found[0][0], seen, what=what, step=f"step {found[0][2]} of its docstring")


def in_batches(calls, count):
    """The calls of a loop over single images, put together to calls with all of them."""
    rows = [call for call in calls if call.given.size == call.given.shape[-1]]
    if not calls or len(rows) < len(calls) or len(calls) % count:
        return calls
    turns = [calls[start::len(calls) // count] for start in range(len(calls) // count)]
    return [Call(turn[0].layer, *(np.stack([getattr(call, part).ravel() for call in turn])
                                  for part in ("given", "gave"))) for turn in turns]


def causes(chain, x, calls, values):
    """The mistakes in the order of the steps: a list of (hint, words, step)."""
    called = {call.layer for call in calls}
    if not called.issuperset(chain.layers):
        found = weights_by_hand(chain, x, values)
        if found or not calls:
            return found or [("layers-unused", "", 1)]
    found, ahead, done = [], list(chain.layers), {}
    before, gave = None, x
    for call in calls:
        step = min(len(chain.layers) - len(ahead) + 1, 3)
        found += out_of_turn(call.layer, ahead, done, called, step)
        found += differently_given(call, before, gave, x, done, step)
        done[call.layer] = gave = call.gave
        before = call.layer
    if ahead:
        return [*found, ("head-missing", f"{ahead[-1]} is left out", 3)]
    return found + differently_ended(chain, before, gave, values)


def out_of_turn(layer, ahead, done, called, step):
    """Whether it is the turn of a layer; takes those that are over from the list ``ahead``."""
    if layer in ahead:
        skipped = [ahead.pop(0) for _ in range(ahead.index(layer))]
        ahead.pop(0)
        return [("layer-skipped", f"{name} is " + ("called too late" if name in called
                                                   else "left out"), step) for name in skipped]
    if layer in done:
        return [("layer-twice", f"{layer} is used twice", max(step - 1, 1))]
    place = f" in the place of {ahead.pop(0)}" if ahead else ""
    if layer in SIZES:
        return [("wrong-layer", f"{layer} is used{place}", step)]
    return [("own-layer", f"A layer of your own, {layer}, is used{place}", step)]


def differently_given(call, before, gave, x, done, step):  # noqa: PLR0911  (a case, a line)
    """What a layer was given, if that is not the ReLU of what the layer before it gave."""
    layer, given = call.layer, call.given
    if equal(given, x if before is None else relu(gave)):
        return []
    if before is None:
        table = {"a ReLU": relu, "a sigmoid": sigmoid, "a tanh": np.tanh, "rounding": np.round}
        what = function_of(given, x, table) or straight_line(given, x)
        if what:
            return [("input-changed", f"In front of {layer} the input is changed: by {what}", 1)]
        return [("input-unknown", f"{layer} is not given the input as it came, but something "
                 "else", 1)]
    step = max(step - 1, 1)
    between = f"{before} and {layer}"
    if equal(given, gave):
        return [("relu-missing", f"There is no ReLU between {between}", step)]
    name = function_of(given, gave, ACTIVATIONS)
    if name:
        return [("other-activation", f"Between {between} stands {name} instead of a ReLU", step)]
    for source, values in {"the input": x, **done}.items():
        if equal(given, values) or equal(given, relu(values)):
            text = source if source == "the input" else f"what {source} gave"
            return [("result-unused", f"{layer} is given {text}; what {before} gave is not used",
                     step)]
    line = straight_line(given, relu(gave))
    if line:
        return [("other-activation", f"Between {between} the ReLU is changed: by {line}", step)]
    return [("input-unknown", f"{layer} is not given the ReLU of what {before} gave, but "
             "something else", step)]


def differently_ended(chain, before, gave, values):
    """What follows the last layer, if it is not what was asked for."""
    if equal(values, chain.end(gave)):
        return []
    for what, (hint, function) in chain.ends.items():
        if equal(values, quietly(function, gave)):
            return [(hint, f"After {before} comes {what}", 3)]
    line = straight_line(values, chain.end(gave))
    if line:
        hint, whose = ("mean-changed", "mean") if chain is ENCODER else ("scaled", "brightness")
        return [(hint, f"The {whose} is changed at the end: by {line}", 3)]
    return [("end-unknown", f"What {before} gave is changed at the end in an unknown way", 3)]


def weights_by_hand(chain, x, values):
    """The mistakes of matrix products written by hand, looked for by trying."""
    ways = {"": lambda w, b: (w.T, b), "without its bias": lambda w, b: (w.T, 0),
            "without being transposed": lambda w, b: (w, b), "not at all": None}
    tries = itertools.product(*[ways] * 3, *[(True, False)] * 3)
    for *how, first, second, end in sorted(
            tries, key=lambda one: sum(map(bool, one[:3])) + 3 - sum(one[3:])):
        out, steps = x, (relu if first else leave_out, relu if second else leave_out,
                         chain.end if end else leave_out)
        try:
            for layer, way, after in zip(chain.layers, how, steps):
                if ways[way]:
                    weight, bias = ways[way](WEIGHTS[f"{layer}.weight"], WEIGHTS[f"{layer}.bias"])
                    out = out @ weight + bias
                out = after(out)
        except ValueError:                       # untransposed, and not square
            continue
        if equal(values, out):
            return [("by-hand", f"The weights of {layer} are used {way}", number)
                    if way != "not at all" else ("layer-skipped", f"{layer} is left out", number)
                    for number, (layer, way) in enumerate(zip(chain.layers, how), 1) if way] + [
                ("relu-missing", f"There is no ReLU after {layer}", number)
                for number, layer, there in ((1, chain.layers[0], first),
                                             (2, chain.layers[1], second)) if not there] + (
                [] if end else [
                    ("sigmoid-missing", f"After {chain.layers[2]} comes nothing, no sigmoid", 3)])
    return []


def function_of(values, base, table):
    """The name of the function in a table that makes ``values`` of ``base``, or None."""
    return next((name for name, function in table.items()
                 if equal(values, quietly(function, base))), None)


def straight_line(values, base):
    """Words for ``values = factor * base + shift``, or None."""
    if values.shape != base.shape or not np.ptp(base):
        return None
    factor, shift = np.polyfit(base.ravel(), values.ravel(), 1)
    if not equal(values, factor * base + shift) or abs(factor) < 1e-9:
        return None
    words = [f"a factor of {factor:.3g}"] if abs(factor - 1) > 1e-3 else []
    words += [f"{shift:+.3g}"] if abs(shift) > 1e-3 else []
    return " and ".join(words)


def quietly(function, x):
    with np.errstate(all="ignore"):
        return function(x)


def equal(values, right):
    """Whether two arrays agree, up to rounding."""
    if values.shape != right.shape:
        return False
    with np.errstate(all="ignore"):
        difference = np.abs(values - right).max()
        return bool(difference <= TOLERANCE * max(1e-3, min(10, np.abs(right).max())))
