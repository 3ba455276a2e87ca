"""What ``python latent_starter.py`` does, and the table for a class."""

import csv
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {"torch", "numpy", "matplotlib", "imageio", "PIL", "pytest"} | sys.stdlib_module_names


def check(file):
    """Check a learner's file, say how far it is, draw what it makes, and end the program."""
    refuse_hidden_modules()
    from tests.exercise.process import Workshop, judge
    from tests.exercise.report import next_step, verdict

    try:
        with Workshop() as workshop:
            judgement = judge(file, workshop)
            print(verdict(judgement), end="\n\n", flush=True)     # drawing takes a moment longer
            lines = [show(judgement, workshop), next_step(judgement)]
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    print("\n".join(filter(None, lines)))
    sys.exit(judgement.exit_code)


def show(judgement, workshop, outputs=""):
    """Let the pictures be drawn into a folder, or where they belong; returns lines on them."""
    from tests.exercise.hints import MORPH, RESULT

    drawable = [one.state == "right" or one.hint in {**RESULT, **MORPH}      # it gave something
                for one in judgement.results.values()][:3]                   # a morph needs three
    if judgement.file.state == "wrong" or not all(drawable):
        return ""
    message = workshop.run(10, task="draw", file=str(judgement.source.path),
                           right=judgement.names("right"), outputs=str(outputs))
    return message.get("said") or f"No picture:\n{message['result']['message']}"


def table(files):
    """Print a csv with a line for each file; returns the exit code."""
    refuse_hidden_modules()
    from tests.exercise.process import Workshop, judge
    from tests.exercise.todos import TODOS

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", *(todo.name for todo in TODOS), "points", "cause", "imports"])
    for file in files:
        with Workshop() as workshop:          # a process of its own: files cannot disturb another
            judgement = judge(file, workshop)
        results = judgement.results.values()
        causes = [f"line {one.line}: {one.cause.split('. ')[0].rstrip('.')}"
                  for one in (judgement.file, *results) if one.cause]
        if not Path(file).is_file():
            causes = ["there is no such file"]
        writer.writerow([file, *(one.state for one in results), len(judgement.names("right")),
                         *(causes[:1] or [""]),
                         " ".join(judgement.source.imported_from("solutions", "tests"))])
        sys.stdout.flush()
    return int(not all(Path(file).is_file() for file in files))


def refuse_hidden_modules():
    """End the program if a file beside it has the name of a module that is needed."""
    for path in sorted(ROOT.iterdir()):
        if path.stem in NEEDED and (path.suffix == ".py" or (path / "__init__.py").exists()):
            sys.exit(f"{path} hides the module {path.stem} that Python needs: rename it")
