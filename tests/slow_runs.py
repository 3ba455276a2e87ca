"""Runs of the main script in processes of their own, for test_run.py to wait for.

conftest.py starts them before the first test, so that they use the second core
while the other tests use the first.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = str(ROOT / "latent_space_exploration.py")
OUTPUTS = (
    "reconstruction_comparison.png", "latent_space_visualization.png",
    "interpolation_sequence.png", "training_progression.png", "vae_architecture.png",
    "generated_samples.png", "latent_traversal.png", "vae_weights.pth",
)

# In one process, since importing torch takes longest: a short run of the script as it is,
# then runs of edited copies.
RUN_AND_EDIT = """
import re, runpy, sys
from pathlib import Path

sys.argv = [{script!r}, "--epochs", "12", "--output-dir", "results"]
sys.path.insert(0, str(Path({script!r}).parent))
try:
    runpy.run_path({script!r}, run_name="__main__")
except SystemExit as stop:
    assert stop.code == 0
assert "matplotlib.pyplot" not in sys.modules    # which would look for a display
print("== edited copies", flush=True)

def edit(file, **constants):
    text = Path(file).read_text()
    for name, value in constants.items():
        text, edits = re.subn(rf"^{{name}}( *)= \\S+", rf"{{name}}\\1= {{value}}", text, flags=re.M)
        assert edits == 1, name
    Path(file).write_text(text)

sys.path[0] = ""
edit("latent_space_exploration.py", EPOCHS=1, NUM_TRAIN=256, NUM_SAMPLES=50, DPI=40)
for size, latent, hidden in ((8, 2, 128), (24, 32, 64), (32, 64, 128)):
    edit("patterns.py", IMAGE_SIZE=size)
    edit("vae_model.py", LATENT_DIM=latent, HIDDEN_DIM=hidden)
    for name in ("patterns", "vae_model", "latent_space_exploration"):
        sys.modules.pop(name, None)
    import latent_space_exploration
    assert latent_space_exploration.main([]) == 0
"""


def start(*command, folder):
    """Start Python in a folder, as a user without a display would; warnings are errors."""
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    return subprocess.Popen([sys.executable, "-B", "-W", "error", *command], cwd=folder,
                            env=environment, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


class SlowRuns:
    """Two processes and their folders.

    ``finished`` makes a short run into ``results`` and one epoch with each edit;
    ``interrupted`` gets the signal of Ctrl-C in the middle of its training.
    """

    def __init__(self, make_folder):
        self.finished_folder, self.interrupted_folder = make_folder("run"), make_folder("stop")
        for file in ("patterns.py", "vae_model.py", "latent_space_exploration.py"):
            shutil.copy(ROOT / file, self.finished_folder)
        fill_with_earlier_outputs(self.interrupted_folder)
        self.finished = start("-c", RUN_AND_EDIT.format(script=SCRIPT),
                              folder=self.finished_folder)
        self.interrupted = start(SCRIPT, "--epochs", "100000", "--output-dir", ".",
                                 folder=self.interrupted_folder)
        if os.name == "posix":       # elsewhere a signal cannot be sent like that
            threading.Thread(target=self.interrupt, daemon=True).start()

    def interrupt(self):
        """Wait for the first row of the table, then do what Ctrl-C does."""
        for line in self.interrupted.stdout:
            if line.split()[:1] == ["1"]:
                self.interrupted.send_signal(signal.SIGINT)

    def stop(self):
        self.finished.kill()
        self.interrupted.kill()


def fill_with_earlier_outputs(folder):
    """Put something under the name of every output."""
    for name in OUTPUTS:
        (folder / name).write_text(f"earlier {name}")


def assert_earlier_outputs_are_whole(folder):
    """Check that these are still there, and nothing else."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(OUTPUTS)
    assert all((folder / name).read_text() == f"earlier {name}" for name in OUTPUTS)
