"""The explorer, driven with mouse and key events on a canvas that needs no display."""

import functools
import sys

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.backend_bases import CloseEvent, KeyEvent, MouseEvent, ResizeEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

import patterns
from latent_space_exploration import ALIVE_KL, SEED, explore, make_data
from patterns import IMAGE_SIZE, PATTERN_TYPES, ProgramError
from solutions import latent_explorer
from solutions.latent_explorer import HINT, OUTSIDE, Explorer, main, new_window, window_settings
from vae_model import WEIGHTS, make_model

with pytest.MonkeyPatch.context() as as_handed_out:
    as_handed_out.setattr(patterns, "MAX_SHIFT", 0.09)
    as_handed_out.setattr(patterns, "LINE_WIDTH", (0.05, 0.09))
    DATA = make_data(0)
KINDS = range(len(PATTERN_TYPES))
COLLAPSED = 32                   # with so many dimensions all are dead, as with --beta 256
MESSAGE = slice(-65, -50)        # the rows of pixels that the line for messages takes
INCHES = {8: latent_explorer.WINDOW_INCHES, 2: (6.4, 4), COLLAPSED: (6.4, 4)}


@pytest.fixture(autouse=True)
def constants_as_handed_out(monkeypatch):
    """What a learner changes must not decide what these tests see."""
    monkeypatch.setattr(patterns, "MAX_SHIFT", 0.09)
    monkeypatch.setattr(patterns, "LINE_WIDTH", (0.05, 0.09))
    monkeypatch.setattr(latent_explorer, "NEAR_RMSE", 0.1)
    monkeypatch.setattr(latent_explorer, "DPI", 40)          # of saved pictures


@pytest.fixture(scope="module", autouse=True)
def settings_of_the_window():
    """``open_window`` holds them as long as its window is open."""
    with window_settings():
        yield


@functools.cache
def latent_space(latent_dim):
    """A model with loud weights, so that wrong pictures differ visibly, and its LatentSpace."""
    model = make_model(latent_dim, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_(0, 2 / weights.shape[-1] ** 0.5, generator=generator)
        model.fc_mu.weight[1].zero_()                        # one dimension is dead
        model.fc_mu.bias[1] = 0
        model.fc_var.weight.zero_()
        model.fc_var.bias.zero_()
        if latent_dim == COLLAPSED:
            model.fc_mu.weight *= 1e-3
            model.fc_mu.bias.zero_()
    return model, explore(model, DATA)


class Canvas(FigureCanvasAgg):
    """A canvas that needs no window, but draws as late as in one: when somebody looks."""

    due = False

    def draw_idle(self):
        self.due = True

    def draw(self):
        super().draw()
        self.due = False


class Hand:
    """Moves the mouse and presses keys on an explorer, and looks at its pixels."""

    def __init__(self, latent_dim):
        self.model, self.space = latent_space(latent_dim)
        self.canvas = Canvas(Figure(latent_explorer.WINDOW_INCHES))
        self.explorer = Explorer(self.canvas.figure, self.model, DATA, self.space, ".")

    def resize(self, *inches):
        self.canvas.figure.set_size_inches(*inches)
        ResizeEvent("resize_event", self.canvas)._process()

    def pixel(self, axes, x, y):
        self.pixels()                                        # drawing moves the map
        return axes.transData.transform((x, y))

    def mouse(self, name, x, y):
        MouseEvent(name, self.canvas, x, y, 1)._process()

    def press(self, axes, x, y, name="button_press_event"):
        """Press at a point of some axes; returns the point, rounded to whole pixels."""
        pixel = self.pixel(axes, x, y).astype(int)
        self.mouse(name, *pixel)
        return axes.transData.inverted().transform(pixel)

    def drag(self, axes, x, y):
        return self.press(axes, x, y, "motion_notify_event")

    def release(self):
        self.mouse("button_release_event", 0, 0)

    def key(self, key):
        KeyEvent("key_press_event", self.canvas, key)._process()
        KeyEvent("key_release_event", self.canvas, key)._process()

    def click(self, key):
        """Click the button that has this key in its label."""
        button, = (b for b in self.explorer.buttons if f"[{key}]" in b.label.get_text())
        x, y = button.ax.transAxes.transform((0.5, 0.5))
        self.mouse("button_press_event", x, y)
        self.mouse("button_release_event", x, y)

    def pixels(self):
        """What is seen, (height, width, 3); the next drawing changes it."""
        if self.canvas.due:
            self.canvas.draw()
        return np.asarray(self.canvas.buffer_rgba())[..., :3]

    def seen_picture(self):
        """The picture as it is on the canvas: the middle of each of its large pixels."""
        pixels, box = self.pixels(), self.explorer.screen.bbox
        steps = (np.arange(IMAGE_SIZE) + 0.5) / IMAGE_SIZE
        columns = (box.x0 + steps * box.width).astype(int)
        rows = (len(pixels) - box.y1 + steps * box.height).astype(int)
        return pixels[rows][:, columns, 0] / 255

    def color_at(self, axes, x, y):
        column, row = self.pixel(axes, x, y).round().astype(int)
        return tuple(self.pixels()[len(self.pixels()) - row, column])

    def check_views(self, z):
        """Every view shows ``z``: decoded, projected and printed without the explorer's help."""
        explorer, space = self.explorer, self.space
        np.testing.assert_allclose(explorer.z, z, atol=1e-6)
        with torch.no_grad():
            decoded = self.model.decoder(torch.tensor(z, dtype=torch.float32)).numpy()
        decoded = decoded.reshape(IMAGE_SIZE, IMAGE_SIZE)
        np.testing.assert_allclose(explorer.image.get_array(), decoded, atol=1e-5)
        np.testing.assert_allclose(self.seen_picture(), decoded, atol=2.5 / 255)
        point = space.axes @ (z - space.origin)
        np.testing.assert_allclose(np.ravel(explorer.dot.get_data()), point, atol=1e-6)
        assert self.color_at(explorer.map, *point) == (0xF0, 0xE4, 0x42)
        shown = z[np.argsort(-space.kl, kind="stable")][:12]
        np.testing.assert_allclose(explorer.knobs.get_offsets()[:, 0], shown, atol=1e-6)

    def check_saved(self, file):
        """A picture that is saved is what is seen, without the message and what the dot hides."""
        saved, seen = imread(file)[..., :3], self.pixels() / np.float32(255)
        assert saved.shape == seen.shape
        assert saved[MESSAGE].min() == 1 > seen[MESSAGE].min()
        x, y = self.pixel(self.explorer.map, *np.ravel(self.explorer.dot.get_data())).astype(int)
        for picture in (saved, seen):
            picture[MESSAGE] = 0
            picture[len(seen) - y - 12:len(seen) - y + 12, x - 12:x + 12] = 0
        np.testing.assert_array_equal(saved, seen)


@functools.cache
def shared_hand(latent_dim):
    return Hand(latent_dim)


def fresh_hand(folder, latent_dim=8):
    """A hand on an explorer as it is after opening (one for all tests: building takes time)."""
    hand = shared_hand(latent_dim)
    hand.explorer.folder = folder
    hand.explorer.rng = np.random.default_rng(SEED)
    if tuple(hand.canvas.figure.get_size_inches()) != INCHES[latent_dim]:
        hand.resize(*INCHES[latent_dim])
    hand.release()
    hand.key("0")
    return hand


@pytest.fixture
def hand(tmp_path):
    return fresh_hand(tmp_path)


@pytest.fixture
def undrawn(monkeypatch):
    """Saved pictures are empty files: drawing them takes time, and not every test looks at them."""
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)


def type_mean(space, kind):
    return space.mu[DATA.labels == kind].mean(axis=0)


def point_in_map(hand, right, up):
    """A point of the map by its shares of the way to the right and upwards."""
    (left, r), (low, high) = hand.explorer.map.get_xlim(), hand.explorer.map.get_ylim()
    return np.array([left + right * (r - left), low + up * (high - low)])


def moved_within_plane(space, z, target):
    """``z`` with the coordinates ``target`` in the plane and the rest as it was."""
    rest = (z - space.origin) - space.axes.T @ (space.axes @ (z - space.origin))
    return space.origin + rest + space.axes.T @ target


# --- pointing at the map ------------------------------------------------------------
@pytest.mark.parametrize("latent_dim", [2, COLLAPSED])
def test_pressing_and_dragging_in_the_map_shows_that_point(tmp_path, latent_dim):
    hand = fresh_hand(tmp_path, latent_dim)
    hand.check_views(z := np.zeros(latent_dim))
    point = hand.press(hand.explorer.map, *point_in_map(hand, 0.3, 0.8))
    hand.check_views(z := moved_within_plane(hand.space, z, point))
    point = hand.drag(hand.explorer.map, *point_in_map(hand, 0.6, 0.4))
    hand.check_views(z := moved_within_plane(hand.space, z, point))
    hand.release()
    hand.drag(hand.explorer.map, *point_in_map(hand, 0.2, 0.2))
    hand.check_views(z)


def test_dragging_out_of_the_map_follows_its_border(hand):
    hand.press(hand.explorer.map, *point_in_map(hand, 0.5, 0.5))
    point = hand.drag(hand.explorer.map, *point_in_map(hand, 1.5, 0.7))
    reached = hand.space.project(hand.explorer.z)
    np.testing.assert_allclose(reached, [hand.explorer.map.get_xlim()[1], point[1]],
                               atol=1e-6)
    assert hand.explorer.status.get_text() == HINT


def test_other_mouse_buttons_and_empty_places_do_nothing(hand):
    x, y = hand.pixel(hand.explorer.map, *point_in_map(hand, 0.3, 0.8))
    MouseEvent("button_press_event", hand.canvas, x, y, 3)._process()
    hand.mouse("button_press_event", 1, 300)
    hand.drag(hand.explorer.map, *point_in_map(hand, 0.3, 0.8))
    hand.key("x")
    hand.check_views(np.zeros(8))


# --- the sliders --------------------------------------------------------------------
def test_sliders_are_sorted_labelled_and_move_only_their_dimension(hand):
    order = np.argsort(-hand.space.kl, kind="stable")
    labels = hand.explorer.sliders.get_yticklabels()
    z = np.zeros(8)
    for row, dimension in enumerate(order):
        kl = hand.space.kl[dimension]
        assert labels[row].get_text().startswith(f"z{dimension + 1}  KL {kl:.2f}")
        assert ("dead" in labels[row].get_text()) == (kl <= ALIVE_KL)
        assert (labels[row].get_color() != "black") == (kl <= ALIVE_KL)
        hand.press(hand.explorer.sliders, 0, row + (0.3 if row % 2 else -0.3))
        x, _ = hand.drag(hand.explorer.sliders, 0.1 + 0.05 * row, row - 3)   # the row is held
        hand.release()
        z[dimension] = x
        np.testing.assert_allclose(hand.explorer.z, z)
    hand.check_views(z)
    assert hand.space.kl[order[-1]] <= ALIVE_KL
    # a step in the map keeps what they set outside of its plane
    point = hand.press(hand.explorer.map, *point_in_map(hand, 0.7, 0.3))
    hand.check_views(moved_within_plane(hand.space, z, point))


def test_many_dimensions_show_twelve_sliders_and_keep_the_others(tmp_path):
    hand = fresh_hand(tmp_path, COLLAPSED)
    explorer = hand.explorer
    assert len(explorer.sliders.get_yticklabels()) == 12
    assert "20 more" in explorer.sliders.get_title(loc="right")
    hand.key("r")
    hidden = hand.space.by_kl[12:]
    before = explorer.z[hidden]
    assert np.abs(before).min() > 0
    value, _ = hand.press(explorer.sliders, 1.0, 11)
    assert explorer.z[hand.space.by_kl[11]] == pytest.approx(value)
    np.testing.assert_array_equal(explorer.z[hidden], before)


def test_points_beyond_map_and_sliders_wait_at_the_border_and_say_so(hand):
    explorer = hand.explorer
    explorer.go(np.full(8, 99.0))
    assert explorer.status.get_text() == OUTSIDE
    np.testing.assert_array_equal(explorer.knobs.get_offsets()[:, 0], explorer.slider_end)
    (x,), (y,) = explorer.dot.get_data()
    assert x in explorer.map.get_xlim() and y in explorer.map.get_ylim()
    hand.key("0")
    assert explorer.status.get_text() == HINT


# --- keys and buttons ---------------------------------------------------------------
@pytest.mark.parametrize("use", [Hand.key, Hand.click])
def test_each_key_and_button_goes_to_its_point(hand, use):
    explorer = hand.explorer
    for kind, name in enumerate(PATTERN_TYPES):
        use(hand, str(kind + 1))
        hand.check_views(type_mean(hand.space, kind))
        assert any(f"[{kind + 1}]" in b.label.get_text() and name in b.label.get_text()
                   for b in explorer.buttons)
    rng = np.random.default_rng(SEED)
    for _ in range(2):
        use(hand, "r")
        np.testing.assert_array_equal(explorer.z, rng.standard_normal(8))
    use(hand, "0")
    hand.check_views(np.zeros(8))


def test_the_keys_are_free_in_the_window():
    with window_settings():
        bound = {key for name in matplotlib.rcParams if name.startswith("keymap.")
                 for key in matplotlib.rcParams[name]}
    assert not bound & set("r01234wsRWS")
    assert {"q", "Q", "f", "F"} <= bound


def test_walk_passes_every_type_mean_until_stopped(hand, monkeypatch):
    monkeypatch.setattr(latent_explorer, "WALK_FRAMES", 2)
    hand.key("r")
    explorer = hand.explorer
    stations = [explorer.z, *(type_mean(hand.space, kind) for kind in (*KINDS, 0))]
    hand.key("w")
    for start, end in zip(stations, stations[1:]):
        for share in (0.5, 1):
            explorer.timer._on_timer()
            np.testing.assert_allclose(explorer.z, start + share * (end - start), atol=1e-6)
    hand.check_views(stations[-1])
    explorer.timer._on_timer()
    hand.click("w")
    stopped = explorer.z
    assert explorer.status.get_text() == HINT
    explorer.timer._on_timer()
    hand.check_views(stopped)


def test_the_hand_ends_the_walk(hand):
    explorer = hand.explorer
    for act in (lambda: hand.press(explorer.map, *point_in_map(hand, 0.3, 0.8)),
                lambda: hand.key("2")):
        hand.key("w")
        explorer.timer._on_timer()
        act()
        after = explorer.z
        explorer.timer._on_timer()
        np.testing.assert_array_equal(explorer.z, after)


def test_saving_overwrites_nothing_and_leaves_the_window_as_it_was(tmp_path):
    hand = fresh_hand(tmp_path, 2)
    (tmp_path / "latent_moment_001.png").write_bytes(b"mine")
    hand.key("4")
    before = np.delete(hand.pixels(), MESSAGE, axis=0)
    hand.key("s")
    assert "latent_moment_002.png" in hand.explorer.status.get_text()
    np.testing.assert_array_equal(np.delete(hand.pixels(), MESSAGE, axis=0), before)
    assert imread(tmp_path / "latent_moment_002.png").shape[:2] == (160, 256)    # 4 x 6.4 inches
    assert (tmp_path / "latent_moment_001.png").read_bytes() == b"mine"


def test_shift_and_caps_lock_do_not_disable_letters(hand, tmp_path, undrawn):
    hand.key("R")
    np.testing.assert_array_equal(hand.explorer.z, np.random.default_rng(SEED).standard_normal(8))
    hand.key("W")
    assert hand.explorer.path is not None
    hand.key("S")
    assert len(list(tmp_path.iterdir())) == 1
    hand.key(None)                                           # a key that has no name


def test_saving_goes_on_during_a_walk(hand, tmp_path, undrawn):
    hand.key("w")
    for number, save in enumerate((hand.key, hand.click), start=1):
        hand.explorer.timer._on_timer()
        save("s")
        before = hand.explorer.z
        hand.explorer.timer._on_timer()
        assert np.any(hand.explorer.z != before)
        assert f"latent_moment_00{number}.png" in hand.explorer.status.get_text()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_picture_that_cannot_be_saved_is_reported(tmp_path, undrawn):
    (tmp_path / "file").write_text("not a folder")
    hand = fresh_hand(tmp_path / "file")
    hand.key("s")
    assert hand.explorer.status.get_text().startswith("Could not save: ")


def test_the_caption_names_the_nearest_clean_pattern(hand, monkeypatch):
    clean = DATA.clean[[np.flatnonzero(DATA.labels == kind)[0] for kind in KINDS]]
    nearest = patterns.nearest_clean(clean / 2)[1]
    for pictures, kinds, caption in ((clean, KINDS, "{}"),
                                     (clean / 2, nearest, "unclear, nearest: {}")):
        for picture, kind in zip(pictures, kinds):
            monkeypatch.setattr(latent_explorer, "decode", lambda *_, seen=picture: seen[None])
            hand.key("r")
            assert hand.explorer.caption.get_text() == caption.format(PATTERN_TYPES[kind])


# --- the window ---------------------------------------------------------------------
@pytest.mark.parametrize("latent_dim", INCHES)
def test_texts_stay_apart_at_every_window_size(tmp_path, latent_dim):
    hand = fresh_hand(tmp_path, latent_dim)
    hand.key("4")
    hand.check_views(type_mean(hand.space, 3))

    explorer, window = hand.explorer, hand.canvas.figure.bbox
    for button in explorer.buttons:
        text, box = button.label.get_window_extent(), button.ax.bbox
        assert box.x0 < text.x0 and text.x1 < box.x1 and box.y0 < text.y0 and text.y1 < box.y1
    parts = [explorer.map.get_tightbbox(bbox_extra_artists=[]),        # without its legend
             explorer.map.get_legend().get_window_extent(),
             explorer.screen.get_tightbbox(), explorer.sliders.get_tightbbox(),
             explorer.status.get_window_extent(),
             *(button.ax.bbox for button in explorer.buttons)]
    for index, part in enumerate(parts):
        assert window.x0 <= part.x0 and part.x1 <= window.x1, index
        assert window.y0 <= part.y0 and part.y1 <= window.y1, index
        assert not any(part.overlaps(other) for other in parts[index + 1:]), index


def test_a_collapsed_model_leaves_room_to_walk_in(tmp_path):
    hand = fresh_hand(tmp_path, COLLAPSED)
    assert not len(hand.space.alive)
    hand.press(hand.explorer.map, *point_in_map(hand, 0.95, 0.9))
    assert np.abs(hand.explorer.z).max() > 0.5


def test_a_tiny_or_flat_window_does_no_harm(hand):
    hand.pixels()                                            # from here on drawn piece by piece
    hand.key("r")
    hand.press(hand.explorer.sliders, 0.5, 2)
    hand.key("4")
    piece_by_piece = hand.pixels().copy()
    for inches in ((9, 0.4), (0.6, 7), (0.01, 0.01)):
        hand.resize(*inches)
        for axes in (hand.explorer.map, hand.explorer.screen, hand.explorer.sliders):
            assert axes.bbox.width > 0 and axes.bbox.height > 0      # none turned inside out
    hand.key("1")
    hand.pixels()                                            # a full drawing
    hand.key("r")                                            # and one over its background
    hand.resize(*latent_explorer.WINDOW_INCHES)
    hand.key("4")
    np.testing.assert_array_equal(hand.pixels(), piece_by_piece)


# What a reader's matplotlibrc may say; usetex fails where there is no LaTeX.
THEIR_SETTINGS = {
    "axes.facecolor": "black", "figure.facecolor": "black", "text.color": "white",
    "image.origin": "lower", "font.size": 30, "axes.labelsize": 40, "text.usetex": True,
    "axes.grid": True, "figure.autolayout": True, "interactive": True, "savefig.dpi": 20,
}


def test_the_window_ticks_until_closed_and_ignores_the_readers_settings(tmp_path, monkeypatch):
    hand, running, figures = fresh_hand(tmp_path, 2), [], []

    class Timer:
        """Not only for a walk: some toolkits notice Ctrl-C only when Python is called again."""

        def __init__(self, interval, callbacks):
            assert interval < 200                            # milliseconds until Ctrl-C is seen

        def start(self):
            running.append(self)

        def stop(self):
            running.clear()

    def figure_without_window(_backend):
        figures.append(Canvas(Figure(INCHES[2])).figure)
        return figures[-1]

    def show(block):
        assert running
        for key in "4s":
            KeyEvent("key_press_event", figures[0].canvas, key)._process()
        CloseEvent("close_event", figures[0].canvas)._process()

    monkeypatch.setattr(Canvas, "new_timer", lambda _canvas, *arguments: Timer(*arguments))
    monkeypatch.setattr(latent_explorer, "new_window", figure_without_window)
    monkeypatch.setattr(plt, "show", show)
    monkeypatch.setattr(latent_explorer, "DPI", 100)
    with matplotlib.rc_context(THEIR_SETTINGS):
        latent_explorer.open_window(hand.model, DATA, hand.space, tmp_path)
        assert matplotlib.rcParams["image.origin"] == "lower"
    assert not running
    hand.key("4")
    hand.check_saved(tmp_path / "latent_moment_001.png")


# --- the program --------------------------------------------------------------------
@pytest.fixture
def opened(monkeypatch):
    """What ``main`` has opened a window on: instead of a window, an entry in this list."""
    calls = []
    monkeypatch.setattr(latent_explorer, "set_up_torch", lambda seed: None)
    monkeypatch.setattr(latent_explorer, "open_window", lambda *arguments: calls.append(arguments))
    return calls


def save_weights(folder, latent_dim, change=lambda weights: weights):
    torch.save(change(make_model(latent_dim, seed=1).state_dict()), folder / WEIGHTS)


def test_the_program_shows_the_model_of_the_folder_and_says_so(opened, tmp_path, capsys):
    for latent_dim in (2, 5):
        save_weights(tmp_path, latent_dim)
        main(["--output-dir", str(tmp_path)])
        model, data, space, folder = opened.pop()
        expected = make_model(latent_dim, seed=1).state_dict()
        assert all(torch.equal(expected[name], value) for name, value in model.state_dict().items())
        np.testing.assert_array_equal(space.mu, explore(model, data).mu)
        assert folder == tmp_path
        said = capsys.readouterr().out
        assert f"{latent_dim} latent dimensions" in said and str(tmp_path / WEIGHTS) in said
        assert "beta" in said


def nan_weights(weights):
    weights["decoder.0.bias"][3] = float("nan")
    return weights


@pytest.mark.parametrize("prepare, word", [
    (lambda folder: None, "no trained model"),
    (lambda folder: (folder / WEIGHTS).write_text("weights"), "no trained model"),
    (lambda folder: (folder / WEIGHTS).write_bytes(b"GIF89a"), "no trained model"),
    (lambda folder: torch.save({"layer": torch.ones(2)}, folder / WEIGHTS), "no trained model"),
    (lambda folder: (folder / WEIGHTS).mkdir(), "no trained model"),
    (lambda folder: save_weights(folder, 2, nan_weights), "not finite"),
    (lambda folder: save_weights(folder, 1), "two latent dimensions"),
])
def test_weights_that_give_no_window_are_named_in_one_sentence(opened, tmp_path, prepare, word):
    prepare(tmp_path)
    with pytest.raises(ProgramError) as wrong:
        main(["--output-dir", str(tmp_path)])
    assert word in str(wrong.value) and WEIGHTS in str(wrong.value)
    assert "\n" not in str(wrong.value)
    assert not opened


def sentence(function, *arguments):
    """What the ProgramError of a call says."""
    with pytest.raises(ProgramError) as wrong:
        function(*arguments)
    assert "\n" not in str(wrong.value)
    return str(wrong.value)


def test_without_a_display_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "DISPLAY" in sentence(new_window) and "ssh -X" in sentence(new_window)


@pytest.mark.parametrize("backend", [
    "agg", "SVG", "webagg", "nbagg", "inline", "widget", "ipympl", "nonsense",
    "module://matplotlib_inline.backend_inline"])
def test_a_backend_without_windows_is_named(monkeypatch, backend):
    monkeypatch.setenv("DISPLAY", ":0")
    assert repr(backend) in sentence(new_window, backend)
    assert "unset MPLBACKEND" in sentence(new_window, backend)
    monkeypatch.setattr(matplotlib, "rcParamsOrig", {"backend": "agg"})
    assert "matplotlibrc" in sentence(new_window)


def test_without_a_toolkit_one_sentence_says_how_to_get_one(monkeypatch):
    def no_figure(*_, **__):
        raise ImportError("No module named '_tkinter'\nmore lines")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(matplotlib, "rcParamsOrig", {"backend": object()})   # none is named
    monkeypatch.setattr(matplotlib, "use", lambda name: None)
    monkeypatch.setattr(plt, "figure", no_figure)
    for backend in ("tkagg", None):
        said = sentence(new_window, backend)
        assert "_tkinter" in said and "apt install python3-tk" in said
    monkeypatch.setattr(plt, "figure", lambda *_, **__: Figure())
    monkeypatch.setattr(plt, "get_backend", lambda: "agg")   # what Matplotlib falls back to
    assert "no GUI toolkit" in sentence(new_window)
