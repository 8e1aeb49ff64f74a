"""Published sets as lists to be scored: the step from `headwise.annotations` to `pose_scoring`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from headwise.annotations.sets import FaceSet
from headwise.boxes import Box
from headwise.evaluation.outcome import Image, Json
from headwise.evaluation.pose_scoring import PoseItem, PoseList, labels_fingerprint


def pose_item(faces: FaceSet, name: str) -> PoseItem:
    """An item with the angles and the box as published. Raises InputError when its label cannot be read: a
    benchmark whose labels are broken is none.
    """
    face = faces.face(name)
    return item_of(faces, name, face.angles_deg, face.box)


def item_of(faces: FaceSet, name: str, angles_deg: tuple[float, float, float], box: Box) -> PoseItem:
    """An item with other angles or another box than the set's."""
    return PoseItem(name, faces.files.path / PurePosixPath(name), angles_deg, box)


def pose_list(
    protocol: str, faces: FaceSet, items: Sequence[PoseItem], listed: int, notes: Json | None = None
) -> PoseList:
    """The items of a set; their pictures are read through it, from a folder or an archive."""

    def read(item: PoseItem) -> Image:
        picture: Any = faces.picture(item.file)
        image: Image = picture
        return image

    return PoseList(
        protocol=protocol,
        name=faces.files.path.resolve().name,
        items=items,
        listed=listed,
        labels_sha256=labels_fingerprint(items),
        read=read,
        notes=notes or {},
    )
