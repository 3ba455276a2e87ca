"""What the process does with a job: check a file, or let it make its pictures."""

import time

import imageio.v3  # noqa: F401  (the starter imports it, before a clock runs for it)
import torch

import patterns
from tests.exercise import pictures
from tests.exercise.hints import BY_RESULT, WrongError
from tests.exercise.interpolate import check_interpolate
from tests.exercise.layers import check_decode, check_encode
from tests.exercise.learner import Learner
from tests.exercise.report import Result, wrong_result
from tests.exercise.todos import BY_NAME, CHALLENGE, DECODE, ENCODE, INTERPOLATE, SourceFile
from tests.exercise.walk import check_walk

CHECKS = {ENCODE: check_encode, DECODE: check_decode, INTERPOLATE: check_interpolate,
          CHALLENGE: check_walk}


def point_outputs_to(folder):
    """Where the learner's file finds OUTPUT_DIR when it imports it."""
    patterns.OUTPUT_DIR = folder
    torch.set_num_threads(1)


def do(job, folder, send, at_most):
    """Do one job; what is found out is sent away at once, in case that the next step is the end."""
    source = SourceFile(job["file"])
    learner = Learner(source, folder)
    if job["task"] == "show":
        with at_most(job["left"]):
            pictures.make_frames(learner, job["usable"], folder, job["weights"])
    else:
        check(job, learner, send, at_most)


def check(job, learner, send, at_most):
    """Load a file and check some of its TODOs, in order."""
    todos, right = [BY_NAME[name] for name in job["todos"]], set(job["right"])
    send(kind="start", name="", file=job["file"])
    clock = Clock(job, at_most)
    with clock:
        problem = first_problem(learner, any(todo.owner for todo in todos))
    if problem:
        send(kind="file", name="", file=job["file"], result=vars(problem),
             printed=learner.printed)
        return
    for todo in todos:
        send(kind="start", name=todo.name, file=job["file"])
        if clock.left <= 0:
            result = Result("unchecked", learner.source.line(todo),
                            message="the others took all the time that there is")
        else:
            with clock:
                result = find_out(learner, todo, right)
        if result.state == "right":
            right.add(todo.name)
        send(kind="result", name=todo.name, file=job["file"], result=vars(result),
             printed=learner.printed)


class Clock:
    """Ends the process if a check takes too long, or all of them together."""

    def __init__(self, job, at_most):
        self.seconds, self.left, self.at_most = job["seconds"], job["left"], at_most

    def __enter__(self):
        self.begin = time.monotonic()
        self.limit = self.at_most(max(0.1, min(self.seconds, self.left)))
        self.limit.__enter__()

    def __exit__(self, *error):
        self.limit.__exit__(*error)
        self.left -= time.monotonic() - self.begin


def first_problem(learner, with_model):
    """What keeps the file as a whole from being used, as a Result, or None."""
    called = f"python {learner.source.path.name}"
    try:
        learner.load()
        if with_model:
            learner.make_vae()
    except WrongError as wrong:
        return wrong_result(wrong, called, learner.source, 1)
    except Exception as error:
        return wrong_result(of_the_checks(error), called, learner.source, 1)
    return None


def find_out(learner, todo, right):
    """Check one TODO; ``right`` holds the names of those that are known to be right."""
    line, learner.todo = learner.source.line(todo), todo
    try:
        remark = CHECKS[todo](learner, right)
    except WrongError as wrong:
        in_text = learner.source.without_effect(todo)
        if in_text and wrong.hint in BY_RESULT:
            in_text.seen, in_text.called = wrong.seen, wrong.called
            wrong = in_text
        return wrong_result(wrong, f"{todo.name}(...)", learner.source, line)
    except Exception as error:      # a mistake of the checks must not be taken for a right answer
        return wrong_result(of_the_checks(error), f"{todo.name}(...)", learner.source, line)
    remarks = [text for text in (learner.source.remark(todo), remark) if text]
    return Result("right", line, remark="; ".join(remarks))


def of_the_checks(error):
    return WrongError("checks-failed", f"{type(error).__name__}: {error}")
