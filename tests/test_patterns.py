"""The patterns against arithmetic done by hand, and the ways to look at them."""

import math

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
import torch

import patterns
from patterns import IMAGE_SIZE, LINE_WIDTH, MAX_SHIFT, NEAR_RMSE, PATTERN_TYPES

BY_HAND = {     # from a pixel that is `right` and `down` from the center to the line
    "diagonal": lambda right, down: abs(right - down) * math.sqrt(0.5),
    "horizontal": lambda right, down: abs(down),
    "vertical": lambda right, down: abs(right),
    "cross": lambda right, down: min(abs(right), abs(down)),
}


# --- the patterns ---------------------------------------------------------------------
@pytest.mark.parametrize("name", [name for name in PATTERN_TYPES if name in BY_HAND])
def test_every_pixel_is_what_the_formula_says(name, monkeypatch):
    monkeypatch.setattr(patterns, "IMAGE_SIZE", 9)
    label = PATTERN_TYPES.index(name)
    image = patterns.draw_patterns([label], [(0.05, -0.03)], [0.07]).reshape(9, 9)
    for row, column in np.ndindex(9, 9):
        right, down = (column + 0.5) / 9 - 0.5 - 0.05, (row + 0.5) / 9 - 0.5 + 0.03
        expected = math.exp(-(BY_HAND[name](right, down) ** 2) / (2 * 0.07**2))
        assert image[row, column] == pytest.approx(expected, abs=1e-12)


def test_types_come_in_equal_shares_and_mixed_order():
    images, labels = patterns.generate_patterns(10 * len(PATTERN_TYPES) + 1, 0)
    assert images.shape == (len(labels), IMAGE_SIZE**2) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    assert sorted(np.bincount(labels)) == [10] * (len(PATTERN_TYPES) - 1) + [11]
    assert (np.diff(labels) < 0).any() and (np.diff(labels[:len(PATTERN_TYPES)]) != 1).any()


def test_a_seed_or_a_generator_decides_all_and_the_noise_comes_last():
    noisy, labels = patterns.generate_patterns(500, 6, noise=0.05)
    clean, labels_of_clean = patterns.generate_patterns(500, np.random.default_rng(6), noise=0)
    np.testing.assert_array_equal(labels, labels_of_clean)
    difference = (noisy - clean)[(clean > 0.2) & (clean < 0.8)]     # never clipped
    assert difference.std() == pytest.approx(0.05, rel=0.03)
    assert abs(difference.mean()) < 2e-3
    assert not np.array_equal(clean, patterns.generate_patterns(500, 7, noise=0)[0])


def test_position_and_width_vary_continuously(monkeypatch):
    monkeypatch.setattr(patterns, "IMAGE_SIZE", 40)
    monkeypatch.setattr(patterns, "PATTERN_TYPES", ("level", "upright"))
    monkeypatch.setattr(patterns, "DISTANCES", {"level": lambda right, down: np.abs(down),
                                                "upright": lambda right, down: np.abs(right)})
    images, labels = patterns.generate_patterns(1000, 0, noise=0)
    for label in (0, 1):
        profile = images[labels == label].reshape(-1, 40, 40).mean(axis=2 - label)
        place = (np.arange(40) + 0.5) / 40 - 0.5
        center = (profile * place).sum(axis=1) / profile.sum(axis=1)
        offset = place - center[:, None]
        width = np.sqrt((profile * offset**2).sum(axis=1) / profile.sum(axis=1))
        for values, low, high in ((center, -MAX_SHIFT, MAX_SHIFT), (width, *LINE_WIDTH)):
            counts, _ = np.histogram(values, bins=10, range=(low - 1e-3, high + 1e-3))
            assert counts.sum() == 500 and counts.min() > 20        # all inside, everywhere


# --- near a pattern -------------------------------------------------------------------
def test_the_nearest_pattern_is_the_minimum_over_all():
    family, labels_of_family = patterns.clean_patterns()
    images, _ = patterns.generate_patterns(12, 9, noise=0.1)
    distances, labels = patterns.nearest_pattern(images)
    for image, distance, label in zip(images, distances, labels):
        each = np.sqrt(((family - image).astype(float) ** 2).mean(axis=1))
        assert distance == pytest.approx(each.min(), rel=1e-4)
        assert label == labels_of_family[each.argmin()]


def test_every_pattern_without_noise_is_near_its_own_type():
    images, labels = patterns.generate_patterns(200, 8, noise=0)
    distances, found = patterns.nearest_pattern(images)
    assert distances.max() < 0.04                                    # the grid is dense
    assert np.mean(found == labels) > 0.98          # where types are alike, either may win
    ends = [(-MAX_SHIFT, MAX_SHIFT), (MAX_SHIFT, MAX_SHIFT)]         # and it reaches the ends
    for label, width in np.ndindex(len(PATTERN_TYPES), 2):
        corner = patterns.draw_patterns([label] * 2, ends, [LINE_WIDTH[width]] * 2)
        assert patterns.nearest_pattern(corner)[0].max() < 1e-4


def test_near_is_within_the_limit_and_has_the_name_of_a_type():
    count = len(PATTERN_TYPES)
    center = patterns.draw_patterns(range(count), np.zeros((count, 2)), [LINE_WIDTH[0]] * count)
    assert patterns.types_near(center).tolist() == list(PATTERN_TYPES)
    fading = np.linspace(center[0], 0.5, 40)                 # less and less of a pattern
    distances, _ = patterns.nearest_pattern(fading)
    near = distances <= NEAR_RMSE
    assert near[0] and not near[-1]
    assert (patterns.types_near(fading) == np.where(near, PATTERN_TYPES[0], "none")).all()


# --- ways to look at them ---------------------------------------------------------------
def test_images_in_the_prompt(capsys, monkeypatch):
    monkeypatch.setattr(patterns, "IMAGE_SIZE", 4)
    image = np.zeros((4, 4))
    image[1] = 1
    patterns.show_images(np.stack([image, 0.55 * image.T]).reshape(2, 16))
    assert capsys.readouterr().out == "@@@@   +  \n       +  \n\n"


def test_whatever_the_page_makes_can_be_shown(capsys):
    images, _ = patterns.generate_patterns(5, 0)
    frames = images.reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    for first, last in ((0, 4), (4, 5)):                     # rows of four
        patterns.print_images(frames[first:last])
    expected = capsys.readouterr().out
    for form in images, frames, list(frames), torch.from_numpy(images).requires_grad_():
        patterns.show_images(form)
        assert capsys.readouterr().out == expected
        patterns.show_images(form[4])                        # one alone
        assert expected.endswith(capsys.readouterr().out)


def test_images_in_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(patterns, "OUTPUT_DIR", tmp_path)
    monkeypatch.setattr(patterns, "DPI", 25)
    images = np.full((6, IMAGE_SIZE**2), 0.5)
    patterns.show_images(images, "mine.png")
    assert capsys.readouterr().out == f"Wrote {tmp_path / 'mine.png'}\n"
    picture = mpl.image.imread(tmp_path / "mine.png")[..., 0]
    assert np.isclose(picture, 0.5, atol=0.01).mean() > 0.4
    assert (picture < 0.1).mean() < 0.05                      # places without an image are white
    with mpl.rc_context({"font.family": "serif"}):            # the reader's own settings
        patterns.show_images(images, "mine.png")
    np.testing.assert_array_equal(mpl.image.imread(tmp_path / "mine.png")[..., 0], picture)
    images[1, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):              # never as if it were black
        patterns.show_images(images)
