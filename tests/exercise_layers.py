"""The checks of TODO 1 and 2: do encode and decode connect the layers rightly?

A wrong answer is compared with what every known mistake, and every pair of
them, would give with the same weights. So a mistake is recognised by its
numbers, however it is written.
"""

import itertools
from dataclasses import dataclass

import exercise_reference as reference
import numpy as np
import torch
from exercise_file import WrongError
from exercise_reference import linear, relu, sigmoid, softmax
from torch.nn import functional as F

from vae_model import HIDDEN_DIM

TOLERANCE = 1e-3        # of the largest right value; right answers stay below 1e-5


# --- known mistakes -------------------------------------------------------------
@dataclass(frozen=True)
class Mistake:
    """One part of the chain replaced, and how that is put into words."""

    hint: str
    what: str            # completes "Exactly these numbers come ..."
    part: int            # of the chain: 0 input, 1 layer, 2 ReLU, 3 layer, 4 ReLU, 5 layer, 6 end
    instead: object      # the function in its place


def leave_out(x):
    return x


def by_torch(function):
    """A torch function for NumPy arrays."""
    return lambda x: function(torch.from_numpy(x)).numpy()


ACTIVATIONS = {
    "tanh": np.tanh, "sigmoid": sigmoid, "leaky ReLU": by_torch(F.leaky_relu),
    "GELU": by_torch(F.gelu), "ELU": by_torch(F.elu), "SiLU": by_torch(F.silu),
    "softplus": by_torch(F.softplus), "ReLU6": by_torch(F.relu6), "SELU": by_torch(F.selu),
    "leaky ReLU of slope 0.2": by_torch(lambda x: F.leaky_relu(x, 0.2)),
    "absolute value": np.abs, "softmax": softmax,
}
INPUTS = {
    "from multiplying the input by 255": lambda x: 255 * x,
    "from dividing the input by 255": lambda x: x / 255,
    "from stretching the input to the range from -1 to 1": lambda x: 2 * x - 1,
    "from inverting the input": lambda x: 1 - x,
    "from rounding the input": np.round,
    "from a ReLU in front of the first layer": relu,
    "from a sigmoid in front of the first layer": sigmoid,
    "from a tanh in front of the first layer": np.tanh,
}
AFTER_THE_MEAN = {
    "from a ReLU on the mean": ("relu-on-mean", relu),
    "from a sigmoid on the mean": ("mean-changed", sigmoid),
    "from a tanh on the mean": ("mean-changed", np.tanh),
    "from exp() on the mean": ("mean-changed", np.exp),
    "from a softmax on the mean": ("mean-changed", softmax),
    "from dividing each mean by its length": (
        "mean-changed", lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)),
    "from the opposite sign": ("mean-changed", lambda x: -x),
}
INSTEAD_OF_SIGMOID = {
    "without the sigmoid at the end": ("sigmoid-missing", leave_out),
    "from a second sigmoid": ("sigmoid-twice", lambda x: sigmoid(sigmoid(x))),
    "from a ReLU in front of the sigmoid": ("relu-before-sigmoid", lambda x: sigmoid(relu(x))),
    "from a ReLU instead of the sigmoid": ("not-the-sigmoid", relu),
    "from tanh instead of the sigmoid": ("not-the-sigmoid", np.tanh),
    "from a stretched tanh instead of the sigmoid": (
        "not-the-sigmoid", lambda x: (np.tanh(x) + 1) / 2),
    "from clamping instead of the sigmoid": ("not-the-sigmoid", lambda x: x.clip(0, 1)),
    "from a softmax instead of the sigmoid": ("not-the-sigmoid", softmax),
    "from a hard sigmoid instead of the sigmoid": (
        "not-the-sigmoid", by_torch(F.hardsigmoid)),
    "from a softplus instead of the sigmoid": ("not-the-sigmoid", ACTIVATIONS["softplus"]),
    "from the logarithm of the sigmoid": (
        "not-the-sigmoid", lambda x: -np.logaddexp(0, -x)),
    "from stretching each image between its darkest and brightest pixel": (
        "not-the-sigmoid", lambda x: (x - x.min(-1, keepdims=True)) / np.ptp(
            x, axis=-1, keepdims=True)),
    "from multiplying pixels by 255": ("scaled", lambda x: 255 * sigmoid(x)),
    "from multiplying pixels by 255 and cutting off the decimals": (
        "scaled", lambda x: np.floor(255 * sigmoid(x))),
    "from rounding pixels to black and white": ("scaled", lambda x: sigmoid(x).round()),
    "from stretching pixels to the range from -1 to 1": ("scaled", lambda x: 2 * sigmoid(x) - 1),
    "from inverting pixels": ("scaled", lambda x: sigmoid(-x)),
}


@dataclass(frozen=True)
class Chain:
    """encode or decode, as a chain of seven functions, and its known mistakes."""

    layers: tuple        # names of the three layers
    stranger: str        # a layer of the other half that would fit into the middle
    end: object          # what follows the last layer
    ends: dict           # mistakes at the end

    def apply(self, x, *mistakes):
        """Run the chain with some parts replaced."""
        first, second, last = map(linear, self.layers)
        parts = [leave_out, first, relu, second, relu, last, self.end]
        for mistake in mistakes:
            parts[mistake.part] = mistake.instead
        with np.errstate(all="ignore"):
            for part in parts:
                x = part(x)
        return x

    def mistakes(self):
        """Every known mistake: single ones, pairs in different places, both ReLUs and the end."""
        singles = list(self._singles())
        yield from ((mistake,) for mistake in singles)
        yield from (pair for pair in itertools.combinations(singles, 2)
                    if pair[0].part != pair[1].part)
        first, second, end = ([one for one in singles if one.part == part] for part in (2, 4, 6))
        yield from ((*both, last) for both in zip(first, second) for last in end)

    def _singles(self):
        first, second, _ = self.layers
        for part, layer in ((2, first), (4, second)):
            yield Mistake("relu-missing", f"without the ReLU after {layer}", part, leave_out)
            for name, function in ACTIVATIONS.items():
                what = f"from a {name} instead of the ReLU after {layer}"
                yield Mistake("other-activation", what, part, function)
        for what, (hint, function) in self.ends.items():
            yield Mistake(hint, what, 6, function)
        middle, stranger = linear(second), linear(self.stranger)
        yield Mistake("wrong-layer", f"from {self.stranger} in the place of {second}", 3, stranger)
        yield Mistake("layer-skipped", f"without {second}", 3, leave_out)
        yield Mistake("layer-twice", f"from using {second} twice", 3,
                      lambda x: middle(relu(middle(x))))
        yield Mistake("layer-twice", f"from using {second} twice, with no ReLU in between", 3,
                      lambda x: middle(middle(x)))
        for what, function in INPUTS.items():
            yield Mistake("input-changed", what, 0, function)


ENCODER = Chain(("encoder_fc1", "encoder_fc2", "fc_mu"), "decoder_fc2", leave_out, AFTER_THE_MEAN)
DECODER = Chain(("decoder_fc1", "decoder_fc2", "decoder_out"), "encoder_fc2", sigmoid,
                INSTEAD_OF_SIGMOID)


# --- the checks -------------------------------------------------------------------
def check_encode(learner):
    check_half(learner, "encode", ENCODER, reference.some_patterns, "x")


def check_decode(learner):
    check_half(learner, "decode", DECODER, reference.some_codes, "z")


def check_half(learner, name, chain, make_input, letter):
    """Raise the first WrongError that is found in one half of the model."""
    vae = learner.make_vae()

    def ask(x):
        shown = f"vae.{name}({letter}) with {letter} of shape {tuple(x.shape)}"
        try:
            return shown, learner.call(learner.find(vae, name), x, called=shown)
        except WrongError as wrong:
            if wrong.hint == "gradients-tracked":      # the step after it would be wrong as well
                wrong.hint = "returns-array"
            raise

    x = make_input(5)
    untouched = x.clone()
    shown, answer = ask(x)
    try:
        require_tensor(answer)
        require_shape(answer, len(x), chain, name)
        if answer.is_complex() or not answer.isfinite().all():
            raise WrongError("unknown", "values that are not finite numbers (nan or inf)")
        if not torch.equal(x, untouched):
            raise WrongError("arguments-changed", f"{letter} holds other values after the call")
        if not equal(ask(x)[1], answer.detach().double().numpy()):
            raise WrongError("random", "another result when called again with the same input")
        require_values(answer, x, chain, lambda: ask(x[:1])[1])
    except WrongError as wrong:
        wrong.called = wrong.called or shown
        raise
    require_gradients(vae, answer, chain, shown)
    for count in (1, 3):
        require_count(make_input(count), chain, name, ask)


def require_tensor(answer):
    """Raise a WrongError unless the answer is a tensor of decimal numbers."""
    if answer is None:
        raise WrongError("returns-nothing", "nothing came back (None)")
    if isinstance(answer, (tuple, list)):
        raise WrongError("returns-tuple", f"a {type(answer).__name__} of length {len(answer)}")
    if isinstance(answer, np.ndarray):
        raise WrongError("returns-array", f"a NumPy array of shape {answer.shape}")
    if not isinstance(answer, torch.Tensor):
        raise WrongError("returns-other", f"something of the type {type(answer).__name__}")


def require_shape(answer, count, chain, name):
    width = reference.SIZES[chain.layers[-1]][1]
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
    promised = "(N, latent_dim)" if name == "encode" else "(N, input_dim)"
    raise WrongError(hint, f"a tensor of shape {shape}, where {promised} is promised")


def require_values(answer, x, chain, answer_to_first):
    """Raise a WrongError that names the mistake if the numbers are wrong."""
    given = x.double().numpy()
    right = chain.apply(given)
    if equal(answer, right):
        return
    off = np.abs(answer.detach().double().numpy() - right).max()
    seen = f"the right shape {tuple(answer.shape)}, but values that are off by up to {off:.2g}"
    first = answer[:1].detach().double().numpy()
    if answer_to_first().shape == first.shape and not equal(answer_to_first(), first):
        raise WrongError("mixes-images", "other values for the first image when it comes alone")
    for mistakes in chain.mistakes():
        if equal(answer, chain.apply(given, *mistakes)):
            raise WrongError(mistakes[0].hint, seen, **in_words(mistakes))
    raise WrongError("unknown", seen)


def in_words(mistakes):
    """What fills a hint: the description of the mistakes, and the step they belong to."""
    step = {0: 1, 1: 1, 2: 1, 3: 2, 4: 2}.get(mistakes[0].part, 3)
    return {"what": ", and ".join(mistake.what for mistake in mistakes),
            "step": f"step {step} of its docstring"}


def require_gradients(vae, answer, chain, shown):
    if answer.requires_grad:
        answer.sum().backward()
        cut = [layer for layer in chain.layers if getattr(vae, layer).weight.grad is None]
    else:
        cut = chain.layers
    if cut:
        wrong = WrongError("gradients-cut", "right values, but no gradient reaches "
                           + ", ".join(cut))
        wrong.called = shown
        raise wrong


def require_count(x, chain, name, ask):
    """Check another number of images: a batch of one, a smaller batch."""
    shown = ""
    try:
        shown, answer = ask(x)
        require_tensor(answer)
        require_shape(answer, len(x), chain, name)
        if not equal(answer, chain.apply(x.double().numpy())):
            raise WrongError("mixes-images", "other values than in a batch of five")
    except WrongError as wrong:
        wrong.called = wrong.called or shown
        if wrong.hint in ("error", "wrong-shape"):
            wrong.hint = "fixed-batch"
        raise


def equal(answer, right):
    """Whether an answer of the learner's is, as good as exactly, a certain array."""
    if not isinstance(answer, torch.Tensor) or tuple(answer.shape) != right.shape:
        return False
    difference = np.abs(answer.detach().double().numpy() - right)
    return bool(difference.max() <= TOLERANCE * max(1, min(10, np.abs(right).max())))

