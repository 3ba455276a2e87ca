"""What all tests share, and the report of exercise 3."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

# For matrices as small as these a second thread only waits for the first.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

ROOT = Path(__file__).resolve().parent.parent
JUDGEMENT = pytest.StashKey()    # what tests/test_exercise.py found out
ALONE = pytest.StashKey()        # whether nothing else was asked for
EXERCISE = "test_exercise.py"


@pytest.fixture(scope="session")
def short_run():
    """A short real training, its data and its latent space; no test changes them."""
    import torch

    import latent_space_exploration as main_script

    data = main_script.make_data(42)
    torch.manual_seed(42)
    model = main_script.VAE()
    history = main_script.train(model, data, epochs=12, beta=1.0, seed=42, warm_up=0)
    return SimpleNamespace(data=data, model=model, history=history,
                           space=main_script.explore(model, data))


# --- exercise 3 -----------------------------------------------------------------------
def pytest_addoption(parser):
    parser.addoption(
        "--starter", metavar="FILE", default=str(ROOT / "latent_starter.py"),
        help="check this file in tests/test_exercise.py instead of latent_starter.py")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if not Path(config.getoption("--starter")).is_file():
        raise pytest.UsageError(f"--starter: no such file: {config.getoption('--starter')}")
    named = [Path(one.split("::")[0]).name for one in config.invocation_params.args
             if ".py" in one and not one.startswith("-")]
    named = [one for one in named if one != Path(config.getoption("--starter")).name]
    config.stash[ALONE] = named == [EXERCISE] and not config.option.collectonly
    if config.stash[ALONE]:          # then the report says it all
        config.option.verbose = -2
        config.option.tbstyle = "no"
        config.option.no_header = config.option.no_summary = True


@pytest.fixture(scope="session")
def workshop(background):
    """The process in which learners' code runs: that of the stored answers, or a new one."""
    from tests.exercise.process import Workshop

    answers = background.get("answers")
    with answers.result()["workshop"] if answers else Workshop() as shop:
        yield shop


@pytest.fixture(scope="session")
def judgement_of_starter(request, workshop):
    """What the checks say about the file of ``--starter``."""
    from tests.exercise.process import LostError, judge

    try:
        judgement = judge(Path(request.config.getoption("--starter")), workshop)
    except LostError as error:
        pytest.exit(f"The checks cannot start: {error}", returncode=1)
    request.config.stash[JUDGEMENT] = judgement
    return judgement


def pytest_report_teststatus(report, config):
    """Count a TODO that is not begun as "to do" instead of as skipped."""
    if EXERCISE not in report.nodeid:
        return None
    to_do = report.skipped and isinstance(report.longrepr, tuple) and "to do" in report.longrepr[2]
    if config.stash[ALONE]:
        return ("to do" if to_do else report.outcome), "", ""
    return ("to do", "-", "TO DO") if to_do else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter, config):
    """Say in the very end how far the exercise is, as the run of the starter does."""
    result = yield
    judgement = config.stash.get(JUDGEMENT, None)
    if judgement:
        from tests.exercise.report import next_step, verdict

        if not config.stash[ALONE]:
            terminalreporter.section("Exercise 3")
        terminalreporter.write_line(f"{verdict(judgement)}\n\n{next_step(judgement)}")
    return result
