"""How fast is the default run? Two ratios, each measured side by side; a script, not a test.

    python -m tests.measure.benchmark       # in the folder of the exercise; a minute or two

Seconds depend on the machine and on who else is using it, ratios hardly do: the two sides take
turns, and each ratio is the median over the rounds. One thread throughout.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch

import latent_space_exploration as main_script
from vae_model import VAE, linear_sizes

ROUNDS = 5
BARE_START = "import torch; torch.optim.Adam([torch.zeros(1, requires_grad=True)])"


def seconds(function, *arguments, **options):
    started = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - started


def program(*arguments):
    """A Python program in a process of its own."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "OMP_NUM_THREADS": "1"})


def matrix_products(model, steps):
    """The products that a training step cannot do without, forward and backward."""
    encoder, decoder = linear_sizes(model.encoder), linear_sizes(model.decoder)
    heads = [(encoder[-1], decoder[0])] * 2
    shapes = [*zip(encoder, encoder[1:]), *heads, *zip(decoder, decoder[1:])]
    batch = main_script.BATCH_SIZE
    layers = [(torch.randn(batch, n), torch.randn(n, m), torch.randn(batch, m)) for n, m in shapes]
    for _ in range(steps):
        for index, (values, weights, gradient) in enumerate(layers):
            values @ weights
            values.T @ gradient
            if index:                         # the images themselves need no gradient
                gradient @ weights.T


def training(data):
    main_script.train(VAE(), data, epochs=main_script.EPOCHS, beta=1.0, seed=0)


def show(what, rounds):
    """Print a ratio: ``rounds`` holds the seconds of both sides in each round."""
    one, other = (statistics.median(side) for side in zip(*rounds))
    ratio = statistics.median(above / below for above, below in rounds)
    print(f"{ratio:5.2f}   {one:5.2f} / {other:5.2f} s   {what}", flush=True)


def main():
    main_script.set_up_torch()
    data = main_script.make_data(0)
    model, steps = VAE(), main_script.EPOCHS * -(-len(data.train) // main_script.BATCH_SIZE)
    training(data)                                            # warms up
    print(f"ratio, seconds (medians of {ROUNDS} rounds)")
    rounds = [(seconds(training, data), seconds(matrix_products, model, steps))
              for _ in range(ROUNDS)]
    show("training / its bare matrix products", rounds)
    with tempfile.TemporaryDirectory() as folder:
        run = (main_script.__file__, "--output-dir", folder)
        rounds = [(seconds(program, *run), seconds(program, "-c", BARE_START))
                  for _ in range(ROUNDS)]
    show("the whole run / a bare start (import torch, one Adam)", rounds)


if __name__ == "__main__":
    main()
