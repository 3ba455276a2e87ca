"""Exercise 3, checked: the same words as ``python latent_starter.py``, without the pictures.

    python -m pytest tests/test_exercise.py
    python -m pytest tests/test_exercise.py --starter another_file.py
    python -m pytest tests/test_exercise.py --graded        # what is still to do is a failure
"""

import sys

import pytest

if __name__ == "__main__":
    sys.exit("Run it with pytest: python -m pytest tests/test_exercise.py")

from tests.exercise.process import ROOT, judge
from tests.exercise.report import next_step, told, verdict
from tests.exercise.todos import TODOS


@pytest.fixture(scope="module")
def judgement(request, workshop):
    """What the checks say about the starter, or about the file of ``--starter``."""
    file, = request.config.getoption("--starter") or [ROOT / "latent_starter.py"]
    try:
        return judge(file, workshop)
    except SystemExit as error:
        why = str(error)
    pytest.fail(why, pytrace=False)


@pytest.fixture(autouse=True)
def said_at_the_end(judgement, record_property):
    """The lines that tests/exercise/plugin.py prints below everything else."""
    said = f"{verdict(judgement, messages=False)}\n\n{next_step(judgement)}"
    record_property("exercise 3", said)


def test_the_file_can_be_used(judgement):
    if judgement.file.state == "wrong":
        pytest.fail(f"The file as a whole: not right yet\n{judgement.file.message}", pytrace=False)


@pytest.mark.parametrize("todo", TODOS, ids=[todo.name for todo in TODOS])
def test_todo(request, judgement, todo):
    state = judgement.results[todo].state
    if state == "to do" and not request.config.getoption("--graded"):
        pytest.skip("to do")
    if state != "right":
        pytest.fail(told(judgement, todo), pytrace=False)
