"""The patterns: are they what their labels say, in the shares and bytes promised?"""

import itertools
import math

import numpy as np
import pytest

import patterns
from patterns import IMAGE_SIZE, PATTERN_TYPES, generate_patterns, nearest_clean

SIZES = (8, 16, 24, 32)
NOISE = 0.03


@pytest.fixture(autouse=True)
def constants_as_handed_out(monkeypatch):
    """What a learner changes must not decide what these tests see."""
    monkeypatch.setattr(patterns, "MAX_SHIFT", 0.09)
    monkeypatch.setattr(patterns, "LINE_WIDTH", (0.05, 0.09))


def clean_images(name, image_size, count=40):
    """Noise-free images (n, size, size) of one type."""
    images, labels = generate_patterns(4 * count, 7, noise=0, image_size=image_size)
    return images[labels == PATTERN_TYPES.index(name)].reshape(-1, image_size, image_size)


def test_shapes_types_and_range():
    images, labels = generate_patterns(10, 0)
    assert images.shape == (10, IMAGE_SIZE**2)
    assert images.dtype == np.float32
    assert labels.shape == (10,)
    assert np.issubdtype(labels.dtype, np.integer)
    assert images.min() >= 0
    assert images.max() <= 1


@pytest.mark.parametrize("count", [1, 3, 4, 2048, 403])
def test_types_come_in_equal_shares(count):
    shares = np.bincount(generate_patterns(count, 1)[1], minlength=len(PATTERN_TYPES))
    assert shares.sum() == count
    assert shares.max() - shares.min() <= 1


def test_types_come_in_mixed_order():
    labels = generate_patterns(400, 2)[1]
    changes = np.count_nonzero(np.diff(labels))
    assert 250 < changes < 350        # 3/4 of 399 expected; sorted: 3, cycling: 399


def test_same_seed_same_bytes():
    one, other = generate_patterns(50, 3), generate_patterns(50, np.random.default_rng(3))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other))
    assert generate_patterns(50, 4)[0].tobytes() != one[0].tobytes()


def test_numpy_global_generator_is_left_alone():
    np.random.seed(5)  # noqa: NPY002 - the global one is what this test is about
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    generate_patterns(20, 3)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize("size", SIZES)
def test_horizontal_and_vertical_geometry(size):
    horizontal, vertical = clean_images("horizontal", size), clean_images("vertical", size)
    assert np.ptp(horizontal, axis=2).max() == 0       # no change along a row
    assert np.ptp(vertical, axis=1).max() == 0         # no change along a column
    assert np.ptp(horizontal, axis=1).min() > 0.5      # a line and a background
    assert np.ptp(vertical, axis=2).min() > 0.5


@pytest.mark.parametrize("size", SIZES)
def test_diagonal_geometry(size):
    for image in clean_images("diagonal", size):
        for offset in range(1 - size, size):
            assert np.ptp(image.diagonal(offset)) < 1e-6   # no change from top left to bottom right
        assert np.ptp(np.fliplr(image).diagonal()) > 0.25  # crossed the other way: a line


@pytest.mark.parametrize("size", SIZES)
def test_cross_is_a_horizontal_and_a_vertical_line(size):
    for image in clean_images("cross", size):
        row_profile, column_profile = image.min(axis=1), image.min(axis=0)
        np.testing.assert_allclose(
            image, np.maximum(row_profile[:, None], column_profile[None, :]), atol=1e-6)
        assert np.ptp(row_profile) > 0.5
        assert np.ptp(column_profile) > 0.5


def test_lines_against_pixel_by_pixel_arithmetic():
    shifts, widths = np.array([[0.05, -0.03]] * 4), np.full(4, 0.07)
    drawn = patterns.draw_lines(np.arange(4), shifts, widths, image_size=9).reshape(4, 9, 9)
    for row in range(9):
        for column in range(9):
            right = (column + 0.5) / 9 - 0.5 - 0.05
            down = (row + 0.5) / 9 - 0.5 + 0.03
            distances = {"diagonal": abs(right - down) * math.sqrt(0.5), "horizontal": abs(down),
                         "vertical": abs(right), "cross": min(abs(down), abs(right))}
            for kind, name in enumerate(PATTERN_TYPES):
                expected = math.exp(-(distances[name] ** 2) / (2 * 0.07**2))
                assert drawn[kind, row, column] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("order", [*itertools.permutations(PATTERN_TYPES)])
def test_types_may_stand_in_any_order(monkeypatch, order):
    usual, labels = generate_patterns(40, 2, noise=0)
    monkeypatch.setattr(patterns, "PATTERN_TYPES", order)
    new_labels = np.array([order.index(PATTERN_TYPES[label]) for label in labels])
    rng = np.random.default_rng(2)
    rng.permutation(40)
    shifts, widths = rng.uniform(-0.09, 0.09, size=(40, 2)), rng.uniform(0.05, 0.09, size=40)
    drawn = patterns.draw_lines(new_labels, shifts, widths)
    np.testing.assert_allclose(drawn, usual, atol=1e-6)
    assert (nearest_clean(usual, num_shifts=7, num_widths=3)[1] == new_labels).all()


def test_position_and_width_vary_continuously():
    profiles = clean_images("horizontal", 16, count=500)[:, :, 0].astype(float)
    rows = (np.arange(16) + 0.5) / 16 - 0.5
    centres = (profiles * rows).sum(axis=1) / profiles.sum(axis=1)
    spread = np.sqrt(
        (profiles * (rows - centres[:, None]) ** 2).sum(axis=1) / profiles.sum(axis=1))
    for values, start, stop in ((centres, -0.09, 0.09), (spread, 0.05, 0.09)):
        histogram, _ = np.histogram(values, bins=10, range=(start - 1e-3, stop + 1e-3))
        assert histogram.sum() == 500           # none outside the range
        assert histogram.min() > 20             # and every tenth of it is used


def test_noise_is_added_last_and_has_the_stated_spread():
    noisy, labels = generate_patterns(2000, 6, noise=NOISE)
    clean, same_labels = generate_patterns(2000, 6, noise=0)
    assert (labels == same_labels).all()
    free = (clean > 4 * NOISE) & (clean < 1 - 4 * NOISE)        # never clipped
    difference = (noisy - clean)[free]
    assert difference.std() == pytest.approx(NOISE, rel=0.02)
    assert abs(difference.mean()) < 1e-3


def test_nearest_clean_finds_type_and_distance():
    clean, labels = generate_patterns(80, 8, noise=0, image_size=16)
    distances, found = nearest_clean(clean, image_size=16)
    assert (found == labels).all()
    assert distances.max() < 0.04               # the grid is dense
    flat = np.full((1, 16**2), 0.5)
    assert nearest_clean(flat, image_size=16)[0][0] > 0.3      # and grey is not a pattern


def test_nearest_clean_is_the_minimum_over_its_grid():
    images = generate_patterns(12, 9, noise=NOISE)[0].astype(float)
    reach = 0.09
    grid = [
        patterns.draw_lines(np.array([kind]), np.array([[right, down]]), np.array([width]))[0]
        for kind in range(4) for right in (-reach, 0, reach) for down in (-reach, 0, reach)
        for width in (0.05, 0.09)
        # of the diagonals, those whose centre moves straight across the line
        if PATTERN_TYPES[kind] != "diagonal" or right == -down
    ]
    distances, _ = nearest_clean(images, num_shifts=3, num_widths=2)
    for image, distance in zip(images, distances):
        expected = min(math.sqrt(((image - line) ** 2).mean()) for line in grid)
        assert distance == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("count", [0, -1, 2.5, "3", True, None, float("nan")])
def test_a_bad_count_is_named(count):
    with pytest.raises(ValueError, match="num_patterns must be a whole number of 1 or") as caught:
        generate_patterns(count, 0)
    assert repr(count) in str(caught.value)


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_a_bad_noise_is_named(noise):
    with pytest.raises(ValueError, match="noise must be a number of 0 or more"):
        generate_patterns(4, 0, noise=noise)
