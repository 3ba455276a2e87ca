"""my_interpolation.png: what the learner's functions draw, beside what right ones draw.

The frames are made in the process of the learner's code (``make_frames``), the
picture outside of it (``show``), where Matplotlib may be slow after all has been said.
What needs torch is imported where it is used, because the outside does without.
"""

import contextlib

from tests.exercise.hints import MORPH, RESULT

ANSWERED = {**RESULT, **MORPH}   # hints of functions that gave something, although it was wrong
SECONDS = 10             # that the functions may take
SEED = 7                 # of the patterns that are drawn; training never saw them
PARTS = ("encode", "decode", "interpolate")      # what a morph is made with
PICTURE, GIF = "my_interpolation.png", "latent_walk.gif"


# --- in the process of the learner's code ------------------------------------------------
def make_frames(learner, usable, weights_file):
    """Write rows.npy, the frames of the learner's functions and of right ones, or say why not.

    ``usable`` holds the names of the functions that may be called; ``weights_file`` is
    empty for the weights of the last run, or holds one path.
    """
    import numpy as np
    import torch

    from patterns import PATTERN_TYPES, generate_patterns
    from tests.exercise.reference import ReferenceVAE, equal, interpolate
    from vae_model import WeightsError, load_model, reconstruct

    images, labels = generate_patterns(len(PATTERN_TYPES), SEED)      # one of each type
    patterns = torch.from_numpy(images[labels.argsort()])

    def morphs(function, model, *steps):
        """The frames of all morphs as one array (morphs, frames, pixels)."""
        answers = [learner.call(function, model, a.clone(), b.clone(), *steps)
                   for a, b in zip(patterns, patterns.roll(-1, dims=0))]
        frames = [frame.detach() if isinstance(frame, torch.Tensor) else frame
                  for answer in answers for frame in answer]
        return np.stack(frames).reshape(len(answers), -1, patterns.shape[1])

    try:
        trained = load_model(*weights_file)
    except WeightsError as error:
        return str(error)
    problem = "the last model was trained with other layers than SimpleVAE has: run " \
              "python latent_space_exploration.py once more, without options or edits"
    with contextlib.suppress(Exception):            # then it stays at the problem so far
        weights = layer_by_layer(trained)
        right_vae = ReferenceVAE(weights)
        codes = right_vae.encode(patterns).detach()
        if not equal(reconstruct(trained, patterns), right_vae.decode(codes).detach()):
            raise ValueError("other activations, or layers between")
        problem = "what is written gives no frames that could be drawn yet"
        learner.load()
        vae = learner.make_vae(weights)
        for name in {"encode", "decode"} - set(usable):
            setattr(vae, name, getattr(right_vae, name))
        if "interpolate" not in usable:
            learner.module.interpolate = interpolate       # the challenge calls it, too
        mine = morphs(learner.module.interpolate, vae)
        right = morphs(interpolate, right_vae, mine.shape[1])
        np.save(learner.folder / "rows.npy", np.stack([mine, right], axis=1).astype(float))
        if "create_latent_walk_animation" in usable:
            learner.call(learner.module.create_latent_walk_animation, vae, patterns)
        return ""
    return problem


def layer_by_layer(trained):
    """The weights of a trained VAE under the names of SimpleVAE's layers: a state dict."""
    from tests.exercise.reference import loud_weights

    values = [one for name, one in trained.state_dict().items() if not name.startswith("fc_var")]
    return dict(zip(loud_weights(), values, strict=True))


# --- outside of it ---------------------------------------------------------------------------
def show(judgement, workshop, *weights_file):
    """Let the pictures be made and publish them; returns a line that says what came of it."""
    import numpy as np

    from patterns import OUTPUT_DIR, png, publish

    right = judgement.names("right")
    usable = [todo.name for todo, one in judgement.results.items()
              if one.state == "right" or one.hint in ANSWERED]
    mine = [name for name in PARTS if name in usable]
    if not right and not judgement.names("wrong"):
        return ""
    if not mine:
        return "No picture: none of your functions gives anything that could be drawn yet."
    job = {"task": "show", "file": str(judgement.source.path), "usable": usable,
           "weights": [str(file) for file in weights_file]}
    *_, last = workshop.run([job], SECONDS)
    if last["kind"] != "done":
        return "No picture: what is written did not get to its end with the trained weights."
    if last["problem"]:
        return f"No picture: {last['problem']}"
    whole, amiss = len(mine) == len(PARTS), [name for name in mine if name not in right]
    which = "" if amiss == mine else f"{' and '.join(amiss)} "
    state = f"\n({which}not right yet)" if amiss else ""
    label = f"yours{state}" if whole else f"your {' and '.join(mine)}{state},\nthe rest is ours"
    files = {PICTURE: png(draw, np.load(workshop.folder / "rows.npy"), label)}
    line = (f"Picture: {OUTPUT_DIR / PICTURE}\n"
            f"         above in each pair: {' '.join(label.split())}\n"
            "         below in each pair: a right answer")
    gif = workshop.folder / "outputs" / GIF
    if gif.exists() and len(right) == len(judgement.results):
        files[GIF] = gif.read_bytes()
        line += f"\nGIF:     {OUTPUT_DIR / GIF} (open it in a browser)"
    publish(files, OUTPUT_DIR)
    return line


def draw(rows, maker):
    """A figure of frames (morphs, 2, frames, pixels): the learner's above, right ones below."""
    from patterns import PATTERN_TYPES, grid_figure

    labels = [label for start, end in zip(PATTERN_TYPES, PATTERN_TYPES[1:] + PATTERN_TYPES[:1])
              for label in (f"{start} to {end}\n{maker}", "a right answer")]
    return grid_figure("From pattern to pattern through the trained latent space",
                       rows.reshape(-1, *rows.shape[2:]), labels,
                       [str(number + 1) for number in range(rows.shape[2])])
