"""What exercise 3 adds to pytest: two options, and a report at the end. .pytest.ini names it.

In a conftest.py it would not be read with ``pytest latent_starter.py``.
"""

from pathlib import Path

import pytest

HOW = "latent_starter.py holds no tests. They are here: python -m pytest tests/test_exercise.py"


def pytest_addoption(parser):
    parser.addoption("--starter", metavar="FILE", action="append",
                     help="check this file in tests/test_exercise.py instead of latent_starter.py")
    parser.addoption("--graded", action="store_true",
                     help="in tests/test_exercise.py, count what is still to do as failed")


def pytest_configure(config):
    if len(config.getoption("--starter") or []) > 1:
        raise pytest.UsageError("--starter takes one file; for several: "
                                "python -m tests.exercise --table FILE FILE ...")


def pytest_terminal_summary(terminalreporter, config):
    """Say at the end how far the exercise is; what was seen stands in the failures above."""
    told = [dict(report.user_properties).get("exercise 3") for reports in
            terminalreporter.stats.values() for report in reports
            if hasattr(report, "user_properties")]
    if any(Path(name).name == "latent_starter.py" for name in config.args):
        told.append(HOW)
    if any(told):
        terminalreporter.section("Exercise 3")
        terminalreporter.write_line(next(filter(None, told)))
