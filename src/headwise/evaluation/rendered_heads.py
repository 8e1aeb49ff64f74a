"""Rendered heads to score on: the items of crop shards, and what a report says of them."""

import hashlib
from collections.abc import Sequence
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
from headwise.evaluation.outcome import Image, Json
from headwise.rotation import Rotation

ORDER = EulerOrder.AZIMUTH
LABELS = ("rotation_camera", "points68_m", "intrinsics", "box", "face_hidden", "image_offset")
YAW_BIN_EDGES_DEG = (0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0)


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


def checked_items(protocol: str, items: int | None) -> int | None:
    """The option `items` of a protocol. Raises SettingsError."""
    if items is not None and (not isinstance(items, int) or items < 1):
        raise SettingsError(f"{protocol}: items needs a whole number above 0, got {items!r}")
    return items


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


def item_names(shards: Sequence[Shard]) -> list[str]:
    """One for each item, shard after shard."""
    return [name for shard in shards for name in shard.names()]


def listing(protocol: str, folder: Path, shards: Sequence[Shard], *, missed: int) -> Json:
    """The lines with which the report of a protocol begins: which items, and how they were taken."""
    names = item_names(shards)
    return {
        "protocol": protocol,
        "list": folder.resolve().name,
        "list_sha256": list_sha256(names),
        "labels_sha256": hashlib.sha256(b"".join(shard.path.read_bytes() for shard in shards)).hexdigest(),
        "order": str(ORDER),
        "boxes": "given",
        "items": len(names),
        "missed": missed,
        "unreadable": [],
    }
