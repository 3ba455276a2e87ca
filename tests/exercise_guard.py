"""Run code that is still being written, without letting it hang or change anything else."""

import contextlib
import io
import os
import random
import signal
import sys
import threading
import warnings

import numpy as np
import torch

MOST_OUTPUT = 4000      # characters that are kept of what the code prints


class TimeLimit(BaseException):  # noqa: N818  ("except Exception" must not catch it)
    """Raised inside code that runs for too long."""


class DebuggerError(RuntimeError):
    """Raised in place of a debugger, which would wait for a person."""


class ShortOutput(io.StringIO):
    """Keeps the first characters written to it and forgets the rest."""

    def write(self, text):
        super().write(text[:max(0, MOST_OUTPUT - self.tell())])
        return len(text)


@contextlib.contextmanager
def guarded(file, folder, seconds):
    """Run code of ``file`` in ``folder`` for at most ``seconds``, then put all settings back.

    What the block prints goes to standard output afterwards, shortened. It reads an
    empty keyboard, its warnings are silent, and its random numbers, working folder,
    environment and torch settings end with it.
    """
    output = ShortOutput()
    try:
        with contextlib.ExitStack() as stack:
            stack.callback(restore, remember())
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            stack.enter_context(np.errstate())
            stack.enter_context(np.printoptions())
            stack.enter_context(contextlib.redirect_stdout(output))
            stack.enter_context(contextlib.redirect_stderr(output))
            sys.stdin = io.StringIO()
            sys.breakpointhook = refuse_debugger
            sys.unraisablehook = stay_silent             # the time limit may hit a clean-up
            sys.dont_write_bytecode = True
            os.chdir(folder)
            torch.set_grad_enabled(True)
            torch.set_num_threads(1)        # two would wait for each other on a busy machine
            with time_limit(file, seconds):
                yield
    finally:
        if output.tell():
            print(output.getvalue(), end="")


@contextlib.contextmanager
def time_limit(file, seconds):
    """Raise ``TimeLimit`` in code of ``file`` after some seconds, where the platform can."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not (in_main_thread and hasattr(signal, "setitimer")):
        yield
        return

    def ring(_, frame):
        while frame and frame.f_code.co_filename != str(file):
            frame = frame.f_back
        if frame:                    # not while the checks themselves are at work
            raise TimeLimit

    before = signal.signal(signal.SIGALRM, ring)
    # again and again: a bare "except:" in a loop would swallow a single one
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.005)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def stay_silent(*_):
    """Report nothing."""


def refuse_debugger(*_, **__):
    raise DebuggerError("a debugger cannot be used while the checks run")


def remember():
    """Everything that code might change for the code after it."""
    return {
        "folder": os.getcwd(), "environment": dict(os.environ), "path": list(sys.path),
        "arguments": list(sys.argv), "keyboard": sys.stdin, "debugger": sys.breakpointhook,
        "reports": sys.unraisablehook,
        "bytecode": sys.dont_write_bytecode, "recursion": sys.getrecursionlimit(),
        "random": (random.getstate(), np.random.get_state(), torch.get_rng_state()),  # noqa: NPY002
        "gradients": torch.is_grad_enabled(), "type": torch.get_default_dtype(),
        "device": torch.get_default_device(), "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def restore(state):
    os.chdir(state["folder"])
    if dict(os.environ) != state["environment"]:
        os.environ.clear()
        os.environ.update(state["environment"])
    sys.path[:] = state["path"]
    sys.argv[:] = state["arguments"]
    sys.stdin = state["keyboard"]
    sys.breakpointhook = state["debugger"]
    sys.unraisablehook = state["reports"]
    sys.dont_write_bytecode = state["bytecode"]
    sys.setrecursionlimit(state["recursion"])
    random.setstate(state["random"][0])
    np.random.set_state(state["random"][1])  # noqa: NPY002
    torch.set_rng_state(state["random"][2])
    torch.set_grad_enabled(state["gradients"])
    torch.set_default_dtype(state["type"])
    torch.set_num_threads(state["threads"])
    # setting these two, even to what they are, imports a large part of torch
    if torch.get_default_device() != state["device"]:
        torch.set_default_device(state["device"])
    if torch.are_deterministic_algorithms_enabled() != state["deterministic"]:
        torch.use_deterministic_algorithms(state["deterministic"])
