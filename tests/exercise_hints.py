"""What the checks say about each known mistake: its likely cause, and where to look.

A hint names the cause and the place, never the code. ``{words}`` are filled in
by the check that found the mistake; the line of the function, or the line in
which an error arose, is put in front of the place.
"""

STEP_1, STEP_2, STEP_3 = (f"step {number} of its docstring" for number in (1, 2, 3))

HINTS = {
    # --- any TODO ---------------------------------------------------------------
    "unknown": (
        "None of the mistakes that these checks know gives this, so they will not guess.",
        "go through the steps of its docstring one by one, and print shapes on the way"),
    "error": ("The error above is Python's own; what it names is usually in this very line.", ""),
    "raise-left": (
        "The line that raises NotImplementedError is still there and still reached.",
        "take it out when your own code stands"),
    "endless": ("A loop that never ends, most likely.", "what ends the loop here?"),
    "exits": ("exit() ends Python as a whole.", "leave it out"),
    "asks-keyboard": ("The code waits for the keyboard, where nobody sits.", "leave input() out"),
    "debugger": (
        "A breakpoint is still in the code; it works with python latent_starter.py only.",
        "take it out for the checks"),
    "recursion": ("A function that calls itself without an end.", "what is called here?"),
    "misspelt": (
        "The model has nothing named {name}. Did you mean {close}?", "the spelling"),
    "no-such-layer": (
        "The model has nothing named {name}; its layers are listed in SimpleVAE.__init__.",
        "which layer belongs here?"),
    "self-missing": (
        "{name} belongs to the model: inside a method it is reached through self.",
        "what stands before the dot?"),
    "undefined-name": (
        "Nothing is named {name} here: a spelling mistake, or an import that is missing.",
        "the imports at the top of the file, and the spelling"),
    "sizes-do-not-fit": (
        "A layer gets an input of the wrong width: layers in the wrong order, one left out, "
        "or a shape that was changed on the way.",
        "which layer comes before this one, and how many numbers does it give?"),
    "unpacked": (
        "Two values are expected where only one comes: SimpleVAE.encode returns the mean "
        "alone, not a pair as VAE.encode does.", "what stands left of the equals sign"),
    "arguments": (
        "The number or the names of the arguments do not fit, in the first line of a function "
        "or in a call.", "is the line with def as it was given?"),
    "not-applied": (
        "nn.ReLU(...) and nn.Sigmoid(...) make a layer; the tensor goes into that layer, not into "
        "its making.", "which brackets hold the tensor?"),
    "layer-not-called": (
        "A layer is not a matrix: it is called like a function, with the tensor in the brackets.",
        "how does the tensor get into the layer?"),
    "numpy-function": (
        "A NumPy function is applied to a tensor that records gradients, which NumPy cannot "
        "follow. torch has functions of its own for the same purpose.",
        "which function here is NumPy's?"),
    "brackets-missing": (
        "A function itself is passed on, not its result: the brackets of a call are missing.",
        "which function is named here, but not called?"),
    "array-into-layer": (
        "Layers take tensors; here one is given a NumPy array.", "where did it become an array?"),
    "returns-nothing": (
        "The result is computed but not handed back: a return is missing or returns nothing.",
        "its last line"),
    "returns-tuple": (
        "Several values are returned, where one tensor is asked for: no log_var, no noise, "
        "no list.", "its last line"),
    "returns-array": (
        "A NumPy array is returned, which torch cannot compute any further with.",
        "its last line; the rest of the model expects a tensor"),
    "returns-other": ("Something that is not a tensor is returned.", "its last line"),
    "random": (
        "Something random is in it: noise added, dropout, or a new untrained layer. Pictures "
        "are made without noise.", "what gives another number each time?"),
    "arguments-changed": (
        "What was given was changed in place, and the caller goes on using it.",
        "operators like += and functions whose names end in an underscore"),
    "gradients-cut": (
        "Gradients cannot flow back through it (no_grad, detach or .data), so with this "
        "function no model could be trained. Only pictures go without gradients.",
        "which line cuts them off?"),
    "batch-lost": (
        "The first dimension, one row for each image, must stay, for a batch of one as well.",
        "squeeze, flatten, view, mean, or an index?"),
    "transposed-batch": (
        "Rows and columns are exchanged: one row for each image is asked for.",
        "a transposition?"),
    "wrong-shape": (
        "The shape is not the one that the docstring promises.", "the part Returns"),
    "fixed-batch": (
        "It works for one number of images only: a size is written into the code.",
        "a number in a view or reshape?"),
    "mixes-images": (
        "The result for one image depends on the others in the batch (a mean or a spread "
        "taken over the batch?).", "every image should go its own way"),

    # --- TODO 1 and 2 ---------------------------------------------------------------
    "relu-missing": ("Exactly these numbers come {what}.", "{step}"),
    "other-activation": ("Exactly these numbers come {what}.", "{step}"),
    "layer-skipped": ("Exactly these numbers come {what}.", "each layer is used once"),
    "layer-twice": ("Exactly these numbers come {what}.", "each layer is used once"),
    "wrong-layer": ("Exactly these numbers come {what}.", "the names of the layers"),
    "input-changed": ("Exactly these numbers come {what}.", "what happens before the first layer"),
    "head-missing": (
        "These are as many numbers as a hidden layer has: the last layer was left out.", STEP_3),
    "relu-on-mean": (
        "Exactly these numbers come {what}. A code is a place on a map: it may be negative.",
        STEP_3),
    "mean-changed": ("Exactly these numbers come {what}. The mean is returned as it is.", STEP_3),
    "sigmoid-missing": (
        "Exactly these numbers come {what}; then pixels leave the range from 0 to 1.", STEP_3),
    "sigmoid-twice": (
        "Exactly these numbers come {what}; then no pixel can be darker than 0.5.", STEP_3),
    "relu-before-sigmoid": (
        "Exactly these numbers come {what}; then no pixel can be darker than 0.5.", STEP_3),
    "not-the-sigmoid": (
        "Exactly these numbers come {what}. The weights were trained for the sigmoid.", STEP_3),
    "scaled": ("Exactly these numbers come {what}. Pixels stay between 0 and 1 here.", STEP_3),

    # --- TODO 3 -------------------------------------------------------------------
    "not-a-list": ("The frames are to be in a list, one entry for each.", "its last line"),
    "wrong-count": (
        "num_steps counts the frames, both ends included (not the gaps between them).",
        STEP_2),
    "steps-ignored": (
        "The number of frames stays the same whatever num_steps is: a number is written into "
        "the code.", STEP_2),
    "tensors": ("The frames are tensors; arrays are asked for.", "step 4 of its docstring"),
    "gradients-tracked": (
        "Outside of training gradients have to be off: a tensor that records them refuses to "
        "become an array.", "step 1 of its docstring, and no_grad in the page's pitfalls"),
    "flat-frames": (
        "The frames are still flat rows of pixels (or have one dimension too many).",
        "step 4 of its docstring"),
    "not-numbers": ("The frames are not arrays of numbers.", "step 4 of its docstring"),
    "reversed": (
        "The morph runs backwards, from pattern_b to pattern_a: which of the two weights is "
        "alpha?", STEP_3),
    "start-missing": (
        "The frame of pattern_a itself is missing: alpha does not begin at 0.", STEP_2),
    "end-missing": (
        "The frame of pattern_b itself is missing: alpha does not arrive at 1.", STEP_2),
    "both-ends-missing": (
        "Neither pattern_a nor pattern_b itself appears: alpha neither begins at 0 nor "
        "arrives at 1.", STEP_2),
    "uneven-steps": ("The frames lie on the right line, but not at equal distances.", STEP_2),
    "pixels-blended": (
        "What is mixed here are pictures, {what}. Mix the codes: that is what makes it a walk "
        "through the latent space.", STEP_3),
    "weights-sum": (
        "The two weights do not add up to one: {what}.", STEP_3),
    "all-the-same": (
        "Every frame is the same picture, so alpha has no effect on what is decoded.",
        "what in the loop depends on alpha?"),
    "not-straight": ("The way between the two codes is not a straight line: {what}.", STEP_3),
    "transposed": ("The pictures are mirrored along the diagonal: rows became columns.",
                   "step 4 of its docstring"),
    "upside-down": ("The pictures are flipped or turned.", "step 4 of its docstring"),
    "frames-scaled": ("The pictures are right but for their values: {what}.",
                      "step 4 of its docstring"),
    "model-unused": (
        "The model in the argument vae was not asked: another one was, a new or a global one.",
        "which model encodes and decodes here?"),
    "model-changed": (
        "The weights of the model were changed: a picture must leave the model as it is.",
        "which line changes the model?"),
    "codes-fine": (
        "The right codes were decoded, but what comes back is not what the decoder gave.",
        "what happens after decoding?"),
    "own-model": (
        "With the model of the checks your interpolate is right; with your own encode and decode, "
        "which are right as well, it is not. They may need a batch where you give one image.",
        STEP_1),

    # --- the challenge ------------------------------------------------------------------
    "no-file": ("Nothing was written.", "step 5 of its docstring"),
    "wrong-place": (
        "The file has another name or stands in another folder than GIF_FILE.",
        "step 5 of its docstring: the place is given by the constant GIF_FILE"),
    "relative-path": (
        "A path that begins where Python happens to be started. GIF_FILE works from everywhere.",
        "step 5 of its docstring"),
    "not-a-gif": ("The file is there but is not a GIF.", "step 5 of its docstring"),
    "not-uint8": (
        "A GIF takes whole numbers from 0 to 255, of the type uint8.", "step 4 of its docstring"),
    "too-small": (
        "A frame has too few pixels for a person to see them.", "step 3 of its docstring"),
    "not-square": ("The frames are not square.", "step 3 of its docstring"),
    "smoothed": (
        "Enlarging has smoothed the pixels: each should become a block of one brightness.",
        "step 3 of its docstring"),
    "black": (
        "Brightness between 0 and 1 was made a whole number without being stretched first: "
        "whatever is below 1 became 0.", "step 4 of its docstring"),
    "wrapped": (
        "Values above 255 do not fit into uint8 and start again at 0: bright pixels turn dark.",
        "step 4 of its docstring: by how much is brightness multiplied?"),
    "inverted": ("Black and white are exchanged.", "step 4 of its docstring"),
    "too-dark": ("The frames are right but too dark: {what}.", "step 4 of its docstring"),
    "rounded": ("Only black and white are left.", "step 4 of its docstring"),
    "frames-the-same": ("All frames are the same picture.", STEP_1),
    "originals-shown": (
        "The given patterns themselves are shown, not what the decoder makes of their codes.",
        STEP_1),
    "walk-of-pixels": (
        "Pictures are mixed on the way, not codes: it is a cross-fade, not a walk through the "
        "latent space.", "step 1 of its docstring: interpolate does it right"),
    "pattern-skipped": ("The walk leaves out {what}.", STEP_1),
    "never-arrives": (
        "The frame of the pattern itself is dropped twice, at the end of one stretch and at the "
        "beginning of the next.", STEP_2),
    "other-order": ("The walk takes the patterns in another order than they are given.", STEP_1),
    "there-and-back": (
        "The walk goes back the way it came. From the last pattern it should go straight to the "
        "first.", STEP_1),
    "jump-cuts": (
        "Too few frames lie between one pattern and the next: the picture jumps.", STEP_1),
    "not-closed": (
        "The stretch from the last pattern back to the first is missing: when the GIF starts "
        "again, it jumps.", STEP_1),
    "doubled": (
        "A frame is shown twice where one stretch ends and the next begins: the walk stutters.",
        STEP_2),
    "doubled-at-the-end": (
        "The last frame is the first one again; when the GIF starts over, it is shown twice.",
        STEP_2),
    "uneven-durations": ("The frames stay for different times.", "step 5 of its docstring"),
    "plays-once": (
        "The GIF plays {what} and stops.", "step 5 of its docstring: the argument loop"),
    "fps-ignored": (
        "The speed stays the same whatever fps is.", "step 5 of its docstring: what does the "
        "duration of a frame depend on?"),
    "fps-inverted": (
        "More frames per second make the GIF slower.", "step 5 of its docstring: how long is one "
        "frame, if fps of them fill a second?"),
    "wrong-unit": (
        "The duration of a frame is missing or in the wrong unit: it is given in milliseconds.",
        "step 5 of its docstring"),
    "wrong-speed": (
        "The speed depends on fps, but not so that fps frames fill one second.",
        "step 5 of its docstring"),

    # --- the file as a whole --------------------------------------------------------------
    "syntax-error": (
        "Python cannot read the file: a bracket, colon, quote or indentation, in this line or "
        "the one before.", ""),
    "unreadable-file": ("The file cannot be read.", "is it there, and is it text?"),
    "error-on-import": (
        "The file stops before any function is called, while Python reads it from top to "
        "bottom.", ""),
    "name-missing": (
        "Renamed or deleted: the checks call {name} by this name.", "what is it called now?"),
    "layers-changed": (
        "The layers in SimpleVAE.__init__ are given, with these names and sizes: the trained "
        "weights fit no others.", "put SimpleVAE.__init__ back as it was given"),
}
