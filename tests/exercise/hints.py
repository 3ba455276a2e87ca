"""The words of the checks, read from hints.txt, and the exception that asks for them."""

import configparser
import contextlib
import re
from pathlib import Path

HINTS_FILE = Path(__file__).with_name("hints.txt")

LINES = {           # words in a hint's "look": what stands in the line that they mean
    "last line": r"\b(return|yield)\b", "of return": r"\breturn\b", "loop": r"\b(for|while)\b",
    "made anew": r"\bglobal\b|=(\[\]|\{\}|None)[,)]|hasattr|cache|self\.\w+ \+?= |[A-Z_]{2,}[.[]",
    "another number": r"rand|normal|bernoulli|shuffle|permut|sample|multinomial|[Dd]ropout|init",
    "slice": r"chunk|split|cat\(|\[.*:|sum|mean\( || return", "underscore": r"[-+*/]= |\] = |\w_\(",
    "transposition": r"\.m?[tT]\b|transpose|permute|=1\)",
    "the list": r"append|extend|\+=|\[.* for ",
    "steps are": r"linspace|arange|range\(|/ ?\(?num_steps|while ",
    "mixed": r"lerp|\*.*[-+]|linspace\(", "encoded": r"encode\(",
    "becomes": r"255|uint8|\.max\(|\.min\(|clip || (reshape|view).*(SIZE|16) || reshape|view"
               r" || decode\( || (?<!def )interpolate\(",
    "decoded": r"decode\( || (?<!def )interpolate\(",
    "operation": r"log|sqrt|\*\*|exp|/", "dimensions": r"unsqueeze|None|view|reshape|newaxis",
    "another order": r"sort|unique|shuffl|sample|\bset\(|::-1|reversed || (?<!def )interpolate\(",
    "step 1": r"(?<!def )interpolate\( || decode\(", "step 2": r"interpolate\( || decode\(",
    "step 3": r"kron|repeat|resize|tile|imshow|zoom|interpolate\(.*mode",
    "step 4": r"255|uint8|cmap", "step 5": r"imwrite|mimsave|save\(|writer || GIF_FILE",
}


class WrongError(Exception):
    """An answer that is not right: which hint fits, and what was seen."""

    def __init__(self, hint, seen, *, called="", line=None, show_line=False, **details):
        super().__init__(hint)
        self.hint, self.seen, self.called = hint, seen, called
        self.line, self.show_line, self.details = line, show_line, details


@contextlib.contextmanager
def about(called):
    """Put down to a call what is found wrong with its answer."""
    try:
        yield
    except WrongError as wrong:
        wrong.called = wrong.called or called
        raise


def placed(check):
    """A check that gives what it finds wrong the line of code that the hint speaks of."""
    def placing(learner, right):
        try:
            check(learner, right)
        except WrongError as wrong:
            look = HINTS[wrong.hint][1]
            line = next((line for words, line in LINES.items() if words in look), "def ")
            wrong.line = wrong.line or learner.source.line_like(
                learner.todo, line, last="last line" in look)
            raise
    return placing


def read_hints(text):
    """Return {group: {hint: (cause, look)}} and two lists of (regular expression, hint)."""
    parser = configparser.ConfigParser(delimiters=":", comment_prefixes="#", interpolation=None)
    parser.read_string(text, "hints.txt")
    groups, known, code = {}, [], []
    for section in parser.sections():
        group, _, place = section.partition(": ")
        for hint, entry in parser.items(section):
            cause, *rest = re.split(r"\n(\w+): ", entry)
            parts = list(zip(rest[::2], rest[1::2]))
            looks = [part for label, part in parts if label == "look"]
            groups.setdefault(group, {})[hint] = tuple(
                " ".join(text.split()) for text in (cause, *looks, place)[:2])
            known += [(part, hint) for label, part in parts if label == "when"]
            code += [(part, hint) for label, part in parts if label == "code"]
    # those that look at the place as well go first
    return groups, sorted(known, key=lambda pair: "@" not in pair[0]), code


GROUPS, KNOWN, KNOWN_CODE = read_hints(HINTS_FILE.read_text(encoding="utf-8"))
RESULT, MORPH = GROUPS["RESULT"], GROUPS["MORPH"]
BY_RESULT = {**RESULT, **MORPH, **GROUPS["WALK"]}     # what came back, or was written, is wrong
HINTS = {hint: texts for group in GROUPS.values() for hint, texts in group.items()}
