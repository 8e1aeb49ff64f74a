"""Streams: the detector looks now and then, ids stay, and what gets lost is looked for at once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from headwise.camera import Camera
from headwise.detectors.headwise import HeadwiseDetector
from headwise.detectors.headwise import create as create_detector
from headwise.estimator import Estimate, Estimator
from headwise.following import Follower, Following
from headwise.results import Detection, Face
from headwise.trackers.motion import create as create_tracker

CAMERA = Camera.from_fov(640, 480)
FRAME_S = 1 / 30
Follow = Callable[..., tuple[Face, ...]]


class CountingDetector:
    """Counts its looks, and can be made to see nothing."""

    def __init__(self, detector: HeadwiseDetector) -> None:
        self.name = detector.name
        self.threshold = detector.threshold
        self.looks = self.close_looks = 0
        self.is_blind = False
        self._detector = detector

    def coarse(self) -> "CoarseLooks":
        return CoarseLooks(self)

    def __call__(self, image: np.ndarray) -> tuple[Detection, ...]:
        self.looks += 1
        self.close_looks += 1
        return () if self.is_blind else self._detector(image)


class CoarseLooks:
    def __init__(self, whole: CountingDetector) -> None:
        self.name, self.threshold = whole.name, whole.threshold
        self._whole = whole
        self._detector = whole._detector.coarse()

    def coarse(self) -> "CoarseLooks":
        return self

    def __call__(self, image: np.ndarray) -> tuple[Detection, ...]:
        self._whole.looks += 1
        return () if self._whole.is_blind else self._detector(image)


@pytest.fixture
def detector(tiny_detector_model: Path) -> CountingDetector:
    return CountingDetector(create_detector(tiny_detector_model))


@pytest.fixture
def follow(detector: CountingDetector, tiny_pose_model: Path) -> Follower:
    return Follower(
        detector, Estimator(tiny_pose_model), create_tracker(), following=Following(), smooth=False
    )


def frame(red_x: float | None = None, green_x: float | None = None) -> np.ndarray:
    image = np.zeros((480, 640, 3), np.uint8)
    for channel, x in enumerate((red_x, green_x)):
        if x is not None:
            image[200:260, round(x) - 30 : round(x) + 30, channel] = 255
    return image


def middle_x(face: Face) -> float:
    return face.box.center[0]


def test_a_moving_head_is_followed_with_few_looks(follow: Follow, detector: CountingDetector) -> None:
    for i in range(60):
        x = 100 + 5 * i  # 150 px/s: two and a half widths a second
        (face,) = follow(frame(x), CAMERA, i * FRAME_S)
        assert middle_x(face) == pytest.approx(x, abs=3)
        assert face.track == 1
        assert face.keypoints is not None
    assert 60 / 5 - 1 <= detector.looks <= 60 / 5 + 1
    assert detector.close_looks <= 60 / 15 + 1


def test_at_few_frames_a_second_the_detector_looks_at_each(
    follow: Follow, detector: CountingDetector
) -> None:
    for i in range(6):
        follow(frame(100), CAMERA, i / 5)
    assert detector.looks == 6


def test_a_head_that_jumps_is_found_in_the_same_frame(follow: Follow, detector: CountingDetector) -> None:
    for i in range(4):
        follow(frame(100), CAMERA, i * FRAME_S)
    assert detector.looks == 1
    (face,) = follow(frame(500), CAMERA, 4 * FRAME_S)
    assert middle_x(face) == pytest.approx(500, abs=1)
    assert face.track == 2
    assert detector.looks == 2


def test_a_head_that_leaves_is_gone_in_the_same_frame(follow: Follow) -> None:
    for i in range(4):
        follow(frame(100), CAMERA, i * FRAME_S)
    assert follow(frame(), CAMERA, 4 * FRAME_S) == ()


def test_a_second_head_is_seen_at_the_next_look(follow: Follow) -> None:
    counts = [len(follow(frame(100, 400 if i > 1 else None), CAMERA, i * FRAME_S)) for i in range(8)]
    assert counts[:2] == [1, 1]
    assert counts[5:] == [2, 2, 2]


def test_a_head_the_detector_misses_is_followed_for_a_while(
    follow: Follow, detector: CountingDetector
) -> None:
    follow(frame(100), CAMERA, 0.0)
    detector.is_blind = True
    tracks = [[face.track for face in follow(frame(100), CAMERA, i * FRAME_S)] for i in range(1, 30)]
    assert tracks[:15] == [[1]] * 15
    assert tracks[-1] == []


def test_ids_survive_a_short_absence(follow: Follow) -> None:
    for i in range(10):
        follow(frame(100), CAMERA, i * FRAME_S)
    for i in range(10, 20):
        assert follow(frame(), CAMERA, i * FRAME_S) == ()
    tracks = [[face.track for face in follow(frame(100), CAMERA, i * FRAME_S)] for i in range(20, 30)]
    assert tracks[-1] == [1]


def test_two_heads_are_never_followed_into_one(follow: Follow) -> None:
    """The green head walks behind the red one and comes out on the other side."""
    for i in range(100):
        red, green = 300.0, 100 + 4.0 * i
        hidden = abs(red - green) < 45
        faces = follow(frame(red, None if hidden else green), CAMERA, i * FRAME_S)
        boxes = [face.box for face in faces]
        assert all(a.iou(b) < 0.5 for a in boxes for b in boxes if a is not b)
    by_place = sorted(faces, key=middle_x)
    assert [round(middle_x(face)) for face in by_place] == [300, 496]
    assert by_place[0].track is not None


def test_an_empty_stream_costs_no_more_looks(follow: Follow, detector: CountingDetector) -> None:
    for i in range(30):
        assert follow(frame(), CAMERA, i * FRAME_S) == ()
    assert detector.close_looks == detector.looks <= 7


def test_while_the_network_doubts_the_detector_looks_at_each_frame(
    detector: CountingDetector, tiny_pose_model: Path
) -> None:
    certain = Estimator(tiny_pose_model)

    def doubtful(*arguments: Any) -> list[Estimate]:
        return [replace(e, pose=replace(e.pose, spread_deg=40.0)) for e in certain(*arguments)]

    follow = Follower(
        detector, cast(Estimator, doubtful), create_tracker(), following=Following(), smooth=False
    )
    tracks = [[face.track for face in follow(frame(100), CAMERA, i * FRAME_S)] for i in range(10)]
    assert tracks == [[1]] * 10
    assert detector.looks == 10


def test_poses_are_smoothed_only_when_asked(detector: CountingDetector, tiny_pose_model: Path) -> None:
    def last_yaws(smooth: bool) -> list[float]:
        follow = Follower(
            detector, Estimator(tiny_pose_model), create_tracker(), following=Following(), smooth=smooth
        )
        xs = [300 if i % 2 else 304 for i in range(20)]
        return [follow(frame(x), CAMERA, i * FRAME_S)[0].pose.yaw_deg for i, x in enumerate(xs)][10:]

    assert np.ptp(last_yaws(smooth=True)) < 0.6 * np.ptp(last_yaws(smooth=False))
