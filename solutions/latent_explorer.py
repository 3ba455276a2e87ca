"""Walk the latent space by hand, in one window.

    python solutions/latent_explorer.py                       # the model of the last run
    python solutions/latent_explorer.py --output-dir FOLDER   # the model of another run

Press or drag in the map, move the sliders, press the buttons or their keys. All
of them change one thing, the latent vector ``z`` of the class ``Explorer``, and
everything seen is a view of it: the dot in the map, the knobs of the sliders,
and the picture that the decoder makes of it.

The file reads: the program, the contents of its window (building the views,
showing z, changing z, walking and saving), and last what a window needs.
"""

import contextlib
import io
import itertools
import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":   # Ctrl-C ends quietly from here on: the next imports take a second
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from patterns import check_edits
    check_edits("vae_model", "latent_space_exploration")

import numpy as np

from latent_space_exploration import (
    SEED,
    check_constants,
    explore,
    make_data,
    scatter_codes,
    set_up_torch,
    square_view,
)
from patterns import (
    DPI,
    IMAGE_SIZE,
    NEAR_RMSE,
    OUTPUT_DIR,
    PATTERN_TYPES,
    OneSentenceParser,
    ProgramError,
    nearest_clean,
    publish,
    run_program,
)
from vae_model import WEIGHTS, check_model, decode, load_model

WINDOW_INCHES = (10, 6.4)
SMALLEST_INCHES = (5, 3.5)   # of what is laid out: a smaller window shows a part of it
MAX_SLIDERS = 12             # more would be too thin to grab
SLIDER_END = 4               # one draw in 16,000 from N(0, 1) lies beyond it
WALK_FRAMES = 40             # from one type to the next
TICK = 40                    # milliseconds between two frames
HINT = "Press or drag in the map, or move a slider: the picture follows."
OUTSIDE = "Beyond the border of the map or the end of a slider: the marker waits there."


# --- the program ------------------------------------------------------------------
# Matplotlib is imported only after the start of the program: its import fails where a
# notebook has set MPLBACKEND, and an old version deserves the sentence of ``run_program``.
def main(arguments=None):
    """Open the window on the trained model of a run, and return when it has been closed."""
    check_constants()
    parser = OneSentenceParser(description="Walk the latent space of a trained model by hand.")
    parser.add_argument("--output-dir", type=Path, default=OUTPUT_DIR, metavar="FOLDER",
                        help="of the run to show, and where saved pictures go (default: outputs)")
    folder = parser.parse_args(arguments).output_dir
    set_up_torch(SEED)
    model = load_model(folder / WEIGHTS)
    latent_dim = model.fc_mu.out_features
    if latent_dim < 2:
        raise ProgramError(f"a map needs two latent dimensions, but the model in "
                           f"{folder / WEIGHTS} has {latent_dim}: train one with more")
    check_model(model)
    data = make_data(SEED)
    space = explore(model, data)
    print(f"Model   {latent_dim} latent dimensions, {len(space.alive)} of them alive, in "
          f"{folder / WEIGHTS}\n        (the file does not say with what beta it was trained)")
    open_window(model, data, space, folder)


def open_window(model, data, space, folder):
    """Show an ``Explorer`` in a window of its own until it is closed."""
    backend = os.environ.pop("MPLBACKEND", None)
    with window_settings():
        from matplotlib import pyplot as plt

        explorer = Explorer(new_window(backend), model, data, space, folder)
        explorer.timer.start()
        plt.show(block=True)


# --- the contents of the window -----------------------------------------------------
class Explorer:
    """The contents of the window, on any Matplotlib figure.

    Parameters
    ----------
    figure : matplotlib Figure, empty
    model : VAE
    data : Data
    space : LatentSpace of ``data``
    folder : path of the folder that saved pictures go to

    Attributes
    ----------
    z : float array (latent_dim,), the point of the latent space that is shown
    """

    def __init__(self, figure, model, data, space, folder):
        self.figure, self.model, self.space, self.folder = figure, model, space, Path(folder)
        self.rng = np.random.default_rng(SEED)
        kinds = range(len(PATTERN_TYPES))
        self.centres = np.stack([space.mu[data.labels == kind].mean(axis=0) for kind in kinds])
        self.z = np.zeros(len(space.kl))
        self.dimensions = space.by_kl[:MAX_SLIDERS]          # those that have a slider
        self.slider_end = max(SLIDER_END, np.ceil(np.abs(space.mu).max()))
        self.held = None           # the axes that the pointer holds: map, sliders or none
        self.row = 0               # which of the sliders it holds
        self.path = None           # the points still to come, during a walk
        self.box = None            # the part of the window in which something moves
        self.background = None     # its pixels without that, once they are drawn
        self.actions = {           # key: (label of the button, what it does)
            "r": ("random\ndraw [r]", self.draw_from_prior),
            **{f"{kind + 1}": (f"mean [{kind + 1}]\n{PATTERN_TYPES[kind]}",
                               lambda kind=kind: self.go(self.centres[kind])) for kind in kinds},
            "0": ("reset to\nzero [0]", lambda: self.go(np.zeros_like(self.z))),
            "w": ("walk or\nstop [w]", self.toggle_walk),
            "s": ("save\n[s]", self.save),
        }
        self.build_map(data)
        self.build_picture()
        self.build_sliders()
        self.build_buttons()
        self.moving = [self.dot, self.image, self.caption, self.knobs, self.status]
        for artist in self.moving:
            artist.set_animated(True)                        # left out of full drawings
        # It never rests: some toolkits notice Ctrl-C only when Python is called again.
        self.timer = figure.canvas.new_timer(TICK, [(self.step, (), {})])
        for event, handler in {
            "button_press_event": self.press, "motion_notify_event": self.drag,
            "button_release_event": self.release, "key_press_event": self.press_key,
            "resize_event": self.lay_out, "draw_event": self.keep_background,
            "close_event": lambda _event: self.timer.stop(),
        }.items():
            figure.canvas.mpl_connect(event, handler)
        self.lay_out()
        self.show()

    # --- building the views ---------------------------------------------------------
    def build_map(self, data):
        """The scatter of held-out codes, the mean of each type, and the dot for ``z``."""
        self.map = self.figure.add_subplot()
        scatter_codes(self.map, self.space, data.labels)
        project = self.space.project
        zero = project(self.z)       # a collapsed model needs room around it to walk in
        xlim, ylim = square_view(np.vstack([project(self.space.mu), zero - 1, zero + 1]))
        self.map.set(xlim=xlim, ylim=ylim)
        self.map.locator_params(nbins=6, steps=(1, 2, 5, 10))      # short numbers
        for kind, point in enumerate(project(self.centres)):
            self.map.text(*point, f"{kind + 1}", ha="center", va="center", clip_on=True,
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
        alive = np.isin(self.dimensions, self.space.alive)
        self.sliders = self.figure.add_subplot()
        self.sliders.set(xlim=(-self.slider_end, self.slider_end), ylim=(len(rows) - 0.5, -0.5))
        self.sliders.hlines(rows, *self.sliders.get_xlim(), color="0.85", linewidth=4)
        self.sliders.axvline(0, color="0.85", linewidth=1)
        self.knobs = self.sliders.scatter(
            0 * rows, rows, s=60, c=np.where(alive, "#0072B2", "0.6"),
            edgecolors="white", clip_on=False, zorder=3)
        self.sliders.set_yticks(rows, [
            f"z{d + 1}  KL {self.space.kl[d]:.2f}{'' if lives else ' dead'}"
            for d, lives in zip(self.dimensions, alive)])
        for label, lives in zip(self.sliders.get_yticklabels(), alive):
            label.set_color("black" if lives else "0.45")
        self.sliders.tick_params(length=0)
        self.sliders.spines[:].set_visible(False)
        hidden = len(self.z) - len(rows)
        self.sliders.set_title(
            "latent dimensions by KL (nats per image)"
            + (f"\n{hidden} more have no slider and keep their values" if hidden else ""),
            loc="right")

    def build_buttons(self):
        """A line for messages, and below it a row of buttons labelled with their keys."""
        from matplotlib.widgets import Button

        self.status = self.figure.text(0, 0, HINT)
        self.buttons = []
        for label, act in self.actions.values():
            button = Button(self.figure.add_subplot(), label)
            button.on_clicked(lambda _event, act=act: act())
            self.buttons.append(button)

    def lay_out(self, _event=None):
        """Place everything: text keeps its size, so margins are inches; the rest stretches."""
        inches = self.figure.get_size_inches()
        width, height = np.maximum(inches, SMALLEST_INCHES)

        def place(axes, left, right, bottom, top):
            axes.set_position([*(left, bottom) / inches, *(right - left, top - bottom) / inches])

        middle, bottom, top = 0.48 * width, 0.95, height - 0.3
        rows = len(self.dimensions)
        split = bottom + np.clip(0.4 * (top - bottom), 0.13 * rows, 0.25 * rows)
        place(self.map, 0.55, middle, bottom + 0.2, top)
        place(self.screen, middle + 0.2, width - 0.1, split + 0.37, top)
        place(self.sliders, middle + 1.3, width - 0.2, bottom, split)
        pitch = (width - 0.14) / len(self.buttons)
        for left, button in zip(0.1 + pitch * np.arange(len(self.buttons)), self.buttons):
            place(button.ax, left, left + pitch - 0.06, 0.08, 0.45)
        self.status.set_position((0.1, 0.53) / inches)
        self.background = None                               # outdated

    # --- showing z ------------------------------------------------------------------
    def show(self, message=HINT):
        """Make every view show ``z``."""
        pixels = decode(self.model, self.z[None])            # (1, pixels)
        self.image.set_data(pixels.reshape(IMAGE_SIZE, -1))
        distance, kind = nearest_clean(pixels)
        name = PATTERN_TYPES[kind[0]]
        self.caption.set_text(name if distance[0] <= NEAR_RMSE else f"unclear, nearest: {name}")

        point = self.space.project(self.z)                   # (2,)
        inside = np.clip(point, *np.sort(self.map.viewLim.get_points(), axis=0))
        self.dot.set_data(*inside[:, None])
        values = self.z[self.dimensions]
        knobs = np.clip(values, -self.slider_end, self.slider_end)
        self.knobs.set_offsets(np.stack([knobs, np.arange(len(knobs))], axis=1))
        shown = np.allclose(inside, point) and np.allclose(knobs, values)
        self.status.set_text(message if shown or message != HINT else OUTSIDE)
        self.refresh()

    def refresh(self):
        """Draw what moves over the kept background: many times faster than a full drawing."""
        canvas = self.figure.canvas
        if self.background is None:
            canvas.draw_idle()
            return
        canvas.restore_region(self.background)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        canvas.blit(self.box)

    def keep_background(self, event):
        """After a full drawing: keep its pixels, then draw what moves over them."""
        if event.canvas.is_saving():
            return                                           # drawn at another size
        self.box = self.figure.bbox.frozen()
        self.box.y0 = min(0.47 * self.figure.dpi, self.box.y1)     # buttons draw themselves
        if event.canvas.supports_blit:
            self.background = event.canvas.copy_from_bbox(self.box)
        for artist in self.moving:
            artist.draw(event.renderer)

    # --- changing z -----------------------------------------------------------------
    def go(self, z):
        """Show another point. Whoever asks for one ends the walk."""
        self.path = None
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
            z += ((x, y) - self.space.project(z)) @ self.space.axes
        else:
            z[self.dimensions[self.row]] = x
        self.go(z)

    def release(self, _event):
        self.held = None

    def press_key(self, event):
        key = (event.key or "").lower()                      # with Shift or Caps Lock, too
        if key in self.actions:
            self.actions[key][1]()

    # --- walking and saving ---------------------------------------------------------
    def toggle_walk(self):
        if self.path is None:
            self.path = self.walk()
            self.show("Walking from type to type, round and round.")
        else:
            self.go(self.z)

    def walk(self):
        """Yield points on the way from here to the mean of each type, round and round."""
        here = self.z
        for centre in itertools.cycle(self.centres):
            yield from np.linspace(here, centre, WALK_FRAMES + 1)[1:]
            here = centre

    def step(self):
        if self.path is not None:
            self.z = next(self.path)
            self.show(self.status.get_text())

    def save(self):
        """Save a picture of the window under the first number that is free."""
        names = (f"latent_moment_{number:03d}.png" for number in itertools.count(1))
        name = next(name for name in names if not os.path.lexists(self.folder / name))
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", dpi=DPI)
        self.background = None      # the saved picture was drawn over the window's pixels
        try:
            publish({name: picture.getvalue()}, self.folder)
            message = f"Saved {name} in {self.folder}"
        except OSError as error:
            message = f"Could not save: {error}"
        self.show(message)


# --- what a window needs --------------------------------------------------------------
@contextlib.contextmanager
def window_settings():
    """Matplotlib's own settings, whatever the reader's are, and none of its keys.

    Those (g for a grid, l for a logarithmic axis, ...) would get in the way of ours;
    the ones that close the window or make it fill the screen stay.
    """
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()                              # all but the backend
        keys = {name: [] for name in matplotlib.rcParams if name.startswith("keymap.")}
        matplotlib.rcParams.update(keys | {
            "keymap.quit": ["q", "Q", "ctrl+w", "cmd+w"], "keymap.fullscreen": ["f", "F", "ctrl+f"],
            "toolbar": "None", "interactive": False,
            "font.size": 8, "axes.labelsize": 7.5, "axes.titlesize": 8,
        })
        yield


def new_window(backend=None):
    """An empty figure in a window, or a ProgramError that says what is missing.

    ``backend`` is the name of Matplotlib's drawing machinery that MPLBACKEND gave.
    """
    import matplotlib
    from matplotlib import pyplot as plt

    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not display:
        raise ProgramError("there is no display (DISPLAY and WAYLAND_DISPLAY are not set): start "
                           "this program in a desktop session, or connect with ssh -X")
    backend = backend or matplotlib.rcParamsOrig["backend"]  # of matplotlibrc; no str: any
    named = isinstance(backend, str)
    if named and not backend.lower().startswith(("tk", "qt", "gtk", "wx", "macosx")):
        raise ProgramError(f"MPLBACKEND or matplotlibrc names {backend!r}, which opens no window: "
                           "remove that setting (unset MPLBACKEND), as in a terminal of its own")
    reason = f"Matplotlib finds no GUI toolkit that works on display {display!r}"
    try:
        if named:
            matplotlib.use(backend)
        figure = plt.figure("Walk the latent space", figsize=WINDOW_INCHES)
        if plt.get_backend().lower() != "agg":
            return figure
    except Exception as error:                               # each toolkit raises its own kind
        reason = str(error).strip().partition("\n")[0]
    raise ProgramError(f"no window opens: {reason}; install Tk (apt install python3-tk) or Qt (pip "
                       "install PyQt6, on Linux also apt install libxcb-cursor0), and check the "
                       "display")


if __name__ == "__main__":
    run_program(main)
