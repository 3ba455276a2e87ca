"""Walk the latent space by hand, in one window.

    python latent_space_exploration.py --interactive          # train, then open the window
    python latent_space_exploration.py --interactive --load   # with the weights of the last run

Press or drag in the map, move the sliders, press the buttons or their keys. All
of them change one thing, the latent vector ``z`` of the class ``Explorer``, and
everything seen is a view of it: the dot in the map, the knobs of the sliders,
and the picture that the decoder makes of it.
"""

import functools
import itertools
import os
import signal
import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends import backend_registry
from matplotlib.transforms import Bbox
from matplotlib.widgets import Button

from latent_space_exploration import (
    ALIVE_KL,
    NEAR_RMSE,
    decode,
    interpolate_codes,
    publish_together,
    scatter_codes,
    square_view,
)
from patterns import IMAGE_SIZE, PATTERN_TYPES, nearest_clean

WINDOW_INCHES = (10, 6.4)
MAX_SLIDERS = 12        # more would be too thin to grab
SLIDER_END = 4          # one draw in 16,000 from N(0, 1) lies beyond it
WALK_FRAMES = 40        # from one type to the next
WALK_INTERVAL = 40      # milliseconds between two frames
SAVED_DPI = 150
HINT = "Press or drag in the map, or move a slider: the picture follows."
OUTSIDE = "Beyond the border of the map or the end of a slider: the marker waits there."

# Matplotlib's own keys (g for a grid, l for a logarithmic axis, ...) would get in
# the way of ours; those that close the window or make it fill the screen stay.
WINDOW_SETTINGS = {"toolbar": "None"} | {
    name: [] for name in matplotlib.rcParams if name.startswith("keymap.")
    and name not in ("keymap.quit", "keymap.fullscreen")}


def missing_display():
    """One sentence on what is missing for a window and how to get it, or None."""
    from matplotlib import pyplot as plt

    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not display:
        return ("No display: DISPLAY and WAYLAND_DISPLAY are not set; start the program "
                "in a desktop session, or connect with 'ssh -X'.")
    chosen = matplotlib.get_backend(auto_select=False)       # None: Matplotlib may choose
    if chosen and backend_registry.resolve_backend(chosen)[1] in (None, "nbagg", "webagg"):
        return (f"No window: MPLBACKEND or matplotlibrc sets Matplotlib to {chosen!r}, which "
                "opens none; remove that setting ('unset MPLBACKEND').")
    reason = f"Matplotlib finds no GUI toolkit that works on display {display!r}"
    try:
        plt.close(plt.figure())                              # a window, but never shown
        if plt.get_backend().lower() != "agg":
            return None
    except Exception as error:                               # each toolkit raises its own kind
        reason = str(error).strip().splitlines()[0]
    return (f"No window: {reason}; install Tk ('apt install python3-tk') or Qt ('pip install "
            "PyQt6', on Linux also 'apt install libxcb-cursor0'), and check the display.")


def open_explorer(model, data, codes, output_dir, seed):
    """Open the window and return when it has been closed."""
    from matplotlib import pyplot as plt

    # Ctrl-C ends the program at once: Tk would report an exception raised in a callback
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    with plt.rc_context(WINDOW_SETTINGS):
        figure = plt.figure("Walk the latent space", figsize=WINDOW_INCHES, layout="none")
        explorer = Explorer(figure, model, data, codes, output_dir, seed)
        plt.show(block=True)
    explorer.stop_walk()
    signal.signal(signal.SIGINT, handler)


class Explorer:
    """The contents of the window, on any Matplotlib figure.

    Parameters
    ----------
    figure : matplotlib Figure, empty
    model : VAE
    data : Data
    codes : Codes of ``data``
    output_dir : folder that saved pictures go to
    seed : int, decides the random draws

    Attributes
    ----------
    z : float array (latent_dim,), the point of the latent space that is shown
    """

    def __init__(self, figure, model, data, codes, output_dir, seed):
        self.figure, self.model, self.codes = figure, model, codes
        self.output_dir = Path(output_dir)
        self.rng = np.random.default_rng(seed)
        kinds = range(len(PATTERN_TYPES))
        self.centres = np.stack([codes.mu[data.labels == kind].mean(axis=0) for kind in kinds])
        self.z = np.zeros(len(codes.kl))
        self.dimensions = codes.by_kl[:MAX_SLIDERS]          # those that have a slider
        self.slider_end = max(SLIDER_END, np.ceil(np.abs(codes.mu).max()))
        self.held = None           # the axes that the pointer holds: map, sliders or none
        self.row = 0               # which of the sliders it holds
        self.path = None           # the points still to come, during a walk
        self.cells = None          # what moves, where, and the pixels under it
        self.actions = {           # key: (label of the button, what it does)
            "r": ("random\ndraw [r]", self.draw_from_prior),
            **{f"{kind + 1}": (f"mean [{kind + 1}]\n{PATTERN_TYPES[kind]}",
                               functools.partial(self.go, self.centres[kind])) for kind in kinds},
            "0": ("reset to\nzero [0]", lambda: self.go(np.zeros_like(self.z))),
            "w": ("walk or\nstop [w]", self.toggle_walk),
            "s": ("save\n[s]", self.save),
        }
        with matplotlib.rc_context({"font.size": 8, "axes.labelsize": 7.5, "axes.titlesize": 8}):
            self.build_map(data)
            self.build_picture()
            self.build_sliders()
            self.build_buttons()
        self.moving = [self.dot, self.image, self.caption, self.knobs, self.status]
        for artist in self.moving:
            artist.set_animated(True)                        # left out of full drawings
        for event, handler in {
            "button_press_event": self.press, "motion_notify_event": self.drag,
            "button_release_event": self.release, "key_press_event": self.press_key,
            "resize_event": self.lay_out, "draw_event": self.keep_pixels,
            "close_event": self.stop_walk,
        }.items():
            figure.canvas.mpl_connect(event, handler)
        self.timer = figure.canvas.new_timer(WALK_INTERVAL, [(self.step, (), {})])
        self.lay_out()
        self.show()

    # --- building the views ---------------------------------------------------------
    def build_map(self, data):
        """The scatter of held-out codes, the mean of each type, and the dot for ``z``."""
        self.map = self.figure.add_subplot()
        scatter_codes(self.map, self.codes, data.labels)
        seen = np.vstack([self.codes.points, self.codes.plane.project(self.z)])   # and zero
        xlim, ylim = square_view(seen)
        self.map.set(xlim=xlim, ylim=ylim)
        for kind, point in enumerate(self.codes.plane.project(self.centres)):
            self.map.text(*point, f"{kind + 1}", ha="center", va="center",
                          bbox={"boxstyle": "circle", "facecolor": "white", "alpha": 0.8})
        self.dot, = self.map.plot([], [], "o", markersize=13, markeredgewidth=2.5,
                                  color="#F0E442", markeredgecolor="black", clip_on=False)

    def build_picture(self):
        """The picture decoded from ``z``, and the name of the clean pattern nearest to it."""
        self.screen = self.figure.add_subplot()
        self.screen.set_axis_off()
        self.image = self.screen.imshow(np.zeros((IMAGE_SIZE, IMAGE_SIZE)), cmap="gray",
                                        vmin=0, vmax=1, interpolation="nearest")
        self.caption = self.screen.set_title("", fontsize=9)

    def build_sliders(self):
        """One axes with a slider in each row: a label, a track and a knob."""
        rows = np.arange(len(self.dimensions))
        kl = self.codes.kl[self.dimensions]
        alive = kl > ALIVE_KL
        self.sliders = self.figure.add_subplot()
        self.sliders.set(xlim=(-self.slider_end, self.slider_end), ylim=(len(rows) - 0.5, -0.5))
        self.sliders.hlines(rows, *self.sliders.get_xlim(), color="0.85", linewidth=4)
        self.sliders.axvline(0, color="0.85", linewidth=1)
        self.knobs = self.sliders.scatter(
            0 * rows, rows, s=60, c=np.where(alive, "#0072B2", "0.6"),
            edgecolors="white", clip_on=False, zorder=3)
        self.sliders.set_yticks(rows, [
            f"z{d + 1}  KL {value:.2f}{'' if lives else ' dead'}"
            for d, value, lives in zip(self.dimensions, kl, alive)])
        for label, lives in zip(self.sliders.get_yticklabels(), alive):
            label.set_color("black" if lives else "0.45")
        self.sliders.tick_params(length=0, labelsize=8)
        self.sliders.spines[:].set_visible(False)
        hidden = len(self.z) - len(rows)
        self.sliders.set_title(
            "latent dimensions by KL (nats per image)"
            + (f"\n{hidden} more have no slider and keep their values" if hidden else ""),
            loc="right")

    def build_buttons(self):
        """A line for messages, and below it a row of buttons labelled with their keys."""
        self.status = self.figure.text(0, 0, HINT)
        self.buttons = []
        for label, act in self.actions.values():
            button = Button(self.figure.add_subplot(), label)
            button.on_clicked(lambda _event, act=act: act())
            self.buttons.append(button)

    def lay_out(self, _event=None):
        """Place everything: text keeps its size, so margins are inches; the rest stretches."""
        width, height = self.figure.get_size_inches()

        def place(axes, left, right, bottom, top):
            size = np.maximum((right - left, top - bottom), 0.1)
            axes.set_position([left / width, bottom / height, *size / (width, height)])

        middle, bottom, top = 0.48 * width, 0.95, height - 0.3
        rows = len(self.dimensions)
        split = bottom + np.clip(0.4 * (top - bottom), 0.13 * rows, 0.25 * rows)
        place(self.map, 0.55, middle, bottom + 0.2, top)
        place(self.screen, middle + 0.2, width - 0.1, split + 0.37, top)
        place(self.sliders, middle + 1.3, width - 0.2, bottom, split)
        pitch = (width - 0.14) / len(self.buttons)
        for left, button in zip(0.1 + pitch * np.arange(len(self.buttons)), self.buttons):
            place(button.ax, left, left + pitch - 0.06, 0.08, 0.45)
        self.status.set_position((0.1 / width, 0.53 / height))
        self.cells = None                                    # the kept pixels are outdated

    # --- showing z ------------------------------------------------------------------
    def show(self, message=HINT):
        """Make every view show ``z``."""
        pixels = decode(self.model, self.z[None])            # (1, pixels)
        self.image.set_data(pixels.reshape(IMAGE_SIZE, -1))
        # on a coarser grid than usual, which takes 2 ms instead of 9
        distance, kind = nearest_clean(pixels, num_shifts=9, num_widths=5)
        name = PATTERN_TYPES[kind[0]]
        self.caption.set_text(name if distance[0] <= NEAR_RMSE else f"unclear, nearest: {name}")

        point = self.codes.plane.project(self.z)             # (2,)
        inside = np.clip(point, *np.sort(self.map.viewLim.get_points(), axis=0))
        self.dot.set_data(*inside[:, None])
        values = self.z[self.dimensions]
        knobs = np.clip(values, -self.slider_end, self.slider_end)
        self.knobs.set_offsets(np.stack([knobs, np.arange(len(knobs))], axis=1))
        shown = np.allclose(inside, point) and np.allclose(knobs, values)
        self.status.set_text(message if shown or message != HINT else OUTSIDE)
        self.refresh()

    def refresh(self):
        """Draw only what has changed, over the kept pixels: much faster than a full drawing."""
        canvas = self.figure.canvas
        if self.cells is None:
            canvas.draw_idle()
            return
        for artist, box, pixels in self.cells:
            if artist.stale:                                 # changed since it was drawn
                canvas.restore_region(pixels)
                self.figure.draw_artist(artist)
                canvas.blit(box)

    def keep_pixels(self, event):
        """After a full drawing: keep the pixels under all that moves, then draw that."""
        if event.canvas.is_saving():
            return                                           # drawn at another size
        right, top = self.figure.bbox.max
        line = self.status.get_window_extent().padded(3)     # descenders reach a little beyond
        boxes = (
            self.map.bbox.padded(12),
            self.screen.bbox,
            Bbox.from_extents(self.map.bbox.x1, self.screen.bbox.y1, right, top),
            self.sliders.bbox.padded(8),
            Bbox.from_extents(0, line.y0, right, line.y1),
        )
        if event.canvas.supports_blit:
            self.cells = [(artist, box, event.canvas.copy_from_bbox(box))
                          for artist, box in zip(self.moving, boxes)]
        for artist in self.moving:
            artist.draw(event.renderer)

    # --- changing z -----------------------------------------------------------------
    def go(self, z):
        """Show another point. Whoever asks for one ends the walk."""
        self.stop_walk()
        self.z = np.array(z, dtype=float)
        self.show()

    def draw_from_prior(self):
        self.go(self.rng.standard_normal(len(self.z)))

    def press(self, event):
        """Take hold of the map, or of the slider under the pointer."""
        if event.button == 1 and event.inaxes in (self.map, self.sliders):
            self.held = event.inaxes
            self.row = int(np.clip(np.rint(event.ydata), 0, len(self.dimensions) - 1))
            self.drag(event)

    def drag(self, event):
        """Follow the pointer, at most to the border of what it holds."""
        if self.held is None:
            return
        pointer = self.held.transData.inverted().transform((event.x, event.y))
        x, y = np.clip(pointer, *np.sort(self.held.viewLim.get_points(), axis=0))
        z = self.z.copy()
        if self.held is self.map:    # a step within the plane: what is orthogonal to it stays
            z += ((x, y) - self.codes.plane.project(z)) @ self.codes.plane.axes
        else:
            z[self.dimensions[self.row]] = x
        self.go(z)

    def release(self, _event):
        self.held = None

    def press_key(self, event):
        if event.key in self.actions:
            self.actions[event.key][1]()

    # --- walking and saving ---------------------------------------------------------
    def toggle_walk(self):
        if self.path is None:
            self.path = self.walk()
            self.timer.start()
            self.show("Walking from type to type, round and round.")
        else:
            self.stop_walk()
            self.show()

    def walk(self):
        """Yield points on the way from here to the mean of each type, round and round."""
        here = self.z
        for centre in itertools.cycle(self.centres):
            yield from interpolate_codes(here, centre, WALK_FRAMES + 1)[1:]
            here = centre

    def step(self):
        if self.path is not None:
            self.z = next(self.path)
            self.show(self.status.get_text())

    def stop_walk(self, _event=None):
        self.timer.stop()
        self.path = None

    def save(self):
        """Save a picture of the window under the first number that is free."""
        names = (f"latent_moment_{number:03d}.png" for number in itertools.count(1))
        name = next(name for name in names if not (self.output_dir / name).exists())
        try:
            with publish_together(self.output_dir) as scratch:
                self.figure.savefig(scratch / name, dpi=SAVED_DPI)
            message = f"Saved {name} in {self.output_dir}"
        except OSError as error:
            message = f"Could not save: {error}"
        self.cells = None           # the saved picture was drawn over the window's pixels
        self.show(message)
