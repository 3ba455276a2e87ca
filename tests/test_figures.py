"""What the figures show: each picture in its place, each mark and number where it belongs."""

from statistics import NormalDist
from types import SimpleNamespace

import matplotlib.colors
import numpy as np
import pytest
import torch
from matplotlib.offsetbox import AnnotationBbox
from matplotlib.path import Path
from torch import nn

import latent_space_exploration as main_script
import patterns
import vae_model
from latent_space_exploration import Findings, LatentSpace, Record
from patterns import IMAGE_SIZE, PATTERN_TYPES, rmse, types_near
from vae_model import VAE, decode

FINDINGS = Findings(0.71, 0.06, 0.93, 0.24, 1.3, 4.2, copy_loss=50, clean_loss=53, mean_loss=60)


def corners(axes):
    """Where the images of a grid begin: their tops and their lefts, and the whole canvas."""
    canvas = np.ma.filled(axes.images[0].get_array(), np.nan)
    filled = np.isfinite(canvas)
    tops, lefts = (np.flatnonzero(np.diff([False, *line]) & line) for line in
                   (filled.any(axis=1), filled.any(axis=0)))
    return tops, lefts, canvas


def images_in(axes):
    """The images of a grid: (rows, columns, pixels)."""
    tops, lefts, canvas = corners(axes)
    assert axes.images[0].get_clim() == (0, 1) and axes.images[0].get_cmap().name == "gray"
    return np.array([[canvas[top:top + IMAGE_SIZE, left:left + IMAGE_SIZE].ravel()
                      for left in lefts] for top in tops])


def marked_in(axes):
    """Which images of a grid have a frame: a bool array (rows, columns)."""
    tops, lefts, _ = corners(axes)
    marked = np.zeros((len(tops), len(lefts)), dtype=bool)
    for frame in axes.patches:
        left, top = frame.get_xy()
        assert frame.get_width() == frame.get_height() == IMAGE_SIZE
        marked[tops.tolist().index(top + 0.5), lefts.tolist().index(left + 0.5)] = True
    return marked


def captions_in(axes):
    """The texts below the images of a grid: a list of lists."""
    tops, lefts, _ = corners(axes)
    places = {text.get_position(): text.get_text() for text in axes.texts}
    return [[places[left + IMAGE_SIZE / 2, top + IMAGE_SIZE] for left in lefts] for top in tops]


def labels_of(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


# --- grids ------------------------------------------------------------------------------
def test_a_grid_has_every_image_label_caption_and_frame_in_its_place():
    rows = np.random.default_rng(0).random((2, 3, IMAGE_SIZE**2))
    marked = np.array([[True, False, False], [False, False, True]])
    captions = [["a", "b", "c"], ["d", "e", "f"]]
    figure = patterns.grid_figure("title", rows, ["one", "two"], ["x", "y", "z"], captions, marked)
    axes, = figure.axes
    np.testing.assert_array_equal(images_in(axes), rows)
    assert captions_in(axes) == captions and (marked_in(axes) == marked).all()
    assert labels_of(axes.yaxis) == ["one", "two"] and labels_of(axes.xaxis) == ["x", "y", "z"]
    tops, lefts, canvas = corners(axes)
    np.testing.assert_array_equal(axes.get_yticks(), tops + IMAGE_SIZE / 2)
    np.testing.assert_array_equal(axes.get_xticks(), lefts + IMAGE_SIZE / 2)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert left < -0.5 and right > canvas.shape[1] - 0.5            # frames are not cut off
    assert top < -0.5 and bottom > canvas.shape[0] - 0.5
    assert figure.get_suptitle() == "title"


def test_captions_touch_nothing():
    rows = np.zeros((2, 8, IMAGE_SIZE**2))
    figure = patterns.grid_figure("title", rows, ["a row"] * 2, ["alpha\n0.00"] * 8,
                                  [["horizontal"] * 8, ["diagonal"] * 8])
    figure.draw_without_rendering()
    axes, = figure.axes
    boxes = [text.get_window_extent() for text in (*axes.texts, *axes.get_xticklabels())]
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])


# --- the figures of a run ---------------------------------------------------------------
def test_reconstructions_stand_below_their_originals_and_errors_are_enlarged(short_run):
    data = short_run.data
    figure = main_script.draw_reconstructions(short_run.model, data)
    axes, = figure.axes
    each = max(1, 8 // len(PATTERN_TYPES))
    chosen = [i for label in range(len(PATTERN_TYPES)) for i in data.of_type(label)[:each]]
    recon = vae_model.reconstruct(short_run.model, data.held_out)
    expected = np.stack([data.held_out[chosen].numpy(), recon[chosen],
                         5 * np.abs(recon[chosen] - data.clean[chosen])])
    np.testing.assert_allclose(images_in(axes), expected, atol=1e-5)
    errors = rmse(recon, data.clean)
    assert labels_of(axes.xaxis) == [
        f"{PATTERN_TYPES[data.labels[i]]}\nRMSE {errors[i]:.3f}" for i in chosen]
    assert f"{errors.mean():.3f}" in figure.get_suptitle()
    assert [label.split()[0] for label in labels_of(axes.yaxis)] == [
        "original", "reconstruction", "error"]


def test_the_map_shows_every_code_with_the_mark_and_the_color_of_its_type(short_run):
    space, data = short_run.space, short_run.data
    figure = main_script.draw_latent_space(data, space)
    by_type, in_place = figure.axes
    assert len(by_type.lines) == len(PATTERN_TYPES)
    for label, (line, name) in enumerate(zip(by_type.lines, PATTERN_TYPES)):
        assert line.get_label() == name and line.get_color() == main_script.type_color(label)
        np.testing.assert_array_equal(line.get_marker().vertices,
                                      main_script.type_marker(label).vertices)
        points = space.project(space.mu[data.of_type(label)])
        np.testing.assert_allclose(line.get_xydata(), points, atol=1e-5)
    assert [text.get_text() for text in by_type.get_legend().get_texts()] == [*PATTERN_TYPES]
    assert (by_type.get_xlabel(), by_type.get_ylabel()) == space.names
    points, pictures = space.project(space.mu), in_place.findobj(AnnotationBbox)
    assert len(pictures) > 5
    for picture in pictures:
        index = np.abs(points - picture.xy).sum(axis=1).argmin()
        np.testing.assert_allclose(picture.offsetbox.get_data().ravel(), data.held_out[index])
        color = matplotlib.colors.to_hex(picture.patch.get_edgecolor()).upper()
        assert color == main_script.type_color(data.labels[index])
    (left, right), (bottom, top) = in_place.get_xlim(), in_place.get_ylim()
    assert right - left == pytest.approx(top - bottom)
    assert left < points[:, 0].min() and points[:, 1].max() < top


def test_a_map_with_one_dimension_in_use_has_a_row_for_each_type(short_run):
    mu = np.zeros((len(short_run.data.labels), 3))
    mu[:, 1] = np.linspace(-2, 2, len(mu))
    space = LatentSpace(mu, np.array([0, 2.0, 0]), np.zeros(3), np.eye(3)[:2], ("a", "b"))
    by_type, _ = main_script.draw_latent_space(short_run.data, space).axes
    assert "z[1]" in by_type.get_xlabel()
    for label, line in enumerate(by_type.lines):
        x, y = line.get_xydata().T
        np.testing.assert_array_equal(x, mu[short_run.data.of_type(label), 1])
        assert set(y) == {-label}


def test_types_differ_in_color_and_their_marks_are_their_own_shapes():
    assert len({main_script.type_color(label) for label in range(7)}) == 7
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (300, 2))
    for label, name in enumerate(PATTERN_TYPES):
        distance = patterns.DISTANCES[name](points[:, 0], -points[:, 1])        # y is upwards
        inside = np.logical_xor.reduce([                                  # a shape may have holes
            Path(edge).contains_points(points)
            for edge in main_script.type_marker(label).to_polygons()])
        assert inside[distance < 0.06].all() and not inside[distance > 0.1].any()


def test_paths_lead_from_one_pattern_to_another_in_codes_and_in_pixels(short_run):
    model, data, mu = short_run.model, short_run.data, short_run.space.mu
    axes, = main_script.draw_interpolation(model, data, short_run.space).axes
    images = images_in(axes)
    within = data.clean[data.of_type(1)]
    apart = rmse(within[:, None], within)
    assert rmse(images[1, 0], images[1, -1]) == pytest.approx(apart.max(), rel=1e-4)
    ends = [data.of_type(0)[0], data.of_type(len(PATTERN_TYPES) - 1)[0]]
    np.testing.assert_allclose(images[3, [0, -1]], data.clean[ends], atol=1e-6)
    for row in (0, 2):                                # codes, and below them the pixels
        pair = [rmse(data.clean, images[row + 1, end]).argmin() for end in (0, -1)]
        for step, alpha in enumerate(np.linspace(0, 1, 8)):
            code = (1 - alpha) * mu[pair[0]] + alpha * mu[pair[1]]
            np.testing.assert_allclose(images[row, step], decode(model, code), atol=1e-4)
            blend = (1 - alpha) * data.clean[pair[0]] + alpha * data.clean[pair[1]]
            np.testing.assert_allclose(images[row + 1, step], blend, atol=1e-5)
    near = [types_near(row).tolist() for row in images]
    assert captions_in(axes) == near
    assert (marked_in(axes) == (np.array(near) == "none")).all()
    assert labels_of(axes.xaxis)[1] == "alpha\n0.14"
    assert [label.split("\n")[-1] for label in labels_of(axes.yaxis)] == ["codes", "pixels"] * 2


@pytest.mark.parametrize("epochs", [1, 2, 12])
def test_the_progression_shows_pictures_and_losses_by_epoch(short_run, epochs):
    data = short_run.data
    rng = np.random.default_rng(0)
    history = [Record(epoch, 90.0 - epoch, 9.0 + epoch,
                      rng.random((len(PATTERN_TYPES), IMAGE_SIZE**2))) for epoch in
               range(1, epochs + 1)]
    figure = main_script.draw_progression(data, history, FINDINGS, epochs)
    grid, upper, lower = figure.axes
    shown = {1: [1], 2: [1, 2], 12: [1, 2, 3, 4, 7, 12]}[epochs]
    originals = data.held_out[data.first_of_each_type(1)].numpy()
    np.testing.assert_allclose(
        images_in(grid), [originals, *(history[epoch - 1].pictures for epoch in shown)])
    assert labels_of(grid.yaxis) == ["original", *(f"epoch {epoch}" for epoch in shown)]
    for axes, name, values in ((upper, "reconstruction", [90.0 - r.epoch for r in history]),
                               (lower, "KL", [9.0 + r.epoch for r in history])):
        np.testing.assert_array_equal(axes.lines[0].get_xydata(),
                                      [[r.epoch, value] for r, value in zip(history, values)])
        assert name in axes.get_ylabel()
    assert set(upper.lines[1].get_ydata()) == {FINDINGS.clean_loss}
    figure.draw_without_rendering()
    assert {"1", str(max(2, epochs // 10 * 10))} <= set(labels_of(lower.xaxis))


def test_samples_are_those_of_the_seed_and_frames_mark_what_is_near_none(short_run):
    model, data = short_run.model, short_run.data
    figure = main_script.draw_samples(model, data, FINDINGS, 7)
    axes, = figure.axes
    images = images_in(axes)
    assert labels_of(axes.yaxis) == ["VAE"] * 3 + ["PCA"] * 2
    np.testing.assert_allclose(images[:3].reshape(30, -1), vae_model.sample_prior(model, 30, 7))
    linear = main_script.sample_pca(data.train.numpy(), model.fc_mu.out_features, 20, 7)
    np.testing.assert_allclose(images[3:].reshape(20, -1), linear)
    assert (marked_in(axes) == [(types_near(row) == "none") for row in images]).all()
    assert "71% of" in figure.get_suptitle() and "6% with PCA" in figure.get_suptitle()


def test_the_traversal_moves_one_dimension_at_a_time():
    torch.manual_seed(0)
    model = VAE(latent_dim=5)
    kl = np.array([0.0, 2.5, 0.01, 7.25, 0.04])
    axes, = main_script.draw_traversal(model, LatentSpace(None, kl, None, None, ())).axes
    assert labels_of(axes.yaxis) == ["z[3]: KL 7.25", "z[1]: KL 2.50",
                                     "z[4]: KL 0.04\n(1 of 3 unused)"]
    values = [float(label) for label in labels_of(axes.xaxis)]
    assert (values[0], values[4], values[-1]) == (-3, 0, 3)
    for row, dimension in enumerate((3, 1, 4)):
        for column, value in enumerate(values):
            code = np.zeros(5)
            code[dimension] = value
            np.testing.assert_allclose(images_in(axes)[row, column], decode(model, code), atol=1e-5)


def test_the_traversal_of_a_model_that_uses_all_or_many_dimensions():
    used = np.arange(1.0, 21)
    for count, rows in ((2, 2), (20, 16)):
        space = LatentSpace(None, used[:count], None, None, ())
        axes, = main_script.draw_traversal(VAE(latent_dim=count), space).axes
        assert len(labels_of(axes.yaxis)) == rows and "unused" not in labels_of(axes.yaxis)[-1]


def test_the_plane_is_decoded_where_its_ticks_say():
    torch.manual_seed(0)
    model = VAE(latent_dim=2)
    axes, = main_script.draw_manifold(model).axes
    quantiles = [NormalDist().inv_cdf(share) for share in np.arange(0.05, 1, 0.1)]
    assert labels_of(axes.xaxis) == [f"{value:.1f}" for value in quantiles]
    assert labels_of(axes.yaxis) == labels_of(axes.xaxis)[::-1]              # upwards
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z[0]", "z[1]")
    images = images_in(axes)
    for row, column in np.ndindex(10, 10):
        expected = decode(model, [quantiles[column], quantiles[9 - row]])
        np.testing.assert_allclose(images[row, column], expected, atol=1e-5)


@pytest.mark.parametrize("latent_dim", [2, 64])
def test_solid_arrows_are_layers_and_dashed_ones_arithmetic(latent_dim):
    model = VAE(latent_dim=latent_dim)
    model.encoder = nn.Sequential(nn.Linear(IMAGE_SIZE**2, 100), nn.ReLU(), nn.Linear(100, 128))
    model.decoder = nn.Sequential(nn.Linear(latent_dim, 90), nn.Tanh(), nn.Linear(90, 80),
                                  nn.ReLU(), nn.Linear(80, IMAGE_SIZE**2), nn.Sigmoid())
    figure = vae_model.draw_architecture(model)
    axes, = figure.axes
    figure.draw_without_rendering()
    boxes = {}
    for bar in axes.patches:
        x, y = bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2
        text, = (text for text in axes.texts if text.get_text() and
                 np.allclose(text.get_position(), (x, y)))
        boxes[text.get_text().replace("\n", " ")] = bar.get_bbox()
        inside, around = text.get_window_extent(), bar.get_window_extent()
        assert around.x0 < inside.x0 and inside.x1 < around.x1 and around.y0 < inside.y0

    def box_at(place):
        return next(name for name, box in boxes.items() if box.padded(0.06).contains(*place))

    arrows = {(box_at(text.xyann), box_at(text.xy)): text.arrow_patch.get_linestyle()
              for text in axes.texts if getattr(text, "arrow_patch", None)}
    latent, pixels = latent_dim, IMAGE_SIZE**2
    layers = [(f"image x {pixels}", "hidden 100"), ("hidden 100", "hidden 128"),
              ("hidden 128", f"mu {latent}"), ("hidden 128", f"log_var {latent}"),
              (f"z {latent}", "hidden 90"), ("hidden 90", "hidden 80"),
              ("hidden 80", f"recon_x {pixels}")]
    arithmetic = [(f"{name} {latent}", f"z {latent}") for name in ("mu", "log_var", "epsilon")]
    assert arrows == dict.fromkeys(layers, "solid") | dict.fromkeys(arithmetic, "--")


def test_every_file_holds_its_own_figure(short_run, monkeypatch):
    monkeypatch.setattr(main_script, "png", lambda figure: figure)
    files = main_script.draw_all(short_run.model, short_run.data, short_run.history,
                                 short_run.space, FINDINGS, SimpleNamespace(seed=7, epochs=12))
    figures = {name: figure for name, _, figure in files}
    for name, words in {
            "reconstruction_comparison.png": "Held-out patterns and their reconstructions",
            "latent_space_visualization.png": "Codes (mu) of",
            "interpolation_sequence.png": "Two pairs of patterns",
            "training_progression.png": "What training changes",
            "vae_architecture.png": "The VAE: the number of values",
            "generated_samples.png": "Decoded samples from the prior",
            "latent_traversal.png": "One latent dimension moves"}.items():
        assert figures[name].get_suptitle().startswith(words)
    samples = images_in(figures["generated_samples.png"].axes[0])[:3].reshape(30, -1)
    np.testing.assert_allclose(samples, vae_model.sample_prior(short_run.model, 30, 7))
    assert ("latent_manifold.png" in figures) == (len(short_run.space.kl) == 2)
