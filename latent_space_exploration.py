"""Train a VAE on soft-edged lines and draw the figures of the exercise page.

    python latent_space_exploration.py             # the run that the page shows
    python latent_space_exploration.py --beta 4 -o outputs/beta_4
    python latent_space_exploration.py --help      # everything that can be changed for one run

Read vae_model.py first if a VAE is new to you. The main line comes first: configuration,
data, training, and the run that connects them. Then come the measures and figures that
run() uses, and finally the command line. Importing this file runs nothing.
"""

import argparse
import io
import itertools
import math
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace

try:
    import numpy as np
    import torch
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is missing: activate your environment (source .venv/bin/activate), "
             "or install it (python -m pip install -r requirements.txt)")

import patterns
import vae_model
from patterns import IMAGE_SIZE, NEAR_RMSE, PATTERN_TYPES, grid_figure, png, rmse, types_near
from vae_model import VAE, decode, kl_per_dimension, reconstruct, reconstruction_loss, vae_loss

# --- configuration (LATENT_DIM and HIDDEN_DIM are in vae_model.py) --------------
EPOCHS = 200            # passes over the training patterns             (try: 1, 50, 400)
BETA = 1.0              # weight of the KL term                         (try: 0, 0.5, 4)
SEED = 42               # decides data, initial weights and noise
LEARNING_RATE = 4e-3    # of Adam
DECAY = 0.15            # final share of the training in which the learning rate falls towards 0
BETA_WARM_UP = 0        # steps in which beta rises from 0; an epoch has 8   (try: 800)
BATCH_SIZE = 256        # patterns per training step
NUM_TRAIN = 2048        # patterns to learn from
NUM_HELD_OUT = 400      # patterns that are never trained on: the model is judged on these

IN_USE_KL = 0.1         # nats; a latent dimension below this carries next to nothing: unused
NUM_SAMPLES = 2000      # samples from the prior that are measured


# --- data ---------------------------------------------------------------------
@dataclass(frozen=True)
class Data:
    """Training patterns, and held-out ones with their types and clean versions."""

    train: torch.Tensor      # (NUM_TRAIN, pixels)
    held_out: torch.Tensor   # (NUM_HELD_OUT, pixels)
    labels: np.ndarray       # (NUM_HELD_OUT,), indices into PATTERN_TYPES
    clean: np.ndarray        # (NUM_HELD_OUT, pixels), held_out without the noise

    def of_type(self, label):
        """Indices of the held-out patterns of one type."""
        return np.flatnonzero(self.labels == label)

    def first_of_each_type(self, count):
        """Indices of the first ``count`` held-out patterns of each type, type by type."""
        return np.concatenate([self.of_type(label)[:count] for label in range(len(PATTERN_TYPES))])


def make_data(seed):
    """Draw the training set and, from an independent stream, the held-out set."""
    train, _ = patterns.generate_patterns(NUM_TRAIN, np.random.default_rng([seed, 0]))
    held_out, labels = patterns.generate_patterns(NUM_HELD_OUT, np.random.default_rng([seed, 1]))
    # the same seed gives the same patterns, here without their noise
    clean, _ = patterns.generate_patterns(NUM_HELD_OUT, np.random.default_rng([seed, 1]), noise=0)
    return Data(torch.from_numpy(train), torch.from_numpy(held_out), labels, clean)


# --- training -----------------------------------------------------------------
@dataclass(frozen=True)
class Record:
    """How the model did on held-out patterns after one epoch."""

    epoch: int
    reconstruction: float    # nats per image
    kl: float                # nats per image
    pictures: np.ndarray     # (types, pixels), the first pattern of each type, reconstructed


def train(model, data, *, epochs, beta, seed, warm_up=BETA_WARM_UP, learning_rate=LEARNING_RATE,
          decay=DECAY, batch_size=BATCH_SIZE, verbose=False):
    """Fit a model, which is changed in place, with Adam on ``vae_loss``.

    Parameters
    ----------
    model : VAE
    data : Data
    epochs : int, passes over ``data.train``, 1 or more
    beta : float, weight of the KL term
    seed : int, decides the order of the patterns and the noise of the codes
    warm_up : int, steps in which the weight of the KL term rises from 0 to ``beta``,
        a remedy for unused dimensions ("posterior collapse", Bowman et al. 2016)
    learning_rate : float, of Adam
    decay : float, final share of the training in which the learning rate falls towards 0
    batch_size : int, patterns per training step
    verbose : bool, print the losses at six epochs

    Returns
    -------
    list of Record, at up to 51 epochs, about evenly spaced on a logarithmic scale

    Raises a FloatingPointError if the training diverges.
    """
    torch.manual_seed(seed)
    steps = epochs * math.ceil(len(data.train) / batch_size)
    # fused: one call updates all weights, which saves a tenth of the training time
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    # The factor on the learning rate after `done` steps: 1, and in the last decay * steps of them a
    # straight line towards 0, so that the weights settle. (+ 1, because decay may be 0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda done: min(1.0, (steps - done) / (decay * steps + 1)))
    printed = spread_epochs(epochs, 6)
    recorded = spread_epochs(epochs, 51)       # the same 6, and up to 9 in each of the 5 gaps
    step, history = 0, []
    for epoch in range(1, epochs + 1):
        model.train()
        for chosen in torch.randperm(len(data.train)).split(batch_size):
            step += 1
            weight = beta * min(1.0, step / max(1, warm_up))
            batch = data.train[chosen]                              # (batch_size, pixels)
            recon, mu, log_var = model(batch)
            loss = vae_loss(recon, batch, mu, log_var, weight) / len(batch)   # nats per image
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        if epoch in recorded:
            model.eval()                           # turns dropout off, if you add any
            history.append(evaluate(model, data, epoch))
            if verbose and epoch in printed:
                print_losses(history[-1], beta)
    return history


def spread_epochs(epochs, count):
    """Up to ``count`` epochs at equal ratios: 1, 3, 8, 24, 69, 200 are 6 of 200."""
    return np.unique(np.geomspace(1, epochs, count).round().astype(int))


@torch.no_grad()
def evaluate(model, data, epoch):
    """A Record of the model, with the same noise in the codes each time.

    Epochs then differ only by what the model has learned.
    """
    with torch.random.fork_rng(devices=[]):    # restores the training's random state afterwards
        torch.manual_seed(0)
        recon, mu, log_var = model(data.held_out)
    return Record(
        epoch,
        reconstruction_loss(recon, data.held_out).item() / len(recon),
        kl_per_dimension(mu, log_var).sum().item() / len(recon),
        reconstruct(model, data.held_out[data.first_of_each_type(1)]),
    )


# --- the run --------------------------------------------------------------------
def run(settings):
    """Train a model, measure it, draw it, and write all files."""
    import matplotlib.style

    started = time.monotonic()
    data = make_data(settings.seed)
    torch.manual_seed(settings.seed)
    model = VAE(latent_dim=settings.latent_dim)
    vae_model.check_model(model)
    print_header(model, settings)
    history = train(model, data, epochs=settings.epochs, beta=settings.beta, seed=settings.seed,
                    verbose=True)
    trained = time.monotonic()

    space = explore(model, data)
    findings = measure(model, data, space)
    print_findings(history[-1], space, findings)

    with matplotlib.style.context("default"):      # whatever the reader's own settings are
        files = draw_all(model, data, history, space, findings, settings.seed)
    weights = io.BytesIO()         # in memory: files are written only when all is done
    torch.save(model.state_dict(), weights)
    files.append((vae_model.WEIGHTS_FILE, "the weights of the trained model", weights.getvalue()))
    print(f"\nFiles in {settings.output_dir}:")
    for name, shows, content in files:
        write_file(settings.output_dir / name, content)
        print(f"  {name:32s} {shows}")
    print(f"Time: {trained - started:.1f} s for training, "
          f"{time.monotonic() - trained:.1f} s for measurements and figures")


def print_header(model, settings):
    """Print what is trained on what."""
    sizes = [*vae_model.linear_sizes(model.encoder), settings.latent_dim]
    parameters = sum(weights.numel() for weights in model.parameters())
    print(f"Data    {NUM_TRAIN} training patterns of {IMAGE_SIZE} x {IMAGE_SIZE} pixels "
          f"({', '.join(PATTERN_TYPES)}),")
    print(f"        and {NUM_HELD_OUT} held-out patterns, for the losses below")
    print(f"Model   VAE {'-'.join(map(str, sizes))}, {parameters:,} parameters, "
          f"beta {settings.beta:g}, seed {settings.seed}")
    loss = "loss" if settings.beta == 1 else f"recon + {settings.beta:g} KL"
    print(f"\nepoch {loss:>16s}   reconstruction       KL   (nats per image)")


def print_losses(record, beta):
    """Print one line of the table."""
    print(f"{record.epoch:5d} {record.reconstruction + beta * record.kl:16.2f} "
          f"{record.reconstruction:16.2f} {record.kl:8.2f}", flush=True)


# --- measures: where the patterns are -------------------------------------------
@dataclass(frozen=True)
class LatentSpace:
    """The codes of the held-out patterns, and the plane that figures show."""

    mu: np.ndarray           # (N, latent_dim)
    kl: np.ndarray           # (latent_dim,), nats per image
    origin: np.ndarray       # (latent_dim,), of the plane
    axes: np.ndarray         # (2, latent_dim), orthonormal rows that span it
    names: tuple             # of these two axes

    def project(self, codes):
        """Coordinates (N, 2) in the plane of codes (N, latent_dim)."""
        return (codes - self.origin) @ self.axes.T

    @property
    def by_kl(self):
        """Indices of the latent dimensions, the one with the largest KL first."""
        return np.argsort(-self.kl, kind="stable")

    @property
    def in_use(self):
        """Those with a KL above IN_USE_KL, in the same order."""
        return [dimension for dimension in self.by_kl if self.kl[dimension] > IN_USE_KL]


@torch.no_grad()
def explore(model, data):
    """Encode the held-out patterns: a LatentSpace."""
    mu, log_var = model.encode(data.held_out)
    kl = kl_per_dimension(mu, log_var).mean(dim=0).numpy()
    return LatentSpace(mu.numpy(), kl, *choose_plane(mu.numpy(), data.labels))


def choose_plane(codes, labels):
    """Origin, axes and axis names of the plane to draw: the raw axes if there are only two.

    With more, the first two may be unused. So the plane goes through the mean of the type centers,
    in the two directions in which the centers differ most (their principal components).
    """
    if codes.shape[1] == 2:
        return np.zeros(2), np.eye(2), ("z[0]", "z[1]")
    centers = np.stack([codes[labels == label].mean(axis=0) for label in np.unique(labels)])
    origin = centers.mean(axis=0)
    _, _, axes = np.linalg.svd(centers - origin, full_matrices=False)    # the widest first
    return origin, axes[:2], tuple(f"direction {k} (between the type centers)" for k in (1, 2))


# --- measures: what a trained model can do, and what simpler ways can -------------
def measure(model, data, space):
    """Numbers with names, on the held-out patterns and on samples."""
    names = np.array(PATTERN_TYPES)[data.labels]
    far = far_pairs_of_one_type(data)                 # pair i: pattern i and another of its type
    path, blended_path = paths(model, data, space, far, num_steps=3)
    middle, blended_middle = path[1], blended_path[1]      # of (3, N, pixels): start, middle, end
    latent, blended = paths(model, data, space, pairs_of_two_types(data.labels))
    samples = vae_model.sample_prior(model, NUM_SAMPLES, seed=0)         # always the same codes
    samples_pca = sample_pca(data.train.numpy(), len(space.kl), NUM_SAMPLES, seed=0)

    def loss(guess):
        guess = torch.as_tensor(guess).float()
        return reconstruction_loss(guess, data.held_out).item() / len(guess)

    return SimpleNamespace(
        # shares of samples that are near a pattern: from the prior, and from a linear model
        samples=np.mean(types_near(samples) != "none"),
        samples_pca=np.mean(types_near(samples_pca) != "none"),
        # shares of midpoints within a type that are near that type: of codes, and of pixels
        midpoints=np.mean(types_near(middle) == names),
        midpoints_blended=np.mean(types_near(blended_middle) == names),
        # of 6 inner frames between two types, how many are near none: of codes, and of pixels
        frames_near_none=count_near_none(latent),
        frames_near_none_blended=count_near_none(blended),
        # reconstruction loss in nats per image: of a perfect copy (gray pixels cost something), of
        # the best guess that copies no noise (each pixel's mean over the noise), and of decoded mu
        copy_loss=loss(data.held_out),
        clean_loss=loss(mean_with_noise(data.clean)),
        mu_loss=loss(reconstruct(model, data.held_out)),
    )


def print_findings(last, space, findings):
    """Print in numbers what the trained model can do."""
    print("\nReconstruction loss, in nats per image:")
    for what, nats in (
        # each loss minus the loss of the line above: the numbers add up to the total
        ("gray pixels (cannot be reduced)", findings.copy_loss),
        ("pixel noise (cannot be predicted)", findings.clean_loss - findings.copy_loss),
        ("left for the model to learn", findings.mu_loss - findings.clean_loss),
        ("noise of the code (sampling z around mu)", last.reconstruction - findings.mu_loss),
        ("total", last.reconstruction),
    ):
        print(f"  {what:41s} {nats:7.2f}")
    unused = space.by_kl[len(space.in_use):]
    print(f"\nLatent dimensions in use (KL above {IN_USE_KL} nats): "
          f"{len(space.in_use)} of {len(space.kl)}")
    for dimension in space.in_use:
        print(f"  z[{dimension}]  KL {space.kl[dimension]:.2f}")
    if len(unused):
        print(f"  {len(unused)} unused (largest KL {space.kl[unused].max():.3f})")
    print(f'\n"Near" means within RMSE {NEAR_RMSE} of a clean pattern.')
    print(f"  {'':44s} {'VAE':>7s} {'baseline':>8s}")
    for what, vae, baseline, description in (
        ("samples from the prior near a pattern", f"{findings.samples:.1%}",
         f"{findings.samples_pca:.1%}", f"samples from PCA, {len(space.kl)} numbers"),
        ("midpoints within a type still near that type", f"{findings.midpoints:.1%}",
         f"{findings.midpoints_blended:.1%}", "pixels blended"),
        ("of 6 frames between two types, near no type", f"{findings.frames_near_none:.1f}",
         f"{findings.frames_near_none_blended:.1f}", "pixels blended"),
    ):
        print(f"  {what:44s} {vae:>7s} {baseline:>8s}  {description}")


def sample_pca(images, dimensions, count, seed):
    """Samples of a linear model: principal components with normal weights, (count, pixels).

    Each weight has the variance that it has over ``images`` (N, pixels).
    """
    mean = images.mean(axis=0)
    covariance = (images - mean).T @ (images - mean) / len(images)
    variance, components = np.linalg.eigh(covariance)                       # ascending
    variance, components = variance[-dimensions:].clip(0), components[:, -dimensions:]
    weights = np.random.default_rng(seed).normal(0, np.sqrt(variance), (count, len(variance)))
    return (mean + weights @ components.T).clip(0, 1)


def pairs_of_two_types(labels, most=50):
    """Indices (pairs, 2) of held-out patterns, up to ``most`` pairs for any two types."""
    pairs = []
    for a, b in itertools.combinations(range(len(PATTERN_TYPES)), 2):
        pairs += zip(np.flatnonzero(labels == a)[:most], np.flatnonzero(labels == b)[:most])
    return np.array(pairs)


def far_pairs_of_one_type(data):
    """Indices (N, 2): each held-out pattern, and the one of its type that differs most from it."""
    clean = torch.from_numpy(data.clean)
    distance = torch.cdist(clean, clean).numpy()
    distance[data.labels[:, None] != data.labels] = -1               # other types never win
    return np.stack([np.arange(len(clean)), distance.argmax(axis=1)], axis=1)


def paths(model, data, space, pairs, num_steps=8):
    """Straight paths between pairs of patterns: decoded codes, and blended clean pixels.

    ``pairs`` are indices (N, 2); returns two arrays (num_steps, N, pixels).
    """
    first, second = pairs.T
    alpha = np.linspace(0, 1, num_steps)[:, None, None]
    codes = (1 - alpha) * space.mu[first] + alpha * space.mu[second]     # (num_steps, N, dim)
    return decode(model, codes), (1 - alpha) * data.clean[first] + alpha * data.clean[second]


def count_near_none(frames):
    """How many inner frames (num_steps, N, pixels) of N paths are near no pattern, on average."""
    inner = frames[1:-1].reshape(-1, frames.shape[-1])
    return np.sum(types_near(inner) == "none") / frames.shape[1]


def mean_with_noise(clean):
    """Each pixel's mean over the noise, which is clipped: black is brighter, white is darker."""
    # a hundred equally likely amounts of noise: inv_cdf gives the quantiles of N(0, 1)
    amounts = [patterns.NOISE * NormalDist().inv_cdf((k + 0.5) / 100) for k in range(100)]
    return sum((clean + amount).clip(0, 1) for amount in amounts) / len(amounts)


# --- figures ----------------------------------------------------------------------
def draw_all(model, data, history, space, findings, seed):
    """All figures: a list of (file name, what it shows, bytes of the PNG file)."""
    figures = [
        ("reconstruction_comparison.png", "held-out patterns, their reconstructions, the errors",
         draw_reconstructions(model, data)),
        ("latent_space_visualization.png", "the codes of held-out patterns, by type",
         draw_latent_space(data, space)),
        ("interpolation_sequence.png", "paths within and between types, by codes and by pixels",
         draw_interpolation(model, data, space)),
        ("training_progression.png", "the same patterns from epoch to epoch, and the loss curves",
         draw_progression(data, history, findings)),
        ("vae_architecture.png", "the model with the sizes of its layers",
         vae_model.draw_architecture(model)),
        ("generated_samples.png", "samples from the prior, and from PCA",
         draw_samples(model, data, findings, seed)),
        ("latent_traversal.png", "what each latent dimension does",
         draw_traversal(model, space)),
    ]
    if len(space.kl) == 2:
        figures.append(("latent_manifold.png", "the plane of the two latent dimensions, decoded",
                        draw_manifold(model)))
    return [(name, shows, png(figure)) for name, shows, figure in figures]


def draw_reconstructions(model, data):
    """Held-out originals, their reconstructions, and the errors to the clean patterns."""
    chosen = data.first_of_each_type(max(1, 8 // len(PATTERN_TYPES)))
    recon = reconstruct(model, data.held_out)
    errors = rmse(recon, data.clean)
    labels = [f"{PATTERN_TYPES[data.labels[i]]}\nRMSE {errors[i]:.3f}" for i in chosen]
    return grid_figure(
        "Held-out patterns and their reconstructions\n"
        f"mean RMSE against the clean pattern over all {len(recon)}: {errors.mean():.3f}",
        [data.held_out[chosen].numpy(), recon[chosen],
         5 * np.abs(recon[chosen] - data.clean[chosen])],
        ["original", "reconstruction", "error against clean,\nenlarged 5 times"], labels,
    )


def draw_latent_space(data, space):
    """Codes of the held-out patterns in the plane: by type, and as pictures."""
    figure = patterns.new_figure(
        4.9, f"Codes (mu) of {len(space.mu)} held-out patterns; training never used the types")
    marker_axes, picture_axes = figure.subplots(1, 2, sharex=True, sharey=True)
    points, names = space.project(space.mu), space.names
    if len(space.in_use) == 1:                       # all codes on a line: a row for each type
        points = np.stack([space.mu[:, space.in_use[0]], -1.0 * data.labels], axis=1)
        names = (f"z[{space.in_use[0]}], the only dimension in use", "a row for each type")
    for label, name in enumerate(PATTERN_TYPES):
        marker_axes.plot(*points[data.labels == label].T, linestyle="", markersize=9,
                         markeredgewidth=0, color=type_color(label), marker=type_marker(label),
                         label=name)
    marker_axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False,
                       columnspacing=1, handletextpad=0.2)
    marker_axes.set(xlabel=names[0], ylabel=names[1], aspect="equal")
    show_thumbnails(picture_axes, points, data)
    # half of the longer side, and a fifth more: a square even if the points lie on a line
    low, high = points.min(axis=0), points.max(axis=0)
    reach = 0.6 * max((high - low).max(), 0.1)
    (left, bottom), (right, top) = (low + high) / 2 - reach, (low + high) / 2 + reach
    picture_axes.set(xlabel=names[0], aspect="equal", xlim=(left, right), ylim=(bottom, top))
    picture_axes.set_title("some of the patterns at their codes", fontsize=10)
    return figure


def type_color(label):
    """A color for each type, from the palette of Okabe and Ito for all kinds of color vision."""
    colors = ("#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#E69F00", "#56B4E9")
    return colors[label % len(colors)]


def type_marker(label):
    """The shape of a type as a path, which Matplotlib takes as a marker."""
    from matplotlib.figure import Figure

    pixels = np.linspace(-0.5, 0.5, 81)
    distance = patterns.DISTANCES[PATTERN_TYPES[label]](*np.meshgrid(pixels, -pixels))   # down = -y
    # a contour plot that nobody sees makes the path around all points closer than 0.08
    return Figure().subplots().contourf(pixels, pixels, distance, [-1, 0.08]).get_paths()[0]


def show_thumbnails(axes, points, data):
    """Small pictures of patterns at their codes, as many as fit side by side."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    distance = max(np.ptp(points, axis=0).max(), 0.1) / 8
    picked = []
    for index, point in enumerate(points):
        if any(np.abs(point - points[other]).max() <= distance for other in picked):
            continue
        picked.append(index)
        image = data.held_out[index].numpy().reshape(IMAGE_SIZE, -1)
        picture = OffsetImage(image, cmap="gray", zoom=20 / IMAGE_SIZE)
        picture.image.set_clim(0, 1)
        axes.add_artist(AnnotationBbox(
            picture, point, pad=0.1,
            bboxprops={"edgecolor": type_color(data.labels[index]), "linewidth": 1.5}))


def draw_interpolation(model, data, space):
    """Within the second type, and from the first type to the last, in two ways each."""
    far = far_pairs_of_one_type(data)[data.of_type(1)]           # pairs within the second type
    farthest = max(far, key=lambda pair: rmse(data.clean[pair[0]], data.clean[pair[1]]))
    ends = [data.of_type(0)[0], data.of_type(len(PATTERN_TYPES) - 1)[0]]
    latent, blended = paths(model, data, space, np.array([farthest, ends]))     # (8, 2, pixels)
    rows = [latent[:, 0], blended[:, 0], latent[:, 1], blended[:, 1]]
    near = np.array([types_near(row) for row in rows])
    return grid_figure(
        "Two pairs of patterns, each joined by decoded codes and by blended clean pixels\n"
        f"(below each: the type it is near, within RMSE {NEAR_RMSE}; orange: near none)",
        rows, ["within a type:\ncodes", "pixels", "between types:\ncodes", "pixels"],
        [f"alpha\n{alpha:.2f}" for alpha in np.linspace(0, 1, len(latent))],
        captions=near, marked=near == "none",
    )


def draw_progression(data, history, findings):
    """The same held-out patterns after more and more training, beside the loss curves."""
    figure = patterns.new_figure(5.2, "What training changes (nats per image, held-out patterns)")
    left, right = figure.subfigures(1, 2, width_ratios=(5, 4))
    shown = [record for record in history if record.epoch in spread_epochs(history[-1].epoch, 6)]
    originals = data.held_out[data.first_of_each_type(1)].numpy()
    patterns.show_grid(left.subplots(), [originals, *(record.pictures for record in shown)],
                       ["original", *(f"epoch {record.epoch}" for record in shown)])
    upper, lower = right.subplots(2, 1, sharex=True)
    draw_curve(upper, history, [record.reconstruction for record in history], "reconstruction")
    upper.axhline(findings.clean_loss, color="black", linestyle="--", linewidth=1)
    upper.annotate("the lowest loss without copying the noise", (0.03, findings.clean_loss),
                   xycoords=upper.get_yaxis_transform(),     # x is a share of the width
                   xytext=(0, -4), textcoords="offset points", fontsize=8, va="top")
    upper.set_ylim(bottom=0.8 * findings.clean_loss)
    draw_curve(lower, history, [record.kl for record in history], "KL")
    lower.set_xlabel("epoch (logarithmic)")
    return figure


def draw_curve(axes, history, values, name):
    """One curve over the recorded epochs, in nats per image."""
    from matplotlib.ticker import LogLocator

    axes.plot([record.epoch for record in history], values, marker=".", color="#0072B2")
    axes.set(xscale="log", xlim=(0.9, 1.1 * max(2, history[-1].epoch)), ylabel=f"{name} (nats)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.xaxis.set_minor_formatter("")
    axes.grid(alpha=0.3)


def draw_samples(model, data, findings, seed):
    """Decoded samples from the prior, and samples of a linear model."""
    rows = np.concatenate([vae_model.sample_prior(model, 30, seed),
                           sample_pca(data.train.numpy(), model.fc_mu.out_features, 20, seed)])
    return grid_figure(
        "Decoded samples from the prior, and samples from PCA with equally many numbers\n"
        f"near a pattern: {findings.samples:.0%} of {NUM_SAMPLES} samples, "
        f"{findings.samples_pca:.0%} with PCA (orange: near none)",
        rows.reshape(5, 10, -1), ["VAE"] * 3 + ["PCA"] * 2,
        marked=(types_near(rows) == "none").reshape(5, 10),
    )


def draw_traversal(model, space, max_rows=16):
    """A row for each dimension in use and for the first unused one, up to ``max_rows``."""
    values = np.linspace(-3, 3, 9)
    dimensions = space.by_kl[:min(len(space.in_use) + 1, max_rows)]
    codes = np.zeros((len(dimensions), len(values), len(space.kl)))
    labels = []
    unused = len(space.kl) - len(space.in_use)
    for row, dimension in enumerate(dimensions):
        codes[row, :, dimension] = values
        labels.append(f"z[{dimension}]: KL {space.kl[dimension]:.2f}"
                      + (f"\n(1 of {unused} unused)" if dimension not in space.in_use else ""))
    return grid_figure(
        "One latent dimension moves from -3 to 3, the others stay at 0\n"
        "(sorted by KL in nats per image)",
        decode(model, codes), labels, [f"{value:.2f}" for value in values],
        xlabel="value of that dimension",
    )


def draw_manifold(model, side=10):
    """The decoded plane of a two-dimensional latent space, in steps of equal prior probability."""
    grid = [NormalDist().inv_cdf((k + 0.5) / side) for k in range(side)]
    codes = np.stack(np.meshgrid(grid, grid[::-1]), axis=-1)             # (side, side, 2)
    ticks = [f"{value:.1f}" for value in grid]
    return grid_figure(
        "The latent plane, decoded; steps are wider where the prior N(0, 1) has fewer codes",
        decode(model, codes), ticks[::-1], ticks, xlabel="z[0]", ylabel="z[1]",
    )


# --- the command line -------------------------------------------------------------
def parse_settings(arguments=None):
    """Read the command line; the constants of the configuration block are the defaults."""
    parser = argparse.ArgumentParser(
        description="Train a VAE on small patterns and draw the figures of the exercise page.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--epochs", type=int, default=EPOCHS, help="passes over the training patterns")
    add("--latent-dim", type=int, default=vae_model.LATENT_DIM, help="size of a code")
    add("--beta", type=float, default=BETA, help="weight of the KL term in the loss")
    add("--seed", type=int, default=SEED, help="for data, initial weights and noise")
    add("-o", "--output-dir", type=Path, default=patterns.OUTPUT_DIR, help="where the files go")
    settings = parser.parse_args(arguments)
    for name, lowest in (("epochs", 1), ("latent_dim", 2), ("beta", 0), ("seed", 0)):
        value = getattr(settings, name)
        if not lowest <= value < math.inf:                     # refuses NaN as well
            parser.error(f"--{name.replace('_', '-')} must be a finite number, {lowest} or more, "
                         f"not {value}")
    return settings


def prepare_folder(folder):
    """Make a folder, and end the program with one sentence if files cannot be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        sys.exit(f"Cannot write files to {folder}: {error.strerror}")


def write_file(file, content):
    """Write bytes to a file; if that is interrupted, an earlier file stays whole."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.write_bytes(content)
    os.replace(unfinished, file)


def set_up_torch():
    """Make small matrices fast; for programs, not for importers."""
    torch.set_num_threads(1)     # two threads gain nothing here and wait for each other
    # numbers below 1e-38 become 0: they are slow, and Adam keeps some for unused dimensions
    torch.set_flush_denormal(True)


def main(arguments=None):
    """Run with command-line arguments (default: those of the program)."""
    settings = parse_settings(arguments)
    prepare_folder(settings.output_dir)
    set_up_torch()
    try:
        run(settings)
    except (vae_model.ModelError, FloatingPointError) as error:
        sys.exit(f"{error}. Earlier outputs are unchanged.")


if __name__ == "__main__":
    # Ctrl-C ends the program without a traceback, but not a session of IPython or python -i
    if "IPython" not in sys.modules and not sys.flags.interactive:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    main()
