"""A published set of labelled faces as a data set of heads: pictures decoded when they are drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headwise.annotations.sets import FaceSet, LabelledFace
from headwise.errors import InputError
from headwise.training.head_samples import Head
from headwise.training.pixels import Picture

UNKNOWN = np.full(68, np.nan)


class LabelledHeads:
    """The faces of a set on one side of its held-out line; see `headwise.training.head_samples.Heads`.

    is_held_out: of a group of the set (`FaceSet.group_of`), so that copies stay on one side. A label or a
    picture that cannot be read raises InputError when it is drawn: nothing is skipped in silence.
    """

    def __init__(
        self, faces: FaceSet, names: tuple[str, ...], held_out: bool, is_held_out: Callable[[str], bool]
    ) -> None:
        self.faces = faces
        self.names = tuple(name for name in names if is_held_out(faces.group_of(name)) == held_out)
        if not self.names:
            side = "held-out" if held_out else "training"
            raise InputError(
                f"{faces.files.path}: none of the {len(names)} items of {faces.facts.name} are {side} ones; "
                "its options choose which are held out"
            )
        if held_out:  # validation takes the first ones, which shall not all be of one recording
            self.names = tuple(sorted(self.names, key=_scattered))

    def __len__(self) -> int:
        return len(self.names)

    def refresh(self, shards: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """The fingerprint of the list; InputError if a run that is resumed began with another one."""
        fingerprint = hashlib.sha256("\n".join(self.names).encode()).hexdigest()[:16]
        mine = (f"{self.faces.facts.name}-{len(self.names)}-{fingerprint}",)
        if shards is not None and shards != mine:
            began = ", ".join(shards) or "nothing"
            raise InputError(
                f"{self.faces.files.path}: holds {mine[0]}, the run began with {began}: give it the same"
            )
        return mine

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Each face once, shuffled."""
        return rng.permutation(len(self))

    def picture(self, index: int) -> Picture:
        """(h, w, 3) uint8 RGB."""
        return self.faces.picture(self.names[index])

    def mask(self, index: int) -> Picture | None:
        """(h, w) uint8, 255 on the head; None where the set has none."""
        return self.faces.mask(self.names[index])

    def head(self, index: int) -> Head:
        """The labels in our convention."""
        return head_of(self.faces.face(self.names[index]))


def head_of(face: LabelledFace) -> Head:
    """What a face's label says of a head. Which points are hidden, no set says."""
    points = np.full((68, 2), np.nan) if face.points_px is None else face.points_px
    depth = UNKNOWN if face.points_depth_px is None else face.points_depth_px
    toward_the_lens = bool(face.rotation.facing[2] < 0)
    return Head(
        face.rotation.matrix,
        points,
        depth,
        UNKNOWN.astype(np.float32),
        False if toward_the_lens else None,
        np.array([*face.box]),
        face.roll_known,
    )


def _scattered(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
