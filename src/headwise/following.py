"""The heads of one stream: the detector looks now and then, the pose network follows in between.

The pose network's own 68 points give the box of the next frame, so a followed frame costs one small network.
The detector looks every ``look_every_s``: closely every ``close_look_every_s`` and as long as no head is
followed, else coarsely, which is nearly three times as fast and misses many small heads. It looks closely
at once, in the same frame, when a followed head gets uncertain: its points leave the box they were expected
in, their spread is large, or the box leaves the picture or falls onto another head's. A head that the
detector misses is followed on for ``unseen_s``; the tracker remembers its id longer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box, iou_matrix
from headwise.camera import Camera
from headwise.detectors import Detector
from headwise.estimator import SAME_HEAD_IOU, Estimate, Estimator, box_of_points, distinct_heads
from headwise.results import Detection, Face
from headwise.smoothing import PoseFilter
from headwise.trackers import Tracker


@dataclass(frozen=True)
class Following:
    """When to trust the following, and for how long."""

    look_every_s: float = 0.16  # every fifth frame at 30 frames a second
    close_look_every_s: float = 0.48
    unseen_s: float = 0.52  # how long a head is followed that the detector does not confirm
    largest_spread_deg: float = 25.0  # beyond it the pose network itself doubts
    same_head_iou: float = SAME_HEAD_IOU  # two boxes that overlap more are of one head
    plausible_iou: float = 0.4  # of the box of the points with the box they were looked for in


@dataclass(frozen=True)
class _Candidate:
    """Where a head may be in this frame, and when and how surely the detector last saw it."""

    box: Box
    score: float
    detected_s: float


@dataclass(frozen=True, eq=False)
class _Sighting:
    """What the pose network makes of a candidate. ``box``: of its points where they are plausible."""

    candidate: _Candidate
    estimate: Estimate
    box: Box
    certain: bool


class Follower:
    """Call it with the frames of one stream, in order."""

    def __init__(
        self,
        detector: Detector,
        estimator: Estimator,
        tracker: Tracker,
        *,
        following: Following,
        smooth: bool,
    ) -> None:
        self._detector, self._coarse_detector = detector, detector.coarse()
        self._estimator = estimator
        self._tracker = tracker
        self._following = following
        self._smooth = smooth
        self._looked_s = self._looked_closely_s = -math.inf
        self._last: dict[int, _Sighting] = {}  # the heads of the last frame, by the tracker's key
        self._filters: dict[int, PoseFilter] = {}

    def __call__(self, image: NDArray[np.uint8], camera: Camera, time_s: float) -> tuple[Face, ...]:
        """The heads of the next frame, (H, W, 3) RGB, taken ``time_s`` into the stream."""
        moved = self._tracker.predict(time_s)
        expected = [replace(self._last[key].candidate, box=moved[key]) for key in self._last if key in moved]
        look_is_due = self._is_due(self._looked_s, self._following.look_every_s, time_s)
        sightings = [] if look_is_due else self._sight(image, expected, camera)
        if look_is_due or not all(sighting.certain for sighting in sightings):
            found = self._look(image, time_s, closely=not look_is_due or not expected)
            candidates = self._merged(found, expected, time_s)
            sightings = [
                sighting
                for sighting in self._sight(image, candidates, camera)
                if sighting.certain or sighting.candidate.detected_s == time_s
            ]
            scores = [sighting.candidate.score for sighting in sightings]
            sightings = [sightings[i] for i in distinct_heads([s.box for s in sightings], scores)]
        self._identify(sightings, time_s)
        self._filters = {key: self._filters[key] for key in self._filters.keys() & {*moved, *self._last}}
        return tuple(self._face(key, sighting, time_s) for key, sighting in self._last.items())

    @staticmethod
    def _is_due(last_s: float, every_s: float, time_s: float) -> bool:
        return not 0 <= time_s - last_s < every_s

    def _look(self, image: NDArray[np.uint8], time_s: float, closely: bool) -> Sequence[Detection]:
        self._looked_s = time_s
        if closely or self._is_due(self._looked_closely_s, self._following.close_look_every_s, time_s):
            self._looked_closely_s = time_s
            return self._detector(image)
        return self._coarse_detector(image)

    def _merged(
        self, found: Sequence[Detection], expected: Sequence[_Candidate], time_s: float
    ) -> list[_Candidate]:
        """What the detector found, then what it missed not too long ago."""
        overlap = iou_matrix([tuple(d.box) for d in found], [tuple(c.box) for c in expected])
        merged = []
        for i, detection in enumerate(found):
            box = detection.box
            if expected and overlap[i].max() >= self._following.same_head_iou:
                # Halfway, so that the crop neither jumps to the detector's box nor drifts away from it.
                box = _mean(box, expected[int(overlap[i].argmax())].box)
            merged.append(_Candidate(box, detection.score, time_s))
        for j, candidate in enumerate(expected):
            missed = overlap[:, j].max(initial=0.0) < self._following.same_head_iou
            if missed and time_s - candidate.detected_s <= self._following.unseen_s:
                merged.append(candidate)
        return merged

    def _sight(
        self, image: NDArray[np.uint8], candidates: Sequence[_Candidate], camera: Camera
    ) -> list[_Sighting]:
        estimates = self._estimator(image, [candidate.box for candidate in candidates], camera)
        found = [box_of_points(estimate) for estimate in estimates]
        boxes = [
            box if box is not None and box.iou(candidate.box) >= self._following.plausible_iou else None
            for box, candidate in zip(found, candidates, strict=True)
        ]
        alone = self._alone([box or candidate.box for box, candidate in zip(boxes, candidates, strict=True)])
        return [
            _Sighting(
                candidate,
                estimate,
                box=box or candidate.box,
                certain=box is not None and free and self._is_clear(box, estimate, camera),
            )
            for candidate, estimate, box, free in zip(candidates, estimates, boxes, alone, strict=True)
        ]

    def _alone(self, boxes: Sequence[Box]) -> list[bool]:
        """Which boxes fall onto no other head's: two heads followed into one show that way."""
        if len(boxes) < 2:
            return [True] * len(boxes)
        overlap = iou_matrix([tuple(box) for box in boxes], [tuple(box) for box in boxes])
        np.fill_diagonal(overlap, 0)
        return [bool(row.max() < self._following.same_head_iou) for row in overlap]

    def _is_clear(self, box: Box, estimate: Estimate, camera: Camera) -> bool:
        x, y = box.center
        inside = 0 <= x <= camera.width_px and 0 <= y <= camera.height_px
        spread_deg = estimate.pose.spread_deg
        return inside and (spread_deg is None or spread_deg <= self._following.largest_spread_deg)

    def _identify(self, sightings: Sequence[_Sighting], time_s: float) -> None:
        boxes = [sighting.box for sighting in sightings]
        scores = [sighting.candidate.score for sighting in sightings]
        self._last = dict(zip(self._tracker.update(boxes, scores, time_s), sightings, strict=True))

    def _face(self, key: int, sighting: _Sighting, time_s: float) -> Face:
        pose = sighting.estimate.pose
        if self._smooth:
            pose = self._filters.setdefault(key, PoseFilter())(pose, time_s)
        return Face(
            box=sighting.box,
            score=sighting.candidate.score,
            keypoints=sighting.estimate.keypoints,
            keypoint_visibility=sighting.estimate.visibility,
            pose=pose,
            track=self._tracker.track(key),
            keypoint_spread_px=sighting.estimate.keypoint_spread_px,
        )


def _mean(a: Box, b: Box) -> Box:
    return Box(*((x + y) / 2 for x, y in zip(a, b, strict=True)))
