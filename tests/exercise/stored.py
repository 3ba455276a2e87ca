"""The stored answers: right and wrong ones, put into the place of a TODO in a finished file.

A file of answers begins with a sentence, then come sections:

    == wrong HINT: title          HINT is a name in hints.txt
    == right: title

Below stands the whole function (what stands in front of it goes to the top of the file), or
an edit: lines that begin with "- " are taken out of the solution's function, those that
begin with "+ " come in their place. "== base NAME" gives another function to edit, for
all sections below it; "== base" goes back to the solution's. The word SCALE stands for
the factor that enlarges a picture to 256 pixels.
"""

import re
import textwrap
from collections import namedtuple
from pathlib import Path

from tests.exercise.process import ROOT
from tests.exercise.todos import TODOS

ANSWERS = Path(__file__).parent / "answers"
FILES = ("encode", "decode", "interpolate", "walk")
Answer = namedtuple("Answer", "todo title hint code")       # the hint is empty for a right one


def read_solution():
    """The text of the solution, with the learner's name for the GIF, and with fewer frames."""
    text = (ROOT / "solutions" / "latent_solution.py").read_text(encoding="utf-8")
    text = text.replace("latent_solution_walk.gif", "latent_walk.gif")
    return text.replace("num_steps=12", "num_steps=3")


def stored():
    """All stored answers."""
    answers = []
    for todo, name in zip(TODOS, FILES):
        text = (ANSWERS / f"{name}.txt").read_text(encoding="utf-8")
        text = text.replace("SCALE", "-(-256 // IMAGE_SIZE)")
        base = solution = function_text(read_solution(), todo)
        for section in re.split(r"^== ", text, flags=re.MULTILINE)[1:]:
            heading, body = section.split("\n", 1)
            kind, _, title = heading.partition(": ")
            body = body.strip("\n")
            if kind.startswith("base"):
                base = body or solution
            else:
                hint = kind.removeprefix("wrong ").removeprefix("right")
                code = edited(base, body, title) if body.startswith("- ") else body
                answers.append(Answer(todo, title, hint, code))
    return answers


def edited(code, edit, title):
    """A function with some of its lines replaced; indentation is kept."""
    for parts in re.findall(r"((?:^-.*\n?)+)((?:^\+.*\n?)*)", edit, flags=re.MULTILINE):
        old, new = (re.sub(r"^. ?", "", part, flags=re.MULTILINE).rstrip("\n")
                    for part in parts)
        if code.count(old) != 1:
            raise ValueError(f"{title}: {old!r} stands {code.count(old)} times in the function")
        code = code.replace(old, new)
    return code


def find(source, todo):
    """The lines of a TODO's function: its def, and all that are empty or further to the right."""
    return re.search(rf"^( *)def {todo.name}\(.*\n((\1 +.*)?\n)*", source, flags=re.MULTILINE)


def function_text(source, todo):
    """A TODO's function, without the indentation of a method."""
    return textwrap.dedent(find(source, todo)[0]).strip()


def put_in(source, todo, code):
    """A source text with ``code`` in place of a TODO; what is above its def goes to the top."""
    found = find(source, todo)
    above, function = re.fullmatch(r"(.*?)^((?:def |@).*)", code, flags=re.DOTALL | re.M).groups()
    source = source.replace(found[0], textwrap.indent(function, found[1]) + "\n\n\n")
    place = source.index("\nclass ") + 1
    return source[:place] + above + source[place:]


def emptied(source, *todos):
    """A source text whose TODOs are not begun."""
    for todo in todos:
        head = function_text(source, todo).splitlines()[0]
        source = put_in(source, todo, f"{head}\n    raise NotImplementedError")
    return source
