"""What ``python latent_starter.py`` does, and the table for a class."""

import csv
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {"torch", "numpy", "matplotlib", "imageio", "PIL", "pytest"} | sys.stdlib_module_names


def check(file):
    """Check a learner's file, say how far it is, draw what it makes, and end the program."""
    if "IPython" not in sys.modules and not sys.flags.interactive:
        signal.signal(signal.SIGINT, signal.SIG_DFL)       # Ctrl-C ends it without a traceback
    refuse_hidden_modules()
    from tests.exercise.pictures import show
    from tests.exercise.process import Workshop, judge
    from tests.exercise.report import next_step, verdict

    with Workshop() as workshop:
        judgement = judge(file, workshop)
        print(verdict(judgement), end="\n\n", flush=True)     # drawing takes a moment longer
        lines = [show(judgement, workshop), next_step(judgement)]
    print("\n".join(filter(None, lines)))
    sys.exit(judgement.exit_code)


def table(files):
    """Print a csv with a line for each file: its states, its points and what is wrong first."""
    refuse_hidden_modules()
    from tests.exercise.process import Workshop, judge
    from tests.exercise.todos import TODOS

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", *(todo.name for todo in TODOS), "points", "cause", "imports"])
    for file in files:
        with Workshop() as workshop:          # a process of its own: files cannot disturb another
            judgement = judge(file, workshop)
        causes = [one.cause for one in (judgement.file, *judgement.results.values()) if one.cause]
        first = causes[0].split(". ")[0].rstrip(".") if causes else ""
        writer.writerow([file, *(one.state for one in judgement.results.values()),
                         len(judgement.names("right")), first,
                         " ".join(judgement.source.imported_from("solutions", "tests"))])
    sys.stdout.flush()


def refuse_hidden_modules():
    """End the program if a file beside it has the name of a module that is needed."""
    for name in sorted(os.listdir(ROOT)):
        path = ROOT / name
        if name.removesuffix(".py") in NEEDED and (
                path.suffix == ".py" or (path / "__init__.py").exists()):
            sys.exit(f"{path} hides the module {path.stem} that Python needs: rename it")
