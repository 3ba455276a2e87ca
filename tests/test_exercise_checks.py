"""The tests of the tests: do the checks of exercise 3 say the right thing about every answer?

tests/exercise/answers holds wrong answers, each with the hint it has to get, and right
ones in many ways of writing. Each takes the place of its TODO in a finished file.
"""

import contextlib
import functools
import re
import runpy
import sys
from types import SimpleNamespace

import pytest
import torch

from patterns import IMAGE_SIZE, OUTPUT_DIR
from tests.exercise import plugin, process, run
from tests.exercise.hints import HINTS
from tests.exercise.pictures import layer_by_layer
from tests.exercise.process import ROOT, Workshop, judge
from tests.exercise.reference import ReferenceVAE, loud_weights
from tests.exercise.report import WIDTH, next_step, verdict
from tests.exercise.stored import ANSWERS, emptied, function_text, put_in, read_solution, stored
from tests.exercise.todos import CHALLENGE, ENCODE, INTERPOLATE, TODOS
from tests.test_exercise import test_todo as report_on
from vae_model import HIDDEN_DIM, LATENT_DIM, VAE, WEIGHTS_FILE

if not ANSWERS.is_dir() or not (ROOT / "solutions" / "latent_solution.py").exists():
    pytest.skip("these tests need solutions/ and tests/exercise/answers/",
                allow_module_level=True)

SOLUTION, STORED = read_solution(), stored()
STARTER_FILE = ROOT / "latent_starter.py"
STARTER = STARTER_FILE.read_text(encoding="utf-8")
# with other sizes some mistakes cannot be told from others
HANDED_OUT = (IMAGE_SIZE, HIDDEN_DIM, LATENT_DIM) == (16, 128, 8)
TWO = emptied(SOLUTION, INTERPOLATE, CHALLENGE)
BEGUN = put_in(emptied(SOLUTION, CHALLENGE), ENCODE, "def encode(self, x):\n    return x")
same_layers = pytest.mark.skipif(len(VAE().state_dict()) != len(loud_weights()) + 2,
                                 reason="VAE was edited: it has other layers than SimpleVAE")


@pytest.fixture
def check(workshop, tmp_path):
    """A function that checks a source text and returns a Judgement."""
    def make(source, name="latent_starter.py", seconds=10):
        file = tmp_path / name
        file.write_text(source, encoding="utf-8")
        return judge(file, workshop, seconds)
    return make


# --- the stored answers -----------------------------------------------------------
@pytest.mark.parametrize("answer", STORED, ids=[
    f"{answer.todo.name}: {answer.title} ({answer.hint or 'right'})" for answer in STORED])
def test_every_stored_answer_gets_its_own_hint_or_passes(workshop, tmp_path_factory, answer):
    file = tmp_path_factory.getbasetemp() / "latent_starter.py"
    file.write_text(put_in(SOLUTION, answer.todo, answer.code), encoding="utf-8")
    message = workshop.run(10, task="check", file=str(file),
                           todo=answer.todo.name, right=[todo.name for todo in TODOS])
    result = message["result"]
    if HANDED_OUT or answer.title != "gray as RGBA":       # it has few grays
        assert result["state"] == ("wrong" if answer.hint else "right"), result["message"]
    if answer.hint and HANDED_OUT:
        assert result["hint"] == answer.hint, result["message"] or "right"
        lines = result["message"].splitlines()
        assert [line[2:11].strip() for line in lines if line[2:11].strip()] == [
            "called", "seen", "cause", "look at"]
        assert len(lines) <= 8 and max(map(len, lines)) <= WIDTH, result["message"]
        assert "{" not in result["cause"] and result["message"].isascii()


def test_every_hint_has_a_stored_wrong_answer():
    elsewhere = {*FILE_MISTAKES} | {
        "checks-failed", "crashed", "endless", "too-slow", "own-model"}
    assert set(HINTS) - {answer.hint for answer in STORED} - elsewhere == set()


# --- the file as a whole ------------------------------------------------------------
def edit(source, *changes):
    """A source text with each change: a pair of what stands there once and what comes instead."""
    for old, new in changes:
        assert source.count(old) == 1
        source = source.replace(old, new)
    return source


EMPTY = "def interpolate(vae, pattern_a, pattern_b):\n    raise NotImplementedError\n\n\n"
FILE_MISTAKES = {
    "syntax-error": ("def encode(self, x):", "def encode(self, x)"),
    "merge-marks": ("import math", "<<<<<<< HEAD\nimport math"),
    "unreadable-file": ("import math", "import math\0"),
    "error-on-import": ("import math", "import math\n1 / 0"),
    "no-such-file": ("\n\nclass ", "\nopen(OUTPUT_DIR / 'my_notes.txt')\n\nclass "),
    "name-missing": ("class SimpleVAE(nn.Module)", "class MyVAE(nn.Module)"),
    "layers-changed": ("self.fc_mu = nn.Linear(hidden_dim,", "self.fc_mu = nn.Linear(7,"),
    "misplaced": ("    def decode(self, z):", "def decode(self, z):"),
    "raise-left": ("def create_latent_walk_", EMPTY + "def create_latent_walk_"),
}


@pytest.mark.parametrize("hint", FILE_MISTAKES)
def test_a_file_that_cannot_be_used_is_reported(check, hint):
    judgement = check(edit(emptied(SOLUTION, CHALLENGE), FILE_MISTAKES[hint]))
    everything = [judgement.file, *judgement.results.values()]
    assert [one.hint for one in everything if one.state == "wrong"] == [hint], verdict(judgement)
    assert judgement.exit_code == 1
    if judgement.file.state == "wrong":
        assert judgement.names("unchecked")[:3] == ["encode", "decode", "interpolate"]
        assert next_step(judgement).startswith("Next: repair latent_starter.py, line ")


# --- begun or not --------------------------------------------------------------------
@pytest.mark.parametrize("body", [
    '"""Only a docstring."""', "pass", "...", "return None", 'raise NotImplementedError("TODO")'])
def test_a_todo_without_code_is_to_do(check, body):
    judgement = check(put_in(TWO, ENCODE, f"def encode(self, x):\n    {body}  # a comment"))
    assert judgement.names("to do") == ["encode", "interpolate", CHALLENGE.name]


def test_a_fresh_starter_has_four_todos(check, workshop):
    judgement = check(emptied(STARTER, *TODOS))
    assert judgement.names("to do") == [todo.name for todo in TODOS]
    assert judgement.exit_code == 0
    assert next_step(judgement).startswith("Next: TODO 1, encode (")
    assert run.show(judgement, workshop) == ""
    assert check(emptied(STARTER, *TODOS) + "\n1 / 0\n").exit_code == 1


def test_later_todos_are_checked_before_earlier_ones_work(check):
    assert check(emptied(SOLUTION, *TODOS[:3])).names("right") == [CHALLENGE.name]


def test_interpolate_has_to_fit_to_ones_own_model(check):
    judgement = check(edit(
        emptied(SOLUTION, CHALLENGE),
        ("self.encoder_fc1(x)", "self.encoder_fc1(x.view(x.size(0), -1))"),
        ("vae.encode(torch.stack([pattern_a, pattern_b]))",
         "vae.encode(pattern_a), vae.encode(pattern_b)")))
    assert judgement.names("wrong") == ["interpolate"]
    assert judgement.results[INTERPOLATE].hint == "own-model"


def test_starter_and_solution_are_in_step():
    given, finished = (re.findall(r"^ *def .*|^ +self\.\w+ = .*", source, flags=re.MULTILINE)
                       for source in (STARTER, SOLUTION))
    assert given == finished


@same_layers
def test_the_reference_model_does_what_vae_does():
    trained = VAE()
    right = ReferenceVAE(layer_by_layer(trained))
    x, z = torch.rand(3, IMAGE_SIZE**2), torch.randn(3, LATENT_DIM)
    assert torch.allclose(right.encode(x), trained.encode(x)[0])
    assert torch.allclose(right.decode(z), trained.decoder(z))


# --- what learners' code does to others ----------------------------------------------
HARMFUL = {
    "a thread without an end": "threading.Thread(target=time.sleep, args=(99,)).start()",
    "floods the screen": "os.system('head -c 3000000 /dev/zero'); print(chr(233))\n"
                         "    for number in range(10**4): print('row', number)",
    "takes two gigabytes": "torch.empty(2**29)",
    "ends the process": "os._exit(3)",
    "changes settings": "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)\n"
                        "    np.seterr(all='raise'); warnings.simplefilter('error')\n"
                        "    sys.stdout = sys.stdin = None",
}


@pytest.mark.parametrize("body", HARMFUL.values(), ids=HARMFUL)
def test_harmful_code_leaves_the_other_todos_their_verdicts(check, body):
    source = put_in(TWO, ENCODE, "def encode(self, x):\n    import os, sys, time, threading, "
                    f"warnings\n    {body}\n")
    first = "hidden = torch.relu(self.decoder_fc1(z))"
    judgement = check(edit(source, (first, f"1 / np.zeros(1); {first}")))     # warns, no error
    refused = {"os._exit(3)": "exits",
               "torch.empty(2**29)": "memory" if sys.platform == "linux" else "returns-nothing"}
    assert judgement.results[ENCODE].hint == refused.get(body, "returns-nothing")
    assert judgement.names("right") == ["decode"], verdict(judgement)
    assert judgement.names("to do") == ["interpolate", CHALLENGE.name]
    lines = verdict(judgement).splitlines()
    assert max(map(len, lines)) <= WIDTH and len(lines) < 25 and "".join(lines).isascii()
    assert lines.count("  row 1") == ("row" in body)


# --- what is not the learner's fault ---------------------------------------------------
def test_a_fault_of_the_checks_is_said_to_be_one(check):
    odd = ("def encode(self, x):\n    class Odd(torch.Tensor):\n        def detach(self):\n"
           "            raise LookupError('odd')\n"
           "    return self.fc_mu(x.new_zeros(len(x), self.fc_mu.in_features)).as_subclass(Odd)\n")
    judgement = check(put_in(TWO, ENCODE, odd))
    assert judgement.results[ENCODE].hint == "checks-failed", verdict(judgement)


@pytest.fixture
def child(monkeypatch, tmp_path):
    """The place of a program that stands for child.py and needs no torch."""
    monkeypatch.setattr(process, "ROOT", tmp_path)
    (tmp_path / "tests" / "exercise").mkdir(parents=True)
    return tmp_path / "tests" / "exercise" / "child.py"


def test_a_process_that_cannot_start_is_not_blamed_on_the_learner(child):
    child.write_text("print('from another file')\nimport torch_that_nobody_has")
    with Workshop() as workshop, pytest.raises(SystemExit) as ended:
        judge(STARTER_FILE, workshop)
    for words in ("No module named 'torch_that_nobody_has'", "pip install", "child.py\", line 2"):
        assert words in str(ended.value)


def test_a_process_that_ends_is_started_again_for_the_other_todos(child, monkeypatch, tmp_path):
    monkeypatch.setenv("MPLBACKEND", "module://a_window")
    child.write_text(f"""import json, os, sys
print("hello, from another file")
assert os.environ["MPLBACKEND"] == "Agg"
job = dict(todo="nothing, so that it is ready")
while True:
    if job["todo"] == "encode":
        os.kill(os.getpid(), 9)
    message = dict(result=dict(state="right"), printed=dict())
    print("{process.MARK}" + json.dumps(message), flush=True)
    job = json.loads(input())""")
    (tmp_path / "solved.py").write_text(SOLUTION, encoding="utf-8")
    with Workshop() as workshop:
        judgement = judge(tmp_path / "solved.py", workshop)
    assert judgement.names("right") == [todo.name for todo in TODOS[1:]]
    assert judgement.results[ENCODE].hint == "crashed", verdict(judgement)


@pytest.mark.parametrize("command", [run.check, run.table])
@pytest.mark.parametrize("name", ["inspect.py", "torch.py", "random.py"])
def test_a_file_that_hides_a_module_is_named(monkeypatch, tmp_path, name, command):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    (tmp_path / name).touch()
    with pytest.raises(SystemExit, match=f"{name} hides the module"):
        command(STARTER_FILE)


# --- what is printed, and the pictures ----------------------------------------------------
@pytest.fixture
def one_workshop(monkeypatch, workshop):
    """For commands that would start a process of their own."""
    monkeypatch.setattr(process, "Workshop", lambda: contextlib.nullcontext(workshop))


@pytest.fixture
def run_program(one_workshop, monkeypatch, tmp_path, capsys):
    """A function that runs a source text as a program; returns its exit code and its lines."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    torch.save(VAE().state_dict(), outputs / WEIGHTS_FILE)
    monkeypatch.setattr(run, "show", functools.partial(run.show, outputs=outputs))

    def make(source):
        file = tmp_path / "latent_starter.py"
        file.write_text(source, encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(file, run_name="__main__")
        return ended.value.code, capsys.readouterr().out.splitlines()
    return make


def test_the_program_says_how_far_the_file_is(run_program):
    code, lines = run_program(BEGUN)
    said = [line.rpartition(": ")[2] for line in lines if line.startswith(("TODO", "Challenge"))]
    assert code == 1 and said == ["not right yet", "right", "right", "to do"]
    assert lines[-1].startswith("Next: TODO 1, encode (latent_starter.py, line ")


@same_layers
def test_the_program_draws_what_a_finished_file_makes(run_program, tmp_path):
    load = "torch.load(OUTPUT_DIR / 'vae_weights.pth')\n" * (OUTPUT_DIR / WEIGHTS_FILE).exists()
    code, lines = run_program(f"{SOLUTION}\n{load}if __name__ == '__main__':\n    print()\n")
    assert code == 0 and [line.endswith(": right") for line in lines].count(True) == 4
    assert "not run what stands under if" in lines[4] and "well done" in lines[-1]
    for name in ("my_interpolation.png", "my_interpolation.gif", "latent_walk.gif"):
        assert f"Drawn: {tmp_path / 'outputs' / name}" in lines
        assert (tmp_path / "outputs" / name).stat().st_size > 1000


@pytest.mark.parametrize(("graded", "ends"), [
    (False, pytest.skip.Exception), (True, pytest.fail.Exception)])
def test_what_is_to_do_is_skipped_and_fails_if_graded(check, graded, ends):
    judgement = check(BEGUN)
    request = SimpleNamespace(config=SimpleNamespace(getoption=lambda option: graded))
    report_on(request, judgement, INTERPOLATE)
    with pytest.raises(pytest.fail.Exception, match="not right yet\n.*\n.*\n +cause "):
        report_on(request, judgement, ENCODE)
    with pytest.raises(BaseException, match="to do") as ended:
        report_on(request, judgement, CHALLENGE)
    assert ended.type is ends


@pytest.mark.parametrize(("arguments", "told", "line"), [
    (["tests"], [("exercise 3", "TODO 1: to do")], "TODO 1: to do"),
    (["latent_starter.py"], [], "latent_starter.py holds no tests. They are here: "
     "python -m pytest tests/test_exercise.py")])
def test_how_far_it_is_stands_at_the_end_of_a_run_of_pytest(arguments, told, line):
    lines, reports = [], [SimpleNamespace(user_properties=one) for one in ([], told)]
    reporter = SimpleNamespace(stats={"": reports}, section=lines.append, write_line=lines.append)
    plugin.pytest_terminal_summary(reporter, SimpleNamespace(args=arguments))
    assert lines == ["Exercise 3", line]


@pytest.mark.usefixtures("one_workshop")
def test_the_table_has_a_line_for_each_file(monkeypatch, tmp_path, capsys):
    imports = "import file_beside_it\nimport solutions.latent_solution\n"
    for name, text in {"a.py": imports + emptied(SOLUTION, *TODOS), "file_beside_it.py": "",
                       "b.py": "import math\nmath.pi = = 3\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for names, code in (("a.py", "b.py"), 0), (("a.py", "b.py", "missing.py"), 1):
        files = [str(tmp_path / name) for name in names]
        monkeypatch.setattr(sys, "argv", ["python -m tests.exercise", "--table", *files])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("tests.exercise", run_name="__main__")
        assert ended.value.code == code
        heading, empty, unreadable, *missing = capsys.readouterr().out.splitlines()
    assert heading.startswith("file,encode,decode,interpolate,")
    assert empty.endswith("a.py,to do,to do,to do,to do,0,,solutions.latent_solution")
    assert ",0,\"line 2: Python cannot read the file" in unreadable
    assert missing[0].endswith(",0,there is no such file,")


@same_layers
def test_a_wrong_answer_is_drawn_too_and_nothing_more(check, workshop, tmp_path):
    judgement = check(edit(emptied(SOLUTION, CHALLENGE), ("torch.sigmoid(self.decoder_out(hidden))",
                                                          "self.decoder_out(hidden)")), "other.py")
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    torch.save(VAE().state_dict(), outputs / WEIGHTS_FILE)
    assert run.show(judgement, workshop, outputs).count("Drawn: ") == 2
    assert {path.name for path in outputs.iterdir()} == {
        WEIGHTS_FILE, "other_interpolation.png", "other_interpolation.gif"}
    (outputs / "other_interpolation.gif").unlink()
    (outputs / "other_interpolation.gif").mkdir()
    assert "cannot be written" in run.show(judgement, workshop, outputs)


@pytest.mark.parametrize("unfit", ["missing", "foreign", "unreadable"])
def test_unfit_weights_are_answered_with_a_sentence(check, workshop, tmp_path, unfit):
    if unfit == "foreign":
        torch.save(VAE(latent_dim=LATENT_DIM + 1).state_dict(), tmp_path / WEIGHTS_FILE)
    elif unfit == "unreadable":
        (tmp_path / WEIGHTS_FILE).write_bytes(b"no weights")
    line = run.show(check(emptied(SOLUTION, CHALLENGE)), workshop, tmp_path)
    assert line.startswith("No picture: ") and "python latent_space_exploration.py" in line


# --- last, because it costs the process ----------------------------------------------------
def test_a_loop_without_an_end_is_named(check):
    loop = function_text(SOLUTION, CHALLENGE).replace("    pictures = []", """    pictures = []
    def helper():
        vae.decode(vae.encode(patterns))
    while len(pictures) < 9:
        try: helper()
        except BaseException: pass""")
    judgement = check(put_in(emptied(SOLUTION, *TODOS[:3]), CHALLENGE, loop), seconds=0.1)
    assert judgement.results[CHALLENGE].hint == "endless", verdict(judgement)
    assert "while len(pictures) < 9:" in judgement.results[CHALLENGE].message
