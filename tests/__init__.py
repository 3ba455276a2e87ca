"""The tests of the package; ``tests.exercise`` checks what the learner writes."""
