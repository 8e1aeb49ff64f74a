"""What a benchmark is given and what it hands back: the contract of every file in `protocols/`.

    create(**options) -> Protocol          the plug-in
    Protocol.run(folder, tools) -> Outcome

The model comes in as plain functions (`Tools`), so the file that is shipped, a checkpoint in training and a
peer's network are scored by the same code.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from typing import Protocol as Structure

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.estimator import Estimate
from headwise.results import Detection
from headwise.rotation import Rotation

if TYPE_CHECKING:
    from headwise.evaluation.pose_errors import PoseErrors

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]
Json = dict[str, Any]

DECIMALS = 4
"""Reports keep 1/10000 degree: finer than any run repeats, short enough to read and to compare by eye."""


@dataclass(frozen=True)
class Prediction:
    """Poses of n heads; NaN where the model does not say.

    spread_deg (n,): expected angular error. face_hidden (n,): probability that the face looks away; None: the
    model says it of no head.
    """

    rotation: Rotation
    spread_deg: Floats
    face_hidden: Floats | None = None


Predict = Callable[[Sequence[Image], Sequence[Box]], Prediction]
"""n RGB pictures and one box in each -> n poses, relative to the ray through the box's centre."""

Estimates = Callable[[Sequence[Image], Sequence[Box]], Sequence[Estimate]]
"""The same with the points, their spreads and the rotation's covariance; before `Camera.distant`."""

Detect = Callable[[Image], Sequence[Detection]]
"""One RGB picture -> every face found in it."""

Read = Callable[[Path], Image]
"""One file -> RGB picture. Raises InputError when it cannot be read."""

Progress = Callable[[int, int], None]
"""Told (items done, items in all) after each batch."""


def silent(done: int, total: int) -> None:
    """The Progress that tells nobody."""


@dataclass(frozen=True)
class Tools:
    """What a run may use. `predict` and `estimate`, or `detect`, are None where the protocol says that it
    does not need them.
    """

    read: Read
    predict: Predict | None = None
    detect: Detect | None = None
    estimate: Estimates | None = None
    detector_threshold: float = 0.5
    progress: Progress = silent


@dataclass(frozen=True)
class WorstItem:
    """One item for the contact sheet: where it is, what was expected, what came. Boxes in pixels.

    around: how many times the box is shown. image: the picture itself where it lies in no file of its own.
    """

    path: Path
    caption: str
    box: Box
    truth: Rotation | None = None
    found: Rotation | None = None
    facing_only: bool = False
    found_boxes: tuple[Box, ...] = ()
    around: float = 2.2
    image: Image | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, eq=False)
class ScoredPoses:
    """What a run found, item by item: for plots, and to set two models side by side.

    errors of the n found items, spread_deg (n,), index (n,): their places in the scored list.
    """

    errors: "PoseErrors"
    spread_deg: Floats
    index: NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """`report` is ready for JSON (None: unknown, no NaN); `worst` holds items, worst first.

    poses: None where no poses were scored.
    """

    report: Json
    worst: tuple[WorstItem, ...] = field(default=(), repr=False)
    poses: ScoredPoses | None = field(default=None, repr=False)


class Protocol(Structure):
    """A benchmark with its options set."""

    @property
    def needs_poses(self) -> bool:
        """Whether `run` calls `tools.predict`."""
        ...

    @property
    def needs_detector(self) -> bool:
        """Whether `run` calls `tools.detect`."""
        ...

    def run(self, folder: Path, tools: Tools) -> Outcome:
        """Score every item listed in the folder. Raises InputError when the list itself is unusable."""
        ...


def as_json(value: object) -> Any:
    """Dataclasses, arrays and numpy numbers as JSON values: floats rounded to DECIMALS, NaN as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return round(float(value), DECIMALS) if math.isfinite(value) else None
    return value
