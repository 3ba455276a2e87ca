"""What all tests share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# For matrices as small as these a second thread only waits for the first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def slow_runs(request, tmp_path_factory):
    """What test_run.py waits for, started early to use the second core: folder, process."""
    if not any(item.path.name == "test_run.py" for item in request.session.items):
        yield None
        return
    folder = tmp_path_factory.mktemp("slow_runs")
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    process = subprocess.Popen(
        [sys.executable, "-B", str(ROOT / "tests" / "slow_runs.py"), str(folder)],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    yield folder, process
    process.kill()
    process.communicate()
