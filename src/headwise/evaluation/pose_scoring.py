"""What every benchmark of labelled faces does: pictures and boxes to the model, its answers to a report.

A protocol says where its items come from and what is particular about them; the rest is here.

- With boxes="detected" the detection whose IoU with the item's box is largest counts, if that is at least
  0.2: detectors differ in where a face ends, neighbouring faces rarely overlap as much.
- A picture that cannot be read is listed under "unreadable" and counts as missed. "mae" is over the found
  faces; "mae_with_missed" is over all items: a missed face scores the answer "looking straight into the
  lens", but never less than the mean error of the found ones.
- perturb=True repeats everything with each given box scaled by .8 and 1.2 and shifted by a tenth of its width
  and height either way. The cost is the mean MAE over these six minus that of the given boxes.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.conventions import EulerOrder
from headwise.errors import InputError, SettingsError
from headwise.evaluation.labels import list_sha256
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
BOX_SOURCES = ("given", "detected")
LARGEST_ANGLE_DEG = 99.0
LARGEST_PITCH_WITHOUT_ROLL_DEG = 60.0
SMALLEST_OVERLAP_IOU = 0.2
BATCH_ITEMS = 32
"""Pictures held in memory at once."""

WORST_SHOWN = 32

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
class PoseItem:
    """One labelled face: angles (yaw, pitch, roll) in degrees, roll NaN where it is not labelled.

    path: where its picture lies, or its name within an archive.
    """

    file: str
    path: Path
    angles_deg: tuple[float, float, float]
    box: Box

    @property
    def in_protocol(self) -> bool:
        """Whether the angles lie within +-99, as in every published AFLW2000-3D table; without a roll also
        the pitch within +-60 (at 90 an azimuth does not exist).
        """
        _, pitch, roll = self.angles_deg
        if np.isnan(roll) and abs(pitch) > LARGEST_PITCH_WITHOUT_ROLL_DEG:
            return False
        return bool(np.nanmax(np.abs(self.angles_deg)) <= LARGEST_ANGLE_DEG)


ReadItem = Callable[[PoseItem], Image]
"""The picture of an item. Raises InputError when it cannot be read."""


@dataclass(frozen=True)
class PoseList:
    """What is scored: `items`, out of `listed`, and how the report names it.

    read: None where each item's path is a file of its own. notes: further keys of the report.
    """

    protocol: str
    name: str
    items: Sequence[PoseItem]
    listed: int
    labels_sha256: str
    read: ReadItem | None = None
    notes: Json = field(default_factory=dict)


@dataclass(frozen=True)
class BoxChoice:
    """Which boxes are scored: `boxes` "given" or "detected", and whether given ones are moved as well."""

    protocol: str
    boxes: str = "given"
    perturb: bool = False

    def __post_init__(self) -> None:
        if self.boxes not in BOX_SOURCES:
            raise SettingsError(
                f"{self.protocol}: no boxes {self.boxes!r}; there are: {', '.join(BOX_SOURCES)}"
            )
        if self.perturb and self.boxes != "given":
            raise SettingsError(f"{self.protocol}: perturb moves the given boxes; use it with boxes='given'")

    @property
    def detected(self) -> bool:
        return self.boxes == "detected"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sets of boxes: "given" (the item's, or the detected one), and the moved ones."""
        return ("given", *PERTURBED) if self.perturb else ("given",)


@dataclass(frozen=True)
class PoseProtocol:
    """A benchmark of labelled faces: `list_of` says what of a folder is scored."""

    choice: BoxChoice
    list_of: Callable[[Path], PoseList]

    @property
    def needs_poses(self) -> bool:
        return True

    @property
    def needs_detector(self) -> bool:
        return self.choice.detected

    def run(self, folder: Path, tools: Tools) -> Outcome:
        """Score the folder. Raises InputError when its list is unusable."""
        return score_poses(self.list_of(folder), self.choice, tools)


def score_poses(listed: PoseList, choice: BoxChoice, tools: Tools) -> Outcome:
    """Run the model on every item. `tools.predict` is called once per batch and per set of boxes.

    Raises InputError when there are no items.
    """
    if not listed.items:
        raise InputError(f"{listed.name}: all {listed.listed} items lie outside the protocol's angles")
    answers = _Answers(len(listed.items), choice.names)
    for indices, images in _batches(listed, tools, answers):
        _answer(listed.items, choice, indices, images, tools, answers)
    return _outcome(listed, choice, answers)


def labels_fingerprint(items: Sequence[PoseItem]) -> str:
    """SHA-256 of names, angles and boxes: for labels that lie in many files."""
    lines = (
        f"{item.file} {' '.join(f'{value:.4f}' for value in (*item.angles_deg, *item.box))}\n"
        for item in items
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def overlapping(detections: Sequence[Detection], box: Box, threshold: float) -> Box | None:
    """The box that overlaps `box` most among good enough scores; None below SMALLEST_OVERLAP_IOU."""
    boxes = (detection.box for detection in detections if detection.score >= threshold)
    best = max(boxes, key=box.iou, default=None)
    return best if best is not None and box.iou(best) >= SMALLEST_OVERLAP_IOU else None


def _answer(
    items: Sequence[PoseItem],
    choice: BoxChoice,
    indices: list[int],
    images: list[Image],
    tools: Tools,
    answers: "_Answers",
) -> None:
    if choice.detected:
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


def _reader(listed: PoseList, tools: Tools) -> ReadItem:
    return listed.read if listed.read is not None else lambda item: tools.read(item.path)


def _batches(listed: PoseList, tools: Tools, answers: _Answers) -> Iterator[tuple[list[int], list[Image]]]:
    read = _reader(listed, tools)
    for start in range(0, len(listed.items), BATCH_ITEMS):
        stop = min(start + BATCH_ITEMS, len(listed.items))
        readable, images = [], []
        for index in range(start, stop):
            try:
                images.append(read(listed.items[index]))
                readable.append(index)
            except InputError as error:
                answers.unreadable[index] = str(error)
        yield readable, images
        tools.progress(stop, len(listed.items))


def _outcome(listed: PoseList, choice: BoxChoice, answers: _Answers) -> Outcome:
    items = listed.items
    truth_deg = np.array([item.angles_deg for item in items])
    found = answers.found
    errors = pose_errors(truth_deg[found], Rotation(answers.matrix["given"][found]), ORDER)
    report: Json = {
        "protocol": listed.protocol,
        "list": listed.name,
        "list_sha256": list_sha256(item.file for item in items),
        "labels_sha256": listed.labels_sha256,
        "order": _order_of(truth_deg),
        "boxes": choice.boxes,
        **listed.notes,
        "listed": listed.listed,
        "excluded": listed.listed - len(items),
        "items": len(items),
        "missed": int((~found).sum()),
        "unreadable": list(answers.unreadable.values()),
        **pose_scores(errors, answers.spread_deg["given"][found]),
        "mae_with_missed": mae_with_missed(errors, truth_deg[~found]),
    }
    if len(answers.names) > 1:
        report["perturbed"] = _perturbed(truth_deg, answers, report["mae"]["mean"])
    poses = ScoredPoses(errors, answers.spread_deg["given"][found], np.flatnonzero(found))
    worst = _worst(listed, answers, errors)
    return Outcome(report, worst if listed.read is None else _with_pictures(worst, listed.read, items), poses)


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


def _worst(listed: PoseList, answers: _Answers, errors: PoseErrors) -> tuple[WorstItem, ...]:
    """Missed items first, then by error."""
    missed = [
        WorstItem(
            item.path,
            f"{item.path.name}: missed",
            item.box,
            truth=_one_truth(item),
            facing_only=_facing_only(item),
        )
        for index, item in enumerate(listed.items)
        if not answers.found[index] and index not in answers.unreadable
    ]
    indices, worst = np.flatnonzero(answers.found), []
    for k in np.argsort(-errors.best_known_deg, kind="stable"):
        item, box = listed.items[indices[k]], answers.boxes[int(indices[k])]
        caption = f"{errors.best_known_deg[k]:.1f} deg {item.path.name}"
        worst.append(
            WorstItem(
                item.path, caption, item.box, errors.truth[k], errors.found[k], _facing_only(item), (box,)
            )
        )
    return (*missed, *worst)


def _with_pictures(
    worst: Sequence[WorstItem], read: ReadItem, items: Sequence[PoseItem]
) -> tuple[WorstItem, ...]:
    """The items that are shown, with their pictures: they may lie in an archive."""
    by_path = {item.path: item for item in items}
    return tuple(replace(one, image=read(by_path[one.path])) for one in worst[:WORST_SHOWN])


def _facing_only(item: PoseItem) -> bool:
    return bool(np.isnan(item.angles_deg[2]))


def _one_truth(item: PoseItem) -> Rotation:
    return pose_errors(np.array([item.angles_deg]), Rotation(np.eye(3)[None]), ORDER).truth[0]


def _moved(box: Box, scale: float, right: float, down: float) -> Box:
    return box.scaled(scale).shifted(right * box.width, down * box.height)
