"""What the two pages claim, each sentence once, with what makes it true.

README.rst and solutions/README.rst state these fragments word for word, with the
numbers of outputs/parameter_study.csv in the blanks. ``{beta 4, rmse:.3f}`` is the
mean over the seeds of that setting's measure (measures.py says which there are), in
Python's format; ``{beta 4, rmse, lowest:.3f}`` and ``highest`` are the ends of its range.

A condition has to survive other seeds: python solutions/parameter_study.py --seeds
300-309 asks it again. So it leaves room, and nothing rests on a single run.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Claim:
    """A fragment of a page, and what has to be true of the runs that it is about."""

    text: str                # with blanks
    condition: Callable      # runs -> list of bool


def read_runs(lines):
    """From the lines of a csv: a dict (setting, measure) -> array with a value for each seed."""
    runs = defaultdict(list)
    for row in sorted(csv.DictReader(lines), key=lambda row: int(row["seed"])):
        for measure in row.keys() - {"setting", "seed"}:
            runs[row["setting"], measure].append(float(row[measure]))
    return {place: np.array(values) for place, values in runs.items()}


def filled(claim, runs):
    """The claim's text with the numbers of these runs."""
    def number(blank):
        place, spec = blank[1].split(":")
        setting, measure, *end = place.split(", ")
        of = {"": np.mean, "lowest": np.min, "highest": np.max}["".join(end)]
        return format(of(runs[setting, measure]), spec)
    return re.sub(r"\{(.+?)\}", number, claim.text)


def holds(claim, runs):
    """Whether all parts of the claim's condition are true of these runs."""
    return all(bool(part) for part in claim.condition(runs))


# --- words that conditions are made of ------------------------------------------
def every(seeds):
    """True for each seed."""
    return np.all(seeds)


def most(seeds):
    """True for at least 8 of 10 seeds."""
    return np.mean(seeds) >= 0.8


def about(values, low, high):
    """The mean over the seeds lies between the two."""
    return low <= np.mean(values) <= high


def less(values, others, by=0.0):
    """The mean over the seeds is the smaller one, by so much at least."""
    return np.mean(values) + by <= np.mean(others)


def alike(values, others, within):
    """The means over the seeds differ by so much at most."""
    return abs(np.mean(values) - np.mean(others)) <= within


CLAIMS = (
    # --- how good the default model is ------------------------------------------
    Claim("the reconstruction loss ends at {default, reconstruction:.1f} nats. Whoever knew "
          "every clean pattern would still pay {default, floor:.1f} of them, and "
          "{default, excess:.1f} are what the model misses",
          lambda r: [
              about(r["default", "reconstruction"], 58, 63),
              about(r["default", "floor"], 57, 60),
              every((r["default", "excess"] > 0.5) & (r["default", "excess"] < 4))]),
    Claim("the error against the clean pattern is {default, rmse:.3f} "
          "(root mean square, on a scale where black is 0 and white is 1)",
          lambda r: [
              about(r["default", "rmse"], 0.015, 0.03),
              most(r["default", "rmse"] < 0.035)]),
    Claim("{default, undecided:.0%} of the reconstructed pixels are neither dark nor bright "
          "(between 0.1 and 0.9), and {default, undecided_clean:.0%} of the clean patterns' own",
          lambda r: [
              every(abs(r["default", "undecided"] - r["default", "undecided_clean"]) < 0.03)]),
    Claim("{default, alive:.1f} of 8 dimensions are alive on average",
          lambda r: [
              about(r["default", "alive"], 2.4, 4.6),
              most(r["default", "alive"] >= 2)]),

    # --- what only learning earns -----------------------------------------------
    Claim("{default, samples:.0%} of the draws come within an RMSE of 0.1 of a pattern that the "
          "generator could have drawn. A linear model with as many numbers for an image (PCA) "
          "gets {default, samples_pca:.0%}",
          lambda r: [
              about(r["default", "samples"], 0.77, 0.97),
              every(r["default", "samples"] > 0.7),
              every(r["default", "samples_pca"] < 0.15)]),
    Claim("halfway between two patterns of one type that lie far apart, the decoded code is near a "
          "pattern of that type again in {default, midpoints:.0%} of the pairs, and the blend of "
          "their pixels in {default, midpoints_blended:.0%}",
          lambda r: [
              every(r["default", "midpoints"] > 0.9),
              about(r["default", "midpoints"], 0.97, 1),
              every(r["default", "midpoints_blended"] < 0.45)]),
    Claim("Of the six pictures between two patterns of different types {default, lost:.1f} are "
          "near no pattern on the latent path, and {default, lost_blended:.1f} where pixels "
          "are blended",
          lambda r: [
              about(r["default", "lost"], 0.5, 1.4),
              every(r["default", "lost"] + 1 < r["default", "lost_blended"])]),
    Claim("{default, detours:.0%} of the paths between two types pass by a third",
          lambda r: [
              about(r["default", "detours"], 0.08, 0.35),
              most(r["default", "detours"] > 0)]),
    Claim("in the drawn plane, the nearest neighbour of a pattern is of its own type for "
          "{default, purity:.0%} of the patterns. But among the pictures themselves, without any "
          "network, it is {default, purity_pixels:.0%}, and in the plane of an encoder with random "
          "weights {default, purity_untrained:.0%}",
          lambda r: [
              about(r["default", "purity"], 0.94, 1),
              most(r["default", "purity"] > 0.9),
              every(r["default", "purity_pixels"] > 0.97),
              about(r["default", "purity_untrained"], 0.75, 0.98)]),

    # --- arithmetic ---------------------------------------------------------------
    Claim("the point halfway between a horizontal and a vertical decodes to a cross in "
          "{default, cross:.0%} of the pairs on average, but anything from "
          "{default, cross, lowest:.0%} to {default, cross, highest:.0%} depending on the seed",
          lambda r: [
              about(r["default", "cross"], 0.15, 0.75),
              np.ptp(r["default", "cross"]) > 0.3]),

    # --- training time ------------------------------------------------------------
    Claim("the KL first falls to {default, kl_dip:.2f} nats, and then rises to {default, kl:.1f}",
          lambda r: [
              every(r["default", "kl_dip"] < 0.1 * r["default", "kl"]),
              about(r["default", "kl"], 4, 7)]),
    Claim("after one epoch {epochs 1, undecided:.0%} of the reconstructed pixels are undecided, "
          "and the error is {epochs 1, rmse:.3f}",
          lambda r: [
              every(r["epochs 1", "undecided"] > 0.8),
              every(r["epochs 1", "rmse"] > 0.2)]),
    Claim("the reconstruction loss is {epochs 1, reconstruction:.1f} nats after one epoch, "
          "{epochs 50, reconstruction:.1f} after a run of 50 and "
          "{default, reconstruction:.1f} after one of 200",
          lambda r: [
              most(r["epochs 50", "reconstruction"] > r["default", "reconstruction"]),
              less(r["epochs 50", "reconstruction"], r["epochs 1", "reconstruction"], by=40),
              alike(r["epochs 50", "reconstruction"], r["default", "reconstruction"], within=5)]),
    Claim("reconstructions keep {epochs 50, width_kept:.0%} of the variance in the lines' widths "
          "after 50 epochs and {default, width_kept:.0%} after 200, and of the draws "
          "{epochs 50, samples:.0%} and {default, samples:.0%} are near a pattern",
          lambda r: [
              most(r["epochs 50", "width_kept"] < r["default", "width_kept"]),
              less(r["epochs 50", "width_kept"], r["default", "width_kept"], by=0.05),
              every(r["epochs 50", "samples"] < r["default", "samples"]),
              less(r["epochs 50", "samples"], r["default", "samples"], by=0.1)]),

    # --- goal 1: dimension ----------------------------------------------------------
    Claim("reconstruction and KL together come to {latent 2, loss:.1f} nats with 2 dimensions, "
          "{default, loss:.1f} with 8, {latent 32, loss:.1f} with 32 and "
          "{latent 64, loss:.1f} with 64",
          lambda r: [
              alike(r[setting, "loss"], r["default", "loss"], within=1)
              for setting in ("latent 2", "latent 32", "latent 64")]),
    Claim("of 32 dimensions {latent 32, alive:.1f} are alive on average, and of 64 "
          "{latent 64, alive:.1f}",
          lambda r: [
              alike(r[setting, "alive"], r["default", "alive"], within=1.2) and every(
                  r[setting, "alive"] <= 7) for setting in ("latent 32", "latent 64")]),
    Claim("the error of reconstructions is {latent 2, rmse:.3f} with 2 dimensions instead of "
          "{default, rmse:.3f}",
          lambda r: [
              most(r["latent 2", "rmse"] > r["default", "rmse"]),
              less(r["default", "rmse"], r["latent 2", "rmse"], by=0.004)]),
    Claim("crosses lose their width: of its variance, reconstructions keep "
          "{latent 2, cross_width_kept:.0%} with 2 dimensions and "
          "{default, cross_width_kept:.0%} with 8",
          lambda r: [
              most(r["latent 2", "cross_width_kept"] < 0.5),
              most(r["latent 2", "cross_width_kept"] < r["default", "cross_width_kept"]),
              less(r["latent 2", "cross_width_kept"], r["default", "cross_width_kept"], by=0.3)]),
    Claim("{latent 2, samples:.0%} of the draws are near a pattern with 2 dimensions and "
          "{latent 64, samples:.0%} with 64",
          lambda r: [
              alike(r["latent 64", "samples"], r["default", "samples"], within=0.08),
              less(r["default", "samples"], r["latent 2", "samples"], by=-0.03)]),

    # --- goal 2: beta ---------------------------------------------------------------
    Claim("the error of reconstructions is {beta 0.5, rmse:.3f} with beta 0.5, "
          "{default, rmse:.3f} with 1 and {beta 4, rmse:.3f} with 4",
          lambda r: [
              most(r["beta 0.5", "rmse"] < r["default", "rmse"]),
              every(r["default", "rmse"] < r["beta 4", "rmse"])]),
    Claim("of the draws {beta 0.5, samples:.0%} are near a pattern with beta 0.5, "
          "{default, samples:.0%} with 1 and {beta 4, samples:.0%} with 4",
          lambda r: [
              less(r["beta 0.5", "samples"], r["default", "samples"], by=0.01),
              less(r["default", "samples"], r["beta 4", "samples"], by=0.01),
              most(r["beta 0.5", "samples"] < r["beta 4", "samples"])]),
    Claim("{beta 4, alive:.1f} dimensions are alive with beta 4, and reconstructions keep "
          "{beta 4, width_kept:.0%} of the variance in the widths instead of "
          "{default, width_kept:.0%}",
          lambda r: [
              every(r["beta 4", "alive"] <= r["default", "alive"]),
              about(r["beta 4", "alive"], 1, 2.5),
              most(r["beta 4", "width_kept"] < r["default", "width_kept"]),
              less(r["beta 4", "width_kept"], r["default", "width_kept"], by=0.3)]),
    Claim("pictures become softer: {beta 4, undecided:.0%} of the pixels are undecided with beta "
          "4, and {default, undecided:.0%} with 1",
          lambda r: [
              most(r["beta 4", "undecided"] > r["default", "undecided"] + 0.01)]),
    Claim("the axis gap is {default, axis_gap:.2f} with beta 1 and {beta 4, axis_gap:.2f} with "
          "beta 4 on average, far from 1 either way, and with beta 4 anything from "
          "{beta 4, axis_gap, lowest:.2f} to {beta 4, axis_gap, highest:.2f} depending on the seed",
          lambda r: [
              about(r["default", "axis_gap"], 0, 0.6),
              about(r["beta 4", "axis_gap"], 0, 0.6),
              np.ptp(r["beta 4", "axis_gap"]) > 0.15]),
    Claim("as if beta were 256. The result is a collapse: {beta 256, alive:.0f} living dimensions "
          "and a reconstruction loss of {beta 256, reconstruction:.1f} nats",
          lambda r: [
              every(r["beta 256", "alive"] == 0),
              every(r["beta 256", "reconstruction"] > 100)]),

    # --- goal 3: depth --------------------------------------------------------------
    Claim("the shallow model reconstructs about as well as the default, {shallow, rmse:.3f} "
          "against {default, rmse:.3f}, but only {shallow, samples:.0%} of its draws are near "
          "a pattern, against {default, samples:.0%}",
          lambda r: [
              alike(r["shallow", "rmse"], r["default", "rmse"], within=0.008),
              every(r["shallow", "samples"] < r["default", "samples"]),
              less(r["shallow", "samples"], r["default", "samples"], by=0.15)]),
    Claim("it keeps {shallow, alive:.1f} dimensions alive instead of {default, alive:.1f}, and in "
          "them a code lies {shallow, apart:.2f} away from the nearest one of another type instead "
          "of {default, apart:.2f}: there is more empty space to draw from",
          lambda r: [
              most(r["shallow", "alive"] > r["default", "alive"]),
              most(r["shallow", "apart"] > r["default", "apart"]),
              less(r["default", "apart"] * 1.2, r["shallow", "apart"])]),
    Claim("it is the decoder that does it: with two hidden layers in the encoder and one in the "
          "decoder, {shallow decoder, samples:.0%} of the draws are near a pattern, and types are "
          "{shallow decoder, apart:.2f} apart",
          lambda r: [
              every(r["shallow decoder", "samples"] < r["default", "samples"]),
              alike(r["shallow decoder", "samples"], r["shallow", "samples"], within=0.1),
              most(r["shallow decoder", "apart"] > r["default", "apart"])]),
    Claim("the deep model keeps {deep, alive:.1f} dimensions alive on average, and its error is "
          "{deep, rmse:.3f} instead of {default, rmse:.3f}",
          lambda r: [
              most(r["deep", "alive"] <= r["default", "alive"]),
              less(r["deep", "alive"], r["default", "alive"], by=0.5),
              most(r["deep", "rmse"] > r["default", "rmse"])]),
    Claim("with some seeds it hardly mentions the width of a line any more: reconstructions keep "
          "anything from {deep, width_kept, lowest:.0%} to {deep, width_kept, highest:.0%} of its "
          "variance",
          lambda r: [
              less(r["deep", "width_kept"], r["default", "width_kept"], by=0.15),
              np.min(r["deep", "width_kept"]) < 0.3]),
    Claim("yet {deep, samples:.0%} of its draws are near a pattern, more than of the "
          "default's {default, samples:.0%}",
          lambda r: [
              most(r["deep", "samples"] > r["default", "samples"]),
              less(r["default", "samples"], r["deep", "samples"], by=0.03)]),
    Claim("with a warm-up of 800 steps the deep model keeps {deep warm-up, alive:.1f} dimensions "
          "alive instead of {deep, alive:.1f}, and its error is {deep warm-up, rmse:.3f} instead "
          "of {deep, rmse:.3f}",
          lambda r: [
              most(r["deep warm-up", "alive"] >= r["deep", "alive"]),
              less(r["deep", "alive"], r["deep warm-up", "alive"], by=0.4),
              less(r["deep warm-up", "rmse"], r["deep", "rmse"], by=0.005)]),
    Claim("you can have both: deep and with a warm-up, {deep warm-up, samples:.0%} of the draws "
          "are near a pattern, and the error of reconstructions is {deep warm-up, rmse:.3f}; the "
          "default has {default, samples:.0%} and {default, rmse:.3f}",
          lambda r: [
              most(r["deep warm-up", "samples"] > r["default", "samples"]),
              alike(r["deep warm-up", "rmse"], r["default", "rmse"], within=0.01)]),
)
