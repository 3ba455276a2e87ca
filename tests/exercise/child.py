"""The same process from inside: it does one job after the other, within limits.

    python -m tests.exercise.child FOLDER       # started by process.py, never by hand

Jobs come by stdin and messages go by stdout, one in each line. Both are taken away from
whatever is imported or called later, before anything else is imported.
"""

import contextlib
import faulthandler
import json
import os
import queue
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path

from tests.exercise.process import MARK, ROOT

MEMORY = 1 << 30         # bytes that the learner's code may take on top of what torch needs
FILE_SIZE = 50 << 20     # bytes of the largest file it may write
LEAVE = os._exit         # what really ends the process: see limit()


def main():
    folder, (lines, messages), jobs = Path(sys.argv[1]), private_channels(), queue.SimpleQueue()

    def send(message):
        print(f"\n{MARK}{json.dumps(message)}", file=messages, flush=True)

    def listen():
        """Pass the jobs on; when there are no more, the program around has ended: leave."""
        for line in lines:
            jobs.put(json.loads(line))
        shutil.rmtree(folder, ignore_errors=True)
        LEAVE(0)

    try:
        from tests.exercise.learner import answer, prepare

        prepare(folder)
    except BaseException as error:      # patterns.py and vae_model.py are edited in other exercises
        return send({"failed": described(error)})
    threading.Thread(target=listen, daemon=True).start()
    limit(messages)
    while True:
        job = jobs.get()
        send({"begun": job})
        set_alarm(job["seconds"], messages)
        message = answer(job, folder)
        set_alarm(0, messages)
        send(message)


def set_alarm(seconds, messages):
    """Let the process end in so many seconds, after a word on where it was; 0 calls that off.

    A signal stops the code that is looked at. The timer of faulthandler, all that Windows
    has, looks at it while it runs, and loses the place now and then.
    """
    if hasattr(signal, "setitimer"):
        faulthandler.register(signal.SIGALRM, messages, all_threads=False, chain=True)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    elif seconds:
        faulthandler.dump_traceback_later(seconds, exit=True, file=messages)
    else:
        faulthandler.cancel_dump_traceback_later()


def private_channels():
    """Take keyboard and screen away from whatever runs here: what is left for jobs and messages."""
    lines = os.fdopen(os.dup(0), encoding="utf-8")
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    return lines, messages


def described(error):
    """Why the checks cannot start, in a sentence; without a package, with the remedy."""
    name = getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and not (ROOT / f"{name}.py").exists():
        return (f"{sys.executable} has no {name}. Activate the environment that you installed it "
                "in (.venv), or run: python -m pip install -r requirements.txt")
    places = [f"{Path(frame.filename).name}, line {frame.lineno}"
              for frame in traceback.extract_tb(error.__traceback__)
              if Path(frame.filename).parent == ROOT]
    return ", ".join([f"{type(error).__name__}: {error}", *places[-1:]])


def limit(messages):
    """Keep the learner's code from ending or copying the process and from filling the computer."""
    def refuse(*_):
        raise SystemExit

    os._exit = os.abort = os.fork = os.forkpty = refuse
    del sys.breakpointhook                           # a debugger would wait for a person
    faulthandler.enable(messages, all_threads=False)
    if sys.platform == "linux":
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        for kind, most in ((resource.RLIMIT_AS, used + MEMORY), (resource.RLIMIT_FSIZE, FILE_SIZE)):
            with contextlib.suppress(OSError, ValueError):    # a lower limit is set already
                resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
