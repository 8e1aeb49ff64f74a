"""The mean head: symmetric, in the head frame, the same for the same seed, lids where lids are."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="synthesis needs the extra 'synth'")

from headwise.conventions import ART_HEAD_FROM_HEAD, FLIP_68
from headwise.synthesis.mean_head import mean_points68, symmetric_in_head_frame
from headwise.weights import mean_points_m


def test_points_are_averaged_with_their_mirror_image_and_turned_into_the_head_frame():
    points = np.random.default_rng(0).normal(0, 0.05, (68, 3))
    mean = symmetric_in_head_frame(points)
    np.testing.assert_allclose((mean * [-1, 1, 1])[FLIP_68], mean, atol=1e-12)
    back = mean @ ART_HEAD_FROM_HEAD.T
    np.testing.assert_allclose(back, (points + (points * [-1, 1, 1])[FLIP_68]) / 2, atol=1e-12)


def test_the_same_seed_gives_the_same_head_near_the_packages(art):
    done = []
    mean = mean_points68(art, people=60, seed=3, progress=done.append)
    np.testing.assert_array_equal(mean, mean_points68(art, people=60, seed=3))
    assert sum(done) == 60
    packaged = mean_points_m()
    assert packaged is not None
    assert np.linalg.norm(mean - packaged, axis=1).max() < 0.004


def test_lower_lids_lie_beside_the_upper_ones():
    """Points of the lids once lay 28 mm deeper than the eye."""
    points = mean_points_m()
    assert points is not None
    for eye in (points[36:42], points[42:48]):
        assert np.ptp(eye[:, 2]) < 0.008
        assert (eye[[4, 5], 1] > eye[[1, 2], 1]).all()  # y down
