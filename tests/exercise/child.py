"""The same process from inside: it waits for jobs, and keeps the learner's code within limits.

    python -m tests.exercise.child FOLDER FORKS     # started by process.py, never by hand

Jobs come by stdin, a list in each line, and messages go by stdout, until the learner's
code is given neither. What Python itself has to say as it ends goes to stderr, a file.
"""

import contextlib
import faulthandler
import gc
import json
import os
import shutil
import sys
from pathlib import Path

import patterns
import vae_model

MEMORY = 1 << 30         # bytes that the learner's code may take on top of what torch needs
FILE_SIZE = 50 << 20     # bytes of the largest file it may write


def main():
    folder, fork = Path(sys.argv[1]), os.fork if sys.argv[2] == "True" else None
    vae_model.check_constants()      # before anything computes with them
    from tests.exercise import reference
    from tests.exercise.learner import answer
    from tests.exercise.process import BEGUN

    lines, messages = private_channels()
    enter_room(folder)
    reference.decode(reference.encode(reference.some_patterns(1)))    # once, for all copies
    gc.freeze()          # a copy shares what nobody touches

    def send(message):
        print(json.dumps(message), file=messages, flush=True)

    def work(jobs, seconds):
        """Answer jobs; what takes longer ends the process, which says where it was."""
        os.ftruncate(2, 0)
        print(BEGUN, file=sys.stderr, flush=True)
        with contextlib.suppress(BaseException):     # a missing answer says it all
            for job in jobs:
                faulthandler.dump_traceback_later(seconds, exit=True)
                send(answer(job, folder))
        faulthandler.cancel_dump_traceback_later()
        return 0

    try:
        for line in lines:
            code = in_a_copy(fork, work, json.loads(line)) if fork else work(**json.loads(line))
            send({"kind": "end", "code": code})
    finally:             # no more jobs: the program around has ended, perhaps in a hurry
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)      # whatever threads are still at work


def private_channels():
    """Take keyboard and screen away from whatever runs here: what is left for jobs and messages."""
    lines, messages = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nowhere, stream)
    return lines, messages


def enter_room(folder):
    """Give the learner's code a folder and limits of its own."""
    patterns.OUTPUT_DIR = folder / "outputs"         # the learner's file imports it from there
    faulthandler.enable(all_threads=False)
    del sys.breakpointhook                           # a debugger would wait for a person
    for name in ("fork", "forkpty"):                 # a second process would answer as well
        vars(os).pop(name, None)
    if sys.platform == "linux":
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        for kind, most in ((resource.RLIMIT_AS, used + MEMORY), (resource.RLIMIT_FSIZE, FILE_SIZE)):
            with contextlib.suppress(OSError, ValueError):    # a lower limit is set already
                resource.setrlimit(kind, (most, most))


def in_a_copy(fork, work, request):
    """Work in a copy of this process; returns how the copy ended."""
    copy = fork()
    if copy == 0:
        os._exit(work(**request))
    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])


if __name__ == "__main__":
    main()
