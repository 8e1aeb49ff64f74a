"""Detect, crop, estimate, track: the one path from pixels to results.

Python, command line and server call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from headwise import plugins
from headwise.camera import Camera
from headwise.conventions import DEFAULT_FOV_DEG
from headwise.detectors import Detector
from headwise.errors import InputError
from headwise.estimator import Estimator, box_of_points, distinct_heads
from headwise.following import Follower, Following
from headwise.pictures import read_picture
from headwise.results import Face, FrameResult
from headwise.sources import Frame
from headwise.trackers import Tracker

Image = NDArray[np.uint8]


class Pipeline:
    """``pipeline(image)`` for pictures, ``pipeline.run(frames)`` for streams; ``headwise.open`` builds one.

    ``new_tracker`` makes the tracker of one stream. ``fov_deg`` is the field of view of the longer side, used
    where no camera is given. ``smooth``: filter the poses of streams (One-Euro). A pipeline holds no state of
    a stream.
    """

    def __init__(
        self,
        detector: Detector,
        estimator: Estimator,
        new_tracker: Callable[[], Tracker],
        *,
        fov_deg: float = DEFAULT_FOV_DEG,
        following: Following | None = None,
        smooth: bool = True,
    ) -> None:
        self.detector = detector
        self.estimator = estimator
        self.fov_deg = fov_deg
        self._new_tracker = new_tracker
        self._following = following or Following()
        self._smooth = smooth

    def __call__(self, image: Image, camera: Camera | None = None) -> FrameResult:
        """Every head of one picture, (H, W, 3) uint8 RGB, the best score first.

        Raises InputError for no picture.
        """
        image = _checked(image)
        camera = self._camera(image, camera)
        found = self.detector(image)
        estimates = self.estimator.settled(image, [detection.box for detection in found], camera)
        faces = tuple(
            Face(
                box=detection.box,
                score=detection.score,
                keypoints=estimate.keypoints,
                keypoint_visibility=estimate.visibility,
                pose=estimate.pose,
                track=None,
                keypoint_spread_px=estimate.keypoint_spread_px,
            )
            for detection, estimate in zip(found, estimates, strict=True)
        )
        boxes = [box_of_points(e) or d.box for d, e in zip(found, estimates, strict=True)]
        distinct = tuple(faces[i] for i in distinct_heads(boxes, [face.score for face in faces]))
        return self._result(image, distinct, camera, time_s=None)

    def stream(self, camera: Camera | None = None) -> Callable[[Image, float], FrameResult]:
        """A function of (image, time_s) that takes the frames of one new stream in order: ids, smoothing,
        speed.
        """
        follow = Follower(
            self.detector,
            self.estimator,
            self._new_tracker(),
            following=self._following,
            smooth=self._smooth,
        )

        def take(image: Image, time_s: float) -> FrameResult:
            image = _checked(image)
            frame_camera = self._camera(image, camera)
            return self._result(image, follow(image, frame_camera, time_s), frame_camera, time_s)

        return take

    def run(self, frames: Iterable[Frame], camera: Camera | None = None) -> Iterator[FrameResult]:
        """The results of one stream, such as a source from ``headwise.sources``, one a frame, as they come.

        A frame without a time is a picture on its own.
        """
        take = self.stream(camera)
        for frame in frames:
            if frame.time_s is None:
                yield self(frame.image, camera)
            else:
                yield take(frame.image, frame.time_s)

    def _camera(self, image: Image, camera: Camera | None) -> Camera:
        height, width = image.shape[:2]
        if camera is None:
            return Camera.from_fov(width, height, self.fov_deg)
        if (camera.width_px, camera.height_px) != (width, height):
            raise InputError(
                f"the camera is for pictures of {camera.width_px}x{camera.height_px} pixels, "
                f"this one has {width}x{height}"
            )
        return camera

    def _result(
        self, image: Image, faces: tuple[Face, ...], camera: Camera, time_s: float | None
    ) -> FrameResult:
        height, width = image.shape[:2]
        return FrameResult(faces, width, height, time_s, camera, model=self.estimator.name)


def open(
    *,
    model: str | Path = "pose",
    detector: str | Path = "headwise",
    threads: int = 1,
    runtime: str = "onnxruntime",
    fov_deg: float = DEFAULT_FOV_DEG,
    smooth: bool = True,
    tracker: str = "motion",
    **detector_options: Any,
) -> Pipeline:
    """A pipeline with its networks loaded.

    ``model``: a bundled pose model or an ONNX file. ``detector``: a detector plug-in, or an ONNX file for the
    plug-in "headwise"; ``detector_options`` are its options (threshold, iou, size_px). ``threads``: cores for
    one network; 0 means all. ``runtime``: the plug-in that runs both networks. ``fov_deg``, ``smooth``: see
    ``Pipeline``. Raises ModelError and SettingsError.
    """
    if Path(detector).suffix == ".onnx":
        detector, detector_options = "headwise", {"model": detector, **detector_options}
    return Pipeline(
        cast(
            Detector,
            plugins.load("detectors", str(detector), threads=threads, runtime=runtime, **detector_options),
        ),
        Estimator(model, threads=threads, runtime=runtime),
        lambda: cast(Tracker, plugins.load("trackers", tracker)),
        fov_deg=fov_deg,
        smooth=smooth,
    )


def poses(image: Image | str | Path, **options: Any) -> tuple[Face, ...]:
    """Every head of one picture: an array (H, W, 3) uint8 RGB or a picture file.

    ``options``: those of ``open``.

    The networks stay loaded between calls with the same options.
    """
    return _kept_open(**options)(read_picture(image) if isinstance(image, str | Path) else image).faces


@cache
def _kept_open(**options: Any) -> Pipeline:
    return open(**options)


def _checked(image: Image) -> Image:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InputError(
            f"a picture is a uint8 RGB array (height, width, 3), got {image.dtype} with shape {image.shape}"
        )
    return np.ascontiguousarray(image)
