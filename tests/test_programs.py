"""The main script as its users meet it: options, files, failures, Ctrl-C."""

import functools
import itertools
import os
import re
import runpy
import signal
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
import torch
from torch import nn

import latent_space_exploration as main_script
import patterns
import vae_model

FILES = ["reconstruction_comparison.png", "latent_space_visualization.png",
         "interpolation_sequence.png", "training_progression.png", "vae_architecture.png",
         "generated_samples.png", "latent_traversal.png", "vae_weights.pth"]


@pytest.fixture
def tiny(monkeypatch):
    """Runs that take half a second."""
    for name, value in (("NUM_TRAIN", 60), ("NUM_HELD_OUT", 40), ("NUM_SAMPLES", 20)):
        monkeypatch.setattr(main_script, name, value)
    monkeypatch.setattr(patterns, "DPI", 20)
    yield
    torch.set_flush_denormal(False)


@pytest.fixture
def earlier(tmp_path):
    """A folder with outputs of an earlier run, which have to be whole after the test."""
    for name in FILES:
        (tmp_path / name).write_text(f"earlier {name}")
    yield tmp_path
    for name in FILES:
        assert (tmp_path / name).read_text() == f"earlier {name}"


# --- importing and asking for help --------------------------------------------------------
@pytest.mark.parametrize("module", [patterns, vae_model, main_script])
def test_importing_a_module_does_nothing(module, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = torch.get_rng_state(), torch.get_num_threads(), signal.getsignal(signal.SIGINT)
    runpy.run_path(module.__file__, run_name=module.__name__)
    assert torch.equal(torch.get_rng_state(), before[0]) and patterns.OUTPUT_DIR.is_absolute()
    assert (torch.get_num_threads(), signal.getsignal(signal.SIGINT)) == before[1:]
    assert capsys.readouterr() == ("", "") and list(tmp_path.iterdir()) == []


# --- what a run writes ----------------------------------------------------------------------
@pytest.mark.usefixtures("tiny")
def test_one_seed_gives_the_same_bytes_in_any_style(tmp_path, monkeypatch, capsys):
    samples = Mock(wraps=vae_model.sample_prior)
    monkeypatch.setattr(vae_model, "sample_prior", samples)
    monkeypatch.setattr(main_script, "time", SimpleNamespace(monotonic=itertools.count().__next__))
    for folder, theirs in (("one", {}), ("other", {"font.family": ["serif"]})):
        with mpl.rc_context(theirs):
            main_script.main(["--epochs", "2", "--latent-dim", "2", "--seed", "7", "-o",
                              str(tmp_path / folder / "new")])
            assert mpl.rcParams["font.family"] == theirs.get("font.family", ["sans-serif"])
    output = capsys.readouterr().out
    files = {path.name: path for path in (tmp_path / "one" / "new").iterdir()}
    assert sorted(files) == sorted([*FILES, "latent_manifold.png"])
    for name, path in files.items():
        assert path.read_bytes() == (tmp_path / "other" / "new" / name).read_bytes(), name
        assert output.count(f"  {name} ") == 2
        if path.suffix == ".png":
            picture = matplotlib.image.imread(path)[..., :3]
            assert min(half.std() for half in np.array_split(picture, 2)) > 0.04, name
    model = vae_model.load_model(files["vae_weights.pth"])           # it is the trained one
    record = main_script.evaluate(model, main_script.make_data(7), 2)
    assert model.fc_mu.out_features == 2 and not model.training
    assert re.search(rf"total +{record.reconstruction:.2f}\n", output)
    assert 7 in [*samples.call_args.args, *samples.call_args.kwargs.values()]    # of the figure
    assert output.count("Time: 1.0 s for training, 1.0 s for measurements") == 2


# --- what stops before the training -----------------------------------------------------------
@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(main_script, "train", lambda *_, **__: pytest.fail("training began"))


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(("option", "value"), [
    ("--epochs", "0"), ("--epochs", "2.5"), ("--latent-dim", "1"), ("--latent-dim", "8.0"),
    ("--seed", "-1"), ("--seed", ""), ("--beta", "-0.1"), ("--beta", "nan"), ("--beta", "inf")])
def test_a_bad_option_is_named(option, value, capsys):
    with pytest.raises(SystemExit) as stop:
        main_script.main([f"{option}={value}"])
    output, errors = capsys.readouterr()
    assert stop.value.code == 2 and output == ""
    assert errors.startswith("usage: ") and option in errors.splitlines()[-1]
    assert value in errors.splitlines()[-1]


@pytest.mark.usefixtures("no_training")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for folder in (tmp_path / "file", tmp_path / "file/below", *filter(os.path.isdir, ["/sys"])):
        with pytest.raises(SystemExit, match=f"^Cannot write files to {re.escape(str(folder))}: "):
            main_script.main(["-o", str(folder)])


@pytest.mark.usefixtures("no_training")
def test_an_edit_of_the_model_that_went_wrong_is_named(earlier, monkeypatch):
    def edited(**sizes):
        model = vae_model.VAE(**sizes)
        model.encoder = nn.Sequential(nn.Linear(patterns.IMAGE_SIZE**2, 8), nn.ReLU())
        return model

    monkeypatch.setattr(main_script, "VAE", edited)
    with pytest.raises(SystemExit, match=r"^self.encoder in vae_model.py ends with 8 .*fc_mu"):
        main_script.main(["-o", str(earlier)])


# --- what fails later leaves the earlier outputs -----------------------------------------------
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("rate", [1e4, 1e30])
def test_a_diverging_training_is_one_sentence(earlier, monkeypatch, rate):
    too_fast = functools.partial(main_script.train, learning_rate=rate)
    monkeypatch.setattr(main_script, "train", too_fast)
    with pytest.raises(SystemExit, match="diverged, try a smaller LEARNING_RATE or beta") as stop:
        main_script.main(["--epochs", "5", "--beta", "1", "-o", str(earlier)])
    assert "\n" not in stop.value.code


@pytest.mark.usefixtures("tiny")
def test_a_figure_or_a_file_that_fails_leaves_all_earlier_ones(earlier, monkeypatch):
    monkeypatch.setattr(main_script, "draw_latent_space", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main_script.main(["--epochs", "1", "-o", str(earlier)])
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main_script.write_file(earlier / FILES[0], b"new")


@pytest.mark.parametrize("ipython", [False, True])
def test_ctrl_c_ends_the_program_by_its_signal_but_no_session(monkeypatch, ipython):
    """So a loop of the shell around the program ends as well."""
    handlers = []
    monkeypatch.setattr(signal, "signal", lambda *handler: handlers.append(handler))
    monkeypatch.setattr(sys, "argv", ["latent_space_exploration.py", "--help"])
    monkeypatch.setitem(sys.modules, "IPython", None)
    if not ipython:
        del sys.modules["IPython"]
    with pytest.raises(SystemExit):
        runpy.run_path(main_script.__file__, run_name="__main__")
    assert handlers == ([] if ipython else [(signal.SIGINT, signal.SIG_DFL)])
