"""Exercise 2, measured: what latent dimension, beta, depth and epochs really do.

    python solutions/parameter_study.py                    # ten seeds for each setting
    python solutions/parameter_study.py --quick            # one seed: a first impression
    python solutions/parameter_study.py --seeds 300-309    # do the pages' claims hold there?

Prints a table of means over the seeds, and which claims of the two pages (claims.py) hold
for them; the exit code is 1 if one does not. Writes parameter_study.csv (its columns: see
measures.py) and parameter_study.png into the folder ``outputs``. The options write files
of other names, since the pages quote these.
"""

import argparse
import csv
import io
import os
import signal
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

if __name__ == "__mp_main__":      # in a process of the pool: Ctrl-C ends it quietly
    signal.signal(signal.SIGINT, signal.SIG_DFL)

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")     # each process keeps to one core

import matplotlib.style
import numpy as np
import torch
from torch import nn

import latent_space_exploration as main_script
from latent_space_exploration import BETA, BETA_WARM_UP, EPOCHS, LEARNING_RATE, SEED
from patterns import IMAGE_SIZE, OUTPUT_DIR, PATTERN_TYPES, grid_figure, png, types_near
from solutions.claims import CLAIMS, read_runs
from solutions.measures import MEASURES, Trained
from vae_model import HIDDEN_DIM, LATENT_DIM, VAE, reconstruct, sample_prior

SEEDS = range(SEED, SEED + 10)   # the first one is the main script's own run


# --- the settings -----------------------------------------------------------------
@dataclass(frozen=True)
class Setting:
    """One way to train; whatever is not named is the default of the main script."""

    name: str
    latent_dim: int = LATENT_DIM
    beta: float = BETA
    epochs: int = EPOCHS
    warm_up: int = BETA_WARM_UP
    learning_rate: float = LEARNING_RATE
    hidden_layers: tuple[int, int] | None = None   # in encoder and decoder; None: VAE as it is


SETTINGS = (
    Setting("default"),
    Setting("latent 2", latent_dim=2),
    Setting("latent 32", latent_dim=32),
    Setting("latent 64", latent_dim=64),
    Setting("beta 0", beta=0.0),
    Setting("beta 0.5", beta=0.5),
    Setting("beta 4", beta=4.0),
    Setting("beta 256", beta=256.0),   # the same as a mean over 256 pixels instead of a sum
    Setting("shallow", hidden_layers=(1, 1)),
    Setting("shallow encoder", hidden_layers=(1, 2)),
    Setting("shallow decoder", hidden_layers=(2, 1)),
    Setting("deep", hidden_layers=(3, 3)),
    Setting("deep warm-up", hidden_layers=(3, 3), warm_up=800),
    Setting("deep slow", hidden_layers=(3, 3), learning_rate=1e-3),
    Setting("epochs 1", epochs=1),
    Setting("epochs 50", epochs=50),
)


class LayeredVAE(VAE):
    """A VAE with other numbers of hidden layers, as the edits of the page make them.

    The order of the layers is that of vae_model.py, since it decides which random numbers
    each starts from.
    """

    def __init__(self, latent_dim, encoder_depth, decoder_depth):
        nn.Module.__init__(self)
        self.encoder = nn.Sequential(*hidden_layers(IMAGE_SIZE**2, encoder_depth))
        self.fc_mu = nn.Linear(HIDDEN_DIM, latent_dim)
        self.fc_var = nn.Linear(HIDDEN_DIM, latent_dim)
        self.decoder = nn.Sequential(
            *hidden_layers(latent_dim, decoder_depth),
            nn.Linear(HIDDEN_DIM, IMAGE_SIZE**2), nn.Sigmoid(),
        )


def hidden_layers(inputs, depth):
    """As many hidden layers as ``depth`` says; the first one takes ``inputs`` values."""
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, HIDDEN_DIM), nn.ReLU()]
        inputs = HIDDEN_DIM
    return layers


def make_model(setting):
    """The untrained model of a setting."""
    if setting.hidden_layers is None:
        return VAE(latent_dim=setting.latent_dim)
    return LayeredVAE(setting.latent_dim, *setting.hidden_layers)


# --- the study --------------------------------------------------------------------
def study_one(setting, seed):
    """Train one setting with one seed: its measures, a dict, and pictures (10, pixels)."""
    main_script.set_up_torch()
    data = main_script.make_data(seed)
    torch.manual_seed(seed)
    model = make_model(setting)
    untrained = main_script.explore(model, data)
    history = main_script.train(
        model, data, epochs=setting.epochs, beta=setting.beta, seed=seed,
        warm_up=setting.warm_up, learning_rate=setting.learning_rate)
    space = main_script.explore(model, data)
    trained = Trained(model, data, history, space, main_script.measure(model, data, space),
                      reconstruct(model, data.held_out), untrained)
    values = {measure.name: float(measure.of(trained)) for measure in MEASURES}
    recon = trained.recon[data.first_of_each_type(1)][:5]
    return values, np.concatenate([recon, sample_prior(model, 10 - len(recon), seed)])


def study_all(seeds):
    """Train every setting with every seed: a dict (setting, seed) -> result of study_one."""
    jobs = [(setting, seed) for seed in seeds for setting in SETTINGS]
    workers = min(os.cpu_count() or 1, len(jobs), 61)        # Windows allows no more than 61
    results, started = {}, time.monotonic()
    # spawned, not forked: a forked torch may hang, and not every system can fork
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running = {pool.submit(study_one, *job): job for job in jobs}
        try:
            for done, future in enumerate(as_completed(running), start=1):
                setting, seed = running[future]
                results[setting, seed] = future.result()
                left = (time.monotonic() - started) / done * (len(jobs) - done)
                print(f"  {done:3d} of {len(jobs)}  {setting.name:15s} seed {seed}   "
                      f"about {left:3.0f} s left", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)     # start no more trainings
            raise
    return results


def write_results(results, seeds, name):
    """Write the csv and the figure of a study; returns the text of the csv."""
    file = io.StringIO()
    writer = csv.DictWriter(file, ["setting", "seed", *(measure.name for measure in MEASURES)],
                            lineterminator="\n")
    writer.writeheader()
    for setting in SETTINGS:
        for seed in seeds:
            values, _ = results[setting, seed]
            writer.writerow({"setting": setting.name, "seed": seed}
                            | {column: f"{value:.4f}" for column, value in values.items()})
    with matplotlib.style.context("default"):
        figure = png(draw_study([results[setting, seeds[0]] for setting in SETTINGS], seeds[0]))
    main_script.write_file(OUTPUT_DIR / f"{name}.csv", file.getvalue().encode())
    main_script.write_file(OUTPUT_DIR / f"{name}.png", figure)
    print(f"Wrote {name}.csv and {name}.png into {OUTPUT_DIR}")
    return file.getvalue()


def draw_study(results, seed):
    """A row for each setting, from its (measures, pictures), beside some of its numbers."""
    rows = np.stack([pictures for _, pictures in results])
    recon = min(len(PATTERN_TYPES), 5)
    marked = np.stack([types_near(pictures) == "none" for pictures in rows])
    marked[:, :recon] = False
    return grid_figure(
        f"Each setting with seed {seed}: reconstructions of held-out patterns,\n"
        "then samples from the prior (orange: near no pattern)", rows,
        [f"{setting.name}\nRMSE {values['rmse']:.3f}\n{values['in_use']:.0f} in use"
         for setting, (values, _) in zip(SETTINGS, results)],
        ["recon"] * recon + ["sample"] * (10 - recon), marked=marked,
    )


def print_table(runs):
    """Print the means over the seeds, and what the columns mean."""
    shown = [measure for measure in MEASURES if measure.heading]
    print(f"\n{'means':16s}" + "".join(f"{measure.heading:>9s}" for measure in shown))
    for setting in SETTINGS:
        print(f"{setting.name:16s}" + "".join(
            f"{getattr(runs[setting.name], measure.name):9{measure.form}}" for measure in shown))
    print()
    for measure in shown:
        print(f"  {measure.heading:9s}{measure.meaning}")


def judge_claims(runs):
    """Print each claim with the numbers of these runs; returns whether all hold."""
    print("\nThe claims of the two pages, with the numbers of these seeds:")
    verdicts = [claim.holds(runs) for claim in CLAIMS]
    for claim, holds in zip(CLAIMS, verdicts):
        print(textwrap.fill(f"{'holds' if holds else 'FAILS'}  {claim.text(runs)}", 98,
                            subsequent_indent=" " * 7))
    print(f"{sum(verdicts)} of {len(CLAIMS)} claims hold")
    return all(verdicts)


# --- the command line ---------------------------------------------------------------
def seed_range(text):
    """Parse "300-309" or "300" into a range of seeds."""
    first, _, last = text.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    if not seeds:
        raise ValueError
    return seeds


def main(arguments=None):
    """Run the study with command-line arguments; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Measure what the settings of exercise 2 do, with ten seeds each.")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--quick", action="store_true", help="one seed")
    choice.add_argument("--seeds", type=seed_range, metavar="FIRST-LAST",
                        help="check the pages' claims on these seeds, for example 300-309")
    options = parser.parse_args(arguments)
    seeds, name = SEEDS, "parameter_study"
    if options.quick:
        seeds, name = SEEDS[:1], "parameter_study_quick"
    elif options.seeds:
        seeds, name = options.seeds, "parameter_study_seeds"
    main_script.prepare_folder(OUTPUT_DIR)

    started = time.monotonic()
    print(f"{len(SETTINGS)} settings, {len(seeds)} seed(s) each")
    runs = read_runs(write_results(study_all(seeds), seeds, name).splitlines())
    print_table(runs)
    print(f"\nTime: {time.monotonic() - started:.0f} s")
    if len(seeds) < 10:
        print("Too few seeds to judge the claims: it takes ten.")
        return 0
    if PATTERN_TYPES != ("diagonal", "horizontal", "vertical", "cross"):
        print("The claims are about the four types of the exercise, so they are not judged.")
        return 0
    return 0 if judge_claims(runs) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.excepthook = lambda *_: None     # Ctrl-C ends the program without a traceback
        raise
