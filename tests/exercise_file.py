"""The learner's file: what is begun in it, in which line, and how to call it safely."""

import ast
import difflib
import importlib.util
import os
import shutil
import sys
import tempfile
import traceback
import types
import weakref
from dataclasses import dataclass
from pathlib import Path

import exercise_reference as reference
import imageio.v3  # noqa: F401  (what the starter imports, before a clock runs for it)
import numpy as np
import torch
from exercise_guard import DebuggerError, TimeLimit, guarded
from exercise_hints import HINTS

import latent_space_exploration  # noqa: F401  (the same)

SECONDS = 5             # for one call of the learner's code


@dataclass(frozen=True)
class Todo:
    """One of the four things to write."""

    label: str           # as in the starter's docstrings
    name: str            # of the function
    owner: str = ""      # of the class that the function belongs to

    @property
    def title(self):
        return f"{self.label}, {self.name}"


TODOS = (
    Todo("TODO 1", "encode", "SimpleVAE"),
    Todo("TODO 2", "decode", "SimpleVAE"),
    Todo("TODO 3", "interpolate"),
    Todo("Challenge", "create_latent_walk_animation"),
)


class WrongError(Exception):
    """An answer that is not right: what was called and seen, and which hint fits."""

    def __init__(self, hint, seen, line=None, **details):
        super().__init__(hint)
        self.hint, self.seen, self.line, self.details = hint, seen, line, details
        self.called = None

    def message(self, title, called, file, line):
        """The four parts that a learner reads."""
        cause, look = HINTS[self.hint]
        cause, look = cause.format(**self.details), look.format(**self.details)
        at = f"{Path(file).name}, line {self.line or line}"
        parts = {
            "called": self.called or called, "seen": self.seen, "cause": cause,
            "look at": f"{at}: {look}" if look else at,
        }
        return f"{title}: not right yet\n\n" + "\n".join(
            f"  {name:9}" + text.replace("\n", "\n" + 11 * " ") for name, text in parts.items())


class LearnerFile:
    """A starter file at any stage, right or wrong, read once.

    ``problem`` is None, or the WrongError that keeps the whole file from being used.
    """

    def __init__(self, path, seconds=SECONDS):
        self.path = Path(path).resolve()
        self.seconds, self.calls = seconds, 0
        self.tree, self.module, self.problem = ast.Module([], []), None, None
        self.folder = Path(tempfile.mkdtemp(prefix="exercise-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "cwd").mkdir()
        (self.folder / "outputs").mkdir()
        try:
            self._load()
        except WrongError as wrong:
            self.problem = wrong

    def _load(self):
        try:                                      # as Python does: byte order mark, coding line
            source = importlib.util.decode_source(self.path.read_bytes())
        except (OSError, SyntaxError, ValueError) as error:
            raise WrongError("unreadable-file", f"{type(error).__name__}: {error}", 1) from None
        try:
            tree = ast.parse(source, str(self.path))
            code = compile(tree, str(self.path), "exec")       # finds more than ast.parse
        except ValueError as error:               # a zero byte
            raise WrongError("unreadable-file", f"{type(error).__name__}: {error}", 1) from None
        except SyntaxError as error:
            raise WrongError(
                "syntax-error", f"{type(error).__name__}: {error.msg}, in the line\n"
                f"    {(error.text or '').strip()}", error.lineno) from None
        self.tree = tree
        module = types.ModuleType("learner_file")
        module.__file__ = str(self.path)
        sys.modules[module.__name__] = module          # dataclasses and pickle look there
        self.call(self._execute, code, module.__dict__, importing=True)
        self.module = module

    def _execute(self, code, namespace):
        sys.path.append(str(self.path.parent))         # for helper files beside it
        exec(code, namespace)

    # --- what stands where ------------------------------------------------------
    def line(self, todo):
        found = definition(self.tree, todo)
        return found.lineno if found else 1

    def begun(self, todo):
        """Whether a TODO holds more than a docstring, pass, ..., return or its raise."""
        found = definition(self.tree, todo)
        return found is None or not all(is_stub(statement) for statement in found.body)

    def function(self, todo):
        """The function of a module-level TODO."""
        return self.find(self.module, todo.name)

    def make_vae(self):
        """The learner's SimpleVAE with loud weights."""
        vae = self.call(self.find(self.module, "SimpleVAE"), called="SimpleVAE()")
        try:
            vae.load_state_dict(reference.loud_weights())
        except (RuntimeError, AttributeError):
            raise WrongError(
                "layers-changed", "layers other than the given six, or of other sizes") from None
        return vae

    def find(self, owner, name):
        if not callable(getattr(owner, name, None)):
            raise WrongError("name-missing", f"the file defines no {name}", name=name)
        return getattr(owner, name)

    # --- calling it ---------------------------------------------------------------
    def call(self, function, *arguments, called=None, importing=False, seconds=None, **options):
        """Call something of the learner's; whatever goes wrong becomes a WrongError."""
        seconds = seconds or self.seconds
        self.calls += 1
        try:
            with guarded(self.path, self.folder / "cwd", seconds):
                # noise has to differ between calls
                torch.default_generator.manual_seed(self.calls)
                np.random.seed(self.calls)  # noqa: NPY002
                return function(*arguments, **options)
        except KeyboardInterrupt:
            raise
        except BaseException as error:                 # SystemExit and TimeLimit as well
            wrong = self._explain(error, importing, seconds)
            wrong.called = called
            raise wrong from None

    def _explain(self, error, importing, seconds):
        """Turn an exception into words, and into a hint where the cause is known."""
        own = [frame for frame in traceback.extract_tb(error.__traceback__)
               if frame.filename == str(self.path)]
        line = own[-1].lineno if own else None
        if isinstance(error, TimeLimit):
            where = f", it was at\n    {own[-1].line}" if own else ""
            return WrongError("endless", f"no end after {seconds:g} seconds{where}", line)
        seen = f"{type(error).__name__}: {shortened(str(error))}"
        if own:
            seen += f"\n    {own[-1].line}"
        hint, details = hint_for(error)
        if hint == "gradients-tracked" and own and ".numpy(" not in own[-1].line:
            hint = "numpy-function"
        if importing and hint == "error":
            hint = "error-on-import"
        return WrongError(hint, seen, line, **details)


def definition(tree, todo):
    """The node of a TODO's function in the syntax tree of a file, or None."""
    inside = tree
    if todo.owner:
        classes = [node for node in tree.body
                   if isinstance(node, ast.ClassDef) and node.name == todo.owner]
        inside = classes[-1] if classes else ast.Module([], [])
    return next((node for node in reversed(inside.body)
                 if isinstance(node, ast.FunctionDef) and node.name == todo.name), None)


def is_stub(statement):
    """Whether a statement stands for "not written yet"."""
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Return(value=None | ast.Constant(value=None)):
            return True
        case ast.Raise(exc=ast.Name(id="NotImplementedError")):
            return True
        case ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError"))):
            return True
    return False


def shortened(text, most=300):
    """The first line of a text, and not too much of it."""
    first = text.strip().split("\n")[0]
    return first if len(first) <= most else first[:most] + " ..."


# What is known of an exception by its type and by words in its text.
KNOWN_ERRORS = (
    (SystemExit, "", "exits"),
    (EOFError, "", "asks-keyboard"),
    (DebuggerError, "", "debugger"),
    (RecursionError, "", "recursion"),
    (FileNotFoundError, "", "relative-path"),
    (RuntimeError, "mat1 and mat2 shapes", "sizes-do-not-fit"),
    (RuntimeError, "Can't call numpy() on Tensor that requires grad", "gradients-tracked"),
    (ValueError, "values to unpack", "unpacked"),
    (TypeError, "'Tensor' and 'Linear'", "layer-not-called"),
    (TypeError, "'Linear' and 'Tensor'", "layer-not-called"),
    (TypeError, "must be Tensor, not Linear", "layer-not-called"),
    (TypeError, "Sigmoid.__init__", "not-applied"),
    (TypeError, "ReLU.__init__", "not-applied"),
    (TypeError, "positional argument", "arguments"),
    (TypeError, "unexpected keyword", "arguments"),
    (TypeError, "must be Tensor, not ReLU", "not-applied"),
    (TypeError, "must be Tensor, not Sigmoid", "not-applied"),
    (TypeError, "must be Tensor, not numpy", "array-into-layer"),
    (TypeError, "must be Tensor, not builtin_function", "brackets-missing"),
    (TypeError, "Cannot handle this data type", "not-uint8"),
)


def hint_for(error):
    """The hint that belongs to an exception, and what to fill into it."""
    if isinstance(error, NotImplementedError) and str(error).startswith(("TODO", "Challenge")):
        return "raise-left", {}
    if isinstance(error, AttributeError) and isinstance(error.obj, torch.nn.Module):
        return missing_attribute(error.name)
    if isinstance(error, NameError):
        known = error.name in reference.SIZES
        return "self-missing" if known else "undefined-name", {"name": error.name}
    for kind, words, hint in KNOWN_ERRORS:
        if isinstance(error, kind) and words in str(error):
            return hint, {}
    return "error", {}


def missing_attribute(name):
    """The hint for a layer or function that the model does not have."""
    known = [*reference.SIZES, "encode", "decode"]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return "misspelt", {"name": name, "close": close[0]}
    return "no-such-layer", {"name": name}


def default_starter():
    """The starter file of this package."""
    return Path(__file__).resolve().parent.parent / "latent_starter.py"


def relative_to_here(path):
    """A path as a person would type it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative
