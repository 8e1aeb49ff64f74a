"""How fast it runs here: median milliseconds of each stage, frames per second end to end.

Pictures and frames lie in memory: decoding, drawing and writing are not in the numbers. The number of cores
holds for ONNX Runtime and OpenCV alike.
"""

from __future__ import annotations

import copy
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise import pipeline, weights
from headwise.boxes import Box
from headwise.camera import Camera
from headwise.crops import CropRule, cut
from headwise.detectors import Detector
from headwise.errors import InputError, ModelError
from headwise.evaluation.outcome import Json, as_json
from headwise.fitting.observation import observation_of
from headwise.fitting.shape_model import load_shape_model
from headwise.fitting.solve import fit_heads
from headwise.pictures import read_picture
from headwise.pipeline import Pipeline
from headwise.results import Detection
from headwise.runtimes import Model
from headwise.sources import Frame, open_sources
from headwise.warp import Border, Warp

Image = NDArray[np.uint8]
Clock = Callable[[], float]

WIDTH_PX, HEIGHT_PX = 640, 480
WARM_UP_CALLS = 10
CALLS = 100
VIDEO_FRAMES = 150
FITTED = 64
"""Faces in one fit of many."""
FRAMES_PER_S = 30.0
SWAY_PX = 40.0
"""How far the head of the generated video moves to each side: as slow as a person, but not standing still."""


@dataclass(frozen=True)
class Material:
    """What is measured on: one picture, and the frames of one video."""

    image: Image
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Speed:
    """Medians of one run. `faces` were found in the picture; if none, picture_fps is the detector's alone.

    detector_ms and coarse_ms: a close and a coarse look. crop_ms, pose_ms: one face. fit_ms: one face alone,
    fit_of_many_ms: one of FITTED. video_parts_ms: what a frame of the video costs by its parts, which are
    the crops and poses of all faces and the detector's looks; video_over_parts: how much longer it is.
    """

    threads: int
    faces: int
    detector_ms: float
    coarse_ms: float
    crop_ms: float
    pose_ms: float
    fit_ms: float
    fit_of_many_ms: float
    picture_fps: float
    video_parts_ms: float
    video_over_parts: float
    video_fps: float


def run(
    material: Material,
    *,
    model: str | Path = "pose",
    detector: str | Path = "headwise",
    calls: int = CALLS,
    clock: Clock = time.perf_counter,
) -> Json:
    """The JSON of a bench: cpu, the one-thread numbers at the top, those of all cores under all_threads."""
    one, everything = (
        measured(material, model=model, detector=detector, threads=threads, calls=calls, clock=clock)
        for threads in (1, os.cpu_count() or 1)
    )
    height, width = material.image.shape[:2]
    sizes = {"picture_px": [width, height], "video_frames": len(material.frames)}
    json: Json = as_json({"cpu": cpu_name(), **as_json(one), **sizes, "all_threads": as_json(everything)})
    return json


def measured(
    material: Material, *, model: str | Path, detector: str | Path, threads: int, calls: int, clock: Clock
) -> Speed:
    """One run with so many cores."""
    with _opencv_threads(threads):
        whole = pipeline.open(model=model, detector=detector, threads=threads)
        network = weights.open_model(model, "pose", threads=threads)
        return _speed(whole, network, material, threads, lambda call: median_ms(call, clock, calls), clock)


def median_ms(call: Callable[[], object], clock: Clock = time.perf_counter, calls: int = CALLS) -> float:
    """Median duration of one call in milliseconds, after some that are not counted."""
    for _ in range(WARM_UP_CALLS):
        call()
    return statistics.median(_seconds(call, clock) for _ in range(calls)) * 1e3


def cpu_name() -> str:
    """The processor's model as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def material(
    picture: Path | None = None, video: Path | None = None, frames: int = VIDEO_FRAMES, copies: int = 1
) -> Material:
    """A picture file, or one drawn here; a video file, or the picture swaying. Raises InputError.

    copies: so many times the picture, small, side by side in one of its size: a crowd.
    """
    image = read_picture(picture) if picture is not None else drawn_picture()
    image = tiled(image, copies) if copies > 1 else image
    return Material(image, read_frames(video, frames) if video is not None else swaying_frames(image, frames))


def read_frames(video: Path, count: int = VIDEO_FRAMES) -> tuple[Frame, ...]:
    """The first `count` frames of a video file."""
    with next(iter(open_sources([str(video)]))) as source:
        if not source.is_stream:
            raise InputError(f"{video}: a video is needed here; pass pictures as --picture")
        return tuple(islice(source, count))


def tiled(image: Image, copies: int) -> Image:
    """A picture of the same size that shows so many of it in a grid; what is left over is black."""
    height, width = image.shape[:2]
    columns = ceil(copies**0.5)
    rows = ceil(copies / columns)
    tile_width, tile_height = width // columns, height // rows
    scale = min(tile_width / width, tile_height / height)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.zeros_like(image)
    for tile in range(copies):
        top, left = tile // columns * tile_height, tile % columns * tile_width
        canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def swaying_frames(image: Image, count: int = VIDEO_FRAMES) -> tuple[Frame, ...]:
    """The picture moved from side to side and back, one period in `count` frames."""
    height, width = image.shape[:2]
    right_px = SWAY_PX * np.sin(2 * np.pi * np.arange(count) / count)
    return tuple(
        Frame(Warp.moving(dx, 0.0).image(image, width, height, Border.REPLICATE), index, index / FRAMES_PER_S)
        for index, dx in enumerate(right_px)
    )


def drawn_picture() -> Image:
    """A plain face in front of a plain wall, so that the bench runs where no photograph is at hand."""
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), (120, 130, 140), np.uint8)
    x, y = WIDTH_PX // 2, HEIGHT_PX // 2
    cv2.ellipse(image, (x, y + 190), (150, 90), 0, 0, 360, (50, 60, 110), -1, cv2.LINE_AA)
    cv2.ellipse(image, (x, y - 15), (88, 118), 0, 0, 360, (60, 40, 30), -1, cv2.LINE_AA)
    cv2.ellipse(image, (x, y), (75, 100), 0, 0, 360, (224, 180, 150), -1, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.ellipse(image, (x + side * 30, y - 15), (13, 7), 0, 0, 360, (245, 245, 245), -1, cv2.LINE_AA)
        cv2.circle(image, (x + side * 30, y - 15), 6, (50, 35, 25), -1, cv2.LINE_AA)
        cv2.ellipse(image, (x + side * 30, y - 35), (18, 4), 0, 180, 360, (60, 40, 30), 4, cv2.LINE_AA)
    cv2.ellipse(image, (x, y + 18), (11, 16), 0, 0, 180, (180, 130, 105), 3, cv2.LINE_AA)
    cv2.ellipse(image, (x, y + 50), (27, 9), 0, 0, 360, (175, 85, 85), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(image, (0, 0), 1.2).astype(np.uint8)


def _speed(
    whole: Pipeline,
    network: Model,
    material: Material,
    threads: int,
    median_of: Callable[[Callable[[], object]], float],
    clock: Clock,
) -> Speed:
    rule = network.card.crop
    if rule is None:
        raise ModelError(f"the card of {network.card.name} names no crop")
    image, found = material.image, whole.detector(material.image)
    boxes = [detection.box for detection in found] or [_middle(image)]
    crops = np.stack([cut(image, box, rule)[0] for box in boxes])
    coarse = whole.detector.coarse()
    detector_ms, coarse_ms = (median_of(partial(look, image)) for look in (whole.detector, coarse))
    fit_ms, fit_of_many_ms = _fit_ms(whole, image, boxes[0], median_of)
    frame_ms, parts_ms = _frame_ms(whole, network, rule, material.frames, clock)
    return Speed(
        threads=threads,
        faces=len(found),
        detector_ms=detector_ms,
        coarse_ms=coarse_ms,
        crop_ms=median_of(lambda: [cut(image, box, rule) for box in boxes]) / len(boxes),
        pose_ms=median_of(lambda: network(crops=crops[:1])),
        fit_ms=fit_ms,
        fit_of_many_ms=fit_of_many_ms,
        picture_fps=1e3 / median_of(lambda: whole(image)),
        video_parts_ms=parts_ms,
        video_over_parts=frame_ms / parts_ms,
        video_fps=1e3 / frame_ms,
    )


def _fit_ms(
    whole: Pipeline, image: Image, box: Box, median_of: Callable[[Callable[[], object]], float]
) -> tuple[float, float]:
    """Milliseconds of a fit from the network's answer, alone and one of FITTED at once."""
    camera = Camera.from_fov(image.shape[1], image.shape[0], whole.fov_deg)
    (estimate,) = whole.estimator(image, [box], camera)
    shape, one = load_shape_model(), observation_of([estimate], camera)
    many = one[np.zeros(FITTED, np.intp)]
    alone, together = (median_of(partial(fit_heads, heads, shape)) for heads in (one, many))
    return alone, together / FITTED


class _Timed:
    """A detector that adds up how long its looks take."""

    def __init__(self, detector: Detector, clock: Clock) -> None:
        self.name, self.threshold = detector.name, detector.threshold
        self._detector, self._clock = detector, clock
        self._own_seconds = 0.0
        self._coarse: _Timed | None = None

    @property
    def seconds(self) -> float:
        """Of all looks, the coarse ones too."""
        return self._own_seconds + (self._coarse.seconds if self._coarse else 0.0)

    def coarse(self) -> _Timed:
        self._coarse = self._coarse or _Timed(self._detector.coarse(), self._clock)
        return self._coarse

    def __call__(self, image: Image) -> tuple[Detection, ...]:
        start = self._clock()
        found = self._detector(image)
        self._own_seconds += self._clock() - start
        return found


def _frame_ms(
    whole: Pipeline, network: Model, rule: CropRule, frames: Sequence[Frame], clock: Clock
) -> tuple[float, float]:
    """Mean milliseconds of a frame of the stream, the detector's turns included, and of its parts.

    The crops and poses of a frame's faces are measured right after it, as the machine may slow down any time.
    """
    for _ in whole.run(frames[:WARM_UP_CALLS]):
        pass
    watched = copy.copy(whole)
    watched.detector = looks = _Timed(whole.detector, clock)
    take = watched.stream()
    frames_s = parts_s = 0.0
    for frame in frames:
        start = clock()
        boxes = [face.box for face in take(frame.image, frame.time_s or 0.0).faces]
        end = clock()
        frames_s += end - start
        if boxes:
            network(crops=np.stack([cut(frame.image, box, rule)[0] for box in boxes]))
            parts_s += clock() - end
    return frames_s / len(frames) * 1e3, (parts_s + looks.seconds) / len(frames) * 1e3


def _seconds(call: Callable[[], object], clock: Clock) -> float:
    start = clock()
    call()
    return clock() - start


def _middle(image: Image) -> Box:
    height, width = image.shape[:2]
    side = min(height, width) / 3
    return Box.from_center((width / 2, height / 2), side, side)


@contextmanager
def _opencv_threads(count: int) -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
