"""Train a VAE on soft-edged lines and draw the figures of the exercise page.

    python latent_space_exploration.py             # the run that the page shows
    python latent_space_exploration.py --beta 4 --output-dir outputs/beta_4
    python latent_space_exploration.py --help      # what else can be changed for one run

Read vae_model.py first if a VAE is new to you. This file reads from top to bottom:
configuration, data, training, and the run that strings them together; then what
the run uses, measures and figures; and last the command line, where a program
starts. Importing it runs nothing.
"""

import os
import signal
import sys

if __name__ == "__main__":   # Ctrl-C ends quietly from here on: the next imports take a second
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))     # "python -P" leaves it out
    from patterns import check_edits
    check_edits("vae_model", "latent_space_exploration")     # a slip in them: one sentence

import argparse
import itertools
import math
import time
from dataclasses import dataclass

import numpy as np
import torch

import patterns
import vae_model
from patterns import IMAGE_SIZE, NEAR_RMSE, NONE, PATTERN_TYPES, grid_figure, kinds, png, rmse
from vae_model import decode, kl_per_dimension, reconstruct, reconstruction_loss, vae_loss

# --- configuration (LATENT_DIM and HIDDEN_DIM stand in vae_model.py) ----------
EPOCHS = 200            # passes over the training patterns             (try: 1, 50, 400)
BETA = 1.0              # weight of the KL term                         (try: 0.5, 4)
SEED = 42               # decides data, initial weights and noise
LEARNING_RATE = 4e-3    # step size of Adam
COOL_DOWN = 0.15        # share of the steps, at the end, in which that falls towards 0
WARM_UP = 0             # steps in which beta rises, at the beginning; 8 are one epoch (try: 800)
BATCH_SIZE = 256        # patterns per training step
NUM_TRAIN = 2048        # patterns to learn from
NUM_HELD_OUT = 400      # patterns never trained on: the model is judged on these

ALIVE_KL = 0.1          # nats; a latent dimension below this carries next to nothing
NUM_SAMPLES = 2000      # draws from the prior that are measured


# --- data ---------------------------------------------------------------------
@dataclass(frozen=True)
class Data:
    """Training patterns, and held-out ones with their types and clean versions."""

    train: torch.Tensor      # (NUM_TRAIN, pixels)
    held_out: torch.Tensor   # (NUM_HELD_OUT, pixels)
    labels: np.ndarray       # (NUM_HELD_OUT,), indices into PATTERN_TYPES
    clean: np.ndarray        # (NUM_HELD_OUT, pixels), held_out without the noise

    def of_type(self, name):
        """Indices of the held-out patterns of one type."""
        return np.flatnonzero(self.labels == PATTERN_TYPES.index(name))

    def first_of_each_type(self, count):
        """Indices of the first ``count`` held-out patterns of each type, type by type."""
        return np.concatenate([self.of_type(name)[:count] for name in PATTERN_TYPES])


def make_data(seed):
    """Draw the training set and, from an independent stream, the held-out set."""
    train, _ = patterns.generate_patterns(NUM_TRAIN, np.random.default_rng([seed, 0]))
    held_out, labels = patterns.generate_patterns(NUM_HELD_OUT, np.random.default_rng([seed, 1]))
    # the noise is drawn last, so without it the same patterns come
    clean, _ = patterns.generate_patterns(NUM_HELD_OUT, np.random.default_rng([seed, 1]), noise=0)
    return Data(torch.from_numpy(train), torch.from_numpy(held_out), labels, clean)


# --- training -----------------------------------------------------------------
@dataclass(frozen=True)
class Record:
    """How the model did on held-out patterns after one epoch."""

    epoch: int
    reconstruction: float    # nats per image
    kl: float                # nats per image

    def loss(self, beta):
        """Reconstruction and weighted KL together: the negative ELBO if beta is 1."""
        return self.reconstruction + beta * self.kl


def train(model, data, *, epochs, beta, seed, warm_up=0):
    """Fit a model, which is changed in place, with Adam on ``vae_loss``, and yield Records.

    There is one after each epoch that ``epochs_to_record`` names; ``epochs`` are passes over
    ``data.train``. ``seed`` decides the order of the patterns and the sampling noise.
    ``warm_up`` is the number of steps in which the weight of the KL term rises from 0 to
    ``beta``, a remedy for posterior collapse (Bowman et al. 2016). A loss that stops being
    a finite number raises a FloatingPointError.
    """
    generator = torch.Generator().manual_seed(seed)
    # fused: one call updates all weights, which saves a tenth of the training time
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    recorded = epochs_to_record(epochs)
    steps = epochs * math.ceil(len(data.train) / BATCH_SIZE)
    step = 0
    for epoch in range(1, epochs + 1):
        model.train()
        order = torch.randperm(len(data.train), generator=generator)
        for chosen in order.split(BATCH_SIZE):
            step += 1
            optimizer.param_groups[0]["lr"] = learning_rate(step, steps)
            weight = beta * min(1.0, step / max(1, warm_up))
            batch = data.train.index_select(0, chosen)      # rows, faster than [chosen]
            recon, mu, log_var = model(batch, generator)            # (BATCH_SIZE, pixels)
            loss = vae_loss(recon, batch, mu, log_var, weight) / len(batch)   # nats per image
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch in recorded:
            model.eval()                        # any dropout of yours rests while it is judged
            record = evaluate(model, data.held_out, epoch)
            if not math.isfinite(record.loss(beta)):
                raise FloatingPointError("the held-out loss is not finite")
            yield record


def learning_rate(step, steps):
    """Constant, in the end a straight line towards 0: small steps settle what large ones found.

    The first "+ 1" keeps the last rate above 0, the second a COOL_DOWN of 0 from dividing by 0.
    """
    return LEARNING_RATE * min(1.0, (steps - step + 1) / (COOL_DOWN * steps + 1))


@torch.no_grad()
def evaluate(model, held_out, epoch):
    """Both parts of the negative ELBO, with the same noise in the codes each time.

    So two epochs differ by what the model has learned, and not by luck.
    """
    recon, mu, log_var = model(held_out, torch.Generator().manual_seed(0))
    return Record(
        epoch,
        reconstruction_loss(recon, held_out).item() / len(held_out),
        kl_per_dimension(mu, log_var).sum().item() / len(held_out),
    )


def milestones(epochs):
    """The epochs of the progression figure, and of a short run's table: first, quarters, last."""
    return sorted({1, *(max(1, round(epochs * quarter / 4)) for quarter in (1, 2, 3, 4))})


def epochs_to_record(epochs):
    """The milestones, the first ten epochs, and at equal distances not more than 80 others."""
    stride = max(1, epochs // 40)
    return {*milestones(epochs), *range(1, min(epochs, 10) + 1), *range(stride, epochs + 1, stride)}


# --- the run --------------------------------------------------------------------
def run(settings):
    """Train a model, measure it, draw it, and put all files into place."""
    started = time.monotonic()
    data = make_data(settings.seed)
    model = vae_model.make_model(settings.latent_dim, settings.seed)
    vae_model.check_model(model)
    print_header(model, settings)

    probe = data.held_out[data.first_of_each_type(1)]     # looked at again and again
    shown = milestones(settings.epochs)
    history, snapshots = [], {}
    for record in train(model, data, epochs=settings.epochs, beta=settings.beta,
                        seed=settings.seed, warm_up=WARM_UP):
        history.append(record)
        if record.epoch in shown:
            snapshots[record] = reconstruct(model, probe)
        if record.epoch in shown or settings.epochs > 1000:
            print_progress(record, settings.beta)
    trained = time.monotonic()

    space = explore(model, data)
    findings = measure(model, data, space)
    print_findings(history[-1], space, findings)

    files = draw_all(model, data, history, snapshots, space, findings, settings)
    weights = {vae_model.WEIGHTS: vae_model.weights_file(model)}
    patterns.publish(files | weights, settings.output_dir)
    for name in FIGURES.keys() - files:          # of an earlier run with two latent dimensions
        (settings.output_dir / name).unlink(missing_ok=True)
    print(f"\nFiles in {settings.output_dir}:")
    for name in files:
        print(f"  {name:32s} {FIGURES[name]}")
    print(f"  {vae_model.WEIGHTS:32s} the trained model of this run")
    print(f"Time: {trained - started:.1f} s for training, "
          f"{time.monotonic() - trained:.1f} s for measures and figures")


def print_header(model, settings):
    """Say what is about to be trained on what."""
    hidden, latent = model.fc_mu.in_features, model.fc_mu.out_features
    sizes = [*vae_model.linear_sizes(model.encoder, IMAGE_SIZE**2, hidden), latent]
    parameters = sum(weights.numel() for weights in model.parameters())
    print(f"Data    {NUM_TRAIN} training patterns of {IMAGE_SIZE} x {IMAGE_SIZE} pixels "
          f"({', '.join(PATTERN_TYPES)}),")
    print(f"        and {NUM_HELD_OUT} held-out ones, which the losses below are about")
    print(f"Model   VAE {'-'.join(map(str, sizes))}, {parameters:,} parameters, "
          f"beta {settings.beta:g}, seed {settings.seed}")
    print("\n  epoch       loss   reconstruction       KL   (nats per image)")


def print_progress(record, beta):
    print(f"{record.epoch:7d} {record.loss(beta):10.2f} {record.reconstruction:16.2f} "
          f"{record.kl:8.2f}")


def print_findings(last, space, findings):
    """Say what the trained latent space looks like, in numbers."""
    alive, dead = space.alive, space.by_kl[len(space.alive):]
    print("\nReconstruction, in nats per image:")
    for what, nats in (
        ("grey pixels cost, even if copied", findings.entropy),
        ("noise, which nobody can predict", findings.floor - findings.entropy),
        ("missed by the model", last.reconstruction - findings.floor),
    ):
        print(f"  {what:36s} {nats:7.2f}")
    print(f"Latent dimensions alive (KL above {ALIVE_KL} nats): {len(alive)} of {len(space.kl)}")
    for start in range(0, len(alive), 8):
        print("  KL    " + "  ".join(f"z{d + 1} {space.kl[d]:.2f}"
                                     for d in alive[start:start + 8]))
    if len(dead):
        print(f"  dead  {len(dead)}, none with a KL above {space.kl[dead[0]]:.3f}")
    print(f"\n  near: within RMSE {NEAR_RMSE} of a clean pattern        VAE    something simpler")
    for what, value, simple, simpler in (
        ("samples from the prior that are near", f"{findings.samples:.1%}",
         f"{findings.samples_pca:.1%}", f"PCA, {len(space.kl)} numbers"),
        ("midpoints in one type, near that type", f"{findings.midpoints:.1%}",
         f"{findings.midpoints_blended:.1%}", "pixels blended"),
        ("of 6 frames between types, near none", f"{findings.lost:.1f}",
         f"{findings.lost_blended:.1f}", "pixels blended"),
    ):
        print(f"  {what:39s} {value:>9s} {simple:>9s}  {simpler}")


# --- measures: where the patterns lie -------------------------------------------
@dataclass(frozen=True)
class LatentSpace:
    """Where the held-out patterns lie, and the plane through them that figures show."""

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
        """Latent dimensions, the one that carries most first."""
        return np.argsort(-self.kl, kind="stable")

    @property
    def alive(self):
        """The latent dimensions that carry something, the one that carries most first."""
        return self.by_kl[self.kl[self.by_kl] > ALIVE_KL]


@torch.no_grad()
def explore(model, data):
    """Encode the held-out patterns: the LatentSpace they lie in."""
    mu, log_var = model.encode(data.held_out)
    kl = kl_per_dimension(mu, log_var).mean(dim=0).numpy()
    return LatentSpace(mu.numpy(), kl, *choose_plane(mu.numpy(), data.labels))


def choose_plane(codes, labels):
    """Origin, axes and names of the plane to draw: the raw axes if there are only two.

    Which plane is drawn decides what is seen: the first two latent dimensions
    may well be dead. The four type centres span three directions at most; the
    two in which they differ most (their principal components) show them as far
    apart as a flat picture can.
    """
    if codes.shape[1] == 2:
        return np.zeros(2), np.eye(2), ("latent dimension z1", "latent dimension z2")
    centres = np.stack([codes[labels == kind].mean(axis=0) for kind in range(len(PATTERN_TYPES))])
    middle = centres.mean(axis=0)
    axes = np.linalg.svd(centres - middle, full_matrices=False)[2][:2]
    # an axis may point either way: let its largest entry be positive
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))
    names = tuple(f"direction {k} (between the type centres)" for k in (1, 2))
    return middle, axes, names


# --- measures: what only learning earns -----------------------------------------
@dataclass(frozen=True)
class Findings:
    """What a trained model can do, each beside what something simpler can."""

    samples: float           # share of prior samples near a clean pattern
    samples_pca: float       # the same of PCA's, with as many numbers
    midpoints: float         # share of midpoints, two of one type, near that type
    midpoints_blended: float     # the same of the mean of their pixels
    lost: float              # of the 6 frames between two types, how many are near none
    lost_blended: float      # the same where pixels are blended
    entropy: float           # nats: reconstruction loss of a perfect copy, noise included
    floor: float             # nats: the same of a model that knows all of a pattern but its noise


def measure(model, data, space):
    """Take the measures of ``Findings`` on held-out patterns."""
    two_types, one_type = pairs_of_two_types(data.labels), far_pairs_of_one_type(data)
    latent, blended = paths(model, data, space, two_types)
    middle, blended_middle = (
        frames[1] for frames in paths(model, data, space, one_type, num_steps=3))
    samples = vae_model.sample_prior(model, NUM_SAMPLES, seed=0)
    samples_pca = sample_pca(data.train.numpy(), len(space.kl), NUM_SAMPLES, seed=0)
    return Findings(
        samples=np.mean(kinds(samples) != NONE),
        samples_pca=np.mean(kinds(samples_pca) != NONE),
        midpoints=np.mean(kinds(middle) == data.labels[one_type[:, 0]]),
        midpoints_blended=np.mean(kinds(blended_middle) == data.labels[one_type[:, 0]]),
        lost=lost_frames(latent),
        lost_blended=lost_frames(blended),
        entropy=reconstruction_loss(data.held_out, data.held_out).item() / len(data.held_out),
        floor=noise_floor(data),
    )


def sample_pca(images, dimensions, count, seed):
    """What a linear model draws: principal components with normal weights, (count, pixels).

    It keeps as many numbers for an image as the VAE has latent dimensions, and each
    number has the mean and the variance that it has over ``images`` (N, pixels).
    """
    mean = images.mean(axis=0)
    covariance = (images - mean).T @ (images - mean) / len(images)
    variance, components = np.linalg.eigh(covariance)                       # ascending
    variance, components = variance[-dimensions:].clip(0), components[:, -dimensions:]
    weights = np.random.default_rng(seed).normal(0, np.sqrt(variance), (count, len(variance)))
    return (mean + weights @ components.T).clip(0, 1)


def pairs_of_two_types(labels, most=50):
    """Indices (pairs, 2) of held-out patterns, up to ``most`` pairs of any two types."""
    of_type = [np.flatnonzero(labels == kind)[:most] for kind in range(len(PATTERN_TYPES))]
    return np.array([pair for two in itertools.combinations(of_type, 2) for pair in zip(*two)])


def far_pairs_of_one_type(data):
    """Indices (N, 2): each held-out pattern, and the one of its type that differs most from it."""
    clean = torch.from_numpy(data.clean)
    distance = torch.cdist(clean, clean).numpy()
    distance[data.labels[:, None] != data.labels] = -1
    return np.stack([np.arange(len(clean)), distance.argmax(axis=1)], axis=1)


def paths(model, data, space, pairs, num_steps=8):
    """Straight ways between pairs of patterns, decoded codes and blended clean pixels.

    Returns two arrays (num_steps, len(pairs), pixels); ``pairs`` are indices (N, 2).
    """
    # from all first codes to all second ones: (num_steps, N, latent_dim)
    codes = np.linspace(*space.mu[pairs.T], num_steps)
    latent = decode(model, codes.reshape(-1, codes.shape[-1]))
    return latent.reshape(*codes.shape[:2], -1), np.linspace(*data.clean[pairs.T], num_steps)


def lost_frames(frames):
    """How many frames of a path are near no pattern: a mean over N paths, without their ends.

    ``frames`` is an array (num_steps, N, pixels).
    """
    inner = frames[1:-1].reshape(-1, frames.shape[-1])
    return np.sum(kinds(inner) == NONE) / frames.shape[1]


def noise_floor(data):
    """Reconstruction loss, in nats per image, of a model that knows each clean pattern.

    Nobody can predict the noise, so the best guess for a pixel is the mean of its
    noisy values. These are a normal distribution clipped to [0, 1], whose mean has
    a closed form (that of the rectified normal distribution, once for each end).
    """
    clean, noise = torch.from_numpy(data.clean).double(), max(patterns.NOISE, 1e-9)

    def mean_above(cut):       # of max(x - cut, 0), x normal around the clean value
        t = (clean - cut) / noise
        density = torch.exp(-0.5 * t.square()) / math.sqrt(2 * math.pi)
        return noise * (density + t * torch.special.ndtr(t))

    guess = (mean_above(0) - mean_above(1)).clamp(0, 1)
    return reconstruction_loss(guess.float(), data.held_out).item() / len(clean)


# --- figures ----------------------------------------------------------------------
FIGURES = {             # file: what it shows
    "reconstruction_comparison.png": "held-out patterns, their reconstructions, the errors",
    "latent_space_visualization.png": "the codes of held-out patterns, by type",
    "interpolation_sequence.png": "within a type and to another, by codes and by pixels",
    "training_progression.png": "the same patterns from epoch to epoch, and the loss curves",
    "vae_architecture.png": "the model with the sizes of its layers",
    "generated_samples.png": "decoded draws from the prior, and what PCA draws",
    "latent_traversal.png": "what each latent dimension does, dead ones included",
    "latent_manifold.png": "the plane of the two latent dimensions, decoded",
}


def draw_all(model, data, history, snapshots, space, findings, settings):
    """The bytes of all PNG files: a dict with the names of ``FIGURES``."""
    files = {
        "reconstruction_comparison.png": png(draw_reconstructions, model, data),
        "latent_space_visualization.png": png(draw_latent_space, data, space),
        "interpolation_sequence.png": png(draw_interpolation, model, data, space),
        "training_progression.png": png(draw_progression, data, history, snapshots,
                                        findings.floor, settings.beta),
        "vae_architecture.png": png(vae_model.draw_architecture, model),
        "generated_samples.png": png(draw_samples, model, data, findings, settings.seed),
        "latent_traversal.png": png(draw_traversal, model, space),
    }
    if len(space.kl) == 2:
        files["latent_manifold.png"] = png(draw_manifold, model)
    return files


def draw_reconstructions(model, data):
    """Held-out originals, their reconstructions, and the errors to the clean patterns."""
    chosen = data.first_of_each_type(2)
    recon = reconstruct(model, data.held_out)
    errors = rmse(recon, data.clean)
    labels = [f"{PATTERN_TYPES[data.labels[i]]}\nRMSE {errors[i]:.3f}" for i in chosen]
    return grid_figure(
        "Held-out patterns and their reconstructions\n"
        f"mean RMSE to the clean pattern over all {len(recon)}: {errors.mean():.3f}",
        [data.held_out[chosen].numpy(), recon[chosen],
         5 * np.abs(recon[chosen] - data.clean[chosen])],
        ["original", "reconstruction", "error to clean,\nenlarged 5 times"], labels,
    )


# Colours from Okabe and Ito's palette for all kinds of colour vision; each
# marker is a small picture of its type.
TYPE_COLORS = {"diagonal": "#0072B2", "horizontal": "#D55E00", "vertical": "#009E73",
               "cross": "#000000"}
TYPE_MARKERS = {"diagonal": [(-0.7, 0.7), (0.7, -0.7)], "horizontal": "_", "vertical": "|",
                "cross": "+"}


def draw_latent_space(data, space):
    """Codes of the held-out patterns in the plane: by type, and as pictures in place."""
    figure = patterns.new_figure(
        4.9, f"Codes (mu) of {len(space.mu)} held-out patterns; training never saw a label")
    by_type, in_place = figure.subplots(1, 2, sharex=True, sharey=True)
    scatter_codes(by_type, space, data.labels)
    points = space.project(space.mu)
    show_thumbnails(in_place, points, data)
    xlim, ylim = square_view(points)
    in_place.set(xlabel=space.names[0], aspect="equal", xlim=xlim, ylim=ylim)
    in_place.set_title("some of the patterns, each at its place", fontsize=10)
    return figure


def square_view(points):
    """Limits of a square around points (N, 2), with a margin: for x and for y.

    A square even if a collapsed model puts all points on a line.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    reach = 0.6 * max((high - low).max(), 0.1)
    return np.stack([(low + high) / 2 - reach, (low + high) / 2 + reach], axis=1)


def scatter_codes(axes, space, labels):
    """The codes of the held-out patterns in their plane, a colour and a marker for each type."""
    points = space.project(space.mu)
    for kind, name in enumerate(PATTERN_TYPES):
        axes.plot(*points[labels == kind].T, linestyle="", markersize=7, markeredgewidth=1.6,
                  color=TYPE_COLORS[name], marker=TYPE_MARKERS[name], label=name)
    axes.set(xlabel=space.names[0], ylabel=space.names[1], aspect="equal")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False,
                columnspacing=1, handletextpad=0)


def show_thumbnails(axes, points, data):
    """Small pictures of patterns at their codes, as many as fit side by side."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    distance = max(np.ptp(points, axis=0).max(), 0.1) / 9
    picked = []
    for index, point in enumerate(points):
        if any(np.abs(point - points[other]).max() <= distance for other in picked):
            continue
        picked.append(index)
        image = data.held_out[index].numpy().reshape(IMAGE_SIZE, -1)
        picture = OffsetImage(image, cmap="gray", zoom=20 / IMAGE_SIZE)
        picture.image.set_clim(0, 1)
        color = TYPE_COLORS[PATTERN_TYPES[data.labels[index]]]
        axes.add_artist(AnnotationBbox(
            picture, point, pad=0.1, bboxprops={"edgecolor": color, "linewidth": 1.5}))


def draw_interpolation(model, data, space):
    """From one line to another far away, and from a diagonal to a cross, in two ways each."""
    far = far_pairs_of_one_type(data)[data.of_type("horizontal")]
    farthest = far[rmse(*data.clean[far.T]).argmax()]
    pairs = np.array([farthest, [data.of_type("diagonal")[0], data.of_type("cross")[0]]])
    latent, blended = paths(model, data, space, pairs)
    rows = [latent[:, 0], blended[:, 0], latent[:, 1], blended[:, 1]]
    names = [*PATTERN_TYPES, "near none"]       # NONE, -1, is the index of the last
    return grid_figure(
        "Two ways from one pattern to another: decoded codes, and blended pixels\n"
        f"(below each picture: the type it is near, within RMSE {NEAR_RMSE})",
        rows,
        ["within a type:\nlatent path", "pixels blended", "to another type:\nlatent path",
         "pixels blended"],
        [f"alpha\n{alpha:.2f}" for alpha in np.linspace(0, 1, len(latent))],
        [[names[kind] for kind in kinds(row)] for row in rows],
    )


def draw_progression(data, history, snapshots, floor, beta):
    """The same held-out patterns after more and more training, beside the loss curves."""
    figure = patterns.new_figure(
        5.2, "What training changes (loss in nats per image, held-out patterns)")
    left, right = figure.subfigures(1, 2, width_ratios=(5, 4))
    labels = [f"epoch {record.epoch}\nloss {record.loss(beta):.1f}" for record in snapshots]
    originals = data.held_out[data.first_of_each_type(1)].numpy()
    patterns.show_grid(left.subplots(), [originals, *snapshots.values()], ["original", *labels])
    upper, lower = right.subplots(2, 1, sharex=True)
    draw_curve(upper, history, [record.reconstruction for record in history], "reconstruction")
    upper.axhline(floor, color="black", linestyle="--", linewidth=1)
    upper.annotate("if each pattern were known, but not its noise", (0.03, floor),
                   xycoords=upper.get_yaxis_transform(), xytext=(0, -4),
                   textcoords="offset points", fontsize=8, va="top")
    upper.set_ylim(bottom=0.8 * floor)
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
    """Decoded draws from the prior, images that nobody drew, and those of a linear model."""
    latent_dim = model.fc_mu.out_features
    rows = np.concatenate([vae_model.sample_prior(model, 36, seed),
                           sample_pca(data.train.numpy(), latent_dim, 24, seed)])
    return grid_figure(
        "Decoded draws from the prior N(0, 1), and what PCA draws with as many numbers\n"
        f"within RMSE {NEAR_RMSE} of a clean pattern: {findings.samples:.0%} of {NUM_SAMPLES} "
        f"draws, {findings.samples_pca:.0%} with PCA",
        rows.reshape(5, 12, -1), ["VAE"] * 3 + ["PCA"] * 2,
    )


def draw_traversal(model, space, max_rows=16):
    """One row per latent dimension: it alone moves from -3 to 3, the others stay at 0."""
    dimensions = space.by_kl[:max_rows]
    values = np.linspace(-3, 3, 11)
    z = np.zeros((len(dimensions), len(values), len(space.kl)))
    for row, dimension in enumerate(dimensions):
        z[row, :, dimension] = values
    shown = "" if len(dimensions) == len(space.kl) else f"the first {max_rows} of {len(space.kl)}, "
    return grid_figure(
        f"One latent dimension at a time, the others at 0\n({shown}sorted by KL in nats per image)",
        decode(model, z.reshape(-1, len(space.kl))).reshape(*z.shape[:2], -1),
        [f"z{d + 1}: KL {space.kl[d]:.2f}{'' if d in space.alive else ' dead'}"
         for d in dimensions],
        [f"{value:.1f}" for value in values], xlabel="value of that dimension",
    )


def draw_manifold(model, side=15):
    """The decoded plane of a two-dimensional latent space, at quantiles of the prior."""
    quantiles = torch.linspace(0.5 / side, 1 - 0.5 / side, side)
    grid = torch.special.ndtri(quantiles)                    # equal shares of N(0, 1)
    z = torch.stack(torch.meshgrid(grid, grid.flip(0), indexing="xy"), dim=-1)
    ticks = [f"{value:.1f}" for value in grid]
    figure = grid_figure(
        "The latent plane, decoded; steps are wider where the prior N(0, 1) has fewer codes",
        decode(model, z.reshape(-1, 2)).reshape(side, side, -1), ticks[::-1], ticks,
        xlabel="latent dimension z1")
    figure.axes[0].set_ylabel("latent dimension z2")
    return figure


# --- the command line -------------------------------------------------------------
LIMITS = {              # of the configuration block: lowest, highest, whole or not
    "EPOCHS": (1, 100_000, True), "BETA": (0, 1000, False), "SEED": (0, 2**32 - 1, True),
    "LEARNING_RATE": (0, 1e6, False), "COOL_DOWN": (0, 1, False), "WARM_UP": (0, 1_000_000, True),
    "BATCH_SIZE": (1, 1_000_000, True), "NUM_TRAIN": (1, 100_000, True),
    "NUM_HELD_OUT": (8, 10_000, True), "ALIVE_KL": (0, 1000, False),
    "NUM_SAMPLES": (1, 100_000, True),
}


def parse_settings(arguments=None):
    """Read the command line; the constants of the configuration block are the defaults."""
    parser = patterns.OneSentenceParser(
        description="Train a VAE on small patterns and draw the figures of the exercise page.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--epochs", type=patterns.number(*LIMITS["EPOCHS"]), default=EPOCHS, metavar="N",
        help="passes over the training patterns")
    add("--latent-dim", type=patterns.number(2, 512, whole=True), default=vae_model.LATENT_DIM,
        metavar="N", help="dimensions of the latent space")
    add("--beta", type=patterns.number(*LIMITS["BETA"]), default=BETA, metavar="X",
        help="weight of the KL term in the loss, both in nats")
    add("--seed", type=patterns.number(*LIMITS["SEED"]), default=SEED, metavar="N",
        help="decides data, initial weights and noise")
    add("--output-dir", type=patterns.folder, default=patterns.OUTPUT_DIR, metavar="FOLDER",
        help="where the figures and the weights go")
    return parser.parse_args(arguments)


def check_constants():
    """Raise a ProgramError that names the first constant, of all three files, that cannot be."""
    patterns.check_constants()
    vae_model.check_constants()
    for name, limits in LIMITS.items():
        value = globals().get(name)
        patterns.check_number(f"{name} in latent_space_exploration.py", value, *limits)


def set_up_torch(seed):
    """Make small matrices fast and runs repeatable; for programs, not for importers."""
    torch.manual_seed(seed)      # for dropout, if you add it: the rest has generators of its own
    torch.set_num_threads(1)     # two threads gain nothing here and wait for each other
    # What Adam remembers of dead dimensions fades to denormal numbers, which
    # would make the later epochs take half as long again.
    torch.set_flush_denormal(True)


def main(arguments=None):
    """Run with command-line arguments (default: those of the program); returns the exit code."""
    check_constants()
    settings = parse_settings(arguments)
    patterns.check_folder(settings.output_dir, [*FIGURES, vae_model.WEIGHTS])
    set_up_torch(settings.seed)
    try:
        run(settings)
    except FloatingPointError as error:
        print(f"Training stopped: {error}. Try a smaller LEARNING_RATE (now {LEARNING_RATE:g}) "
              f"or beta (now {settings.beta:g}); earlier outputs are untouched.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    patterns.run_program(main)
