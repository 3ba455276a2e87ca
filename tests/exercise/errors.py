"""From what Python, NumPy and torch say to what somebody did who knows NumPy alone."""

import difflib
import os
import re
import traceback
import types

from patterns import IMAGE_SIZE
from tests.exercise.hints import KNOWN, WrongError
from tests.exercise.reference import PIXELS, SIZES
from tests.exercise.todos import BY_NAME, DECODE, ENCODE

CALLED_HERE = {"relu": "torch.relu", "sigmoid": "torch.sigmoid", "expit": "torch.sigmoid",
               **dict.fromkeys(("mimsave", "imsave", "get_writer"), "iio.imwrite")}
LOOK_ALIKE = str.maketrans("lo", "10")      # encoder_fcl for encoder_fc1


def explain(error, source, todo, folder):
    """The WrongError that an exception in the learner's code amounts to."""
    text = f"{type(error).__name__}: {error}".strip(": \n").split("\n")[0][:200]
    # as if it was run in its place, with a model of its own
    for shown, meant in ((f"{folder / 'cwd'}{os.sep}", ""), (str(folder / "outputs"), "OUTPUT_DIR"),
                         ("TestCard", "SimpleVAE")):
        text = text.replace(shown, meant)
    line, place = place_of(error, source, todo.name if todo else "")
    known = [*KNOWN, ("", "error" if todo else "error-on-import")]
    fits = ((re.search(expression, text + place), hint) for expression, hint in known)
    found, hint = next(pair for pair in fits if pair[0])
    details = {"name": "", **found.groupdict()}
    close = closest(details["name"], error, source)
    details |= {"close": close, "layers": ", ".join(SIZES),
                "did_you": f" Did you mean {close}?" if close else ""}
    if hint == "misspelt" and not close:
        hint = "no-such-layer"
    if hint == "sizes-do-not-fit":
        details["clue"] = clue(*(int(details[name]) for name in ("rows", "got", "want", "gives")),
                               todo)
    if hint == "reshape":
        size = int(details["size"])
        details["count"] = size // PIXELS
        if size % PIXELS == 0 and size > PIXELS:
            hint = "batch-reshape"
        elif size < PIXELS and size % SIZES["decoder_fc1"][0] == 0:
            hint = "code-reshaped"
    return WrongError(hint, text, line=line, show_line=bool(line), **details)


def place_of(error, source, todo):
    """The line of the learner's file that an exception is put down to, and words for the place.

    It is the innermost one, but the way ends where the function of another TODO is
    entered: that one is checked by itself, so what it was given is at fault.
    """
    line, function, below, calls = None, "", False, []
    for frame, number in traceback.walk_tb(error.__traceback__):
        name, own = frame.f_code.co_name, frame.f_code.co_filename == str(source.path)
        calls += [number] * (own and name == todo)
        below = bool(line) and not (own and (name not in BY_NAME or name == todo))
        if own and not below:
            line, function = number, name
        elif own:
            break
    again = ""
    if len(calls) > 1:
        line, again = calls[0], " @recursive"
    return line, f" @{todo}/{function}{'>' if below else ':'} {source.text_of(line or 0)}{again}"


def clue(rows, got, want, gives, todo):
    """What a layer's input is, going by its shape and by the numbers that go into and out of the
    layer."""
    codes, hidden = SIZES["decoder_fc1"]
    own = tuple(SIZES)[:3] if todo is ENCODE else tuple(SIZES)[3:] if todo is DECODE else ()
    layers = [layer for layer, sizes in SIZES.items() if sizes == (want, gives)]
    return next(words for applies, words in (
        (own and layers and not {*layers} & {*own},
         f"{' or '.join(layers)} belongs to the other half of the model."),
        (rows == 1 and got not in (codes, hidden, PIXELS),
         "All of them stand in one row: an index with a condition in it, or flatten?"),
        (todo is DECODE and (got, want) == (codes // 2, codes),
         "It is half a code: a code is the mean alone, so there is nothing to split."),
        (want == PIXELS and got % want == 0,
         f"{got} is {got // want} times {want}: several images stand in one row, where each has a "
         "row of its own."),
        ((got, want) == (IMAGE_SIZE, PIXELS),
         "The pictures became squares: layers take each as one flat row."),
        ((got, want) == (PIXELS, codes),
         "decode is given pixels where it takes a code: encode comes first."),
        (todo is DECODE and got == PIXELS,
         "It is given pixels, but decoder_out is the last layer."),
        (want == hidden and got == (codes if todo is DECODE else PIXELS),
         "It is given the function's own argument: is the layer before it left out, called later, "
         "or not used?"),
        (want == 28**2, "784 is 28 x 28, as in many tutorials. Here the layers are given."),
        (1 < got < codes and want in (PIXELS, codes),
         "They stand in columns, where each picture or code is a row: a transposition, dim=1, "
         "or [:, k]?"),
        (got == 1, "An index took one number out of a code: encode gives no pair."),
        (got == hidden,
         "It is the first layer of its half, but it is given what another layer gave: does another "
         "one belong here?"),
        (True, "Layers are in the wrong order, one is left out, or a shape changed on the way."),
    ) if applies)


def closest(name, error, source):
    """The name that was meant by one which there is not, or an empty text."""
    owner, known, prefix = getattr(error, "obj", None), [*SIZES, "encode", "decode"], ""
    if isinstance(owner, types.ModuleType):
        known, prefix = [one for one in dir(owner) if one[0] != "_"], f"{owner.__name__}."
        if name in CALLED_HERE:
            return CALLED_HERE[name]
    elif isinstance(error, NameError):
        known = {one for frame, _ in traceback.walk_tb(error.__traceback__)
                 if frame.f_code.co_filename == str(source.path)
                 for one in (*frame.f_locals, *frame.f_globals) if len(one) > 1}
    alike = {one.lower().translate(LOOK_ALIKE): one for one in sorted(known, reverse=True)}
    name = name.lower().translate(LOOK_ALIKE)
    found = [one for one in difflib.get_close_matches(name, alike, 1, cutoff=0.7)
             if one == name or one.rstrip("0123456789") != name.rstrip("0123456789")]   # no fc3
    return prefix + alike[found[0]] if found else ""
