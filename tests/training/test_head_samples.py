"""Samples of heads whose labels are not all known."""

from __future__ import annotations

import numpy as np
import pytest

from headwise.rotation import Rotation
from headwise.training.head_samples import AugmentSettings, Head, HeadSamples, outline_px

BOX = np.array([30.0, 20.0, 70.0, 80.0])


class BoxOnly:
    """One head of which only the box and the facing direction are labelled."""

    def __len__(self) -> int:
        return 1

    def refresh(self, _shards=None):
        return ()

    def order(self, rng):
        return rng.permutation(1)

    def picture(self, _index):
        return np.zeros((100, 100, 3), np.uint8)

    def mask(self, _index):
        return None

    def head(self, _index):
        unknown = np.full(68, np.nan)
        rotation = Rotation.from_rotvec([0, 0.5, 0]).matrix
        return Head(rotation, np.full((68, 2), np.nan), unknown, unknown.astype(np.float32), None, BOX, False)


def test_unknown_labels_are_nan_and_known_ones_move() -> None:
    samples = HeadSamples(BoxOnly(), AugmentSettings(), crop_scale=1.2, held_out=True)
    sample = samples.sample(0, 64, np.random.default_rng(0))
    for name in ("points", "points_depth", "visibility", "face_hidden"):
        assert np.isnan(sample[name]).all(), name
    assert not sample["roll_known"]
    assert sample["rotation"][0, 2] == pytest.approx(np.sin(0.5))
    assert list(samples.order(np.random.default_rng(0))) == [0]


def test_the_outline_of_a_box_is_its_ellipse() -> None:
    points = outline_px(BoxOnly().head(0))
    np.testing.assert_allclose(points.min(0), BOX[:2])
    np.testing.assert_allclose(points.max(0), BOX[2:])
    turned = points @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    assert np.ptp(turned, axis=0).max() < 60  # corners would give 71
