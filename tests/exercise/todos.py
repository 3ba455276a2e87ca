"""What is to be written, and what of it stands in a learner's file (read, never run)."""

import ast
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from tests.exercise.hints import BY_RESULT, KNOWN_CODE, WrongError

PURE = {          # functions and methods that change nothing: their result is all they do
    "relu", "sigmoid", "tanh", "encoder_fc1", "encoder_fc2", "fc_mu", "decoder_fc1", "decoder_fc2",
    "decoder_out", "encode", "decode", "reshape", "view", "squeeze", "unsqueeze", "flatten",
    "numpy", "detach", "astype", "clip", "round", "repeat", "kron", "transpose", "interpolate",
}
# what comes of a loop that ends in its first round
RETURN_IN_LOOP = {"batch-lost", "row-count", "layer-skipped", "head-missing", "wrong-shape"}
NOTHING = r"(?s)pass|\.\.\.|['\"].*|return( None)?|raise NotImplementedError(\(.*\))?"


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
            self.lines = text.splitlines()
            self.tree = ast.parse(text, str(self.path))
            self.code = compile(self.tree, str(self.path), "exec")     # finds more than ast.parse
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None) or 0
            hint = "syntax-error" if line else "unreadable-file"
            if self.text_of(line).startswith(("<<<<", "====", ">>>>")):
                hint = "merge-marks"
            self.problem = WrongError(hint, f"{type(error).__name__}: {error}", line=line)

    def text_of(self, line):
        """The text of a line, without its indentation."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""

    def definitions(self, todo):
        """All definitions of a TODO's function, in order; the last one counts for Python."""
        scopes = named(self.tree.body, ast.ClassDef, todo.owner)[-1:] if todo.owner else [self.tree]
        return [node for scope in scopes for node in named(scope.body, ast.FunctionDef, todo.name)]

    def nodes(self, todo, *kinds):
        """What the definition that counts holds of some kinds of nodes, at any depth."""
        return [node for found in self.definitions(todo)[-1:] for node in ast.walk(found)
                if isinstance(node, kinds)]

    def line(self, todo):
        return next((found.lineno for found in reversed(self.definitions(todo))), 1)

    def line_with(self, todo, name):
        """The first line of a TODO's function that has a name after a dot, or the def's line."""
        lines = (node.end_lineno for node in self.nodes(todo, ast.Attribute) if node.attr == name)
        return min(lines, default=self.line(todo))

    def state(self, todo):
        """Whether a TODO is "to do" or "begun"; one without its function counts as begun."""
        found = self.definitions(todo)
        return "to do" if found and all(map(is_empty, found)) else "begun"

    def missing(self, name):
        """The WrongError for a function or a class that Python does not find in its place."""
        for node in named(ast.walk(self.tree), ast.FunctionDef, name):
            seen = f"def {name} in line {node.lineno}, indented by {node.col_offset} spaces"
            return WrongError("misplaced", seen, line=node.lineno, name=name)
        return WrongError("name-missing", f"there is no function or class {name}", name=name)

    def imported_from(self, *packages):
        """The modules of some packages that the file imports, but for the starter's own."""
        found = re.findall(r"^ *(?:from|import) +([\w.]+)", "\n".join(self.lines), re.MULTILINE)
        return [name for name in found if name.split(".")[0] in packages
                and name != "tests.exercise.run"]

    def notes(self):
        """Lines on what the checks leave out, beside all verdicts."""
        blocks = [node.lineno for node in self.tree.body if isinstance(node, ast.If)
                  and ast.unparse(node.test).startswith("__name__ ==")]
        return [f"(Line {line}: the checks do not run what stands under if __name__ there.)"
                for line in blocks[1:]]

    def loop_around(self, line):
        """The line of the loop that a line is part of (a while, if there is one), or 0."""
        loops = [node for node in ast.walk(self.tree) if isinstance(node, (ast.While, ast.For))
                 and node.lineno <= line <= node.end_lineno]
        whiles = [node for node in loops if isinstance(node, ast.While)]
        return max((node.lineno for node in whiles or loops), default=0)

    def lines_of(self, todo):
        """The lines of a TODO's function, without its docstring: pairs of number and text."""
        return [(line, self.text_of(line).split(" #")[0]) for node in self.definitions(todo)[-1:]
                for line in range(node.lineno, node.end_lineno + 1)
                if not (ast.get_docstring(node) and line <= node.body[0].end_lineno
                        and line >= node.body[0].lineno)]

    def line_like(self, todo, expression, last=False):
        """The first line of a TODO's function, or the last, that an expression is found in.

        Of several expressions with " || " between them the first that is found counts.
        """
        lines = self.lines_of(todo)
        found = [line for one in expression.split(" || ") for line, text in lines
                 if re.search(one, text)]
        if last:
            found = found[-1:] or [line for line, _ in lines[-1:]]
        return found[0] if found else self.line(todo)

    def mistake_in_text(self, todo, hint, seen):
        """The mistake, if any, that shows in the text of a function that is wrong."""
        for line, text in self.lines_of(todo):
            for expression, known in KNOWN_CODE:
                if re.search(expression, f"{hint} @{todo.name}: {text}"):
                    return WrongError(known, seen, line=line, show_line=True)
        if hint not in BY_RESULT:
            return None
        if hint in RETURN_IN_LOOP and self.returns_in_loop(todo):
            return WrongError("return-in-loop", seen, line=self.line_like(todo, r"^return\b"))
        for node in self.nodes(todo, ast.ExceptHandler, ast.Expr):
            if hint == "returns-nothing" and node is self.definitions(todo)[-1].body[-1]:
                break                     # its last line lacks no assignment, but a return
            match node:
                case ast.ExceptHandler(body=body) if hint == "no-file" or isinstance(
                        body[0], ast.Pass | ast.Continue | ast.Return):
                    return WrongError("swallowed", seen, line=node.lineno)
                case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name in PURE:
                    return WrongError("dropped", seen, line=node.lineno, name=name)
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
    return all(re.fullmatch(NOTHING, ast.unparse(statement)) for statement in function.body)
