"""What is to be written, and what of it stands in a learner's file (read, never run)."""

import ast
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from tests.exercise.hints import WrongError

SEVERAL = 2
PURE = {          # functions and methods that change nothing: their result is all they do
    "relu", "sigmoid", "tanh", "encoder_fc1", "encoder_fc2", "fc_mu", "decoder_fc1", "decoder_fc2",
    "decoder_out", "encode", "decode", "reshape", "view", "squeeze", "unsqueeze", "flatten",
    "numpy", "detach", "astype", "clip", "round", "repeat", "kron", "transpose", "interpolate",
}


@dataclass(frozen=True)
class Todo:
    """One of the four things to write."""

    label: str           # as in the starter's docstrings
    name: str            # of the function
    owner: str = ""      # of the class that the function belongs to

    @property
    def title(self):
        return f"{self.label}, {self.name}"


ENCODE = Todo("TODO 1", "encode", "SimpleVAE")
DECODE = Todo("TODO 2", "decode", "SimpleVAE")
INTERPOLATE = Todo("TODO 3", "interpolate")
CHALLENGE = Todo("Challenge", "create_latent_walk_animation")
TODOS = (ENCODE, DECODE, INTERPOLATE, CHALLENGE)
BY_NAME = {todo.name: todo for todo in TODOS}


class SourceFile:
    """The text of a starter; ``problem`` says why Python cannot read it, or is None."""

    def __init__(self, path):
        self.path = Path(path).resolve()
        self.tree, self.code, self.lines, self.problem = ast.Module([], []), None, [], None
        try:
            self._read()
        except WrongError as wrong:
            self.problem = wrong

    def _read(self):
        try:                                      # as Python does: byte order mark, coding line
            text = importlib.util.decode_source(self.path.read_bytes())
        except (OSError, SyntaxError, ValueError) as error:
            seen = f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
            raise WrongError("unreadable-file", seen, line=1) from None
        self.lines = text.splitlines()
        if "\0" in text:
            raise WrongError("unreadable-file", "a zero byte in the text", line=1)
        try:
            tree = ast.parse(text, str(self.path))
            self.code = compile(tree, str(self.path), "exec")      # finds more than ast.parse
        except (SyntaxError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None) or 1
            hint = "merge-marks" if self.text_of(line).startswith(("<<<<", "====", ">>>>")) \
                else "syntax-error"
            seen = f"{type(error).__name__}: {getattr(error, 'msg', 'too deeply nested')}"
            raise WrongError(hint, seen, line=line, show_line=True) from None
        self.tree = tree

    def text_of(self, line):
        """The text of a line, without its indentation."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""

    def definitions(self, todo):
        """All definitions of a TODO's function, in order; the last one counts for Python."""
        inside = [self.tree]
        if todo.owner:
            inside = [node for node in self.tree.body
                      if isinstance(node, ast.ClassDef) and node.name == todo.owner][-1:]
        return [node for scope in inside for node in scope.body
                if isinstance(node, ast.FunctionDef) and node.name == todo.name]

    def line(self, todo):
        found = self.definitions(todo)
        return found[-1].lineno if found else 1

    def state(self, todo):
        """Return "to do", "begun", or the WrongError that shows without running anything."""
        found = self.definitions(todo)
        lines = ", ".join(str(node.lineno) for node in found)
        if not found:
            return self._elsewhere(todo) or "begun"
        if not is_empty(found[-1]):
            return "begun"
        if any(not is_empty(node) for node in found):
            return WrongError("defined-twice", f"def {todo.name} in the lines {lines}",
                              name=todo.name)
        return "to do"

    def remark(self, todo):
        """What is worth a word although the answer may be right."""
        found = self.definitions(todo)
        if len(found) < SEVERAL:
            return ""
        lines = " and ".join(str(node.lineno) for node in found)
        return f"def {todo.name} stands in the lines {lines}; Python takes the last one"

    def _elsewhere(self, todo):
        """A function with the right name in the wrong place, mostly by its indentation."""
        classes = [node.name for node in self.tree.body if isinstance(node, ast.ClassDef)]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef) and node.name == todo.name \
                    and (not todo.owner or todo.owner in classes):
                hint = "outside-class" if todo.owner else "inside-other"
                return WrongError(hint, f"def {todo.name} in line {node.lineno}, indented by "
                                  f"{node.col_offset} spaces", line=node.lineno, name=todo.name)
        return None

    def without_effect(self, todo):
        """The mistake, if any, that shows in the text of a function whose result is wrong."""
        for node in (node for found in self.definitions(todo)[-1:] for node in ast.walk(found)):
            match node:
                case ast.ExceptHandler(body=[ast.Pass() | ast.Continue() | ast.Return()]):
                    return WrongError("swallowed", "", line=node.lineno, show_line=True)
                case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name in PURE:
                    return WrongError("dropped", "", name=name, line=node.lineno, show_line=True)
        return None

    def returns_in_loop(self, todo):
        """Whether a loop of a TODO's function holds a return of its own."""
        loops = [node for found in self.definitions(todo)[-1:] for node in ast.walk(found)
                 if isinstance(node, (ast.For, ast.While))]
        return any(isinstance(node, ast.Return) for loop in loops for node in ast.walk(loop))


def is_empty(function):
    """Whether a function holds nothing but a docstring, pass, ..., an empty return or its raise."""
    return all(is_stub(statement) for statement in function.body)


def is_stub(statement):
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
