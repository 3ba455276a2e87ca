"""Load the learner's file and call its functions; whatever goes wrong becomes a WrongError."""

import contextlib
import io
import os
import random
import shutil
import sys
import types

import numpy as np
import torch

from tests.exercise import reference
from tests.exercise.errors import explain
from tests.exercise.hints import WrongError

IMPORTS = tuple(sys.path)
MOST_OUTPUT = 4000      # characters that are kept of what the code prints


class ShortOutput(io.StringIO):
    """Keeps the first characters written to it and forgets the rest."""

    def write(self, text):
        super().write(text[:max(0, MOST_OUTPUT - self.tell())])
        return len(text)


class Learner:
    """A learner's file, to be loaded and called in the process that is made for it."""

    def __init__(self, source, folder):
        self.source, self.folder = source, folder
        self.module, self.calls, self.todo = None, 0, None
        self.printed = {}            # name of a function: what its first call printed

    def load(self):
        """Run the file from top to bottom, as an import would."""
        module = types.ModuleType("learner_file")
        # paths that begin at the file stay in the room
        module.__file__ = str(self.folder / "latent_starter.py")
        sys.modules[module.__name__] = module          # dataclasses and pickle look there
        sys.argv[:] = [str(self.source.path)]
        sys.path[:] = [*IMPORTS, str(self.source.path.parent)]     # for helper files beside it
        self.call(exec, self.source.code, module.__dict__)
        self.module = module

    def find(self, owner, name):
        if not callable(getattr(owner, name, None)):
            raise WrongError("name-missing", f"the file defines no {name}", name=name)
        return getattr(owner, name)

    def make_vae(self, weights=None):
        """The learner's SimpleVAE with loud weights, or with others."""
        vae = self.call(self.find(self.module, "SimpleVAE"))
        reset()
        weights = weights or reference.loud_weights()
        try:
            for layer in reference.SIZES:          # layers of the learner's own are welcome
                getattr(vae, layer).load_state_dict(
                    {name: weights[f"{layer}.{name}"] for name in ("weight", "bias")})
        except (RuntimeError, AttributeError, TypeError):
            raise WrongError("layers-changed", f"{layer} is missing or has another size",
                             called="SimpleVAE()", line=self.line_of_init()) from None
        return vae

    def line_of_init(self):
        return next((number for number, line in enumerate(self.source.lines, 1)
                     if line.strip().startswith("def __init__")), 1)

    def call(self, function, *arguments, called="", **options):
        """Call something of the learner's in a room that is tidy again for each call."""
        self.calls += 1
        reset()
        here = self.folder / "cwd"
        here.mkdir(exist_ok=True)
        (self.folder / "outputs").mkdir(exist_ok=True)
        os.chdir(here)
        # noise has to differ between calls
        torch.default_generator.manual_seed(self.calls)
        np.random.seed(self.calls)  # noqa: NPY002
        random.seed(self.calls)
        output, me = ShortOutput(), os.getpid()
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                return function(*arguments, **options)
        except BaseException as error:                 # SystemExit as well
            wrong = explain(error, self.source, self.todo)
            wrong.called = wrong.called or called
            raise wrong from None
        finally:
            if os.getpid() != me:                      # a copy made by C code: only one goes on
                os._exit(0)
            name = self.todo.name if self.todo else "the file itself"
            if name not in self.printed and output.tell():
                self.printed[name] = output.getvalue()
            reset()

    def empty_folders(self):
        for name in ("cwd", "outputs"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(exist_ok=True)


def reset():
    """Put those settings back that would change the answers of the functions to come."""
    torch.set_grad_enabled(True)
    if torch.get_default_dtype() != torch.float32:
        torch.set_default_dtype(torch.float32)
    if torch.get_default_device() != torch.device("cpu"):      # setting it imports much of torch
        torch.set_default_device(None)
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)
    sys.stdin = io.StringIO()
    if sys.stdout is None or sys.stderr is None:
        sys.stdout = sys.stderr = io.StringIO()
