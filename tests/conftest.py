"""What all tests share."""

import os
from types import SimpleNamespace

import pytest

# For matrices as small as these a second thread only waits for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def short_run():
    """A short real training, its data and its latent space; no test changes them."""
    import torch

    import latent_space_exploration as main_script

    data = main_script.make_data(42)
    torch.manual_seed(42)
    model = main_script.VAE()
    history = main_script.train(model, data, epochs=12, beta=0.25, seed=42, warm_up=0)
    return SimpleNamespace(data=data, model=model, history=history,
                           space=main_script.explore(model, data))


@pytest.fixture(scope="session")
def workshop():
    """The process in which all answers to exercise 3 are checked."""
    from tests.exercise.process import Workshop

    with Workshop() as shop:
        yield shop
