"""The four checks of exercise 3 behind one function, and the progress they add up to."""

import functools
from dataclasses import dataclass

from exercise_animation import check_animation
from exercise_file import TODOS, LearnerFile, WrongError
from exercise_interpolate import check_interpolate, check_with_own_model
from exercise_layers import check_decode, check_encode

ENCODE, DECODE, INTERPOLATE, CHALLENGE = TODOS
WHOLE_FILE = "The file as a whole"


@dataclass(frozen=True)
class Result:
    """How far one TODO is, and what to tell the learner about it."""

    state: str           # "right", "wrong", "to do", or "unchecked"
    message: str = ""
    hint: str = ""
    line: int = 1


class Exercise:
    """All checks of one file; each result is found out once."""

    def __init__(self, path, **options):
        self.learner = LearnerFile(path, **options)
        self.results = {}

    @functools.cached_property
    def file_result(self):
        """Whether the file can be used at all."""
        problem = self.learner.problem
        if problem is None and any(self.learner.begun(todo) for todo in (ENCODE, DECODE)):
            problem = self._first_wrong(self.learner.make_vae)
        return self._result(problem, WHOLE_FILE, "reading the file", 1)

    def result(self, todo):
        """How far a TODO is."""
        if todo not in self.results:
            self.results[todo] = self._find_out(todo)
        return self.results[todo]

    def _find_out(self, todo):
        line = self.learner.line(todo)
        if self.learner.problem or (todo.owner and self.file_result.state == "wrong"):
            return Result("unchecked", "the file cannot be used, see above", line=line)
        if not self.learner.begun(todo):
            return Result("to do", f"{todo.title} is not begun yet", line=line)
        wrong = self._first_wrong(self._check, todo)
        return self._result(wrong, todo.title, f"{todo.name}(...)", line)

    def _check(self, todo):
        if todo == ENCODE:
            check_encode(self.learner)
        elif todo == DECODE:
            check_decode(self.learner)
        elif todo == INTERPOLATE:
            check_interpolate(self.learner, todo)
            if self._is_right(ENCODE) and self._is_right(DECODE):
                check_with_own_model(self.learner, todo)
        else:
            check_animation(self.learner, todo, self._is_right(INTERPOLATE))

    def _is_right(self, todo):
        return self.result(todo).state == "right"

    def _first_wrong(self, function, *arguments):
        try:
            function(*arguments)
        except WrongError as wrong:
            return wrong
        return None

    def _result(self, wrong, title, called, line):
        if wrong is None:
            return Result("right", line=line)
        message = wrong.message(title, called, self.learner.path, line)
        return Result("wrong", message, wrong.hint, wrong.line or line)


def progress(results, file, outputs, solution):
    """The closing lines: how far each TODO is, and what comes next.

    ``results`` is a dict of Todo (and WHOLE_FILE) to Result, of all that were checked.
    """
    lines = []
    whole = results.get(WHOLE_FILE)
    for todo in TODOS:
        result = results.get(todo, Result("unchecked"))
        state = {"unchecked": "not checked", "wrong": "WRONG, see above"}.get(
            result.state, result.state)
        lines.append(f"  {todo.label:10} {todo.name:30} {state}")
    lines.append("")
    if whole and whole.state == "wrong":
        return [*lines, f"Next: repair {file}, line {whole.line} (see above)."]
    ahead = [todo for todo in TODOS if results.get(todo, Result("")).state in ("wrong", "to do")]
    if ahead:
        line = results[ahead[0]].line
        return [*lines, f"Next: {ahead[0].title}, in {file}, line {line}"]
    if all(todo in results for todo in TODOS):
        return [*lines, "All four are right, well done!",
                f"  See what they do:   python {file}",
                f"  It draws            {outputs}/my_interpolation.png",
                f"  and your GIF        {outputs}/latent_walk.gif (open it in a browser)",
                f"  Compare your code:  {solution}"]
    return [*lines, "What was checked is right."]
