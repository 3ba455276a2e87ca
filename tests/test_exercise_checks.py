"""The tests of the tests: do the checks of exercise 3 say the right thing to every answer?

tests/exercise/answers holds wrong answers, each with the hint it has to get, and
right ones in many ways of writing. Each is put into the place of its TODO in a
finished file. What may take the process along gets a process of its own; all others
share one.
"""

import ast
import configparser
import contextlib
import os
import re
import runpy
import signal
import subprocess
import sys
from string import Formatter

import numpy as np
import pytest
import torch

import patterns
import vae_model
from patterns import IMAGE_SIZE
from tests.exercise import pictures, process
from tests.exercise.card import DARK, RAMP, TestCard
from tests.exercise.hints import HINTS, HINTS_FILE, KNOWN, read_hints
from tests.exercise.process import BEGUN, ROOT, Judgement, LostError, Workshop, judge, loss
from tests.exercise.reference import ReferenceVAE, interpolate
from tests.exercise.report import WIDTH, Result, next_step, verdict
from tests.exercise.todos import CHALLENGE, DECODE, ENCODE, INTERPOLATE, TODOS, SourceFile
from tests.stored import SOLUTION, all_answers, definition, emptied, function_text, put_in
from vae_model import HIDDEN_DIM, LATENT_DIM, VAE

SOLUTION_FILE, STARTER_FILE = ROOT / "solutions" / "latent_solution.py", ROOT / "latent_starter.py"
STARTER = STARTER_FILE.read_text(encoding="utf-8")
FATAL = ("endless", "ended", "crashed")      # hints of what takes the process along
ANSWERS = all_answers()
# what can only be told apart if a code has so many numbers
NEEDS = {"alpha-row": LATENT_DIM == 8, "one-picture": LATENT_DIM == 8,
         "off-line": LATENT_DIM > 2,
         "pattern-skipped": LATENT_DIM > 3, "jump-cuts": LATENT_DIM > 2}
# ... or if layers of different widths do not fit together
NEEDS |= dict.fromkeys(("sizes-do-not-fit", "by-hand-shapes", "head-missing"),
                       HIDDEN_DIM not in (IMAGE_SIZE**2, LATENT_DIM))
# ... or if np.resize puts just one picture into each row
NEEDS["smoothed"] = IMAGE_SIZE**2 == 256
LIGHT = emptied(SOLUTION, CHALLENGE)         # the check of the challenge takes longest
SOLE = {todo: emptied(SOLUTION, *[other for other in TODOS if other != todo]) for todo in TODOS}
PATIENCE = (0.3, 1, 10)  # seconds for what has no end: the first may be too few


@pytest.fixture
def check(workshop, tmp_path):
    """A function that checks a source text and returns a Judgement."""
    def make(source, seconds=10):
        file = tmp_path / "latent_starter.py"
        file.write_text(source, encoding="utf-8")
        return judge(file, workshop, seconds)
    return make


# --- the stored answers -----------------------------------------------------------
def files_beside_the_solution():
    return sorted([*(ROOT / "solutions").glob("*"), *(ROOT / "outputs").glob("*")])


def judge_stored_answers(folder):
    """The Result of each stored answer, the Judgement of each file of FILES, and the workshop.

    The Judgement of the solution comes with what lay beside it before and afterwards.
    """
    workshop, jobs = Workshop(), {}
    found = {"workshop": workshop, "before": files_beside_the_solution(),
             "solution": judge(SOLUTION_FILE, workshop), "after": files_beside_the_solution()}
    for number, answer in enumerate(ANSWERS):
        file = folder / str(number) / "latent_starter.py"
        file.parent.mkdir()
        file.write_text(put_in(SOLUTION, answer.todo, answer.code), encoding="utf-8")
        jobs[answer] = {"task": "check", "file": str(file), "todo": answer.todo.name,
                        "right": [todo.name for todo in TODOS if todo != answer.todo]}
    together = [answer for answer in ANSWERS if answer.hint not in FATAL]
    alone = [[answer] for answer in ANSWERS if answer.hint in FATAL]
    for batch in [together, *alone]:
        for seconds in PATIENCE if batch[0].hint == "endless" else PATIENCE[-1:]:
            messages = workshop.run([jobs[answer] for answer in batch], seconds)
            found |= {answer: Result(**message["result"])
                      for answer, message in zip(batch, [*messages])}
            if found[batch[0]].hint != "too-slow":
                break
    for number, (name, source) in enumerate(FILES.items()):
        file = folder / f"file {number}" / "latent_starter.py"
        file.parent.mkdir()
        file.write_bytes(source if isinstance(source, bytes) else source.encode())
        for seconds in PATIENCE if "endless" in name else PATIENCE[-1:]:
            found[name] = judge(file, workshop, seconds)
            if "too-slow" not in {one.hint for one in found[name].results.values()}:
                break
    return found


@pytest.fixture(scope="module")
def results(background):
    return background["answers"].result() | {"without forks": background["without forks"].result()}


@pytest.mark.parametrize("answer", ANSWERS, ids=[answer.id for answer in ANSWERS])
def test_every_stored_answer_gets_its_own_hint_or_passes(results, answer):
    result = results[answer]
    if not answer.hint:
        assert result.state == "right", result.message
        assert not result.remark
        return
    if result.state == "right" and not NEEDS.get(answer.hint, True):
        pytest.skip("a code of so few numbers does not show this mistake")
    assert result.state == "wrong"
    assert result.hint == answer.hint or not NEEDS.get(answer.hint, True), result.message
    lines = result.message.splitlines()
    assert [line[2:11].strip() for line in lines if line[2:11].strip()] == [
        "called", "seen", "cause", "look at"]
    assert len(lines) <= 7 and max(map(len, lines)) <= WIDTH, result.message
    assert "latent_starter.py, line " in result.message
    assert "{" not in lines[-1] or "{" in answer.code


def test_every_hint_has_a_stored_wrong_answer():
    stored = {answer.hint for answer in ANSWERS} | {hint for _, hint in FILE_MISTAKES}
    elsewhere = {"own-model", "checks-failed", "too-slow"}      # tests below, by their names
    assert set(HINTS) - stored - elsewhere == set()


def test_no_hint_contains_a_line_of_the_solution():
    code = [line.split("#")[0].strip() for line in SOLUTION.splitlines()]
    begin = code.index("def encode(self, x):")
    telling = [line for line in code[begin:] if len(line) > 12 and '"""' not in line]
    for texts in HINTS.values():
        assert not any(line in text for line in telling for text in texts)


# --- the file as a whole ------------------------------------------------------------
def change(old, new):
    def changed(source):
        assert source.count(old) == 1
        return source.replace(old, new)
    return changed


EMPTY = 'def interpolate(vae, pattern_a, pattern_b, num_steps=8):\n    raise NotImplementedError\n'
FILE_MISTAKES = [
    (change("def encode(self, x):", "def encode(self, x)"), "syntax-error"),
    (change("        hidden = torch.relu(self.decoder_fc1(z))", "    hidden = (z"), "syntax-error"),
    (change("import math", "<<<<<<< HEAD\nimport math"), "merge-marks"),
    (change("class SimpleVAE(nn.Module)", "class MyVAE(nn.Module)"), "name-missing"),
    (change("self.encoder_fc1 = nn.Linear(input_dim,", "self.encoder_fc1 = nn.Linear(7,"),
     "layers-changed"),
    (change("self.encoder_fc2 = ", "self.second = "), "layers-changed"),
    (change("import math", "import math\nprint(1 / 0)"), "error-on-import"),
    (change("import math", "import a_module_that_nobody_has"), "no-module"),
    (change("import math", "import sys\nsys.exit()"), "exits"),
    (change("import math", "import os\nos._exit(0)"), "ended"),
    (change("import math", "answer = input()"), "asks-keyboard"),
    (lambda source: source + "\0", "unreadable-file"),
    (lambda source: source.encode() + b"\xdc\xff", "unreadable-file"),
    (lambda source: source + "\n\n" + EMPTY, "raise-left"),
    (change("    def encode(self, x):", "def encode(self, x):"), "syntax-error"),
    (lambda source: put_in(source, DECODE, "pass") + "\n\ndef decode(self, z):\n    return z\n",
     "misplaced"),
    (lambda source: put_in(source, INTERPOLATE, "def outer():\n    " + EMPTY.replace(
        "raise NotImplementedError", "    return []")), "misplaced"),
]


SPOILT = {f"{hint} {number}": spoil(LIGHT) for number, (spoil, hint) in enumerate(FILE_MISTAKES)}


@pytest.mark.parametrize(("name", "hint"), [*zip(SPOILT, (hint for _, hint in FILE_MISTAKES))])
def test_a_file_that_cannot_be_used_is_reported(results, name, hint):
    judgement = results[name]
    everything = [judgement.file, *judgement.results.values()]
    assert hint in [one.hint for one in everything], verdict(judgement)
    assert judgement.exit_code == 1
    assert len([one for one in everything if one.state == "wrong"]) == 1


def test_a_missing_function_spoils_only_its_own_todo(check):
    judgement = check(LIGHT.replace("def interpolate(", "def morph("))
    assert judgement.results[INTERPOLATE].hint == "name-missing"
    assert judgement.results[ENCODE].state == "right"


def test_a_function_that_stands_twice_is_named_although_it_is_right(check):
    twice = function_text(SOLUTION, INTERPOLATE)
    judgement = check(f"{SOLE[INTERPOLATE]}\n\n{twice}\n")
    assert judgement.results[INTERPOLATE].state == "right"
    assert "stands in the lines" in verdict(judgement)


# --- begun or not --------------------------------------------------------------------
STUBS = ('"""Only a docstring."""', "pass", "...", "return", "return None",
         "raise NotImplementedError", 'raise NotImplementedError("TODO")',
         '"""Both."""\n    # a comment\n    pass')


@pytest.mark.parametrize("body", STUBS)
def test_a_todo_without_code_is_to_do(tmp_path, body):
    file = tmp_path / "latent_starter.py"
    head = "def interpolate(vae, pattern_a, pattern_b, num_steps=8):\n    "
    file.write_text(put_in(SOLUTION, INTERPOLATE, head + body), encoding="utf-8")
    assert SourceFile(file).state(INTERPOLATE) == "to do"


@pytest.mark.parametrize("body", ["return []", "frames = []", "print(vae)", "return vae"])
def test_a_todo_with_any_code_is_checked(check, body):
    code = f"def interpolate(vae, pattern_a, pattern_b, num_steps=8):\n    {body}\n"
    judgement = check(put_in(SOLE[INTERPOLATE], INTERPOLATE, code))
    assert judgement.results[INTERPOLATE].state == "wrong"


def test_a_fresh_starter_has_four_todos(check):
    judgement = check(emptied(STARTER, *TODOS))
    assert [judgement.results[todo].state for todo in TODOS] == ["to do"] * 4
    assert judgement.exit_code == 0
    assert next_step(judgement).startswith("Next: TODO 1, encode (")


def test_the_starter_is_handed_out_empty():
    source = SourceFile(STARTER_FILE)
    begun = [todo.title for todo in TODOS if source.state(todo) != "to do"]
    if begun and not os.environ.get("CI"):
        pytest.skip("somebody is at work in latent_starter.py")
    assert begun == []


def test_later_todos_are_checked_before_earlier_ones_work(check):
    judgement = check(emptied(SOLUTION, *TODOS[:3]))
    assert [judgement.results[todo].state for todo in TODOS] == ["to do"] * 3 + ["right"]


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
    judgement = check(put_in(put_in(LIGHT, ENCODE, encode), INTERPOLATE, code))
    assert judgement.results[ENCODE].state == "right"
    assert judgement.results[INTERPOLATE].hint == "own-model"


# --- the solution ------------------------------------------------------------------------
def test_the_solution_is_right_and_its_folder_stays_as_it_is(results):
    judgement = results["solution"]
    assert {todo.name: one.message for todo, one in judgement.results.items()} == \
        {todo.name: "" for todo in TODOS}
    assert judgement.exit_code == 0
    assert next_step(judgement).startswith("All four are right")
    assert results["before"] == results["after"]


@pytest.mark.parametrize("todo", TODOS, ids=[todo.name for todo in TODOS])
def test_starter_and_solution_are_in_step(todo):
    if SourceFile(STARTER_FILE).state(todo) != "to do":
        pytest.skip("somebody is at work in this function")
    given, finished = (definition(source, todo) for source in (STARTER, SOLUTION))
    assert ast.unparse(given.args) == ast.unparse(finished.args)
    for function in (given, finished):
        assert ast.get_docstring(function).startswith(f"{todo.label}: ")
    if todo.owner:
        layers = [re.search(r"    def __init__.*?(?=\n\n)", source, re.DOTALL).group()
                  for source in (STARTER, SOLUTION)]
        assert layers[0] == layers[1]


# --- the instruments themselves -------------------------------------------------------------
def test_the_test_card_shows_the_weights_of_a_mixture():
    patterns = torch.rand(3, IMAGE_SIZE**2)
    card = TestCard(patterns)
    a, b = card.encode(patterns[:2])
    picture = card.decode(0.75 * a + 0.25 * b).detach().reshape(IMAGE_SIZE, IMAGE_SIZE).numpy()
    assert np.allclose(picture[0], RAMP)
    assert picture[1].mean() > picture[2].mean() > DARK
    own = card.decode(a).detach().reshape(IMAGE_SIZE, IMAGE_SIZE).numpy()
    assert np.allclose(own[1], 1) and np.allclose(own[2], DARK)


def test_the_reference_model_does_what_vae_does():
    trained = VAE()
    right = ReferenceVAE(pictures.layer_by_layer(trained))
    x = torch.rand(3, IMAGE_SIZE**2)
    assert torch.allclose(right.encode(x), trained.encode(x)[0])
    z = torch.randn(3, LATENT_DIM)
    assert torch.allclose(right.decode(z), trained.decoder(z))
    assert np.allclose(interpolate(right, x[0], x[1])[0].ravel(),
                       right.decode(right.encode(x[:1])).detach().numpy().ravel())


# --- what learners' code must not do to others ----------------------------------------------
HARMFUL = {
    "exits": ("sys.exit('thank you')", "exits"),
    "ends Python": ("os._exit(0)", "ended"),
    "a signal": ("os.kill(os.getpid(), 9)", "crashed"),
    "kills the process around it": ("os.kill(os.getppid(), 9)", None),
    "a thread without an end": (
        "threading.Thread(target=time.sleep, args=(99,)).start(); return None",
        "returns-nothing"),
    "fills memory": ("x = [torch.empty(10**7) for _ in range(9999)]", "memory"),
    "floods the screen": ("os.system('head -c 3000000 /dev/zero')\n    print('x' * 10**7)",
                          "returns-nothing"),
    "deletes its folder": ("os.chdir('..'); shutil.rmtree('cwd'); shutil.rmtree('outputs')",
                           "returns-nothing"),
    "changes settings": (
        "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)\n"
        "    sys.stdout = None",
        "returns-nothing"),
    "forks": ("os.fork()", "second-process"),
    "a process that stays": ("subprocess.Popen(['sleep', '99'])", "returns-nothing"),
}


def require_only_encode_wrong(judgement):
    states = [judgement.results[todo].state for todo in TODOS]
    assert states == ["wrong", "right", "to do", "to do"], verdict(judgement)
    assert judgement.exit_code == 1


TWO = emptied(SOLUTION, INTERPOLATE, CHALLENGE)
MODULES = "os, sys, time, shutil, threading, subprocess"
FILES = SPOILT | {
    name: put_in(TWO, ENCODE, f"def encode(self, x):\n    import {MODULES}\n    {body}\n")
    for name, (body, _) in HARMFUL.items()} | {
    "endless file": TWO.replace("import math", "import math\nwhile True: pass"),
    "endless encode": put_in(
        TWO, ENCODE, "def encode(self, x):\n    import time\n    while True:\n"
        "        try: time.sleep(9)\n        except BaseException: pass\n"),
}


def test_code_that_hangs_whatever_is_raised_leaves_the_others_their_verdicts(results):
    judgement = results["endless encode"]
    require_only_encode_wrong(judgement)
    assert judgement.results[ENCODE].hint == "endless"


def test_a_file_that_hangs_as_a_whole_is_reported(results):
    assert results["endless file"].file.hint == "endless"
    assert results["endless file"].exit_code == 1


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_code_leaves_the_other_todos_their_verdicts(results, name):
    hint = HARMFUL[name][1]
    if hint == "memory" and sys.platform != "linux":
        pytest.skip("memory can be limited on Linux only")
    judgement = results[name]
    require_only_encode_wrong(judgement)
    assert hint in (None, judgement.results[ENCODE].hint)
    assert max(map(len, verdict(judgement).splitlines())) <= WIDTH
    assert len(verdict(judgement).splitlines()) < 25


def judge_without_forks(folder):
    file = folder / "latent_starter.py"
    code = f"{function_text(SOLUTION, INTERPOLATE).splitlines()[0]}\n    import os; os._exit(3)\n"
    file.write_text(put_in(LIGHT, INTERPOLATE, code), encoding="utf-8")
    with Workshop(forks=False) as workshop:
        return judge(file, workshop)


def test_where_no_process_can_be_copied_it_does_the_work_itself(results):
    judgement = results["without forks"]
    assert judgement.results[INTERPOLATE].hint == "ended"
    assert judgement.results[DECODE].state == "right"


def test_a_mistake_of_the_checks_is_neither_a_traceback_nor_right(check):
    odd = ("def encode(self, x):\n    class Odd(torch.Tensor):\n        def detach(self):\n"
           "            raise LookupError('odd')\n"
           "    return self.fc_mu(x.new_zeros(len(x), self.fc_mu.in_features)).as_subclass(Odd)\n")
    judgement = check(put_in(SOLE[ENCODE], ENCODE, odd))
    assert judgement.results[ENCODE].hint == "checks-failed", verdict(judgement)
    assert judgement.exit_code == 1


def test_time_that_runs_out_in_the_checks_is_not_blamed_on_the_learner(tmp_path):
    file = tmp_path / "latent_starter.py"
    file.write_text(SOLUTION, encoding="utf-8")
    trace = f'{BEGUN}\nTimeout (0:00:05)!\n  File "layers.py", line 3'
    message = loss({"file": str(file), "todo": "encode"}, 1, trace, 5)
    assert message["result"]["hint"] == "too-slow"


@pytest.mark.parametrize(("trace", "words"), [
    ("", "their process ended at once, with 1"),
    ("/usr/bin/python: No module named tests", "/usr/bin/python: No module named tests"),
    ('Traceback\n  File "/x/vae_model.py", line 7, in <module>\nNameError: n',
     "NameError: n, vae_model.py, line 7"),
    ('Traceback\n  File "/x/child.py", line 7\npatterns.ProgramError: NOISE is', "NOISE is"),
])
def test_a_process_that_never_began_is_not_blamed_on_the_learner(trace, words):
    with pytest.raises(LostError) as lost:
        loss({"file": "latent_starter.py"}, 1, trace, 5)
    assert str(lost.value) == words


def test_all_hanging_together_end_in_time(check, monkeypatch):
    monkeypatch.setattr(process, "SECONDS_IN_ALL", 0.5)
    source = SOLUTION
    for todo in TODOS:
        head = function_text(SOLUTION, todo).splitlines()[0]
        source = put_in(source, todo, f"{head}\n    while True: pass")
    judgement = check(source, seconds=0.2)
    found = [judgement.results[todo] for todo in TODOS]
    # on a loaded machine that may be over before the learner's code begins
    assert {one.hint for one in found[:2]} <= {"endless", "too-slow"}
    assert found[3].state == "unchecked" and "all the time" in found[3].message
    assert judgement.exit_code == 1


def test_a_traceback_that_a_learner_writes_is_no_broken_package(check):
    code = ("def encode(self, x):\n    import os\n"
            "    os.write(2, b'Traceback (most recent call last)\\nOddError: mine\\n')\n"
            "    os._exit(5)\n")
    judgement = check(put_in(TWO, ENCODE, code))
    require_only_encode_wrong(judgement)
    assert judgement.results[ENCODE].hint == "ended"


# --- the run of the starter ------------------------------------------------------------------
def run(*command, **options):
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True,
                          encoding="utf-8", timeout=120, check=False, **options)


MINE = put_in(SOLUTION, DECODE, "def decode(self, z):\n    return z\n")


BACKGROUND = {"answers": judge_stored_answers, "without forks": judge_without_forks}


@pytest.fixture
def signals():
    """Give signals their handlers back after a program has set its own."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_starter_and_pytest_say_the_same(workshop, tmp_path, monkeypatch, capsys):
    file = tmp_path / "mine.py"
    file.write_text(MINE, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["latent_starter.py", str(file)])
    monkeypatch.setattr(process, "Workshop", lambda: contextlib.nullcontext(workshop))
    monkeypatch.setattr(patterns, "OUTPUT_DIR", tmp_path / "outputs")
    with pytest.raises(SystemExit) as ended:       # what latent_starter.py does
        runpy.run_module("tests.exercise", run_name="__main__")
    output, errors = capsys.readouterr()
    by_pytest = pytest.main([f"{ROOT / 'tests' / 'test_exercise.py'}", "--starter", str(file)])
    output_of_pytest, errors_of_pytest = capsys.readouterr()
    assert ended.value.code == by_pytest == 1
    assert errors == errors_of_pytest == ""
    lines = [line for line in output.splitlines()
             if line.strip() and not line.startswith(("Picture", "No picture", "   "))]
    expected = [line for line in output_of_pytest.splitlines() if line.strip()]
    assert lines == [line for line in expected if not line.startswith("   ")]
    assert lines[-1].startswith("Next: TODO 2, decode (mine.py, line ")


def test_a_starter_without_its_checks_says_so(tmp_path):
    (tmp_path / "latent_starter.py").write_text(STARTER, encoding="utf-8")
    finished = run(tmp_path / "latent_starter.py")
    assert finished.returncode == 1
    assert finished.stderr.startswith("The folder tests is missing")


@pytest.fixture
def show(tmp_path, workshop, monkeypatch):
    """A function that lets a judged file draw with certain weights, in a new output folder."""
    def shown(judgement, weights=None):
        outputs = tmp_path / "outputs"
        outputs.mkdir()
        monkeypatch.setattr(patterns, "OUTPUT_DIR", outputs)
        if weights:
            torch.save(weights, tmp_path / "weights.pth")
        line = pictures.show(judgement, workshop, tmp_path / "weights.pth")
        return line, sorted(path.name for path in outputs.iterdir())
    return shown


def test_a_right_file_gets_its_picture_and_its_gif(show, results):
    line, files = show(results["solution"], VAE().state_dict())
    assert files == ["latent_walk.gif", "my_interpolation.png"]
    assert all(name in line for name in files)


def test_a_wrong_answer_is_drawn_as_well_and_nothing_more(show, check):
    wrong = change("torch.sigmoid(self.decoder_out(hidden))", "self.decoder_out(hidden)")
    assert show(check(wrong(LIGHT)), VAE().state_dict())[1] == ["my_interpolation.png"]


def test_nothing_is_drawn_before_anything_is_written(show, check):
    assert show(check(emptied(STARTER, *TODOS)), VAE().state_dict()) == ("", [])


@pytest.mark.parametrize("weights", [None, VAE(latent_dim=LATENT_DIM + 1).state_dict()],
                         ids=["missing", "foreign"])
def test_unfit_weights_are_answered_with_a_sentence(show, results, weights):
    line, files = show(results["solution"], weights)
    assert line.startswith("No picture: ") and "python latent_space_exploration.py" in line
    assert files == []


@pytest.mark.parametrize(("layer", "said"), [
    (torch.nn.Tanh(), "no trained weights of layers like SimpleVAE's"),
    (torch.nn.ReLU(), "what is written gives no frames"),         # there is no learner
])
def test_weights_of_other_activations_are_not_drawn(monkeypatch, layer, said):
    trained = VAE()
    trained.encoder[1] = layer
    monkeypatch.setattr(vae_model, "load_model", lambda: trained)
    assert said in pictures.make_frames(None, [], ())


def test_progress_names_the_next_step_and_its_line(check):
    judgement = check(emptied(SOLUTION, *TODOS[1:]))
    source = judgement.source.path.read_text(encoding="utf-8")
    line = source[:source.index("def decode")].count("\n") + 1
    assert re.fullmatch(rf"Next: TODO 2, decode \(.*latent_starter.py, line {line}\)",
                        next_step(judgement))


def test_what_is_printed_is_shown_once_and_short(check):
    code = "def encode(self, x):\n    for k in range(99): print('row', k)\n    return x\n"
    text = verdict(check(put_in(SOLE[ENCODE], ENCODE, code)))
    assert text.count("row 1\n") == 1 and "more lines" in text and "row 50" not in text


def test_texts_are_plain():
    assert isinstance(Judgement(SourceFile(STARTER_FILE)).results, dict)
    for cause, look in HINTS.values():
        assert (cause + look).isascii()
        assert "exactly these numbers" not in cause.lower()
    assert max(map(len, HINTS_FILE.read_text(encoding="utf-8").splitlines())) < 100
    assert CHALLENGE.title.startswith("Challenge")


def test_every_expression_can_be_used_and_fills_in_what_its_hint_asks_for():
    for expression, hint in KNOWN:
        groups = set(re.compile(expression).groupindex)
        asked = {name for text in HINTS[hint] for _, name, _, _ in Formatter().parse(text) if name}
        given = groups | {"name", "clue", "close", "did_you", "count"}
        assert groups - {"name"} <= asked <= given, expression


@pytest.mark.parametrize("entry", [
    "key:", "key:\n    look: there", "key: Why.\n    lok: there",
    "key: Why.\n    look: there\n    look: elsewhere", "key: Why.\nkey: Why.", "key Why.",
    "key: Why.\n[B]\nkey: Why."])
def test_a_malformed_hint_is_named(entry):
    with pytest.raises((ValueError, configparser.Error), match="key|line"):
        read_hints("[A]\n" + entry)
