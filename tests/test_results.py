import json

import numpy as np
import pytest

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.errors import InputError
from headwise.results import Face, FrameResult, HeadPose
from headwise.rotation import Rotation


@pytest.fixture
def result():
    rotation = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=150, pitch_deg=-20, roll_deg=7)
    rng = np.random.default_rng(0)
    pose = HeadPose(
        rotation, position_m=np.array([0.1, -0.2, 0.9]), spread_deg=np.float32(4.5), face_hidden=0.75
    )
    known = Face(
        Box(1, 2, 30, 40),
        np.float32(0.9),
        rng.normal(size=(68, 2)).astype(np.float32),
        rng.uniform(size=68).astype(np.float32),
        pose,
        track=3,
    )
    unknown = Face(Box(5, 6, 7, 8), 0.5)
    return FrameResult((known, unknown), 640, 480, 1.25, Camera.from_fov(640, 480, 60), "pose")


def test_angles_are_in_the_default_order(result):
    pose = result.faces[0].pose
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == pytest.approx((150, -20, 7))
    assert type(pose.yaw_deg) is float


def test_json_gives_back_every_number(result):
    text = result.to_json()
    again = FrameResult.from_json(text)
    assert again.to_json() == text
    np.testing.assert_array_equal(again.faces[0].pose.rotation.matrix, result.faces[0].pose.rotation.matrix)
    np.testing.assert_array_equal(again.faces[0].keypoints, result.faces[0].keypoints)
    assert again.camera == result.camera
    assert again.faces[0].track == 3
    assert again.faces[1].pose is None
    assert again.faces[1].keypoints is None


def test_json_is_one_plain_line_with_its_schema(result):
    text = result.to_json()
    assert "\n" not in text
    plain = json.loads(text)
    assert plain["schema"] == 1
    assert plain["faces"][0]["pose"]["yaw_deg"] == pytest.approx(150)
    assert plain["faces"][1]["pose"] is None


def test_another_schema_is_refused(result):
    text = result.to_json().replace('"schema": 1', '"schema": 2')
    with pytest.raises(InputError, match="schema 2, this headwise reads schema 1"):
        FrameResult.from_json(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 1, "faces": [{}]}', "3"])
def test_other_json_is_refused(text):
    with pytest.raises(InputError, match="no headwise result"):
        FrameResult.from_json(text)


def test_not_a_number_never_reaches_json(result):
    broken = HeadPose(result.faces[0].pose.rotation, spread_deg=float("nan"))
    frame = FrameResult((Face(Box(0, 0, 1, 1), 1.0, pose=broken),), 9, 9, None, result.camera, "pose")
    with pytest.raises(ValueError, match="JSON"):
        frame.to_json()
