"""From what Python, NumPy and torch say to what somebody did who knows NumPy alone."""

import builtins
import difflib
import re
import traceback
import types
from dataclasses import dataclass

import numpy as np
import torch

from patterns import IMAGE_SIZE
from tests.exercise.hints import WrongError
from tests.exercise.reference import PIXELS, SIZES
from tests.exercise.todos import BY_NAME

FUNCTIONS = ("interpolate", "create_latent_walk_animation")
TORCH_CALLS_IT = {"relu": "torch.relu", "sigmoid": "torch.sigmoid", "tanh": "torch.tanh",
                  "expit": "torch.sigmoid", "logistic": "torch.sigmoid",
                  "stop_gradient": "torch.no_grad", "GradientTape": "torch.no_grad"}
VAES_OWN = ("encoder", "decoder", "fc_var", "reparameterize", "forward")

# "Type: message" as a regular expression, and the hint; the first that fits. Named groups
# are filled into the hint.
KNOWN = [(re.compile(pattern), hint) for pattern, hint in (
    (r"^SystemExit", "exits"),
    (r"^KeyboardInterrupt", "exits"),
    (r"^EOFError", "asks-keyboard"),
    (r"^DebuggerError", "debugger"),
    (r"^RecursionError", "recursion"),
    (r"no second process", "second-process"),
    (r"^MemoryError|can't allocate memory|^RuntimeError: std::bad_alloc", "memory"),
    (r"^FileNotFoundError", "relative-path"),
    (r"File too large", "file-too-large"),
    (r"^(ModuleNotFound|Import)Error", "no-module"),
    (r'missing the required "forward"', "no-forward"),
    (r"(cannot access|referenced before).*variable '(?P<name>\w+)'", "unbound"),
    (r"^NotImplementedError", "raise-left"),
    (r"mat1 and mat2 shapes cannot be multiplied \(\d+x(?P<got>\d+) and (?P<want>\d+)x",
     "sizes-do-not-fit"),
    (r"size mismatch, got input", "by-hand-shapes"),
    (r"same dtype|[Ee]xpected .*dtype|but found Double|type Double but found", "float64"),
    (r"shape '\[.*\]' is invalid for input of size (?P<size>\d+)", "reshape"),
    (r"cannot reshape array of size (?P<size>\d+)", "reshape"),
    (r"size of tensor a \((?P<a>\d+)\) must match the size of tensor b \((?P<b>\d+)\)",
     "broadcast"),
    (r"could not be broadcast together with shapes \((?P<a>[\d,]+)\) \((?P<b>[\d,]+)\)",
     "broadcast"),
    (r"unsupported operand type\(s\) for .*('numpy.ndarray' and 'Tensor'|'Tensor' and 'numpy)",
     "array-times-tensor"),
    (r"'Linear'.*and 'Tensor'|'Tensor' and 'Linear'|not Linear|'Linear' object is not",
     "layer-not-called"),
    (r"(ReLU|Sigmoid|Tanh).__init__|not (ReLU|Sigmoid|Tanh)|'(ReLU|Sigmoid|Tanh)' (and|object)|"
     r"and '(ReLU|Sigmoid|Tanh)'", "not-applied"),
    (r"not torch.return_types.max|return_types.max", "max-pair"),
    (r"maximum\(\).*must be Tensor, not (int|float)", "maximum-number"),
    (r"must be Tensor, not numpy|but got numpy.ndarray|Tensors, not numpy|Tensor, Tensor, numpy",
     "array-for-tensor"),
    (r"must be (Tensor|tuple of Tensors), not (builtin_function|function|method)|"
     r"'(builtin_function_or_method|function|method)' (and|object)|and '(builtin_function|method)",
     "brackets-missing"),
    (r"must be Tensor, not (tuple|list)", "list-for-tensor"),
    (r"must be Tensor, not (?P<kind>\w+)", "not-a-tensor"),
    (r"expected np.ndarray \(got Tensor\)", "already-tensor"),
    (r"context manager protocol|__enter__", "no-grad-brackets"),
    (r"cannot be interpreted as an integer", "whole-number"),
    (r"cannot unpack non-iterable|values to unpack", "unpacked"),
    (r"'(int|float)' object is not iterable", "not-a-sequence"),
    (r"'NoneType'", "none-used"),
    (r"'(?P<kind>\w+)' object is not callable", "not-callable"),
    (r"linspace only supports 0-dim", "linspace-of-codes"),
    (r"linspace\(\) received an invalid", "linspace-steps"),
    (r"only one element tensors|cannot be converted to Scalar|only (length-1|0-dim)",
     "one-number"),
    (r"ambiguous", "truth-value"),
    (r"can only concatenate (?P<kind>list|tuple)", "list-plus"),
    (r"leaf Variable that requires grad|inference tensor", "in-place"),
    (r"[Cc]annot handle this data type: \(.*\|u1|int too big to convert", "frame-axes"),
    (r"[Cc]annot handle this data type|[Uu]nsupported.*dtype|array data type", "not-uint8"),
    (r"inhomogeneous", "ragged"),
    (r"index .*out of (bounds|range)|list index out of range", "past-the-end"),
    (r"too many indices|0-dim tensor", "too-many-indices"),
    (r"Dimension out of range|axis \d+ is out of bounds", "no-such-dimension"),
    (r"(?P<name>\w+)\(\) (missing|takes|got)|positional argument|unexpected keyword",
     "call-arguments"),
    (r"received an invalid combination", "torch-arguments"),
)]


@dataclass(frozen=True)
class Place:
    """One step of a traceback; reading the lines of all would take a second for a recursion."""

    file: str
    name: str
    lineno: int

    @classmethod
    def of(cls, step):
        code = step[0].f_code
        return cls(code.co_filename, code.co_name, step[1])


def explain(error, source, todo):
    """The WrongError that an exception in the learner's code amounts to."""
    try:
        text = f"{type(error).__name__}: {error}".strip(": \n").split("\n")[0][:200]
    except Exception:                                 # its __str__ fails
        text = type(error).__name__
    frame, below = place_of(error, source, todo)
    hint, details = hint_for(error, text, frame, below, source, todo)
    line = frame.lineno if frame else None
    return WrongError(hint, text, line=line, show_line=bool(frame), **details)


def place_of(error, source, todo):
    """The innermost frame of the learner's file, and whether its line called anything further.

    The way ends where the function of another TODO is entered: that one is checked
    by itself, so what it was given is at fault.
    """
    found = below = None
    for frame in map(Place.of, traceback.walk_tb(error.__traceback__)):
        own = frame.file == str(source.path)
        if own and found and frame.name in BY_NAME and (todo is None or frame.name != todo.name):
            return found, True
        if own:
            found, below = frame, False
        elif found:
            below = True
    return found, bool(below)


def hint_for(error, text, frame, below, source, todo):
    """The key of the hint, and what is filled into it."""
    line = source.text_of(frame.lineno) if frame else ""
    if isinstance(error, AttributeError) and error.name:
        return missing_attribute(error.obj, error.name)
    if type(error) is NameError:
        return missing_name(error, frame, source)
    if "Can't call numpy()" in text:
        return grad_hint(line, todo), {}
    for pattern, hint in KNOWN:
        found = pattern.search(text)
        if found:
            details = {"name": "", **{k: v for k, v in found.groupdict().items() if v}}
            return refined(hint, details, line, below, frame, todo)
    return ("error-on-import" if todo is None else "error"), {}


def refined(hint, details, line, below, frame, todo):
    """Some messages mean different things in different places."""
    if hint == "sizes-do-not-fit" and not below:
        hint = "by-hand-shapes"
    elif hint == "sizes-do-not-fit":
        details["clue"] = clue(int(details["got"]), int(details["want"]))
    elif hint == "raise-left" and frame and todo and frame.name != todo.name:
        hint = "todo-called"
    elif hint == "reshape":
        count, rest = divmod(int(details["size"]), PIXELS)
        details["count"] = count
        hint = "batch-reshape" if count > 1 and not rest else hint
        if re.search(r"\b(784|28)\b", line) and IMAGE_SIZE != 28:
            hint = "mnist-size"
    elif hint == "broadcast" and todo and todo.name == "interpolate":
        hint = "alpha-shape"
    elif hint == "call-arguments":
        if frame is None:
            hint = "signature"
        elif re.search(r"\b(SimpleVAE|VAE)\.(en|de)code", line):
            hint = "class-not-model"
    elif hint == "truth-value" and re.search(r"nn\.\w+\(", line):
        hint = "not-applied"
    elif hint == "list-for-tensor" and "max(" in line:
        hint = "max-pair"
    return hint, details


def clue(got, want):
    """What a layer's input is, going by how many numbers it holds for each image."""
    if got > want and got % want == 0 and want in (PIXELS, SIZES["fc_mu"][1]):
        return (f"{got} is {got // want} times {want}: several images have become one row, where "
                "one row for each must stay.")
    if got == IMAGE_SIZE and want == PIXELS:
        return "The pictures became squares: layers take each as one flat row."
    if want == PIXELS and got == SIZES["encoder_fc1"][1]:
        return "encoder_fc1 takes pictures; what a hidden layer gave goes into the next layer."
    if want == SIZES["decoder_fc2"][0] and got in (PIXELS, SIZES["fc_mu"][1]):
        return "It is given the function's own argument, not what the layer before it gave."
    return "Layers are in the wrong order, one is left out, or a shape changed on the way."


def grad_hint(line, todo):
    """torch's refusal to turn what records gradients into an array."""
    if todo and not todo.owner:
        return "gradients-tracked"
    return "returns-array" if ".numpy(" in line else "numpy-function"


def missing_attribute(owner, name):  # noqa: PLR0911  (a case, a line)
    """Something was asked for what it does not have."""
    if isinstance(owner, torch.nn.Linear):
        return "layer-not-called", {}
    if isinstance(owner, torch.nn.Module):
        if name in VAES_OWN:
            return "other-model", {"name": name}
        if name in FUNCTIONS:
            return "not-a-method", {"name": name}
        close = closest(name, [*SIZES, "encode", "decode"])
        return ("misspelt" if close else "no-such-layer"), {"name": name, "close": close}
    if owner is None:
        return "none-used", {}
    if isinstance(owner, torch.Tensor) and name in ("encode", "decode"):
        return "model-expected", {"name": name}
    if isinstance(owner, types.ModuleType):
        close = closest(name, [one for one in dir(owner) if not one.startswith("_")])
        close = TORCH_CALLS_IT.get(name, close and f"{owner.__name__}.{close}")
        did_you = f" Did you mean {close}?" if close else ""
        return "not-in-module", {"module": owner.__name__, "name": name, "did_you": did_you}
    for kind, hint in ((torch.Tensor, "tensor-not-array"), (np.ndarray, "array-not-tensor"),
                       ((list, tuple), "list-not-array"),
                       ((types.FunctionType, types.BuiltinFunctionType, types.MethodType),
                        "brackets-missing")):
        if isinstance(owner, kind):
            return hint, {"name": name}
    if isinstance(owner, type) and issubclass(owner, torch.nn.Module):
        return "class-not-model", {"name": name}
    return "no-attribute", {"kind": type(owner).__name__, "name": name}


def missing_name(error, frame, source):
    """A name that stands for nothing."""
    name = error.name or str(error).split("'")[1]
    if name in SIZES:
        return "self-missing", {"name": name}
    if name in ("encode", "decode"):
        return "bare-method", {"name": name}
    if name == "self":
        return "self-outside", {}
    scope = error.__traceback__
    known = set(dir(builtins))
    while scope:
        known |= set(scope.tb_frame.f_locals) | set(scope.tb_frame.f_globals)
        at_learner = scope.tb_frame.f_code.co_filename == str(source.path)
        known = known if at_learner else set()
        scope = scope.tb_next
    close = closest(name, [one for one in known if len(one) > 1])
    return "undefined-name", {"name": name,
                              "did_you": f" Did you mean {close}?" if close else ""}


def closest(name, known):
    """The known name that is nearest to a misspelt one, or an empty text."""
    alike = {look(one): one for one in sorted(known, reverse=True)}
    found = difflib.get_close_matches(look(name), alike, n=1, cutoff=0.7)
    return alike[found[0]] if found else ""


def look(name):
    """A name without what is easily mistaken: capital letters, l for 1, O for 0."""
    return name.lower().translate(str.maketrans("lo", "10"))
