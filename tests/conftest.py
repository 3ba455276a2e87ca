"""What all tests share: what is started early, and the report of exercise 3."""

import ast
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

# For matrices as small as these a second thread only waits for the first.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def background(request, tmp_path_factory):
    """What the tables BACKGROUND of the test modules hold: a dict of name to Future.

    Each is a function of an empty folder that takes seconds in processes of its own. They
    begin before the first test, to use the cores that the tests themselves do not.
    """
    modules = dict.fromkeys(item.module for item in request.session.items)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(ast, "parse", one_at_a_time(ast.parse))
        yield {name: pool.submit(job, tmp_path_factory.mktemp(name)) for module in modules
               for name, job in getattr(module, "BACKGROUND", {}).items()}
        pool.shutdown(cancel_futures=True)


def one_at_a_time(function):
    """A function that waits for other threads: Python 3.11's parser may fail in two at once."""
    lock = threading.Lock()

    def waits(*arguments, **options):
        with lock:
            return function(*arguments, **options)
    return waits


def pytest_collection_modifyitems(items):
    """What waits for the background comes last."""
    waits = {"judgement", "results", "workshop", "finished_runs"}
    items.sort(key=lambda item: not waits.isdisjoint(item.fixturenames))


def pytest_collection_finish():
    """What is imported by now stays: the garbage collector need not look through it again."""
    gc.freeze()


# --- exercise 3 -----------------------------------------------------------------------
def pytest_addoption(parser):
    parser.addoption("--starter", metavar="FILE", action="append",
                     help="check this file in tests/test_exercise.py instead of latent_starter.py")
    parser.addoption("--graded", action="store_true",
                     help="in tests/test_exercise.py, count what is still to do as failed")


def pytest_configure(config):
    files = config.getoption("--starter") or []
    if len(files) > 1:
        raise pytest.UsageError("--starter takes one file; for several: "
                                "python -m tests.exercise --table FILE FILE ...")
    if not all(Path(file).is_file() for file in files):
        raise pytest.UsageError(f"--starter: no such file: {files[0]}")


def pytest_terminal_summary(terminalreporter):
    """Say at the end how far the exercise is; what was seen stands in the failures above."""
    told = [dict(report.user_properties).get("exercise 3") for reports in
            terminalreporter.stats.values() for report in reports
            if hasattr(report, "user_properties")]
    if any(told):
        terminalreporter.section("Exercise 3")
        terminalreporter.write_line(next(filter(None, told)))
