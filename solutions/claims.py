"""What README.rst and solutions/README.rst say about the results, sentence by sentence.

A page quotes a claim word for word, with the numbers of outputs/parameter_study.csv.
A test looks for ``claim.text(runs)`` in the two pages, any white space counting as one space:

    runs = read_runs(csv_file)           # the lines of parameter_study.csv
    for claim in CLAIMS:
        claim.text(runs)                 # the sentences, a str
        claim.holds(runs)                # whether they are true of these runs, a bool

A claim is about means over at least ten seeds. An effect compares two settings: it names the
least difference, about half of the one that was measured, so it fails if there is no effect.
A description of the default setting gives a range around the mean of 40 seeds.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np


@dataclass(frozen=True)
class Claim:
    """Sentences of a page, and what has to be true of the settings that they are about."""

    about: tuple[str, ...]   # "default" alone, or the two settings that are compared
    sentences: Callable      # takes the means of these settings, returns a str
    condition: Callable      # takes the same, returns a bool

    def text(self, runs):
        return self.sentences(*(runs[setting] for setting in self.about))

    def holds(self, runs):
        return bool(self.condition(*(runs[setting] for setting in self.about)))


def read_runs(lines):
    """The lines of a csv as a dict: setting -> means over its seeds.

    ``runs["beta 4"].rmse`` is a mean; ``runs["beta 4"].lowest.rmse`` and ``.highest.rmse``
    are the ends of the range.
    """
    rows = list(csv.DictReader(lines))
    runs = {}
    for setting in dict.fromkeys(row["setting"] for row in rows):
        values = {name: [float(row[name]) for row in rows if row["setting"] == setting]
                  for name in rows[0] if name not in ("setting", "seed")}
        mean, lowest, highest = ({name: float(of(numbers)) for name, numbers in values.items()}
                                 for of in (np.mean, np.min, np.max))
        runs[setting] = SimpleNamespace(
            **mean, lowest=SimpleNamespace(**lowest), highest=SimpleNamespace(**highest))
    return runs


CLAIMS = (
    # --- the default: its loss and its reconstructions --------------------------------
    Claim(("default",), lambda default:
          f"The reconstruction loss ends at {default.reconstruction:.1f} nats per image. "
          f"The lowest loss without copying the noise is {default.clean_loss:.1f} nats. "
          f"Sampling z around mu adds {default.code_noise:.1f} nats, "
          f"and {default.left:.1f} nats are left for the model to learn.",
          lambda default: 58 < default.reconstruction < 63 and 57 < default.clean_loss < 60
          and 0.9 < default.code_noise < 1.6 and 0.3 < default.left < 1.1),
    Claim(("default",), lambda default:
          "The RMSE between the reconstructions and the clean patterns is "
          f"{default.rmse:.3f} (black is 0, white is 1).",
          lambda default: 0.018 < default.rmse < 0.028),
    Claim(("default",), lambda default:
          f"On average {default.in_use:.1f} of the 8 latent dimensions are in use.",
          lambda default: 2.5 < default.in_use < 4),

    # --- the default: its latent space ------------------------------------------------
    Claim(("default",), lambda default:
          f"{default.samples:.0%} of the samples from the prior are near a pattern. "
          f"PCA, also with 8 numbers, reaches {default.samples_pca:.0%}, although "
          f"{default.recon_pca:.0%} of its reconstructions are near a pattern.",
          lambda default: 0.78 < default.samples < 0.92 and default.samples_pca < 0.15
          and default.recon_pca > 0.95),
    Claim(("default",), lambda default:
          "For pairs of very different patterns of one type, the decoded midpoint is near that "
          f"type in {default.midpoints:.0%} of the cases. The blend of the pixels is near it "
          f"in {default.midpoints_blended:.0%}.",
          lambda default: default.midpoints > 0.97 and default.midpoints_blended < 0.4),
    Claim(("default",), lambda default:
          f"On average, {default.frames_near_none:.1f} in six pictures between two types are near "
          f"no pattern. With blended pixels, {default.frames_near_none_blended:.1f} are.",
          lambda default: default.frames_near_none < 1.5 and default.frames_near_none_blended > 3),
    Claim(("default",), lambda default:
          "On the map, the nearest neighbor of a code has the same type in "
          f"{default.purity:.0%} of the cases. The share is {default.purity_untrained:.0%} before "
          f"training and {default.purity_pixels:.0%} for the pictures themselves.",
          lambda default: default.purity > 0.94 and default.purity_pixels > 0.97
          and 0.75 < default.purity_untrained < 0.97),
    Claim(("default",), lambda default:
          "The midpoint of a horizontal and a vertical code decodes to a cross in "
          f"{default.cross_midpoints:.0%} of the pairs, from {default.lowest.cross_midpoints:.0%} "
          f"to {default.highest.cross_midpoints:.0%} depending on the seed. "
          f"Their sum decodes to a cross in {default.cross_sums:.0%}.",
          lambda default: 0.2 < default.cross_midpoints < 0.75 and 0.1 < default.cross_sums < 0.65
          and default.highest.cross_midpoints - default.lowest.cross_midpoints > 0.3),

    # --- training time ----------------------------------------------------------------
    Claim(("default",), lambda default:
          f"During training the KL first falls to {default.kl_lowest:.2f} nats. "
          f"It ends at {default.kl:.1f} nats.",
          lambda default: default.kl_lowest < 0.3 and 4 < default.kl < 6.5),
    Claim(("epochs 1", "default"), lambda one, default:
          f"After 1 epoch, {one.soft:.0%} of the reconstructed pixels are gray "
          f"(between 0.1 and 0.9). After 200 epochs, {default.soft:.0%} are.",
          lambda one, default: one.soft - default.soft > 0.4),
    Claim(("epochs 50", "default"), lambda short, default:
          f"After 50 epochs, {short.samples:.0%} of the samples are near a pattern, "
          f"and the reconstructions keep {short.width_kept:.0%} of the variance in line width. "
          f"After 200 epochs these numbers are {default.samples:.0%} and "
          f"{default.width_kept:.0%}.",
          lambda short, default: default.samples - short.samples > 0.1
          and default.width_kept - short.width_kept > 0.2),

    # --- goal 1: latent dimensions ----------------------------------------------------
    Claim(("latent 2", "default"), lambda two, default:
          f"With 2 latent dimensions the RMSE of the reconstructions is {two.rmse:.3f} instead of "
          f"{default.rmse:.3f}, and the reconstructed crosses keep {two.cross_width_kept:.0%} of "
          f"the variance in line width instead of {default.cross_width_kept:.0%}.",
          lambda two, default: two.rmse - default.rmse > 0.004
          and default.cross_width_kept - two.cross_width_kept > 0.4),
    Claim(("latent 32", "default"), lambda many, default:
          f"{many.unused:.1f} of 32 latent dimensions are unused, versus {default.unused:.1f} of "
          "8. Reconstruction loss and KL together are "
          f"{many.reconstruction + many.kl:.1f} nats with 32 and "
          f"{default.reconstruction + default.kl:.1f} nats with 8.",
          lambda many, default: many.unused - default.unused > 22
          and abs(many.reconstruction + many.kl - default.reconstruction - default.kl) < 0.6),
    Claim(("latent 64", "latent 2"), lambda many, two:
          f"{many.samples:.0%} of the samples with 64 latent dimensions are near a pattern, "
          f"and {two.samples:.0%} with 2.",
          lambda many, two: two.samples - many.samples > 0.02),

    # --- goal 2: beta -----------------------------------------------------------------
    Claim(("beta 0", "default"), lambda zero, default:
          f"{zero.samples:.0%} of the samples with beta 0 are near a pattern, "
          f"and {default.samples:.0%} with beta 1.",
          lambda zero, default: default.samples - zero.samples > 0.6),
    Claim(("beta 0", "default"), lambda zero, default:
          f"With beta 0 the clouds shrink to points: sampling z around mu adds "
          f"{zero.code_noise:.1f} nats to the reconstruction loss instead of "
          f"{default.code_noise:.1f} nats. The RMSE of the reconstructions is {zero.rmse:.3f} "
          f"instead of {default.rmse:.3f}.",
          lambda zero, default: default.code_noise - zero.code_noise > 0.6
          and zero.code_noise < 0.1 and default.rmse - zero.rmse > 0.005),
    Claim(("beta 0", "default"), lambda zero, default:
          f"With beta 0, all 8 dimensions are in use, and the KL is {zero.kl:.0f} nats instead of "
          f"{default.kl:.0f}. In the dimension with the largest KL the mean distance of the codes "
          f"from 0 is {zero.code_size:.1f} instead of {default.code_size:.1f}.",
          lambda zero, default: zero.in_use > 7.9 and default.in_use < 6
          and zero.kl - default.kl > 60 and zero.code_size > 4 * default.code_size),
    Claim(("beta 0", "default"), lambda zero, default:
          "Groups form even without the KL. With beta 0 the nearest neighbor of a code has "
          f"the same type in {zero.purity:.0%} of the cases. The distance to the nearest code of "
          f"another type is {zero.apart:.1f} instead of {default.apart:.1f}.",
          lambda zero, default: zero.purity > 0.94 and zero.apart > 3 * default.apart),
    Claim(("beta 0.5", "default"), lambda half, default:
          f"{half.samples:.0%} of the samples with beta 0.5 are near a pattern, and the RMSE of "
          f"the reconstructions is {half.rmse:.3f}. With beta 1 these numbers are "
          f"{default.samples:.0%} and {default.rmse:.3f}.",
          lambda half, default: default.samples - half.samples > 0.03
          and default.rmse - half.rmse > 0.002),
    Claim(("beta 4", "default"), lambda four, default:
          f"{four.samples:.0%} of the samples with beta 4 are near a pattern, and the RMSE of "
          f"the reconstructions is {four.rmse:.3f}. With beta 1 these numbers are "
          f"{default.samples:.0%} and {default.rmse:.3f}.",
          lambda four, default: four.samples - default.samples > 0.01
          and four.rmse - default.rmse > 0.015),
    Claim(("beta 4", "default"), lambda four, default:
          f"With beta 4 the reconstructions keep {four.width_kept:.0%} of the variance in line "
          f"width instead of {default.width_kept:.0%}.",
          lambda four, default: default.width_kept - four.width_kept > 0.4),
    Claim(("beta 4", "default"), lambda four, default:
          f"Beta 4 leaves {four.in_use:.1f} dimensions in use instead of {default.in_use:.1f}, "
          f"and the axis gap is {four.axis_gap:.2f} instead of {default.axis_gap:.2f} "
          "(1 would be disentangled).",
          lambda four, default: default.in_use - four.in_use > 0.6
          and four.axis_gap < 0.6 and four.axis_gap - default.axis_gap < 0.2),
    Claim(("beta 256", "default"), lambda huge, default:
          f"Beta 256 leaves {huge.in_use:.0f} dimensions in use, and the reconstruction loss is "
          f"{huge.reconstruction:.0f} nats instead of {default.reconstruction:.0f}.",
          lambda huge, default: default.in_use - huge.in_use > 2
          and huge.reconstruction - default.reconstruction > 40),

    # --- goal 3: depth ----------------------------------------------------------------
    Claim(("shallow", "default"), lambda shallow, default:
          f"{shallow.samples:.0%} of the samples with the shallow model are near a pattern, and "
          f"{default.samples:.0%} with the default model. The reconstructions are no worse: "
          f"the RMSE is {shallow.rmse:.3f} (default model: {default.rmse:.3f}).",
          lambda shallow, default: default.samples - shallow.samples > 0.15
          and shallow.rmse - default.rmse < 0.005),
    Claim(("shallow", "default"), lambda shallow, default:
          f"The shallow model has {shallow.in_use:.1f} dimensions in use instead of "
          f"{default.in_use:.1f}. The distance from a code to the nearest code of another type is "
          f"{shallow.apart:.1f} instead of {default.apart:.1f}.",
          lambda shallow, default: shallow.in_use - default.in_use > 1.2
          and shallow.apart - default.apart > 0.4),
    Claim(("shallow decoder", "shallow encoder"), lambda decoder, encoder:
          f"If only the decoder is shallow, {decoder.samples:.0%} of the samples are near a "
          f"pattern. If only the encoder is shallow, {encoder.samples:.0%} are.",
          lambda decoder, encoder: encoder.samples - decoder.samples > 0.12),
    Claim(("deep", "default"), lambda deep, default:
          f"The deep model has {deep.in_use:.1f} dimensions in use instead of "
          f"{default.in_use:.1f}. The RMSE of its reconstructions is {deep.rmse:.3f} instead of "
          f"{default.rmse:.3f}.",
          lambda deep, default: default.in_use - deep.in_use > 0.6
          and deep.rmse - default.rmse > 0.004),
    Claim(("deep", "default"), lambda deep, default:
          f"{deep.samples:.0%} of the samples with the deep model are near a pattern, "
          f"and {default.samples:.0%} with the default model.",
          lambda deep, default: deep.samples - default.samples > 0.04),
    Claim(("deep warm-up", "deep"), lambda warm, deep:
          f"With a warm-up of 800 steps the deep model has {warm.in_use:.1f} dimensions in use "
          f"instead of {deep.in_use:.1f}, and its RMSE is {warm.rmse:.3f} instead of "
          f"{deep.rmse:.3f}.",
          lambda warm, deep: warm.in_use - deep.in_use > 0.5 and deep.rmse - warm.rmse > 0.004),
    Claim(("deep slow", "deep"), lambda slow, deep:
          f"With a learning rate of 0.001 the deep model has {slow.in_use:.1f} dimensions in use "
          f"instead of {deep.in_use:.1f}, and its reconstructed crosses keep "
          f"{slow.cross_width_kept:.0%} of the variance in line width instead of "
          f"{deep.cross_width_kept:.0%}.",
          lambda slow, deep: slow.in_use - deep.in_use > 0.2
          and slow.cross_width_kept - deep.cross_width_kept > 0.3),
    Claim(("deep warm-up", "default"), lambda warm, default:
          f"With the deep model and a warm-up, {warm.samples:.0%} of the samples are near a "
          f"pattern, and the RMSE of the reconstructions is {warm.rmse:.3f}. With the default "
          f"model these numbers are {default.samples:.0%} and {default.rmse:.3f}.",
          lambda warm, default: warm.samples - default.samples > 0.02
          and warm.rmse - default.rmse < 0.004),
)
