"""What the augmentations promise."""

import numpy as np
import pytest

pytest.importorskip("torch")

from headwise.boxes import Box
from headwise.crops import CropRule
from headwise.training.augmentations import colour, view


def test_levels_put_the_middles_percentiles_where_they_were_asked() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(80, 10, (96, 96, 3)).clip(0, 255).astype(np.uint8)
    low, high = np.percentile(colour.levelled(40, 120)(flat)[16:-16, 16:-16, 1], (5, 95))
    assert low == pytest.approx(40, abs=3)
    assert high == pytest.approx(120, abs=3)


def test_levels_do_not_blow_up_a_plain_wall() -> None:
    wall = np.full((80, 80, 3), 90, np.uint8)
    wall[::2] += 2
    assert np.ptp(colour.levelled(20, 240)(wall)) <= 2 * colour.LARGEST_GAIN


def test_a_front_box_leaves_the_jaws_sides_out() -> None:
    points = np.zeros((68, 2))
    points[:17, 0] = np.linspace(0, 100, 17)  # the jaw is wide
    points[17:] = np.random.default_rng(0).uniform(40, 60, (51, 2))
    policy = view.create(crop_scale=1.0, mirror=0, turn=0, scale_jitter=0, shift_jitter=0, wild=0, front=1)
    front = points[list(view.FRONT)]
    expected = CropRule(1.0, 64).warp(Box.from_points(front))
    drawn = policy.draw(points, 100, 64, np.random.default_rng(1))
    np.testing.assert_allclose(drawn.matrix, expected.matrix)
    assert np.ptp(front[:, 0]) < 100
