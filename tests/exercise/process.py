"""The process in which the learner's code runs, seen from outside; nothing here needs torch.

One bare Python process imports torch once, without having seen the learner's file,
and then forks (on Linux) for each job it is given. So a job that was lost, because
the code exits, hangs or crashes, costs nothing but itself. Elsewhere the process
does the job itself, and is started again after a loss.
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
from dataclasses import dataclass, field
from pathlib import Path

from tests.exercise.hints import WrongError
from tests.exercise.report import Result, wrong_result
from tests.exercise.todos import BY_NAME, TODOS, SourceFile

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 5              # for one check
SECONDS_IN_ALL = 15      # for all checks together
PATIENCE = 60            # seconds for whatever the process does besides, as imports


class LostError(Exception):
    """The process cannot work; the text says why."""


class Workshop:
    """Runs jobs in a process of its own; to be used in a ``with`` statement."""

    def __init__(self, forks=sys.platform == "linux"):
        self.forks, self.process = forks, None
        self.folder = Path(tempfile.mkdtemp(prefix="exercise-"))
        for name in ("cwd", "outputs"):
            (self.folder / name).mkdir()

    def __enter__(self):
        self._start()
        return self

    def __exit__(self, *_):
        self._stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                    "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.exercise.child", str(self.folder), str(self.forks)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            encoding="utf-8", errors="backslashreplace",
            env={**os.environ, **one_thread, "PYTHONUTF8": "1"}, start_new_session=True)

    def _stop(self):
        if self.process is None:
            return
        with contextlib.suppress(OSError):       # closing the pipe says: no more jobs
            self.process.stdin.close()
        if self.process.poll() is None:
            kill_group(self.process.pid)
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def run(self, jobs, seconds):
        """Yield the messages (dicts) of some jobs; the last one's kind is "done" or "lost"."""
        if self.process is None:
            self._start()
        timer = threading.Timer(seconds + PATIENCE, self.process.kill)
        timer.start()
        try:
            with contextlib.suppress(OSError):             # it ended already: read what it said
                self.process.stdin.write(json.dumps(jobs) + "\n")
                self.process.stdin.flush()
            for line in self.process.stdout:
                message = json.loads(line)
                if message["kind"] == "broken":
                    raise LostError(message["text"])
                yield message
                if message["kind"] in ("done", "lost"):
                    return
        finally:
            timer.cancel()
        code = self.process.wait()
        self._stop()
        yield {"kind": "lost", "code": code}


def kill_group(pid):
    """End a process and all that it started, where groups of processes exist."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


# --- one file ---------------------------------------------------------------------
@dataclass
class Judgement:
    """What is known of a learner's file."""

    source: SourceFile
    file: Result = Result("right")                     # the file as a whole
    results: dict = field(default_factory=dict)        # Todo: Result
    printed: dict = field(default_factory=dict)        # name of a function: what it printed

    @property
    def exit_code(self):
        return int(self.file.state == "wrong"
                   or any(one.state in ("wrong", "unchecked") for one in self.results.values()))

    def spoilt(self, result):
        """Note that the file as a whole cannot be used; to do stays to do."""
        self.file = result
        for todo in TODOS:
            if self.results.get(todo, Result("begun")).state == "begun":
                self.results[todo] = Result("unchecked", message="see the file as a whole")


def judge(path, workshop, seconds=SECONDS):
    """Check a learner's file in a workshop; returns a Judgement and never raises for the file."""
    judgement = read(SourceFile(path))
    left = SECONDS_IN_ALL
    while judgement.file.state == "right":
        waiting = [todo for todo in TODOS if judgement.results[todo].state == "begun"]
        job = {"task": "check", "file": str(judgement.source.path), "left": left,
               "seconds": seconds, "todos": [todo.name for todo in waiting],
               "right": [todo.name for todo, one in judgement.results.items()
                         if one.state == "right"]}
        current, started = "", time.monotonic()
        for message in workshop.run([job], left):
            if message["kind"] == "start":
                current, started = message["name"], time.monotonic()
            elif message["kind"] in ("result", "file"):
                left -= time.monotonic() - started
                note(judgement, message)
        if message["kind"] == "done":
            break
        limit = min(seconds, left)
        left -= time.monotonic() - started
        note_loss(judgement, BY_NAME.get(current), message, trace_of(workshop.folder), limit)
        if not any(one.state == "begun" for one in judgement.results.values()):
            break
    return judgement


def read(source):
    """A Judgement of what the text alone shows."""
    judgement = Judgement(source)
    if source.problem:
        judgement.spoilt(wrong_result(source.problem, f"python {source.path.name}", source, 1))
        return judgement
    for todo in TODOS:
        state, line = source.state(todo), source.line(todo)
        judgement.results[todo] = Result(state, line) if isinstance(state, str) \
            else wrong_result(state, "nothing, the file was only read", source, line)
    return judgement


def note(judgement, message):
    """Take over what the process found out."""
    judgement.printed |= message.get("printed", {})
    result = Result(**message["result"])
    if message["kind"] == "file":
        judgement.spoilt(result)
    else:
        judgement.results[BY_NAME[message["name"]]] = result


def note_loss(judgement, todo, message, trace, seconds):
    """Put into words how the process was lost while it ran one TODO or loaded the file."""
    source, code = judgement.source, message["code"]
    if todo and judgement.results[todo].state != "begun":
        return                       # it was lost after its work was done
    line = line_in(trace, source.path)
    if trace.startswith("Timeout"):
        hint, seen = ("endless" if line else "too-slow"), f"no end after {seconds:.0f} seconds"
    elif code == 0 or code > 0 and not trace:
        hint, seen = "ended", f"Python itself ended, with exit code {code}"
    else:
        hint, seen = "crashed", f"Python itself was ended by {name_of_signal(code)}"
    wrong = WrongError(hint, seen, line=line, show_line=bool(line))
    called = f"{todo.name}(...)" if todo else f"python {source.path.name}"
    result = wrong_result(wrong, called, source, source.line(todo) if todo else 1)
    if todo:
        judgement.results[todo] = result
    else:
        judgement.spoilt(result)


def trace_of(folder):
    """What faulthandler wrote when the process was lost; empties the file for the next one."""
    file = folder / "trace"
    if not file.exists():
        return ""
    text = file.read_text(encoding="utf-8", errors="replace")
    file.write_text("")
    return text


def line_in(trace, path):
    """The innermost line of the learner's file in a trace, or None."""
    name = path.name.encode("ascii", "backslashreplace").decode("ascii")
    for file, line in re.findall(r'File "(.*)", line (\d+)', trace):
        if re.split(r"[/\\]", file)[-1] == name:
            return int(line)
    return None


def name_of_signal(code):
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"the system (exit code {code})"
