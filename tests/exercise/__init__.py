"""The checks of exercise 3: they read and run the learner's file and say what they saw.

    plugin.py       what the exercise adds to pytest: options, a report at the end
    run.py          python latent_starter.py, and the table for a class
    todos.py        what is to be written, and how far a file is (read, never run)
    process.py      the process in which the learner's code runs, seen from outside
    child.py        the same process from inside: limits, one job after the other
    learner.py      load the file, call its functions, check them
    errors.py       from an exception to what was meant
    layers.py       TODO 1 and 2, by what each layer was given
    interpolate.py  TODO 3, by the weights that each frame was made with
    walk.py         the challenge, by the weights that can be read off each frame
    card.py         the model that both are asked with: its pictures show what they are mixed from
    reference.py    right answers
    hints.txt       the words for each mistake; hints.py reads them
    report.py       what is printed
    pictures.py     my_interpolation.png and .gif, latent_walk.gif
    answers/        stored right and wrong answers, for the tests of these checks; stored.py
                    reads them

The first three, hints and report do without torch, so what needs no torch is said at once.
"""
