"""Exercise 2, measured: what latent dimension, beta, depth and epochs really do.

    python solutions/parameter_study.py                    # ten seeds for each setting
    python solutions/parameter_study.py --quick            # one seed, for the impatient
    python solutions/parameter_study.py --seeds 300-309    # do the pages' claims hold there?

Every setting changes one thing of the default run, and measures.py says what is
measured. Prints a table of means and ranges over the seeds, then which claims of
the two pages (claims.py) hold for these seeds; the exit code is 1 if one does not.
Writes parameter_study.csv, one line a run, and parameter_study.png into the folder
``outputs``; the options write files of other names, since the pages quote these.
"""

import argparse
import csv
import io
import os
import signal
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path

if __name__ in ("__main__", "__mp_main__"):   # Ctrl-C ends it quietly, and its workers as well
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from patterns import check_edits
    check_edits("vae_model", "latent_space_exploration")

import numpy as np
from torch import nn

import latent_space_exploration as main_script
from latent_space_exploration import (
    BETA,
    EPOCHS,
    SEED,
    WARM_UP,
    explore,
    make_data,
)
from patterns import (
    IMAGE_SIZE,
    OUTPUT_DIR,
    OneSentenceParser,
    ProgramError,
    check_folder,
    grid_figure,
    number,
    png,
    publish,
    run_program,
)
from solutions.claims import CLAIMS, filled, holds, read_runs
from solutions.measures import MEASURES, Trained
from vae_model import (
    HIDDEN_DIM,
    LATENT_DIM,
    VAE,
    check_model,
    make_model,
    reconstruct,
    sample_prior,
)

SEEDS = range(SEED, SEED + 10)   # the first one is the main script's own run


# --- goal 3: other depths -------------------------------------------------------
class ShallowVAE(VAE):
    """One hidden layer on each side instead of two.

    Layers are made in the order of vae_model.py, since the order decides which random
    numbers each starts from: the edits on the page have to give the same models.
    """

    encoder_depth = decoder_depth = 1

    def __init__(self, latent_dim):
        nn.Module.__init__(self)
        self.encoder = nn.Sequential(*hidden_layers(IMAGE_SIZE**2, self.encoder_depth))
        self.fc_mu = nn.Linear(HIDDEN_DIM, latent_dim)
        self.fc_var = nn.Linear(HIDDEN_DIM, latent_dim)
        self.decoder = nn.Sequential(
            *hidden_layers(latent_dim, self.decoder_depth),
            nn.Linear(HIDDEN_DIM, IMAGE_SIZE**2), nn.Sigmoid(),
        )


def hidden_layers(width, depth):
    """So many hidden layers, each with its ReLU; the first one takes ``width`` values."""
    widths = [width, *[HIDDEN_DIM] * depth]
    return [layer for pair in zip(widths, widths[1:]) for layer in (nn.Linear(*pair), nn.ReLU())]


class ShallowDecoderVAE(ShallowVAE):
    """Two hidden layers in the encoder, one in the decoder: which side matters?"""

    encoder_depth = 2


class DeepVAE(ShallowVAE):
    """Three hidden layers on each side."""

    encoder_depth = decoder_depth = 3


# --- the settings -----------------------------------------------------------------
@dataclass(frozen=True)
class Setting:
    """One way to train; whatever is not named is the default of the main script."""

    name: str
    latent_dim: int = LATENT_DIM
    beta: float = BETA
    epochs: int = EPOCHS
    warm_up: int = WARM_UP
    model_class: type = VAE


SETTINGS = (
    Setting("default"),
    Setting("latent 2", latent_dim=2),
    Setting("latent 32", latent_dim=32),
    Setting("latent 64", latent_dim=64),
    Setting("beta 0.5", beta=0.5),
    Setting("beta 4", beta=4.0),
    Setting("beta 256", beta=256.0),   # what averaging over 256 pixels would amount to
    Setting("shallow", model_class=ShallowVAE),
    Setting("shallow decoder", model_class=ShallowDecoderVAE),
    Setting("deep", model_class=DeepVAE),
    Setting("deep warm-up", warm_up=800, model_class=DeepVAE),
    Setting("epochs 1", epochs=1),
    Setting("epochs 50", epochs=50),
)


# --- the study --------------------------------------------------------------------
def run(seeds, name):
    """Study all settings, publish ``name``.csv and .png; returns runs as in claims.py."""
    started = time.monotonic()
    print(f"{len(SETTINGS)} settings, {len(seeds)} seed(s) each, measured on held-out patterns")
    results = dict(study_all(seeds))
    table = as_csv({job: values for job, (values, _) in results.items()})
    runs = read_runs(table.splitlines())
    print_table(runs)
    figure = png(draw_study, {setting: results[setting, seeds[0]] for setting in SETTINGS},
                 seeds[0])
    publish({f"{name}.csv": table.encode(), f"{name}.png": figure}, OUTPUT_DIR)
    print(f"Wrote {name}.csv and {name}.png into {OUTPUT_DIR}")
    print(f"Time: {time.monotonic() - started:.0f} s")
    return runs


def study_all(seeds):
    """Train every setting with every seed, a process per core.

    Yields, as they end, pairs of a job (Setting, seed) and what ``study_one`` returns.
    """
    jobs = [(setting, seed) for seed in seeds for setting in SETTINGS]
    started = time.monotonic()
    # Spawned, not forked: a forked torch may hang, and not every system can fork.
    pool = ProcessPoolExecutor(min(os.cpu_count() or 1, len(jobs)), get_context("spawn"),
                               end_with_parent)
    try:
        running = {pool.submit(study_one, *job): job for job in jobs}
        for done, future in enumerate(as_completed(running), start=1):
            setting, seed = job = running[future]
            yield job, future.result()
            left = (time.monotonic() - started) / done * (len(jobs) - done)
            print(f"  {done:3d} of {len(jobs)}  {setting.name:15s} seed {seed}   "
                  f"about {left:3.0f} s left")
    finally:
        pool.shutdown(cancel_futures=True)


def end_with_parent():
    """Let a worker end as soon as the main process has ended, in whichever way it did."""
    def watch():
        parent_process().join()
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()


def study_one(setting, seed):
    """Train one setting with one seed: its measures, a dict, and pictures (12, pixels)."""
    main_script.set_up_torch()
    data = make_data(seed)
    model = make_model(setting.latent_dim, seed, setting.model_class)
    untrained = explore(model, data)
    history = list(main_script.train(model, data, epochs=setting.epochs, beta=setting.beta,
                                     seed=seed, warm_up=setting.warm_up))
    space = explore(model, data)
    trained = Trained(model, data, history, space, main_script.measure(model, data, space),
                      reconstruct(model, data.held_out), untrained)
    values = {measure.name: float(measure.of(trained)) for measure in MEASURES}
    shown = [*trained.recon[data.first_of_each_type(1)], *sample_prior(model, 8, seed)]
    return values, np.array(shown)


def report_claims(claims, runs):
    """Say of each claim whether it holds, with the numbers of these runs; the exit code."""
    print("\nThe claims of README.rst and solutions/README.rst, with the numbers of these seeds:")
    verdicts = [holds(claim, runs) for claim in claims]
    for claim, verdict in zip(claims, verdicts):
        print(textwrap.fill(f"{'holds' if verdict else 'FAILS'}  {filled(claim, runs)}", 98,
                            subsequent_indent=" " * 7))
    print(f"{sum(verdicts)} of {len(claims)} claims hold")
    return 0 if all(verdicts) else 1


# --- table and figure -------------------------------------------------------------
def as_csv(results):
    """The text of a csv, one line a run, from a dict (Setting, seed) -> {measure: value}."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["setting", "seed", *(measure.name for measure in MEASURES)])
    for setting, seed in sorted(results, key=lambda job: (SETTINGS.index(job[0]), job[1])):
        values = results[setting, seed]
        writer.writerow([setting.name, seed, *(f"{values[m.name]:.4f}" for m in MEASURES)])
    return file.getvalue()


def print_table(runs, width=7):
    """Print mean and range over the seeds, ``width`` measures at a time, and what they mean."""
    several = len(next(iter(runs.values()))) > 1
    print("\nMean over the seeds, and below it the range, lowest-highest" if several
          else "\nOne seed, no more than a first impression")
    for start in range(0, len(MEASURES), width):
        measures = MEASURES[start:start + width]
        print()
        for words in zip(*(measure.heading.split("\n") for measure in measures)):
            print_row("", words)
        for setting in SETTINGS:
            cells = [(runs[setting.name, measure.name], measure.spec) for measure in measures]
            print_row(setting.name, [f"{np.mean(values):{spec}}" for values, spec in cells])
            if several:
                print_row("", [f"{min(values):{spec}}-{max(values):{spec}}"
                               for values, spec in cells])
        print()
        for measure in measures:
            print(f"  {' '.join(measure.heading.split()):20s}{measure.legend}")
    print()


def print_row(name, cells):
    print(f"{name:16s}" + "".join(f"{cell:>12s}" for cell in cells))


def draw_study(results, seed):
    """A row for each setting, {Setting: (measures, pictures)}, beside some of its numbers."""
    labels = [f"{setting.name}\nRMSE {values['rmse']:.3f}\n{values['alive']:.0f} alive"
              for setting, (values, _) in results.items()]
    return grid_figure(
        f"Each setting with seed {seed}: reconstructions of four held-out patterns, "
        "then eight draws from the prior",
        [pictures for _, pictures in results.values()], labels, ["recon"] * 4 + ["sample"] * 8,
    )


# --- the command line ---------------------------------------------------------------
def seed_list(text):
    """Parse "300-309", "300,305" or a mixture into seeds in ascending order, each once."""
    seed, seeds = number(*main_script.LIMITS["SEED"]), set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        try:
            span = range(seed(low), seed(high or low) + 1)
        except argparse.ArgumentTypeError:
            span = ()
        if not 0 < len(span) <= 1000:
            raise argparse.ArgumentTypeError(
                f"must be seeds such as 300-309 or 300,305, not {text!r}")
        seeds.update(span)
    return sorted(seeds)


def main(arguments=None):
    """Run the study with command-line arguments; returns the exit code."""
    main_script.check_constants()
    parser = OneSentenceParser(description="Measure what the settings of exercise 2 do, "
                              "with ten seeds each.")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--quick", action="store_true", help="one seed, and no word on the claims")
    choice.add_argument("--seeds", type=seed_list, metavar="LIST",
                        help="check the pages' claims with these, such as 300-309 or 300,305")
    options = parser.parse_args(arguments)
    seeds, name = SEEDS, "parameter_study"
    if options.quick:
        seeds, name = SEEDS[:1], "parameter_study_quick"
    elif options.seeds:
        seeds, name = options.seeds, "parameter_study_seeds"
    check_folder(OUTPUT_DIR, [f"{name}.csv", f"{name}.png"])
    for setting in SETTINGS:
        try:
            check_model(make_model(setting.latent_dim, SEED, setting.model_class))
        except ProgramError as error:
            raise ProgramError(f"{error} (in the setting {setting.name!r}, whose model is "
                               f"{setting.model_class.__name__})") from None
    try:
        runs = run(seeds, name)
    except FloatingPointError as error:
        raise ProgramError(f"training must end with a finite loss, but {error}; "
                           "a smaller LEARNING_RATE may help") from None
    except BrokenProcessPool:
        raise ProgramError("each training must be left to end, but one was ended from outside; "
                           "perhaps memory ran out") from None
    # the claims are about means and most seeds, so a single one has no say
    return 0 if options.quick else report_claims(CLAIMS, runs)


if __name__ == "__main__":
    os.environ |= {              # for its processes:
        "OPENBLAS_NUM_THREADS": "1",                      # each keeps to its own core,
        "PYTHONWARNINGS": "ignore:resource_tracker",      # and the last tidies up in silence
    }
    run_program(main)
