"""The one path from pixels to results."""

from pathlib import Path

import cv2
import numpy as np
import pytest

import headwise
from headwise.camera import Camera
from headwise.detectors import Detector
from headwise.errors import InputError, ModelError, SettingsError
from headwise.estimator import Estimator
from headwise.pipeline import Pipeline
from headwise.results import Detection
from headwise.sources import Frame
from headwise.trackers.motion import create as create_tracker


@pytest.fixture
def pipeline(tiny_pose_model: Path, tiny_detector_model: Path) -> Pipeline:
    return headwise.open(model=tiny_pose_model, detector=tiny_detector_model)


def two_heads() -> np.ndarray:
    image = np.zeros((240, 320, 3), np.uint8)
    image[100:140, 140:180, 0] = 255
    image[50:80, 30:60, 1] = 255
    return image


def test_a_picture(pipeline: Pipeline) -> None:
    result = pipeline(two_heads())
    assert (result.width_px, result.height_px, result.time_s) == (320, 240, None)
    assert result.model == "tiny-pose"
    assert result.camera == Camera.from_fov(320, 240)
    faces = sorted(result.faces, key=lambda face: face.box.left)
    np.testing.assert_allclose(tuple(faces[0].box), (30, 50, 60, 80), atol=0.5)
    assert faces[1].pose is not None
    assert faces[1].pose.yaw_deg == pytest.approx(20, abs=0.2)  # in the middle: the ray is the axis
    assert [face.track for face in faces] == [None, None]


class SeesDouble:
    """A detector that finds every head a second time, in a smaller box."""

    def __init__(self, detector: Detector) -> None:
        self.name, self.threshold, self._detector = detector.name, detector.threshold, detector

    def coarse(self) -> Detector:
        return self

    def __call__(self, image: np.ndarray) -> tuple[Detection, ...]:
        found = self._detector(image)
        return (*(Detection(d.box.scaled(0.8), d.score / 2) for d in found), *found)


def test_a_head_that_the_detector_finds_twice_is_one(tiny_pose_model: Path, pipeline: Pipeline) -> None:
    double = Pipeline(SeesDouble(pipeline.detector), Estimator(tiny_pose_model), create_tracker)
    assert len(double.detector(two_heads())) == 4
    faces = double(two_heads()).faces
    assert [face.score for face in faces] == [face.score for face in pipeline(two_heads()).faces]
    take = double.stream()
    assert [len(take(two_heads(), i / 5).faces) for i in range(3)] == [2, 2, 2]


def test_the_field_of_view_turns_heads_off_the_axis(tiny_pose_model: Path, tiny_detector_model: Path) -> None:
    def yaw_deg(fov_deg: float) -> float:
        pipeline = headwise.open(model=tiny_pose_model, detector=tiny_detector_model, fov_deg=fov_deg)
        return min(face.pose.yaw_deg for face in pipeline(two_heads()).faces if face.pose)

    assert yaw_deg(1) == pytest.approx(20, abs=0.5)
    assert yaw_deg(100) < 0


def test_a_camera_must_fit_the_picture(pipeline: Pipeline) -> None:
    assert pipeline(two_heads(), Camera.from_fov(320, 240, 90)).camera.fx == pytest.approx(160)
    with pytest.raises(InputError, match="640x480 pixels, this one has 320x240"):
        pipeline(two_heads(), Camera.from_fov(640, 480))


def test_a_stream_has_ids_and_times(pipeline: Pipeline) -> None:
    frames = [Frame(two_heads(), index=i, time_s=i / 25) for i in range(10)]
    results = list(pipeline.run(frames))
    assert [result.time_s for result in results] == [i / 25 for i in range(10)]
    assert {face.track for result in results for face in result.faces} == {1, 2}
    again = list(pipeline.run(frames))  # another stream: nothing of the first is left
    assert [result.to_json() for result in again] == [result.to_json() for result in results]


def test_frames_without_times_are_pictures(pipeline: Pipeline) -> None:
    (result,) = pipeline.run([Frame(two_heads(), index=0, time_s=None)])
    assert result.to_json() == pipeline(two_heads()).to_json()


def test_a_stream_may_change_its_size(pipeline: Pipeline) -> None:
    take = pipeline.stream()
    take(two_heads(), 0.0)
    assert take(cv2.resize(two_heads(), (160, 120)), 0.04).width_px == 160


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_told(pipeline: Pipeline, wrong: np.ndarray) -> None:
    with pytest.raises(InputError, match="uint8 RGB array"):
        pipeline(wrong)
    with pytest.raises(InputError, match="uint8 RGB array"):
        pipeline.stream()(wrong, 0.0)


def test_a_mirrored_view_of_an_array_is_a_picture(pipeline: Pipeline) -> None:
    assert len(pipeline(two_heads()[:, ::-1]).faces) == 2


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1)])
def test_tiny_pictures_hold_nobody(pipeline: Pipeline, size: tuple[int, int]) -> None:
    assert pipeline(np.full((*size, 3), 90, np.uint8)).faces == ()


def test_poses_takes_arrays_and_files(
    tmp_path: Path, tiny_pose_model: Path, tiny_detector_model: Path
) -> None:
    options = {"model": tiny_pose_model, "detector": tiny_detector_model}
    path = tmp_path / "two.png"
    cv2.imwrite(str(path), two_heads()[:, :, ::-1])
    for picture in (two_heads(), path, str(path)):
        assert len(headwise.poses(picture, **options)) == 2
    with pytest.raises(InputError, match=r"none\.png"):
        headwise.poses(tmp_path / "none.png", **options)


def test_wrong_names_are_told(tiny_pose_model: Path, tiny_detector_model: Path) -> None:
    with pytest.raises(ModelError, match="no model 'nonsense'"):
        headwise.open(model="nonsense", detector=tiny_detector_model)
    with pytest.raises(SettingsError, match="did you mean 'headwise'"):
        headwise.open(model=tiny_pose_model, detector="headwice")
    with pytest.raises(SettingsError, match="treshold"):
        headwise.open(model=tiny_pose_model, detector=tiny_detector_model, treshold=0.5)
