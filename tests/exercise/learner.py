"""A learner's file in the process made for it: load it, call its functions, answer a job on it."""

import contextlib
import io
import os
import shutil
import sys
import traceback
import types
import warnings
from pathlib import Path

import numpy as np
import torch

import patterns
from tests.exercise import pictures, reference
from tests.exercise.errors import explain
from tests.exercise.hints import WrongError
from tests.exercise.interpolate import check_interpolate
from tests.exercise.layers import check_decode, check_encode
from tests.exercise.report import Result, wrong_result
from tests.exercise.todos import BY_NAME, TODOS, SourceFile, Todo
from tests.exercise.walk import check_walk
from vae_model import WEIGHTS_FILE

CHECKS = dict(zip(TODOS, (check_encode, check_decode, check_interpolate, check_walk)))
IMPORTS = tuple(sys.path)
OUTPUT_DIR = patterns.OUTPUT_DIR
MOST_OUTPUT = 4000      # characters that are kept of what the code prints


def usual_settings():
    """Undo settings of the code that would change what is computed later."""
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")


class Learner:
    """A learner's file; whatever goes wrong in it becomes a WrongError."""

    def __init__(self, source, folder):
        self.source, self.folder = source, folder
        self.module, self.todo = None, None
        self.given = {}              # what takes the place of a function that is not right yet
        self.printed = {}            # name of a function: what its first call printed

    def load(self):
        """Run the file from top to bottom, as an import would."""
        self.empty_folders()
        self.module = types.ModuleType("learner_file")
        # paths that begin at the file stay in the folder
        self.module.__file__ = str(self.folder / "latent_starter.py")
        sys.path[:] = [*IMPORTS, str(self.source.path.parent)]     # for helper files beside it
        try:
            self.call(exec, self.source.code, vars(self.module),
                      called=f"python {self.source.path.name}")
        finally:
            vars(self.module).update(self.given)

    def find(self, owner, name):
        """A function or a class of the learner's."""
        if not callable(getattr(owner, name, None)):
            raise self.source.missing(name)
        return getattr(owner, name)

    def make_vae(self, weights=None):
        """The learner's SimpleVAE with loud weights, or with others."""
        vae = self.call(self.find(self.module, "SimpleVAE"), called="SimpleVAE()")
        weights = weights or reference.loud_weights()
        try:
            for layer in reference.SIZES:          # layers of the learner's own are welcome
                getattr(vae, layer).load_state_dict(
                    {name: weights[f"{layer}.{name}"] for name in ("weight", "bias")})
        except (RuntimeError, AttributeError, TypeError):
            line = self.source.line(Todo("", "__init__", "SimpleVAE"))
            raise WrongError("layers-changed", f"{layer} is missing or has another size",
                             called="SimpleVAE()", line=line) from None
        return vae

    def call(self, function, *arguments, called="", **options):
        """Call something of the learner's in a folder of its own."""
        os.chdir(self.folder / "cwd")
        output = io.StringIO()
        try:
            with (contextlib.redirect_stdout(output), contextlib.redirect_stderr(output),
                  warnings.catch_warnings()):
                return function(*arguments, **options)
        except BaseException as error:                 # SystemExit as well
            wrong = explain(error, self.source, self.todo, self.folder)
            wrong.called = called
            raise wrong from None
        finally:
            if output.getvalue():
                name = self.todo.name if self.todo else "the file itself"
                self.printed.setdefault(name, output.getvalue()[:MOST_OUTPUT])
            usual_settings()

    def in_turn(self, check, cases):
        """What a check of each case returns; what is kept from call to call is a WrongError.

        If a case fails that is not the first one, the file is loaded anew: is it right if it
        comes first?
        """
        answers = []
        for case in cases:
            try:
                answers.append(check(case))
            except WrongError as wrong:
                if answers:
                    with contextlib.suppress(WrongError):
                        self.load()
                        check(case)
                        wrong.hint, wrong.show_line, wrong.line = "kept-between-calls", False, None
                        wrong.seen += "; right if this is the first call"
                raise
        return answers

    def require_same(self, again, values, ask):
        """Raise a WrongError if a second call gave something else than the first. If a first call
        gives the same once more, nothing random is in it."""
        if not reference.equal(again, values):
            self.load()
            kept = reference.equal(ask(), values)
            raise WrongError("kept-between-calls" if kept else "random",
                             "another result when called again with the same input")

    def empty_folders(self):
        """Leave nothing where the code writes to but a copy of the trained weights."""
        for folder in (self.folder / "cwd", self.folder / "outputs"):
            folder.mkdir(exist_ok=True)
            for path in folder.iterdir():
                with contextlib.suppress(OSError):         # on Windows, a file that is still open
                    if path.is_dir():
                        shutil.rmtree(path)
                    elif path.name != WEIGHTS_FILE:
                        path.unlink()
        weights = self.folder / "outputs" / WEIGHTS_FILE
        if not weights.exists():
            with contextlib.suppress(OSError):         # there are none yet, or they cannot be read
                shutil.copy(OUTPUT_DIR / WEIGHTS_FILE, weights)


# --- jobs -------------------------------------------------------------------------------
def answer(job, folder):
    """Do a job: the message on a TODO or on the file as a whole, or on what was drawn."""
    learner, todo = Learner(SourceFile(job["file"]), folder), BY_NAME.get(job.get("todo"))
    try:
        if job["task"] == "draw":
            outputs = Path(job["outputs"] or OUTPUT_DIR)
            return {"said": pictures.draw(learner, outputs, job["right"])}
        result = check(learner, todo, set(job["right"]))
    except BaseException as error:     # it must be taken neither for a right answer nor a wrong one
        place = traceback.extract_tb(error.__traceback__)[-1]
        seen = f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
        result = wrong_result(WrongError("checks-failed", seen), learner.source, todo)
    return {"result": vars(result), "printed": learner.printed}


def check(learner, todo, right):
    """The Result on a TODO; without one, on the file: can it be loaded, and make its model?"""
    try:
        learner.load()
        learner.todo = todo
        if todo:
            CHECKS[todo](learner, right)
        else:
            learner.make_vae()
        return Result("right")
    except WrongError as wrong:
        if todo:
            better = learner.source.mistake_in_text(todo, wrong.hint, wrong.seen) or wrong
            better.called, wrong = wrong.called, better
        return wrong_result(wrong, learner.source, todo)
