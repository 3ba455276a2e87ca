"""The story: data, training and what reaches it, measures, the printed numbers."""

import dataclasses
import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F
from torch.optim.optimizer import register_optimizer_step_pre_hook

import latent_space_exploration as main_script
import patterns
import vae_model
from latent_space_exploration import LatentSpace, Record, train
from patterns import PATTERN_TYPES, types_near
from vae_model import VAE, decode


# --- data -------------------------------------------------------------------------------
def test_the_seed_decides_the_data_and_nothing_held_out_is_trained_on():
    data, again, other = (main_script.make_data(seed) for seed in (5, 5, 6))
    for name in ("train", "held_out", "clean", "labels"):
        np.testing.assert_array_equal(getattr(data, name), getattr(again, name))
        assert not np.array_equal(getattr(data, name), getattr(other, name)), name
    trained_on = {image.tobytes() for image in data.train.numpy()}
    assert not trained_on & {image.tobytes() for image in data.held_out.numpy()}


def test_held_out_patterns_have_clean_versions_and_types(short_run):
    data = short_run.data
    noise = (data.held_out.numpy() - data.clean)[(data.clean > 0.3) & (data.clean < 0.7)]
    assert noise.std() == pytest.approx(patterns.NOISE, rel=0.1, abs=1e-6)
    assert (patterns.nearest_pattern(data.clean)[1] == data.labels).mean() > 0.98
    for label, chosen in enumerate(data.first_of_each_type(3).reshape(-1, 3)):
        of_type = [i for i, other in enumerate(data.labels) if other == label]
        assert data.of_type(label).tolist() == of_type and chosen.tolist() == of_type[:3]


# --- training -----------------------------------------------------------------------------
def test_a_short_training_beats_every_constant_image(short_run):
    images = short_run.data.held_out
    constant = short_run.data.train.mean(dim=0).expand_as(images)
    loss = F.binary_cross_entropy(constant, images, reduction="sum") / len(images)
    first, *_, last = short_run.history
    assert last.reconstruction + last.kl < 0.95 * loss < first.reconstruction + first.kl
    assert not short_run.model.training


@pytest.fixture
def small(monkeypatch):
    """Data of 250 patterns to train on, and 40 others."""
    monkeypatch.setattr(main_script, "NUM_TRAIN", 250)
    monkeypatch.setattr(main_script, "NUM_HELD_OUT", 40)
    return main_script.make_data(0)


def test_every_epoch_shows_every_training_pattern_once_in_another_order(small):
    seen, model = {True: [], False: []}, VAE()
    model.encoder.register_forward_hook(
        lambda layer, given, result: seen[model.training].append(given[0].clone()))
    train(model, small, epochs=3, beta=1.0, seed=0, batch_size=100)
    assert [len(batch) for batch in seen[True]] == 3 * [100, 100, 50]
    orders = [torch.cat(seen[True][start:start + 3]).numpy() for start in (0, 3, 6)]
    assert len({order.tobytes() for order in (*orders, small.train.numpy())}) == 4
    for order in orders:
        assert {row.tobytes() for row in order} == {row.tobytes() for row in small.train.numpy()}


@pytest.mark.parametrize(("warm_up", "expected"), [
    (0, [3] * 24), (12, [*np.arange(1, 13) / 4, *[3] * 12])])
def test_each_step_has_its_own_gradient_weight_and_size(small, warm_up, expected):
    steps, model = [], VAE()
    with torch.no_grad():          # the code is ignored and mu is 1: its gradient is that of the KL
        for weights in (*model.decoder.parameters(), model.fc_mu.weight):
            weights.zero_()
        model.fc_mu.bias.fill_(1)
    handle = register_optimizer_step_pre_hook(lambda optimizer, *_: steps.append(
        (model.fc_mu.bias.grad[0].item(), 1e9 * optimizer.param_groups[0]["lr"])))
    train(model, small, epochs=8, beta=3.0, seed=0, warm_up=warm_up, learning_rate=1e-9,
          decay=0.5, batch_size=100)
    handle.remove()
    weights, sizes = np.transpose(steps)
    np.testing.assert_allclose(weights, expected, rtol=1e-3)
    np.testing.assert_allclose(sizes[:11], 1)
    np.testing.assert_allclose(np.diff(sizes[12:]), np.diff(sizes[12:14])[0])   # a straight line
    assert 0 < sizes[-1] < 0.1


def test_the_seed_decides_order_and_noise(small):
    def trained(seed):
        torch.manual_seed(0)
        model = VAE()
        train(model, small, epochs=1, beta=1.0, seed=seed)
        return torch.cat([weights.flatten() for weights in model.parameters()])

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


def test_records_are_many_early_and_few_late_and_say_so(small, capsys):
    history = train(VAE(), small, epochs=60, beta=4.0, seed=0, verbose=True)
    epochs = [record.epoch for record in history]
    assert epochs[:10] == list(range(1, 11)) and epochs[-1] == 60 and 30 < len(epochs) <= 51
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    expected = [(record.epoch, record.reconstruction + 4 * record.kl, record.reconstruction,
                 record.kl) for record in history if record.epoch in (1, 2, 5, 12, 26, 60)]
    np.testing.assert_allclose(np.array(printed, dtype=float), expected, atol=0.006)
    assert len(train(VAE(), small, epochs=1, beta=1.0, seed=0, decay=0)) == 1
    assert capsys.readouterr().out == ""


def test_a_record_is_in_nats_per_image_with_the_same_noise_each_time(small):
    model, state = VAE(), torch.get_rng_state()
    one = main_script.evaluate(model, small, 1)
    assert torch.equal(torch.get_rng_state(), state)       # the noise of the training goes on
    torch.rand(1)
    assert main_script.evaluate(model, small, 1).reconstruction == one.reconstruction
    with torch.no_grad():
        model.fc_var.weight.zero_()
        model.fc_var.bias.fill_(-60)                       # next to no noise
    record = main_script.evaluate(model, small, 3)
    mu, log_var = model.encode(small.held_out)
    loss = F.binary_cross_entropy(model.decoder(mu), small.held_out, reduction="sum") / 40
    kl = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)).sum() / 40
    assert record.epoch == 3
    assert record.reconstruction == pytest.approx(loss.item(), rel=1e-4)
    assert record.kl == pytest.approx(kl.item(), rel=1e-4)
    np.testing.assert_allclose(
        record.pictures, model.decoder(mu)[small.first_of_each_type(1)].detach(), atol=1e-6)


# --- what reaches the training ----------------------------------------------------------
def test_all_settings_reach_the_training(monkeypatch, tmp_path):
    def trained(*options):
        with pytest.raises(RuntimeError, match="far enough"):
            main_script.main([*options, "--output-dir", str(tmp_path)])
        return calls[-1]

    def record(model, data, **options):
        calls.append(SimpleNamespace(model=model, data=data, **options))
        raise RuntimeError("far enough")

    calls = []
    monkeypatch.setattr(main_script, "train", record)
    torch.set_num_threads(2)
    by_options = trained("--epochs", "3", "--latent-dim", "5", "--beta", "2.5", "--seed", "9")
    for name, value in (("EPOCHS", 3), ("BETA", 2.5), ("SEED", 9)):
        monkeypatch.setattr(main_script, name, value)
    monkeypatch.setattr(vae_model, "LATENT_DIM", 5)
    for call in (by_options, trained()):
        assert (call.epochs, call.beta, call.seed, call.verbose) == (3, 2.5, 9, True)
        assert torch.equal(call.data.train, main_script.make_data(9).train)
        assert call.model.fc_mu.out_features == 5
        assert torch.equal(call.model.fc_mu.weight, by_options.model.fc_mu.weight)
    assert not torch.equal(trained("--seed", "1").model.fc_mu.weight, call.model.fc_mu.weight)
    assert torch.get_num_threads() == 1                    # two would wait for each other
    torch.set_flush_denormal(False)


@pytest.mark.parametrize("name", ["BETA_WARM_UP", "LEARNING_RATE", "DECAY", "BATCH_SIZE"])
def test_an_edited_constant_reaches_the_training(name):
    source = Path(main_script.__file__).read_text(encoding="utf-8")
    edited, edits = re.subn(rf"^{name} = \S+", f"{name} = 0.123", source, flags=re.M)
    assert edits == 1
    namespace = {"__name__": "edited"}
    exec(edited, namespace)
    assert namespace["train"].__kwdefaults__[name.lower().removeprefix("beta_")] == 0.123


# --- measures -----------------------------------------------------------------------------
def test_codes_are_those_of_the_held_out_patterns_and_dimensions_sorted_by_kl(short_run):
    mu, log_var = short_run.model.encode(short_run.data.held_out)
    kl = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)).mean(dim=0)
    np.testing.assert_allclose(short_run.space.mu, mu.detach(), atol=1e-6)
    np.testing.assert_allclose(short_run.space.kl, kl.detach(), atol=1e-5)
    limit = main_script.IN_USE_KL
    space = LatentSpace(None, np.array([0.0, 3, limit / 2, 5, 2 * limit]), None, None, ())
    assert space.by_kl.tolist() == [3, 1, 4, 2, 0] and space.in_use == [3, 1, 4]


def test_the_plane_goes_through_the_centers_of_the_types():
    labels = np.repeat(np.arange(4), 25)
    centers = np.zeros((4, 6))
    centers[:, [1, 4]] = [(5, 0), (-5, 0), (0, 3), (0, -3)]     # differ in z[1], then in z[4]
    codes = 7 + centers[labels] + 0.01 * np.random.default_rng(1).normal(size=(100, 6))
    codes[:, 0] += np.tile(np.linspace(-50, 50, 25), 4)         # spread within the types
    origin, axes, names = main_script.choose_plane(codes, labels)
    space = LatentSpace(codes, None, origin, axes, names)
    np.testing.assert_allclose(np.abs(axes), np.eye(6)[[1, 4]], atol=0.02)
    np.testing.assert_allclose(np.abs(space.project(7 + centers)), np.abs(centers[:, [1, 4]]),
                               atol=0.05)
    assert "direction 1" in names[0] and "direction 2" in names[1]
    two = codes[:, :2]                                          # two dimensions are their own plane
    space = LatentSpace(two, None, *main_script.choose_plane(two, labels))
    np.testing.assert_array_equal(space.project(two), two)
    assert space.names == ("z[0]", "z[1]")


def test_every_finding_against_a_plain_count(short_run, monkeypatch):
    monkeypatch.setattr(main_script, "NUM_SAMPLES", 150)
    model, mu, labels = short_run.model, short_run.space.mu, short_run.data.labels
    swapped = np.where(labels < 2, 1 - labels, labels)          # two types under a wrong name
    data = dataclasses.replace(short_run.data, labels=swapped)
    found = main_script.measure(model, data, short_run.space)

    linear = main_script.sample_pca(data.train.numpy(), mu.shape[1], 150, 0)
    for share, images in ((found.samples, vae_model.sample_prior(model, 150, 0)),
                          (found.samples_pca, linear)):
        assert share == np.mean([name != "none" for name in types_near(images)])

    far = []
    for one, label in enumerate(data.labels):
        same_type = data.of_type(label)
        far.append(same_type[patterns.rmse(data.clean[same_type], data.clean[one]).argmax()])
    for share, images in ((found.midpoints, decode(model, (mu + mu[far]) / 2)),
                          (found.midpoints_blended, (data.clean + data.clean[far]) / 2)):
        expected = np.mean([PATTERN_TYPES[label] == name
                            for label, name in zip(data.labels, types_near(images))])
        assert share == pytest.approx(expected, abs=0.01)         # of two equally far, either

    codes, pixels, pairs = [], [], 0
    for one, other in itertools.combinations(range(len(PATTERN_TYPES)), 2):
        for a, b in list(zip(data.of_type(one), data.of_type(other)))[:50]:
            pairs += 1
            for alpha in np.arange(1, 7) / 7:
                codes.append((1 - alpha) * mu[a] + alpha * mu[b])
                pixels.append((1 - alpha) * data.clean[a] + alpha * data.clean[b])
    for frames, images in ((found.frames_near_none, decode(model, np.array(codes))),
                           (found.frames_near_none_blended, np.array(pixels))):
        none = list(types_near(images)).count("none")
        assert frames == pytest.approx(none / pairs, abs=0.05)

    for nats, images in ((found.copy_loss, data.held_out), (found.mu_loss, decode(model, mu)),
                         (found.clean_loss, main_script.mean_with_noise(data.clean))):
        loss = F.binary_cross_entropy(torch.as_tensor(images).float(), data.held_out,
                                      reduction="sum").item()
        assert nats == pytest.approx(loss / len(data.held_out), rel=1e-4)


def test_the_mean_with_noise_is_that_of_many_noisy_pixels(monkeypatch):
    monkeypatch.setattr(patterns, "NOISE", 0.2)
    clean = np.array([0.0, 0.1, 0.5, 1.0])
    noisy = clean + 0.2 * np.random.default_rng(0).standard_normal((200_000, 4))
    np.testing.assert_allclose(main_script.mean_with_noise(clean), noisy.clip(0, 1).mean(axis=0),
                               atol=3e-3)


def test_pca_samples_have_the_mean_and_the_largest_spreads():
    rng = np.random.default_rng(0)
    images = 0.5 + 0.02 * rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
    samples = main_script.sample_pca(images, 2, 40_000, 1)
    _, spreads, components = np.linalg.svd(images - images.mean(axis=0), full_matrices=False)
    expected = components[:2].T @ np.diag(spreads[:2] ** 2 / 300) @ components[:2]
    np.testing.assert_allclose(samples.mean(axis=0), images.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(np.cov(samples.T), expected, atol=0.03 * expected.max())


# --- what is printed ----------------------------------------------------------------------
FINDINGS = SimpleNamespace(
    samples=0.71, samples_pca=0.062, midpoints=0.93, midpoints_blended=0.24, frames_near_none=1.3,
    frames_near_none_blended=4.2, copy_loss=50, clean_loss=53, mu_loss=60)


def test_every_number_stands_beside_what_it_is(capsys):
    kl = np.array([0.01, 2.5, 0.03, 7.25])
    main_script.print_findings(Record(9, 67.0, 9.0, None), LatentSpace(None, kl, None, None, ()),
                               FINDINGS)
    lines = capsys.readouterr().out.splitlines()
    for words, numbers in {
            "gray pixels (cannot be reduced)": [50], "pixel noise (cannot be predicted)": [3],
            "noise of the code (sampling z around mu)": [7], "left for the model to learn": [7],
            "total": [67], "Latent dimensions in use": [0.1, 2, 4],
            "z[3]  KL": [7.25], "z[1]  KL": [2.5], "2 unused (largest KL": [0.03],
            "samples from the prior near a pattern": [71.0, 6.2, 4],
            "midpoints within a type still near that type": [93.0, 24.0],
            "of 6 frames between two types, near no type": [1.3, 4.2]}.items():
        line, = (line for line in lines if line.strip().startswith(words))
        found = re.findall(r"-?\d+\.?\d*", line.split(words)[1])
        assert [float(number) for number in found] == numbers, words


def test_the_header_says_what_is_trained(capsys):
    model = VAE(latent_dim=5)
    main_script.print_header(model, SimpleNamespace(latent_dim=5, beta=2.5, seed=7))
    text = capsys.readouterr().out
    count = sum(weights.numel() for weights in model.parameters())
    for part in (f"{main_script.NUM_TRAIN} training patterns", ", ".join(PATTERN_TYPES),
                 f"{main_script.NUM_HELD_OUT} held-out", f"{count:,} parameters", "-5, ",
                 f"VAE {patterns.IMAGE_SIZE**2}-", "beta 2.5, seed 7", "recon + 2.5 KL"):
        assert part in text
