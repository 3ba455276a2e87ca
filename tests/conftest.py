"""What all tests share: where the modules are, and the progress of exercise 3."""

import os
import sys
from pathlib import Path

import pytest

# For matrices as small as these a second thread only waits for the first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

RESULTS = pytest.StashKey()      # results of tests/test_exercise.py, by TODO
TO_DO = "to do: "                # how the reason of a skipped TODO begins


@pytest.fixture(scope="session", autouse=True)
def slow_runs(request, tmp_path_factory):
    """What test_run.py waits for, started early to use the second core: folder, process."""
    if not any(item.path.name == "test_run.py" for item in request.session.items):
        yield None
        return
    from slow_runs import start_slow_runs

    folder = tmp_path_factory.mktemp("slow_runs")
    process = start_slow_runs(folder)
    yield folder, process
    process.kill()


def pytest_addoption(parser):
    parser.addoption(
        "--starter", metavar="FILE", default=str(ROOT / "latent_starter.py"),
        help="check this file in tests/test_exercise.py instead of latent_starter.py")


def pytest_configure(config):
    config.stash[RESULTS] = {}
    if not Path(config.getoption("--starter")).is_file():
        raise pytest.UsageError(f"--starter: no such file: {config.getoption('--starter')}")


def pytest_report_teststatus(report):
    """Count a TODO that is not begun as "to do" instead of as skipped."""
    if report.skipped and isinstance(report.longrepr, tuple) and TO_DO in report.longrepr[2]:
        return "to do", "-", "TO DO"
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter, config):
    """Say in the very end how far the exercise is, whether something failed or not."""
    result = yield
    if config.stash[RESULTS]:
        from exercise_checks import progress
        from exercise_file import relative_to_here

        file = Path(config.getoption("--starter")).resolve()
        terminalreporter.section("Exercise 3: how far you are")
        for line in progress(config.stash[RESULTS], relative_to_here(file),
                             relative_to_here(ROOT / "outputs"),
                             relative_to_here(ROOT / "solutions" / "latent_solution.py")):
            terminalreporter.write_line(line)
    return result
