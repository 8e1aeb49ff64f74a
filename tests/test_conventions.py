"""The signs, in words, against a head that the test draws."""

import numpy as np
import pytest

from headwise.camera import Camera
from headwise.conventions import (
    ART_HEAD_FROM_HEAD,
    EYES_MIDPOINT_HEAD_M,
    FIVE_FROM_68,
    FLIP_5,
    FLIP_68,
    EulerOrder,
)
from headwise.rotation import Rotation

from .drawn_head import HEAD, draw, draw_rotated

both_orders = pytest.mark.parametrize("order", EulerOrder)


@both_orders
def test_at_zero_the_face_looks_into_the_lens_upright(order):
    head = draw(order)
    assert not head.is_left_of_middle("nose")
    assert not head.is_right_of_middle("nose")
    assert head.is_left_of("subject's right eye", than="subject's left eye")
    assert head.is_higher("crown", than="chin")
    assert head.is_higher("subject's left eye", than="nose")
    np.testing.assert_allclose(Rotation.identity().facing, (0, 0, -1))


@both_orders
def test_yaw_plus_turns_the_nose_to_the_image_left(order):
    assert draw(order, yaw_deg=30).is_left_of_middle("nose")
    assert draw(order, yaw_deg=-30).is_right_of_middle("nose")


@both_orders
def test_yaw_plus_shows_the_subjects_left_ear(order):
    head = draw(order, yaw_deg=60)
    assert head.is_left_of("nose", than="subject's left ear")
    assert head.is_left_of("subject's left eye", than="subject's left ear")


@both_orders
def test_pitch_plus_looks_up(order):
    level, up, down = draw(order), draw(order, pitch_deg=25), draw(order, pitch_deg=-25)
    assert up.pixels["nose"][1] < level.pixels["nose"][1] < down.pixels["nose"][1]
    facing = Rotation.from_euler(order, yaw_deg=0, pitch_deg=25, roll_deg=0).facing
    assert facing[1] < 0, "up is -y in the picture"


@both_orders
def test_roll_plus_is_clockwise_on_the_screen(order):
    head = draw(order, roll_deg=30)
    assert head.is_right_of_middle("crown"), "the crown goes to one o'clock"
    assert head.is_left_of_middle("chin")
    assert head.is_higher("subject's right eye", than="subject's left eye")


def test_yaw_past_profile_shows_the_back_of_the_head():
    facing = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=150, pitch_deg=0, roll_deg=0).facing
    assert facing[2] > 0, "away from the lens"


def test_azimuth_order_angles_are_azimuth_and_elevation_of_the_facing_direction():
    rotation = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=-130, pitch_deg=35, roll_deg=77)
    np.testing.assert_allclose(rotation.azimuth_elevation_deg, (-130, 35))


def test_lp300w_facing_direction_in_the_picture():
    yaw_deg, pitch_deg = 40, 25
    facing = Rotation.from_euler(EulerOrder.LP300W, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=12).facing
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    np.testing.assert_allclose(facing[:2], (-np.sin(yaw), -np.cos(yaw) * np.sin(pitch)))


def test_the_two_orders_differ_when_angles_combine():
    azimuth, lp300w = (
        Rotation.from_euler(order, yaw_deg=40, pitch_deg=30, roll_deg=0) for order in EulerOrder
    )
    assert azimuth.angle_to_deg(lp300w) > 5


@both_orders
def test_a_mirror_negates_yaw_and_roll_only(order):
    mirrored = Rotation.from_euler(order, yaw_deg=20, pitch_deg=10, roll_deg=5).mirrored()
    np.testing.assert_allclose(mirrored.euler(order), (-20, 10, -5), atol=1e-12)


def test_a_mirrored_pose_draws_the_mirrored_picture():
    rotation = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=30, pitch_deg=-15, roll_deg=20)
    drawn, mirrored = draw_rotated(rotation), draw_rotated(rotation.mirrored())
    for name in HEAD:
        twin = name.replace("left", "LEFT").replace("right", "left").replace("LEFT", "right")
        x, y = drawn.pixels[name]
        np.testing.assert_allclose(mirrored.pixels[twin], (640 - x, y))


def test_the_origin_lies_behind_and_below_the_eyes():
    middle = (np.array(HEAD["subject's left eye"]) + HEAD["subject's right eye"]) / 2
    np.testing.assert_allclose(EYES_MIDPOINT_HEAD_M, middle)


def mirror_symmetric_face():
    """68 points whose mirror image is themselves under another numbering, written down by meaning."""
    face = np.zeros((68, 2))
    jaw = np.arange(17)
    face[jaw] = np.column_stack([jaw - 8.0, 10 - 0.1 * (jaw - 8.0) ** 2])
    face[17:22] = [(-7 + i, -6 - (i % 3)) for i in range(5)]
    face[22:27] = [(3 + i, -6 - ((4 - i) % 3)) for i in range(5)]
    face[27:31] = [(0, -4 + i) for i in range(4)]
    face[31:36] = [(i - 2, 1) for i in range(5)]
    face[36:42] = [(-6, -4), (-5, -5), (-4, -5), (-3, -4), (-4, -3), (-5, -3)]
    face[42:48] = [(3, -4), (4, -5), (5, -5), (6, -4), (5, -3), (4, -3)]
    face[48:55] = [(i - 3, 4) for i in range(7)]
    face[55:60] = [(2 - i, 6) for i in range(5)]
    face[60:65] = [(i - 2, 4.5) for i in range(5)]
    face[65:68] = [(1 - i, 5.5) for i in range(3)]
    return face


def test_flip_68_renames_every_point_to_its_twin():
    face = mirror_symmetric_face()
    np.testing.assert_array_equal((face * (-1, 1))[FLIP_68], face)
    np.testing.assert_array_equal(FLIP_68[FLIP_68], np.arange(68))


def test_five_points_from_68_and_their_twins():
    five = FIVE_FROM_68 @ mirror_symmetric_face()
    np.testing.assert_allclose(five, [(-4.5, -4), (4.5, -4), (0, -1), (-3, 4), (3, 4)])
    np.testing.assert_allclose((five * (-1, 1))[list(FLIP_5)], five)


def test_the_art_tilt_is_a_rotation():
    Rotation(ART_HEAD_FROM_HEAD)


def test_the_signs_are_those_of_real_labels(shared_dir):
    """Where the labels of photographs say left, up or clockwise, the labelled points lie so."""
    labels = np.load(shared_dir / "data/points/aflw2000_points.npz")
    yaw_deg, pitch_deg, roll_deg = labels["yaw_pitch_roll_deg"].T
    points = labels["points68_px"][..., :2]
    eyes, nose, mouth = points[:, 36:48].mean(axis=1), points[:, 30], points[:, 48:60].mean(axis=1)
    size = np.linalg.norm(eyes - mouth, axis=1)
    upright = np.abs(roll_deg) < 15

    nose_right_of_eyes = (nose - (eyes + mouth) / 2)[:, 0] / size
    assert (nose_right_of_eyes[upright & (yaw_deg > 30)] < 0).mean() > 0.95
    assert (nose_right_of_eyes[upright & (yaw_deg < -30)] > 0).mean() > 0.95

    frontal = upright & (np.abs(yaw_deg) < 15)
    nose_below_eyes = (nose - eyes)[:, 1] / size
    looking_up, looking_down = (
        nose_below_eyes[frontal & (pitch_deg > 10)],
        nose_below_eyes[frontal & (pitch_deg < -25)],
    )
    assert np.median(looking_up) < np.median(looking_down) - 0.1

    across = points[:, 42:48].mean(axis=1) - points[:, 36:42].mean(axis=1)
    clockwise_deg = np.degrees(np.arctan2(across[:, 1], across[:, 0]))
    tilted = (np.abs(yaw_deg) < 30) & (np.abs(pitch_deg) < 30)
    assert np.median(np.abs(clockwise_deg - roll_deg)[tilted]) < 4
    assert (np.sign(clockwise_deg) == np.sign(roll_deg))[tilted & (np.abs(roll_deg) > 15)].mean() > 0.95


def test_the_default_camera_sees_sixty_degrees_across():
    rays = Camera.from_fov(640, 480).ray([(0, 240), (640, 240)])
    assert np.degrees(np.arccos(rays[0] @ rays[1])) == pytest.approx(60)
