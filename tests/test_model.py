"""The model and its loss against torch.distributions and arithmetic, and edits that go wrong."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

import vae_model
from patterns import IMAGE_SIZE, generate_patterns
from vae_model import HIDDEN_DIM, LATENT_DIM, VAE, check_model, load_model, vae_loss

PIXELS = IMAGE_SIZE**2


@pytest.fixture
def images():
    return torch.from_numpy(generate_patterns(12, 0, noise=0.03)[0])


@pytest.fixture
def codes():
    """mu and log_var far from the prior, so that no term hides behind another."""
    generator = torch.Generator().manual_seed(1)
    return (2 * torch.randn(12, 5, generator=generator), torch.randn(12, 5, generator=generator))


# --- the model ------------------------------------------------------------------------
def test_the_sizes_that_everything_else_relies_on(images):
    recon, mu, log_var = VAE()(images)
    assert recon.shape == images.shape and 0 <= recon.min() <= recon.max() <= 1
    assert mu.shape == log_var.shape == (12, LATENT_DIM)
    small = VAE(input_dim=20, hidden_dim=6, latent_dim=3)
    assert [values.shape[1] for values in small(torch.rand(4, 20))] == [20, 3, 3]
    assert (VAE().fc_mu.in_features, small.fc_mu.in_features) == (HIDDEN_DIM, 6)


def test_a_sample_has_the_mean_and_the_spread_of_its_cloud():
    torch.manual_seed(0)
    mu, log_var = torch.tensor([-3.0, 0.0, 5.0]), torch.tensor([-2.0, 0.0, 1.0])
    z = VAE(latent_dim=3).reparameterize(mu.repeat(100_000, 1), log_var.repeat(100_000, 1))
    np.testing.assert_allclose(z.mean(dim=0), mu, atol=0.02)
    np.testing.assert_allclose(z.var(dim=0), log_var.exp(), rtol=0.03)
    assert (torch.corrcoef(z.T) - torch.eye(3)).abs().max() < 0.02    # each has its own noise


def test_gradients_reach_every_weight_through_the_sample(images):
    model = VAE()
    recon, *_ = model(images)
    assert not torch.equal(recon, model(images)[0])                   # another sample
    F.binary_cross_entropy(recon, images).backward()
    for name, weights in model.named_parameters():
        assert weights.grad.abs().sum() > 0, name


# --- the loss -------------------------------------------------------------------------
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 4.0])
def test_the_loss_and_its_gradient_are_what_torch_says(images, codes, beta):
    mu, log_var = codes
    recon = torch.rand(images.shape, generator=torch.Generator().manual_seed(2)).clamp(0.01, 0.99)
    one, other = recon.clone().requires_grad_(), recon.clone().requires_grad_()
    kl = kl_divergence(Normal(mu, torch.exp(0.5 * log_var)), Normal(0.0, 1.0))
    np.testing.assert_allclose(vae_model.kl_per_dimension(mu, log_var), kl, atol=1e-5)
    loss = vae_loss(one, images, mu, log_var, beta)
    expected = F.binary_cross_entropy(other, images, reduction="sum") + beta * kl.sum()
    assert loss.shape == () and loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    expected.backward()
    np.testing.assert_allclose(one.grad, other.grad, rtol=1e-4, atol=1e-3)
    assert beta != 1 or vae_loss(recon, images, mu, log_var) == loss.detach()     # the default


def test_a_pixel_that_is_all_wrong_costs_much_but_not_infinitely_much(codes):
    wrong = torch.ones(1, 4, requires_grad=True)
    loss = vae_loss(wrong, torch.zeros(1, 4), *codes, beta=0)
    loss.backward()
    assert 40 < loss.item() < 400 and wrong.grad.isfinite().all()


@pytest.mark.parametrize("name", ["x", "recon_x"])
@pytest.mark.parametrize(("bad", "error", "sentence"), [
    (-0.01, ValueError, r"must be in \[0, 1\].*-0.01"),
    (1.01, ValueError, r"must be in \[0, 1\].*1.01"),
    (math.nan, FloatingPointError, "holds NaN.*diverged")])
def test_values_that_are_no_brightness_are_an_error(images, codes, name, bad, error, sentence):
    pair = {"x": images, "recon_x": images.clone()}
    pair[name][3, 4] = bad
    with pytest.raises(error, match=f"^{name} {sentence}"):
        vae_loss(**pair, mu=codes[0], log_var=codes[1])


# --- using a trained model --------------------------------------------------------------
def test_pictures_come_from_mu(images):
    model = VAE()
    expected = model.decoder(model.fc_mu(model.encoder(images))).detach().numpy()
    np.testing.assert_array_equal(vae_model.reconstruct(model, images), expected)
    z = np.random.default_rng(0).normal(size=(2, 3, LATENT_DIM))
    np.testing.assert_allclose(vae_model.decode(model, z)[1, 2],
                               model.decoder(torch.tensor(z[1, 2]).float()).detach(), atol=1e-6)


def test_samples_come_from_the_prior_and_its_seed():
    model = VAE(latent_dim=3)
    model.decoder = nn.Identity()                            # shows the codes themselves
    codes = vae_model.sample_prior(model, 20_000, 5)
    np.testing.assert_allclose(codes.mean(axis=0), np.zeros(3), atol=0.03)
    np.testing.assert_allclose(np.cov(codes.T), np.eye(3), atol=0.03)
    np.testing.assert_array_equal(codes, vae_model.sample_prior(model, 20_000, 5))
    assert not np.array_equal(codes, vae_model.sample_prior(model, 20_000, 6))


def test_weights_that_are_missing_or_do_not_fit_are_one_sentence(tmp_path):
    torch.save(VAE(hidden_dim=HIDDEN_DIM + 1).state_dict(), tmp_path / "wider")
    torch.save(dict([*VAE().state_dict().items()][:-1]), tmp_path / "without a bias")
    (tmp_path / "damaged").write_bytes(b"garbage")
    for name in ("wider", "without a bias", "damaged", "missing"):
        unfit = f"^The weights in .*{name} do not fit .* train again"
        missing = f"^There is no trained model yet .*{name}.*run python latent_space_"
        with pytest.raises(ValueError, match=missing if name == "missing" else unfit) as error:
            load_model(tmp_path / name)
        assert "\n" not in str(error.value)


# --- edits of the model -----------------------------------------------------------------
def edited(encoder=None, decoder=None):
    model = VAE(hidden_dim=20, latent_dim=4)
    model.encoder = nn.Sequential(*encoder) if encoder else model.encoder
    model.decoder = nn.Sequential(*decoder) if decoder else model.decoder
    return model


def test_models_of_any_depth_are_fine():
    check_model(edited([nn.Linear(PIXELS, 9), nn.Tanh(), nn.Linear(9, 20), nn.Dropout(0.5)],
                       [nn.Linear(4, PIXELS), nn.Sigmoid()]))


@pytest.mark.parametrize(("model", "sentence"), [
    (edited([nn.Linear(PIXELS, 4), nn.ReLU()]), "self.encoder .* ends with 4 .*fc_mu.* takes 20"),
    (edited([nn.Linear(PIXELS, 9), nn.ReLU(), nn.Linear(8, 20)]), "do not fit .*2x9 and 8x20"),
    (edited(None, [nn.Linear(4, 20), nn.Sigmoid()]), f"self.decoder .* end with {PIXELS} pixels"),
    (edited(None, [nn.Linear(4, PIXELS), nn.Tanh()]), r"self.decoder .* in \[0, 1\].*Sigmoid"),
    (edited(None, [nn.Linear(4, PIXELS), nn.ReLU()]), r"self.decoder .* in \[0, 1\].*Sigmoid")])
def test_an_edit_gone_wrong_is_one_sentence_with_its_layer(model, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        check_model(model)
    assert "\n" not in str(error.value)
