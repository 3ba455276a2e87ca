"""The variational autoencoder (VAE) of the exercise, and its loss.

    image x --encoder--> mu, log_var --reparameterize--> z --decoder--> recon_x
     (256)     (128-128)     (8)                        (8)   (128-128)  (256)

The encoder outputs a small cloud in the latent space, N(mu, exp(log_var)), not a point.
The decoder must reproduce the image from any point of that cloud. This is why
neighboring points decode to similar images.

Source: Kingma & Welling (2014), "Auto-Encoding Variational Bayes".
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from patterns import IMAGE_SIZE, OUTPUT_DIR, new_figure

# --- sizes (change them here; everything else follows) ------------------------
HIDDEN_DIM = 128   # neurons in each hidden layer
LATENT_DIM = 8     # numbers in the code of an image                    (try: 2, 32, 64)

WEIGHTS_FILE = "vae_weights.pth"     # where a run keeps the weights of its trained model


# --- the model ------------------------------------------------------------------
class VAE(nn.Module):
    """Encoder, reparameterization and decoder: small MLPs of ``hidden_dim`` neurons per layer.

    An image has ``input_dim`` pixels, and its code ``latent_dim`` numbers.
    """

    def __init__(self, input_dim=IMAGE_SIZE**2, hidden_dim=HIDDEN_DIM, latent_dim=LATENT_DIM):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(input_dim, hidden_dim), nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim), nn.ReLU(),
        )
        self.fc_mu = nn.Linear(hidden_dim, latent_dim)
        # Despite its usual name this layer gives the *logarithm* of the variance: any
        # number is a valid logarithm, while a variance must not be negative.
        self.fc_var = nn.Linear(hidden_dim, latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim), nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim), nn.ReLU(),
            nn.Linear(hidden_dim, input_dim), nn.Sigmoid(),
        )

    def encode(self, x):
        """Map images (N, input_dim) to ``mu`` and ``log_var``, both (N, latent_dim)."""
        hidden = self.encoder(x)                             # (N, hidden_dim)
        return self.fc_mu(hidden), self.fc_var(hidden)

    def reparameterize(self, mu, log_var):
        """Sample z = mu + sigma * epsilon with epsilon from N(0, 1); all (N, latent_dim).

        All randomness is in epsilon, so gradients flow through mu and log_var
        (Kingma & Welling 2014, section 2.4).
        """
        epsilon = torch.randn_like(mu)
        return mu + torch.exp(0.5 * log_var) * epsilon       # sigma = sqrt(exp(log_var))

    def forward(self, x):
        """Encode, sample and decode: returns ``recon_x`` (in [0, 1]), ``mu``, ``log_var``."""
        mu, log_var = self.encode(x)
        z = self.reparameterize(mu, log_var)
        return self.decoder(z), mu, log_var


# --- the loss -------------------------------------------------------------------
def vae_loss(recon_x, x, mu, log_var, beta=1.0):
    """Negative ELBO (evidence lower bound): reconstruction + beta * KL, summed over the batch.

    The KL pulls the clouds toward the prior N(0, 1), so that samples from the prior decode to
    images, too. It is a beta-VAE if ``beta`` is not 1 (Higgins et al. 2017). The unit is nats
    (1.44 bits). Divide by the number of images for nats per image.

    Parameters
    ----------
    recon_x, x : tensors (N, input_dim), decoded images and their targets, in [0, 1]
    mu, log_var : tensors (N, latent_dim)
    beta : float, weight of the KL term

    Returns
    -------
    scalar tensor

    Raises
    ------
    ValueError if the shapes of ``recon_x`` and ``x`` differ, or a value is not in [0, 1];
    FloatingPointError if a pixel is NaN
    """
    kl = kl_per_dimension(mu, log_var).sum()
    return reconstruction_loss(recon_x, x) + beta * kl


def reconstruction_loss(recon_x, x):
    """Binary cross-entropy of images (N, input_dim) in [0, 1], summed, in nats.

    sum of -x log(recon_x) - (1 - x) log(1 - recon_x): each pixel of recon_x is the
    probability of white. Values are kept 1e-7 away from 0 and 1, where the
    logarithm would be infinite. Raises what ``vae_loss`` raises.
    """
    for name, values in (("x", x), ("recon_x", recon_x)):
        low, high = values.min().item(), values.max().item()       # NaN if any value is NaN
        if math.isnan(low):
            raise FloatingPointError(f"{name} holds NaN. If the training diverged, try a smaller "
                                     "LEARNING_RATE or beta")
        if low < 0 or high > 1:
            raise ValueError(f"{name} must be in [0, 1], but its values span {low:g} to {high:g}")
    # Gives what F.binary_cross_entropy gives, in a third of the time. ..._with_logits applies a
    # sigmoid itself, so logit undoes the decoder's. It raises the error if shapes differ.
    logits = torch.logit(recon_x, eps=1e-7)
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


def kl_per_dimension(mu, log_var):
    """KL divergence from N(mu, exp(log_var)) to N(0, 1) in nats, for each element.

    (mu**2 + exp(log_var) - 1 - log_var) / 2, from Kingma & Welling (2014),
    appendix B. Takes and returns tensors (N, latent_dim).
    """
    return 0.5 * (mu.square() + log_var.exp() - 1 - log_var)


# --- using a trained model --------------------------------------------------------
@torch.no_grad()
def decode(model, z):
    """Decode codes (..., latent_dim), an array or a tensor, to an array (..., input_dim)."""
    return model.decoder(torch.as_tensor(z, dtype=torch.float32)).numpy()


@torch.no_grad()
def reconstruct(model, images):
    """Encode images, a tensor (N, pixels), and decode ``mu``, no sample: array (N, pixels)."""
    return decode(model, model.encode(images)[0])


def sample_prior(model, count, seed):
    """Decode ``count`` samples from the prior N(0, 1): array (count, pixels)."""
    generator = torch.Generator().manual_seed(seed)
    return decode(model, torch.randn(count, model.fc_mu.out_features, generator=generator))


class ModelError(ValueError):
    """The model is missing, or its layers do not fit together."""


def load_model(file=OUTPUT_DIR / WEIGHTS_FILE):
    """The trained model of an earlier run, with as many latent dimensions as that run had.

    Raises a ``ModelError`` if the weights are missing or do not fit the layers of ``VAE``.
    """
    try:
        weights = torch.load(file, weights_only=True)
        model = VAE(latent_dim=len(weights["fc_mu.weight"]))         # (latent_dim, hidden_dim)
        model.load_state_dict(weights)
    except FileNotFoundError:
        raise ModelError(f"There is no trained model yet ({file}): "
                         "run python latent_space_exploration.py first") from None
    except Exception as error:         # damaged files raise errors of a dozen kinds
        raise ModelError(f"The weights in {file} do not fit the VAE: undo your edit, or train "
                         "again with python latent_space_exploration.py") from error
    return model.eval()


def linear_sizes(layers):
    """The sizes before, between and after the Linear layers of a Sequential: list of int."""
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    return [linear[0].in_features, *(layer.out_features for layer in linear)]


def check_model(model):
    """Raise a ``ModelError`` that says where, if an edit has broken the model.

    Two images go through it. Two huge codes go through its decoder: do pixels leave [0, 1]?
    """
    size, expected = linear_sizes(model.encoder)[-1], model.fc_mu.in_features
    if size != expected:
        raise ModelError(f"self.encoder in vae_model.py ends with {size} values, but self.fc_mu, "
                         f"which follows, takes {expected}")
    codes = torch.tensor([[-1e3], [1e3]]).expand(2, model.fc_mu.out_features)
    try:
        model(torch.zeros(2, IMAGE_SIZE**2))
        images = torch.from_numpy(decode(model, codes))
    except RuntimeError as error:
        raise ModelError(f"The layers of the VAE in vae_model.py do not fit together: "
                         f"{error}") from error
    if images.shape != (2, IMAGE_SIZE**2) or images.min() < 0 or images.max() > 1:
        raise ModelError(f"self.decoder in vae_model.py must end with {IMAGE_SIZE**2} pixels "
                         "in [0, 1], so with nn.Linear(hidden_dim, input_dim), nn.Sigmoid()")


# --- the model as a picture (nothing here is needed to understand the model) ------
def draw_architecture(model):
    """The model as boxes, with the sizes of its own layers. A solid arrow is a layer."""
    encoder, decoder = linear_sizes(model.encoder), linear_sizes(model.decoder)
    mu_column, latent = len(encoder), decoder[0]                # decoder[0] is the size of z
    z_column, last = mu_column + 1, mu_column + len(decoder)
    font_size = min(9, 80 / last)
    figure = new_figure(3.5, "The VAE: the number of values for one image at each stage")
    axes = figure.subplots()
    axes.set(xlim=(-0.5, last + 0.5), ylim=(-3.8, 2.1))
    axes.set_axis_off()

    def box(column, y, name, size, color):
        """Draw a box around (column, y), and return it. Middles of mu and log_var are 2.2 apart."""
        height = min(1.8 if size == latent else 3.2, 0.75 + 0.15 * math.sqrt(size))
        axes.text(column, y, f"{name}\n{size}", ha="center", va="center", fontsize=font_size)
        bars = axes.bar(column, height, width=0.72, bottom=y - height / 2, fc=color, ec="black")
        return bars.patches[0]

    def arrow(start, end, linestyle="-"):
        """Draw an arrow from middle to middle, of which the part between the boxes is seen."""
        axes.annotate("", xytext=start.get_center(), xy=end.get_center(), arrowprops={
            "arrowstyle": "->", "linestyle": linestyle, "patchA": start, "patchB": end})

    inwards = [box(column, 0, "hidden" if column else "image x", size, "#CFE5F3")
               for column, size in enumerate(encoder)]
    mu = box(mu_column, 1.1, "mu", latent, "#FCE3B0")
    log_var = box(mu_column, -1.1, "log_var", latent, "#FCE3B0")
    z = box(z_column, 0, "z", latent, "#FCE3B0")
    epsilon = box(z_column, -2.3, "epsilon", latent, "0.9")
    outwards = [box(column, 0, "recon_x" if column == last else "hidden", size, "#C9EBDD")
                for column, size in enumerate(decoder[1:], start=z_column + 1)]
    for start, end in [*pairwise([*inwards, mu]), *pairwise([z, *outwards])]:     # neighbors
        arrow(start, end)
    arrow(inwards[-1], log_var)
    for start in (mu, log_var, epsilon):
        arrow(start, z, "--")
    kinds = [", ".join(sorted({type(layer).__name__ for layer in layers}))
             for layers in (model.encoder, model.decoder)]
    for x, y, text in (((mu_column - 1) / 2, -2.3, f"encoder\n{kinds[0]}"),
                       ((z_column + 1 + last) / 2, -2.3, f"decoder\n{kinds[1]}"),
                       (mu_column + 0.5, -3.6, "z = mu + exp(log_var / 2) * epsilon")):
        axes.text(x, y, text, ha="center", va="center", fontsize=9)
    return figure
