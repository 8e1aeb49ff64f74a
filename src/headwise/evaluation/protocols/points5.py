"""Recall and extra boxes of a face detector on a folder with labels.csv: file, five points, pose_class.

Quirks of this benchmark, all of them:

- A face counts as found when a box holds at least four of its five points and is at most 4.5 times their
  extent wide. Overlap is not asked for: detectors disagree about where a face ends, and there are no boxes.
- One face is marked in each picture and others may be in it, so boxes beyond the one that found it
  ("false_per_image") include unmarked people: compare them with another detector's, not with zero. Two boxes
  on the marked face count as one extra.
- pose_class 1 and 5 are the left and right profiles ("recall_profile").
- A picture that cannot be read is listed under "unreadable" and counts as not found.
- "by_threshold" gives the same numbers at other score thresholds. It is flat below the lowest
  score that the detector was asked to report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.annotations.labels_csv import LABELS_FILE, Row, number, read_labels
from headwise.boxes import Box
from headwise.errors import InputError
from headwise.evaluation.labels import labels_sha256, list_sha256
from headwise.evaluation.metrics import mean_of_known
from headwise.evaluation.outcome import Detect, Floats, Json, Outcome, Tools, WorstItem, as_json

POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
COLUMNS = ("file", *(f"{point}_{axis}" for point in POINTS for axis in "xy"), "pose_class")
PROFILE_CLASSES = ("1", "5")
POINTS_HELD = 4
WIDEST_IN_EXTENTS = 4.5
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
PROGRESS_EVERY = 32


@dataclass(frozen=True, eq=False)
class Item:
    """One marked face: its five points (5, 2) in pixels."""

    file: str
    path: Path
    points: Floats
    profile: bool


@dataclass(frozen=True, eq=False)
class Found:
    """The boxes of one picture, their scores (n,) and whether each holds the marked face (n,)."""

    boxes: tuple[Box, ...]
    scores: Floats
    holds: NDArray[np.bool_]

    def at(self, threshold: float) -> tuple[bool, int]:
        """Whether the face is found, and how many boxes are extra, among scores of at least the threshold."""
        kept = self.holds[self.scores >= threshold]
        return bool(kept.any()), kept.size - int(kept.any())


def create() -> "Points5":
    """No options: the rule is the peers'."""
    return Points5()


class Points5:
    """The protocol."""

    needs_poses = False
    needs_detector = True

    def run(self, folder: Path, tools: Tools) -> Outcome:
        """Score at `tools.detector_threshold`; `tools.detect` may report lower scores too, for the curve."""
        assert tools.detect is not None, "needs_detector"
        items = [_item(folder, line, row) for line, row in enumerate(read_labels(folder, COLUMNS), start=2)]
        found, unreadable = [], []
        for done, item in enumerate(items, start=1):
            try:
                found.append(_find(tools.detect, tools, item))
            except InputError as error:
                unreadable.append(str(error))
                found.append(NOTHING)
            if done % PROGRESS_EVERY == 0 or done == len(items):
                tools.progress(done, len(items))
        counts = _counts(items, found, tools.detector_threshold)
        report: Json = {
            "protocol": "points5",
            "list": folder.resolve().name,
            "list_sha256": list_sha256(item.file for item in items),
            "labels_sha256": labels_sha256(folder),
            "items": len(items),
            "profiles": sum(item.profile for item in items),
            "unreadable": unreadable,
            "threshold": tools.detector_threshold,
            "missed": sum(not one.at(tools.detector_threshold)[0] for one in found),
            **counts,
            "by_threshold": [{"threshold": t, **_counts(items, found, t)} for t in THRESHOLDS],
        }
        return Outcome(report, _worst(items, found, tools.detector_threshold))


def holds(box: Box, points: Floats) -> bool:
    """Whether a box counts as the face with these points (5, 2): four inside, and not much wider."""
    x, y = points[:, 0], points[:, 1]
    inside = (x >= box.left) & (x <= box.right) & (y >= box.top) & (y <= box.bottom)
    extent = np.ptp(points, axis=0).max()
    return bool(inside.sum() >= POINTS_HELD and box.width <= WIDEST_IN_EXTENTS * extent)


NOTHING = Found((), np.empty(0), np.empty(0, bool))


def _find(detect: Detect, tools: Tools, item: Item) -> Found:
    detections = detect(tools.read(item.path))
    boxes = tuple(detection.box for detection in detections)
    scores = np.array([detection.score for detection in detections], float)
    return Found(boxes, scores, np.array([holds(box, item.points) for box in boxes], bool))


def _counts(items: Sequence[Item], found: Sequence[Found], threshold: float) -> Json:
    hit, extra = zip(*(one.at(threshold) for one in found), strict=True)
    profile_hits = [one for one, item in zip(hit, items, strict=True) if item.profile]
    json: Json = as_json(
        {
            "recall": mean_of_known(hit),
            "recall_profile": mean_of_known(profile_hits),
            "false_per_image": mean_of_known(extra),
        }
    )
    return json


def _worst(items: Sequence[Item], found: Sequence[Found], threshold: float) -> tuple[WorstItem, ...]:
    """Faces not found first, then pictures by their extra boxes; a right answer is no worst item."""
    worst = []
    for item, one in zip(items, found, strict=True):
        hit, extra = one.at(threshold)
        if (hit and not extra) or one is NOTHING:
            continue
        boxes = tuple(box for box, score in zip(one.boxes, one.scores, strict=True) if score >= threshold)
        caption = f"{'' if hit else 'missed, '}{extra} extra {item.path.name}"
        marked = WorstItem(item.path, caption, Box.from_points(item.points), found_boxes=boxes, around=6.0)
        worst.append(((hit, -extra), marked))
    return tuple(marked for _, marked in sorted(worst, key=lambda pair: pair[0]))


def _item(folder: Path, line: int, row: Row) -> Item:
    points = [
        [number(folder / LABELS_FILE, line, row, f"{point}_{axis}") for axis in "xy"] for point in POINTS
    ]
    return Item(row["file"], folder / row["file"], np.array(points), row["pose_class"] in PROFILE_CLASSES)
