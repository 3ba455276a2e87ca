"""The process in which the learner's code runs, seen from outside; nothing here needs torch.

One bare Python process imports torch once, without having seen the learner's file,
and then does what it is asked for: on Linux in a copy of itself (a fork), so that
code that exits, hangs or crashes costs nothing but its own job. Elsewhere it is
started again after such a loss.

A job is a dict: a file, and the name of the TODO to check in it ("" for the file as a
whole). It is answered by one message, a dict again: what was found out, or how the
process was lost.
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
from tests.exercise.report import Result, ascii_only, wrong_result
from tests.exercise.todos import BY_NAME, TODOS, SourceFile

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 5              # for one job
SECONDS_IN_ALL = 15      # for all jobs on one file
PATIENCE = 60            # seconds for whatever the process does besides, as imports
BEGUN = "begun"          # stands in the trace before Python's last words on a job


class LostError(Exception):
    """The process cannot work; the text says why."""


class Workshop:
    """Runs jobs in a process of its own; to be used in a ``with`` statement."""

    def __init__(self, forks=sys.platform == "linux"):
        self.forks = forks
        self.folder = Path(tempfile.mkdtemp(prefix="exercise-"))
        self.trace = self.folder / "trace"      # what Python itself says, if it has to end
        self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill(self.process)
        self.process.communicate()              # closes its pipes, and waits
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        self.trace.unlink(missing_ok=True)
        with open(self.trace, "a") as trace:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "tests.exercise.child", str(self.folder),
                 str(self.forks)],
                cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1",
                               "PYTHONSAFEPATH": ""},            # it is found in its folder
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=trace,
                encoding="utf-8", start_new_session=True)

    def run(self, jobs, seconds):
        """Yield a message for each job, in order; one of the kind "lost" is the last."""
        if self.process.poll() is not None:      # it was lost with the last job
            self.process.communicate()
            self._start()
        timer = threading.Timer(len(jobs) * seconds + PATIENCE, kill, [self.process])
        timer.start()
        try:
            with contextlib.suppress(OSError):             # it ended already: hear what it said
                self.process.stdin.write(json.dumps({"jobs": jobs, "seconds": seconds}) + "\n")
                self.process.stdin.flush()
            for job in (*jobs, None):                      # the end comes after the last one
                line = self.process.stdout.readline()
                message = json.loads(line) if line else {"kind": "end", "code": self.process.wait()}
                if message["kind"] != "end":
                    yield message
                elif job:
                    trace = self.trace.read_text(encoding="utf-8", errors="replace")
                    yield loss(job, message["code"], trace, seconds)
                    return
        finally:
            timer.cancel()


def kill(process):
    """End a process and all that it started, where groups of processes exist."""
    if process.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()


def loss(job, code, trace, seconds):
    """The message on a job that was lost, by the exit code and Python's last words.

    Raises LostError if it was lost before the learner's code had begun.
    """
    if not trace.startswith(BEGUN):
        *_, words = [f"their process ended at once, with {code}", *trace.splitlines()]
        kind, _, sentence = words.partition(": ")
        if kind == "patterns.ProgramError":           # which says where
            raise LostError(sentence)
        places = re.findall(r'File ".*?([^/\\]+)", (line \d+)', trace)
        raise LostError(", ".join([words, *(places or [()])[-1]]))
    source, name = SourceFile(job["file"]), job.get("todo", "")
    place = re.search(re.escape(ascii_only(source.path.name)) + r'", line (\d+)', trace)
    line = int(place[1]) if place else None                # the innermost one of the file
    if "Timeout (" in trace:
        hint, seen = ("endless" if line else "too-slow"), f"no end after {seconds:.0f} seconds"
    else:
        how = signal.strsignal(-code) if code < 0 else f"exit code {code}"
        hint, seen = ("ended" if code in range(256) else "crashed"), f"Python itself ended: {how}"
    wrong = WrongError(hint, seen, line=line, show_line=bool(line))
    result = wrong_result(wrong, source, BY_NAME.get(name))
    return {"kind": "lost", "todo": name, "result": vars(result)}


# --- one file ---------------------------------------------------------------------
class Judgement:
    """What is known of a learner's file: in the beginning, what its text alone shows."""

    def __init__(self, source):
        self.source = source
        self.file = wrong_result(source.problem, source) if source.problem else Result("right")
        self.results = {todo: Result(source.state(todo), source.line(todo)) for todo in TODOS}
        self.printed = {}                   # name of a function: what it printed

    @property
    def exit_code(self):
        return int(self.file.state == "wrong" or self.names("wrong") != [])

    def names(self, state):
        """The names of the TODOs that are in a state."""
        return [todo.name for todo, one in self.results.items() if one.state == state]


def judge(path, workshop, seconds=SECONDS):
    """Check a learner's file in a workshop; returns a Judgement and never raises for the file."""
    judgement, end = Judgement(SourceFile(path)), time.monotonic() + SECONDS_IN_ALL
    for name in ("", *judgement.names("begun")):
        left = end - time.monotonic()
        if judgement.file.state == "wrong" or left <= 0:
            break
        job = {"task": "check", "file": str(judgement.source.path), "todo": name,
               "right": judgement.names("right")}
        for message in workshop.run([job], min(seconds, left)):
            judgement.printed |= message.get("printed", {})
            result = Result(**message["result"])
            if message["todo"]:
                judgement.results[BY_NAME[message["todo"]]] = result
            else:
                judgement.file = result
    why = "see the file as a whole" if judgement.file.state == "wrong" \
        else "the others took all the time"
    for name in judgement.names("begun"):
        judgement.results[BY_NAME[name]] = Result("unchecked", message=why)
    return judgement
