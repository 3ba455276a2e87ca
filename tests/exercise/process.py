"""The process in which the learner's code runs, seen from outside; nothing here needs torch.

One Python process imports torch once and does one job after the other. It is started
again only if a job takes it along: a loop without an end, or a crash.

A job is a dict: a file, and what to do with it, "check" with the name of a TODO ("" for
the file as a whole) or "draw". It is answered by one message, a dict again.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.exercise.hints import WrongError
from tests.exercise.report import ROOT, Result, ascii_only, wrong_result
from tests.exercise.todos import BY_NAME, TODOS, SourceFile

MARK = "@exercise "      # how the line of a message begins; others are Python's own words
SECONDS = 5              # for one job
SECONDS_IN_ALL = 15      # for all jobs on one file
PATIENCE = 60            # seconds for whatever the process does besides, such as imports


class LostError(SystemExit):
    """The checks themselves cannot work: it ends the program with a sentence that says why."""

    def __init__(self, why):
        super().__init__(f"The checks cannot start: {why}")


class Workshop:
    """Does jobs in a process of its own; to be used in a ``with`` statement."""

    def __init__(self):
        self.folder, self.process = Path(tempfile.mkdtemp(prefix="exercise-")), None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            kill(self.process)
            self.process.communicate()          # closes its pipes, and waits
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.exercise.child", str(self.folder)],
            cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1",
                           "MPLBACKEND": "Agg"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", errors="replace", start_new_session=True)

    def run(self, seconds=SECONDS, **job):
        """Return the message on a job. Raises LostError for a fault that is not the learner's."""
        if self.process and self.process.poll() is not None:      # it was lost with the last job
            self.process.communicate()
            self.process = None
        self.process = self.process or self._start()
        timer = threading.Timer(seconds + PATIENCE, kill, [self.process])
        timer.start()
        ready, words = False, []
        try:
            with contextlib.suppress(OSError):             # it ended already: hear what it said
                self.process.stdin.write(json.dumps(job | {"seconds": seconds}) + "\n")
                self.process.stdin.flush()
            for line in self.process.stdout:
                if not line.startswith(MARK):
                    words.append(line)
                    continue
                message = json.loads(line.removeprefix(MARK))
                if "failed" in message:
                    raise LostError(message["failed"])
                if "begun" not in message:
                    return message
                ready, words = True, []
        finally:
            timer.cancel()
        if not ready:
            last = [line.strip() for line in words if line.strip()][-1:]
            raise LostError(*last or [f"their process ended at once, with {self.process.wait()}"])
        return loss(job, self.process.wait(), "".join(words), seconds)


def kill(process):
    """End a process and all that it started, where groups of processes exist."""
    if process.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()


def loss(job, code, words, seconds):
    """The message on a job that took the process along, by what Python said in the end."""
    source, todo = SourceFile(job["file"]), BY_NAME.get(job.get("todo"))
    frame = rf'{re.escape(ascii_only(source.path.name))}", line (\d+) in (\S+)'
    places = [(int(line), name) for line, name in re.findall(frame, words)]    # innermost first
    line = next((line for line, name in places if todo and name == todo.name),
                places[0][0] if places else None)
    if "Timeout (" in words or -code == getattr(signal, "SIGALRM", None):
        loop = line and source.loop_around(line)
        hint, seen = ("endless" if loop else "too-slow"), f"no end after {seconds:g} seconds"
        line = loop or line
    else:
        how = signal.strsignal(-code) if code < 0 else f"exit code {code}"
        hint, seen = "crashed", f"Python itself ended: {how}"
    wrong = WrongError(hint, seen, line=line, show_line=bool(line))
    return {"lost": True, "result": vars(wrong_result(wrong, source, todo)), "printed": {}}


# --- one file ---------------------------------------------------------------------
class Judgement:
    """What is known of a learner's file: at first, what its text alone shows."""

    def __init__(self, source):
        self.source = source
        self.file = wrong_result(source.problem, source) if source.problem else Result("right")
        self.results = {todo: Result(source.state(todo), source.line(todo)) for todo in TODOS}
        self.printed = {}                   # name of a function: what it printed

    @property
    def exit_code(self):
        return int(self.file.state == "wrong" or self.names("wrong", "unchecked") != [])

    def names(self, *states):
        """The names of the TODOs that are in one of some states."""
        return [todo.name for todo, one in self.results.items() if one.state in states]


def judge(path, workshop, seconds=SECONDS):
    """Check a learner's file in a workshop; returns a Judgement and never raises for the file."""
    judgement, end = Judgement(SourceFile(path)), time.monotonic() + SECONDS_IN_ALL
    why, usable = "see the file as a whole", judgement.source.problem is None
    for name in ("", *judgement.names("begun")):
        left = end - time.monotonic()
        if not usable or left <= 0:
            why = "the others took all the time" if usable else why
            break
        message = workshop.run(min(seconds, left), task="check", todo=name,
                               file=str(judgement.source.path), right=judgement.names("right"))
        judgement.printed |= message["printed"]
        if name:
            judgement.results[BY_NAME[name]] = Result(**message["result"])
        else:
            judgement.file, usable = Result(**message["result"]), "lost" not in message
    for name in judgement.names("begun"):
        judgement.results[BY_NAME[name]] = Result("unchecked", message=why)
    return judgement
