"""Exercise 3, checked: the same words as ``python latent_starter.py``, without the pictures.

    python -m pytest tests/test_exercise.py
    python -m pytest tests/test_exercise.py --starter another_file.py
"""

import pytest

from tests.exercise.todos import TODOS

TO_DO = "to do"          # how the reason of a skipped TODO begins


@pytest.fixture(scope="module")
def judgement(request):
    return request.getfixturevalue("judgement_of_starter")


def test_the_file_can_be_used(judgement):
    if judgement.file.state == "wrong":
        pytest.fail("see the lines on exercise 3 in the end", pytrace=False)


@pytest.mark.parametrize("todo", TODOS, ids=[todo.name for todo in TODOS])
def test_todo(judgement, todo):
    state = judgement.results[todo].state
    if state == "to do":
        pytest.skip(TO_DO)
    if state != "right":
        pytest.fail("see the lines on exercise 3 in the end", pytrace=False)
