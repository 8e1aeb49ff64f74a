"""The lens against OpenCV's own formulas, and its inverse."""

import cv2
import numpy as np
import pytest

from headwise import lens

LENSES = [
    (-0.3, 0.1, 0.001, -0.002),
    (-0.35, 0.15, 0.001, -0.002, -0.03),
    (0.2, -0.05, -0.001, 0.001, 0.01),
    (0.5, 0.1, 0.001, -0.001, 0.02, 0.8, 0.25, 0.03),
]


def grid(reach: float) -> np.ndarray:
    line = np.linspace(-reach, reach, 15)
    return np.stack(np.meshgrid(line, line), axis=-1)


@pytest.mark.parametrize("coefficients", LENSES)
def test_it_bends_as_opencv_does(coefficients):
    slopes = grid(0.5)
    points = np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1).reshape(-1, 3)
    theirs, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), np.array(coefficients))
    np.testing.assert_allclose(lens.distorted(slopes, coefficients).reshape(-1, 2), theirs[:, 0], atol=1e-12)


@pytest.mark.parametrize("coefficients", LENSES)
def test_undistorted_is_the_inverse(coefficients):
    slopes = grid(0.6)
    bent = lens.distorted(slopes, coefficients)
    assert np.abs(bent - slopes).max() > 0.01
    np.testing.assert_allclose(lens.undistorted(bent, coefficients), slopes, atol=1e-9)


def test_without_coefficients_nothing_happens():
    slopes = grid(3)
    assert lens.distorted(slopes, ()) is slopes
    assert lens.undistorted(slopes, (0.0,) * 5) is slopes
    assert lens.fold((0.0,) * 5) == np.inf


def test_beyond_the_fold_far_rays_do_not_come_back():
    coefficients = (-0.3, 0.0, 0.0, 0.0)
    end = lens.fold(coefficients)
    assert end == pytest.approx(np.sqrt(1 / 0.9))
    shown = lens.distorted([[end, 0], [2 * end, 0], [9 * end, 0]], coefficients)
    np.testing.assert_allclose(shown, [[lens.distorted_fold(coefficients), 0]] * 3)
    np.testing.assert_allclose(lens.undistorted([[5.0, 0]], coefficients), [[end, 0]])
