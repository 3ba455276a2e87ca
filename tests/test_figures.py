"""What the figures show: each picture in its place, each mark and number where it belongs."""

from itertools import pairwise
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.offsetbox import AnnotationBbox
from matplotlib.path import Path
from torch import nn

import latent_space_exploration as main_script
import patterns
import vae_model
from latent_space_exploration import LatentSpace
from patterns import IMAGE_SIZE, PATTERN_TYPES, rmse, types_near
from vae_model import VAE, decode

FINDINGS = SimpleNamespace(samples=0.71, samples_pca=0.06, copy_loss=50, clean_loss=53)


def read_grid(axes):
    """What a grid shows: images (rows, columns, pixels), which have a frame, and its texts."""
    shown = axes.images[0]
    assert shown.get_clim() == (0, 1) and shown.get_cmap().name == "gray"
    canvas = np.ma.filled(shown.get_array(), np.nan)
    tops, lefts = (np.flatnonzero(np.diff([False, *line]) & line) for line in
                   (np.isfinite(canvas).any(axis=1), np.isfinite(canvas).any(axis=0)))
    frames = {frame.get_xy() for frame in axes.patches}
    captions = {text.get_position(): text.get_text() for text in axes.texts}

    def at_each(find):
        return [[find(left, top) for left in lefts] for top in tops]

    return SimpleNamespace(
        images=np.array(at_each(
            lambda left, top: canvas[top:top + IMAGE_SIZE, left:left + IMAGE_SIZE].ravel())),
        marked=np.array(at_each(lambda left, top: (left - 0.5, top - 0.5) in frames)),
        captions=at_each(
            lambda left, top: captions.get((left + IMAGE_SIZE / 2, top + IMAGE_SIZE))),
        rows=[label.get_text() for label in axes.get_yticklabels()],
        columns=[label.get_text() for label in axes.get_xticklabels()],
        tops=tops, lefts=lefts)


# --- grids ------------------------------------------------------------------------------
def test_a_grid_has_every_image_label_caption_and_frame_in_its_place():
    rows = np.random.default_rng(0).random((2, 3, IMAGE_SIZE**2))
    marked = np.array([[True, False, False], [False, False, True]])
    captions = [["a", "b", "c"], ["d", "e", "f"]]
    figure = patterns.grid_figure("title", rows, ["one", "two"], ["x", "y", "z"], captions, marked)
    axes, = figure.axes
    grid = read_grid(axes)
    np.testing.assert_array_equal(grid.images, rows)
    assert grid.captions == captions and (grid.marked == marked).all()
    assert (grid.rows, grid.columns) == (["one", "two"], ["x", "y", "z"])
    np.testing.assert_array_equal(axes.get_yticks(), grid.tops + IMAGE_SIZE / 2)
    np.testing.assert_array_equal(axes.get_xticks(), grid.lefts + IMAGE_SIZE / 2)


def test_the_sheet_of_examples_has_a_row_for_each_type(monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(patterns, "OUTPUT_DIR", tmp_path)
    monkeypatch.setattr(patterns, "png", lambda figure: figures.append(figure) or b"")
    for _ in range(2):
        patterns.main()
    grid, again = (read_grid(*figure.axes) for figure in figures)
    np.testing.assert_array_equal(grid.images, again.images)
    assert grid.rows == list(PATTERN_TYPES) and (tmp_path / "pattern_samples.png").exists()
    for label, row in enumerate(grid.images):
        assert len(row) == 10 and (patterns.nearest_pattern(row)[1] == label).mean() > 0.8


# --- the figures of a run ---------------------------------------------------------------
@pytest.fixture(scope="module")
def figures(short_run):
    """The figures of the short run by the names of their files, with seed 7 for the samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main_script, "png", lambda figure: figure)
        files = main_script.draw_all(short_run.model, short_run.data, short_run.history,
                                     short_run.space, FINDINGS, 7)
    return {name.removesuffix(".png"): figure for name, _, figure in files}


def test_reconstructions_stand_below_their_originals_and_errors_are_enlarged(short_run, figures):
    data, figure = short_run.data, figures["reconstruction_comparison"]
    grid = read_grid(*figure.axes)
    chosen = data.first_of_each_type(max(1, 8 // len(PATTERN_TYPES)))
    recon = vae_model.reconstruct(short_run.model, data.held_out)
    errors = rmse(recon, data.clean)
    np.testing.assert_allclose(grid.images[0], data.held_out[chosen])
    np.testing.assert_allclose(grid.images[1], recon[chosen], atol=1e-5)
    np.testing.assert_allclose(grid.images[2], 5 * np.abs(recon - data.clean)[chosen], atol=1e-5)
    assert grid.columns == [f"{PATTERN_TYPES[data.labels[i]]}\nRMSE {errors[i]:.3f}"
                            for i in chosen]
    assert f"{errors.mean():.3f}" in figure.get_suptitle()
    assert [label.split()[0] for label in grid.rows] == ["original", "reconstruction", "error"]


def test_the_map_shows_every_code_with_the_mark_and_color_of_its_type(short_run, figures):
    space, data = short_run.space, short_run.data
    points = space.project(space.mu)
    marker_axes, picture_axes = figures["latent_space_visualization"].axes
    assert [text.get_text() for text in marker_axes.get_legend().get_texts()] == [*PATTERN_TYPES]
    assert (marker_axes.get_xlabel(), marker_axes.get_ylabel()) == space.names
    for label, line in enumerate(marker_axes.lines):
        assert line.get_color() == main_script.type_color(label)
        np.testing.assert_array_equal(line.get_marker().vertices,
                                      main_script.type_marker(label).vertices)
        np.testing.assert_allclose(line.get_xydata(), points[data.of_type(label)], atol=1e-5)
    pictures = picture_axes.findobj(AnnotationBbox)
    assert len(pictures) > 2
    for picture in pictures:
        index = np.abs(points - picture.xy).sum(axis=1).argmin()
        np.testing.assert_allclose(picture.offsetbox.get_data().ravel(), data.held_out[index])
        color = to_hex(picture.patch.get_edgecolor()).upper()
        assert color == main_script.type_color(data.labels[index])
    assert picture_axes.viewLim.width == pytest.approx(picture_axes.viewLim.height)
    assert all(picture_axes.viewLim.contains(*point) for point in points)


def test_a_map_with_one_dimension_in_use_has_a_row_for_each_type(short_run):
    mu = np.outer(np.linspace(-2, 2, len(short_run.data.labels)), [0, 1, 0])
    space = LatentSpace(mu, np.array([0, 2.0, 0]), np.zeros(3), np.eye(3)[:2], ("a", "b"))
    marker_axes, _ = main_script.draw_latent_space(short_run.data, space).axes
    assert "z[1]" in marker_axes.get_xlabel()
    for label, line in enumerate(marker_axes.lines):
        points = [(mu[index, 1], -label) for index in short_run.data.of_type(label)]
        np.testing.assert_array_equal(line.get_xydata(), points)


def test_types_differ_in_color_and_their_marks_are_their_own_shapes():
    assert len({main_script.type_color(label) for label in range(7)}) == 7
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (300, 2))
    for label, name in enumerate(PATTERN_TYPES):
        distance = patterns.DISTANCES[name](points[:, 0], -points[:, 1])        # y is upwards
        edges = main_script.type_marker(label).to_polygons()                    # of holes as well
        inside = np.logical_xor.reduce([Path(edge).contains_points(points) for edge in edges])
        assert inside[distance < 0.06].all() and not inside[distance > 0.1].any()


def test_paths_lead_from_one_pattern_to_another_in_codes_and_in_pixels(short_run, figures):
    model, data, mu = short_run.model, short_run.data, short_run.space.mu
    grid = read_grid(*figures["interpolation_sequence"].axes)
    within = data.clean[data.of_type(1)]
    farthest = rmse(within[:, None], within).max()
    assert rmse(grid.images[1, 0], grid.images[1, -1]) == pytest.approx(farthest, rel=1e-4)
    first_and_last_type = data.first_of_each_type(1)[[0, -1]]
    np.testing.assert_allclose(grid.images[3, [0, -1]], data.clean[first_and_last_type], atol=1e-6)
    for row in (0, 2):                                # codes, and below them the pixels
        a, b = (rmse(data.clean, grid.images[row + 1, end]).argmin() for end in (0, -1))
        alpha = np.linspace(0, 1, 8)[:, None]
        codes, blends = ((1 - alpha) * values[a] + alpha * values[b] for values in (mu, data.clean))
        np.testing.assert_allclose(grid.images[row], decode(model, codes), atol=1e-4)
        np.testing.assert_allclose(grid.images[row + 1], blends, atol=1e-5)
    near = [types_near(row).tolist() for row in grid.images]
    assert grid.captions == near and (grid.marked == (np.array(near) == "none")).all()
    assert grid.columns[1] == "alpha\n0.14"
    assert [label.split("\n")[-1] for label in grid.rows] == ["codes", "pixels"] * 2


@pytest.mark.parametrize(("epochs", "shown"), [(1, [1]), (12, [1, 2, 3, 4, 7, 12])])
def test_the_progression_shows_pictures_and_losses_by_epoch(short_run, epochs, shown):
    data, history = short_run.data, short_run.history[:epochs]
    figure = main_script.draw_progression(data, history, FINDINGS)
    grid, (upper, lower) = read_grid(figure.axes[0]), figure.axes[1:]
    np.testing.assert_allclose(grid.images[0], data.held_out[data.first_of_each_type(1)])
    np.testing.assert_allclose(grid.images[1:], [history[epoch - 1].pictures for epoch in shown])
    assert grid.rows == ["original", *(f"epoch {epoch}" for epoch in shown)]
    for axes, name in ((upper, "reconstruction"), (lower, "KL")):
        x, y = axes.lines[0].get_data()
        np.testing.assert_array_equal(x, np.arange(epochs) + 1)
        np.testing.assert_array_equal(y, [getattr(record, name.lower()) for record in history])
        assert name in axes.get_ylabel()
    assert set(upper.lines[1].get_ydata()) == {FINDINGS.clean_loss}
    assert {"1", "2"} <= {label.get_text() for label in lower.get_xticklabels()}


def test_samples_are_those_of_the_seed_and_frames_mark_what_is_near_none(short_run, figures):
    model, train = short_run.model, short_run.data.train.numpy()
    figure = figures["generated_samples"]
    grid = read_grid(*figure.axes)
    linear = main_script.sample_pca(train, model.fc_mu.out_features, 20, 7)
    expected = np.concatenate([vae_model.sample_prior(model, 30, 7), linear])
    np.testing.assert_allclose(np.concatenate(grid.images), expected)
    assert grid.rows == ["VAE"] * 3 + ["PCA"] * 2
    assert (grid.marked == [types_near(row) == "none" for row in grid.images]).all()
    assert "71% of" in figure.get_suptitle() and "6% with PCA" in figure.get_suptitle()


def test_the_traversal_moves_one_dimension_at_a_time():
    model, kl = VAE(latent_dim=5), np.array([0.0, 2.5, 0.01, 7.25, 0.04])
    grid = read_grid(*main_script.draw_traversal(model, LatentSpace(None, kl, None, None, ())).axes)
    assert grid.rows == ["z[3]: KL 7.25", "z[1]: KL 2.50", "z[4]: KL 0.04\n(1 of 3 unused)"]
    values = [float(label) for label in grid.columns]
    assert (values[0], values[4], values[-1]) == (-3, 0, 3)
    for row, dimension in enumerate((3, 1, 4)):
        codes = np.outer(values, np.eye(5)[dimension])
        np.testing.assert_allclose(grid.images[row], decode(model, codes), atol=1e-5)


def test_the_plane_is_decoded_where_its_ticks_say():
    model = VAE(latent_dim=2)
    axes, = main_script.draw_manifold(model).axes
    grid = read_grid(axes)
    quantiles = [NormalDist().inv_cdf(share) for share in np.arange(0.05, 1, 0.1)]
    assert grid.columns == [f"{value:.1f}" for value in quantiles]
    assert grid.rows == grid.columns[::-1]                                   # upwards
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z[0]", "z[1]")
    codes = [[(right, up) for right in quantiles] for up in quantiles[::-1]]
    np.testing.assert_allclose(grid.images, decode(model, codes), atol=1e-5)


@pytest.mark.parametrize("latent", [2, 200])
def test_solid_arrows_are_layers_and_dashed_ones_arithmetic(latent):
    model, pixels = VAE(latent_dim=latent), 32**2
    model.encoder = nn.Sequential(nn.Linear(pixels, 100), nn.ReLU(), nn.Linear(100, 128))
    outwards = [latent, *range(90, 60, -3), pixels]
    model.decoder = nn.Sequential(*(nn.Linear(*sizes) for sizes in pairwise(outwards)))
    figure = vae_model.draw_architecture(model)
    axes, = figure.axes
    figure.draw_without_rendering()
    boxes = {}
    for bar in axes.patches:
        middle = bar.get_bbox().get_points().mean(axis=0)
        text, = (text for text in axes.texts
                 if text.get_text() and np.allclose(text.get_position(), middle))
        boxes[text.get_text().replace("\n", " ")] = bar.get_bbox()
        inside, around = text.get_window_extent(), bar.get_window_extent()
        assert around.x0 < inside.x0 and inside.x1 < around.x1 and around.y0 < inside.y0
        assert axes.bbox.y0 < around.y0 and around.y1 < axes.bbox.y1

    def box_at(place):
        return next(name for name, box in boxes.items() if box.padded(0.06).contains(*place))

    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", None)]
    drawn = [one.arrow_patch.get_window_extent() for one in arrows]
    bars = [bar.get_window_extent() for bar in axes.patches]
    assert all(bar.count_overlaps(bars + drawn) == 1 for bar in bars)          # with itself
    dashed = {(box_at(one.xyann), box_at(one.xy)): one.arrow_patch.get_linestyle() == "--"
              for one in arrows}
    layers = [(f"image x {pixels}", "hidden 100"), ("hidden 100", "hidden 128"),
              ("hidden 128", f"mu {latent}"), ("hidden 128", f"log_var {latent}"),
              *pairwise([f"z {latent}", *(f"hidden {size}" for size in outwards[1:-1]),
                         f"recon_x {pixels}"])]
    texts = {text.get_text() for text in axes.texts}
    assert {"encoder\nLinear, ReLU", "decoder\nLinear"} <= texts
    formula, = (text.removeprefix("z = ") for text in texts if text.startswith("z = "))
    assert eval(formula, {"exp": np.exp, "mu": 1, "log_var": 4, "epsilon": 3}) == 1 + 3 * np.exp(2)
    arithmetic = [(f"{name} {latent}", f"z {latent}") for name in ("mu", "log_var", "epsilon")]
    assert dashed == dict.fromkeys(layers, False) | dict.fromkeys(arithmetic, True)


def test_the_other_files_hold_their_own_figures(figures):
    for name, title in (("vae_architecture", "The VAE"), ("training_progression", "What training"),
                        ("latent_traversal", "One latent dimension moves")):
        assert figures[name].get_suptitle().startswith(title)
