"""The measures of the main script, against brute force and on models whose answer is known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import latent_space_exploration as main_script
import patterns
from latent_space_exploration import Data, LatentSpace
from patterns import IMAGE_SIZE, NONE, PATTERN_TYPES, draw_lines, generate_patterns, kinds, rmse
from solutions.measures import detours
from vae_model import reconstruct, sample_prior


@pytest.fixture(scope="module", autouse=True)
def constants_as_handed_out():
    """What a learner changes must not decide what these tests see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "MAX_SHIFT", 0.09)
        patch.setattr(patterns, "LINE_WIDTH", (0.05, 0.09))
        patch.setattr(patterns, "NEAR_RMSE", 0.1)
        patch.setattr(patterns, "NOISE", 0.03)
        patch.setattr(main_script, "NUM_SAMPLES", 100)
        yield


@pytest.fixture(scope="module")
def data():
    noisy, labels = generate_patterns(80, 5, noise=0.03)
    clean, _ = generate_patterns(80, 5, noise=0)
    train, _ = generate_patterns(600, 6, noise=0.03)
    return Data(torch.from_numpy(train), torch.from_numpy(noisy), labels, clean)


def space_of(codes):
    """A LatentSpace in which the held-out patterns have given codes."""
    return LatentSpace(codes, np.ones(codes.shape[1]), codes[0], codes[:2], ("", ""))


def model_of(decoder, latent_dim):
    """A model that decodes like a function."""
    return SimpleNamespace(decoder=decoder, fc_mu=SimpleNamespace(out_features=latent_dim))


def identity(data):
    """A model whose codes are the clean images themselves, and where they lie."""
    return model_of(lambda z: z, data.clean.shape[1]), space_of(data.clean)


# --- parts --------------------------------------------------------------------------
def test_the_kind_of_an_image_is_that_of_the_pattern_it_is_near(data):
    assert (kinds(data.clean) == data.labels).all()
    grey = np.full((1, data.clean.shape[1]), 0.5)
    both = np.maximum(*(data.clean[data.labels == PATTERN_TYPES.index(name)][:1]
                        for name in ("diagonal", "horizontal")))
    assert kinds(np.concatenate([grey, both])).tolist() == [NONE, NONE]


def test_pairs_of_two_types_are_all_that_can_be(data):
    pairs = main_script.pairs_of_two_types(data.labels, most=7)
    types = data.labels[pairs]
    assert len(pairs) == 6 * 7
    assert len({tuple(sorted(pair)) for pair in types}) == 6
    assert (types[:, 0] != types[:, 1]).all()


def test_far_pairs_against_a_loop(data):
    for index, partner in main_script.far_pairs_of_one_type(data):
        same = np.flatnonzero(data.labels == data.labels[index])
        farthest = max(rmse(data.clean[index], data.clean[other]) for other in same)
        assert data.labels[partner] == data.labels[index]
        assert rmse(data.clean[index], data.clean[partner]) == pytest.approx(farthest, rel=1e-4)


def test_paths_lead_straight_from_one_pattern_to_the_other(data):
    model, space = identity(data)
    pairs = np.array([[3, 8], [8, 3], [20, 40]])
    latent, blended = main_script.paths(model, data, space, pairs, num_steps=5)
    assert latent.shape == blended.shape == (5, 3, data.clean.shape[1])
    np.testing.assert_allclose(latent, blended, atol=1e-6)   # codes are pixels here
    for column, (a, b) in enumerate(pairs):
        for step in range(5):
            expected = (1 - step / 4) * data.clean[a] + step / 4 * data.clean[b]
            np.testing.assert_allclose(blended[step, column], expected, atol=1e-6)


def test_lost_frames_are_counted_between_the_ends(data):
    first = [data.clean[np.flatnonzero(data.labels == kind)[0]] for kind in range(4)]
    grey = np.full_like(first[0], 0.5)
    frames = np.stack([          # three paths of 8 frames; the last one is lost twice
        [first[0]] * 4 + [first[1]] * 4,
        [first[0]] * 3 + [first[2]] * 2 + [first[1]] * 3,
        [first[0]] * 3 + [grey] * 2 + [first[1]] * 3,
    ], axis=1)
    assert main_script.lost_frames(frames) == pytest.approx(2 / 3)
    frames[0] = frames[-1] = grey
    assert main_script.lost_frames(frames) == pytest.approx(2 / 3)


def test_pca_draws_have_the_mean_and_the_covariance_of_its_components():
    rng = np.random.default_rng(0)
    images = 0.5 + 0.05 * rng.normal(size=(4000, 3)) @ np.diag([1.0, 0.5, 0.1])
    drawn = main_script.sample_pca(images, 2, 20000, seed=1)
    expected = np.cov(images, rowvar=False)
    np.testing.assert_allclose(drawn.mean(axis=0), images.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(np.cov(drawn, rowvar=False)[:2, :2], expected[:2, :2],
                               rtol=0.05, atol=2e-5)
    assert np.linalg.matrix_rank(np.cov(drawn, rowvar=False), tol=1e-8) == 2
    assert main_script.sample_pca(images, 64, 5, seed=1).shape == (5, 3)      # as many as there are


def test_the_noise_floor_against_many_draws():
    rng = np.random.default_rng(2)
    clean = np.array([[0.0, 0.005, 0.5, 0.99, 1.0]])
    noisy = (clean + 0.03 * rng.standard_normal((40_000, 5))).clip(0, 1)
    guess = torch.from_numpy(noisy.mean(axis=0, keepdims=True))              # by brute force
    expected = F.binary_cross_entropy(
        guess.expand(noisy.shape), torch.from_numpy(noisy), reduction="sum").item() / len(noisy)
    data = Data(None, torch.from_numpy(noisy).float(), None, clean.repeat(len(noisy), axis=0))
    # both are about the same draws, so they differ by much less than other draws would
    assert main_script.noise_floor(data) == pytest.approx(expected, rel=2e-5)


def test_without_noise_the_floor_is_the_entropy_of_the_pixels(monkeypatch):
    monkeypatch.setattr(patterns, "NOISE", 0)
    pixels = np.array([[0.0, 1.0, 0.5, 0.1]])
    data = Data(None, torch.from_numpy(pixels).float(), None, pixels)
    expected = math.log(2) - 0.1 * math.log(0.1) - 0.9 * math.log(0.9)
    assert main_script.noise_floor(data) == pytest.approx(expected, abs=1e-4)


# --- the whole ------------------------------------------------------------------------
@pytest.mark.skipif(IMAGE_SIZE < 12, reason="in so few pixels, blends are near clean patterns")
def test_a_model_that_only_copies_finds_nothing_that_blending_does_not(data):
    model, space = identity(data)
    found = main_script.measure(model, data, space)
    assert found.midpoints == found.midpoints_blended < 0.7
    assert found.lost == pytest.approx(found.lost_blended)
    assert found.lost > 2
    assert found.samples < 0.01                              # noise in every pixel


def test_a_model_that_knows_the_family_finds_everything(data):
    """Codes are type, place and width themselves; between two types the decoder switches."""
    def decoder(z):
        codes = z.numpy().astype(float)
        labels = np.clip(np.rint(codes[:, 0]), 0, 3).astype(int)
        return torch.from_numpy(draw_lines(
            labels, codes[:, 1:3].clip(-0.09, 0.09), codes[:, 3].clip(0.05, 0.09)))

    # the clean patterns again, from parameters that are known
    rng = np.random.default_rng(3)
    codes = np.column_stack([data.labels, rng.uniform(-0.09, 0.09, (len(data.labels), 2)),
                             rng.uniform(0.05, 0.09, len(data.labels))])
    clean = decoder(torch.from_numpy(codes)).numpy()
    known, model = Data(data.train, data.held_out, data.labels, clean), model_of(decoder, 4)
    found = main_script.measure(model, known, space_of(codes))
    assert (found.samples, found.midpoints, found.lost) == (1, 1, 0)
    # from 0 to 2, 0 to 3 and 1 to 3 it walks by the types between
    assert detours(model, known, space_of(codes)) == pytest.approx(0.5)
    assert found.samples_pca < 0.3
    assert found.lost_blended > 2


def test_samples_and_reconstructions_come_from_the_decoder():
    model = model_of(lambda z: 2 * z, 3)
    drawn = sample_prior(model, 20000, seed=0)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose(drawn.std(axis=0), 2, rtol=0.03)
    np.testing.assert_array_equal(sample_prior(model, 5, seed=1), sample_prior(model, 5, seed=1))
    model.encode = lambda x: (x + 1, None)
    np.testing.assert_array_equal(reconstruct(model, torch.zeros(2, 3)), np.full((2, 3), 2))


def test_rmse_against_arithmetic():
    assert rmse(np.array([[0.0, 1.0]]), np.array([[0.0, 0.0]])) == pytest.approx([math.sqrt(0.5)])
