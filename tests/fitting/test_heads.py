"""Fitted results: poses, JSON, streams, lenses; the fit itself is tested with the solver."""

import json
from dataclasses import replace

import numpy as np
import pytest

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.fitting.heads import FittedResult, FittingPipeline
from headwise.fitting.metric import likely_camera
from headwise.fitting.shape_model import load_shape_model
from headwise.fitting.solve import HeadFit, Unknown
from headwise.results import Face, FrameResult, HeadPose
from headwise.rotation import Rotation

SHAPE = load_shape_model()
CAMERA = Camera.from_fov(640, 480, 60)
POSITION_M = np.array([0.1, -0.05, 0.8])
IMAGE = np.zeros((480, 640, 3), np.uint8)
ROTATION = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=25, pitch_deg=-8, roll_deg=4)
ELSEWHERE = Rotation.from_rotvec(np.radians([4.0, -3, 2]))


class Seen:
    """A pipeline that finds one head of exactly known points, its rotation off by 5 deg and doubted."""

    def __init__(self, camera: Camera = CAMERA, track: int | None = 1, points: np.ndarray | None = None):
        exact = camera.project(ROTATION @ SHAPE.points_m + POSITION_M)
        keypoints = exact if points is None else points
        pose = HeadPose(ROTATION @ ELSEWHERE, np.array([0, 0, 1.0]), spread_deg=20.0)
        face = Face(Box(200, 100, 300, 220), 0.9, keypoints, np.ones(68), pose, track, np.full(68, 0.5))
        self.result = FrameResult((face,), 640, 480, None, camera, "seen")

    def __call__(self, image, camera=None):  # noqa: ARG002
        return self.result

    def stream(self, camera=None):  # noqa: ARG002
        return lambda _, time_s: replace(self.result, time_s=time_s)


def test_the_fitted_pose_takes_the_place_of_the_networks():
    result = FittingPipeline(Seen(), SHAPE)(IMAGE)
    (fit,), (face,) = result.fits, result.faces
    assert isinstance(fit, HeadFit)
    assert face.pose.rotation.angle_to_deg(ROTATION) < 1.5
    np.testing.assert_allclose(face.pose.position_m, POSITION_M, rtol=0.05, atol=5e-3)
    np.testing.assert_array_equal(face.pose.position_spread_m, fit.position_spread_m)
    assert face.pose.spread_deg == fit.spread_deg
    assert face.pose.rotation_covariance is None, "the network's is not the fit's"


def test_a_lens_is_taken_out_before_the_fit():
    lens = replace(CAMERA, distortion=(-0.3, 0.1, 0.0, 0.0))
    fitted = FittingPipeline(Seen(lens), SHAPE)(IMAGE).faces[0].pose
    plain = FittingPipeline(Seen(), SHAPE)(IMAGE).faces[0].pose
    np.testing.assert_allclose(fitted.position_m, plain.position_m, atol=1e-5)


class Wanted(Seen):
    """It says which camera it was asked to take; its own where none was given."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Camera | None] = []

    def __call__(self, image, camera=None):  # noqa: ARG002
        self.asked.append(camera)
        return replace(self.result, camera=camera or CAMERA)

    def stream(self, camera=None):
        return lambda image, time_s: replace(self(image, camera), time_s=time_s)


def test_an_assumed_camera_is_corrected_by_its_heads_and_widens_the_spread():
    known = FittingPipeline(Seen(), SHAPE)(IMAGE).faces[0].pose
    pipeline = Wanted()
    result = FittingPipeline(pipeline, SHAPE, camera_assumed=True)(IMAGE)
    first, second = pipeline.asked
    assert first is None
    assert result.camera == second == likely_camera(CAMERA, np.array([1.0]))  # the network's own distance
    spread_m = result.faces[0].pose.position_spread_m
    assert spread_m[2] > known.position_spread_m[2] + 0.2


def test_a_given_camera_is_believed():
    pipeline = Wanted()
    FittingPipeline(pipeline, SHAPE, camera_assumed=True)(IMAGE, CAMERA)
    assert pipeline.asked == [CAMERA]


def test_a_stream_keeps_the_camera_of_its_first_heads():
    pipeline = Wanted()
    take = FittingPipeline(pipeline, SHAPE, camera_assumed=True).stream()
    cameras = {take(IMAGE, time_s).camera.fx for time_s in (0.0, 0.1, 0.2)}
    assert cameras == {likely_camera(CAMERA, np.array([1.0])).fx}
    assert len(pipeline.asked) == 4


@pytest.mark.parametrize("points", [np.full((68, 2), np.nan), np.full((68, 2), 300.0)])
def test_an_unknown_fit_keeps_the_networks_rotation_and_says_why(points):
    pipeline = Seen(points=points)
    result = FittingPipeline(pipeline, SHAPE)(IMAGE)
    assert isinstance(result.fits[0], Unknown)
    pose = result.faces[0].pose
    assert pose.position_m is None
    np.testing.assert_array_equal(pose.rotation.matrix, pipeline.result.faces[0].pose.rotation.matrix)


def test_json_has_the_fits_and_reads_back_as_a_frame():
    result = FittingPipeline(Seen(), SHAPE)(IMAGE)
    text = result.to_json()
    (fit,) = json.loads(text)["fits"]
    assert len(fit["identity"]) == SHAPE.identity_count
    eyes_m = ROTATION @ np.array([0, -0.018, -0.075]) + POSITION_M
    assert fit["distance_from_eyes_m"] == pytest.approx(np.linalg.norm(eyes_m), rel=0.1)
    again = FrameResult.from_json(text)
    np.testing.assert_array_equal(again.faces[0].pose.position_m, result.faces[0].pose.position_m)
    unknown = FittedResult(result.faces, 640, 480, None, CAMERA, "seen", (Unknown("why not"),)).to_json()
    assert json.loads(unknown)["fits"] == [{"unknown": "why not"}]


@pytest.mark.parametrize("track", [None, 3])
def test_a_stream_gives_the_same_place_frame_after_frame(track):
    take = FittingPipeline(Seen(track=track), SHAPE).stream()
    results = [take(IMAGE, i / 25) for i in range(12)]
    assert results[-1].time_s == pytest.approx(11 / 25)
    np.testing.assert_allclose(results[-1].faces[0].pose.position_m, POSITION_M, rtol=0.05, atol=5e-3)


def test_nobody_is_nothing():
    pipeline = Seen()
    pipeline.result = replace(pipeline.result, faces=())
    result = FittingPipeline(pipeline, SHAPE)(IMAGE)
    assert result.fits == ()
    assert json.loads(result.to_json())["fits"] == []
