"""Runs of the main script in a process of their own, for test_run.py to wait for.

conftest.py starts it before the first test, so that it uses the second core
while the other tests use the first. All runs share one process, since importing
torch takes longest.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = str(ROOT / "latent_space_exploration.py")
OUTPUTS = (
    "reconstruction_comparison.png", "latent_space_visualization.png",
    "interpolation_sequence.png", "training_progression.png", "vae_architecture.png",
    "generated_samples.png", "latent_traversal.png", "vae_weights.pth",
)

PROGRAM = """
import re, runpy, signal, sys
from pathlib import Path

def run_script(*arguments):
    sys.argv = [{script!r}, *arguments]
    try:
        runpy.run_path({script!r}, run_name="__main__")
    except SystemExit as stop:
        return stop.code

# 1. the script as it is
sys.path.insert(0, str(Path({script!r}).parent))
assert run_script("--epochs", "12", "--output-dir", "results") == 0
assert "matplotlib.pyplot" not in sys.modules    # which would look for a display

# 2. interrupted when it says how the first epoch went
class Interrupting:
    def write(self, text):
        if text.split()[:1] == ["1"]:
            signal.raise_signal(signal.SIGINT)
    def flush(self):
        pass
sys.stdout = Interrupting()
code = run_script("--epochs", "100000", "--output-dir", "interrupted")
sys.stdout = sys.__stdout__
print("== interrupted:", code)

# 3. edited copies, one epoch after each edit
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


def start_slow_runs(folder):
    """Start the program in a folder, without a display, and with warnings as errors."""
    for file in ("patterns.py", "vae_model.py", "latent_space_exploration.py"):
        shutil.copy(ROOT / file, folder)
    (folder / "interrupted").mkdir()
    fill_with_earlier_outputs(folder / "interrupted")
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    return subprocess.Popen(
        [sys.executable, "-B", "-W", "error", "-c", PROGRAM.format(script=SCRIPT)], cwd=folder,
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def fill_with_earlier_outputs(folder):
    """Put something under the name of every output."""
    for name in OUTPUTS:
        (folder / name).write_text(f"earlier {name}")


def assert_earlier_outputs_are_whole(folder):
    """Check that these are still there, and nothing else."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(OUTPUTS)
    assert all((folder / name).read_text() == f"earlier {name}" for name in OUTPUTS)
