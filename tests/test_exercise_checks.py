"""The tests of the tests: do the checks of exercise 3 say the right thing about every answer?

tests/exercise/answers holds wrong answers, each with the hint it has to get, and right
ones in many ways of writing. Each takes the place of its TODO in a finished file.
"""

import ast
import contextlib
import os
import re
import shutil
import subprocess
import sys
from string import Formatter

import pytest
import torch

from patterns import IMAGE_SIZE
from tests.exercise import pictures, process, run
from tests.exercise.child import described
from tests.exercise.hints import HINTS, HINTS_FILE, KNOWN, read_hints
from tests.exercise.pictures import layer_by_layer, show
from tests.exercise.process import ROOT, LostError, Workshop, judge, loss
from tests.exercise.reference import ReferenceVAE, loud_weights
from tests.exercise.report import WIDTH, Result, next_step, verdict
from tests.exercise.todos import CHALLENGE, DECODE, ENCODE, INTERPOLATE, TODOS, SourceFile
from tests.stored import ANSWERS, definition, emptied, function_text, put_in, read_solution, stored
from vae_model import HIDDEN_DIM, LATENT_DIM, VAE

if not ANSWERS.is_dir() or not (ROOT / "solutions" / "latent_solution.py").exists():
    pytest.skip("these tests need solutions/ and tests/exercise/answers/",
                allow_module_level=True)

SOLUTION, STORED = read_solution(), stored()
STARTER_FILE = ROOT / "latent_starter.py"
STARTER = STARTER_FILE.read_text(encoding="utf-8")
# what can only be told apart if a code has so many numbers
NEEDS = {"alpha-row": LATENT_DIM == 8, "off-line": LATENT_DIM > 2, "end-unknown": LATENT_DIM > 2,
         "pattern-skipped": LATENT_DIM > 3, "jump-cuts": LATENT_DIM > 2}
# ... or if layers of different widths do not fit together
NEEDS |= dict.fromkeys(("sizes-do-not-fit", "by-hand-shapes", "head-missing"),
                       HIDDEN_DIM not in (IMAGE_SIZE**2, LATENT_DIM))
NEEDS["stretched"] = IMAGE_SIZE <= 24          # ... or if the darkest pixel is one of a few
NEEDS["smoothed"] = IMAGE_SIZE**2 == 256      # ... or if np.resize puts one picture into each row
TWO = emptied(SOLUTION, INTERPOLATE, CHALLENGE)
same_layers = pytest.mark.skipif(len(VAE().state_dict()) != len(loud_weights()) + 2,
                                 reason="VAE was edited: it has other layers than SimpleVAE")


@pytest.fixture(scope="module")
def workshop():
    with Workshop() as shop:
        yield shop


@pytest.fixture
def check(workshop, tmp_path):
    """A function that checks a source text and returns a Judgement."""
    def make(source, seconds=10):
        file = tmp_path / "latent_starter.py"
        file.write_text(source, encoding="utf-8")
        return judge(file, workshop, seconds)
    return make


# --- the stored answers -----------------------------------------------------------
@pytest.mark.parametrize("answer", STORED, ids=[answer.id for answer in STORED])
def test_every_stored_answer_gets_its_own_hint_or_passes(workshop, tmp_path, answer):
    file = tmp_path / "latent_starter.py"
    file.write_text(put_in(SOLUTION, answer.todo, answer.code), encoding="utf-8")
    message = workshop.run(10, task="check", file=str(file),
                           todo=answer.todo.name, right=[todo.name for todo in TODOS])
    result = message["result"]
    if answer.title == "gray as RGBA" and IMAGE_SIZE > 16:
        pytest.skip("Pillow's palette has not enough grays for so many")
    if not answer.hint:
        assert (result["state"], result["remark"]) == ("right", ""), result["message"]
    elif NEEDS.get(answer.hint, True):
        assert result["hint"] == answer.hint, result["message"] or "right"
        lines = result["message"].splitlines()
        assert [line[2:11].strip() for line in lines if line[2:11].strip()] == [
            "called", "seen", "cause", "look at"]
        assert len(lines) <= 8 and max(map(len, lines)) <= WIDTH, result["message"]
        assert "{" not in result["cause"]


def test_every_hint_has_a_stored_wrong_answer():
    elsewhere = {hint for _, hint in FILE_MISTAKES} | {
        "checks-failed", "crashed", "endless", "too-slow", "own-model", "no-such-file"}
    assert set(HINTS) - {answer.hint for answer in STORED} - elsewhere == set()


def test_no_hint_contains_a_line_of_the_solution():
    code = [line.split("#")[0].strip() for line in SOLUTION.splitlines()]
    telling = [line for line in code[code.index("def encode(self, x):"):]
               if len(line) > 12 and '"""' not in line]
    assert not any(line in text for line in telling for texts in HINTS.values() for text in texts)


def test_hints_can_be_shown_everywhere_and_get_what_they_ask_for():
    assert HINTS_FILE.read_text(encoding="utf-8").isascii()
    for expression, hint in KNOWN:
        groups = set(re.compile(expression).groupindex)
        asked = {name for text in HINTS[hint] for _, name, _, _ in Formatter().parse(text) if name}
        given = groups | {"name", "clue", "close", "did_you", "count"}
        assert asked <= given, expression


@pytest.mark.parametrize("entry", ["key:", "key: Why.\n    lok: there",
                                   "key: Why.\n    look: there\n    look: elsewhere"])
def test_a_malformed_hint_is_named(entry):
    with pytest.raises(ValueError, match="key"):
        read_hints("[A]\n" + entry)


# --- the file as a whole ------------------------------------------------------------
def change(old, new):
    def changed(source):
        assert source.count(old) == 1
        return source.replace(old, new)
    return changed


def outside(code):
    """The mistake of code that stands outside of all functions."""
    return change("import math", "import math\n" + code)


EMPTY = 'def interpolate(vae, pattern_a, pattern_b, num_steps=8):\n    raise NotImplementedError\n'
FILE_MISTAKES = [
    (change("def encode(self, x):", "def encode(self, x)"), "syntax-error"),
    (change("        hidden = torch.relu(self.decoder_fc1(z))", "    hidden = (z"), "syntax-error"),
    (change("import math", "<<<<<<< HEAD\nimport math"), "merge-marks"),
    (change("class SimpleVAE(nn.Module)", "class MyVAE(nn.Module)"), "name-missing"),
    (change("self.encoder_fc1 = nn.Linear(input_dim,", "self.encoder_fc1 = nn.Linear(7,"),
     "layers-changed"),
    (outside("print(1 / 0)"), "error-on-import"),
    (outside("import a_module_that_nobody_has"), "no-module"),
    (outside("import sys\nsys.exit()"), "exits"),
    (outside("answer = input()"), "asks-keyboard"),
    (lambda source: source + "\0", "unreadable-file"),
    (lambda source: source + "\n\n" + EMPTY, "raise-left"),
    (lambda source: put_in(source, DECODE, "pass") + "\n\ndef decode(self, z):\n    return z\n",
     "misplaced"),
]


@pytest.mark.parametrize(("spoil", "hint"), FILE_MISTAKES)
def test_a_file_that_cannot_be_used_is_reported(check, spoil, hint):
    judgement = check(spoil(emptied(SOLUTION, CHALLENGE)))
    everything = [judgement.file, *judgement.results.values()]
    assert hint in [one.hint for one in everything], verdict(judgement)
    assert judgement.exit_code == 1
    assert len([one for one in everything if one.state == "wrong"]) == 1


@pytest.mark.parametrize(("last_line", "hint"), [
    ("torch.load(OUTPUT_DIR / 'no_such_weights.pth')", "no-such-file"),
    ("print(SimpleVAE().decode(torch.zeros(1, LATENT_DIM)).numpy())", "numpy-function")])
def test_an_error_at_the_bottom_is_said_and_all_todos_are_checked(check, last_line, hint):
    batch = "def encode(self, x):\n    return self.fc_mu(torch.relu(self.encoder_fc2(torch.relu(" \
            "self.encoder_fc1(x.view(5, -1))))))"
    judgement = check(f"{put_in(TWO, ENCODE, batch)}\n\n{last_line}\n")
    assert judgement.file.hint == hint, verdict(judgement)
    assert judgement.results[ENCODE].hint == "fixed-batch"
    assert judgement.names("right") == ["decode"]


def test_a_function_that_stands_twice_is_named_although_it_is_right(check):
    twice = "\n".join("    " + line for line in function_text(SOLUTION, DECODE).splitlines())
    source = TWO.replace("\n\n\ndef interpolate", f"\n\n{twice}\n\n\ndef interpolate")
    judgement = check(source + "\nif __name__ == '__main__':\n    print('mine')\n")
    assert judgement.names("right") == ["encode", "decode"]
    assert "is defined in the lines" in verdict(judgement)
    assert "do not run" in verdict(judgement)


# --- begun or not --------------------------------------------------------------------
@pytest.mark.parametrize("body", [
    '"""Only a docstring."""', "pass", "...", "return None", 'raise NotImplementedError("TODO")',
    '"""Both."""\n    # a comment\n    pass'])
def test_a_todo_without_code_is_to_do(tmp_path, body):
    file = tmp_path / "latent_starter.py"
    head = "def interpolate(vae, pattern_a, pattern_b, num_steps=8):\n    "
    file.write_text(put_in(SOLUTION, INTERPOLATE, head + body), encoding="utf-8")
    assert SourceFile(file).state(INTERPOLATE) == "to do"


def test_a_fresh_starter_has_four_todos(check, workshop):
    judgement = check(emptied(STARTER, *TODOS))
    assert judgement.names("to do") == [todo.name for todo in TODOS]
    assert judgement.exit_code == 0
    assert next_step(judgement).startswith("Next: TODO 1, encode (")
    assert show(judgement, workshop) == ""


@pytest.mark.skipif("EXERCISE_HANDOUT" not in os.environ, reason="only before it is handed out")
def test_the_starter_is_handed_out_empty():
    source = SourceFile(STARTER_FILE)
    assert [todo.title for todo in TODOS if source.state(todo) != "to do"] == []


def test_later_todos_are_checked_before_earlier_ones_work(check):
    assert check(emptied(SOLUTION, *TODOS[:3])).names("right") == [CHALLENGE.name]


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
    source = emptied(SOLUTION, CHALLENGE)
    judgement = check(put_in(put_in(source, ENCODE, encode), INTERPOLATE, code))
    assert judgement.results[ENCODE].state == "right"
    assert judgement.results[INTERPOLATE].hint == "own-model"


@pytest.mark.parametrize("todo", TODOS, ids=[todo.name for todo in TODOS])
def test_starter_and_solution_are_in_step(todo):
    given, finished = (definition(source, todo) for source in (STARTER, SOLUTION))
    assert ast.unparse(given.args) == ast.unparse(finished.args)
    layers = [re.search(r"    def __init__.*?(?=\n\n)", source, re.DOTALL).group()
              for source in (STARTER, SOLUTION)]
    assert layers[0] == layers[1]


@same_layers
def test_the_reference_model_does_what_vae_does():
    trained = VAE()
    right = ReferenceVAE(layer_by_layer(trained))
    x, z = torch.rand(3, IMAGE_SIZE**2), torch.randn(3, LATENT_DIM)
    assert torch.allclose(right.encode(x), trained.encode(x)[0])
    assert torch.allclose(right.decode(z), trained.decoder(z))


# --- what learners' code does to others ----------------------------------------------
HARMFUL = {
    "exits": ("sys.exit('thank you')", "exits"),
    "a thread without an end": (
        "threading.Thread(target=time.sleep, args=(9,), daemon=True).start(); return None",
        "returns-nothing"),
    "floods the screen": ("os.system('head -c 3000000 /dev/zero')\n    print('x' * 10**7)",
                          "returns-nothing"),
    "deletes its folder": ("os.chdir('..'); shutil.rmtree('cwd'); shutil.rmtree('outputs')",
                           "returns-nothing"),
    "changes settings": (
        "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)\n"
        "    np.seterr(all='raise'); warnings.simplefilter('error'); sys.stdout = None",
        "returns-nothing"),
    "shows a figure": ("import matplotlib.pyplot as plt; plt.plot([1]); plt.show()",
                       "returns-nothing"),
}


@pytest.mark.parametrize(("body", "hint"), HARMFUL.values(), ids=HARMFUL)
def test_harmful_code_leaves_the_other_todos_their_verdicts(check, body, hint):
    modules = "os, sys, time, shutil, threading, warnings"
    code = f"def encode(self, x):\n    import {modules}\n    {body}\n"
    judgement = check(put_in(TWO, ENCODE, code))
    assert judgement.results[ENCODE].hint == hint, verdict(judgement)
    assert judgement.names("right") == ["decode"]
    assert judgement.names("to do") == ["interpolate", CHALLENGE.name]
    assert max(map(len, verdict(judgement).splitlines())) <= WIDTH
    assert len(verdict(judgement).splitlines()) < 25


def test_time_that_is_used_up_leaves_the_rest_unchecked(check, monkeypatch):
    monkeypatch.setattr(process, "SECONDS_IN_ALL", 0)
    judgement = check(TWO)
    assert "all the time" in judgement.results[ENCODE].message
    assert judgement.exit_code == 1


# --- what is not the learner's fault ---------------------------------------------------
def test_a_fault_of_the_checks_is_said_to_be_one(check):
    odd = ("def encode(self, x):\n    class Odd(torch.Tensor):\n        def detach(self):\n"
           "            raise LookupError('odd')\n"
           "    return self.fc_mu(x.new_zeros(len(x), self.fc_mu.in_features)).as_subclass(Odd)\n")
    judgement = check(put_in(TWO, ENCODE, odd))
    assert judgement.results[ENCODE].hint == "checks-failed", verdict(judgement)
    message = loss({"file": STARTER_FILE, "todo": "encode"}, 1,
                   'Timeout (0:00:05)!\n  File "layers.py", line 3 in watch', 5)
    assert message["result"]["hint"] == "too-slow"


def test_a_missing_package_is_said_with_the_remedy():
    assert "requirements.txt" in described(ModuleNotFoundError("No module", name="torch"))


def test_a_process_that_cannot_start_is_not_blamed_on_the_learner(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "ROOT", tmp_path)
    with Workshop() as workshop, pytest.raises(LostError, match="tests"):
        judge(STARTER_FILE, workshop)


@pytest.mark.parametrize("name", ["inspect.py", "torch.py", "random.py"])
def test_a_file_that_hides_a_module_is_named(monkeypatch, tmp_path, name):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    (tmp_path / name).touch()
    with pytest.raises(SystemExit, match=f"{name} hides the module"):
        run.refuse_hidden_modules()


def test_settings_and_prints_of_other_files_change_no_word_of_pytest(tmp_path, check):
    """In a copy of the folder, whose own files print and set what they should not."""
    wrong = put_in(SOLUTION, DECODE, "def decode(self, z):\n    return z\n")
    judgement = check(emptied(wrong, ENCODE))
    for name in ("patterns.py", "vae_model.py", "tests/conftest.py", "tests/test_exercise.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "tests" / "exercise", tmp_path / "tests" / "exercise",
                    ignore=shutil.ignore_patterns("__pycache__", "answers"))
    for name, line in {"vae_model.py": "torch.set_default_dtype(torch.float64)",
                       "patterns.py": "print('hello'); np.seterr(all='raise')"}.items():
        with open(tmp_path / name, "a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "tests/test_exercise.py",
         "--graded", "--starter", judgement.source.path], cwd=tmp_path, capture_output=True,
        encoding="utf-8", timeout=120, check=False)
    assert judgement.results[DECODE].message in finished.stdout, finished.stdout
    assert next_step(judgement) in finished.stdout
    assert "2 failed, 3 passed" in finished.stdout
    assert finished.stderr == ""


# --- what is printed, and the pictures ----------------------------------------------------
@pytest.fixture
def one_workshop(monkeypatch, workshop):
    """For commands that would start a process of their own."""
    monkeypatch.setattr(process, "Workshop", lambda: contextlib.nullcontext(workshop))


def test_the_starter_says_how_far_it_is_and_what_is_next(
        one_workshop, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(run.signal, "signal", lambda *_: None)
    monkeypatch.setattr(pictures, "show", lambda *_: "Picture: drawn")    # it writes to outputs/
    file = tmp_path / "latent_starter.py"
    file.write_text(put_in(SOLUTION, ENCODE, "def encode(self, x):\n    return x\n"))
    with pytest.raises(SystemExit) as ended:
        run.check(file)
    printed = capsys.readouterr().out
    assert ended.value.code == 1
    assert printed.count(": right") == 3 and printed.count(": not right yet") == 1
    picture, step = printed.splitlines()[-2:]
    assert picture == "Picture: drawn"
    assert step.startswith("Next: TODO 1, encode (latent_starter.py, line ")


def test_the_table_has_a_line_for_each_file(one_workshop, tmp_path, capsys):
    file = tmp_path / "a.py"
    file.write_text(f"import solutions.latent_solution\n{emptied(SOLUTION, *TODOS)}")
    run.table([str(file), str(tmp_path / "missing.py")])
    heading, empty, missing = capsys.readouterr().out.splitlines()
    assert heading.startswith("file,encode,decode,interpolate,")
    assert empty.endswith(",to do,to do,to do,to do,0,,solutions.latent_solution")
    assert missing.endswith("unchecked,0,Python cannot read anything of this file,")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(VAE().state_dict(), file)
    return [file]


@same_layers
def test_a_right_file_gets_its_pictures(check, workshop, tmp_path, weights):
    said = show(check(SOLUTION), workshop, tmp_path / "outputs", weights)
    files = sorted(path.name for path in (tmp_path / "outputs").iterdir())
    assert files == ["latent_walk.gif", "my_interpolation.gif", "my_interpolation.png"], said
    assert all(name in said for name in files)
    other = tmp_path / "other.py"
    shutil.copy(tmp_path / "latent_starter.py", other)
    said = show(judge(other, workshop), workshop, tmp_path / "outputs", weights)
    assert "other_walk.gif" in said and "my_" not in said


@same_layers
def test_a_wrong_answer_is_drawn_too_and_nothing_more(check, workshop, tmp_path, weights):
    wrong = change("torch.sigmoid(self.decoder_out(hidden))", "self.decoder_out(hidden)")
    judgement = check(wrong(TWO))
    show(judgement, workshop, tmp_path / "outputs", weights)
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["my_interpolation.png"]
    assert "cannot be written" in show(judgement, workshop, tmp_path / "latent_starter.py", weights)


@pytest.mark.parametrize("unfit", ["missing", "foreign", "unreadable"])
def test_unfit_weights_are_answered_with_a_sentence(check, workshop, tmp_path, unfit):
    file = tmp_path / "weights.pth"
    if unfit == "foreign":
        torch.save(VAE(latent_dim=LATENT_DIM + 1).state_dict(), file)
    elif unfit == "unreadable":
        file.write_bytes(b"no weights")
    line = show(check(TWO), workshop, tmp_path, [file])
    assert line.startswith("No picture: ") and "python latent_space_exploration.py" in line


def test_what_is_printed_is_shown_once_and_short(check):
    code = "def encode(self, x):\n    for k in range(99): print('row', k)\n    return x\n"
    text = verdict(check(put_in(TWO, ENCODE, code)))
    assert text.count("row 1\n") == 1 and "more lines" in text and "row 50" not in text


def test_after_all_four_there_is_something_to_try(tmp_path):
    judgement = process.Judgement(SourceFile(tmp_path / "latent_starter.py"))
    judgement.file = Result("right")
    judgement.results = dict.fromkeys(TODOS, Result("right"))
    assert "solutions/latent_solution.py" in next_step(judgement)
    judgement.source.path = ROOT / "solutions" / "latent_solution.py"
    assert "latent_solution.py" not in next_step(judgement)


# --- last, because each loss costs a new process if another test follows -------------------
def test_a_crash_and_a_loop_without_an_end_leave_the_other_todos_their_verdicts(check):
    crash = "def encode(self, x):\n    import os\n    os.kill(os.getpid(), 9)\n"
    loop = function_text(SOLUTION, CHALLENGE).replace(
        "    pictures = []", "    pictures = []\n    while len(pictures) < 9:\n"
        "        try: vae.decode(vae.encode(patterns))\n        except BaseException: pass")
    judgement = check(put_in(put_in(TWO, CHALLENGE, loop), ENCODE, crash), 0.5)
    assert [one.hint for one in judgement.results.values()] == ["crashed", "", "", "endless"]
    assert judgement.names("right") == ["decode"]
    assert "while len(pictures) < 9:" in judgement.results[CHALLENGE].message
