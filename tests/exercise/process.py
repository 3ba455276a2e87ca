"""The process in which the learner's code runs, seen from outside; nothing here needs torch.

One Python process imports torch once and does one job after the other. It is started
again only if a job ends it: a loop without an end, or a crash.

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
from pathlib import Path

from tests.exercise.hints import WrongError
from tests.exercise.report import ROOT, Result, ascii_only, wrong_result
from tests.exercise.todos import BY_NAME, TODOS, SourceFile

MARK = "@exercise "      # how the line of a message begins; others are Python's own words
SECONDS = 5              # for one job
REMEDY = (f"That was {sys.executable}. Activate the environment that you installed it in (.venv), "
          "or run: python -m pip install -r requirements.txt")


class Workshop:
    """Does jobs in a process of its own; to be used in a ``with`` statement."""

    def __init__(self):
        self.folder, self.process = Path(tempfile.mkdtemp(prefix="exercise-")), None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Start the process. A fault that is not the learner's ends the program, with a reason."""
        self.stop()
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.exercise.child", str(self.folder)],
            cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1",
                           "MPLBACKEND": "Agg"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", errors="replace")
        message, words = self.receive()
        if not message:
            words = words[max(0, words.rfind(f'File "{ROOT}')):].strip()
            if "ModuleNotFoundError" in words:
                words += f"\n{REMEDY}"
            raise SystemExit(f"The checks cannot start. Python's message:\n{words}")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.communicate()          # closes its pipes, and waits

    def receive(self):
        """The next message, or None if the process ends, and the other lines in front of it."""
        words = ""
        for line in self.process.stdout:
            if line.startswith(MARK):
                return json.loads(line.removeprefix(MARK)), words
            words += line
        return None, words

    def run(self, seconds=SECONDS, **job):
        """Do a job; returns the message on it."""
        if not self.process or self.process.poll() is not None:      # lost with the last job
            self.start()
        with contextlib.suppress(OSError):             # it ends just now
            self.process.stdin.write(json.dumps(job | {"seconds": seconds}) + "\n")
            self.process.stdin.flush()
        message, words = self.receive()
        return message or loss(job, self.process.wait(), words, seconds)


def loss(job, code, words, seconds):
    """The message on a job that ended the process, with an exit code and last words of Python."""
    source, todo = SourceFile(job["file"]), BY_NAME.get(job.get("todo"))
    frame = rf'{re.escape(ascii_only(source.path.name))}", line (\d+) in (\S+)'
    places = re.findall(frame, words)                                 # innermost first
    places = [place for place in places if todo and place[1] == todo.name] or places
    line = int(places[0][0]) if places else 0
    how = signal.strsignal(-code) if code < 0 else f"exit code {code}"
    hint, seen = "crashed", f"Python itself ended: {how}"
    if "Timeout (" in words or -code == getattr(signal, "SIGALRM", None):
        loop = source.loop_around(line)
        hint, seen = ("endless" if loop else "too-slow"), f"no end after {seconds:g} seconds"
        line = loop or line
    wrong = WrongError(hint, seen, line=line, show_line=bool(line))
    return {"result": vars(wrong_result(wrong, source, todo)), "printed": {}}


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
    judgement = Judgement(SourceFile(path))

    def check(name):
        message = workshop.run(seconds, task="check", todo=name, file=str(judgement.source.path),
                               right=judgement.names("right"))
        judgement.printed |= message["printed"]
        return Result(**message["result"])

    if not judgement.source.problem:
        judgement.file = check("")
    for name in judgement.names("begun"):
        judgement.results[BY_NAME[name]] = check(name) if judgement.file.state == "right" else \
            Result("unchecked", message="see the file as a whole")
    return judgement
