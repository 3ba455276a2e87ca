"""What the checks print: at most a handful of lines for each TODO, the next step last."""

import textwrap
from dataclasses import dataclass

from tests.exercise.hints import HINTS
from tests.exercise.todos import CHALLENGE, TODOS

WIDTH = 99              # no line is longer
MARK = "  {:9}"         # in front of each part of a message
MOST_LINES = 2          # of what was seen, of a cause, of a place
WORDS = {"wrong": "not right yet\n{}", "unchecked": "not checked: {}"}


@dataclass(frozen=True)
class Result:
    """How far one TODO (or the file as a whole) is, and what to tell the learner about it."""

    state: str           # "right", "wrong", "to do", or "unchecked"
    line: int = 1
    hint: str = ""       # a key of HINTS
    message: str = ""    # the four parts of a wrong answer; why something was not checked
    remark: str = ""     # beside a right answer


def wrong_result(wrong, source, todo=None):
    """The Result of a WrongError in a TODO, or in the file as a whole: what a learner reads."""
    cause, look = (text.format_map(wrong.details) for text in HINTS[wrong.hint])
    line = wrong.line or (source.line(todo) if todo else 1)
    if wrong.show_line or not look:
        look = source.text_of(line)
    called = wrong.called or (f"{todo.name}(...)" if todo else f"python {source.path.name}")
    parts = {"called": called, "seen": wrong.seen, "cause": cause,
             "look at": f"{source.path.name}, line {line}: {look}"}
    return Result("wrong", line, wrong.hint, "\n".join(part(*one) for one in parts.items()))


def part(name, text):
    """One part of a message, wrapped and cut."""
    return textwrap.fill(" ".join(ascii_only(text).split()), WIDTH, max_lines=MOST_LINES,
                         initial_indent=MARK.format(name), subsequent_indent=MARK.format(""),
                         break_on_hyphens=False, placeholder=" ...")


def ascii_only(text):
    """A text as every terminal can show it."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def verdict(judgement):
    """The lines that say how far each TODO is."""
    lines = printed_lines(judgement.printed)
    if judgement.file.state == "wrong":
        lines += ["The file as a whole: not right yet", judgement.file.message]
    for todo in TODOS:
        result = judgement.results[todo]
        words = WORDS.get(result.state, result.state).format(result.message)
        lines.append(f"{todo.title}: {words}" + (f" ({result.remark})" if result.remark else ""))
    return "\n".join(lines)


def printed_lines(printed):
    """What the learner's code printed, in front of everything else."""
    lines = []
    for name, text in printed.items():
        shown = ["  " + ascii_only(line)[:WIDTH - 2] for line in text.rstrip().splitlines()]
        if len(shown) > 9:
            shown[8:] = [f"  ... ({len(shown) - 8} more lines)"]
        lines += [f"Printed by {name}:", *shown, ""]
    return lines


def next_step(judgement):
    """The last lines."""
    file = judgement.source.path.name
    if judgement.file.state == "wrong":
        return f"Next: repair {file}, line {judgement.file.line}"
    ahead = [todo for todo in TODOS if judgement.results[todo].state != "right"]
    if ahead:
        next_one = "Next, if you like" if ahead[0] is CHALLENGE else "Next"
        return f"{next_one}: {ahead[0].title} ({file}, line {judgement.results[ahead[0]].line})"
    return "All four are right, well done! Compare with solutions/latent_solution.py."
