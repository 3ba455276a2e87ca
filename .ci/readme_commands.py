"""Print the commands of a page's shell blocks that a machine can run, one a line.

Left out are the lines that set up or choose a virtual environment (CI makes its
own), those that need a window, and those marked ``# by hand`` in the page.
"""

import re
import sys
from pathlib import Path

NOT_HERE = ("venv", "--interactive", "--index-url", "# by hand")


def shell_lines(page):
    """All command lines of the ``.. code-block:: shell`` blocks of a page."""
    blocks = re.findall(r"^\.\. code-block:: shell\n\n((?: +.*\n|\n)+)", page, flags=re.M)
    lines = (line.strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def runnable(page):
    """The lines to run, each once and in the page's order."""
    return list(dict.fromkeys(
        line for line in shell_lines(page) if not any(word in line for word in NOT_HERE)))


if __name__ == "__main__":
    print("\n".join(runnable(Path(sys.argv[1]).read_text(encoding="utf-8"))))
