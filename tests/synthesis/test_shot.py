import numpy as np
import pytest

pytest.importorskip("scipy", reason="synthesis needs the extra 'synth'")

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.rotation import Rotation
from headwise.synthesis.shot import Shot, sample_crop_shot, sample_scene_shot

# A face drawn by hand in the art's axes (x to the subject's left, y up, z out of the face), decimetres.
NOSE, LEFT_EYE, RIGHT_EYE, CHIN, BROW = 0, 1, 2, 3, 4
FACE = np.array([[0, 0, 1.2], [0.3, 0.2, 0.8], [-0.3, 0.2, 0.8], [0, -0.7, 0.8], [0, 0.5, 0.8]])


def shot_of(yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0):
    rotation = Rotation.from_euler(
        EulerOrder.AZIMUTH, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=roll_deg
    )
    return Shot(rotation, np.array([0, 0, 1.0]), Camera.from_fov(200, 200, 40))


def test_a_frontal_head_stands_upright_with_its_left_eye_at_the_right():
    points = shot_of().project(FACE)
    assert points[LEFT_EYE, 0] > points[NOSE, 0] > points[RIGHT_EYE, 0]
    assert points[BROW, 1] < points[NOSE, 1] < points[CHIN, 1]


def test_positive_yaw_turns_the_nose_to_the_left_of_the_picture():
    assert shot_of(yaw_deg=30).project(FACE)[NOSE, 0] < shot_of().project(FACE)[NOSE, 0]


def test_positive_pitch_lifts_the_nose():
    assert shot_of(pitch_deg=30).project(FACE)[NOSE, 1] < shot_of().project(FACE)[NOSE, 1]


def test_positive_roll_turns_the_head_clockwise():
    points = shot_of(roll_deg=30).project(FACE)
    assert points[LEFT_EYE, 1] > points[RIGHT_EYE, 1]
    assert points[BROW, 0] > points[CHIN, 0]


def test_the_renderer_sees_the_same_points_as_the_label():
    shot = shot_of(25, -15, 40)
    view = shot.view
    eye = FACE @ view.eye_from_head.T + view.head_in_eye_dm
    x = view.principal_px[0] + view.focal_px * eye[:, 0] / -eye[:, 2]
    y = view.principal_px[1] - view.focal_px * eye[:, 1] / -eye[:, 2]
    np.testing.assert_allclose(np.stack([x, y], 1), shot.project(FACE), atol=1e-9)


def test_a_face_that_looks_away_is_hidden():
    for yaw, hidden in ((0, False), (85, False), (120, True), (180, True)):
        shot = shot_of(yaw_deg=yaw)
        assert shot.face_hidden(Box.from_points(shot.project(FACE))) is hidden


def test_crop_shots_frame_the_face():
    for seed in range(40):
        shot = sample_crop_shot(FACE.astype(np.float32), 192, np.random.default_rng(seed))
        box = Box.from_points(shot.project(FACE))
        assert 192 / 2.7 - 1e-6 <= box.side <= 192 / 1.9 + 1e-6
        assert np.hypot(box.center[0] - 96, box.center[1] - 96) < 192 * 0.09
        assert shot.position_m[2] > 0.2


def test_scene_shots_have_the_size_asked_for():
    camera = Camera.from_fov(384, 288, 50)
    shot = sample_scene_shot(camera, 40.0, (100.0, 200.0), np.random.default_rng(0))
    np.testing.assert_allclose(camera.project(shot.position_m), [100, 200])
    assert camera.fx * 0.145 / shot.position_m[2] == pytest.approx(40)


def test_half_of_the_cameras_stand_further_off_than_a_metre_and_a_quarter():
    distances_m = [
        np.linalg.norm(sample_crop_shot(FACE.astype(np.float32), 192, np.random.default_rng(seed)).position_m)
        for seed in range(300)
    ]
    assert 1.2 < np.median(distances_m) < 1.7
    assert min(distances_m) < 0.45, "webcams and phones are near"
    assert max(distances_m) > 3.5
