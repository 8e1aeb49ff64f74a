"""One-Euro filters: still heads stop trembling, moving heads do not lag, and nothing breaks at ±180 deg."""

from itertools import pairwise

import numpy as np
import pytest

from headwise.conventions import EulerOrder
from headwise.results import HeadPose
from headwise.rotation import Rotation
from headwise.smoothing import OneEuro, PoseFilter, PositionFilter, RotationFilter

FRAME_S = 1 / 30
RNG = np.random.default_rng(5)


def turned(yaw_deg: float) -> Rotation:
    return Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=yaw_deg, pitch_deg=10, roll_deg=-5)


def test_the_first_value_passes() -> None:
    rotation = turned(33)
    assert float(RotationFilter()(rotation, 0.0).angle_to_deg(rotation)) < 1e-9


@pytest.mark.parametrize("yaw_deg", [0, 90, 180])
def test_trembling_shrinks_to_less_than_half(yaw_deg: float) -> None:
    smooth = RotationFilter()
    still = turned(yaw_deg)
    noisy = [still @ Rotation.from_rotvec(np.radians(RNG.normal(0, 0.7, 3))) for _ in range(300)]
    filtered = [smooth(rotation, i * FRAME_S) for i, rotation in enumerate(noisy)]

    def trembling(rotations: list[Rotation]) -> float:
        return float(np.mean([a.angle_to_deg(b) for a, b in pairwise(rotations[30:])]))

    assert trembling(filtered) < 0.5 * trembling(noisy)
    assert float(filtered[-1].angle_to_deg(still)) < 1.5


@pytest.mark.parametrize("speed_deg_s", [60, 200])
def test_a_turning_head_lags_less_than_two_degrees(speed_deg_s: float) -> None:
    """It runs over the seam at 180 deg as over any other angle."""
    smooth = RotationFilter()
    lags = [
        float(smooth(turned(140 + speed_deg_s * t), t).angle_to_deg(turned(140 + speed_deg_s * t)))
        for t in np.arange(0, 1, FRAME_S)
    ]
    assert max(lags[20:]) < 2.0


def test_a_lag_is_the_one_that_the_docstring_states() -> None:
    settings = OneEuro(min_cutoff_hz=2.0, beta=0.5)
    smooth = PositionFilter(settings)
    for t in np.arange(0, 20, 0.001):
        filtered = smooth(np.array([3.0 * t, 0, 0]), float(t))
    lag = 3.0 * 19.999 - filtered[0]
    assert lag == pytest.approx(3.0 / (2 * np.pi * (2.0 + 0.5 * 3.0)), rel=0.01)


def test_frame_rate_does_not_matter() -> None:
    steps = {}
    for fps in (15, 120):
        smooth = PositionFilter(OneEuro())
        smooth(np.zeros(3), 0.0)
        for i in range(1, fps // 3 + 1):
            steps[fps] = smooth(np.ones(3), i / fps)[0]
    assert steps[15] == pytest.approx(steps[120], abs=0.05)


def test_a_gap_starts_anew_and_standing_time_changes_nothing() -> None:
    smooth = PositionFilter()
    smooth(np.zeros(3), 0.0)
    np.testing.assert_array_equal(smooth(np.ones(3), 0.0), np.zeros(3))
    np.testing.assert_array_equal(smooth(np.full(3, 7.0), 5.0), np.full(3, 7.0))


def test_an_unknown_position_stays_unknown_and_the_rest_is_kept() -> None:
    smooth = PoseFilter()
    pose = smooth(HeadPose(turned(5), None, 3.5, 0.25), 0.0)
    assert (pose.position_m, pose.spread_deg, pose.face_hidden) == (None, 3.5, 0.25)
    known = smooth(HeadPose(turned(5), np.array([0.0, 0.1, 0.8]), 3.5, 0.25), FRAME_S)
    np.testing.assert_array_equal(known.position_m, [0.0, 0.1, 0.8])
