"""Print the commands of a page's shell blocks that a machine can run, one a line.

Left out are those that set up a virtual environment (CI makes its own), load PyTorch from
its own index, open a prompt, or need a git repository (CI works in a copy without one).
"""

import re
import sys
from pathlib import Path

NOT_HERE = re.compile(r"venv|^python$|download\.pytorch\.org|^git ")


def shell_lines(page):
    """All command lines of the ``.. code-block:: shell`` blocks of a page."""
    blocks = re.findall(r"^\.\. code-block:: shell\n\n((?: +.*\n|\n)+)", page, flags=re.M)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    return [" ".join(line.split()) for line in lines if line.strip()]


def runnable(page):
    """The lines to run, each once and in the page's order."""
    return list(dict.fromkeys(
        line for line in shell_lines(page) if not NOT_HERE.search(line)))


if __name__ == "__main__":
    print("\n".join(runnable(Path(sys.argv[1]).read_text(encoding="utf-8"))))
