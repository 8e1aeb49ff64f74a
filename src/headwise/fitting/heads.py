"""From a picture or a stream to fitted heads: the pipeline, and after it the fit of every head it found.

`FittingPipeline` is called as `Pipeline` is; what it returns is a `FittedResult`, a `FrameResult` whose poses
are the fitted ones and which holds the fits too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headwise.camera import Camera
from headwise.estimator import Estimate
from headwise.fitting.metric import distance_from_eyes, likely_camera, with_unknown_focal
from headwise.fitting.observation import Observation, observation_of
from headwise.fitting.shape_model import ShapeModel
from headwise.fitting.solve import HeadFit, Unknown, fit_heads
from headwise.fitting.track import TrackFitter
from headwise.results import Face, FrameResult
from headwise.smoothing import PoseFilter

Image = NDArray[np.uint8]


class PosePipeline(Protocol):
    """What makes results of pictures and streams: `headwise.pipeline.Pipeline`, or the one below."""

    def __call__(self, image: Image, camera: Camera | None = None) -> FrameResult: ...

    def stream(self, camera: Camera | None = None) -> Callable[[Image, float], FrameResult]: ...


@dataclass(frozen=True, eq=False)
class FittedResult(FrameResult):
    """A frame whose faces have fitted poses. fits: one a face, in their order. observation: what they were
    fitted to.

    A face whose fit is Unknown keeps the network's rotation and has no position.
    """

    fits: tuple[HeadFit | Unknown, ...] = ()
    observation: Observation | None = None

    def to_json(self) -> str:
        """`FrameResult.to_json` with a list `fits`; `FrameResult.from_json` reads it without them."""
        plain = json.loads(super().to_json())
        plain["fits"] = [
            _fit_to_plain(fit, face, self.camera) for fit, face in zip(self.fits, self.faces, strict=True)
        ]
        return json.dumps(plain, allow_nan=False)


def _fit_to_plain(fit: HeadFit | Unknown, face: Face, camera: Camera) -> dict[str, Any]:
    if isinstance(fit, Unknown):
        return {"unknown": fit.reason}
    eyes = None
    if face.keypoints is not None:
        eyes = distance_from_eyes(np.asarray(face.keypoints, np.float64), fit.rotation, camera)
    return {
        "identity": fit.identity.tolist(),
        "expression": fit.expression.tolist(),
        "error_px": fit.error_px,
        "iterations": fit.iterations,
        "distance_from_eyes_m": None if eyes is None else eyes.distance_m,
        "distance_from_eyes_spread_m": None if eyes is None else eyes.spread_m,
    }


class FittingPipeline:
    """``pipeline(image)`` for pictures, ``pipeline.stream()`` for streams, as `Pipeline`.

    camera_assumed: nothing is known of cameras that are not given. The pipeline's field of view is then a
    first guess, which the heads correct: a face that fills the picture was not seen from 0.3 m through a wide
    lens, but from further off through a longer one (`metric.likely_camera`; of a stream by its first heads).
    Positions get the spread that is left. The pipeline must not smooth; the fitted poses of a stream are
    smoothed here if ``smooth`` says so.
    """

    def __init__(
        self, pipeline: PosePipeline, shape: ShapeModel, *, camera_assumed: bool = False, smooth: bool = True
    ) -> None:
        self._pipeline = pipeline
        self._shape = shape
        self._camera_assumed = camera_assumed
        self._smooth = smooth

    def __call__(self, image: Image, camera: Camera | None = None) -> FittedResult:
        """Every head of one picture, each fitted on its own."""
        result = self._pipeline(image, camera)
        if result.faces and camera is None and self._camera_assumed:
            result = self._pipeline(image, camera_of_heads(result))
        observation = observation_of_faces(result.faces, result.camera)
        return self._fitted(result, observation, fit_heads(observation, self._shape))

    def stream(self, camera: Camera | None = None) -> Callable[[Image, float], FittedResult]:
        """A function of (image, time_s) for the frames of one stream in order: a head that is followed is
        known better with every frame.
        """
        follow, sure_of_camera = self._pipeline.stream(camera), camera is not None or not self._camera_assumed
        filters: dict[int, PoseFilter] = {}
        fitters: dict[int, TrackFitter] = {}

        def fit(face: Face, alone: Observation) -> HeadFit | Unknown:
            if face.track is None:
                return fit_heads(alone, self._shape)[0]
            return fitters.setdefault(face.track, TrackFitter(self._shape))(alone)

        def take(image: Image, time_s: float) -> FittedResult:
            nonlocal follow, sure_of_camera
            result = follow(image, time_s)
            if result.faces and not sure_of_camera:
                follow, sure_of_camera = self._pipeline.stream(camera_of_heads(result)), True
                result = follow(image, time_s)
            observation = observation_of_faces(result.faces, result.camera)
            fits = [fit(face, observation[i : i + 1]) for i, face in enumerate(result.faces)]
            fitted = self._fitted(result, observation, fits)
            if not self._smooth:
                return fitted
            faces = tuple(_smoothed(face, filters, time_s) for face in fitted.faces)
            return replace(fitted, faces=faces)

        return take

    def _fitted(
        self, result: FrameResult, observation: Observation, fits: Sequence[HeadFit | Unknown]
    ) -> FittedResult:
        faces = tuple(
            _with_fit(face, fit, self._camera_assumed) for face, fit in zip(result.faces, fits, strict=True)
        )
        return FittedResult(
            faces,
            result.width_px,
            result.height_px,
            result.time_s,
            result.camera,
            result.model,
            tuple(fits),
            observation,
        )


def observation_of_faces(faces: Sequence[Face], camera: Camera) -> Observation:
    """What the networks said of these faces, as a perfect lens would show it: points are undistorted."""
    estimates = [
        Estimate(
            pose=face.pose,
            keypoints=None if face.keypoints is None else camera.undistorted(face.keypoints),
            visibility=None if face.keypoint_visibility is None else np.asarray(face.keypoint_visibility),
            keypoint_spread_px=None
            if face.keypoint_spread_px is None
            else np.asarray(face.keypoint_spread_px),
            rotation_covariance=(
                None if face.pose.rotation_covariance is None else np.asarray(face.pose.rotation_covariance)
            ),
        )
        for face in faces
        if face.pose is not None  # what a pipeline returns has one
    ]
    return observation_of(estimates, camera.pinhole())


def camera_of_heads(result: FrameResult) -> Camera:
    """The camera that most likely saw the heads of a result whose camera was assumed."""
    poses = [face.pose for face in result.faces if face.pose is not None]
    depths_m = np.array([pose.position_m[2] for pose in poses if pose.position_m is not None])
    return likely_camera(result.camera, depths_m)


def _with_fit(face: Face, fit: HeadFit | Unknown, camera_assumed: bool) -> Face:
    if face.pose is None:
        return face
    if isinstance(fit, Unknown):
        return replace(face, pose=replace(face.pose, position_m=None))
    spread_m = fit.position_spread_m
    if camera_assumed:
        spread_m = with_unknown_focal(fit.position_m, spread_m)
    pose = replace(
        face.pose,
        rotation=fit.rotation,
        position_m=fit.position_m,
        spread_deg=fit.spread_deg,
        rotation_covariance=None,
        position_spread_m=spread_m,
    )
    return replace(face, pose=pose)


def _smoothed(face: Face, filters: dict[int, PoseFilter], time_s: float) -> Face:
    if face.track is None or face.pose is None:
        return face
    return replace(face, pose=filters.setdefault(face.track, PoseFilter())(face.pose, time_s))
