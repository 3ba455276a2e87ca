"""What the checks say about each mistake: its likely cause, and where to look.

A hint names the cause and the place, never the code. ``{words}`` are filled in by
the check that found the mistake. Where the place is empty, the line in question is
shown itself.
"""


class WrongError(Exception):
    """An answer that is not right: which hint fits, and what was seen."""

    def __init__(self, hint, seen, *, called="", line=None, show_line=False, **details):
        super().__init__(hint)
        self.hint, self.seen, self.called = hint, seen, called
        self.line, self.show_line, self.details = line, show_line, details


STEP_1, STEP_2, STEP_3, STEP_4, STEP_5 = (
    f"step {number} of its docstring" for number in (1, 2, 3, 4, 5))

FILE = {            # the file as a whole, and the process it runs in
    "syntax-error": (
        "Python cannot read the file: look for a bracket, colon, quote or indentation, here or "
        "in the line before.", ""),
    "merge-marks": ("This line was left behind by git, between two versions of the file.", ""),
    "unreadable-file": ("The file cannot be read as text.", "is it there, and is it Python?"),
    "error-on-import": (
        "The file stops before any function is called, while Python reads it from top to bottom.",
        ""),
    "no-module": ("This module is not installed, or has another name.", ""),
    "name-missing": ("Renamed or deleted: the checks call {name} by this name.",
                     "what is it called now?"),
    "layers-changed": (
        "The layers in SimpleVAE.__init__ are given, with these names and sizes: the trained "
        "weights fit no others.", "put the six layers back as they were given"),
    "endless": ("A loop that never ends, most likely.", ""),
    "too-slow": ("The time ran out: a loop that goes on for ever, or a very busy computer.",
                 "what ends the loop, if there is one? If there is none, run it once more"),
    "ended": ("The code ends Python itself, as os._exit() does.", "leave that out"),
    "crashed": ("The code made Python crash, or sent a signal to it.", "what is unusual here?"),
    "exits": ("exit() ends Python as a whole.", ""),
    "asks-keyboard": ("The code waits for the keyboard, where nobody sits: leave input() out.", ""),
    "debugger": ("A breakpoint is still in the code; the checks cannot stop there.", ""),
    "second-process": ("The code starts a second process; it works without.", ""),
    "memory": ("The code asks for more memory than is good for your computer: a list that grows "
               "without an end, or a size that is far too large.", ""),
    "file-too-large": ("The code writes more than 50 MB into one file.", ""),
    "checks-failed": (
        "A mistake of the checks, not yours, or a very unusual answer. They cannot say whether it "
        "is right.", "please report this, with your file"),
}

PYTHON = {          # exceptions, by what was meant
    "error": ("The error above is Python's own; what it names is usually in this very line.", ""),
    "raise-left": (
        "The line that raises NotImplementedError is still there, and Python gets to it.", ""),
    "todo-called": ("Here another TODO is called that is not written yet.", ""),
    "recursion": ("A function that calls itself without an end: it is named again inside itself.",
                  ""),
    "unbound": (
        "{name} gets its value only further down or in a branch that was not taken: inside a "
        "function it has none before.", ""),
    "undefined-name": ("Nothing is named {name} here: misspelt, or not imported.{did_you}", ""),
    "self-missing": (
        "{name} belongs to the model: a method reaches it through self, a function through vae.",
        ""),
    "bare-method": (
        "{name} belongs to the model: write in front of the dot which one (self inside of the "
        "class, vae outside).", ""),
    "self-outside": (
        "self exists only in methods of a class. In a function, the model is called as in its "
        "line with def.", ""),
    "misspelt": ("The model has nothing named {name}. Did you mean {close}?", ""),
    "no-such-layer": (
        "The model has nothing named {name}; its layers are listed in SimpleVAE.__init__.", ""),
    "other-model": (
        "{name} is a part of VAE in vae_model.py. SimpleVAE has layers of its own, one by one, "
        "and its encode and decode.", ""),
    "not-a-method": ("{name} is a function of its own, not a part of the model: no dot before it.",
                     ""),
    "class-not-model": (
        "It is called on the class. A model, made from the class, holds the weights: self inside "
        "the class, vae outside.", ""),
    "no-forward": (
        "A model in brackets, model(x), calls its forward, which SimpleVAE does not have: it has "
        "encode and decode.", ""),
    "not-in-module": ("{module} has nothing named {name}.{did_you}", ""),
    "tensor-not-array": (
        "{name} belongs to NumPy's arrays, and this is a tensor. Tensors have functions of their "
        "own, or become arrays first.", ""),
    "model-expected": (
        "{name} is asked of a tensor, where the model should be: interpolate takes vae first, then "
        "two patterns.", ""),
    "array-not-tensor": (
        "{name} belongs to tensors, and this is a NumPy array already.", ""),
    "list-not-array": ("This is a list; {name} belongs to arrays or tensors.", ""),
    "no-attribute": ("A {kind} has nothing named {name}.", ""),
    "none-used": (
        "Something here is None: a function without return gave it, or append (which changes "
        "the list and returns nothing).", ""),
    "not-callable": (
        "Brackets follow a {kind}, as if it were a function: an operator may be missing, or a "
        "name is used twice.", ""),
    "brackets-missing": (
        "A function itself is passed on, not its result: the brackets of a call are missing.", ""),
    "unpacked": (
        "As many values as there are names left of the equals sign do not come. encode returns "
        "the mean alone, not a pair as VAE.encode does.", ""),
    "signature": (
        "The arguments in its line with def are not the given ones; the checks call it as it was "
        "handed out.", ""),
    "call-arguments": (
        "{name}() is called here with arguments that do not fit: too many, too few, or a name "
        "that it does not have.", ""),
    "torch-arguments": ("torch has a function of this name, but not for such arguments.", ""),
    "whole-number": (
        "A whole number is asked for, and this one has decimals: range() counts in whole steps.",
        ""),
    "not-a-sequence": ("A number is no sequence: a loop needs something that counts up to it.", ""),
    "truth-value": ("Python needs one yes or no here, and a tensor has one for each value.", ""),
    "one-number": (
        "One number is asked for where a whole tensor is given. A list of tensors becomes one "
        "tensor by stacking.", ""),
    "list-plus": ("A {kind} is joined to something that is none: + joins two lists, append "
                  "adds one entry.", ""),
    "past-the-end": (
        "The index runs past the last entry. After the last one comes the first again, or one "
        "round less.", ""),
    "too-many-indices": ("More indices than the array or tensor has dimensions.", ""),
    "no-such-dimension": ("The array or tensor has fewer dimensions than this line expects.", ""),
    "ragged": ("Entries of different shapes do not make one array.", ""),
    "in-place": (
        "A tensor that torch protects is changed in place (by +=, or a name that ends in an "
        "underscore).", ""),
}

TORCH = {           # habits of NumPy that torch does not share
    "sizes-do-not-fit": (
        "A layer gets {got} numbers for each image and takes {want}. {clue}", ""),
    "by-hand-shapes": (
        "A layer's weight has one row for each number that comes out, so x @ weight does not fit. "
        "Calling the layer does it all.", ""),
    "not-applied": (
        "nn.ReLU(...) and nn.Sigmoid(...) make a layer; the tensor goes into that layer, not into "
        "its making.", ""),
    "layer-not-called": (
        "A layer is not a matrix or a number: it is called like a function, with the tensor in "
        "the brackets.", ""),
    "numpy-function": (
        "A NumPy function is applied to a tensor that records gradients, which NumPy cannot "
        "follow. torch has its own functions.", ""),
    "array-for-tensor": ("torch's functions and layers take tensors; this one is given a NumPy "
                         "array.", ""),
    "already-tensor": ("This is a tensor already, there is nothing to convert.", ""),
    "array-times-tensor": (
        "An array and a tensor do not mix in one operation: make both the one or both the other.",
        ""),
    "list-for-tensor": (
        "Several values, in a list or a tuple, are given where one tensor is asked for. (A comma "
        "at the end of a line makes a tuple.)", ""),
    "not-a-tensor": ("A {kind} is given where a tensor is asked for.", ""),
    "float64": (
        "NumPy computes in float64, layers in float32: numbers from NumPy have to be converted "
        "before a layer takes them.", ""),
    "max-pair": (
        "torch.max(h, 0) finds the largest value along dimension 0 and returns a pair. It is not "
        "NumPy's maximum(h, 0), which is a ReLU.", ""),
    "maximum-number": ("torch.maximum compares two tensors, not a tensor and a number.", ""),
    "no-grad-brackets": ("no_grad is called like a function: its brackets are missing.", ""),
    "gradients-tracked": (
        "Gradients are still on here: a tensor that records them refuses to become an array. Step "
        "1: a with block switches them off, for all lines inside of it.", ""),
    "linspace-of-codes": ("torch.linspace goes from number to number, not from code to code.", ""),
    "linspace-steps": ("torch.linspace wants to know the number of steps.", ""),
    "mnist-size": (
        "784 is 28 x 28, the size of the pictures in many tutorials. Here each has 256 numbers, "
        "and they are one flat row already.", ""),
    "reshape": ("{size} numbers do not fit into this shape.", ""),
    "batch-reshape": (
        "{count} pictures at once do not fit into one square: reshape them one by one, or keep a "
        "dimension that counts them.", ""),
    "broadcast": (
        "Two shapes do not fit: {a} against {b}. Compare them from the last dimension to the "
        "first.", ""),
    "alpha-shape": (
        "Shapes do not fit, {a} against {b}: a row of alphas meets a code number by number. As a "
        "column, each alpha meets a whole code.", ""),
}

RESULT = {          # what encode and decode hand back
    "unknown": (
        "None of the mistakes that these checks know gives this, so they will not guess.",
        "go through the steps of its docstring one by one, and print shapes on the way"),
    "returns-nothing": (
        "The result is computed but not handed back: a return is missing or returns nothing.",
        "its last line"),
    "dropped": ("{name} is called here and its result thrown away: it changes nothing in place, it "
                "hands back something new.", ""),
    "swallowed": ("An error is caught here and thrown away, so that nobody learns of it.", ""),
    "returns-tuple": (
        "Several values are returned, where one tensor is asked for: no log_var, no noise, "
        "no list, no comma at the end.", "its last line"),
    "returns-array": ("A NumPy array is made, where the rest of the model expects a tensor.",
                      "its last line"),
    "returns-other": ("Something that is not a tensor is returned.", "its last line"),
    "not-finite": ("Some values are infinite or no number: a logarithm, a root or a division?",
                   "an operation that is not in its docstring"),
    "random": (
        "Something random is in it: noise added, dropout, or a new untrained layer. Pictures "
        "are made without noise.", "what gives another number each time?"),
    "kept-between-calls": (
        "Something is kept from one call to the next (a list or dict outside of the function, or "
        "as the default of an argument), and comes back where it does not belong.",
        "what is not made anew in each call?"),
    "arguments-changed": (
        "What was given was changed in place, and the caller goes on using it.",
        "operators like += and functions whose names end in an underscore"),
    "batch-lost": ("The first dimension, one row for each image, must stay, for one image as "
                   "well.", "squeeze, flatten, view, mean, or an index?"),
    "transposed-batch": ("Rows and columns are exchanged: one row for each image is asked for.",
                         "a transposition?"),
    "wrong-shape": ("The shape is not the one that the docstring promises.", "the part Returns"),
    "fixed-batch": ("It works for one number of images only: a size is written into the code.",
                    "a number in a view or reshape?"),
    "mixes-images": (
        "The result for one image depends on the others in the batch: something is taken along "
        "dimension 0.", "every image should go its own way"),
    "relu-missing": ("{what}.", "{step}"),
    "other-activation": ("{what}.", "{step}"),
    "layer-skipped": ("{what}.", "{step}: each layer is used once, in order"),
    "layer-twice": ("{what}.", "{step}: each layer is used once, in order"),
    "wrong-layer": ("{what}.", "{step}: the names of the layers"),
    "own-layer": ("{what}. Its weights were never trained.", "{step}"),
    "result-unused": ("{what}.", "{step}: each layer takes what the one before it gave"),
    "input-changed": ("{what}.", "{step}: what happens in front of the first layer?"),
    "input-unknown": ("{what}.", "{step}"),
    "by-hand": ("{what}.", "{step}: calling the layer does it all"),
    "layers-unused": ("None of the model's layers was called, so the result is not theirs.",
                      STEP_1),
    "head-missing": ("{what}.", "{step}: the last layer"),
    "mean-changed": ("{what}. A code is a place on a map, it may be negative; the mean is "
                     "returned as it is.", "{step}"),
    "relu-on-mean": ("{what}. A code is a place on a map: it may be negative.", "{step}"),
    "sigmoid-missing": ("{what}: then pixels leave the range from 0 to 1.", "{step}"),
    "sigmoid-twice": ("{what}: then no pixel can be darker than 0.5.", "{step}"),
    "relu-before-sigmoid": ("{what}: then no pixel can be darker than 0.5.", "{step}"),
    "not-the-sigmoid": ("{what}. The weights were trained for the sigmoid.", "{step}"),
    "scaled": ("{what}. Pixels stay between 0 and 1 here.", "{step}"),
    "end-unknown": ("{what}.", "{step}"),
}

MORPH = {           # TODO 3
    "not-a-list": ("The frames are to be in a list, one entry for each.", "its last line"),
    "second-value": ("Besides the frames something else is returned.", "its last line"),
    "return-in-loop": ("The return stands inside the loop, so the first round is the last.",
                       "the indentation of return"),
    "one-round": ("The loop ran only once: what it counts or runs over has one entry.", STEP_2),
    "last-only": (
        "All frames were decoded but only one is in the list: it is added after the loop, or the "
        "list is made anew inside it.", "the indentation of append, and where the list is made"),
    "added-twice": ("Every frame is added twice.", "what is appended in the loop?"),
    "rows-joined": ("+= takes a picture apart and adds its rows to the list one by one.",
                    "how does one frame become one entry?"),
    "alpha-row": (
        "All alphas together met one code, number by number, and only one code was decoded. As a "
        "column, each alpha meets a whole code.", STEP_3),
    "wrong-count": ("num_steps counts the frames, both ends included (not the gaps between them).",
                    STEP_2),
    "steps-ignored": ("The number of frames stays the same whatever num_steps is: a number is "
                      "written into the code.", STEP_2),
    "tensors": ("The frames are tensors; arrays are asked for.", STEP_4),
    "flat-frames": ("The frames are still flat rows of pixels (or have one dimension too many).",
                    STEP_4),
    "not-numbers": ("The frames are not arrays of numbers.", STEP_4),
    "reversed": ("The morph runs backwards, from pattern_b to pattern_a: which of the two codes "
                 "is weighted by alpha?", STEP_3),
    "start-missing": ("The frame of pattern_a itself is missing: alpha does not begin at 0.",
                      STEP_2),
    "end-missing": ("The frame of pattern_b itself is missing: alpha does not arrive at 1.",
                    STEP_2),
    "both-ends-missing": ("Neither pattern_a nor pattern_b itself appears: alpha neither begins "
                          "at 0 nor arrives at 1.", STEP_2),
    "alpha-range": ("Alpha ran from {first:.4g} to {last:.4g}, not from 0 to 1.", STEP_2),
    "uneven-steps": ("The frames lie on the right line, but not at equal distances: {places}. Is "
                     "alpha not even, or does a code change in place (+=, lerp_) on the way?",
                     "steps 2 and 3 of its docstring"),
    "ends-raw": ("The first and the last frame are the patterns as they were given; the decoder "
                 "makes all of the frames.", STEP_4),
    "pixels-blended": (
        "What is mixed here are pictures, {what}. Mix the codes: that is what makes it a walk "
        "through the latent space.", STEP_3),
    "weights-sum": ("The two weights do not add up to one: {what}.", STEP_3),
    "shifted": ("{what} is added to every number of the mixed codes. Is a bracket missing?",
                STEP_3),
    "all-the-same": ("Alpha has no effect on what is decoded, or one array is filled again and "
                     "again.", "what in the loop depends on alpha, and is each frame a new array?"),
    "one-code": ("Both ends of the way are the code of {what}.", STEP_1),
    "not-straight": ("The way between the two codes is no straight line: it goes along an arc "
                     "(spherical interpolation).", STEP_3),
    "off-line": ("What is decoded is no mixture of the two codes.",
                 STEP_3 + ": print the codes of the two ends"),
    "transposed": ("The pictures are mirrored along the diagonal: rows became columns.",
                   "{step}"),
    "upside-down": ("The pictures are flipped or turned.", "{step}"),
    "frames-scaled": ("The pictures are right but for their values: {what}.", STEP_4),
    "stretched": ("The contrast was stretched: the darkest pixel of a frame became black, or the "
                  "brightest white.", "{step}: brightness is kept as the decoder gives it"),
    "model-unused": ("The model in the argument vae was not asked: another one was, a new or a "
                     "global one.", "which model encodes and decodes here?"),
    "decoder-unused": ("The model in the argument vae was asked for codes, but decoded nothing.",
                       STEP_4),
    "model-changed": ("The weights of the model were changed: a picture must leave the model as "
                      "it is.", "which line changes the model?"),
    "codes-fine": ("The right codes were decoded, but what comes back is not what the decoder "
                   "gave.", "what happens after decoding?"),
    "own-model": (
        "With the model of the checks it is right; with your own encode and decode, right as "
        "well, it is not: they may need a batch where you give one image.", STEP_1),
}

WALK = {            # the challenge
    "no-file": ("Nothing was written.", STEP_5),
    "wrong-place": ("The file has another name or stands in another folder than GIF_FILE.",
                    STEP_5 + ": GIF_FILE is the place"),
    "many-files": ("Every frame became a file of its own; one file holds them all.", STEP_5),
    "relative-path": ("A path that begins where Python happens to be started. GIF_FILE works "
                      "from everywhere.", ""),
    "not-a-gif": ("The file is there but is not a GIF.", STEP_5),
    "frame-axes": (
        "An entry of the list is no single picture of two axes: a whole stretch (append where += "
        "is meant), flattened (repeat without axis), or with an axis too many.", ""),
    "not-uint8": ("A GIF takes whole numbers from 0 to 255, of the type uint8.", ""),
    "too-small": ("A frame has too few pixels for a person to see them.", STEP_3),
    "not-square": ("The frames are not square: enlarged differently in the two directions, or "
                   "drawn by Matplotlib.", STEP_3),
    "coloured": ("The frames have colours (a colour map?); brightness alone is asked for.",
                 STEP_4),
    "margins": ("A border surrounds the picture, as Matplotlib draws it. Write the array itself.",
                STEP_3),
    "tiled": ("The picture is repeated side by side instead of being enlarged: every pixel should "
              "become a block.", STEP_3 + ": which array comes first, or another function?"),
    "smoothed": ("Enlarging has smoothed the pixels: each should become a block of one "
                 "brightness.", STEP_3),
    "black": ("Brightness between 0 and 1 was made a whole number without being stretched first: "
              "whatever is below 1 became 0.", STEP_4),
    "wrapped": ("Values outside of 0 to 255 do not fit into uint8 and start again at the other "
                "end: bright pixels turn dark.", STEP_4 + ": what is brightness multiplied by?"),
    "inverted": ("Black and white are exchanged.", STEP_4),
    "too-dark": ("The frames are right but too dark: 1 became {what} of 255.", STEP_4),
    "rounded": ("Only black and white are left: whole numbers were made before the factor 255, "
                "or after it was lost.", STEP_4),
    "tones": ("The brightness of the pixels is not what the decoder gave, times 255.", STEP_4),
    "frames-the-same": ("All frames are the same picture.", STEP_1),
    "one-picture": ("The GIF holds one picture: each time it is written the file begins anew, or "
                    "only one frame was collected or handed on.",
                    "what stands inside the loop, what after it, and what the writer is given"),
    "originals-shown": ("The given patterns themselves are shown, not what the decoder makes of "
                        "their codes.", STEP_1),
    "patterns-unused": (
        "No pattern was encoded, so the codes on the way come from elsewhere: random ones?",
        STEP_1),
    "walk-of-pixels": ("Pictures are mixed on the way, not codes: it is a cross-fade, not a walk "
                       "through the latent space.", STEP_1 + ": interpolate does it right"),
    "off-the-way": ("Some frames lie on no way from one pattern to another.", STEP_1),
    "pattern-skipped": ("The walk leaves out {what}.", STEP_1),
    "last-stretch-only": (
        "Only the last stretch is in the GIF: the list is made anew for each stretch, or the "
        "stretches replace each other.", "where the list of frames is made and added to"),
    "stretch-missing": ("The way {what} is missing.", STEP_1),
    "from-the-first": ("Every stretch begins at the first pattern, instead of where the one "
                       "before it ended.", STEP_1),
    "stretch-backwards": ("Each stretch is walked backwards, from its end to its beginning.",
                          STEP_1 + ": which pattern comes first?"),
    "stretch-twice": ("The way {what} is walked more than once.", STEP_1),
    "never-arrives": ("The frame of the pattern itself is dropped twice, at the end of one "
                      "stretch and at the beginning of the next.", STEP_2),
    "frames-left-out": ("Only some of the frames are in the GIF (every second, every fourth?), "
                        "so that patterns are passed by.", "all frames of a stretch but one"),
    "other-order": ("The walk takes the patterns in another order than they are given.", STEP_1),
    "there-and-back": ("The walk goes back the way it came. From the last pattern it should go "
                       "straight to the first.", STEP_1),
    "jump-cuts": (
        "There are too few frames between one pattern and the next, or what was paired are no "
        "neighbours (roll needs dims=0, and + adds tensors instead of joining them).", STEP_1),
    "not-closed": ("The stretch from the last pattern back to the first is missing: when the GIF "
                   "starts again, it jumps.", STEP_1),
    "doubled": ("A frame is shown twice where one stretch ends and the next begins: the walk "
                "stutters.", STEP_2),
    "doubled-at-the-end": ("The last frame is the first one again; when the GIF starts over, it "
                           "is shown twice.", STEP_2),
    "one-stays": ("Frame {what} is shown for longer than the others.", STEP_5),
    "uneven-durations": ("The frames stay for different times.", STEP_5),
    "plays-once": ("The GIF plays {what} and stops.", STEP_5 + ": the argument loop"),
    "fps-ignored": ("The speed stays the same whatever fps is.",
                    STEP_5 + ": what does the time of a frame depend on?"),
    "fps-inverted": ("More frames per second make the GIF slower.",
                     STEP_5 + ": how long is one frame, if fps of them fill a second?"),
    "wrong-unit": ("The duration of a frame is missing or in the wrong unit: it is given in "
                   "milliseconds.", STEP_5),
    "wrong-speed": ("The speed depends on fps, but not so that fps frames fill one second.",
                    STEP_5),
}

TEXT = {            # what shows in the file without running it
    "defined-twice": ("{name} stands twice in the file, and the last one, which counts for "
                      "Python, is still empty.", "keep the one that you wrote"),
    "outside-class": ("{name} is a method of SimpleVAE and has to stand inside the class: it is "
                      "indented wrongly.", "the indentation of its def"),
    "inside-other": ("{name} is a function of its own and stands inside of something else: it is "
                     "indented wrongly.", "the indentation of its def"),
}

BY_RESULT = {**RESULT, **MORPH, **WALK}     # something came back, or was written, and is wrong
HINTS = {**FILE, **TEXT, **PYTHON, **TORCH, **RESULT, **MORPH, **WALK}
