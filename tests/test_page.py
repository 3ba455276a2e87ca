"""The page and its answers do what they say: code, commands, results, links and minutes."""

import ast
import code
import contextlib
import csv
import functools
import importlib.util
import io
import os
import re
import textwrap
from pathlib import Path

import pytest
import torch

import latent_space_exploration as main_script
import patterns
import vae_model
from solutions import claims, parameter_study

ROOT = Path(main_script.__file__).parent
PAGES = {name: (ROOT / name).read_text(encoding="utf-8")
         for name in ("README.rst", "solutions/README.rst")}
README, ANSWERS = PAGES.values()
STUDY = (ROOT / "outputs" / "parameter_study.csv").read_text(encoding="utf-8").splitlines()
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
           for folder in (".", "solutions", "tests", "tests/exercise")
           for path in sorted((ROOT / folder).glob("*.py"))}

each_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
each_name = pytest.mark.parametrize("name", PAGES)


# --- reading a page ---------------------------------------------------------------
def folded(text):
    """A text with every run of spaces and line ends as one space."""
    return " ".join(text.split())


def sections(page):
    """The sections of a page: pairs of the title ("" for what precedes the first) and the body.

    The body of a section contains its subsections, each of which is a pair of its own, too.
    """
    page = re.sub(r"^(=+)\n.+\n\1\n", "", page, count=1, flags=re.M)      # the page's own title
    marks = [(m.start(), m[1], m[2][0], m.end())
             for m in re.finditer(r"^(\S.*)\n(={4,}|-{4,})\n", page, flags=re.M)
             if len(m[1]) == len(m[2])]
    found = [("", page[:marks[0][0]])]
    for number, (_, title, level, end) in enumerate(marks):
        later = [start for start, _, other, _ in marks[number + 1:] if other in ("=", level)]
        found.append((title, page[end:min(later, default=len(page))]))
    return found


def anchor(title):
    """What docutils, Sphinx and code hosts call the place of a title."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def blocks(text, language):
    """The contents of the code blocks in one language, as they are pasted."""
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", text, flags=re.M)
    return [textwrap.dedent(block).strip("\n") + "\n" for block in found]


def is_edit(block):
    """Whether a block of Python goes into a file: it starts with a comment and is indented."""
    return re.match(r"#.*\n +", block) is not None


def skip_if_constants_were_edited():
    """The page invites learners to edit them; only CI insists on those it was written for."""
    sizes = patterns.IMAGE_SIZE, vae_model.HIDDEN_DIM, vae_model.LATENT_DIM
    runs = main_script.EPOCHS, main_script.BETA, main_script.SEED
    types_ = "diagonal", "horizontal", "vertical", "cross"
    if (sizes, runs, patterns.PATTERN_TYPES) != ((16, 128, 8), (200, 1.0, 42), types_) \
            and "CI" not in os.environ:
        pytest.skip("constants were edited, and the page shows those it was written for")


def skip_if_study_is_their_own(agrees):
    """Learners may run the study themselves; only CI insists on the committed results."""
    if not agrees and "CI" not in os.environ:
        pytest.skip("outputs/parameter_study.csv is another one than the page was written from")


# --- code that is pasted into the prompt --------------------------------------------
@pytest.fixture(scope="module")
def trained():
    """A model that had a fraction of the training, and the data and records of that."""
    main_script.set_up_torch(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main_script, "NUM_HELD_OUT", 80)
        data = main_script.make_data(main_script.SEED)
    model = vae_model.make_model(vae_model.LATENT_DIM, main_script.SEED)
    records = list(main_script.train(model, data, epochs=6, beta=1.0, seed=main_script.SEED))
    return model, data, records


@pytest.fixture
def folder(trained, monkeypatch, tmp_path):
    """A folder with outputs/ and weights, in which everything on the page takes place."""
    outputs = tmp_path / "outputs"
    patterns.publish({vae_model.WEIGHTS: vae_model.weights_file(trained[0])}, outputs)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(patterns, "OUTPUT_DIR", outputs)
    monkeypatch.setattr(vae_model, "load_model",
                        functools.partial(vae_model.load_model, outputs / vae_model.WEIGHTS))
    return tmp_path


def is_picture(output):
    """Whether a text is what ``show_images`` prints."""
    lines = output.splitlines()
    return len(lines) > 1 and not lines[-1] and set("".join(lines)) <= set(" .:-=+*#%@")


def answer(prompt, line):
    """What a prompt answers to a line, and whether it waits for more."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        more = prompt.push(line)
    return output.getvalue() or errors.getvalue(), more


def test_code_pasted_in_the_page_s_order_answers_what_the_page_says(folder):
    skip_if_constants_were_edited()
    torch.set_printoptions(profile="default")    # as in a prompt just opened
    own = dict(sections(ANSWERS))["Your own pictures: one way"]
    pasted = [block for block in [*blocks(README, "python"), *blocks(own, "python")]
              if not is_edit(block)]
    assert len(pasted) > 8
    prompt = code.InteractiveConsole({"__name__": "__console__", "__builtins__": __builtins__})
    promised = shown = 0
    for block in pasted:
        for line in [*block.replace("steps=300", "steps=5").splitlines(), ""]:
            said, more = answer(prompt, line)
            expected = re.search(r"# (?:gives|raises) (.*)$", line)
            if expected:
                promised += 1
                last = said.strip().splitlines()[-1]
                assert last.startswith(expected[1]) and ("raises" in line or last == expected[1])
            else:
                assert not said or is_picture(said), f"{line}\n{said}"
                shown += bool(said)
        assert not more, f"one more line is needed after\n{block}"
    assert promised >= 5
    assert shown >= 6
    assert (folder / "outputs" / "my_map.png").stat().st_size > 1000


def test_second_hints_are_python_with_something_left_out():
    for title, body in sections(ANSWERS):
        if title.endswith("second hint"):
            (block,) = blocks(body, "python")
            tree = ast.parse("def task():\n" + textwrap.indent(block, "    "))
            assert any(isinstance(node, ast.Constant) and node.value is ...
                       for node in ast.walk(tree)), title


# --- code that is pasted into a file ------------------------------------------------
def paste(source, block):
    """A source with a block in the place of the statement that assigns the same thing."""
    target = re.search(r"^ +(\S+ = )", block, flags=re.M)
    lines = source.splitlines(keepends=True)
    places = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign)
              and lines[node.lineno - 1].startswith(target[1], node.col_offset)]
    assert len(places) == 1, target[1]
    lines[places[0].lineno - 1:places[0].end_lineno] = [block]
    return "".join(lines)


def edits(word):
    """The blocks of the page whose comment contains a word."""
    found = [block for block in blocks(README, "python")
             if is_edit(block) and word in block.splitlines()[0]]
    assert found, word
    return found


@pytest.mark.parametrize(("word", "setting"), [("three", "deep"), ("one", "shallow")])
def test_the_edits_of_goal_3_make_the_models_of_the_study(word, setting):
    source = SOURCES["vae_model.py"]
    for block in edits(f"{word} hidden layer"):
        source = paste(source, block)
        compile(source, "after one edit", "exec")    # they are pasted one at a time
    edited = {"__name__": "edited"}
    exec(compile(source, "edited", "exec"), edited)
    model_class = next(one.model_class for one in parameter_study.SETTINGS if one.name == setting)
    mine = vae_model.make_model(8, 42, edited["VAE"]).state_dict()
    theirs = vae_model.make_model(8, 42, model_class).state_dict()
    assert list(mine) == list(theirs)
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_the_page_says_how_many_lines_to_select():
    numbers = {4: "four", 5: "five"}
    tree = ast.parse(SOURCES["vae_model.py"])
    for name in ("encoder", "decoder"):
        (node,) = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)
                   and ast.unparse(node.targets[0]) == f"self.{name}"]
        lines = node.end_lineno - node.lineno + 1
        assert re.search(rf"``self\.{name}\b[^.]*?\b{numbers[lines]}\b",
                         README.replace("nn.Sequential(...)", "")), name


# --- what the page shows of the main run --------------------------------------------
def skeleton(line):
    """A line without its numbers, and with any number of dimensions in a row."""
    line = re.sub(r"(?:z\d+ \d+\.\d\d\s*)+", "z#", line.rstrip())
    return re.sub(r"\s*\d+(?:[.,]\d+)*", " #", line)


def printed(trained, capsys):
    """The lines that the main run prints about its training and its findings."""
    model, data, records = trained
    main_script.print_header(model, main_script.parse_settings([]))
    shown = main_script.milestones(main_script.EPOCHS)
    for epoch in shown:
        main_script.print_progress(main_script.Record(epoch, 60.0, 5.0), 1.0)
    space = main_script.explore(model, data)
    main_script.print_findings(records[-1], space, main_script.measure(model, data, space))
    return capsys.readouterr().out.splitlines()


def test_shown_lines_are_those_that_the_main_run_prints(trained, capsys, monkeypatch):
    skip_if_constants_were_edited()
    monkeypatch.setattr(main_script, "NUM_SAMPLES", 50)      # their numbers are not looked at
    real = printed(trained, capsys)
    dedented = [skeleton(line.strip()) for line in real]
    shown = blocks(README, "text")
    assert shown
    position = 0
    for block in shown:
        lines = [skeleton(line.strip()) for line in block.splitlines()]
        start = dedented.index(lines[0], position)
        assert dedented[start:start + len(lines)] == lines
        position = start + len(lines)


def test_numbers_of_the_shown_lines_are_those_of_the_study():
    skip_if_constants_were_edited()
    text = "\n".join(blocks(README, "text"))
    rows = {int(epoch): [loss, recon, kl] for epoch, loss, recon, kl in re.findall(
        r"^ *(\d+) +(\d+\.\d\d) +(\d+\.\d\d) +(\d+\.\d\d)$", text, flags=re.M)}
    assert list(rows) == main_script.milestones(main_script.EPOCHS)
    runs = {row["setting"]: row for row in csv.DictReader(STUDY)
            if row["seed"] == str(main_script.SEED)}
    # a shorter run is no part of a longer one: the rate falls in the end of each
    pairs = [(rows[main_script.EPOCHS][column], f"{float(runs['default'][name]):.2f}")
             for column, name in enumerate(("loss", "reconstruction", "kl"))]
    run = {name: value if name == "setting" else float(value)
           for name, value in runs["default"].items()}
    pairs += [(re.search(pattern, text)[1], f"{scale * run[name]:.{digits}f}")
              for pattern, name, scale, digits in (
                  (r"missed by the model +(\S+)", "excess", 1, 2),
                  (r"alive .*: (\d+) of", "alive", 1, 0),
                  (r"samples .* near +(\S+)%", "samples", 100, 1),
                  (r"samples .* near +\S+ +(\S+)%", "samples_pca", 100, 1),
                  (r"midpoints .* type +(\S+)%", "midpoints", 100, 1),
                  (r"midpoints .* type +\S+ +(\S+)%", "midpoints_blended", 100, 1),
                  (r"frames .* none +(\S+)", "lost", 1, 1),
                  (r"frames .* none +\S+ +(\S+)", "lost_blended", 1, 1))]
    agrees = all(abs(float(shown) - float(measured)) < 0.011 for shown, measured in pairs)
    skip_if_study_is_their_own(agrees)
    assert agrees, pairs


# --- results ------------------------------------------------------------------------
def test_every_claim_stands_on_a_page_and_holds():
    runs = claims.read_runs(STUDY)
    text = folded(README + ANSWERS).lower()          # a fragment may begin a sentence
    assert len(claims.CLAIMS) > 10
    fragments = {claim: claims.filled(claim, runs) for claim in claims.CLAIMS}
    missing = [said for said in fragments.values() if folded(said).lower() not in text]
    broken = [said for claim, said in fragments.items() if not claims.holds(claim, runs)]
    skip_if_study_is_their_own(not missing + broken)
    assert not broken, "these do not hold\n" + "\n".join(broken)
    assert not missing, "these stand on no page\n" + "\n".join(missing)


def test_results_stand_in_claims_alone():
    """Percentages and decimals elsewhere would be numbers that no study keeps true."""
    skip_if_constants_were_edited()
    runs = claims.read_runs(STUDY)
    free = {str(patterns.NEAR_RMSE), str(main_script.ALIVE_KL), "0.9", "1.44"}
    for page in PAGES.values():
        text = folded(re.sub(r"^\.\. code-block:: \w+\n\n(?:   .*\n|\n)+", "", page, flags=re.M))
        text = text.split(" References ====")[0].lower()
        for claim in claims.CLAIMS:
            text = text.replace(folded(claims.filled(claim, runs)).lower(), "")
        text = re.sub(r":width: \S+|``[^`]+``|<[^>]+>|12\.2\.1|python 3\.\d+", "", text)
        numbers = set(re.findall(r"\d+%|\d+\.\d+", text)) - free
        skip_if_study_is_their_own(not numbers)
        assert not numbers


# --- commands, options, files, links ----------------------------------------------
def readme_commands():
    """The module that takes CI's commands out of the page."""
    spec = importlib.util.spec_from_file_location("commands", ROOT / ".ci" / "readme_commands.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ci_runs_the_commands_of_the_page():
    commands = readme_commands().runnable(README)
    install = "python -m pip install -r requirements.txt && python "
    assert commands[:2] == [install + "latent_space_exploration.py", install + "-m pytest"]
    assert {"python latent_starter.py", "python solutions/parameter_study.py --quick"} \
        <= set(commands)
    assert "readme_commands.py README.rst" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@each_page
def test_commands_name_existing_programs_and_options(page, capsys):
    lines = readme_commands().shell_lines(page)
    for command in [part for line in lines for part in line.split(" && ")]:
        interpreter, *arguments = command.split()
        if interpreter != "python" or not arguments or arguments[:2] == ["-m", "pip"]:
            continue
        program = arguments[0]
        if arguments[:2] == ["-m", "pytest"]:
            assert all((ROOT / a).is_file() for a in arguments if a.startswith("tests/"))
            program = "tests/conftest.py"
        for option in (a for a in arguments[1:] if a.startswith("--")):
            assert f'"{option}"' in SOURCES[program], command
        assert program in SOURCES, command
        if program == "latent_space_exploration.py":
            main_script.parse_settings(arguments[1:])
    assert capsys.readouterr().err == ""


@each_page
def test_options_that_the_text_mentions_exist(page):
    for option in set(re.findall(r"(?<![-\w])--[a-z][a-z-]+", page)):
        assert any(f'"{option}"' in source for source in SOURCES.values()), option


@each_page
def test_files_that_the_text_mentions_exist(page):
    named = "".join(SOURCES.values()) + "".join(blocks(README, "python"))
    for name in re.findall(r"``([\w/.]+\.(?:py|png|gif|pth|csv|txt|rst))``", page):
        file = Path(name).name
        assert (ROOT / name).exists() or f'"{file}"' in named or f"/{file}" in named \
            or f'"{file}"' in page, name


@each_name
def test_links_lead_to_files_and_sections(name):
    links = [link for link in re.findall(r"<([^<>\s]+)>`__", folded(PAGES[name]))
             if "//" not in link and not link.endswith("_")]       # a_ is a place on the page
    assert links
    for link in links:
        file, _, place = link.partition("#")
        target = (ROOT / name).parent / file
        assert target.is_file(), link
        titles = [title for title, _ in sections(target.read_text(encoding="utf-8"))]
        assert not place or place in map(anchor, titles), link


def test_links_to_answers_name_their_section():
    """A link to the whole page of answers would show some that nobody asked for."""
    assert "<solutions/README.rst#" in README
    assert "<solutions/README.rst>" not in README


def test_answers_run_backwards():
    """Below each answer stands only what the reader has met before."""
    order = [anchor(title) for title, _ in sections(ANSWERS)]
    linked = re.findall(r"<solutions/README\.rst#([\w-]+)>", folded(README))
    linked = [place for place in linked if place != "exercise-2-the-study"]    # after everything
    assert len(linked) > 6
    positions = [order.index(place) for place in linked]
    assert positions == sorted(positions, reverse=True)


@each_name
def test_figures_exist_link_to_themselves_and_have_words_for_who_cannot_see(name):
    figures = re.findall(r"^\.\. figure:: (\S+)\n((?:   .*\n)*)", PAGES[name], flags=re.M)
    assert figures
    for file, options in figures:
        assert (ROOT / name).parent.joinpath(file).is_file(), file
        text, target = re.search(r":alt: (.*?)\n   :target: (\S+)", options, flags=re.S).groups()
        assert target == file
        assert len(folded(text)) > 60, file
        assert not re.search(r"\d", text), f"{file}: is this true for every run?"
    assert ".. image::" not in PAGES[name]


def test_the_moving_picture_is_small():
    assert (ROOT / "outputs" / "latent_walk_example.gif").stat().st_size < 200_000


def test_references_are_linked_and_cited_and_citations_have_a_reference():
    text, _, references = README.partition("\nReferences\n")
    text = folded(text + ANSWERS)
    entries = [folded(entry) for entry in references.split("\n* ")[1:]]
    keys = {re.match(r"(\w+),.*?\((\d{4})\)", entry).groups() for entry in entries
            if "documentation" not in entry}
    assert all("<https://" in entry for entry in entries)
    cited = set(re.findall(r"([A-Z][a-z]+)(?:, [A-Z][a-z]+)?(?: et al\.| & [A-Z][a-z]+)? "
                           r"\(?((?:19|20)\d\d)", text))
    assert cited == keys


# --- looks --------------------------------------------------------------------------
@each_page
def test_reads_well_as_plain_text(page):
    assert max(map(len, page.splitlines())) < 100
    for what in ("[[", "{}", "$", r"\frac", ":math:", ".. math::", ".. raw::", "replace::", "\t"):
        assert what not in page, what
    assert not re.search(r"(?<!\S)\|\S", page)        # a substitution


# --- minutes ------------------------------------------------------------------------
WORDS_A_MINUTE = 180


def words(text):
    """How many words are read in a text: code too, but no links, options or markup."""
    text = re.sub(r"^ +:(?:alt|target|width):.*\n(?:^ {6,}\S.*\n)*", "", text, flags=re.M)
    text = re.sub(r"^\.\. (?:figure|code-block|_).*$", "", text, flags=re.M)
    text = re.sub(r"<[^<>]+>`__", "", text)
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def minutes():
    """The rows of the page's table: part, minutes of reading, of doing, and together."""
    rows = re.findall(r"^(\S.*?)  +(\d+) +(\d+) +(\d+)$", README, flags=re.M)
    return {part.strip("*"): tuple(map(int, numbers)) for part, *numbers in rows}


def words_of_parts():
    """The words of each section of the page, with those of the answers that it links to.

    Second hints are left out: one reads them where one is stuck.
    """
    answers = {anchor(title): words(body) for title, body in sections(ANSWERS)}
    return {title or "this introduction": words(body) + sum(
        answers[place] for place in set(re.findall(r"README\.rst#([\w-]+)>", folded(body)))
        if "hint" not in place) for title, body in sections(README)}


def test_minutes_of_reading_are_enough_and_not_too_many():
    counted, table = words_of_parts(), minutes()
    together, _, _ = table.pop("together")
    for part, (reading, _, _) in table.items():      # whole minutes: a part may be a bit over
        assert reading - 1 < counted[part] / WORDS_A_MINUTE <= reading + 0.3, (part, counted[part])
    assert sum(counted[part] for part in table) / WORDS_A_MINUTE <= together


def test_minutes_add_up_to_the_time_that_the_page_promises():
    *core, together = minutes().values()
    assert list(minutes())[-1] == "together"
    assert together == tuple(map(sum, zip(*core)))
    assert all(reading + doing == both for reading, doing, both in minutes().values())
    promised = int(re.search(r"^:Duration: \d+-(\d+) minutes", README, flags=re.M)[1])
    assert together[2] <= promised


def test_every_part_is_in_the_table_or_says_that_it_is_optional_and_what_it_takes():
    top = re.findall(r"^(\S.*)\n=+\n", README, flags=re.M)[1:]
    outside = [part for part in top if part not in minutes()]
    assert outside.pop() == "References"
    assert outside
    counted = words_of_parts()
    for part in outside:
        assert counted[part] / WORDS_A_MINUTE <= int(re.search(
            r"\(optional, (\d+) minutes\)$", part)[1]), (part, counted[part])
