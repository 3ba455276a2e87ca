"""The same process from inside: it does one job after the other, within limits.

    python -m tests.exercise.child FOLDER       # started by process.py, never by hand

Jobs come by stdin and messages go by stdout, one in each line.
"""

import contextlib
import faulthandler
import json
import os
import signal
import sys
from pathlib import Path

import patterns
from tests.exercise import reference
from tests.exercise.learner import answer
from tests.exercise.process import MARK

MEMORY = 1 << 30         # bytes that the learner's code may take on top of what torch needs
FILE_SIZE = 50 << 20     # bytes of the largest file it may write


def main(folder):
    patterns.OUTPUT_DIR = folder / "outputs"           # the learner's file imports it from there
    reference.decode(reference.encode(reference.some_patterns(1)))     # the first one is slow
    jobs = os.fdopen(os.dup(0), encoding="utf-8")
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)       # whoever asks the keyboard gets nothing
    limit(messages)

    def send(message):
        print(f"\n{MARK}{json.dumps(message)}", file=messages, flush=True)

    send({"ready": True})
    for line in jobs:
        job = json.loads(line)
        set_alarm(job["seconds"], messages)
        message = answer(job, folder)
        set_alarm(0, messages)
        send(message)


def limit(messages):
    """Keep the learner's code from filling the computer; a crash leaves its line."""
    del sys.breakpointhook                           # a debugger would wait for a person
    os._exit = os.fork = sys.exit                    # an exception, for which a line can be named
    faulthandler.enable(messages, all_threads=False)
    if sys.platform == "linux":
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        for kind, most in ((resource.RLIMIT_AS, used + MEMORY), (resource.RLIMIT_FSIZE, FILE_SIZE)):
            with contextlib.suppress(OSError, ValueError):    # a lower limit is set already
                resource.setrlimit(kind, (most, most))


def set_alarm(seconds, messages):
    """Let the process end in so many seconds and write down the line it was in; 0 calls that off.

    A signal stops the code first. Windows has only the timer of faulthandler, which reads the
    line while the code runs, and now and then misses it.
    """
    if hasattr(signal, "setitimer"):
        faulthandler.register(signal.SIGALRM, messages, all_threads=False, chain=True)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    elif seconds:
        faulthandler.dump_traceback_later(seconds, exit=True, file=messages)
    else:
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
