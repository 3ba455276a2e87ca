"""The tests of the tests: do the checks of exercise 3 say the right thing to every answer?

``exercise_answers/`` holds wrong answers, each with the hint it has to get, and
right ones in many ways of writing. Each is put into the place of its TODO in a
finished file.
"""

import ast
import functools
import os
import re
import sys
from pathlib import Path

import pytest
import torch
from exercise_checks import ENCODE, INTERPOLATE, TODOS, Exercise, Result, progress
from exercise_file import LearnerFile, definition
from exercise_hints import HINTS
from exercise_layers import DECODER, ENCODER

from vae_model import LATENT_DIM, VAE

ROOT = Path(__file__).resolve().parent.parent
HANDED_OUT = Exercise(ROOT / "latent_starter.py")
if HANDED_OUT.learner.problem:
    # tests/test_exercise.py says more; the solution takes what is given from the starter
    pytest.skip("latent_starter.py cannot be used at present", allow_module_level=True)
STARTER = (ROOT / "latent_starter.py").read_text(encoding="utf-8")
SOLUTION = (ROOT / "solutions" / "latent_solution.py").read_text(encoding="utf-8")


# --- the stored answers -----------------------------------------------------------
def read_answers(name):
    """Yield (code, hint), the hint None for right answers, with a readable test id."""
    text = (Path(__file__).parent / "exercise_answers" / f"{name}.txt").read_text(encoding="utf-8")
    text = text.replace("SCALE", "-(-256 // IMAGE_SIZE)")        # enlarges to 256 pixels
    for section in re.split(r"^== ", text, flags=re.MULTILINE)[1:]:
        heading, code = section.split("\n", 1)
        kind, title = heading.split(": ", 1)
        hint = kind.removeprefix("wrong ") if kind.startswith("wrong ") else None
        yield pytest.param(code.strip() + "\n", hint, id=f"{name}: {title} ({hint or 'right'})")


ANSWERS = [pytest.param(todo, *answer.values, id=answer.id)
           for todo, name in zip(TODOS, ("encode", "decode", "interpolate", "animation"))
           for answer in read_answers(name)]


parsed = functools.cache(ast.parse)


def put_in(source, todo, code):
    """A source text in which ``code`` stands in the place of a TODO; imports go to the top."""
    lines = source.splitlines(keepends=True)
    tree = parsed(source)
    found = definition(tree, todo)
    imports = [line for line in code.splitlines() if line.startswith(("import ", "from "))]
    rest = [line for line in code.splitlines(keepends=True)
            if not line.startswith(("import ", "from "))]
    indent = " " * found.col_offset
    lines[found.lineno - 1:found.end_lineno] = [
        indent + line if line.strip() else line for line in rest]
    first = next(node.lineno for node in tree.body if isinstance(node, ast.ClassDef))
    lines[first - 1:first - 1] = [line + "\n" for line in imports]
    return "".join(lines)


def emptied(source, *todos):
    """A source text whose TODOs are not begun."""
    for todo in todos:
        definition = f"def {todo.name}(self, *args):" if todo.owner else f"def {todo.name}(*args):"
        source = put_in(source, todo,
                        f'{definition}\n    """{todo.label}"""\n    raise NotImplementedError\n')
    return source


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """A function that makes a file of a source text and returns its Exercise."""
    folder = tmp_path_factory.mktemp("exercise")

    def make(source, seconds=10):
        file = folder / "latent_starter.py"
        file.write_text(source, encoding="utf-8")
        return Exercise(file, seconds=seconds)
    return make


@pytest.mark.parametrize(("todo", "code", "hint"), ANSWERS)
def test_every_stored_answer_gets_its_own_hint_or_passes(check, todo, code, hint):
    # a loaded machine is slow, so only what is endless gets little time
    exercise = check(put_in(SOLUTION, todo, code), seconds=0.25 if hint == "endless" else 10)
    # spares checking the solution's other answers again for each interpolate and each GIF
    exercise.results.update({other: Result("right") for other in TODOS if other != todo})
    result = exercise.result(todo)
    if hint is None:
        assert result.state == "right", result.message
    else:
        assert result.state == "wrong"
        assert result.hint == hint, result.message
        four_parts = [rf"^  {part} +\S" for part in ("called", "seen", "cause", "look at")]
        assert all(re.search(part, result.message, re.MULTILINE) for part in four_parts)
        assert "latent_starter.py, line " in result.message
        assert "Traceback" not in result.message


def test_every_hint_has_a_stored_wrong_answer():
    stored = {answer.values[2] for answer in ANSWERS} | {hint for _, hint in FILE_MISTAKES}
    stored.add("own-model")      # needs two TODOs at once and has a test below
    assert set(HINTS) - stored == set()


# --- the file as a whole ------------------------------------------------------------
def change(old, new):
    def changed(source):
        assert old in source
        return source.replace(old, new)
    return changed


FILE_MISTAKES = [
    (change("def encode(self, x):", "def encode(self, x)"), "syntax-error"),
    (change("        hidden = torch.relu(self.decoder_fc1(z))", "    hidden = (z"), "syntax-error"),
    (change("class SimpleVAE(nn.Module)", "class MyVAE(nn.Module)"), "name-missing"),
    (change("self.encoder_fc1 = nn.Linear(input_dim,", "self.encoder_fc1 = nn.Linear(7,"),
     "layers-changed"),
    (change("self.encoder_fc2 = ", "self.second = "), "layers-changed"),
    (change("import math", "import math\nprint(1 / 0)"), "error-on-import"),
    (change("import math", "import a_module_that_nobody_has"), "error-on-import"),
    (change("import math", "import math\nwhile True: pass"), "endless"),
    (change("import math", "import sys\nsys.exit()"), "exits"),
    (change("import math", "answer = input()"), "asks-keyboard"),
    (lambda source: source.encode("utf-8").decode("utf-8") + "\0", "syntax-error"),
    (lambda source: "\udcff", "unreadable-file"),
]


@pytest.mark.parametrize(("spoil", "hint"), FILE_MISTAKES, ids=lambda value: str(value)[:20])
def test_a_file_that_cannot_be_used_is_reported_once(tmp_path, spoil, hint):
    file = tmp_path / "latent_starter.py"
    file.write_text(spoil(SOLUTION), encoding="utf-8", errors="surrogateescape")
    exercise = Exercise(file, seconds=0.25 if hint == "endless" else 10)
    assert exercise.file_result.hint == hint, exercise.file_result.message
    assert {exercise.result(todo).state for todo in TODOS[:3]} <= {"unchecked", "right"}


def test_a_missing_function_spoils_only_its_own_todo(check):
    exercise = check(SOLUTION.replace("def interpolate(", "def morph("))
    assert exercise.file_result.state == "right"
    assert exercise.result(INTERPOLATE).hint == "name-missing"
    assert exercise.result(ENCODE).state == "right"


# --- begun or not --------------------------------------------------------------------
STUBS = ('"""Only a docstring."""', "pass", "...", "return", "return None",
         "raise NotImplementedError", 'raise NotImplementedError("TODO")',
         '"""Both."""\n    # a comment\n    pass', "@torch.no_grad()")


@pytest.mark.parametrize("body", STUBS)
def test_a_todo_without_code_is_to_do(check, body):
    definition = "def interpolate(vae, pattern_a, pattern_b, num_steps=8):\n    "
    code = f"{body}\n{definition}pass\n" if body.startswith("@") else f"{definition}{body}\n"
    assert check(put_in(SOLUTION, INTERPOLATE, code)).result(INTERPOLATE).state == "to do"


@pytest.mark.parametrize("body", ["return []", "frames = []", "print(vae)", "return vae"])
def test_a_todo_with_any_code_is_checked(check, body):
    code = f"def interpolate(vae, pattern_a, pattern_b, num_steps=8):\n    {body}\n"
    result = check(put_in(SOLUTION, INTERPOLATE, code)).result(INTERPOLATE)
    assert result.state == "wrong"


def test_a_fresh_starter_has_four_todos(check):
    exercise = check(emptied(STARTER, *TODOS))
    assert exercise.file_result.state == "right"
    assert [exercise.result(todo).state for todo in TODOS] == ["to do"] * 4


def test_the_starter_is_handed_out_empty():
    begun = [todo.title for todo in TODOS if HANDED_OUT.learner.begun(todo)]
    if begun and not os.environ.get("CI"):
        pytest.skip("somebody is at work in latent_starter.py")
    assert begun == []


def test_later_todos_are_checked_before_earlier_ones_work(check):
    exercise = check(emptied(SOLUTION, *TODOS[:3]))
    assert [exercise.result(todo).state for todo in TODOS] == ["to do"] * 3 + ["right"]
    exercise = check(emptied(SOLUTION, *TODOS[:2]))
    assert exercise.result(INTERPOLATE).state == "right"


def test_interpolate_has_to_fit_to_ones_own_model(check):
    encode = ("def encode(self, x):\n"
              "    h = torch.relu(self.encoder_fc1(x.view(x.size(0), -1)))\n"
              "    return self.fc_mu(torch.relu(self.encoder_fc2(h)))\n")
    code = ("def interpolate(vae, pattern_a, pattern_b, num_steps=8):\n"
            "    with torch.no_grad():\n"
            "        a, b = vae.encode(pattern_a), vae.encode(pattern_b)\n"
            "        images = [vae.decode(torch.lerp(a, b, float(t)))\n"
            "                  for t in np.linspace(0, 1, num_steps)]\n"
            "    return [image.numpy().reshape(IMAGE_SIZE, -1) for image in images]\n")
    exercise = check(put_in(put_in(SOLUTION, ENCODE, encode), INTERPOLATE, code))
    assert exercise.result(ENCODE).state == "right"
    assert exercise.result(INTERPOLATE).hint == "own-model"


# --- the solution ------------------------------------------------------------------------
def test_the_solution_is_right_and_its_folder_stays_as_it_is():
    solutions = ROOT / "solutions"
    before = sorted(solutions.rglob("*")), sorted((ROOT / "outputs").glob("*"))
    exercise = Exercise(solutions / "latent_solution.py", seconds=30)
    assert exercise.file_result.state == "right"
    assert {todo.name: exercise.result(todo).message for todo in TODOS} == \
        {todo.name: "" for todo in TODOS}
    assert before == (sorted(solutions.rglob("*")), sorted((ROOT / "outputs").glob("*")))


@pytest.mark.parametrize("todo", TODOS, ids=[todo.name for todo in TODOS])
def test_starter_and_solution_are_in_step(tmp_path, todo):
    solution = LearnerFile(ROOT / "solutions" / "latent_solution.py", seconds=30)
    if HANDED_OUT.learner.begun(todo):
        pytest.skip("somebody is at work in this function")
    given, finished = (definition(file.tree, todo) for file in (HANDED_OUT.learner, solution))
    assert ast.unparse(given.args) == ast.unparse(finished.args)
    for function in (given, finished):
        assert ast.get_docstring(function).startswith(f"{todo.label}: ")
    if todo.owner:
        layers = [re.search(r"    def __init__.*?(?=\n\n)", source, re.DOTALL).group()
                  for source in (STARTER, SOLUTION)]
        assert layers[0] == layers[1]


def test_no_hint_contains_a_line_of_the_solution():
    code = [line.split("#")[0].strip() for line in SOLUTION.splitlines()]
    begin = code.index("def encode(self, x):")
    telling = [line for line in code[begin:] if len(line) > 12 and '"""' not in line]
    texts = [text for hint in HINTS.values() for text in hint]
    texts += [mistake.what for chain in (ENCODER, DECODER)
              for mistakes in chain.mistakes() for mistake in mistakes]
    for text in texts:
        assert not any(line in text for line in telling)


# --- what learners' code must not do to others ----------------------------------------------
def test_settings_are_put_back(check):
    code = ("def encode(self, x):\n"
            "    import os, sys, random, warnings\n"
            "    torch.manual_seed(1); np.random.seed(1); random.seed(1)\n"
            "    torch.set_default_dtype(torch.float64); torch.set_num_threads(1)\n"
            "    os.chdir('/'); os.environ['LEARNER'] = '1'; sys.path.append('learner')\n"
            "    sys.stdin = sys.stdout = None\n"
            "    warnings.simplefilter('error')\n"
            "    return None\n")
    before = (Path.cwd(), dict(os.environ), list(sys.path), sys.stdin, sys.stdout,
              torch.get_default_dtype(), torch.get_num_threads(), torch.get_rng_state().tolist())
    assert check(put_in(SOLUTION, ENCODE, code)).result(ENCODE).state == "wrong"
    assert before == (Path.cwd(), dict(os.environ), list(sys.path), sys.stdin, sys.stdout,
                      torch.get_default_dtype(), torch.get_num_threads(),
                      torch.get_rng_state().tolist())


def test_long_output_is_shortened(check, capsys):
    code = "def encode(self, x):\n    for k in range(20_000): print(k)\n    return x\n"
    check(put_in(SOLUTION, ENCODE, code)).result(ENCODE)
    assert 100 < len(capsys.readouterr().out) < 5000


# --- the run of the starter ------------------------------------------------------------------
@pytest.fixture
def run_starter(check, tmp_path, monkeypatch):
    """A function that runs the starter's main with certain answers and weights, in a new folder."""
    starter = check(STARTER).learner.module
    solution = check(SOLUTION).learner.module

    def run(answers=solution, weights=None):
        outputs = tmp_path / "outputs"
        outputs.mkdir()
        file = outputs / "vae_weights.pth"
        if isinstance(weights, dict):
            torch.save(weights, file)
        elif weights:
            file.write_bytes(weights)
        monkeypatch.setattr(starter, "OUTPUT_DIR", outputs)
        monkeypatch.setattr(starter, "WEIGHTS_FILE", file)
        for module in (starter, answers):
            monkeypatch.setattr(module, "GIF_FILE", outputs / "latent_walk.gif", raising=False)
        return starter.main(
            answers.SimpleVAE(), answers.interpolate, answers.create_latent_walk_animation), outputs
    return run


def test_the_run_of_an_untouched_starter_names_the_first_todo(check, run_starter, capsys):
    exit_code, _ = run_starter(check(emptied(STARTER, *TODOS)).learner.module)
    assert exit_code == 0
    assert capsys.readouterr().out.startswith("TODO 1, encode: to do, this one is next")


def test_the_finished_run_draws_both_files(run_starter, capsys):
    exit_code, outputs = run_starter(weights=VAE().state_dict())
    assert exit_code == 0, capsys.readouterr().out
    assert sorted(path.name for path in outputs.iterdir()) == [
        "latent_walk.gif", "my_interpolation.png", "vae_weights.pth"]


@pytest.mark.parametrize(("weights", "words"), [
    (None, "There are no trained weights yet"),
    (b"no weights at all", "does not hold weights"),
    (VAE(latent_dim=LATENT_DIM + 1).state_dict(), f"LATENT_DIM = {LATENT_DIM + 1}, but"),
    (VAE(hidden_dim=7).state_dict(), "differ in size or number"),
    ({**VAE().state_dict(), "decoder.6.weight": torch.zeros(1)}, "differ in size or number"),
], ids=["missing", "unreadable", "other latent_dim", "other hidden_dim", "more layers"])
def test_unfit_weights_are_answered_with_a_sentence(run_starter, capsys, weights, words):
    exit_code, _ = run_starter(weights=weights)
    output = capsys.readouterr().out
    assert exit_code == 1
    assert words in output
    assert "Train first: python latent_space_exploration.py" in output


# --- the closing lines -------------------------------------------------------------------------
def closing_lines(exercise):
    return "\n".join(progress({todo: exercise.result(todo) for todo in TODOS},
                              "latent_starter.py", "outputs", "solution.py"))


def test_progress_names_the_next_step_and_its_line(check):
    exercise = check(emptied(SOLUTION, *TODOS[1:]))
    source = exercise.learner.path.read_text(encoding="utf-8")
    line = source[:source.index("def decode")].count("\n") + 1
    assert f"Next: TODO 2, decode, in latent_starter.py, line {line}" in closing_lines(exercise)


def test_progress_says_when_all_is_done():
    lines = "\n".join(progress({todo: Result("right") for todo in TODOS},
                               "latent_starter.py", "outputs", "solution.py"))
    assert "All four are right" in lines
    assert "outputs/latent_walk.gif" in lines
    assert "solution.py" in lines
