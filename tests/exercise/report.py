"""What the checks print: at most a handful of lines for each TODO, the next step last."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.exercise.hints import HINTS
from tests.exercise.todos import CHALLENGE, TODOS

WIDTH = 99              # no line is longer
MARK = "  {:9}"         # in front of each part of a message
MOST_LINES = 2          # of what was seen, of a cause, of a place
MOST_PRINTED = 8        # lines that are shown of what a function printed
ROOT = Path(__file__).resolve().parents[2]
WORDS = {"wrong": "not right yet\n{}", "unchecked": "not checked: {}"}


@dataclass(frozen=True)
class Result:
    """How far one TODO (or the file as a whole) is, and what to tell the learner about it."""

    state: str           # "right", "wrong", "to do", or "unchecked"
    line: int = 1
    hint: str = ""       # a key of HINTS
    message: str = ""    # the four parts of a wrong answer; why something was not checked
    cause: str = ""      # that part alone


def wrong_result(wrong, source, todo=None):
    """The Result of a WrongError in a TODO, or in the file as a whole: what a learner reads."""
    cause, look = (text.format_map(wrong.details) for text in HINTS[wrong.hint])
    line = wrong.line or (source.line(todo) if todo else 1)
    if wrong.show_line or not look:
        look = source.text_of(line)
    called = wrong.called or (f"{todo.name}(...)" if todo else f"python {source.path.name}")
    parts = {"called": called, "seen": wrong.seen, "cause": cause,
             "look at": f"{source.path.name}, line {line}: {look}"}
    message = "\n".join(part(*one) for one in parts.items())
    return Result("wrong", line, wrong.hint, message, cause)


def part(name, text):
    """One part of a message, wrapped and cut."""
    return textwrap.fill(" ".join(ascii_only(text).split()), WIDTH, max_lines=MOST_LINES,
                         initial_indent=MARK.format(name), subsequent_indent=MARK.format(""),
                         break_on_hyphens=False, placeholder=" ...")


def ascii_only(text):
    """A text as every terminal can show it."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def verdict(judgement, messages=True):
    """The lines that say how far each TODO is, with or without the messages on wrong ones."""
    lines = []
    for name, text in judgement.printed.items():
        lines += [f"Printed by {name} (up to {MOST_PRINTED} lines):"]
        lines += [f"  {line[:WIDTH - 2]}" for line in ascii_only(text).splitlines()[:MOST_PRINTED]]
    if messages and judgement.file.state == "wrong":
        lines.append(f"The file as a whole: not right yet\n{judgement.file.message}")
    for todo in TODOS:
        said = told(judgement, todo)
        lines.append(said if messages else said.partition("\n")[0])
    return "\n".join(lines + judgement.source.notes())


def told(judgement, todo):
    """The lines on one TODO."""
    result = judgement.results[todo]
    return f"{todo.title}: {WORDS.get(result.state, result.state).format(result.message)}"


def next_step(judgement):
    """The last lines."""
    file = judgement.source.path
    if judgement.file.state == "wrong":
        return f"Next: repair {file.name}, line {judgement.file.line}"
    ahead = [todo for todo in TODOS if judgement.results[todo].state != "right"]
    if ahead:
        next_one = "Next, if you like" if ahead[0] is CHALLENGE else "Next"
        line = judgement.results[ahead[0]].line
        return f"{next_one}: {ahead[0].title} ({file.name}, line {line})"
    solution = ROOT / "solutions" / "latent_solution.py"
    another = f" Another way to write it: {solution.relative_to(ROOT)}"
    return "All four are right, well done!" + another * (solution.exists() and file != solution)
