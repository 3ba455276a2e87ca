"""The model and its loss, against torch.distributions and against arithmetic."""

import os

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.nn import functional as F

import vae_model
from patterns import IMAGE_SIZE, ProgramError, generate_patterns
from vae_model import (
    HIDDEN_DIM,
    LATENT_DIM,
    VAE,
    WeightsError,
    check_model,
    decode,
    draw_architecture,
    kl_per_dimension,
    linear_sizes,
    load_model,
    make_model,
    reconstruction_loss,
    vae_loss,
)

PIXELS = IMAGE_SIZE**2


def assert_close(found, expected, rtol=1.3e-6, atol=1e-5):
    """What torch.testing.assert_close asks, without the half second that it needs at first."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.detach(), expected.detach(), rtol=rtol, atol=atol)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch():
    return torch.from_numpy(generate_patterns(12, 0)[0])


@pytest.fixture
def some_codes():
    """mu and log_var far from the prior, so that no term hides behind another."""
    return 2 * torch.randn(12, 5, generator=seeded(1)), torch.randn(12, 5, generator=seeded(2))


def test_default_sizes():
    model = VAE()
    x = torch.rand(3, IMAGE_SIZE**2)
    recon, mu, log_var = model(x)
    assert recon.shape == x.shape
    assert mu.shape == log_var.shape == (3, LATENT_DIM)
    assert model.encoder[0].out_features == model.encoder[2].out_features == HIDDEN_DIM
    assert model.fc_mu.out_features == model.fc_var.out_features == LATENT_DIM


@pytest.mark.parametrize("sizes", [(64, 32, 2), (256, 128, 64), (1024, 16, 3)])
def test_other_sizes(sizes):
    input_dim, hidden_dim, latent_dim = sizes
    model = VAE(input_dim=input_dim, hidden_dim=hidden_dim, latent_dim=latent_dim)
    recon, mu, _ = model(torch.rand(2, input_dim))
    assert recon.shape == (2, input_dim)
    assert mu.shape == (2, latent_dim)


def test_reconstructions_are_probabilities(batch):
    recon, _, _ = VAE()(100 * batch)         # extreme inputs saturate, but stay inside
    assert recon.min() >= 0
    assert recon.max() <= 1


def test_encode_against_matrix_arithmetic(batch):
    model = VAE()
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    hidden = batch.double().numpy()
    for layer in (f"encoder.{index}" for index in range(0, len(model.encoder), 2)):
        hidden = np.maximum(hidden @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"], 0)
    for output, layer in zip(model.encode(batch), ("fc_mu", "fc_var")):
        expected = hidden @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
        np.testing.assert_allclose(output.detach().numpy(), expected, atol=1e-5)


def test_forward_decodes_the_sampled_code(batch):
    model = VAE()
    recon, mu, log_var = model(batch, seeded(3))
    z = model.reparameterize(mu, log_var, seeded(3))
    assert_close(recon, model.decoder(z))
    assert not torch.equal(recon, model(batch, seeded(4))[0])    # another draw, another picture


def test_kl_against_torch_distributions(some_codes):
    mu, log_var = some_codes
    expected = kl_divergence(Normal(mu, torch.exp(0.5 * log_var)), Normal(0.0, 1.0))
    assert_close(kl_per_dimension(mu, log_var), expected)


def test_kl_is_zero_at_the_prior_only():
    zero = torch.zeros(1, 3)
    assert kl_per_dimension(zero, zero).sum() == 0
    assert (kl_per_dimension(zero + 0.1, zero) > 0).all()
    assert (kl_per_dimension(zero, zero + 0.1) > 0).all()


def test_reconstruction_against_torch_distributions(batch):
    recon = torch.rand(batch.shape, generator=seeded(5))
    expected = -Bernoulli(recon, validate_args=False).log_prob(batch).sum()
    assert_close(reconstruction_loss(recon, batch), expected)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 4.0])
def test_loss_is_the_sum_of_its_parts(batch, some_codes, beta):
    mu, log_var = some_codes
    recon = torch.rand(batch.shape, generator=seeded(6))
    kl = kl_divergence(Normal(mu, torch.exp(0.5 * log_var)), Normal(0.0, 1.0)).sum()
    expected = F.binary_cross_entropy(recon, batch, reduction="sum") + beta * kl
    loss = vae_loss(recon, batch, mu, log_var, beta)
    assert loss.shape == ()
    assert_close(loss, expected)


def test_loss_gradient_is_that_of_binary_cross_entropy(batch):
    recon = torch.rand(batch.shape, generator=seeded(7)).clamp(0.01, 0.99)
    gradients = []
    for loss in (reconstruction_loss,
                 lambda r, x: F.binary_cross_entropy(r, x, reduction="sum")):
        leaf = recon.clone().requires_grad_()
        loss(leaf, batch).backward()
        gradients.append(leaf.grad)
    assert_close(*gradients, rtol=1e-4, atol=1e-3)


def test_saturated_pixels_cost_much_but_finitely():
    wrong, target = torch.ones(1, 4, requires_grad=True), torch.zeros(1, 4)
    loss = reconstruction_loss(wrong, target)
    loss.backward()
    assert 4 * 10 < loss.item() < 4 * 101
    assert wrong.grad.isfinite().all()
    assert reconstruction_loss(target, target).item() == pytest.approx(0, abs=1e-5)


def test_gradients_reach_every_parameter(batch):
    torch.manual_seed(0)
    model = VAE()
    recon, mu, log_var = model(batch, seeded())
    vae_loss(recon, batch, mu, log_var).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_reparameterized_samples_have_the_right_mean_and_spread():
    mu = torch.tensor([[-3.0, 0.0, 5.0]]).repeat(200_000, 1)
    log_var = torch.tensor([[-2.0, 0.0, 1.0]]).repeat(200_000, 1)
    z = VAE(latent_dim=3).reparameterize(mu, log_var, seeded(8))
    assert_close(z.mean(dim=0), mu[0], rtol=0, atol=0.015)
    assert_close(z.var(dim=0), log_var[0].exp(), rtol=0.02, atol=0)
    correlation = torch.corrcoef(z.T) - torch.eye(3)
    assert correlation.abs().max() < 0.01               # each dimension has its own noise


def test_gradients_flow_through_the_sampling():
    mu = torch.zeros(4, 3, requires_grad=True)
    log_var = torch.zeros(4, 3, requires_grad=True)
    z = VAE(latent_dim=3).reparameterize(mu, log_var, seeded(9))
    z.sum().backward()
    assert_close(mu.grad, torch.ones(4, 3))
    assert_close(log_var.grad, 0.5 * z.detach())   # dz/dlog_var = sigma eps / 2


def test_sampling_uses_the_given_generator_alone():
    state = torch.get_rng_state()
    VAE.reparameterize(None, torch.zeros(2, 2), torch.zeros(2, 2), seeded())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("bad", [-0.01, 1.01, 255.0, float("nan"), float("inf")])
def test_targets_outside_the_unit_interval_are_named(batch, some_codes, bad):
    recon, x = batch.clone(), batch.clone()
    x[3, 4] = bad
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\], but .*" + f"{bad:g}"):
        vae_loss(recon, x, *some_codes)


def test_reconstructions_outside_the_unit_interval_are_named(batch, some_codes):
    with pytest.raises(ValueError, match=r"recon_x must lie in \[0, 1\], but .* 3"):
        vae_loss(batch + 2, batch, *some_codes)


def test_shapes_that_differ_are_named(batch, some_codes):
    mu, log_var = some_codes
    with pytest.raises(ValueError, match=rf"recon_x and x .*\(11, {PIXELS}\) and \(12, {PIXELS}\)"):
        vae_loss(batch[1:], batch, mu, log_var)
    with pytest.raises(ValueError, match=r"mu and log_var .*\(12, 5\) and \(12, 4\)"):
        vae_loss(batch, batch, mu, log_var[:, :4])


def test_diverged_reconstructions_are_called_so(batch, some_codes):
    with pytest.raises(FloatingPointError, match="diverged"):
        vae_loss(batch * float("nan"), batch, *some_codes)


# --- a trained model ------------------------------------------------------------------
@pytest.mark.parametrize("latent_dim", [2, 3, 64])
def test_loaded_weights_make_the_same_model(tmp_path, latent_dim):
    model = VAE(latent_dim=latent_dim)
    torch.save(model.state_dict(), tmp_path / "weights")
    state = torch.get_rng_state()
    loaded = load_model(tmp_path / "weights")        # finds the dimension by itself
    assert torch.equal(torch.get_rng_state(), state)
    codes = np.random.default_rng(0).normal(size=(5, latent_dim))
    np.testing.assert_array_equal(decode(loaded, codes), decode(model, codes))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read anything")
def test_weights_that_may_not_be_read_are_named(tmp_path):
    torch.save(VAE().state_dict(), tmp_path / "weights")
    (tmp_path / "weights").chmod(0)
    with pytest.raises(WeightsError, match="permission denied"):
        load_model(tmp_path / "weights")


def test_weights_that_cannot_be_loaded_are_named(tmp_path):
    file = tmp_path / "vae_weights.pth"
    train = "train one with python latent_space_exploration.py"
    with pytest.raises(WeightsError, match=f"There is no trained model yet .*{train}"):
        load_model(file)
    nan = VAE().state_dict()
    nan["fc_mu.bias"] = nan["fc_mu.bias"] * float("nan")
    for other, sentence in (
        (None, "holds no trained model"),
        ({"weight": torch.zeros(2)}, "holds no trained model"),
        ([1, 2], "holds no trained model"),
        (VAE(hidden_dim=32).state_dict(), "other layers than VAE in vae_model.py has now"),
        ({**VAE().state_dict(), "encoder.4.weight": torch.zeros(2)}, "other layers than VAE"),
        (nan, "not finite numbers"),
    ):
        if other is None:
            file.write_bytes(b"not weights")
        else:
            torch.save(other, file)
        with pytest.raises(WeightsError, match=f"{sentence}.*{train}"):
            load_model(file)


# --- edits of the model that go wrong -------------------------------------------------
def edited(encoder=None, decoder=None):
    model = VAE(hidden_dim=20, latent_dim=4)
    model.encoder = nn.Sequential(*encoder) if encoder else model.encoder
    model.decoder = nn.Sequential(*decoder) if decoder else model.decoder
    return model


def test_models_of_other_depths_are_fine():
    check_model(VAE())
    check_model(edited([nn.Linear(PIXELS, 20), nn.ReLU()],
                       [nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, PIXELS), nn.Sigmoid()]))
    check_model(edited([nn.Linear(PIXELS, 9), nn.ReLU(), nn.Linear(9, 20), nn.ReLU()]))


def test_a_layer_that_got_lost_is_named():
    model = VAE()
    del model.fc_var
    with pytest.raises(ProgramError, match="self.fc_var in vae_model.py must be an nn.Linear"):
        check_model(model)


def test_layers_of_another_kind_or_size_are_named():
    model = VAE()
    model.fc_var = nn.Linear(HIDDEN_DIM, LATENT_DIM + 1)
    with pytest.raises(ProgramError, match="fc_mu and self.fc_var .* equally many"):
        check_model(model)
    model.encoder = nn.Linear(PIXELS, HIDDEN_DIM)
    with pytest.raises(ProgramError, match=r"self.encoder .* must be an nn.Sequential"):
        check_model(model)


@pytest.mark.parametrize(("model", "sentence"), [
    (edited([nn.Linear(PIXELS, 4), nn.ReLU()]), r"encoder .* ends with 4 values, but self.fc_mu"),
    (edited([nn.Linear(PIXELS, 9), nn.ReLU(), nn.Linear(20, 20)]),
     r"entry 3 of self.encoder in vae_model.py must take a tensor of 9 values .*Linear\(.*=20"),
    (edited(None, [nn.Linear(4, PIXELS)]), r"decoder .* must end in nn.Sigmoid\(\).* reach"),
    (edited(None, [nn.Linear(4, PIXELS), nn.Tanh()]), r"decoder .* nn.Sigmoid\(\).* from -1 to 1"),
    (edited([nn.Linear(PIXELS, 20).double()]), r"entry 1 of self.encoder .* \(float32\)"),
    (edited([nn.GRU(PIXELS, 20)]), r"entry 1 of self.encoder .* give another one, but it is GRU"),
    (VAE(latent_dim=1), r"self.fc_mu in vae_model.py must give two values or more"),
    (edited(None, [nn.Linear(20, PIXELS), nn.Sigmoid()]),
     r"entry 1 of self.decoder .* of 4 values .* but it is Linear\(in_features=20"),
    (edited(None, [nn.Linear(4, 20), nn.Sigmoid()]), r"decoder .* ends with 20 values, but a pict"),
])
def test_an_edit_that_goes_wrong_is_named_with_its_place(model, sentence):
    with pytest.raises(ProgramError, match=sentence):
        check_model(model)


class Slip(VAE):
    def __init__(self, latent_dim):
        super().__init__()
        nn.Sequential(nn.Linear(2, 2), nn.ReLU)


def test_an_init_that_stops_is_named_with_its_line():
    line = Slip.__init__.__code__.co_firstlineno + 2
    with pytest.raises(ProgramError, match=f"Slip.__init__ .*line {line}, stops with TypeError"):
        make_model(2, 0, Slip)


def without_return(self, x, generator=None):
    self.encode(x)


def two_values(self, x, generator=None):
    mu, log_var = self.encode(x)
    return self.decoder(mu), mu


def another_width(self, x):
    hidden = self.encoder(x)
    return hidden, self.fc_var(hidden)


def changed_in_place(self, x, generator=None):
    mu, log_var = self.encode(x.mul_(0.5))
    return self.decoder(mu), mu, log_var


def left_early(self, x, generator=None):
    raise SystemExit


def undefined_name(self, mu, log_var, generator=None):
    return mu + sigma * log_var  # noqa: F821


@pytest.mark.parametrize(("place", "name", "edit", "sentence"), [
    (VAE, "forward", without_return, r"VAE.forward in vae_model.py must return recon_x of shape"),
    (VAE, "forward", two_values, r"VAE.forward in vae_model.py must return recon_x of shape"),
    (VAE, "forward", changed_in_place, r"VAE.forward in vae_model.py must leave x as it is"),
    (VAE, "forward", left_early, r"in vae_model.py stops with SystemExit"),
    (VAE, "encode", another_width, rf"VAE.encode .* must return mu of shape \(N, {LATENT_DIM}\)"),
    (VAE, "reparameterize", undefined_name, r"in vae_model.py stops with NameError: name 'sigma'"),
    (vae_model, "vae_loss", lambda *_: None, "vae_loss in vae_model.py must return one number"),
    (vae_model, "vae_loss", lambda recon_x, *_: recon_x, "vae_loss .* must return one number"),
    (vae_model, "kl_per_dimension", lambda mu, _: mu.sum(), "kl_per_dim.* must return kl of"),
])
def test_a_slip_is_named_before_the_training(monkeypatch, place, name, edit, sentence):
    monkeypatch.setattr(place, name, edit)
    with pytest.raises(ProgramError, match=sentence):
        check_model(VAE())


def test_layers_that_do_not_fit_are_named_whatever_their_kind():
    model = VAE()
    model.encoder.append(nn.LayerNorm(HIDDEN_DIM + 1))
    with pytest.raises(ProgramError, match=rf"entry 5 .* of {HIDDEN_DIM} values.*LayerNorm"):
        check_model(model)
    model.encoder[4] = nn.Sequential(nn.ReLU(), nn.Linear(1, 1))
    with pytest.raises(ProgramError, match=r"entry 5 .*Sequential\( \(0\): ReLU\(\)") as wrong:
        check_model(model)
    assert "\n" not in str(wrong.value)


def test_layers_in_layers_are_fine_with_their_sizes():
    half = nn.Sequential(nn.Linear(4, 20), nn.Dropout(0.5))
    model = edited(None, [half, nn.Sequential(nn.Linear(20, PIXELS), nn.Sigmoid())])
    check_model(model)
    assert linear_sizes(model.decoder, 4, PIXELS) == [4, 20, PIXELS]


def test_convolutions_are_fine_and_the_picture_names_their_true_sizes():
    side = (IMAGE_SIZE + 1) // 2
    model = edited([nn.Unflatten(1, (1, IMAGE_SIZE, IMAGE_SIZE)),
                    nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten()])
    model.fc_mu, model.fc_var = nn.Linear(2 * side**2, 4), nn.Linear(2 * side**2, 4)
    model.decoder = nn.Sequential(
        nn.Linear(4, 2 * PIXELS), nn.ReLU(), nn.Unflatten(1, (2, IMAGE_SIZE, IMAGE_SIZE)),
        nn.Conv2d(2, 1, 3, padding=1), nn.Sigmoid(), nn.Flatten())
    check_model(model)
    labels = [text.get_text() for text in draw_architecture(model).axes[0].texts]
    for label in (f"image x\n{PIXELS}", f"hidden\n{2 * side**2}", f"hidden\n{2 * PIXELS}",
                  f"recon_x\n{PIXELS}"):
        assert label in labels


def test_trying_a_model_out_changes_neither_it_nor_torchs_generator():
    model = VAE()
    before = torch.get_rng_state()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    check_model(model)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())
    assert torch.equal(torch.get_rng_state(), before)
