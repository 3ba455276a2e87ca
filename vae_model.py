"""The variational autoencoder (VAE) of the exercise, and its loss.

    image x --encoder--> mu, log_var --reparameterize--> z --decoder--> recon_x
     (256)    (128, 128)     (8)                        (8)  (128, 128)  (256)

The encoder does not answer with one point of the latent space but with a small
cloud, N(mu, exp(log_var)); the decoder has to recognise the image from any
point of that cloud. This is what makes neighbouring points mean similar images.

The file reads: the model, its loss, a trained model saved and loaded,
the model as a picture, and last what an edit of this file may get wrong.

Source: Kingma & Welling (2014), "Auto-Encoding Variational Bayes".
"""

import copy
import io
import math
import textwrap
import traceback

import torch
from torch import nn
from torch.nn import functional as F

from patterns import IMAGE_SIZE, OUTPUT_DIR, ProgramError, check_number, new_figure

# --- sizes (change them here; everything else follows) ------------------------
HIDDEN_DIM = 128   # neurons in each hidden layer
LATENT_DIM = 8     # numbers that describe one image                    (try: 2, 32, 64)

WEIGHTS = "vae_weights.pth"     # the file in which a run keeps the trained model


# --- the model ------------------------------------------------------------------
class VAE(nn.Module):
    """Encoder, reparameterization and decoder, all of them small MLPs.

    Parameters
    ----------
    input_dim : int, pixels per image
    hidden_dim : int, neurons in each hidden layer
    latent_dim : int, dimensions of the latent space
    """

    def __init__(self, input_dim=IMAGE_SIZE**2, hidden_dim=HIDDEN_DIM, latent_dim=LATENT_DIM):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(input_dim, hidden_dim), nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim), nn.ReLU(),
        )
        self.fc_mu = nn.Linear(hidden_dim, latent_dim)
        # Despite its name this layer gives the *logarithm* of the variance: any
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

    def reparameterize(self, mu, log_var, generator=None):
        """Draw z = mu + sigma * epsilon with epsilon from N(0, 1).

        The randomness sits in epsilon alone, so gradients flow through mu and
        log_var (Kingma & Welling 2014, section 2.4).

        Parameters
        ----------
        mu, log_var : tensors (N, latent_dim)
        generator : torch.Generator or None
            Where epsilon comes from; None takes torch's global one.

        Returns
        -------
        tensor (N, latent_dim)
        """
        epsilon = torch.empty_like(mu).normal_(generator=generator)     # randn_like takes none
        return mu + torch.exp(0.5 * log_var) * epsilon       # sigma = sqrt(exp(log_var))

    def forward(self, x, generator=None):
        """Encode, sample and decode: returns ``recon_x`` (in [0, 1]), ``mu``, ``log_var``."""
        mu, log_var = self.encode(x)
        z = self.reparameterize(mu, log_var, generator)
        return self.decoder(z), mu, log_var


# --- the loss -------------------------------------------------------------------
def vae_loss(recon_x, x, mu, log_var, beta=1.0):
    """Negative ELBO in nats: reconstruction + beta * KL, summed over the batch.

    Divide by the number of images for nats per image. ``beta`` other than 1
    makes it the loss of a beta-VAE (Higgins et al. 2017).

    Parameters
    ----------
    recon_x, x : tensors (N, input_dim), decoded images and targets in [0, 1]
    mu, log_var : tensors (N, latent_dim)
    beta : float, weight of the KL term

    Returns
    -------
    scalar tensor

    Raises
    ------
    ValueError
        If shapes do not match, or if a value of ``recon_x`` or ``x`` lies
        outside [0, 1].
    FloatingPointError
        If ``recon_x`` holds NaN, the mark of a training that diverged.
    """
    kl = kl_per_dimension(mu, log_var).sum()
    return reconstruction_loss(recon_x, x) + beta * kl


def reconstruction_loss(recon_x, x):
    """Binary cross-entropy of images (N, input_dim) in [0, 1], summed, in nats.

    sum of -x log(recon_x) - (1 - x) log(1 - recon_x). Decoded values are kept
    1e-7 away from 0 and 1, where the logarithm would be infinite. Raises what
    ``vae_loss`` raises.
    """
    _require_same_shape("recon_x", recon_x, "x", x)
    if recon_x.isnan().any():
        raise FloatingPointError("recon_x holds NaN: the training has diverged")
    _require_unit_interval("x", x)
    _require_unit_interval("recon_x", recon_x)
    # Away from 0 and 1 this has the value of F.binary_cross_entropy(recon_x, x), which would
    # make the whole training 13% slower.
    logits = torch.logit(recon_x, eps=1e-7)
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


def kl_per_dimension(mu, log_var):
    """KL divergence from N(mu, exp(log_var)) to N(0, 1) in nats, elementwise.

    (mu**2 + exp(log_var) - 1 - log_var) / 2, from Kingma & Welling (2014),
    appendix B. Takes and returns tensors (N, latent_dim); raises ``ValueError``
    if the two shapes differ.
    """
    _require_same_shape("mu", mu, "log_var", log_var)
    return 0.5 * (mu.square() + log_var.exp() - 1 - log_var)


def _require_same_shape(name_a, a, name_b, b):
    if a.shape != b.shape:
        raise ValueError(
            f"{name_a} and {name_b} must have the same shape, "
            f"not {tuple(a.shape)} and {tuple(b.shape)}"
        )


def _require_unit_interval(name, values):
    low, high = (bound.item() for bound in values.aminmax())
    if not (low >= 0 and high <= 1):                         # NaN is outside, too
        raise ValueError(f"{name} must lie in [0, 1], but its values span {low:g} to {high:g}")


# --- a trained model ------------------------------------------------------------
@torch.no_grad()
def decode(model, z):
    """Decode codes (N, latent_dim), an array or a tensor, to an array (N, input_dim)."""
    return model.decoder(torch.as_tensor(z, dtype=torch.float32)).numpy()


@torch.no_grad()
def reconstruct(model, images):
    """Decode the means of images, a tensor (N, pixels): array (N, pixels), no noise in it."""
    return decode(model, model.encode(images)[0])


def sample_prior(model, count, seed):
    """Decode ``count`` draws from the prior N(0, 1): array (count, pixels)."""
    generator = torch.Generator().manual_seed(seed)
    return decode(model, torch.randn(count, model.fc_mu.out_features, generator=generator))


def weights_file(model):
    """The bytes of a file that ``load_model`` reads."""
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    return file.getvalue()


class WeightsError(ProgramError):
    """Weights that are missing or belong to another model."""


def load_model(file=None):
    """The trained model of an earlier run, with as many latent dimensions as that run had.

    ``file`` is the path of its weights; None takes those in the folder ``outputs``.

    Raises
    ------
    WeightsError
        If there is no such file, or if its layers are not those of ``VAE``.
    """
    file = OUTPUT_DIR / WEIGHTS if file is None else file
    again = "train one with python latent_space_exploration.py"
    try:
        weights = torch.load(file, weights_only=True)
        latent_dim = len(weights["fc_mu.weight"])
    except FileNotFoundError:
        raise WeightsError(f"There is no trained model yet ({file}): {again}") from None
    except PermissionError:
        raise WeightsError(f"There may be a trained model, but it cannot be read ({file}): "
                           "permission denied") from None
    except Exception:      # damaged bytes raise errors of a dozen kinds
        raise WeightsError(f"This file holds no trained model: {file}; {again}") from None
    model = make_model(latent_dim, seed=0)                  # its initial weights are not kept
    try:
        model.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError):
        raise WeightsError(f"The model in {file} has other layers than VAE has now: undo what was "
                           f"edited since (in vae_model.py, or IMAGE_SIZE), or {again}") from None
    if not all(values.isfinite().all() for values in weights.values()):
        raise WeightsError(f"The weights in {file} are not finite numbers: {again}")
    return model.eval()


# --- the model as a picture -------------------------------------------------------
def linear_sizes(layers, before, after):
    """How many values go into a Sequential, come from each Linear layer, and come out at last.

    For the encoder [256, 128, 128]. Layers of other kinds add a size only at the end.
    """
    sizes = [before, *(layer.out_features for layer in layers.modules()
                       if isinstance(layer, nn.Linear))]
    return sizes if sizes[-1] == after else [*sizes, after]


def kinds_of_layers(layers):
    """In words: the kinds of layers in a Sequential, each once."""
    kinds = dict.fromkeys(type(layer).__name__ for layer in layers.modules()
                          if not list(layer.children()))
    return textwrap.fill(", ".join(kinds), 24)


def draw_architecture(model):
    """The model as boxes and arrows, with the sizes that its own layers have."""
    latent = model.fc_mu.out_features
    encoder = linear_sizes(model.encoder, IMAGE_SIZE**2, model.fc_mu.in_features)
    decoder = linear_sizes(model.decoder, latent, IMAGE_SIZE**2)
    heads = len(encoder)                                     # the column of mu and log_var
    last = heads + len(decoder)
    boxes = [(column, 0, "hidden" if column else "image x", size, "#CFE5F3")
             for column, size in enumerate(encoder)]
    boxes += [(heads, 1.3, "mu", latent, "#FCE3B0"), (heads, -1.3, "log_var", latent, "#FCE3B0"),
              (heads + 1, 0, "z", latent, "#FCE3B0"), (heads + 1, -3.1, "epsilon", latent, "0.9")]
    boxes += [(column, 0, "hidden" if column < last else "recon_x", size, "#C9EBDD")
              for column, size in enumerate(decoder[1:], start=heads + 2)]

    figure = new_figure(4.4, "The VAE, box by box (number of values for one image)")
    axes = figure.subplots()
    axes.set(xlim=(-0.5, last + 0.5), ylim=(-5.6, 2.5))
    axes.set_axis_off()
    font_size = min(9, 80 / (last + 1))                      # the more boxes, the narrower
    for x, y, name, size, color in boxes:
        height = box_height(size)
        axes.bar(x, height, 0.66, y - height / 2, color=color, edgecolor="black")
        axes.text(x, y, f"{name}\n{size}", ha="center", va="center", fontsize=font_size)

    straight = [column for column in range(last) if column not in (heads - 1, heads)]
    joints = [((column, 0), (column + 1, 0)) for column in straight]
    joints += [((heads - 1, 0), (heads, y)) for y in (1.3, -1.3)]
    joints += [((heads, y), (heads + 1, 0)) for y in (1.3, -1.3)]
    for (x0, y0), (x1, y1) in joints:
        draw_arrow(axes, (x0 + 0.34, y0), (x1 - 0.34, y1))
    draw_arrow(axes, (heads + 1, -3.1 + box_height(latent) / 2),
               (heads + 1, -box_height(latent) / 2))

    for x, text in (
        ((heads - 1) / 2, f"encoder\n{kinds_of_layers(model.encoder)}"),
        (heads + 0.5, "reparameterization\nz = mu + exp(log_var / 2) * epsilon"),
        ((heads + 2 + last) / 2, f"decoder\n{kinds_of_layers(model.decoder)}"),
    ):
        axes.text(x, -4.4, text, ha="center", va="top", fontsize=9)
    return figure


def box_height(size):
    """Taller for more values, but only as the logarithm."""
    return 0.6 + 0.19 * math.log2(size)


def draw_arrow(axes, start, end):
    axes.annotate("", xy=end, xytext=start,
                  arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0})


# --- what an edit of this file may get wrong --------------------------------------
def check_constants():
    """Raise a ProgramError that names the first constant of this file that cannot be."""
    check_number("HIDDEN_DIM in vae_model.py", HIDDEN_DIM, 1, 4096, whole=True)
    check_number("LATENT_DIM in vae_model.py", LATENT_DIM, 2, 512, whole=True)


def make_model(latent_dim, seed, model_class=VAE):
    """A VAE with seeded initial weights; torch's global generator stays untouched.

    Raises a ProgramError if an edit keeps its ``__init__`` from getting through.
    """
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return model_class(latent_dim=latent_dim)
    except Exception as error:                       # whatever an edit may raise
        inside = error.__traceback__.tb_next
        place = f", line {inside.tb_lineno}," if inside else ""
        raise ProgramError(f"{model_class.__name__}.__init__ in vae_model.py{place} stops with "
                           f"{_in_one_line(error)}") from None


def check_model(model):
    """Raise a ProgramError unless the layers of a VAE fit together.

    Each layer has to take as many values as the one before it gives, and what the decoder
    gives has to stay between 0 and 1, as by a sigmoid at its end. Then two images go
    through a copy of the model and through the loss.
    """
    for name, kind in (("encoder", nn.Sequential), ("decoder", nn.Sequential),
                       ("fc_mu", nn.Linear), ("fc_var", nn.Linear)):
        if not isinstance(getattr(model, name, None), kind):
            raise ProgramError(f"self.{name} in vae_model.py must be an nn.{kind.__name__}(...)")
    if model.fc_mu.out_features != model.fc_var.out_features:
        raise ProgramError("self.fc_mu and self.fc_var in vae_model.py must give equally many "
                           f"values, not {model.fc_mu.out_features} and "
                           f"{model.fc_var.out_features}")
    if model.fc_mu.out_features < 2:
        raise ProgramError("self.fc_mu in vae_model.py must give two values or more, the latent "
                           "dimensions, not 1")
    hidden = _after(model.encoder, "encoder", IMAGE_SIZE**2).shape[-1]
    for name, layer in (("fc_mu", model.fc_mu), ("fc_var", model.fc_var)):
        if layer.in_features != hidden:
            raise ProgramError(f"self.encoder in vae_model.py ends with {hidden} values, but "
                               f"self.{name}, which follows, takes {layer.in_features}")
    images = _after(model.decoder, "decoder", model.fc_mu.out_features)
    if images.shape[-1] != IMAGE_SIZE**2:
        raise ProgramError(f"self.decoder in vae_model.py ends with {images.shape[-1]} values, but "
                           f"a picture has {IMAGE_SIZE**2}")
    low, high = (bound.item() for bound in images.aminmax())
    if not (low >= 0 and high <= 1):
        raise ProgramError("self.decoder in vae_model.py must end in nn.Sigmoid(), which keeps "
                           f"every pixel in [0, 1]; now they reach from {low:.3g} to {high:.3g}")
    with torch.random.fork_rng():
        _try_out(copy.deepcopy(model))


def _try_out(model):
    """Raise a ProgramError unless two images come through the model, and a loss of them."""
    x, latent_dim = torch.eye(2).repeat(1, IMAGE_SIZE**2 // 2 + 1), model.fc_mu.out_features
    x = x[:, :IMAGE_SIZE**2]                         # stripes, and their negative
    untouched = x.clone()
    try:
        codes = model.encode(x)
        _require_shapes("VAE.encode", codes, mu=latent_dim, log_var=latent_dim)
        answer = model(x, torch.Generator().manual_seed(0))
        _require_shapes("VAE.forward", answer, recon_x=IMAGE_SIZE**2, mu=latent_dim,
                        log_var=latent_dim)
        if not torch.equal(x, untouched):
            raise ProgramError("VAE.forward in vae_model.py must leave x as it is")
        _require_shapes("kl_per_dimension", [kl_per_dimension(*codes)], kl=latent_dim)
        loss = vae_loss(answer[0], x, *answer[1:], 1.0)
        if not isinstance(loss, torch.Tensor) or loss.dim():
            raise ProgramError("vae_loss in vae_model.py must return one number, a tensor")
        loss.backward()
    except ProgramError:
        raise
    except (Exception, SystemExit) as error:         # whatever an edit may raise
        inside = [frame for frame in traceback.extract_tb(error.__traceback__)
                  if frame.filename == __file__][-1]
        place = "a method or the loss" if inside.name == "_try_out" \
            else f"{inside.name}, line {inside.lineno},"
        raise ProgramError(f"{place} in vae_model.py stops with {_in_one_line(error)}") from None


def _require_shapes(name, values, **widths):
    """Raise a ProgramError unless ``values`` are tensors (2, width), in the order of ``widths``."""
    found = [tuple(getattr(value, "shape", ())) for value in values] \
        if isinstance(values, (tuple, list)) else None
    if found != [(2, width) for width in widths.values()]:
        wanted = " and ".join(f"{key} of shape (N, {width})" for key, width in widths.items())
        raise ProgramError(f"{name} in vae_model.py must return {wanted}")


def _in_one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


@torch.no_grad()
def _after(layers, name, width):
    """What the layers of a Sequential give for ``width`` values of both signs.

    The values are large, so that whatever keeps the results in [0, 1] has to show.
    """
    x = 100 * torch.randn(64, width, generator=torch.Generator().manual_seed(0))
    for number, layer in enumerate(copy.deepcopy(layers).eval(), start=1):
        given = x.shape[-1]
        try:
            x = layer(x).float()
        except Exception:                            # each kind of layer raises its own
            raise ProgramError(f"entry {number} of self.{name} in vae_model.py must take a tensor "
                               f"of {given} values (float32) and give another one, but it is "
                               f"{' '.join(str(layer).split())}") from None
    return x
