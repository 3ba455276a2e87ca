"""From what Python, NumPy and torch say to what somebody did who knows NumPy alone."""

import difflib
import re
import traceback
import types
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor, nn

from patterns import IMAGE_SIZE
from tests.exercise.hints import KNOWN, WrongError
from tests.exercise.reference import PIXELS, SIZES
from tests.exercise.todos import BY_NAME

METHODS, FUNCTIONS = ("encode", "decode"), ("interpolate", "create_latent_walk_animation")
VAES_OWN = ("encoder", "decoder", "fc_var", "reparameterize", "forward")
TORCH_CALLS_IT = {"relu": "torch.relu", "sigmoid": "torch.sigmoid", "tanh": "torch.tanh",
                  "expit": "torch.sigmoid", "logistic": "torch.sigmoid",
                  "stop_gradient": "torch.no_grad", "GradientTape": "torch.no_grad"}
UNDEFINED = {"self": "self-outside", **dict.fromkeys(SIZES, "self-missing"),
             **dict.fromkeys(METHODS, "bare-method")}
LOOK_ALIKE = str.maketrans("lo", "10")      # encoder_fcl for encoder_fc1
FINER = (           # a hint, one that says more, and the places where it does
    ("error", "error-on-import", lambda at: not at.todo),
    ("raise-left", "todo-called", lambda at: at.todo and at.function not in ("", at.todo)),
    ("sizes-do-not-fit", "by-hand-shapes", lambda at: not at.below),
    ("reshape", "mnist-size", lambda at: IMAGE_SIZE != 28 and at.shows(r"\b(784|28)\b")),
    ("broadcast", "alpha-shape", lambda at: at.todo == "interpolate"),
    ("numpy-function", "gradients-tracked", lambda at: at.todo in FUNCTIONS),
    ("numpy-function", "returns-array", lambda at: at.shows(r"\.numpy\(")),
    ("call-arguments", "signature", lambda at: not at.function),
    ("call-arguments", "class-not-model", lambda at: at.shows(r"\b(SimpleVAE|VAE)\.(en|de)code")),
    ("truth-value", "not-applied", lambda at: at.shows(r"nn\.\w+\(")),
    ("list-for-tensor", "max-pair", lambda at: at.shows(r"max\(")),
)
MISSING = (         # what was asked for an attribute, for which one (empty: any other), the hint
    (nn.Linear, (), "layer-not-called"),
    (nn.Module, VAES_OWN, "other-model"),
    (nn.Module, FUNCTIONS, "not-a-method"),
    (nn.Module, (), "misspelt"),
    (type, (*SIZES, *METHODS, *VAES_OWN), "class-not-model"),
    (types.ModuleType, (), "not-in-module"),
    (Tensor, METHODS, "model-expected"),
    (Tensor, (), "tensor-not-array"),
    (np.ndarray, (), "array-not-tensor"),
    (list | tuple, (), "list-not-array"),
    (types.NoneType, (), "none-used"),
    (types.FunctionType | types.BuiltinFunctionType | types.MethodType, (), "brackets-missing"),
    (object, (), "no-attribute"),
)


@dataclass(frozen=True)
class Place:
    """The line of the learner's file to which an exception is put down."""

    todo: str            # the name of the TODO that is checked
    function: str = ""   # the name of the function that the line stands in
    line: int = 0
    text: str = ""
    below: bool = False  # whether the line called what raised the exception

    def shows(self, expression):
        return re.search(expression, self.text)


def explain(error, source, todo):
    """The WrongError that an exception in the learner's code amounts to."""
    try:
        text = f"{type(error).__name__}: {error}".strip(": \n").split("\n")[0][:200]
    except Exception:                                 # its __str__ fails
        text = type(error).__name__
    at = place_of(error, source, todo.name if todo else "")
    if isinstance(error, AttributeError) and error.name:
        hint, details = missing_attribute(error.obj, error.name)
    elif type(error) is NameError and error.name:
        hint, details = missing_name(error, source)
    else:
        hint, details = by_text(text, at)
    return WrongError(hint, text, line=at.line, show_line=bool(at.line), **details)


def place_of(error, source, todo):
    """The innermost place in the learner's file.

    The way ends where the function of another TODO is entered: that one is checked
    by itself, so what it was given is at fault.
    """
    at = Place(todo)
    for frame, line in traceback.walk_tb(error.__traceback__):
        name, own = frame.f_code.co_name, frame.f_code.co_filename == str(source.path)
        below = bool(at.function)
        if own and below and name in BY_NAME and name != todo:
            return replace(at, below=True)
        at = Place(todo, name, line, source.text_of(line)) if own else replace(at, below=below)
    return at


def by_text(text, at):
    """The hint of the first expression that fits, or a finer one, and what is filled into it."""
    fits = ((re.search(expression, text), hint) for expression, hint in [*KNOWN, ("", "error")])
    found, hint = next(pair for pair in fits if pair[0])
    details = {"name": "", **found.groupdict()}
    hint = next((finer for one, finer, holds in FINER if one == hint and holds(at)), hint)
    if hint == "sizes-do-not-fit":
        details["clue"] = clue(int(details["got"]), int(details["want"]))
    if hint == "reshape":
        details["count"], rest = divmod(int(details["size"]), PIXELS)
        hint = "batch-reshape" if details["count"] > 1 and not rest else hint
    return hint, details


def clue(got, want):
    """What a layer's input is, going by how many numbers it holds for each image."""
    codes, hidden = SIZES["decoder_fc1"]
    if got > want and got % want == 0 and want in (PIXELS, codes):
        return (f"{got} is {got // want} times {want}: several images have become one row, where "
                "one row for each must stay.")
    if (got, want) == (IMAGE_SIZE, PIXELS):
        return "The pictures became squares: layers take each as one flat row."
    if (got, want) == (hidden, PIXELS):
        return "encoder_fc1 takes pictures; what a hidden layer gave goes into the next layer."
    if want == hidden and got in (PIXELS, codes):
        return "It is given the function's own argument, not what the layer before it gave."
    return "Layers are in the wrong order, one is left out, or a shape changed on the way."


def missing_attribute(owner, name):
    """Something was asked for what it does not have."""
    hint = next(hint for kind, names, hint in MISSING
                if isinstance(owner, kind) and (not names or name in names))
    if hint == "not-in-module":
        close = closest(name, [one for one in dir(owner) if not one.startswith("_")])
        close = TORCH_CALLS_IT.get(name, close and f"{owner.__name__}.{close}")
        return hint, {"module": owner.__name__, "name": name, "did_you": did_you_mean(close)}
    close = closest(name, [*SIZES, *METHODS])
    if hint == "misspelt" and not close:
        hint = "no-such-layer"
    return hint, {"name": name, "kind": type(owner).__name__, "close": close}


def missing_name(error, source):
    """A name that stands for nothing."""
    known = set()
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == str(source.path):
            known |= {*frame.f_locals, *frame.f_globals}
    close = closest(error.name, [one for one in known if len(one) > 1])
    return (UNDEFINED.get(error.name, "undefined-name"),
            {"name": error.name, "did_you": did_you_mean(close)})


def did_you_mean(close):
    return f" Did you mean {close}?" if close else ""


def closest(name, known):
    """The known name that is nearest to a misspelt one, or an empty text."""
    alike = {one.lower().translate(LOOK_ALIKE): one for one in sorted(known, reverse=True)}
    found = difflib.get_close_matches(name.lower().translate(LOOK_ALIKE), alike, 1, cutoff=0.7)
    return alike[found[0]] if found else ""
