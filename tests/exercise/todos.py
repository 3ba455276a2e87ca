"""What is to be written, and what of it stands in a learner's file (read, never run)."""

import ast
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from tests.exercise.hints import WrongError

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
        try:                                      # as Python does: byte order mark, coding line
            text = importlib.util.decode_source(self.path.read_bytes())
            if "\0" in text:
                raise ValueError("a zero byte in the text")
            self.lines = text.splitlines()
            tree = ast.parse(text, str(self.path))
            self.code = compile(tree, str(self.path), "exec")      # finds more than ast.parse
            self.tree = tree
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None) or 1
            hint = "syntax-error" if self.lines else "unreadable-file"
            if self.text_of(line).startswith(("<<<<", "====", ">>>>")):
                hint = "merge-marks"
            what = getattr(error, "strerror", None) or getattr(error, "msg", None) or str(error)
            seen = f"{type(error).__name__}: {what or 'too deeply nested'}"
            self.problem = WrongError(hint, seen, line=line, show_line=bool(self.lines))

    def text_of(self, line):
        """The text of a line, without its indentation."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""

    def scopes(self, todo):
        """Where a TODO's function belongs: the file, or the last class of the right name."""
        return named(self.tree.body, ast.ClassDef, todo.owner)[-1:] if todo.owner else [self.tree]

    def definitions(self, todo):
        """All definitions of a TODO's function, in order; the last one counts for Python."""
        return [node for scope in self.scopes(todo)
                for node in named(scope.body, ast.FunctionDef, todo.name)]

    def nodes(self, todo, *kinds):
        """What the definition that counts holds of some kinds of nodes, at any depth."""
        return [node for found in self.definitions(todo)[-1:] for node in ast.walk(found)
                if isinstance(node, kinds)]

    def line(self, todo):
        return next((found.lineno for found in reversed(self.definitions(todo))), 1)

    def state(self, todo):
        """Return "to do", "begun", or the WrongError that shows without running anything."""
        empty = [is_empty(node) for node in self.definitions(todo)]
        elsewhere = named(ast.walk(self.tree), ast.FunctionDef, todo.name)
        if empty and all(empty):
            return "to do"
        if empty and empty[-1]:
            return WrongError("defined-twice", self.remark(todo), name=todo.name)
        if empty or not elsewhere or not self.scopes(todo):
            return "begun"
        at = elsewhere[0]
        hint = "outside-class" if todo.owner else "inside-other"
        return WrongError(hint, f"def {todo.name} in line {at.lineno}, indented by "
                          f"{at.col_offset} spaces", line=at.lineno, name=todo.name)

    def remark(self, todo):
        """What is worth a word although the answer may be right."""
        lines = " and ".join(str(node.lineno) for node in self.definitions(todo))
        twice = f"def {todo.name} stands in the lines {lines}; Python takes the last one"
        return twice if " " in lines else ""

    def without_effect(self, todo):
        """The mistake, if any, that shows in the text of a function whose result is wrong."""
        for node in self.nodes(todo, ast.ExceptHandler, ast.Expr):
            match node:
                case ast.ExceptHandler(body=[ast.Pass() | ast.Continue() | ast.Return()]):
                    return WrongError("swallowed", "", line=node.lineno, show_line=True)
                case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name in PURE:
                    return WrongError("dropped", "", name=name, line=node.lineno, show_line=True)
        return None

    def returns_in_loop(self, todo):
        """Whether a loop of a TODO's function holds a return of its own."""
        return any(isinstance(node, ast.Return) for loop in self.nodes(todo, ast.For, ast.While)
                   for node in ast.walk(loop))


def named(nodes, kind, name):
    """The definitions of a name, of one kind, among some nodes."""
    return [node for node in nodes if isinstance(node, kind) and node.name == name]


def is_empty(function):
    """Whether a function holds nothing but a docstring, pass, ..., an empty return or its raise."""
    for statement in function.body:
        match statement:
            case (ast.Pass() | ast.Expr(value=ast.Constant())
                  | ast.Return(value=None | ast.Constant(value=None))
                  | ast.Raise(exc=ast.Name(id="NotImplementedError"))
                  | ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError")))):
                continue
        return False
    return True
