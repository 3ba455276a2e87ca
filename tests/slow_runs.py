"""Runs of the main script that take seconds, in one process, for test_run.py to wait for.

    python tests/slow_runs.py FOLDER

It starts before the first test, so that it uses the second core while the other tests
use the first. All runs share one process, since importing torch
takes longest. They use copies of the modules, whose constants are set here: a
learner's edits must not decide what the tests see.
"""

import importlib
import os
import re
import shutil
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ("patterns", "vae_model", "latent_space_exploration")
OUTPUTS = (
    "reconstruction_comparison.png", "latent_space_visualization.png",
    "interpolation_sequence.png", "training_progression.png", "vae_architecture.png",
    "generated_samples.png", "latent_traversal.png", "vae_weights.pth",
)
AS_HANDED_OUT = {
    "patterns": {"IMAGE_SIZE": 16, "MAX_SHIFT": 0.09, "LINE_WIDTH": (0.05, 0.09), "NOISE": 0.03,
                 "PATTERN_TYPES": ("diagonal", "horizontal", "vertical", "cross"),
                 "NEAR_RMSE": 0.1, "DPI": 150},
    "vae_model": {"HIDDEN_DIM": 128, "LATENT_DIM": 8},
    "latent_space_exploration": {
        "EPOCHS": 200, "BETA": 1.0, "SEED": 42, "LEARNING_RATE": 4e-3, "COOL_DOWN": 0.15,
        "WARM_UP": 0,
        "BATCH_SIZE": 256, "NUM_TRAIN": 2048, "NUM_HELD_OUT": 400, "ALIVE_KL": 0.1,
        "NUM_SAMPLES": 2000},
}
QUICK = {"EPOCHS": 1, "NUM_TRAIN": 256, "NUM_HELD_OUT": 40, "NUM_SAMPLES": 50, "DPI": 40}
RESULTS_DPI = 75
EDITS = {               # folder of the results: what a learner may have changed
    "wild": {"IMAGE_SIZE": 8, "LATENT_DIM": 2, "BETA": 4.0, "NUM_TRAIN": 1, "NUM_HELD_OUT": 11,
             "NOISE": 0.3, "MAX_SHIFT": 0.3, "LINE_WIDTH": (0.02, 0.2),
             "PATTERN_TYPES": ("cross", "vertical", "diagonal", "horizontal")},
    "still": {"IMAGE_SIZE": 15, "LATENT_DIM": 64, "HIDDEN_DIM": 32, "NUM_HELD_OUT": 8,
              "NOISE": 0, "MAX_SHIFT": 0, "COOL_DOWN": 0, "WARM_UP": 800},
}


def copy_modules(folder):
    """Copy the modules as they were handed out, whatever their constants are now."""
    for name in MODULES:
        shutil.copy(ROOT / f"{name}.py", folder)
        edit(Path(folder, f"{name}.py"), AS_HANDED_OUT[name])


def edit(file, constants):
    """Set constants in a file; every one must stand there, once, at the beginning of a line."""
    text = file.read_text(encoding="utf-8")
    for name, value in constants.items():
        text, edits = re.subn(rf"^{name}( *)= [^#\n]+", rf"{name}\1= {value!r}  ", text, flags=re.M)
        assert edits == 1, name
    file.write_text(text, encoding="utf-8")


def import_main_script():
    """The copy of the main script, with the constants that the copies have now."""
    importlib.invalidate_caches()
    for name in MODULES:
        sys.modules.pop(name, None)
    return importlib.import_module("latent_space_exploration")


def run_edited(folder, constants):
    """One quick run with constants edited in whichever copy has them."""
    for name in MODULES:
        wanted = {key: value for key, value in constants.items()
                  if key in AS_HANDED_OUT[name]}
        edit(Path(f"{name}.py"), AS_HANDED_OUT[name] | wanted)
    assert import_main_script().main(["--output-dir", folder]) == 0


def in_a_fork(name, program, *arguments):
    """Run a program, a function, in a copy of this process, and print its exit code.

    What the program says goes to the files NAME-out and NAME-err.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        print(f"== {name}:", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return
    for descriptor, stream in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{name}-{stream}", os.O_CREAT | os.O_WRONLY), descriptor)
    program(*arguments)


def run_interrupted(folder, step, number):
    """A run that gets a signal when it comes to a step."""
    main_script = import_main_script()
    signal.signal(number, signal.SIG_DFL)         # whoever started the tests may ignore it
    setattr(main_script, step, lambda *_: signal.raise_signal(number))
    sys.argv = ["latent_space_exploration.py", "--epochs", "1", "--output-dir", folder]
    main_script.patterns.run_program(main_script.main)


def open_from_a_notebook(folder):
    """The window where MPLBACKEND is "inline", so that the import of Matplotlib alone fails."""
    main_script = import_main_script()
    vae_model = main_script.vae_model
    weights = vae_model.weights_file(vae_model.make_model(2, seed=1))
    main_script.patterns.publish({vae_model.WEIGHTS: weights}, folder)
    sys.path.append(str(ROOT))
    explorer = importlib.import_module("solutions.latent_explorer")
    assert "matplotlib" not in sys.modules        # its version is still to be checked
    os.environ |= {"MPLBACKEND": "inline", "DISPLAY": ":0"}
    sys.argv = ["latent_explorer.py", "--output-dir", folder]
    explorer.run_program(explorer.main)


def fill_with_earlier_outputs(folder):
    """Put something under the name of every output."""
    folder.mkdir(exist_ok=True)
    for name in OUTPUTS:
        (folder / name).write_text(f"earlier {name}")


def assert_earlier_outputs_are_whole(folder):
    """Check that these are still there, and nothing else."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(OUTPUTS)
    assert all((folder / name).read_text() == f"earlier {name}" for name in OUTPUTS)


def main():
    sys.dont_write_bytecode = True
    if hasattr(os, "nice"):
        os.nice(10)       # the tests that wait for this are the last: all others go first
    os.chdir(sys.argv[1])
    copy_modules(".")
    sys.path[0] = ""
    import_main_script()
    forks = hasattr(os, "fork")
    if forks:
        in_a_fork("notebook", open_from_a_notebook, "window")
    run_edited("results", {"EPOCHS": 12, "DPI": RESULTS_DPI})
    assert "matplotlib.pyplot" not in sys.modules    # which would look for a display
    for folder, constants in EDITS.items():
        run_edited(folder, QUICK | constants)
    run_edited("wild again", QUICK | EDITS["wild"])
    if forks:
        for folder, step, number in (("in training", "print_progress", signal.SIGINT),
                                     ("in figures", "draw_latent_space", signal.SIGTERM)):
            fill_with_earlier_outputs(Path(folder))
            in_a_fork(folder, run_interrupted, folder, step, number)
    assert not {"solutions", "tests"} & set(sys.modules)     # there are none in this folder


if __name__ == "__main__":
    main()
