"""Pose errors on a folder with labels.csv.

Columns: file, yaw_deg, pitch_deg, roll_deg, left, top, right, bottom; more are ignored. Its quirks:

- Angles are in the 300W-LP order. An empty roll means that only the facing direction is labelled
  (Pointing'04): yaw and pitch are then its azimuth and elevation, and no rotation error exists for that item.
- The labels were fitted under weak perspective, so what they say is the rotation relative to the ray through
  the face. The camera is therefore `Camera.distant`, whatever lens took the picture.
- Items with an angle beyond 99 deg are outside the protocol, as in every published AFLW2000-3D table; with an
  empty roll also those with |pitch| above 60 (at 90 an azimuth does not exist). Counted as "excluded".
- The box is that of the 68 points. With boxes="detected" the detection whose IoU with it is largest counts,
  if that is at least 0.2: detectors differ in where a face ends, neighbouring faces rarely overlap as much.
- A picture that cannot be read is listed under "unreadable" and counts as missed. "mae" is over the found
  faces; "mae_with_missed" is over all items: a missed face scores the answer "looking straight into the
  lens", but never less than the mean error of the found ones.
- perturb=True repeats everything with each given box scaled by .8 and 1.2 and shifted by a tenth of its width
  and height either way. The cost is the mean MAE over these six minus that of the given boxes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.conventions import EulerOrder
from headwise.errors import BoxError, InputError, SettingsError
from headwise.evaluation.labels import LABELS_FILE, Row, labels_sha256, list_sha256, number, read_labels
from headwise.evaluation.metrics import mean_of_known
from headwise.evaluation.outcome import (
    Floats,
    Image,
    Json,
    Outcome,
    Prediction,
    ScoredPoses,
    Tools,
    WorstItem,
    as_json,
)
from headwise.evaluation.pose_errors import PoseErrors, mae_with_missed, pose_errors, pose_scores
from headwise.results import Detection
from headwise.rotation import Rotation

ORDER = EulerOrder.LP300W
COLUMNS = ("file", "yaw_deg", "pitch_deg", "roll_deg", "left", "top", "right", "bottom")
BOX_SOURCES = ("given", "detected")
LARGEST_ANGLE_DEG = 99.0
LARGEST_PITCH_WITHOUT_ROLL_DEG = 60.0
SMALLEST_OVERLAP_IOU = 0.2
BATCH_ITEMS = 32
"""Pictures held in memory at once."""

PERTURBED: Mapping[str, tuple[float, float, float]] = {
    "scale_0.8": (0.8, 0.0, 0.0),
    "scale_1.2": (1.2, 0.0, 0.0),
    "left_0.1": (1.0, -0.1, 0.0),
    "right_0.1": (1.0, 0.1, 0.0),
    "up_0.1": (1.0, 0.0, -0.1),
    "down_0.1": (1.0, 0.0, 0.1),
}
"""Name -> scale about the centre, shift in box widths, shift in box heights."""


@dataclass(frozen=True)
class Item:
    """One labelled face: angles (yaw, pitch, roll) in degrees, roll NaN where it is not labelled."""

    file: str
    path: Path
    angles_deg: tuple[float, float, float]
    box: Box

    @property
    def in_protocol(self) -> bool:
        """Whether the angles lie in the range that is scored."""
        _, pitch, roll = self.angles_deg
        if np.isnan(roll) and abs(pitch) > LARGEST_PITCH_WITHOUT_ROLL_DEG:
            return False
        return bool(np.nanmax(np.abs(self.angles_deg)) <= LARGEST_ANGLE_DEG)


def create(*, boxes: str = "given", perturb: bool = False) -> "Table":
    """boxes: "given" or "detected". perturb: also score scaled and shifted boxes (given boxes only)."""
    if boxes not in BOX_SOURCES:
        raise SettingsError(f"table: no boxes {boxes!r}; there are: {', '.join(BOX_SOURCES)}")
    if perturb and boxes != "given":
        raise SettingsError("table: perturb moves the given boxes; use it with boxes='given'")
    return Table(boxes=boxes, perturb=perturb)


@dataclass(frozen=True)
class Table:
    """The protocol with its options set."""

    boxes: str
    perturb: bool

    @property
    def needs_poses(self) -> bool:
        return True

    @property
    def needs_detector(self) -> bool:
        return self.boxes == "detected"

    def run(self, folder: Path, tools: Tools) -> Outcome:
        """Score the folder. `tools.predict` is called once per batch and per set of boxes."""
        listed = read_items(folder)
        items = [item for item in listed if item.in_protocol]
        if not items:
            raise InputError(
                f"{folder / LABELS_FILE}: all {len(listed)} items lie outside the protocol's angles"
            )
        answers = _Answers(len(items), ("given", *PERTURBED) if self.perturb else ("given",))
        for indices, images in _batches(items, tools, answers):
            self._answer(items, indices, images, tools, answers)
        return _outcome(folder, listed, items, answers, self.boxes)

    def _answer(
        self,
        items: Sequence[Item],
        indices: list[int],
        images: list[Image],
        tools: Tools,
        answers: "_Answers",
    ) -> None:
        if self.boxes == "detected":
            assert tools.detect is not None, "needs_detector"
            found = [
                overlapping(tools.detect(image), items[i].box, tools.detector_threshold)
                for i, image in zip(indices, images, strict=True)
            ]
        else:
            found = [items[i].box for i in indices]
        kept = [k for k, box in enumerate(found) if box is not None]
        if not kept:
            return
        assert tools.predict is not None, "needs_poses"
        indices, images = [indices[k] for k in kept], [images[k] for k in kept]
        boxes = [box for box in found if box is not None]
        for name in answers.names:
            moved = boxes if name == "given" else [_moved(box, *PERTURBED[name]) for box in boxes]
            answers.keep(name, indices, tools.predict(images, moved), moved)


def read_items(folder: Path) -> list[Item]:
    """Every item of the list, in or out of the protocol. Raises InputError naming the line that is wrong."""
    return [_item(folder, line, row) for line, row in enumerate(read_labels(folder, COLUMNS), start=2)]


def overlapping(detections: Sequence[Detection], box: Box, threshold: float) -> Box | None:
    """The box that overlaps `box` most among good enough scores; None below SMALLEST_OVERLAP_IOU."""
    boxes = (detection.box for detection in detections if detection.score >= threshold)
    best = max(boxes, key=box.iou, default=None)
    return best if best is not None and box.iou(best) >= SMALLEST_OVERLAP_IOU else None


class _Answers:
    """What the model said, per set of boxes; NaN where it has said nothing."""

    def __init__(self, items: int, names: tuple[str, ...]) -> None:
        self.names = names
        self.matrix = {name: np.full((items, 3, 3), np.nan) for name in names}
        self.spread_deg = {name: np.full(items, np.nan) for name in names}
        self.boxes: dict[int, Box] = {}
        self.unreadable: dict[int, str] = {}

    def keep(self, name: str, indices: list[int], prediction: Prediction, boxes: list[Box]) -> None:
        self.matrix[name][indices] = prediction.rotation.matrix
        self.spread_deg[name][indices] = prediction.spread_deg
        if name == "given":
            self.boxes.update(zip(indices, boxes, strict=True))

    @property
    def found(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = ~np.isnan(self.matrix["given"][:, 0, 0])
        return found


def _batches(
    items: Sequence[Item], tools: Tools, answers: _Answers
) -> Iterator[tuple[list[int], list[Image]]]:
    for start in range(0, len(items), BATCH_ITEMS):
        stop = min(start + BATCH_ITEMS, len(items))
        readable, images = [], []
        for index in range(start, stop):
            try:
                images.append(tools.read(items[index].path))
                readable.append(index)
            except InputError as error:
                answers.unreadable[index] = str(error)
        yield readable, images
        tools.progress(stop, len(items))


def _outcome(
    folder: Path, listed: Sequence[Item], items: Sequence[Item], answers: _Answers, boxes: str
) -> Outcome:
    truth_deg = np.array([item.angles_deg for item in items])
    found = answers.found
    errors = pose_errors(truth_deg[found], Rotation(answers.matrix["given"][found]), ORDER)
    report: Json = {
        "protocol": "table",
        "list": folder.resolve().name,
        "list_sha256": list_sha256(item.file for item in items),
        "labels_sha256": labels_sha256(folder),
        "order": _order_of(truth_deg),
        "boxes": boxes,
        "listed": len(listed),
        "excluded": len(listed) - len(items),
        "items": len(items),
        "missed": int((~found).sum()),
        "unreadable": list(answers.unreadable.values()),
        **pose_scores(errors, answers.spread_deg["given"][found]),
        "mae_with_missed": mae_with_missed(errors, truth_deg[~found]),
    }
    if len(answers.names) > 1:
        report["perturbed"] = _perturbed(truth_deg, answers, report["mae"]["mean"])
    poses = ScoredPoses(errors, answers.spread_deg["given"][found], np.flatnonzero(found))
    return Outcome(report, _worst(items, answers, errors), poses)


def _perturbed(truth_deg: Floats, answers: _Answers, unmoved: float | None) -> Json:
    """Mean MAE with each set of moved boxes, its cost against the given ones, and the mean cost."""
    found = answers.found
    base = np.nan if unmoved is None else unmoved
    means = {}
    for name in answers.names[1:]:
        errors = pose_errors(truth_deg[found], Rotation(answers.matrix[name][found]), ORDER)
        means[name] = (
            pose_scores(errors, answers.spread_deg[name][found])["mae"]["mean"] if found.any() else np.nan
        )
    return {
        "mean_cost": as_json(mean_of_known([mean - base for mean in means.values()])),
        "worst_cost": as_json(max(mean - base for mean in means.values())),
        "sets": {name: as_json({"mae_mean": mean, "cost": mean - base}) for name, mean in means.items()},
    }


def _order_of(truth_deg: Floats) -> str:
    """The order of the scored angles: the labels' own, azimuth and elevation where no roll is labelled."""
    unrolled = np.isnan(truth_deg[:, 2])
    if unrolled.all():
        return str(EulerOrder.AZIMUTH)
    return f"{ORDER}, {EulerOrder.AZIMUTH} where roll is empty" if unrolled.any() else str(ORDER)


def _worst(items: Sequence[Item], answers: _Answers, errors: PoseErrors) -> tuple[WorstItem, ...]:
    """Missed items first, then by error."""
    missed = [
        WorstItem(
            item.path,
            f"{item.path.name}: missed",
            item.box,
            truth=_one_truth(item),
            facing_only=_facing_only(item),
        )
        for index, item in enumerate(items)
        if not answers.found[index] and index not in answers.unreadable
    ]
    indices, worst = np.flatnonzero(answers.found), []
    for k in np.argsort(-errors.best_known_deg, kind="stable"):
        item, box = items[indices[k]], answers.boxes[int(indices[k])]
        caption = f"{errors.best_known_deg[k]:.1f} deg {item.path.name}"
        worst.append(
            WorstItem(
                item.path, caption, item.box, errors.truth[k], errors.found[k], _facing_only(item), (box,)
            )
        )
    return (*missed, *worst)


def _facing_only(item: Item) -> bool:
    return bool(np.isnan(item.angles_deg[2]))


def _one_truth(item: Item) -> Rotation:
    return pose_errors(np.array([item.angles_deg]), Rotation(np.eye(3)[None]), ORDER).truth[0]


def _item(folder: Path, line: int, row: Row) -> Item:
    yaw, pitch = (number(folder, line, row, column) for column in ("yaw_deg", "pitch_deg"))
    roll = number(folder, line, row, "roll_deg", empty_is_nan=True)
    try:
        box = Box(*(number(folder, line, row, side) for side in ("left", "top", "right", "bottom")))
    except BoxError as error:
        raise InputError(f"{folder / LABELS_FILE}: line {line}: {error}") from error
    return Item(row["file"], folder / row["file"], (yaw, pitch, roll), box)


def _moved(box: Box, scale: float, right: float, down: float) -> Box:
    return box.scaled(scale).shifted(right * box.width, down * box.height)
