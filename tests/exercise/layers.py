"""The checks of TODO 1 and 2: do encode and decode connect the layers rightly?

Hooks write down what each layer was given and what it gave. Where the input of a
layer is not the ReLU of what the layer before it gave, there is the mistake, and
what it is instead is its cause. Each step is compared with what the steps before
it really gave, so that two mistakes are found as easily as one.
"""

import contextlib
import functools
import itertools
from collections import namedtuple

import numpy as np
import torch
from torch.nn import functional as F

from tests.exercise import reference
from tests.exercise.card import require_none
from tests.exercise.hints import WrongError, about, placed
from tests.exercise.reference import SIZES, equal
from vae_model import HIDDEN_DIM

COUNT = 5               # images in a batch
# what comes of a size that is written into the code, if a batch of another size is given
SIZE_HINTS = {"wrong-shape", "column-count", "squares", "extra-axis", "row-count", "reshape",
              "batch-reshape", "broadcast", "sizes-do-not-fit"}

NO_TENSOR = {"NoneType": "returns-nothing", "tuple": "returns-tuple", "list": "returns-tuple",
             "ndarray": "returns-array"}

FUNCTIONS = {           # what may stand between two layers, or behind the last one
    "nothing": torch.clone, "a ReLU": F.relu, "a sigmoid": F.sigmoid, "a tanh": F.tanh,
    "a GELU": F.gelu, "an ELU": F.elu, "a SiLU": F.silu, "a softplus": F.softplus,
    "a softmax": lambda x: x.softmax(-1), "the absolute value": torch.abs, "exp()": torch.exp,
    "a square": torch.square, "rounding": torch.round, "a minimum with 0": lambda x: x.clamp(max=0),
    "clamping to 0 and 1": lambda x: x.clamp(0, 1),
    "a threshold or rounding to 0 and 1, where a sigmoid gives grays,":
        lambda x: (x > 0).double(),
    "division by its length": lambda x: F.normalize(x, dim=-1),
    "stretching from the least to the greatest value":
        lambda x: (x - x.amin(-1, True)) / (x.amax(-1, True) - x.amin(-1, True)),
    "a sigmoid of twice the value, which is (tanh(x) + 1) / 2,": lambda x: F.sigmoid(2 * x),
    "the logarithm of a sigmoid": F.logsigmoid,
    "1 minus a sigmoid, or 1 / (1 + exp(x)) without its minus sign": lambda x: F.sigmoid(-x),
    "1 + exp(-x), a sigmoid without brackets,": lambda x: 1 + torch.exp(-x),
    "a ReLU of minus the value": lambda x: F.relu(-x),
    "a sigmoid and another one": lambda x: x.sigmoid().sigmoid(),
    "a ReLU and a sigmoid": lambda x: x.relu().sigmoid(),
}


# What has to stand at a place is a name in FUNCTIONS. There is a hint for each thing that may stand
# there instead: a name in FUNCTIONS, a straight "line", something "unknown", or anything "other".
Place = namedtuple("Place", "where asked hints")
START = Place("in front of {layer}", "nothing", {
    "other": "input-changed", "unknown": "input-unknown"})
BETWEEN = Place("between {before} and {layer}", "a ReLU", {
    "other": "other-activation", "nothing": "relu-missing", "unknown": "input-unknown"})
MEAN = Place("after {before}", "nothing", {"other": "mean-changed", "unknown": "end-unknown"})
IMAGE = Place("after {before}", "a sigmoid", {
    "other": "not-the-sigmoid", "nothing": "sigmoid-missing", "unknown": "end-unknown",
    "a sigmoid and another one": "sigmoid-twice", "a ReLU and a sigmoid": "sigmoid-twice",
    "line": "scaled",
    "a threshold or rounding to 0 and 1, where a sigmoid gives grays,": "scaled"})

# Each half of the model: its layers, and what stands after the last one.
Half = namedtuple("Half", "name argument some_input special layers end")
ENCODER = Half("encode", "x", reference.some_patterns,
               {"a black image": 0, "a white image": 1}, tuple(SIZES)[:3], MEAN)
DECODER = Half("decode", "z", reference.some_codes,
               {"the code 0": 0, "a code far from 0": 99}, tuple(SIZES)[3:], IMAGE)


# --- the checks -------------------------------------------------------------------
def check_half(half, learner, _right):
    """Raise the first WrongError that is found in one half of the model."""
    x, vae = half.some_input(COUNT), learner.make_vae()

    def ask(images):
        loaded_anew = type(vae) is not learner.module.SimpleVAE
        return answer_to(learner, learner.make_vae() if loaded_anew else vae, half, images)

    def causes_in(image, *values):
        calls = watch(vae)
        with contextlib.suppress(WrongError):
            ask(image)
        return causes(half, image[0].double(), calls, *values)

    weights = [values.clone() for values in vae.state_dict().values()]
    try:
        values, again, other, twice, *alone = learner.in_turn(
            ask, (x, x, 1 - x, torch.cat([x, x]), *x.split(1)))
    except WrongError as wrong:
        if wrong.called != shown(half, x) and wrong.hint in SIZE_HINTS:
            wrong.hint, wrong.show_line = "fixed-batch", False
        elif wrong.hint in ("wrong-shape", "column-count", "head-missing"):
            for wrong.hint, wrong.details["what"], name in causes_in(x[:1])[:1]:
                wrong.line = learner.source.line_with(learner.todo, name)
        raise
    with about(shown(half, x)):
        require_none("values that are infinite or no number (inf or nan)",
                     [("not-finite", not values.isfinite().all())])
        require_none("other weights after the call than before", [("model-changed", not all(
            map(torch.equal, weights, vae.state_dict().values())))])
        require_none("rows of zeros", [("row-empty", not values.any(dim=1).all())])
        # asked first, because what is kept between calls spoils all other questions
        learner.require_same(again, values, lambda: ask(x))
        right = torch.from_numpy(getattr(reference, half.name)(x))
        require_none("the same result for different inputs", (
            ("one-for-all", any(equal(values, row.expand_as(right)) for row in right)),
            ("kept-between-calls", equal(other, values) and not equal(values.flip(0), values))))
        if not equal(torch.cat(alone), values):
            alike = all(equal(ask(x[k].expand_as(x))[k], values[k]) for k in range(COUNT))
            raise WrongError("one-image" if alike else "mixes-images",
                             "other values when each image comes alone")
        if not equal(twice, torch.cat([values, values])):
            raise WrongError("fixed-batch", f"other values in a batch of {2 * COUNT}")
        if not equal(values, right):
            off = (values - right).abs().amax(1)
            worst = int(off.argmax())
            found = causes_in(x[worst:worst + 1], values[worst])[:2] or [("unknown", "", "")]
            raise WrongError(
                found[0][0], f"the right shape {tuple(right.shape)}, but values that are off by "
                f"up to {off.max():.2g}", what=". ".join(text for _, text, _ in found),
                line=found[0][2] and learner.source.line_with(learner.todo, found[0][2]))
        for what, value in half.special.items():
            one = torch.full_like(x[:1], value)
            values, right = ask(one), torch.from_numpy(getattr(reference, half.name)(one))
            require_none(f"wrong values, but only for {what}", (
                ("not-finite", not values.isfinite().all()),
                ("special-input", not equal(values, right))))


check_encode = placed(functools.partial(check_half, ENCODER))
check_decode = placed(functools.partial(check_half, DECODER))


def shown(half, x):
    """A call in words."""
    return f"vae.{half.name}({half.argument}) with {half.argument} of shape {tuple(x.shape)}"


def answer_to(learner, vae, half, x):
    """The values that come back for ``x``, in the right shape; or a WrongError."""
    given, last, called, columns = x.clone(), half.layers[-1], shown(half, x), 0
    answer = learner.call(learner.find(vae, half.name), given, called=called)
    count, width = right = len(x), SIZES[last][1]
    if not isinstance(answer, torch.Tensor) or answer.is_complex():
        kind = type(answer).__name__
        hint = NO_TENSOR.get(kind, "returns-method" if callable(answer) else "returns-other")
        seen = f"something of the type {kind}, where a tensor is promised"
    elif answer is given or answer.shape == x.shape and torch.equal(answer, x):
        hint, seen = "argument-returned", f"a tensor that equals {half.argument}"
    elif answer.shape != right:
        hint = {(width, count): "transposed-batch", (count, HIDDEN_DIM): "head-missing",
                **dict.fromkeys([(count * width,), (width,), (1, width)], "batch-lost")}.get(
                    tuple(answer.shape), "row-count" if answer.shape[1:] == right[1:] else
                    "wrong-shape")
        if hint == "wrong-shape" and len(answer) == count:
            columns = answer[0].numel()
            hint = "column-count" if columns != width else (
                "extra-axis" if 1 in answer.shape[1:] else "squares")
        elif hint == "wrong-shape" and answer.dim() == 2 and answer.numel() == count * width:
            hint = "reshaped"
        seen = f"a tensor of shape {tuple(answer.shape)}, where {right} is promised"
    elif not torch.equal(x, given):
        hint, seen = "arguments-changed", f"{half.argument} is not as before after the call"
    else:
        return plain(answer)
    raise WrongError(hint, seen, called=called, want=width, columns=columns,
                     what="As many numbers as a hidden layer has: "
                     f"{last} is left out, or its result is not what is returned")


def watch(vae):
    """A list that grows by each call of a layer: its name, what it was given and what it gave."""
    calls = []

    def note(name, _, given, named, gave):
        x = [*given, *named.values()][0]            # layer(x), or layer(input=x)
        try:
            calls.append((name, plain(x).ravel(), plain(gave).ravel()))
        except RuntimeError:                # inside torch.vmap there are no values to compare
            calls.append((name, None, None))

    for name, module in vae.named_modules():
        if hasattr(module, "weight"):
            module.register_forward_hook(functools.partial(note, name), with_kwargs=True)
    return calls


def plain(tensor):
    """A copy of the values of a tensor, in double precision."""
    return torch.tensor(tensor.detach().double().numpy())


# --- the cause of wrong values ------------------------------------------------------
def causes(half, x, calls, *values):
    """The mistakes, one in the use of layers first: a list of (hint, text, layer in question).

    Without ``values``, which have another shape then, layers are all that is looked at.
    """
    if not calls:
        return [("layers-unused", "", half.layers[0])] if values else []
    if any(given is None for _, given, _ in calls):
        return []
    rows = [("the input", None, x), *calls, *(("the result", one, None) for one in values)]
    found = out_of_order(half, rows)
    if not values or found and found[0][0] in ("written-out", "own-layer"):
        return found
    places = [START, *[BETWEEN] * (len(calls) - 1),
              *[half.end] * (half.layers[-1] in [name for name, _, _ in calls])]
    for number, place in enumerate(places):
        found += difference(place, rows[:number + 1], *rows[number + 1][:2])
    return found


def out_of_order(half, rows):
    """The first layer that is not called in its turn, if there is one: as in ``causes``."""
    used = [name for name, given, gave in rows if given is not None and gave is not None]
    for step, (layer, other) in enumerate(itertools.zip_longest(half.layers, used)):
        if other == layer:
            continue
        if other in half.layers[:step]:
            return [("layer-twice", f"{other} is used twice", other)]
        if other is None or other in half.layers:
            if layer not in used and len(rows) > step + 1:
                by_hand = written_out(half, layer, *rows[step:step + 2])
                if by_hand:
                    return [("written-out", f"{layer} is written out here, {by_hand}", layer)]
            hint = "head-missing" if layer == half.layers[-1] else "layer-skipped"
            late = "called too late" if layer in used else "not called"
            return [(hint, f"{layer} is {late}", other or used[-1])]
        hint, asked = "wrong-layer" if other in SIZES else "own-layer", layer or "no further layer"
        return [(hint, f"{other} is used where {asked} is asked for", other)]
    return []


def written_out(half, layer, row, next_row):
    """Words for a layer that was computed by hand, wrongly; empty for all else."""
    (before, _, base), (_, values, _) = row, next_row
    weight, bias = (reference.loud_weights()[f"{layer}.{name}"].double()
                    for name in ("weight", "bias"))
    h = base if before == "the input" else base.relu()
    if len(h) != weight.shape[1]:
        return ""
    tries = {"without its bias": h @ weight.T}
    if weight.shape == weight.T.shape:
        tries |= {"with a weight that is not transposed": h @ weight + bias,
                  "with a weight that is not transposed, and without its bias": h @ weight}
    after = FUNCTIONS[half.end.asked if layer == half.layers[-1] else "a ReLU"]
    return next((words for words, gave in tries.items() if equal(values, after(gave))), "")


def difference(place, rows, layer, values):
    """What a layer was given, or what came back, if it is not what the place asks for.

    ``rows`` are the input and the calls up to here, the list that comes back is as in ``causes``.
    """
    (where, asked, hints), (*earlier, (before, _, base)) = place, rows
    right, here = FUNCTIONS[asked](base), layer if place is START else before
    names = (name for name in (asked, *FUNCTIONS) if equal(values, FUNCTIONS[name](base)))
    what = kind = next(names, "unknown")
    if what == asked:
        return []
    if what == "unknown":
        for source, _, gave in earlier:
            if equal(values, gave) or equal(values, FUNCTIONS[asked](gave)):
                text = f"{layer} is given the result of {source}; that of {before} is not used"
                return [("result-unused", text, here)]
            rest = values - right if values.shape == base.shape else values
            if equal(rest, gave) or equal(rest, F.relu(gave)):
                return [(hints["unknown"], f"The result of {source} is added to that of {before}",
                         here)]
        kind, what = described(values, base, right)
        what = what.format(asked=asked).removeprefix("nothing and ")
    if what == "nothing":
        what = f"no {asked[2:]}"
    elif asked != "nothing" and asked not in what:
        what += f" instead of {asked}"
    hint = hints.get(kind, hints["other"])
    text = f"There is {what} {where.format(before=before, layer=layer)}"
    return [(hint, text, "" if hint == "scaled" else here)]


def described(values, base, right):
    """The kind of a difference, and words for it: values in place of the right ones.

    ``base`` is what the layer before gave.
    """
    if values.shape != base.shape or not (values + base).isfinite().all():
        return "unknown", "something of another size, infinite or no number,"
    if base.min() < base.max():
        factor, shift = np.polyfit(right.ravel(), values.ravel(), 1)
        if equal(values, factor * right + shift) and abs(factor) > 1e-9:
            scale = "a division by 255" if abs(255 * factor - 1) < 1e-3 else (
                f"a factor of {factor:.3g}")
            effects = {scale: factor - 1, f"a shift of {shift:.3g}": shift}
            return "line", " and ".join(["{asked}", *(
                words for words, effect in effects.items() if abs(effect) > 1e-3)])
    least, most = values.min(), values.max()
    cases = {
        "another order of the values": equal(values.sort()[0], right.sort()[0]),
        f"a clamp to {least:.3g} and {most:.3g}":
            least < most and equal(values, right.clamp(least, most)),
        "a factor of 255, without decimals,": (values - 255 * right).abs().max() < 1.01}
    if any(cases.values()):
        return "line", "{asked} and " + next(words for words, fits in cases.items() if fits)
    below, left = base < 0, (values - base).abs() < 1e-6
    slopes, steeper = values[below] / base[below], steeper_sigmoid(values, base)
    cases = {
        "a leaky ReLU":
            below.any() and equal(values[~below], base[~below]) and np.ptp(slopes) < 1e-3,
        "{asked} for some of the values only": equal(values[~left], right[~left]),
        steeper: steeper != ""}
    if any(cases.values()):
        return "other", next(words for words, fits in cases.items() if fits)
    worst = (values - right).abs().argmax()
    return "unknown", (f"something unknown ({base[worst]:.3g} became {values[worst]:.3g}, "
                       f"it should be {right[worst]:.3g})")


def steeper_sigmoid(values, base):
    """Words for a sigmoid of a factor times ``base``, and a shift; empty for all else."""
    inside = (values > 0.01) & (values < 0.99)               # elsewhere it is flat
    if inside.sum() < 3 or np.ptp(base[inside]) == 0:
        return ""
    factor, shift = np.polyfit(base[inside], torch.logit(values[inside]), 1)
    if abs(factor) < 1e-9 or not equal(values, F.sigmoid(factor * base + shift)):
        return ""
    return f"a sigmoid of {factor:.3g} times the value" + f" plus {shift:.3g}" * bool(
        abs(shift) > 1e-3)
