"""The two pages: their code runs, and their commands, files, links and numbers are true."""

import code
import contextlib
import csv
import functools
import io
import os
import re
import runpy
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import latent_space_exploration as main_script
import patterns
import vae_model

ROOT = Path(main_script.__file__).parent
PAGES = {name: (ROOT / name).read_text(encoding="utf-8")
         for name in ("README.rst", "solutions/README.rst") if (ROOT / name).exists()}
README = PAGES["README.rst"]
STUDY = ROOT / "outputs" / "parameter_study.csv"

each_page = pytest.mark.parametrize("name", PAGES)


def blocks(text, language):
    """The contents of the code blocks in one language."""
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", text, flags=re.M)
    return [textwrap.dedent(block).strip("\n") + "\n" for block in found]


def section(title):
    """README.rst from one title to the next of any level."""
    parts = re.split(r"^(.+)\n(?:={4,}|-{4,})\n", README, flags=re.M)
    (body,) = [body for name, body in zip(parts[1::2], parts[2::2], strict=True)
               if name.split(" (")[0] == title]
    return body


def folded(text):
    """A text with every run of spaces and line ends as one space."""
    return " ".join(text.split())


def skip_if_edited():
    """Learners edit the model, constants and types; CI insists on those of the pages."""
    parameters = sum(weights.numel() for weights in vae_model.VAE().parameters())
    now = (parameters, len(patterns.PATTERN_TYPES), main_script.EPOCHS, main_script.SEED)
    if now != (102160, 4, 200, 42) and "CI" not in os.environ:
        pytest.skip("the model, constants or types were edited")


# --- the blocks that are pasted into the prompt ------------------------------------
def pasted_blocks():
    """The blocks for the prompt, in the page's order; training takes fewer steps."""
    others = blocks(section("Optional: A type of your own") + section("Hints"), "python")
    return [block.replace("steps=300", "steps=100") for block in blocks(README, "python")
            if block not in others]


@pytest.fixture
def prompt(short_run, monkeypatch, tmp_path):
    """A Python prompt in a folder with a trained model."""
    (tmp_path / "outputs").mkdir()
    weights = tmp_path / "outputs" / vae_model.WEIGHTS_FILE
    torch.save(short_run.model.state_dict(), weights)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(vae_model, "load_model", functools.partial(vae_model.load_model, weights))
    return code.InteractiveConsole({"__name__": "__console__", "__builtins__": __builtins__})


def test_blocks_run_in_order_and_print_what_the_page_says(prompt):
    """Python 3.13 takes a block as a whole: only calls may print, and an error ends it."""
    skip_if_edited()
    promises = pictures = 0
    for block in pasted_blocks():
        for line in [*block.splitlines(), ""]:
            output = io.StringIO()
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                waits = prompt.push(line)
            printed = output.getvalue()
            promised = re.search(r"# (prints|raises) (.*)", line)
            if promised:
                promises += 1
                last = printed.strip().splitlines()[-1]
                if promised[1] == "raises":
                    assert last.startswith(promised[2]) and block.endswith(f"{line}\n")
                else:
                    assert last == promised[2]
            else:
                assert "Error" not in printed, f"{line}\n{printed}"
                assert not printed or re.match(r" *(print|show_images|train_my_own)\b", line), line
            pictures += "show_images" in line and set(printed) <= set(" .:-=+*#%@\n") != set()
        assert not waits, f"one more line is needed after\n{block}"
    assert promises >= 4
    assert pictures >= 8
    assert Path("outputs/my_map.png").stat().st_size > 1000
    mine = prompt.locals
    assert mine["labels"][[mine["start"], 13]].tolist() == [0, 0]               # two diagonals
    check_network_and_loss(mine)


def check_network_and_loss(namespace):
    """The class and the loss of the page compute the same as those of vae_model.py."""
    results = []
    for made in namespace["VAE"], vae_model.VAE:
        torch.manual_seed(1)
        model = made()
        recon, mu, log_var = model(namespace["x"])
        results.append([*model.state_dict().values(), recon, mu, log_var])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    for beta in (0, 1, 4):
        mine = namespace["my_loss"](recon, namespace["x"], mu, log_var, beta)
        assert torch.isclose(mine, vae_model.vae_loss(recon, namespace["x"], mu, log_var, beta))


# --- edits of files -------------------------------------------------------------------
@pytest.mark.parametrize(("times", "setting"), [(2, "deep"), (0, "shallow")])
def test_the_edits_of_the_network_fit_and_are_those_of_the_study(times, setting):
    skip_if_edited()
    line = re.search(r"``(nn\.Linear\(hidden_dim, hidden_dim\), nn\.ReLU\(\),)``",
                     folded(README))[1]
    source = (ROOT / "vae_model.py").read_text(encoding="utf-8")
    line = f"            {line}\n"
    assert source.count(line) == 2
    edited = {"__name__": "edited"}
    exec(compile(source.replace(line, times * line), "edited", "exec"), edited)
    model = edited["VAE"]()
    vae_model.check_model(model)
    study = pytest.importorskip("solutions.parameter_study", reason="there is no solutions/")
    theirs = study.make_model(next(one for one in study.SETTINGS if one.name == setting))
    assert [w.shape for w in model.parameters()] == [w.shape for w in theirs.parameters()]


def test_a_type_of_their_own_is_one_line(monkeypatch):
    (line,) = blocks(section("Optional: A type of your own"), "python")
    types = patterns.DISTANCES | eval(f"{{{line}}}", {"np": np})
    monkeypatch.setattr(patterns, "DISTANCES", types)
    monkeypatch.setattr(patterns, "PATTERN_TYPES", tuple(types))
    images, labels = patterns.generate_patterns(2 * len(types), 0)
    assert sorted(set(labels)) == list(range(len(types)))
    assert images.max(axis=1).min() > 0.8      # each picture has a line


# --- what the page shows of the main run ------------------------------------------------
def test_shown_lines_are_those_of_the_main_run(short_run, monkeypatch, capsys):
    skip_if_edited()
    monkeypatch.setattr(main_script, "NUM_SAMPLES", 20)
    main_script.print_header(short_run.model, main_script.parse_settings([]))
    for epoch in main_script.spread_epochs(main_script.EPOCHS, 6):
        main_script.print_losses(main_script.Record(epoch, 60.0, 5.0, None), 1.0)
    main_script.print_findings(
        short_run.history[-1], short_run.space,
        main_script.measure(short_run.model, short_run.data, short_run.space))

    def skeleton(line):
        return re.sub(r"\d+(\.\d+)?", "#", folded(line))

    printed = [skeleton(line) for line in capsys.readouterr().out.splitlines()]
    shown = [line for block in blocks(README, "text") for line in block.splitlines() if line]
    assert len(shown) > 12
    assert all(skeleton(line) in [*printed, "..."] for line in shown)
    epochs = [int(line.split()[0]) for line in shown if re.match(r" *\d", line)]
    assert epochs == list(main_script.spread_epochs(main_script.EPOCHS, 6))


def test_shown_numbers_are_those_of_the_study():
    skip_if_edited()
    text = "\n".join(blocks(README, "text"))
    (run,) = [row for row in csv.DictReader(STUDY.read_text().splitlines())
              if (row["setting"], row["seed"]) == ("default", str(main_script.SEED))]
    for pattern, column in (
            (r"total +(\S+)", "reconstruction"), (r"around mu\) +(\S+)", "code_noise"),
            (r"to learn +(\S+)", "left"), (r"nats\): (\d+) of", "in_use"),
            (r" 200 +\S+ +(\S+)", "reconstruction"), (r" 200 .* (\S+)", "kl")):
        assert float(re.search(pattern, text)[1]) == pytest.approx(float(run[column]), abs=0.011)


def test_every_column_of_the_study_is_explained():
    measures = pytest.importorskip("solutions.measures", reason="there is no solutions/").MEASURES
    page = PAGES["solutions/README.rst"].replace("``_blended``", " ".join(
        f"``{one.name}``" for one in measures if one.name.endswith("_blended")))
    assert [one.name for one in measures if f"``{one.name}``" not in page] == []


def test_every_claim_stands_on_a_page_and_holds():
    claims = pytest.importorskip("solutions.claims", reason="there is no solutions/")
    runs = claims.read_runs(STUDY.read_text(encoding="utf-8").splitlines())
    text = folded(" ".join(PAGES.values()))
    missing = [claim.text(runs) for claim in claims.CLAIMS if folded(claim.text(runs)) not in text]
    assert not missing, "these stand on no page:\n" + "\n".join(missing)
    assert all(claim.holds(runs) for claim in claims.CLAIMS)


# --- commands, files, links ----------------------------------------------------------
@each_page
def test_commands_and_their_options_exist(name):
    files = {"tests.exercise": "tests/exercise/__main__.py", "pytest": "tests/conftest.py",
             "tests.measure.benchmark": "tests/measure/benchmark.py"}
    shown = [line for block in blocks(PAGES[name], "shell") for line in block.splitlines()]
    for command in shown:
        if not command.startswith("python ") or "pip install" in command:
            continue
        program, *arguments = command.removeprefix("python ").removeprefix("-m ").split()
        file = ROOT / files.get(program, program)
        if program.startswith("solutions/") and not file.exists():
            continue                                  # a student's copy
        source = file.read_text(encoding="utf-8")
        for option in re.findall(r"--[a-z-]+", command):
            assert f'"{option}"' in source, command
        if program == "latent_space_exploration.py":
            main_script.parse_settings(arguments)


def test_ci_runs_the_commands_of_the_page():
    path = ROOT / ".ci" / "readme_commands.py"
    if not path.exists():
        pytest.skip("there is no .ci/")
    lines = runpy.run_path(str(path))["runnable"](README)
    assert lines[:2] == ["python -m pip install -r requirements.txt",
                         "python latent_space_exploration.py"]
    assert {"python -m pytest", "python latent_starter.py"} <= set(lines)
    assert not any(line.startswith(("git", "source", "python3")) for line in lines)


@each_page
def test_files_that_the_text_names_exist_or_are_written(name):
    programs = [*ROOT.glob("*.py"), *ROOT.glob("solutions/*.py"), *ROOT.glob("tests/*/*.py")]
    sources = "".join(path.read_text(encoding="utf-8") for path in programs)
    text = re.sub(r"^\.\. code-block:: .*\n\n(?:   .*\n|\n)+", "", PAGES[name], flags=re.M)
    named = re.findall(r"``([\w./]+\.(?:py|png|gif|html|csv|rst))``", text)
    named += re.findall(r"^\.\. figure:: (\S+)", text, flags=re.M)
    assert len(named) > 4
    for file in named:
        if (ROOT / "solutions").exists() or not file.startswith("solutions/"):
            assert ((ROOT / file).exists() or (ROOT / name).parent.joinpath(file).exists()
                    or Path(file).name in sources), file


def test_questions_and_answers_are_linked_both_ways():
    questions = re.findall(r"^\*\*Question (\d+)\.\*\*", README, flags=re.M)
    assert questions == [str(number) for number in range(1, len(questions) + 1)]
    for number in questions:
        assert f"\n.. _latent-q{number}:\n\n**Question {number}.**" in README
        assert f"(`Answer {number}`_)" in README
        assert f"(`Question {number} <latent-q{number}_>`__)" in folded(section(f"Answer {number}"))


@each_page
def test_citations_have_a_reference_and_references_are_cited(name):
    text, _, references = PAGES[name].partition("\nReferences\n=")
    keys = set(re.findall(r"^\* ([A-Z][\w-]+),[^(]*\((\d{4})\)", references, flags=re.M))
    cited = set(re.findall(r"([A-Z][\w-]+)(?:, [A-Z]\w+)?(?: et al\.| & [A-Z][\w-]+)? "
                           r"\(?((?:19|20)\d\d)", folded(text)))
    assert cited == keys
    assert all("<https://" in entry for entry in references.split("\n* ")[1:])


@each_page
def test_builds_without_a_warning(name):
    core = pytest.importorskip("docutils.core", reason="docutils is not installed")
    core.publish_doctree(PAGES[name], settings_overrides={"report_level": 2, "halt_level": 2})


# --- length --------------------------------------------------------------------------
def test_the_page_is_short_enough():
    core, pitfalls = README[:README.index("\nCommon pitfalls\n")], section("Common pitfalls")
    assert len(core.split()) <= 2600
    assert len(pitfalls.split()) <= 150
    assert len(README.split()) <= 3500
