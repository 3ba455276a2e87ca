"""The tests of the package (test_*.py) and of the learner's file (exercise/)."""
