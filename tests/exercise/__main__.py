"""Check a learner's file and draw what it makes; latent_starter.py runs this.

    python -m tests.exercise FILE       # exit code 1 if anything is wrong, 0 if right or to do
"""

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":   # Ctrl-C ends quietly from here on, while modules load as well
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

from tests.exercise.pictures import GIF, PICTURE, show
from tests.exercise.process import LostError, Workshop, judge
from tests.exercise.report import next_step, verdict


def main():
    check_constants()
    check_folder(OUTPUT_DIR, [PICTURE, GIF])
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "latent_starter.py")
    with Workshop() as workshop:
        try:
            judgement = judge(path, workshop)
        except LostError as error:
            sys.exit(f"The checks cannot start: {error}")
        print(verdict(judgement), end="\n\n", flush=True)     # drawing takes a moment longer
        lines = [show(judgement, workshop), next_step(judgement)]
    print("\n".join(filter(None, lines)))
    return judgement.exit_code


if __name__ == "__main__":
    try:
        from patterns import OUTPUT_DIR, check_constants, check_folder, run_program
    except Exception as error:          # patterns.py is edited in other exercises
        sys.exit(f"patterns.py cannot be used: {type(error).__name__}: {error}")
    run_program(main)
