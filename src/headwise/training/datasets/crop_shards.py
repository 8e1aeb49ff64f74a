"""Rendered heads, one a picture: the shards that `headwise synthesize crops` writes.

Translated here, once: rotations come as ray_from_art_head or camera_from_art_head and leave as ray_from_head,
relative to the ray through the centre of the 68-point box, which is the ray a pipeline puts back
(`Camera.camera_from_ray`). A folder may grow while it is read: `refresh` finds whole new shards.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.annotations.rendered import held_out_items, ray_from_head
from headwise.errors import InputError
from headwise.training.head_samples import Head

LABELS = (
    "rotation_camera",
    "intrinsics",
    "translation_m",
    "points68_px",
    "points68_m",
    "visibility",
    "face_hidden",
    "box",
)


@dataclass(frozen=True)
class Shard:
    """Labels in memory, encoded pictures in a file that is mapped when a worker first reads it."""

    path: Path
    image_offset: NDArray[np.int64]
    mask_offset: NDArray[np.int64]
    labels: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.image_offset) - 1


def read_shard(path: Path) -> Shard:
    """The labels of `shard-XXXXX.npz`; InputError if it lacks one."""
    with np.load(path, allow_pickle=False) as arrays:
        missing = [name for name in (*LABELS, "image_offset", "mask_offset") if name not in arrays]
        if missing:
            raise InputError(f"shard {path} has no {', '.join(missing)}; is it a folder of head crops?")
        labels = {name: arrays[name] for name in LABELS}
        labels["ray_from_head"] = ray_from_head(
            labels["rotation_camera"], labels["points68_m"], labels["intrinsics"], labels["box"]
        ).matrix
        labels["points_depth_px"] = points_depth_px(labels)
        return Shard(path, arrays["image_offset"], arrays["mask_offset"], labels)


def points_depth_px(labels: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """(n, 68) depth of the points about their mean, metres turned into pixels at the head's distance."""
    points_camera = np.einsum("nij,nkj->nki", labels["rotation_camera"], labels["points68_m"])
    depth_m = points_camera[..., 2] - points_camera[..., 2].mean(axis=1, keepdims=True)
    px_per_m = labels["intrinsics"][:, 0] / labels["translation_m"][:, 2]
    depth: NDArray[np.float64] = depth_m * px_per_m[:, None]
    return depth


class CropShards:
    """All heads of a folder but the held-out ones, or those alone."""

    def __init__(self, folder: Path, held_out: bool = False, in_memory: bool = False) -> None:
        self.folder = folder
        self.held_out = held_out
        self.in_memory = in_memory
        self._decoded: dict[tuple[Path, int], NDArray[np.uint8]] = {}
        self._read: dict[str, Shard] = {}
        self._maps: dict[Path, mmap.mmap] = {}
        self._where = np.zeros((0, 2), np.int64)
        self._shards: list[Shard] = []

    def refresh(self, shards: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Take the named shards, or all that are whole by now; InputError if there are none."""
        found = sorted(path.stem for path in self.folder.glob("shard-*.npz"))
        names = tuple(found) if shards is None else shards
        if not names:
            raise InputError(f"no shards in {self.folder}; `headwise synthesize` writes shard-00000.npz, ...")
        for name in names:
            if name not in self._read:
                self._read[name] = read_shard(self.folder / f"{name}.npz")
        self._shards = [self._read[name] for name in names]
        self._where = np.array(list(self._places()), np.int64).reshape(-1, 2)
        if self.in_memory:
            for index in range(len(self)):
                self.picture(index)
                self.mask(index)
        return names

    def _places(self) -> Iterator[tuple[int, int]]:
        """(shard, item) of every head on our side of the held-out line."""
        for s, shard in enumerate(self._shards):
            kept = held_out_items(s, len(shard), len(self._shards))
            yield from ((s, i) for i in range(len(shard)) if (i in kept) is self.held_out)

    def __len__(self) -> int:
        return len(self._where)

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Each head once, shuffled."""
        return rng.permutation(len(self))

    def picture(self, index: int) -> NDArray[np.uint8]:
        """(h, w, 3) uint8 RGB."""
        shard, item = self._find(index)
        return self._decode(shard.path.with_suffix(".bin"), shard.image_offset, item, cv2.IMREAD_COLOR_RGB)

    def mask(self, index: int) -> NDArray[np.uint8] | None:
        """(h, w) uint8, 255 where the head and body are; None if the shard has no masks."""
        shard, item = self._find(index)
        if len(shard.mask_offset) <= item + 1 or shard.mask_offset[item] == shard.mask_offset[item + 1]:
            return None
        return self._decode(shard.path.with_suffix(".mask"), shard.mask_offset, item, cv2.IMREAD_GRAYSCALE)

    def head(self, index: int) -> Head:
        """The labels in our convention."""
        shard, item = self._find(index)
        labels = shard.labels
        return Head(
            labels["ray_from_head"][item],
            labels["points68_px"][item].astype(np.float64),
            labels["points_depth_px"][item],
            labels["visibility"][item].astype(np.float32),
            bool(labels["face_hidden"][item]),
            labels["box"][item].astype(np.float64),
        )

    def _find(self, index: int) -> tuple[Shard, int]:
        shard, item = self._where[index]
        return self._shards[shard], int(item)

    def _decode(self, path: Path, offsets: NDArray[np.int64], item: int, flags: int) -> NDArray[np.uint8]:
        if not self.in_memory:
            return self._decode_from_file(path, offsets, item, flags)
        if (path, item) not in self._decoded:
            self._decoded[path, item] = self._decode_from_file(path, offsets, item, flags)
            self._decoded[path, item].setflags(write=False)
        return self._decoded[path, item]

    def _decode_from_file(
        self, path: Path, offsets: NDArray[np.int64], item: int, flags: int
    ) -> NDArray[np.uint8]:
        if path not in self._maps:
            with path.open("rb") as file:
                self._maps[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        encoded = np.frombuffer(
            self._maps[path], np.uint8, int(offsets[item + 1] - offsets[item]), int(offsets[item])
        )
        picture: Any = cv2.imdecode(encoded, flags)
        if picture is None:
            raise InputError(f"item {item} of {path} cannot be decoded")
        return np.asarray(picture, np.uint8)


def create(*, folder: Path, held_out: bool = False, in_memory: bool = False) -> CropShards:
    """The reader; call `refresh` before use.

    in_memory keeps every picture decoded (150 kB each at 192 px), in memory that forked workers share.
    """
    return CropShards(folder, held_out, in_memory)
