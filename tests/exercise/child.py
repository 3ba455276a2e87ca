"""The same process from inside: it waits for jobs, and keeps the learner's code within limits.

    python -m tests.exercise.child FOLDER FORKS     # started by process.py, never by hand
"""

import contextlib
import faulthandler
import io
import json
import os
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path

MEMORY = 1 << 30         # bytes that the learner's code may take on top of what torch needs
FILE_SIZE = 50 << 20     # bytes of the largest file it may write


class DebuggerError(RuntimeError):
    """Raised in place of a debugger, which would wait for a person."""


def main():
    folder, forks = Path(sys.argv[1]), sys.argv[2] == "True"
    jobs, send = private_channels()
    try:
        import vae_model  # imports torch, and patterns; users edit both

        vae_model.check_constants()
        from tests.exercise import task
    except BaseException as error:
        send(kind="broken", text=in_one_line(error))
        return
    try:
        for line in jobs:
            if forks:
                run_in_fork(task, json.loads(line), folder, send)
            else:
                work(task, json.loads(line), folder, send)
                send(kind="done")
    finally:             # no more jobs: the program around has ended, perhaps in a hurry
        shutil.rmtree(folder, ignore_errors=True)


def private_channels():
    """Take keyboard and screen away from whatever runs here: jobs come and results go by them."""
    jobs = os.fdopen(os.dup(0), encoding="utf-8")
    results = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)

    def send(**message):
        results.write(json.dumps(message) + "\n")
        results.flush()
    return jobs, send


def in_one_line(error):
    """An exception while the package itself was imported, and the line it came from."""
    import traceback

    if type(error).__name__ == "ProgramError":       # one sentence already
        return str(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if "importlib" not in frame.filename]
    place = f" (in {Path(frames[-1].filename).name}, line {frames[-1].lineno})"
    return f"{type(error).__name__}: {error}{place}"


def run_in_fork(task, jobs, folder, send):
    """Do jobs in a copy of this process, and say how the copy ended."""
    parent, deadline = os.getppid(), time.monotonic() + sum(job["left"] + 30 for job in jobs)
    (folder / "finished").unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setsid()
            work(task, jobs, folder, send)
            code = 0
        finally:
            os._exit(code)          # whatever threads are still at work
    done, status = os.waitpid(child, os.WNOHANG)
    while not done:
        time.sleep(0.002)
        if time.monotonic() > deadline or os.getppid() != parent:
            kill(child)
        done, status = os.waitpid(child, os.WNOHANG)
    kill(child)                     # what it started and left behind
    if (folder / "finished").exists():
        send(kind="done")
    else:
        send(kind="lost", code=os.waitstatus_to_exitcode(status))


def kill(group):
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def work(task, jobs, folder, send):
    """Do jobs one after the other, in the learner's room."""
    with open(folder / "trace", "w") as trace:
        enter_room(task, folder, trace)

        @contextlib.contextmanager
        def at_most(seconds):
            """End this process if the block takes longer, and write down where it was."""
            faulthandler.dump_traceback_later(seconds, exit=True, file=trace)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()

        for job in jobs:
            task.do(job, folder, send, at_most)
    (folder / "finished").touch()


def enter_room(task, folder, trace):
    """Give the learner's code a folder, an empty keyboard and limits of its own."""
    faulthandler.enable(trace, all_threads=False)
    limit_resources()
    os.chdir(folder / "cwd")
    task.point_outputs_to(folder / "outputs")
    warnings.simplefilter("ignore")
    sys.stdin = io.StringIO()
    sys.dont_write_bytecode = True
    sys.breakpointhook = refuse_debugger
    sys.unraisablehook = sys.excepthook = lambda *_: None
    if hasattr(os, "fork"):
        os.fork = os.forkpty = refuse_fork


def limit_resources():
    """Limit memory and files, where the system can."""
    try:
        import resource
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    for kind, most in ((resource.RLIMIT_AS, used + MEMORY), (resource.RLIMIT_FSIZE, FILE_SIZE),
                       (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):        # a lower limit is set already
            resource.setrlimit(kind, (most, most))


def refuse_debugger(*_, **__):
    raise DebuggerError("a debugger cannot be used while the checks run")


def refuse_fork(*_):
    raise PermissionError("no second process while the checks run")


if __name__ == "__main__":
    main()
