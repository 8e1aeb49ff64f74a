import numpy as np
import pytest

from headwise.camera import Camera
from headwise.conventions import EYES_MIDPOINT_HEAD_M, FIVE_FROM_68, EulerOrder
from headwise.fitting.metric import (
    INTEROCULAR_M,
    LIKELY_LOG_SPREAD,
    distance_from_eyes,
    eyes_camera_m,
    likely_camera,
    split_distance_error,
    with_unknown_focal,
)
from headwise.rotation import Rotation
from headwise.weights import mean_points_m

CAMERA = Camera(900, 910, 630, 350, 1280, 720)


def adult() -> np.ndarray:
    """The mean head's points, enlarged so that its eyes are as far apart as the prior says."""
    points = mean_points_m()
    right, left = FIVE_FROM_68[:2] @ points
    return points * (INTEROCULAR_M / np.linalg.norm(left - right))


def seen(yaw_deg: float, position_m: np.ndarray, points_m: np.ndarray) -> tuple[np.ndarray, Rotation]:
    rotation = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=yaw_deg, pitch_deg=10, roll_deg=15)
    return CAMERA.project(rotation @ points_m + position_m), rotation


@pytest.mark.parametrize("yaw_deg", [-60, -20, 0, 35, 60])
@pytest.mark.parametrize("position_m", [(0.0, 0, 0.7), (0.4, -0.1, 0.9), (-0.8, 0.3, 2.5)])
def test_eyes_of_the_prior_give_the_distance(yaw_deg, position_m):
    points_m = adult()
    pixels, rotation = seen(yaw_deg, np.array(position_m), points_m)
    eyes_m = rotation @ (FIVE_FROM_68[:2] @ points_m).mean(axis=0) + position_m
    found = distance_from_eyes(pixels, rotation, CAMERA)
    assert found is not None
    assert found.distance_m == pytest.approx(np.linalg.norm(eyes_m), rel=2e-3)
    assert found.spread_m == pytest.approx(0.06 * found.distance_m)


def test_a_child_seems_farther_away():
    pixels, rotation = seen(0, np.array([0, 0, 1.0]), 0.8 * adult())
    found = distance_from_eyes(pixels, rotation, CAMERA)
    assert found is not None
    assert found.distance_m > 1.1


@pytest.mark.parametrize("yaw_deg", [85, 95, 180])
def test_in_profile_and_from_behind_the_eyes_say_nothing(yaw_deg):
    points = adult()
    pixels, _ = seen(0, np.array([0, 0, 1.0]), points)
    turned = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=yaw_deg, pitch_deg=0, roll_deg=0)
    assert distance_from_eyes(pixels, turned, CAMERA) is None


def test_without_numbers_there_is_no_distance():
    assert distance_from_eyes(np.full((68, 2), np.nan), Rotation.identity(), CAMERA) is None
    assert distance_from_eyes(np.full((68, 2), 400.0), Rotation.identity(), CAMERA) is None


def test_the_point_between_the_eyes_is_that_of_the_conventions():
    np.testing.assert_allclose(
        eyes_camera_m(Rotation.identity(), np.array([0, 0, 1.0])), EYES_MIDPOINT_HEAD_M + [0, 0, 1]
    )


def test_an_unknown_focal_length_is_a_spread_along_z_alone():
    about = with_unknown_focal(np.array([0.5, 0.1, 2.0]), np.array([0.01, 0.01, 0.1]))
    np.testing.assert_allclose(about, [0.01, 0.01, np.hypot(0.1, 2 * LIKELY_LOG_SPREAD)])
    np.testing.assert_allclose(with_unknown_focal(np.ones(3), np.ones(3), 0.0), 1)


def test_the_parts_of_a_distance_error_add_up():
    points = adult()
    split = split_distance_error(
        true_position_m=np.array([0, 0, 1.0]),
        found_position_m=np.array([0, 0, 1.0 * 1.1 * 1.2 * 1.03]),
        true_points_m=points,
        found_points_m=1.1 * points + 0.3,
        true_focal_px=500,
        found_focal_px=600,
    )
    assert (split.size, split.focal, split.rest) == pytest.approx(tuple(np.log([1.1, 1.2, 1.03])))
    assert split.total == pytest.approx(split.size + split.focal + split.rest)


def test_a_face_that_fills_the_picture_was_seen_through_a_longer_lens():
    assumed = Camera.from_fov(640, 480, 60)
    longer = likely_camera(assumed, np.array([0.3, 0.28, 5.0]))
    assert 1.5 < longer.fx / assumed.fx < 2.5
    assert longer.fx / assumed.fx == longer.fy / assumed.fy
    assert likely_camera(assumed, np.array([1.2])) == assumed
    assert likely_camera(assumed, np.array([9.0])).fx < assumed.fx
    assert likely_camera(assumed, np.empty(0)) == assumed
