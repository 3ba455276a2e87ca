"""Train a VAE on soft-edged lines and draw the figures of the exercise page.

    python latent_space_exploration.py                    # the run that the page shows
    python latent_space_exploration.py --latent-dim 2     # change one thing for one run
    python latent_space_exploration.py --help             # what else can be changed

The file reads from top to bottom: configuration, data, training, measures,
figures, and the command line that strings them together. Importing it runs
nothing.
"""

import argparse
import contextlib
import functools
import math
import os
import pickle
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":   # Ctrl-C ends quietly, from here on: the next imports take a second
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))

import numpy as np
import torch
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import FancyBboxPatch
from matplotlib.path import Path as Outline

from patterns import IMAGE_SIZE, PATTERN_TYPES, generate_patterns, nearest_clean
from vae_model import LATENT_DIM, VAE, kl_per_dimension, reconstruction_loss, vae_loss

# --- configuration (LATENT_DIM and HIDDEN_DIM stand in vae_model.py) ----------
EPOCHS = 200            # passes over the training patterns        (try: 1, 50, 400)
BETA = 1.0              # weight of the KL term                    (try: 0.5, 4)
SEED = 42               # decides data, initial weights and noise
LEARNING_RATE = 4e-3    # step size of Adam
BATCH_SIZE = 256        # patterns per training step
NUM_TRAIN = 2048        # patterns to learn from
NUM_HELD_OUT = 400      # patterns never trained on: everything is judged on these
OUTPUT_DIR = Path(__file__).resolve().parent / "outputs"
WEIGHTS = "vae_weights.pth"

ALIVE_KL = 0.1          # nats; a latent dimension below this carries next to nothing
NEAR_RMSE = 0.1         # an image this close to a clean pattern counts as one of them
NUM_SAMPLES = 2000      # draws from the prior that are measured
DPI = 150


# --- data ---------------------------------------------------------------------
@dataclass(frozen=True)
class Data:
    """Training patterns, and held-out ones with their types and clean versions."""

    train: torch.Tensor      # (NUM_TRAIN, pixels)
    held_out: torch.Tensor   # (NUM_HELD_OUT, pixels)
    labels: np.ndarray       # (NUM_HELD_OUT,), indices into PATTERN_TYPES
    clean: np.ndarray        # (NUM_HELD_OUT, pixels), held_out without the noise

    def first_of_each_type(self, count):
        """Indices of the first ``count`` held-out patterns of each type, type by type."""
        kinds = range(len(PATTERN_TYPES))
        return np.concatenate([np.flatnonzero(self.labels == kind)[:count] for kind in kinds])


def make_data(seed):
    """Draw the training set and, from an independent stream, the held-out set."""
    train, _ = generate_patterns(NUM_TRAIN, np.random.default_rng([seed, 0]))
    held_out, labels = generate_patterns(NUM_HELD_OUT, np.random.default_rng([seed, 1]))
    clean, _ = generate_patterns(NUM_HELD_OUT, np.random.default_rng([seed, 1]), noise=0)
    return Data(torch.from_numpy(train), torch.from_numpy(held_out), labels, clean)


# --- training -----------------------------------------------------------------
@dataclass(frozen=True)
class Record:
    """How the model did on held-out patterns after one epoch."""

    epoch: int
    reconstruction: float    # nats per image
    kl: float                # nats per image
    pictures: np.ndarray     # the probe patterns, reconstructed

    def loss(self, beta):
        return self.reconstruction + beta * self.kl


def make_model(latent_dim, seed, model_class=VAE):
    """A VAE with seeded initial weights; torch's global generator stays untouched."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return model_class(latent_dim=latent_dim)


def train(model, data, *, epochs, beta, seed, probe=(), on_record=None):
    """Fit the model with Adam on the negative ELBO.

    Parameters
    ----------
    model : VAE, changed in place
    data : Data
    epochs : int, passes over ``data.train``
    beta : float, weight of the KL term
    seed : int, decides the order of the patterns and the sampling noise
    probe : indices of the held-out patterns whose reconstructions are kept
    on_record : function called with each new Record, or None

    Returns
    -------
    list of Record, at the epochs that ``epochs_to_record`` names

    Raises
    ------
    FloatingPointError
        If the loss stops being a finite number.
    """
    generator = torch.Generator().manual_seed(seed)
    # fused: one call updates all weights, which saves 15% of the training time
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    recorded = epochs_to_record(epochs)
    history = []
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(data.train), generator=generator)
        for chosen in order.split(BATCH_SIZE):
            batch = data.train.index_select(0, chosen)      # rows, faster than [chosen]
            recon, mu, log_var = model(batch, generator)                      # (256, 256)
            loss = vae_loss(recon, batch, mu, log_var, beta) / len(batch)     # nats per image
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch in recorded:
            record = evaluate(model, data.held_out, epoch, probe)
            if not math.isfinite(record.loss(beta)):
                raise FloatingPointError("the held-out loss is not finite")
            history.append(record)
            if on_record:
                on_record(record)
    return history


def milestones(epochs):
    """The epochs shown in the table and the progression figure: first, quarters, last."""
    return sorted({1, *(max(1, round(epochs * quarter / 4)) for quarter in (1, 2, 3, 4))})


def epochs_to_record(epochs):
    """The milestones, the first ten epochs, and about forty more at equal distances."""
    stride = max(1, epochs // 40)
    return {*milestones(epochs), *range(1, min(epochs, 10) + 1), *range(stride, epochs + 1, stride)}


@torch.no_grad()
def evaluate(model, held_out, epoch, probe=()):
    """Both parts of the negative ELBO, with sampled codes and the same noise each time."""
    recon, mu, log_var = model(held_out, torch.Generator().manual_seed(0))
    return Record(
        epoch,
        reconstruction_loss(recon, held_out).item() / len(held_out),
        kl_per_dimension(mu, log_var).sum().item() / len(held_out),
        decode(model, mu[list(probe)]),
    )


# --- measures -----------------------------------------------------------------
@torch.no_grad()
def decode(model, z):
    """Decode codes (N, latent_dim), an array or a tensor, to an array (N, pixels)."""
    return model.decoder(torch.as_tensor(z, dtype=torch.float32)).numpy()


def sample_prior(model, count, seed):
    """Decode ``count`` draws from the prior N(0, 1): array (count, pixels)."""
    generator = torch.Generator().manual_seed(seed)
    return decode(model, torch.randn(count, model.fc_mu.out_features, generator=generator))


def rmse(a, b):
    """Root mean square difference of images (..., pixels), in units of brightness."""
    return np.sqrt(np.mean((a - b) ** 2, axis=-1))


def pixel_entropy(images):
    """Mean entropy of images (N, pixels) read as probabilities, in nats per image.

    No reconstruction loss can go below it, not even that of a perfect copy.
    """
    entropy = torch.special.entr(images) + torch.special.entr(1 - images)
    return entropy.sum(dim=1).mean().item()


def interpolate_codes(start, end, num_steps=8):
    """Straight line between two codes (latent_dim,): array (num_steps, latent_dim)."""
    alpha = np.linspace(0, 1, num_steps)[:, None]
    return (1 - alpha) * start + alpha * end


def largest_step(frames):
    """Share of a morph's total change that its largest single step carries, 0 to 1."""
    steps = rmse(frames[1:], frames[:-1])
    return steps.max() / steps.sum() if steps.any() else 0.0


def nearest_neighbour_purity(points, labels):
    """Share of points (N, D) whose nearest other point has the same label."""
    squared = np.sum(points**2, axis=1)
    distance = squared[:, None] - 2 * points @ points.T + squared
    np.fill_diagonal(distance, np.inf)
    return np.mean(labels[distance.argmin(axis=1)] == labels)


@dataclass(frozen=True)
class Plane:
    """A flat cut through the latent space, for drawing: ``origin + coordinates @ axes``."""

    origin: np.ndarray       # (latent_dim,)
    axes: np.ndarray         # (2, latent_dim), orthonormal rows
    names: tuple             # of the two axes

    def project(self, codes):
        """Coordinates (N, 2) of codes (N, latent_dim)."""
        return (codes - self.origin) @ self.axes.T


def choose_plane(codes, labels):
    """The plane to draw: the raw axes if there are two, else the one nearest the type centres.

    Which plane is drawn decides what is seen: the first two latent dimensions
    may well be dead. The four type centres span three directions at most; the
    two in which they differ most (their principal components) show the types
    as far apart as a flat picture can.
    """
    if codes.shape[1] == 2:
        return Plane(np.zeros(2), np.eye(2), ("latent dimension z1", "latent dimension z2"))
    centres = np.stack([codes[labels == kind].mean(axis=0) for kind in range(len(PATTERN_TYPES))])
    middle = centres.mean(axis=0)
    axes = np.linalg.svd(centres - middle, full_matrices=False)[2][:2]
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))
    names = tuple(f"direction {k} (between the type centres)" for k in (1, 2))
    return Plane(middle, axes, names)


@dataclass(frozen=True)
class Codes:
    """Where the held-out patterns lie in the latent space, and how well that worked."""

    mu: np.ndarray           # (N, latent_dim)
    kl: np.ndarray           # (latent_dim,), nats per image
    plane: Plane
    points: np.ndarray       # (N, 2), mu in the plane
    purity: float            # of the types, in the plane
    near: float              # share of prior samples that are near a clean pattern

    @property
    def by_kl(self):
        """Latent dimensions, the one that carries most first."""
        return np.argsort(-self.kl, kind="stable")


@torch.no_grad()
def explore(model, data):
    """Encode the held-out patterns and measure the latent space they lie in."""
    mu, log_var = model.encode(data.held_out)
    kl = kl_per_dimension(mu, log_var).mean(dim=0).numpy()
    mu = mu.numpy()
    plane = choose_plane(mu, data.labels)
    points = plane.project(mu)
    samples = sample_prior(model, NUM_SAMPLES, seed=0)
    return Codes(
        mu, kl, plane, points,
        purity=nearest_neighbour_purity(points, data.labels),
        near=np.mean(nearest_clean(samples)[0] <= NEAR_RMSE),
    )


# --- figures: the shared parts --------------------------------------------------
# Colours from Okabe and Ito's palette for all kinds of colour vision; each
# marker is a small picture of its type.
TYPE_COLORS = dict(zip(PATTERN_TYPES, ("#0072B2", "#D55E00", "#009E73", "#000000")))
TYPE_MARKERS = dict(zip(PATTERN_TYPES, (Outline([(-0.7, 0.7), (0.7, -0.7)]), "_", "|", "+")))


def new_figure(height, title):
    """A figure as wide as the page, ``height`` inches tall, that needs no display."""
    figure = Figure(figsize=(8, height), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=11)
    return figure


def grid_figure(title, rows, row_labels=(), column_labels=()):
    """A figure that holds one grid of images and is just tall enough for it."""
    words = [line for label in row_labels for line in label.split("\n")]
    margin = 0.1 + 0.085 * max(map(len, words), default=0)   # inches, left of the images
    lines = title.count("\n") + max((label.count("\n") + 1 for label in column_labels), default=0)
    height = (8 - margin) * len(rows) / len(rows[0]) + 0.4 + 0.2 * lines
    figure = new_figure(height, title)
    axes = figure.subplots()
    axes.set_anchor("E")                                     # what room is left goes to the labels
    show_grid(axes, rows, row_labels, column_labels)
    return figure


def show_grid(axes, rows, row_labels=(), column_labels=()):
    """Show rows of images as one grid, black 0 to white 1, with labels beside it.

    ``rows`` is an array (rows, columns, pixels). All images become one large
    picture with gaps, which draws many times faster than a set of axes for each.
    """
    num_rows, num_columns, pixels = np.shape(rows)
    size = math.isqrt(pixels)
    gap = max(1, size // 8)
    pitch = size + gap
    canvas = np.full((num_rows * pitch - gap, num_columns * pitch - gap), np.nan)
    for row, column in np.ndindex(num_rows, num_columns):
        top, left = row * pitch, column * pitch
        canvas[top:top + size, left:left + size] = np.reshape(rows[row][column], (size, size))
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    middle = (size - 1) / 2
    axes.set_yticks(pitch * np.arange(len(row_labels)) + middle, row_labels)
    axes.set_xticks(pitch * np.arange(len(column_labels)) + middle, column_labels)
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)


def square_view(points):
    """Limits of a square around points (N, 2), with a margin: for x and for y.

    A square even if a collapsed model puts all points on a line.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    reach = 0.6 * max((high - low).max(), 0.1)
    return [(middle - reach, middle + reach) for middle in (low + high) / 2]


def scatter_codes(axes, codes, labels):
    """Held-out codes in the plane, coloured and marked by type; legend above the points."""
    for kind, name in enumerate(PATTERN_TYPES):
        axes.plot(
            *codes.points[labels == kind].T, linestyle="none", label=name, color=TYPE_COLORS[name],
            marker=TYPE_MARKERS[name], markersize=7, markeredgewidth=1.6,
        )
    axes.set(xlabel=codes.plane.names[0], ylabel=codes.plane.names[1], aspect="equal")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False,
                columnspacing=1, handletextpad=0)


def apart(points, distance):
    """Indices of points (N, 2) picked in order so that no two are closer than ``distance``."""
    picked = []
    for index, point in enumerate(points):
        if all(np.abs(point - points[other]).max() > distance for other in picked):
            picked.append(index)
    return picked


# --- figures: one function each -------------------------------------------------
def draw_reconstructions(model, data, codes):
    """Held-out originals, their reconstructions, and what the two differ by."""
    chosen = data.first_of_each_type(2)
    originals = data.held_out[chosen].numpy()
    recon = decode(model, codes.mu[chosen])
    errors = rmse(recon, data.clean[chosen])
    overall = rmse(decode(model, codes.mu), data.clean).mean()
    return grid_figure(
        "Held-out patterns and their reconstructions\n"
        f"mean RMSE to the clean pattern over all {len(codes.mu)}: {overall:.3f}",
        [originals, recon, 5 * np.abs(recon - data.clean[chosen])],
        ["original", "reconstruction", "error to clean,\nenlarged 5 times"],
        [f"{PATTERN_TYPES[data.labels[i]]}\nRMSE {error:.3f}" for i, error in zip(chosen, errors)],
    )


def draw_latent_space(data, codes):
    """Codes of the held-out patterns in the plane: by type, and as pictures in place."""
    figure = new_figure(4.9, f"Codes (mu) of {len(codes.mu)} held-out patterns\n"
                             "nearest neighbour in this plane is of the same type: "
                             f"{codes.purity:.1%}")
    by_type, in_place = figure.subplots(1, 2, sharex=True, sharey=True)
    scatter_codes(by_type, codes, data.labels)
    show_thumbnails(in_place, codes.points, data)
    xlim, ylim = square_view(codes.points)
    in_place.set(xlabel=codes.plane.names[0], aspect="equal", xlim=xlim, ylim=ylim)
    in_place.set_title("some of the patterns, each at its place", fontsize=10)
    return figure


def show_thumbnails(axes, points, data):
    """Small pictures of patterns at their codes, as many as fit side by side."""
    for index in apart(points, distance=max(np.ptp(points, axis=0).max(), 0.1) / 9):
        image = data.held_out[index].numpy().reshape(IMAGE_SIZE, -1)
        picture = OffsetImage(image, cmap="gray", norm=Normalize(0, 1), zoom=20 / IMAGE_SIZE)
        color = TYPE_COLORS[PATTERN_TYPES[data.labels[index]]]
        axes.add_artist(AnnotationBbox(
            picture, points[index], pad=0.1, bboxprops={"edgecolor": color, "linewidth": 1.5}))


def draw_interpolation(model, data, codes):
    """From a diagonal to a cross: through the latent space, and by blending pixels."""
    start, end = (np.flatnonzero(data.labels == PATTERN_TYPES.index(name))[0]
                  for name in ("diagonal", "cross"))
    morph = decode(model, interpolate_codes(codes.mu[start], codes.mu[end]))
    blend = interpolate_codes(morph[0], morph[-1])
    return grid_figure(
        "From a diagonal to a cross\n"
        f"largest of the seven steps of the latent path: {largest_step(morph):.0%} of the change",
        [morph, blend],
        ["latent path", "pixels blended"],
        [f"alpha\n{alpha:.2f}" for alpha in np.linspace(0, 1, len(morph))],
    )


def draw_progression(data, history, probe, beta):
    """The same held-out patterns after more and more training, beside the loss curves."""
    epochs = milestones(history[-1].epoch)
    shown = [record for record in history if record.epoch in epochs]
    labels = [f"epoch {record.epoch}\nloss {record.loss(beta):.1f}" for record in shown]
    figure = new_figure(5.2, "What training changes (loss in nats per image, held-out patterns)")
    left, right = figure.subfigures(1, 2, width_ratios=(5, 4))
    show_grid(left.subplots(), [data.held_out[probe].numpy(), *(r.pictures for r in shown)],
              ["original", *labels])
    upper, lower = right.subplots(2, 1, sharex=True)
    draw_curve(upper, history, [record.reconstruction for record in history], "reconstruction")
    floor = pixel_entropy(data.held_out)
    upper.axhline(floor, color="black", linestyle="--", linewidth=1)
    upper.annotate("entropy of the pixels: the floor", (1, floor), xytext=(0, -4),
                   textcoords="offset points", fontsize=8, va="top")
    upper.set_ylim(bottom=0.85 * floor)
    draw_curve(lower, history, [record.kl for record in history], "KL")
    lower.set_xlabel("epoch (logarithmic)")
    return figure


def draw_curve(axes, history, values, name):
    """One curve over the recorded epochs, in nats per image."""
    axes.plot([record.epoch for record in history], values, marker=".", color="#0072B2")
    axes.set(xscale="log", ylabel=f"{name} (nats)")
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.grid(alpha=0.3)


def draw_architecture(model):
    """The model as boxes and arrows, with the sizes that its own layers have."""
    encoder, decoder = linear_sizes(model.encoder), linear_sizes(model.decoder)
    latent = model.fc_mu.out_features
    heads = len(encoder)                                     # the column of mu and log_var
    last = heads + len(decoder)
    half = box_height(latent) / 2 + 0.05
    figure = new_figure(3.9, "The VAE, box by box (number of values for one image)")
    axes = figure.subplots()
    axes.set(xlim=(-0.4, last + 0.4), ylim=(-4.0, 2.0))
    axes.set_axis_off()

    for column, size in enumerate(encoder):
        draw_box(axes, column, 0, size, "image x" if column == 0 else "hidden", "#CFE5F3")
    draw_box(axes, heads, 1.1, latent, "mu", "#FCE3B0")
    draw_box(axes, heads, -1.1, latent, "log_var", "#FCE3B0")
    draw_box(axes, heads + 1, 0, latent, "z", "#FCE3B0")
    draw_box(axes, heads + 1, -2.2, latent, "epsilon", "#E4E4E4")
    for column, size in enumerate(decoder[1:], start=heads + 2):
        draw_box(axes, column, 0, size, "recon_x" if column == last else "hidden", "#C9EBDD")

    straight = [column for column in range(last) if column not in (heads - 1, heads)]
    joints = [((column, 0), (column + 1, 0)) for column in straight]
    joints += [((heads - 1, 0), (heads, y)) for y in (1.1, -1.1)]
    joints += [((heads, y), (heads + 1, 0)) for y in (1.1, -1.1)]
    for (x0, y0), (x1, y1) in joints:
        draw_arrow(axes, (x0 + 0.33, y0), (x1 - 0.33, y1))
    draw_arrow(axes, (heads + 1, -2.2 + half), (heads + 1, -half))

    for x, text in (
        ((heads - 1) / 2, "encoder\nLinear and ReLU"),
        (heads + 0.5, "reparameterization\nz = mu + exp(log_var / 2) * epsilon"),
        ((heads + 2 + last) / 2, "decoder\nLinear and ReLU,\nSigmoid at the end"),
    ):
        axes.text(x, -3.0, text, ha="center", va="top", fontsize=9)
    return figure


def linear_sizes(layers):
    """Sizes before, between and after the Linear layers of a Sequential: [256, 128, 128]."""
    linear = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
    return [linear[0].in_features, *(layer.out_features for layer in linear)]


def draw_box(axes, x, y, size, name, color):
    """A box for ``size`` values, taller for more of them (logarithmically)."""
    height = box_height(size)
    axes.add_patch(FancyBboxPatch(
        (x - 0.25, y - height / 2), 0.5, height, boxstyle="round,pad=0.05",
        facecolor=color, edgecolor="black"))
    axes.text(x, y, f"{name}\n{size}", ha="center", va="center", fontsize=9)


def box_height(size):
    return 0.3 + 0.3 * math.log2(size)


def draw_arrow(axes, start, end):
    axes.annotate("", xy=end, xytext=start,
                  arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0})


def draw_samples(model, codes, seed):
    """Decoded draws from the prior: images that nobody drew."""
    return grid_figure(
        "Decoded draws from the prior N(0, 1)\n"
        f"{codes.near:.0%} of {NUM_SAMPLES} draws lie within RMSE {NEAR_RMSE} of a clean pattern",
        sample_prior(model, 48, seed).reshape(4, 12, -1),
    )


def draw_traversal(model, codes, max_rows=16):
    """One row per latent dimension: it alone moves from -3 to 3, the others stay at 0."""
    dimensions = codes.by_kl[:max_rows]
    values = np.linspace(-3, 3, 11)
    z = np.zeros((len(dimensions), len(values), len(codes.kl)))
    for row, dimension in enumerate(dimensions):
        z[row, :, dimension] = values
    shown = "" if len(dimensions) == len(codes.kl) else f"the first {max_rows} of {len(codes.kl)}, "
    return grid_figure(
        f"One latent dimension at a time, the others at 0\n({shown}sorted by KL in nats per image)",
        decode(model, z.reshape(-1, len(codes.kl))).reshape(*z.shape[:2], -1),
        [f"z{d + 1}: KL {codes.kl[d]:.2f}{'' if codes.kl[d] > ALIVE_KL else ' dead'}"
         for d in dimensions],
        [f"{value:.1f}" for value in values],
    )


def draw_manifold(model, side=15):
    """The decoded plane of a two-dimensional latent space, at quantiles of the prior."""
    quantiles = torch.linspace(0.5 / side, 1 - 0.5 / side, side)
    grid = torch.special.ndtri(quantiles)                    # equal shares of N(0, 1)
    z = torch.stack(torch.meshgrid(grid, grid.flip(0), indexing="xy"), dim=-1)
    ticks = [f"{value:.1f}" for value in grid]
    figure = grid_figure(
        "The whole latent plane, decoded at equal shares of the prior N(0, 1)",
        decode(model, z.reshape(-1, 2)).reshape(side, side, -1), ticks[::-1], ticks)
    figure.axes[0].set(xlabel="latent dimension z1", ylabel="latent dimension z2")
    return figure


# --- the run --------------------------------------------------------------------
def draw_figures(model, data, history, codes, probe, settings):
    """Yield each figure of the page: its file name, what it shows, and the figure."""
    yield ("reconstruction_comparison.png", "held-out patterns above, reconstructions below",
           draw_reconstructions(model, data, codes))
    yield ("latent_space_visualization.png", "the codes of held-out patterns, by type",
           draw_latent_space(data, codes))
    yield ("interpolation_sequence.png", "from a diagonal to a cross, by codes and by pixels",
           draw_interpolation(model, data, codes))
    yield ("training_progression.png", "the same patterns from epoch to epoch, and the loss curves",
           draw_progression(data, history, probe, settings.beta))
    yield ("vae_architecture.png", "the model with the sizes of its layers",
           draw_architecture(model))
    yield ("generated_samples.png", "decoded draws from the prior",
           draw_samples(model, codes, settings.seed))
    yield ("latent_traversal.png", "what each latent dimension does, dead ones included",
           draw_traversal(model, codes))
    if len(codes.kl) == 2:
        yield ("latent_manifold.png", "the whole plane of the two latent dimensions, decoded",
               draw_manifold(model))


@contextlib.contextmanager
def publish_together(output_dir):
    """Yield a scratch folder; its files move to ``output_dir`` only if all went well."""
    with tempfile.TemporaryDirectory(dir=output_dir, prefix=".unfinished-") as scratch:
        yield Path(scratch)
        moves = [(file, Path(output_dir) / file.name) for file in sorted(Path(scratch).iterdir())]
        for _, target in moves:      # before the first move, so that it is all or nothing
            if target.is_dir():
                raise IsADirectoryError(f"{target} is a folder, and a file is to go there")
        for file, target in moves:
            os.replace(file, target)


def print_header(model, settings):
    """Say what is about to be trained on what."""
    sizes = [*linear_sizes(model.encoder), model.fc_mu.out_features]
    parameters = sum(weights.numel() for weights in model.parameters())
    say(f"Data    {NUM_TRAIN} training patterns of {IMAGE_SIZE} x {IMAGE_SIZE} pixels "
        f"({', '.join(PATTERN_TYPES)}),")
    say(f"        and {NUM_HELD_OUT} held-out ones that every number below is about")
    say(f"Model   VAE {'-'.join(map(str, sizes))}, {parameters:,} parameters, "
        f"beta {settings.beta:g}, seed {settings.seed}")


def progress_table(epochs, beta, seconds_of_silence=2.0):
    """A function that prints records as a table: the milestones, and a row in between
    whenever nothing was printed for a while."""
    shown = milestones(epochs)
    last_printed = time.monotonic()

    def print_row(record):
        nonlocal last_printed
        if record.epoch in shown or time.monotonic() - last_printed > seconds_of_silence:
            say(f"{record.epoch:7d} {record.loss(beta):10.2f} {record.reconstruction:16.2f} "
                f"{record.kl:8.2f}")
            last_printed = time.monotonic()

    say("\n  epoch       loss   reconstruction       KL   (nats per image)")
    return print_row


def print_findings(data, codes):
    """Say what the trained latent space looks like, in numbers."""
    alive = codes.by_kl[codes.kl[codes.by_kl] > ALIVE_KL]
    dead = codes.by_kl[len(alive):]
    say(f"\nThe reconstruction loss cannot fall below {pixel_entropy(data.held_out):.2f}, "
        "the entropy of the pixels themselves.")
    say(f"Latent dimensions alive (KL above {ALIVE_KL} nats): {len(alive)} of {len(codes.kl)}")
    for start in range(0, len(alive), 8):
        say("  KL    " + "  ".join(f"z{d + 1} {codes.kl[d]:.2f}" for d in alive[start:start + 8]))
    if len(dead):
        say(f"  dead  {len(dead)}, none with a KL above {codes.kl[dead[0]]:.3f}")
    say("Types   nearest neighbour in the drawn plane is of the same type: "
        f"{codes.purity:.1%}")
    say(f"Samples within RMSE {NEAR_RMSE} of a clean pattern: "
        f"{codes.near:.1%} of {NUM_SAMPLES} draws from the prior")


say = functools.partial(print, flush=True)   # so that a pipe shows progress as it happens


def train_and_draw(data, settings):
    """Train, measure, draw, and put all files into place; returns the model."""
    started = time.monotonic()
    probe = data.first_of_each_type(1)
    model = make_model(settings.latent_dim, settings.seed)
    print_header(model, settings)
    history = train(
        model, data, epochs=settings.epochs, beta=settings.beta, seed=settings.seed, probe=probe,
        on_record=progress_table(settings.epochs, settings.beta),
    )
    trained = time.monotonic()
    codes = explore(model, data)
    print_findings(data, codes)

    with publish_together(settings.output_dir) as scratch:
        torch.save(model.state_dict(), scratch / WEIGHTS)
        written = [(WEIGHTS, "the trained weights, for exercise 3")]
        for name, shows, figure in draw_figures(model, data, history, codes, probe, settings):
            figure.savefig(scratch / name)
            written.append((name, shows))
    say(f"Time    {trained - started:.1f} s for training, "
        f"{time.monotonic() - trained:.1f} s for measures and figures")
    say(f"\nFiles in {settings.output_dir}:")
    for name, shows in written:
        say(f"  {name:32s} {shows}")
    return model


class WeightsError(ValueError):
    """Weights that are missing or belong to another model."""


def load_model(file):
    """The model of an earlier run, from its weights.

    Raises
    ------
    WeightsError
        If there is no such file, or if its layers are not those of ``VAE``.
    """
    try:
        weights = torch.load(file, weights_only=True)
        model = make_model(len(weights["fc_mu.weight"]), seed=0)
        model.load_state_dict(weights)
    except FileNotFoundError:
        raise WeightsError(f"there is no {file}: run once without --load") from None
    except (RuntimeError, LookupError, TypeError, OSError, EOFError, pickle.UnpicklingError):
        raise WeightsError(f"{file} does not hold the weights of the model in vae_model.py: "
                           "run once without --load") from None
    return model


def run(settings):
    """Train a model or load one; on request open the window to walk its latent space."""
    data = make_data(settings.seed)
    if settings.load:
        model = load_model(settings.output_dir / WEIGHTS)
    else:
        model = train_and_draw(data, settings)
    if settings.interactive:
        from solutions.latent_explorer import open_explorer

        open_explorer(model, data, explore(model, data), settings.output_dir, settings.seed)


# --- the command line -------------------------------------------------------------
class OneSentenceParser(argparse.ArgumentParser):
    """A parser that answers bad input with one sentence instead of the usage."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def whole_number(low, high):
    """A parser for whole numbers from ``low`` to ``high``."""
    def parse(text):
        with contextlib.suppress(ValueError):
            if low <= int(text) <= high:
                return int(text)
        raise argparse.ArgumentTypeError(
            f"must be a whole number from {low} to {high}, not {text!r}")
    return parse


def real_number(low, high):
    """A parser for numbers from ``low`` to ``high``; NaN and infinity are outside."""
    def parse(text):
        with contextlib.suppress(ValueError):
            if low <= float(text) <= high:
                return float(text)
        raise argparse.ArgumentTypeError(f"must be a number from {low} to {high}, not {text!r}")
    return parse


def writable_folder(text):
    """A folder that exists or can be made, and in which files can be created."""
    if not text:
        raise argparse.ArgumentTypeError("must be the name of a folder, not ''")
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=text).close()
    except (OSError, ValueError) as error:
        reason = "it is a file" if isinstance(error, FileExistsError) else (
            getattr(error, "strerror", None) or error)
        raise argparse.ArgumentTypeError(
            f"must be a folder that can be written to, not {text!r} ({reason})") from None
    return Path(text)


def parse_settings(arguments=None):
    """Read the command line. Defaults are checked like input, since users edit them too."""
    parser = OneSentenceParser(
        description="Train a VAE on small patterns and draw the figures of the exercise page.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument    # a default given as text goes through ``type`` as input does
    add("--epochs", type=whole_number(1, 100_000), default=str(EPOCHS), metavar="N",
        help="passes over the training patterns")
    add("--latent-dim", type=whole_number(2, 512), default=str(LATENT_DIM), metavar="N",
        help="dimensions of the latent space")
    add("--beta", type=real_number(0, 1000), default=str(BETA), metavar="X",
        help="weight of the KL term in the loss, both in nats")
    add("--seed", type=whole_number(0, 2**32 - 1), default=str(SEED), metavar="N",
        help="decides data, initial weights and noise")
    add("--output-dir", type=writable_folder, default=str(OUTPUT_DIR), metavar="FOLDER",
        help="where the figures and the weights go")
    add("--interactive", action="store_true",
        help="open a window, in the end, to walk the latent space by hand")
    add("--load", action="store_true",
        help="with --interactive: take the weights of the last run instead of training")
    settings = parser.parse_args(arguments)
    for name, value, least in (("NUM_TRAIN", NUM_TRAIN, 1), ("BATCH_SIZE", BATCH_SIZE, 1),
                               ("NUM_HELD_OUT", NUM_HELD_OUT, 2 * len(PATTERN_TYPES)),
                               ("LEARNING_RATE", LEARNING_RATE, 0)):
        if not least <= value < math.inf:
            parser.error(f"{name} in the configuration block must be {least} or more, not {value}")
    if settings.load and not settings.interactive:
        parser.error("--load goes with --interactive, which shows a model without training again")
    if settings.interactive:
        from solutions.latent_explorer import missing_display

        if missing := missing_display():
            parser.error(missing)
    return settings


def set_up_torch():
    """Make small matrices fast and runs repeatable; for programs, not for importers."""
    torch.set_num_threads(1)     # two threads gain nothing here and wait for each other
    # What Adam remembers of dead dimensions fades to denormal numbers, which
    # would make the later epochs half as slow again.
    torch.set_flush_denormal(True)


def main(arguments=None):
    """Run with command-line arguments (default: those of the program); returns the exit code."""
    settings = parse_settings(arguments)
    set_up_torch()
    try:
        run(settings)
    except FloatingPointError as error:
        print(f"Training stopped: {error}. Try a smaller LEARNING_RATE (now {LEARNING_RATE:g}) "
              f"or beta (now {settings.beta:g}); earlier outputs are untouched.", file=sys.stderr)
        return 1
    except WeightsError as error:
        print(f"Could not load the weights: {error}.", file=sys.stderr)
        return 2
    except BrokenPipeError:          # whoever reads the output has seen enough, as "head" does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"Could not write the results: {error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
