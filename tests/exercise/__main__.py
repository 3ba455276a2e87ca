"""The checks as a command.

    python -m tests.exercise FILE                     # as latent_starter.py does for itself
    python -m tests.exercise --table FILE FILE ...    # a csv with a line for each file
"""

import argparse
import sys

from tests.exercise.run import check, table

parser = argparse.ArgumentParser(
    prog="python -m tests.exercise", description="Check files of exercise 3. The exit code is 1 "
    "if anything is wrong, 0 if all is right or still to do. With --table it is 1 if there is "
    "no such file, else 0.")
parser.add_argument("files", nargs="+", metavar="FILE")
parser.add_argument("--table", action="store_true",
                    help="print a csv: file, four states, points, first cause, imports that tell")

if __name__ == "__main__":
    options = parser.parse_args()
    if options.table:
        sys.exit(table(options.files))
    if len(options.files) > 1:
        parser.error("several files need --table")
    check(options.files[0])
