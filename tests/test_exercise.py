"""Exercise 3, checked: run this after each TODO in latent_starter.py.

    python -m pytest tests/test_exercise.py
    python -m pytest tests/test_exercise.py --starter another_file.py

A TODO that is not begun is "to do". As soon as it has code it is checked, and a
wrong answer gets a hint: what was called, what was seen, the likely cause, and
where to look.
"""

from pathlib import Path

import pytest
from conftest import RESULTS, TO_DO
from exercise_checks import TODOS, WHOLE_FILE, Exercise


@pytest.fixture(scope="module")
def exercise(request):
    return Exercise(Path(request.config.getoption("--starter")))


def report(config, key, result):
    """Keep a result for the closing lines, and tell pytest."""
    config.stash[RESULTS][key] = result
    if result.state == "wrong":
        pytest.fail(result.message, pytrace=False)
    if result.state == "to do":
        pytest.skip(TO_DO + result.message)
    if result.state == "unchecked":
        pytest.skip(result.message)


def test_the_file_can_be_read(exercise, pytestconfig):
    report(pytestconfig, WHOLE_FILE, exercise.file_result)


@pytest.mark.parametrize("todo", TODOS, ids=[todo.name for todo in TODOS])
def test_todo(exercise, todo, pytestconfig):
    report(pytestconfig, todo, exercise.result(todo))
