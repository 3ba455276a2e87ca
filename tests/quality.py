"""How good is the default run? Measures seeds 0 to 9; a script, not a test.

    python tests/quality.py             # about a minute and a half
    python tests/quality.py --seeds 3   # fewer

Prints, for each bar that the exercise sets itself, the median and the worst
value over the seeds.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from solutions.parameter_study import SETTINGS, study_one

BARS = (    # measure, what it says, the bar, which end is worst
    ("purity_plane", "types: purity in the drawn plane", ">= 0.98 median, 0.90 worst", min),
    ("near", "share of 2000 prior samples within RMSE 0.1", ">= 0.80 median", min),
    ("rmse", "RMSE of reconstructions to the clean patterns", "<= 0.04", max),
    ("largest_step", "largest of seven steps, median over pairs", "<= 0.40", max),
    ("alive", "living latent dimensions", "no collapse", min),
    ("reconstruction", "held-out reconstruction, nats per image", "no divergence", max),
    ("kl", "held-out KL, nats per image", "no collapse", min),
)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Measure the default run over several seeds.")
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 0 on (default: 10)")
    seeds = range(parser.parse_args(arguments).seeds)
    rows = []
    for seed in seeds:
        rows.append(study_one((SETTINGS[0], seed))[1])
        print(f"seed {seed}: purity {rows[-1].purity_plane:.3f}, samples {rows[-1].near:.3f}, "
              f"RMSE {rows[-1].rmse:.3f}, largest step {rows[-1].largest_step:.3f}", flush=True)
    print(f"\n{'measure':48s} {'median':>8s} {'worst':>8s}   bar")
    for key, says, bar, worst in BARS:
        values = [getattr(row, key) for row in rows]
        print(f"{says:48s} {np.median(values):8.3f} {worst(values):8.3f}   {bar}")


if __name__ == "__main__":
    main()
