"""A learner's file in the process made for it: load it, call its functions, answer a job on it."""

import contextlib
import io
import os
import random
import shutil
import sys
import types

# what every job needs is loaded once, before copies are made and a clock runs
import imageio.v3  # noqa: F401
import numpy as np
import numpy.random  # noqa: F401
import torch

from tests.exercise import pictures, reference
from tests.exercise.errors import explain
from tests.exercise.hints import BY_RESULT, WrongError
from tests.exercise.interpolate import check_interpolate
from tests.exercise.layers import check_decode, check_encode
from tests.exercise.report import Result, wrong_result
from tests.exercise.todos import BY_NAME, CHALLENGE, DECODE, ENCODE, INTERPOLATE, SourceFile, Todo
from tests.exercise.walk import check_walk

CHECKS = {ENCODE: check_encode, DECODE: check_decode, INTERPOLATE: check_interpolate,
          CHALLENGE: check_walk}
IMPORTS = tuple(sys.path)
MOST_OUTPUT = 4000      # characters that are kept of what the code prints


class ShortOutput(io.StringIO):
    """Keeps the first characters written to it: a loop without an end may print, too."""

    def write(self, text):
        super().write(text[:max(0, MOST_OUTPUT - self.tell())])
        return len(text)


class Learner:
    """A learner's file; whatever goes wrong in it becomes a WrongError."""

    def __init__(self, source, folder):
        self.source, self.folder = source, folder
        self.module, self.todo = None, None
        self.called = ""             # the last call, in words
        self.printed = {}            # name of a function: what its first call printed

    def load(self, todo=None):
        """Run the file from top to bottom, as an import would; a method needs its model, too."""
        module = types.ModuleType("learner_file")
        # paths that begin at the file stay in the room
        module.__file__ = str(self.folder / "latent_starter.py")
        sys.modules[module.__name__] = module          # dataclasses and pickle look there
        sys.argv[:] = [str(self.source.path)]
        sys.path[:] = [*IMPORTS, str(self.source.path.parent)]     # for helper files beside it
        for seed in (torch.default_generator.manual_seed, np.random.seed,  # noqa: NPY002
                     random.seed):
            seed(1)                                    # a verdict is the same next time
        self.call(exec, self.source.code, module.__dict__)
        self.module = module
        if todo and todo.owner:
            self.make_vae()

    def find(self, owner, name):
        """A function or a class of the learner's."""
        if not callable(getattr(owner, name, None)):
            raise self.source.missing(name)
        return getattr(owner, name)

    def make_vae(self, weights=None):
        """The learner's SimpleVAE with loud weights, or with others."""
        vae = self.call(self.find(self.module, "SimpleVAE"))
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
        """Call something of the learner's in a room that is whole again for each call."""
        for name in ("outputs", "cwd"):
            (self.folder / name).mkdir(exist_ok=True)
        os.chdir(self.folder / "cwd")
        self.called, output = called, ShortOutput()
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                return function(*arguments, **options)
        except BaseException as error:                 # SystemExit as well
            raise explain(error, self.source, self.todo) from None
        finally:
            if output.tell():
                name = self.todo.name if self.todo else "the file itself"
                self.printed.setdefault(name, output.getvalue())
            # settings that would change the answers of the functions to come
            torch.set_grad_enabled(True)
            torch.set_default_dtype(torch.float32)
            if torch.get_default_device() != torch.device("cpu"):     # setting it imports much
                torch.set_default_device(None)

    def empty_folders(self):
        for name in ("cwd", "outputs"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


# --- jobs -------------------------------------------------------------------------------
def answer(job, folder):
    """Do a job: the message on a TODO or on the file as a whole, or pictures in the folder."""
    learner = Learner(SourceFile(job["file"]), folder)
    if job["task"] == "show":
        return {"kind": "done",
                "problem": pictures.make_frames(learner, job["usable"], job["weights"])}
    result = check(learner, BY_NAME.get(job["todo"]), set(job["right"]))
    return {"kind": "result", "todo": learner.todo.name if learner.todo else "",
            "result": vars(result), "printed": learner.printed}


def check(learner, todo, right):
    """The Result on a TODO (None: on the file), or on the file if it cannot be loaded."""
    source, twice = learner.source, learner.source.remark(todo) if todo else ""
    try:
        learner.load(todo)
        learner.todo = todo
        if todo:
            CHECKS[todo](learner, right)
        return Result("right", remark=twice)
    except WrongError as error:
        wrong = error
        if wrong.hint in BY_RESULT:
            wrong = source.without_effect(todo, wrong.seen) or wrong
        wrong.seen = "; ".join(filter(None, [wrong.seen, twice]))
    except Exception as error:      # a mistake of the checks must not be taken for a right answer
        wrong = WrongError("checks-failed", f"{type(error).__name__}: {error}")
    wrong.called = wrong.called or learner.called
    return wrong_result(wrong, source, learner.todo)
