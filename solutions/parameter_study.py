"""Exercise 2, measured: what latent dimension, beta, depth and epochs really do.

    python solutions/parameter_study.py            # five seeds for each setting
    python solutions/parameter_study.py --quick    # one seed, for the impatient

Every setting changes one thing of the default run. All measures are taken on
held-out patterns, with the package's own data, training and functions. Prints
a table of means and ranges over the seeds, and writes parameter_study.csv (one
line a run) and parameter_study.png into the folder ``outputs``; ``--quick`` calls
them parameter_study_quick.
"""

import argparse
import csv
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path

if __name__ == "__main__":   # the same quiet end on Ctrl-C as in the main script
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from torch import nn

from latent_space_exploration import (
    ALIVE_KL,
    EPOCHS,
    NEAR_RMSE,
    OUTPUT_DIR,
    SEED,
    decode,
    explore,
    grid_figure,
    interpolate_codes,
    largest_step,
    make_data,
    make_model,
    nearest_neighbour_purity,
    pixel_entropy,
    publish_together,
    rmse,
    sample_prior,
    say,
    set_up_torch,
    train,
)
from patterns import IMAGE_SIZE, PATTERN_TYPES, nearest_clean
from vae_model import HIDDEN_DIM, LATENT_DIM, VAE

SEEDS = tuple(range(SEED, SEED + 5))   # the first one is the main script's own run


# --- goal 3: the two edits of the page --------------------------------------------
# All layers are made here, in the order of vae_model.py: the order decides which
# random numbers each layer starts from, and a learner's edit must give the same model.
class ShallowVAE(VAE):
    """One hidden layer on each side instead of two."""

    def __init__(self, input_dim=IMAGE_SIZE**2, hidden_dim=HIDDEN_DIM, latent_dim=LATENT_DIM):
        nn.Module.__init__(self)
        self.encoder = nn.Sequential(
            nn.Linear(input_dim, hidden_dim), nn.ReLU(),
        )
        self.fc_mu = nn.Linear(hidden_dim, latent_dim)
        self.fc_var = nn.Linear(hidden_dim, latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim), nn.ReLU(),
            nn.Linear(hidden_dim, input_dim), nn.Sigmoid(),
        )


class DeepVAE(VAE):
    """Three hidden layers on each side instead of two."""

    def __init__(self, input_dim=IMAGE_SIZE**2, hidden_dim=HIDDEN_DIM, latent_dim=LATENT_DIM):
        nn.Module.__init__(self)
        self.encoder = nn.Sequential(
            nn.Linear(input_dim, hidden_dim), nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim), nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim), nn.ReLU(),
        )
        self.fc_mu = nn.Linear(hidden_dim, latent_dim)
        self.fc_var = nn.Linear(hidden_dim, latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim), nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim), nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim), nn.ReLU(),
            nn.Linear(hidden_dim, input_dim), nn.Sigmoid(),
        )


# --- the settings -----------------------------------------------------------------
@dataclass(frozen=True)
class Setting:
    """One way to train; whatever is not named is the default of the main script."""

    name: str
    latent_dim: int = 8
    beta: float = 1.0
    epochs: int = EPOCHS
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
    Setting("deep", model_class=DeepVAE),
    Setting("epochs 1", epochs=1),
    Setting("epochs 50", epochs=50),
)


# --- the measures -----------------------------------------------------------------
@dataclass(frozen=True)
class Measures:
    """What is measured after one training, on held-out patterns; the table's columns."""

    reconstruction: float    # nats per image
    kl: float                # nats per image
    loss: float              # nats per image: reconstruction + KL, the negative ELBO
    floor: float             # nats per image, the entropy of the pixels themselves
    rmse: float              # of reconstructions (from mu) to the clean patterns
    undecided: float         # share of reconstructed pixels between 0.1 and 0.9: blur
    undecided_clean: float   # the same share in the clean patterns themselves
    alive: float             # latent dimensions with a KL above ALIVE_KL
    purity: float            # of the types: nearest neighbours in the whole latent space
    purity_plane: float      # the same in the drawn plane
    near: float              # share of prior samples within NEAR_RMSE of a clean pattern
    cross: float             # share of midpoints horizontal-vertical that decode to a cross
    largest_step: float      # of diagonal-to-cross paths: change carried by one step of seven
    width_kept: float        # of the lines' widths, how much reconstructions show: R squared
    cross_width_kept: float  # the same for crosses alone
    axis_gap: float          # how far one dimension alone stands for a line's shift, 0 to 1


HEADINGS = {
    "reconstruction": "recon\nnats", "kl": "KL\nnats", "loss": "recon + KL\nnats",
    "floor": "floor\nnats", "rmse": "RMSE\nbrightness",
    "undecided": "undecided\n% pixels", "undecided_clean": "in clean\n% pixels",
    "alive": "alive\ndims", "purity": "purity\n% space", "purity_plane": "purity\n% plane",
    "near": "samples\n% near", "cross": "h+v is x\n% pairs", "largest_step": "largest\n% step",
    "width_kept": "width kept\n% all", "cross_width_kept": "width kept\n% crosses",
    "axis_gap": "axis gap\n0 to 1",
}
AS_PERCENT = {"undecided", "undecided_clean", "purity", "purity_plane", "near", "cross",
              "largest_step", "width_kept", "cross_width_kept"}
DECIMALS = {"rmse": 3, "axis_gap": 2}   # all others: 1
COLUMNS_IN_A_ROW = 6                    # the table is cut to the width of a terminal


def measure(model, data, last_record):
    """Take all measures of a trained model; ``last_record`` holds its held-out losses."""
    codes = explore(model, data)
    recon = decode(model, codes.mu)
    widths = [width_kept(recon, data, kind) for kind in range(len(PATTERN_TYPES))]
    return Measures(
        reconstruction=last_record.reconstruction,
        kl=last_record.kl,
        loss=last_record.loss(beta=1.0),
        floor=pixel_entropy(data.held_out),
        rmse=rmse(recon, data.clean).mean(),
        undecided=undecided_pixels(recon),
        undecided_clean=undecided_pixels(data.clean),
        alive=np.count_nonzero(codes.kl > ALIVE_KL),
        purity=nearest_neighbour_purity(codes.mu, data.labels),
        purity_plane=codes.purity,
        near=codes.near,
        cross=midpoints_that_are_crosses(model, data, codes.mu),
        largest_step=np.median([largest_step(path) for path in paths(model, data, codes.mu)]),
        width_kept=np.mean(widths),
        cross_width_kept=widths[PATTERN_TYPES.index("cross")],
        axis_gap=axis_gap(data, codes.mu),
    )


def undecided_pixels(images):
    """Share of pixels that are neither dark (below 0.1) nor bright (above 0.9)."""
    return np.mean((images > 0.1) & (images < 0.9))


def pairs(data, mu, first, second):
    """Codes of all held-out patterns of two types, paired in their order."""
    one, other = (mu[data.labels == PATTERN_TYPES.index(name)] for name in (first, second))
    count = min(len(one), len(other))
    return one[:count], other[:count]


def midpoints_that_are_crosses(model, data, mu):
    """Share of midpoints between a horizontal and a vertical that decode to a clear cross."""
    horizontal, vertical = pairs(data, mu, "horizontal", "vertical")
    distances, labels = nearest_clean(decode(model, (horizontal + vertical) / 2))
    return np.mean((labels == PATTERN_TYPES.index("cross")) & (distances <= NEAR_RMSE))


def paths(model, data, mu):
    """Decoded eight-step paths from every diagonal to a cross."""
    return [decode(model, interpolate_codes(a, b))
            for a, b in zip(*pairs(data, mu, "diagonal", "cross"))]


def width_kept(recon, data, kind):
    """Squared correlation, over one type, of brightness before and after: 0 to 1.

    The summed brightness of a clean line says how wide it is. A model whose code
    does not mention the width draws all lines equally wide.
    """
    chosen = data.labels == kind
    return squared_correlations(data.clean[chosen].sum(axis=1), recon[chosen].sum(axis=1))[0]


def squared_correlations(values, columns):
    """Of values (N,) with each column of (N,) or (N, D); one that never moves explains nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(np.corrcoef(values, columns, rowvar=False)[0, 1:] ** 2)


def axis_gap(data, mu):
    """How far one latent dimension alone stands for the shift of a line, 0 to 1.

    The shift of a horizontal line (up and down) and of a vertical one (left and
    right) is read off its clean image. The gap is the squared correlation with
    the best dimension minus that with the second best, averaged over both: 1 if
    one dimension does it all ("disentangled"), 0 if two share the work. After
    the mutual information gap of Chen et al. (2018), with correlation in place
    of information.
    """
    place = (np.arange(IMAGE_SIZE) + 0.5) / IMAGE_SIZE
    gaps = []
    for name, axis in (("horizontal", 2), ("vertical", 1)):
        chosen = data.labels == PATTERN_TYPES.index(name)
        profile = data.clean[chosen].reshape(-1, IMAGE_SIZE, IMAGE_SIZE).mean(axis=axis)
        shift = profile @ place / profile.sum(axis=1)
        second, best = np.sort(squared_correlations(shift, mu[chosen]))[-2:]
        gaps.append(best - second)
    return np.mean(gaps)


# --- the study --------------------------------------------------------------------
def study_one(job):
    """Train one setting with one seed: the job, its measures and a row of pictures."""
    setting, seed = job
    set_up_torch()
    data = make_data(seed)
    model = make_model(setting.latent_dim, seed, setting.model_class)
    history = train(model, data, epochs=setting.epochs, beta=setting.beta, seed=seed)
    probe = data.held_out[data.first_of_each_type(1)]
    mu = model.encode(probe)[0].detach()
    pictures = [*decode(model, mu), *sample_prior(model, 8, seed)]
    return job, measure(model, data, history[-1]), pictures


def study_all(seeds):
    """Train every setting with every seed, a process per core; yields the results."""
    jobs = [(setting, seed) for seed in seeds for setting in SETTINGS]
    started = time.monotonic()
    # Spawned, not forked: a forked torch may hang, and not every system can fork.
    # Leaving the block stops the workers, so they need not know about Ctrl-C.
    workers = min(os.cpu_count() or 1, len(jobs))
    with get_context("spawn").Pool(workers, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        for done, result in enumerate(pool.imap_unordered(study_one, jobs), start=1):
            (setting, seed), measures, pictures = result
            left = (time.monotonic() - started) / done * (len(jobs) - done)
            say(f"  {done:2d} of {len(jobs)}  {setting.name:10s} seed {seed}   "
                f"about {left:3.0f} s left")
            yield setting.name, seed, measures, pictures


def print_table(measures):
    """Print mean and range over the seeds; ``measures[name, seed]`` holds Measures."""
    keys = list(HEADINGS)
    for start in range(0, len(keys), COLUMNS_IN_A_ROW):
        columns = keys[start:start + COLUMNS_IN_A_ROW]
        for words in zip(*(HEADINGS[key].split("\n") for key in columns)):
            print_row("", words)
        for setting in SETTINGS:
            rows = [row for (name, _), row in measures.items() if name == setting.name]
            values = {key: [getattr(row, key) for row in rows] for key in columns}
            print_row(setting.name, [show(key, np.mean(values[key])) for key in columns])
            if len(rows) > 1:
                print_row("", [f"{show(key, min(values[key]))}-{show(key, max(values[key]))}"
                               for key in columns])
        say("")


def print_row(name, cells):
    say(f"{name:10s}" + "".join(f"{cell:>12s}" for cell in cells))


def show(key, value):
    """A measure as the table shows it, a share in percent."""
    return f"{100 * value:.0f}" if key in AS_PERCENT else f"{value:.{DECIMALS.get(key, 1)}f}"


def write_csv(path, measures):
    """One line a run: the setting, the seed and all measures."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["setting", "seed", *(field.name for field in fields(Measures))])
        for (name, seed), row in sorted(measures.items()):
            writer.writerow([name, seed, *(f"{value:.4f}" for value in asdict(row).values())])


def draw_study(measures, pictures, seed):
    """A row for each setting: four reconstructions and eight samples, beside its numbers."""
    labels = []
    for setting in SETTINGS:
        m = measures[setting.name, seed]
        labels.append(f"{setting.name}\nrecon + KL {m.loss:.1f}\n"
                      f"RMSE {m.rmse:.3f}, {m.alive:.0f} alive")
    return grid_figure(
        f"Each setting with seed {seed}: reconstructions of four held-out patterns, "
        "then eight draws from the prior",
        [pictures[setting.name] for setting in SETTINGS], labels,
        ["recon"] * 4 + ["sample"] * 8,
    )


def main(arguments=None):
    """Run the study with command-line arguments; returns the exit code."""
    parser = argparse.ArgumentParser(description="Measure what the settings of exercise 2 do.")
    parser.add_argument("--quick", action="store_true", help="one seed instead of five")
    quick = parser.parse_args(arguments).quick
    # a quick look must not replace the results that the page quotes
    seeds, name = (SEEDS[:1], "parameter_study_quick") if quick else (SEEDS, "parameter_study")
    say(f"{len(SETTINGS)} settings with {len(seeds)} seed(s) each; everything is measured on "
        "held-out patterns.")
    started = time.monotonic()
    measures, pictures = {}, {}
    for setting, seed, row, images in study_all(seeds):
        measures[setting, seed] = row
        if seed == SEED:
            pictures[setting] = images
    say("\nMean over the seeds, and below it the range (smallest-largest)\n" if len(seeds) > 1
        else f"\nSeed {SEED} alone\n")
    print_table(measures)
    OUTPUT_DIR.mkdir(exist_ok=True)
    with publish_together(OUTPUT_DIR) as scratch:
        write_csv(scratch / f"{name}.csv", measures)
        draw_study(measures, pictures, SEED).savefig(scratch / f"{name}.png")
    say(f"Took {time.monotonic() - started:.0f} s. Wrote {name}.csv and {name}.png "
        f"into {OUTPUT_DIR}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
