"""Pose errors on rendered heads over the full turn: shards of `headwise synthesize crops`.

Labels are exact. Its quirks:

- Shards hold camera_from_art_head for a camera of known intrinsics. What is scored is ray_from_head for the
  ray through the centre of the 68-point box, which is what the product knows of a crop.
- The crop is the model's own, about the labelled box, without any of the training's augmentations.
- Angles are azimuth, elevation and tilt: yaw runs over +-180. Near elevation +-90 they say little; the
  geodesic is the number to look at.
- Scored are the items that a training on the same folder never sees (`annotations.rendered.held_out_items`).
  With `items` it is the first so many of the folder: right only for shards nobody trained on.
- "face_hidden" compares the model's probability with the label (the face looks more than 100 deg away) at
  0.5: share of all items that it gets right, of hidden faces that it calls hidden, of the others that it
  calls hidden.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.annotations.rendered import held_out_items, ray_from_head
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
from headwise.evaluation.pose_errors import PoseErrors, pose_scores, rotation_errors
from headwise.rotation import Rotation

ORDER = EulerOrder.AZIMUTH
LABELS = ("rotation_camera", "points68_m", "intrinsics", "box", "face_hidden", "image_offset")
YAW_BIN_EDGES_DEG = (0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0)
HIDDEN_THRESHOLD = 0.5
BATCH_ITEMS = 32
WORST_SHOWN = 32


@dataclass(frozen=True, eq=False)
class Shard:
    """Items of one shard: ray_from_head (n), boxes, face_hidden (n,), where each JPEG begins."""

    path: Path
    truth: Rotation
    boxes: tuple[Box, ...]
    face_hidden: NDArray[np.bool_]
    image_offset: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.boxes)

    def first(self, count: int) -> "Shard":
        """The first items, all if there are fewer."""
        return Shard(
            self.path, self.truth[:count], self.boxes[:count], self.face_hidden[:count], self.image_offset
        )

    def names(self) -> list[str]:
        """One for each item."""
        return [f"{self.path.stem}:{item}" for item in range(len(self))]

    def picture(self, item: int) -> Image:
        """(h, w, 3) RGB. Raises InputError when it cannot be decoded."""
        start, stop = self.image_offset[item : item + 2].tolist()
        path = self.path.with_suffix(".bin")
        try:
            encoded = np.fromfile(path, np.uint8, stop - start, offset=start)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        picture: Any = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB) if encoded.size else None
        if picture is None:
            raise InputError(f"{path}: item {item} cannot be decoded")
        return np.asarray(picture, np.uint8)


def create(*, items: int | None = None) -> "Shards":
    """items: how many from the folder's beginning; None: those that no training on it sees."""
    if items is not None and (not isinstance(items, int) or items < 1):
        raise SettingsError(f"shards: items needs a whole number above 0, got {items!r}")
    return Shards(items)


@dataclass(frozen=True)
class Shards:
    """The protocol."""

    items: int | None

    @property
    def needs_poses(self) -> bool:
        return True

    @property
    def needs_detector(self) -> bool:
        return False

    def run(self, folder: Path, tools: Tools) -> Outcome:
        """Score the folder's items. Raises InputError when a shard or a picture cannot be read."""
        assert tools.predict is not None, "needs_poses"
        shards = read_shards(folder, self.items)
        total = sum(len(shard) for shard in shards)
        said: list[Prediction] = []
        done = 0
        for shard in shards:
            for items in _batches(len(shard)):
                pictures = [shard.picture(item) for item in items]
                said.append(tools.predict(pictures, [shard.boxes[item] for item in items]))
                done += len(items)
                tools.progress(done, total)
        return _outcome(folder, shards, said)


def read_shards(folder: Path, items: int | None) -> list[Shard]:
    """The first `items` of a folder, or its held-out ones. Raises InputError."""
    paths = sorted(folder.glob("shard-*.npz"))
    if not paths:
        raise InputError(f"{folder}: no shards; `headwise synthesize crops` writes shard-00000.npz, ...")
    if items is None:
        kept = []
        for number, path in enumerate(paths):
            if held_out_items(number, 2, len(paths)):
                shard = read_shard(path)
                kept.append(shard.first(len(held_out_items(number, len(shard), len(paths)))))
        return kept
    shards: list[Shard] = []
    left = items
    for path in paths:
        if left:
            shards.append(read_shard(path).first(left))
            left -= len(shards[-1])
    if left:
        raise InputError(f"{folder}: {items} items were asked for, it holds {items - left}")
    return shards


def read_shard(path: Path) -> Shard:
    """Every item of a shard. Raises InputError."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in LABELS if name not in arrays]
            if missing:
                raise InputError(f"{path}: no {', '.join(missing)}; is it a shard of head crops?")
            labels = {name: arrays[name] for name in LABELS}
    except (OSError, ValueError, BadZipFile) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    boxes = tuple(Box(*box) for box in labels["box"].tolist())
    return Shard(
        path,
        ray_from_head(labels["rotation_camera"], labels["points68_m"], labels["intrinsics"], labels["box"]),
        boxes,
        labels["face_hidden"].astype(bool),
        labels["image_offset"],
    )


def hidden_scores(probability: Floats, hidden: NDArray[np.bool_]) -> Json | None:
    """`accuracy`, `found` and `false` of (n,) probabilities at 0.5; None where the model says none."""
    known = ~np.isnan(probability)
    if not known.any():
        return None
    called, hidden = probability[known] >= HIDDEN_THRESHOLD, hidden[known]
    json: Json = as_json(
        {
            "hidden_items": int(hidden.sum()),
            "accuracy": mean_of_known(called == hidden),
            "found": mean_of_known(called[hidden]),
            "false": mean_of_known(called[~hidden]),
        }
    )
    return json


def _batches(count: int) -> Iterator[range]:
    for start in range(0, count, BATCH_ITEMS):
        yield range(start, min(start + BATCH_ITEMS, count))


def _outcome(folder: Path, shards: Sequence[Shard], said: Sequence[Prediction]) -> Outcome:
    truth = Rotation(np.concatenate([shard.truth.matrix for shard in shards]))
    found = Rotation(np.concatenate([one.rotation.matrix for one in said]))
    spread_deg = np.concatenate([one.spread_deg for one in said])
    unknown = [np.full(len(one.spread_deg), np.nan) for one in said]
    probability = np.concatenate(
        [u if one.face_hidden is None else one.face_hidden for one, u in zip(said, unknown, strict=True)]
    )
    errors = rotation_errors(truth, found, ORDER)
    names = [name for shard in shards for name in shard.names()]
    report: Json = {
        "protocol": "shards",
        "list": folder.resolve().name,
        "list_sha256": list_sha256(names),
        "labels_sha256": hashlib.sha256(b"".join(shard.path.read_bytes() for shard in shards)).hexdigest(),
        "order": str(ORDER),
        "boxes": "given",
        "items": len(names),
        "missed": 0,
        "unreadable": [],
        **pose_scores(errors, spread_deg, YAW_BIN_EDGES_DEG),
        "face_hidden": hidden_scores(probability, np.concatenate([shard.face_hidden for shard in shards])),
    }
    return Outcome(
        report, _worst(shards, names, errors), ScoredPoses(errors, spread_deg, np.arange(len(names)))
    )


def _worst(shards: Sequence[Shard], names: Sequence[str], errors: PoseErrors) -> tuple[WorstItem, ...]:
    """The largest errors, as many as are shown: their pictures ride along."""
    places = [(shard, item) for shard in shards for item in range(len(shard))]
    worst = []
    for k in np.argsort(-errors.rotation_deg, kind="stable")[:WORST_SHOWN]:
        shard, item = places[k]
        caption = f"{errors.rotation_deg[k]:.1f} deg {names[k]}"
        box = shard.boxes[item]
        worst.append(
            WorstItem(
                shard.path,
                caption,
                box,
                errors.truth[k],
                errors.found[k],
                around=1.6,
                image=shard.picture(item),
            )
        )
    return tuple(worst)
