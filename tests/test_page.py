"""The two pages: their code runs, and their commands, files, links and numbers are true."""

import code
import contextlib
import csv
import io
import os
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import latent_space_exploration as main_script
import patterns
import vae_model
from solutions import claims
from solutions import parameter_study as study

ROOT = Path(main_script.__file__).parent
PAGES = {name: (ROOT / name).read_text(encoding="utf-8")
         for name in ("README.rst", "solutions/README.rst")}
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
    now = (parameters, len(patterns.PATTERN_TYPES), main_script.EPOCHS, main_script.BETA,
           main_script.SEED)
    if now != (102160, 4, 200, 1, 42) and "CI" not in os.environ:
        pytest.skip("the model, constants or types were edited")


# --- the blocks that are pasted into the prompt ------------------------------------
def test_blocks_run_in_order_and_print_what_the_page_says(short_run, monkeypatch, tmp_path):
    """Python 3.13 takes a block as a whole: only calls may print, and an error ends it."""
    skip_if_edited()
    (tmp_path / "outputs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(vae_model, "load_model", lambda: short_run.model)
    prompt = code.InteractiveConsole({"__name__": "__console__", "__builtins__": __builtins__})
    elsewhere = blocks(section("Optional: A type of your own") + section("Hints"), "python")
    promises = 0
    for block in blocks(README, "python"):
        if block in elsewhere:
            continue
        for line in [*block.replace("steps=300", "steps=20").splitlines(), ""]:
            output = io.StringIO()
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                waits = prompt.push(line)
            printed = output.getvalue()
            promised = re.search(r"# (prints|raises) (.*)", line)
            if promised:
                promises += 1
                assert printed.splitlines()[-1].partition(":")[0] == promised[2], line
            else:
                assert "Error" not in printed, f"{line}\n{printed}"
                assert not printed or re.match(r" *(print|show_images|train_my_own)\b", line), line
            if line.startswith("show_images"):
                assert printed.strip() and set(printed) <= set(" .:-=+*#%@\n"), line
        assert not waits, f"one more line is needed after\n{block}"
    assert promises >= 4
    assert Path("outputs/my_map.png").stat().st_size > 1000
    mine = prompt.locals
    assert mine["labels"][[mine["start"], 13]].tolist() == [0, 0]               # two diagonals
    results = []                # the page's class and loss compute the same as those of vae_model
    for made in mine["VAE"], vae_model.VAE:
        torch.manual_seed(1)
        model = made()
        results.append([*model.state_dict().values(), *model(mine["x"])])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    recon, mu, log_var = results[0][-3:]
    for beta in (0, 1, 4):
        theirs = vae_model.vae_loss(recon, mine["x"], mu, log_var, beta)
        assert torch.isclose(mine["my_loss"](recon, mine["x"], mu, log_var, beta), theirs)


# --- edits of files -------------------------------------------------------------------
@pytest.mark.parametrize(("times", "setting"), [(2, "deep"), (0, "shallow")])
def test_the_edits_of_the_network_fit_and_are_those_of_the_study(times, setting):
    skip_if_edited()
    line = re.search(r"``(nn\.Linear\(.*?,)``", folded(README))[1]
    line = f"            {line}\n"
    source = (ROOT / "vae_model.py").read_text(encoding="utf-8")
    assert source.count(line) == 2
    edited = {"__name__": "edited"}
    exec(compile(source.replace(line, times * line), "edited", "exec"), edited)
    theirs = study.make_model(next(one for one in study.SETTINGS if one.name == setting))
    assert [w.shape for w in edited["VAE"]().parameters()] == [w.shape for w in theirs.parameters()]


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
    for name in ("NUM_TRAIN", "NUM_HELD_OUT", "NUM_SAMPLES"):
        monkeypatch.setattr(main_script, name, 40)
    model, data = short_run.model, main_script.make_data(0)
    space = main_script.explore(model, data)
    main_script.print_header(model, main_script.parse_settings([]))
    for epoch in main_script.spread_epochs(main_script.EPOCHS, 6):
        main_script.print_losses(main_script.Record(epoch, 60.0, 5.0, None), 1.0)
    main_script.print_findings(main_script.evaluate(model, data, 12), space,
                               main_script.measure(model, data, space))
    shown = "".join(blocks(README, "text"))
    printed, promised = ({folded(line) for line in re.sub(r"\d+(\.\d+)?", "#", text).splitlines()}
                         for text in (capsys.readouterr().out, shown))
    assert promised <= printed | {"..."}
    epochs = [int(number) for number in re.findall(r"^ *(\d+)", shown, flags=re.M)]
    assert epochs == list(main_script.spread_epochs(main_script.EPOCHS, 6))


def test_shown_numbers_are_those_of_the_study():
    skip_if_edited()
    text = "".join(blocks(README, "text"))
    (run,) = [row for row in csv.DictReader(STUDY.read_text().splitlines())
              if (row["setting"], row["seed"]) == ("default", str(main_script.SEED))]
    for pattern, column in (
            (r"total +(\S+)", "reconstruction"), (r"around mu\) +(\S+)", "code_noise"),
            (r"to learn +(\S+)", "left"), (r"nats\): (\d+) of", "in_use"),
            (r" 200 +\S+ +(\S+)", "reconstruction"), (r" 200 .* (\S+)", "kl")):
        assert float(re.search(pattern, text)[1]) == pytest.approx(float(run[column]), abs=0.011)


def test_every_claim_stands_on_a_page_and_holds():
    runs = claims.read_runs(STUDY.read_text(encoding="utf-8").splitlines())
    text = folded(" ".join(PAGES.values()))
    missing = [claim.text(runs) for claim in claims.CLAIMS if folded(claim.text(runs)) not in text]
    assert not missing, "these stand on no page:\n" + "\n".join(missing)
    assert all(claim.holds(runs) for claim in claims.CLAIMS)


# --- commands, files, links ----------------------------------------------------------
@each_page
def test_commands_and_their_options_exist(name):
    modules = {"tests.exercise": "tests/exercise/__main__.py", "pytest": "tests/exercise/plugin.py"}
    shown = "".join(blocks(PAGES[name], "shell"))
    for command in re.findall(r"^python (?!-m pip)(.+)", shown, flags=re.M):
        program, *arguments = command.removeprefix("-m ").split()
        source = (ROOT / modules.get(program, program)).read_text(encoding="utf-8")
        for option in re.findall(r"--[a-z-]+", command):
            assert f'"{option}"' in source, command
        if program == "latent_space_exploration.py":
            main_script.parse_settings(arguments)


@each_page
def test_files_that_the_text_names_exist_or_are_written(name):
    programs = [*ROOT.glob("*.py"), *ROOT.glob("solutions/*.py"), *ROOT.glob("tests/*/*.py")]
    sources = "".join(path.read_text(encoding="utf-8") for path in programs)
    text = re.sub(r"^\.\. code-block:: .*\n\n(?:   .*\n|\n)+", "", PAGES[name], flags=re.M)
    named = re.findall(r"``([\w./]+\.(?:py|png|gif|html|csv|rst))``", text)
    named += re.findall(r"^\.\. figure:: (\S+)", text, flags=re.M)
    assert len(named) > 4
    for file in named:
        assert ((ROOT / file).exists() or (ROOT / name).parent.joinpath(file).exists()
                or Path(file).name in sources), file
