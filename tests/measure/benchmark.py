"""How fast is the default run? Ratios measured side by side; a script, not a test.

    python -m tests.measure.benchmark       # in the folder of the exercise

Seconds depend on the machine and on who else is using it, ratios hardly do: all
contestants take turns in short rounds, and each ratio is the median over the
rounds. Single-threaded throughout.
"""

import collections
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from latent_space_exploration import (
    BATCH_SIZE,
    LEARNING_RATE,
    SEED,
    evaluate,
    explore,
    make_data,
    set_up_torch,
    train,
)
from patterns import IMAGE_SIZE
from solutions.latent_explorer import WINDOW_INCHES, Explorer
from vae_model import LATENT_DIM, linear_sizes, make_model

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 200           # all of them: the last epochs may cost more than the first
ROUNDS = 5
BARE_START = """
import torch, matplotlib.pyplot
torch.set_num_threads(1)
torch.optim.Adam([torch.zeros(1, requires_grad=True)])
"""


def matrix_products(model, num_steps):
    """The products that a training step cannot do without, forward and backward."""
    encoder = linear_sizes(model.encoder, IMAGE_SIZE**2, model.fc_mu.in_features)
    decoder = linear_sizes(model.decoder, LATENT_DIM, IMAGE_SIZE**2)
    latent = model.fc_mu.out_features
    shapes = [*zip(encoder, encoder[1:]), (encoder[-1], latent), (encoder[-1], latent),
              *zip(decoder, decoder[1:])]
    layers = [(torch.randn(BATCH_SIZE, n), torch.randn(n, m), torch.randn(BATCH_SIZE, m))
              for n, m in shapes]
    for _ in range(num_steps):
        for index, (inputs, weights, gradient) in enumerate(layers):
            inputs @ weights
            inputs.T @ gradient
            if index > 0:      # the images themselves need no gradient
                gradient @ weights.T


def textbook_training(model, data, epochs):
    """The loop that most tutorials show, for the same model, data and batch size."""
    loader = DataLoader(TensorDataset(data.train), batch_size=BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    total = 0.0
    for _ in range(epochs):
        for (x,) in loader:
            optimizer.zero_grad()
            mu, log_var = model.encode(x)
            recon = model.decoder(mu + torch.randn_like(mu) * torch.exp(0.5 * log_var))
            bce = F.binary_cross_entropy(recon, x, reduction="sum")
            kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())
            loss = (bce + kl) / len(x)
            loss.backward()
            optimizer.step()
            total += loss.item()
    return total


def train_to_the_end(model, data, epochs):
    """Our loop, without a look at its records."""
    collections.deque(train(model, data, epochs=epochs, beta=1.0, seed=SEED), maxlen=0)


def seconds(function, *arguments, **options):
    started = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - started


def held_out_loss(model, data):
    return evaluate(model, data.held_out, epoch=0).loss(beta=1.0)


def training_round(data):
    """Seconds of: bare products, our loop, the textbook loop; and the two held-out losses."""
    ours, textbook = make_model(LATENT_DIM, SEED), make_model(LATENT_DIM, SEED)
    torch.manual_seed(SEED)      # the textbook loop draws from the global generator
    num_steps = EPOCHS * len(data.train) // BATCH_SIZE
    bare = seconds(matrix_products, ours, num_steps)
    own = seconds(train_to_the_end, ours, data, EPOCHS)
    # the textbook does not flush denormal numbers
    torch.set_flush_denormal(False)
    other = seconds(textbook_training, textbook, data, EPOCHS)
    set_up_torch(SEED)
    return bare, own, other, held_out_loss(ours, data), held_out_loss(textbook, data)


def cold_round():
    """Seconds of programs in new processes: bare start, main script, imports, the starter."""
    with tempfile.TemporaryDirectory() as folder:
        main_script, starter = (str(ROOT / f"{name}.py")
                                for name in ("latent_space_exploration", "latent_starter"))
        commands = ["-c", BARE_START], [main_script, "--output-dir", folder], \
            ["-c", "import torch, pytest"], [starter]
        return [seconds(subprocess.run, [sys.executable, *command], stdout=subprocess.DEVNULL,
                        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
                for command in commands]


def frame_seconds(model, data, frames=200):
    """Seconds for each of many explorer frames, drawn without a display, pointer moving."""
    canvas = FigureCanvasAgg(Figure(WINDOW_INCHES))
    explorer = Explorer(canvas.figure, model, data, explore(model, data), ".")
    canvas.draw()
    return sorted(seconds(explorer.draw_from_prior) for _ in range(frames))


def ratio(rounds, above, below):
    """Median ratio of two columns, and each column's median."""
    return (statistics.median(row[above] / row[below] for row in rounds),
            statistics.median(row[above] for row in rounds),
            statistics.median(row[below] for row in rounds))


def main():
    set_up_torch(SEED)
    data = make_data(SEED)
    train_to_the_end(make_model(LATENT_DIM, 0), data, 2)                     # warm up
    rounds = []
    for number in range(1, ROUNDS + 1):
        rounds.append(training_round(data))
        print(f"round {number} of {ROUNDS}: products {rounds[-1][0]:.1f} s, "
              f"our loop {rounds[-1][1]:.1f} s, textbook loop {rounds[-1][2]:.1f} s", flush=True)
    cold = [cold_round() for _ in range(ROUNDS)]
    print("\nratio   seconds          what (median over rounds)")
    for (value, above, below), what in (
        (ratio(rounds, 1, 0), "training loop / bare matrix products   bar 3, goal 2.5"),
        (ratio(rounds, 1, 2), "training loop / textbook loop          bar 0.8"),
        (ratio(cold, 1, 0), "whole cold run / bare start            bar 3.5, goal 3"),
        (ratio(cold, 3, 2), "check of the starter / imports         goal 1.25"),
    ):
        print(f"{value:5.2f}   {above:5.2f} / {below:5.2f}    {what}")
    frames = frame_seconds(make_model(LATENT_DIM, SEED), data)
    print(f"explorer: {1000 * statistics.median(frames):.1f} ms a frame (95%: "
          f"{1000 * frames[int(0.95 * len(frames))]:.1f} ms), bar 30")
    print(f"held-out loss after {EPOCHS} epochs: ours {rounds[0][3]:.2f}, textbook "
          f"{rounds[0][4]:.2f} nats per image (other random numbers)")


if __name__ == "__main__":
    main()
