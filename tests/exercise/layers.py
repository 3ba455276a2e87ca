"""The checks of TODO 1 and 2: do encode and decode connect the layers rightly?

Hooks write down what each layer was given and what it gave. Where the input of a
layer is not the ReLU of what the layer before it gave, there is the mistake, and
what it is instead is its cause. Each step is compared with what the steps before
it really gave, so that two mistakes are found as easily as one.
"""

import contextlib
import functools
import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from tests.exercise import reference
from tests.exercise.hints import WrongError
from tests.exercise.reference import SIZES, equal, loud_weights
from vae_model import HIDDEN_DIM

COUNT = 5               # images in a batch

FUNCTIONS = {           # what may stand between two layers, or behind the last one
    "nothing": torch.clone, "a ReLU": F.relu, "a sigmoid": F.sigmoid, "a tanh": F.tanh,
    "a leaky ReLU": F.leaky_relu, "a leaky ReLU of slope 0.2": lambda x: F.leaky_relu(x, 0.2),
    "a GELU": F.gelu, "an ELU": F.elu, "a SiLU": F.silu, "a softplus": F.softplus,
    "a ReLU6": F.relu6, "a SELU": F.selu, "a hard sigmoid": F.hardsigmoid,
    "a softmax": lambda x: x.softmax(-1), "the absolute value": torch.abs, "exp()": torch.exp,
    "a square": torch.square, "rounding": torch.round, "a minimum with 0": lambda x: x.clamp(max=0),
    "clamping to 0 and 1": lambda x: x.clamp(0, 1), "division by its length": F.normalize,
    "stretching from the least to the greatest value":
        lambda x: (x - x.amin(-1, True)) / (x.amax(-1, True) - x.amin(-1, True)),
    "a tanh, moved to 0 and 1,": lambda x: (x.tanh() + 1) / 2,
    "the logarithm of a sigmoid": F.logsigmoid,
    "1 minus a sigmoid, or 1 / (1 + exp(x)) without its minus sign": lambda x: F.sigmoid(-x),
    "a sigmoid and another one": lambda x: x.sigmoid().sigmoid(),
    "a ReLU and a sigmoid": lambda x: x.relu().sigmoid(),
    "a sigmoid, times 255 without decimals": lambda x: (255 * x.sigmoid()).floor(),
    "a sigmoid, rounded to black and white": lambda x: x.sigmoid().round(),
}


@dataclass(frozen=True)
class Place:
    """What has to stand at a place, and the hint for each thing that may stand there instead."""

    where: str
    asked: str           # a name in FUNCTIONS
    hint: str            # for all that is not in ``hints``
    hints: dict          # names in FUNCTIONS, "line" or "unknown": hint

    def mistake(self, what, name, before, layer, step):
        """The mistake that ``what`` stands here; ``name`` says where to find its hint."""
        if what == "nothing":
            what = f"no {self.asked[2:]}"
        elif self.asked != "nothing" and self.asked not in what:
            what += f" instead of {self.asked}"
        where = self.where.format(before=before, layer=layer)
        return self.hints.get(name, self.hint), f"{where} comes {what}", step


@dataclass(frozen=True)
class Half:
    """One half of the model: its layers, and what follows the last one."""

    name: str
    argument: str
    layers: tuple
    end: Place
    some_input: object   # function of the number of rows

    def called(self, x):
        """Words for a call."""
        return f"vae.{self.name}({self.argument}) with {self.argument} of shape {tuple(x.shape)}"


START = Place("In front of {layer}", "nothing", "input-changed", {"unknown": "input-unknown"})
BETWEEN = Place("Between {before} and {layer}", "a ReLU", "other-activation",
                {"nothing": "relu-missing", "unknown": "input-unknown"})
MEAN = Place("After {before}", "nothing", "mean-changed",
             {"a ReLU": "relu-on-mean", "unknown": "end-unknown"})
IMAGE = Place("After {before}", "a sigmoid", "not-the-sigmoid", {
    "nothing": "sigmoid-missing", "a sigmoid and another one": "sigmoid-twice",
    "a ReLU and a sigmoid": "relu-before-sigmoid", "line": "scaled", "unknown": "end-unknown",
    "a sigmoid, times 255 without decimals": "scaled",
    "a sigmoid, rounded to black and white": "scaled"})
ENCODER = Half("encode", "x", tuple(SIZES)[:3], MEAN, reference.some_patterns)
DECODER = Half("decode", "z", tuple(SIZES)[3:], IMAGE, reference.some_codes)


# --- the checks -------------------------------------------------------------------
def check_half(half, learner, _right):
    """Raise the first WrongError that is found in one half of the model; or return a remark."""
    vae, x = learner.make_vae(), half.some_input(COUNT)
    right = torch.from_numpy(getattr(reference, half.name)(x))
    ask = functools.partial(answer_to, learner, vae, half)
    answer, again = ask(x), ask(x)
    alone, twice, calls = other_batches(ask, vae, x)
    values, what, step = plain(answer), "", ""
    if not values.isfinite().all():
        hint, seen = "not-finite", "values that are infinite or no number (inf or nan)"
    elif not equal(plain(again), values):
        hint, seen = "random", "another result when called again with the same input"
    elif not equal(alone, values):
        hint, seen = "mixes-images", "other values when each image comes alone"
    elif not equal(twice, torch.cat([values, values])):
        hint, seen = "fixed-batch", f"other values in a batch of {2 * COUNT}"
    elif equal(values, right):
        return remark_on(answer, vae, half)
    else:
        seen = f"the right shape {tuple(right.shape)}, but values that are off by up to " \
               f"{(values - right).abs().max():.2g}"
        (hint, what, step), *others = causes(half, x.double(), calls, values)
        what = "; ".join([what, *(text[0].lower() + text[1:] for _, text, _ in others[:2])])
    raise WrongError(hint, seen, called=half.called(x), what=what,
                     step=f"step {step} of its docstring")


check_encode = functools.partial(check_half, ENCODER)
check_decode = functools.partial(check_half, DECODER)


def answer_to(learner, vae, half, x):
    """What comes back for ``x``: a tensor of the right shape, or a WrongError."""
    before, last = x.clone(), half.layers[-1]
    answer = learner.call(learner.find(vae, half.name), x, called=half.called(x))
    right, kind = (len(before), SIZES[last][1]), type(answer).__name__
    if answer is None:
        hint, seen = "returns-nothing", "nothing came back (None)"
    elif isinstance(answer, (tuple, list)):
        hint, seen = "returns-tuple", f"a {kind} of length {len(answer)}"
    elif isinstance(answer, np.ndarray):
        hint, seen = "returns-array", f"a NumPy array of shape {answer.shape}"
    elif not isinstance(answer, torch.Tensor) or answer.is_complex():
        hint, seen = "returns-other", f"something of the type {kind}"
    elif answer.shape != right:
        hint = hint_for_shape(answer.shape, *right)
        seen = f"a tensor of shape {tuple(answer.shape)}, where {right} is promised"
    elif not torch.equal(x, before):
        hint, seen = "arguments-changed", f"{half.argument} is not as before after the call"
    else:
        return answer
    raise WrongError(hint, seen, step="step 3 of its docstring",
                     what=f"As many numbers as a hidden layer has: {last} is left out, or its "
                          "result is not what is returned")


def hint_for_shape(shape, count, width):
    """The hint for a tensor that has not the shape (count, width)."""
    return {(width, count): "transposed-batch", (count, HIDDEN_DIM): "head-missing",
            (count * width,): "batch-lost", (width,): "batch-lost",
            (1, width): "batch-lost"}.get(tuple(shape), "wrong-shape")


def other_batches(ask, vae, x):
    """What comes back for each image alone and for all of them twice, and the calls of layers.

    The calls are those for each image alone, put together to one with all images.
    """
    try:
        twice, calls = plain(ask(torch.cat([x, x]))), watch(vae)
        alone = torch.cat([plain(ask(image)) for image in x.split(1)])
    except WrongError as wrong:
        if wrong.hint in ("wrong-shape", "reshape", "batch-reshape", "broadcast",
                          "sizes-do-not-fit"):
            wrong.hint, wrong.show_line = "fixed-batch", False
        raise
    each = len(calls) // COUNT
    turns = [list(zip(*calls[start::each])) for start in range(each)]
    if any(len(set(names)) > 1 for names, _, _ in turns):
        return alone, twice, None           # what is called depends on what is in the image
    return alone, twice, [(names[0], *map(torch.stack, values)) for names, *values in turns]


def watch(vae):
    """A list that grows by each call of a layer: its name, what it was given and what it gave."""
    calls = []

    def note(name, _, given, named, gave):
        x = [*given, *named.values()][0]            # layer(x), or layer(input=x)
        with contextlib.suppress(RuntimeError):     # inside torch.vmap there are no values
            calls.append((name, plain(x).ravel(), plain(gave).ravel()))

    for name, module in vae.named_modules():
        if hasattr(module, "weight"):
            module.register_forward_hook(functools.partial(note, name), with_kwargs=True)
    return calls


def plain(tensor):
    """A copy of the values of a tensor, in double precision."""
    return torch.tensor(tensor.detach().double().numpy())


def remark_on(answer, vae, half):
    """A word on answers that are right, but through which nothing could be trained."""
    if answer.requires_grad:
        answer.sum().backward()
        if all(getattr(vae, layer).weight.grad is not None for layer in half.layers):
            return ""
    return "no gradient flows through it: fine for pictures, but not for training"


# --- the cause of wrong values ------------------------------------------------------
def causes(half, x, calls, values):
    """The mistakes, one in the use of layers first: a list of (hint, text, step)."""
    if calls is None:
        return [("unknown", "", 1)]
    used = [layer for layer, _, _ in calls]
    if not set(half.layers) <= set(used):
        found = weights_by_hand(half, x, values)
        if found or not used:
            return found or [("layers-unused", "", 1)]
    found = out_of_order(half.layers, used)
    rows = [("the input", None, x), *calls, ("the result", values, None)]
    places = [START, *[BETWEEN] * (len(calls) - 1), *[half.end] * (half.layers[-1] in used)]
    for number, place in enumerate(places):
        step = 3 if place is half.end else max(1, min(number, 2))
        found += difference(place, rows[:number + 1], *rows[number + 1][:2], step)
    return found or [("unknown", "", 1)]


def out_of_order(layers, used):
    """The first layer that is not called in its turn, if there is one: as in ``causes``."""
    for step, (layer, other) in enumerate(itertools.zip_longest(layers, used), 1):
        if other == layer:
            continue
        if other in layers[:step - 1]:
            return [("layer-twice", f"{other} is used twice", layers.index(other) + 1)]
        if other is None or other in layers:
            hint = "head-missing" if layer == layers[-1] else "layer-skipped"
            late = "called too late" if layer in used else "left out"
            return [(hint, f"{layer} is {late}", step)]
        place = f" in the place of {layer}" if layer and layer not in used else ""
        if other in SIZES:
            return [("wrong-layer", f"{other} is used{place}", min(step, 3))]
        return [("own-layer", f"A layer of your own, {other}, is used{place}", min(step, 3))]
    return []


def difference(place, rows, layer, values, step):
    """What a layer was given, or what came back, if it is not what the place asks for.

    ``rows`` are the input and the calls up to here, the list that comes back is as in ``causes``.
    """
    *earlier, (before, _, base) = rows
    for name in (place.asked, *FUNCTIONS):
        if equal(values, FUNCTIONS[name](base)):
            return [] if name == place.asked else [place.mistake(name, name, before, layer, step)]
    for source, _, gave in earlier:
        if equal(values, gave) or equal(values, FUNCTIONS[place.asked](gave)):
            text = f"{layer} comes right after {source}; what {before} gave is not used"
            return [("result-unused", text, step)]
    line = straight_line(values, FUNCTIONS[place.asked](base))
    if line:
        line = f"{place.asked} and {line}".removeprefix("nothing and ")
        return [place.mistake(line, "line", before, layer, step)]
    return [place.mistake("something unknown", "unknown", before, layer, step)]


def straight_line(values, base):
    """Words for ``values = factor * base + shift``, or None."""
    if values.shape != base.shape or base.min() == base.max():
        return None
    factor, shift = np.polyfit(base.ravel(), values.ravel(), 1)
    if not equal(values, factor * base + shift) or abs(factor) < 1e-9:
        return None
    effects = {f"a factor of {factor:.3g}": factor - 1, f"a shift of {shift:.3g}": shift}
    return " and ".join(words for words, effect in effects.items() if abs(effect) > 1e-3)


def weights_by_hand(half, x, values):
    """The mistakes of matrix products written by hand, looked for by trying: as in ``causes``."""
    tries = [([], x)]
    places = zip((1, 2, 3), half.layers, (*half.layers[1:], ""), (BETWEEN, BETWEEN, half.end))
    for step, layer, after, place in places:
        weight, bias = (loud_weights()[f"{layer}.{part}"].double() for part in ("weight", "bias"))
        ways = {"": (weight.T, bias), "without its bias": (weight.T, 0)}
        if len(weight) == len(weight.T):
            ways["without being transposed"] = weight, bias
        nothing = place.mistake("nothing", "nothing", layer, after, step)
        tries = [
            (found + [("by-hand", f"The weights of {layer} are used {how}", step)] * bool(how)
             + [nothing] * (end != place.asked), FUNCTIONS[end](out @ matrix + shift))
            for found, out in tries
            for how, (matrix, shift) in ways.items() for end in {place.asked, "nothing"}]
    return min((found for found, out in tries if equal(values, out)), key=len, default=[])
