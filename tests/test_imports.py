"""Imports point one way: patterns, model, main script, starter, solutions, tests.

That the main script runs where there are no other rooms, slow_runs.py shows.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("patterns", "vae_model", "latent_space_exploration", "latent_starter", "solutions",
         "tests")
FILES = [*ROOT.glob("*.py"), *ROOT.glob("solutions/**/*.py"), *ROOT.glob("tests/**/*.py")]


def room(module):
    """The number of the room that a module stands in, or None if it is not ours."""
    first = module.split(".")[0]
    return ROOMS.index(first) if first in ROOMS else None


def imported(file):
    """The names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_imports_only_from_the_rooms_before_its_own(file):
    own = room(file.relative_to(ROOT).parts[0].removesuffix(".py"))
    assert own is not None, "no room has this name"
    if file.name == "latent_starter.py":
        pytest.skip("this one is the learner's")
    for module in imported(file):
        other = room(module)
        if other is not None:
            assert other < own or (other == own and own >= ROOMS.index("solutions")), module
            assert ROOMS[other] != "latent_starter", "it may be half written"
