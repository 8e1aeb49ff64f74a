"""What all sets of labelled faces have in common: the values they are read into, and their check."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.annotations.files import Files
from headwise.boxes import Box
from headwise.conventions import EulerOrder
from headwise.errors import GeometryError, InputError
from headwise.pictures import decode_picture
from headwise.rotation import Rotation

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]
Progress = Callable[[int, int], None]
"""Told (items done, items in all)."""

HELD_OUT_SHARE = 0.02
"""Of the groups of a set: kept from training, scored by its validation."""


@dataclass(frozen=True, eq=False)
class LabelledFace:
    """One face of a picture, in our convention.

    angles_deg: yaw, pitch, roll as published, in `order`; a NaN roll means that only the facing direction is
    labelled. rotation: ray_from_head, relative to the ray through the centre of the box; roll 0 where it is
    not labelled. points_px (68, 2) and points_depth_px (68,), away from the lens with mean 0, or None.
    """

    angles_deg: tuple[float, float, float]
    order: EulerOrder
    rotation: Rotation
    box: Box
    points_px: Floats | None = None
    points_depth_px: Floats | None = None

    @property
    def roll_known(self) -> bool:
        return not np.isnan(self.angles_deg[2])


def from_angles(
    angles_deg: tuple[float, float, float],
    order: EulerOrder,
    box: Box,
    points_px: Floats | None = None,
    points_depth_px: Floats | None = None,
) -> LabelledFace:
    """A face whose label is angles relative to its own ray, as all weak-perspective fits are.

    A NaN roll: yaw and pitch are azimuth and elevation of where the face looks, whatever the order.
    """
    yaw, pitch, roll = angles_deg
    if np.isnan(roll):
        rotation = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=yaw, pitch_deg=pitch, roll_deg=0)
    else:
        rotation = Rotation.from_euler(order, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
    return LabelledFace(angles_deg, order, rotation, box, points_px, points_depth_px)


def box_of_points(points_px: Floats, name: str) -> Box:
    """The 68-point box. Raises InputError when the points have no extent."""
    try:
        return Box.from_points(points_px)
    except GeometryError as error:
        raise InputError(f"{name}: {error}") from error


@dataclass(frozen=True)
class SetFacts:
    """What is published about a set. `parts`: how many items each part holds, where that is known.

    sha256: of the archive as it is handed out, None where nobody has published one.
    """

    name: str
    title: str
    items: int | None
    parts: dict[str, int]
    download: str
    licence: str
    address: str
    citation: str
    sha256: str | None = None


@dataclass(frozen=True)
class FaceSet:
    """Items of an opened set, by the name of their picture. Labels and pictures are read when asked for.

    group_of: pictures of one origin (copies, flips, frames of one recording) share a group: a split that
    divides one is no split. part_of: the part that the published counts speak of.
    """

    facts: SetFacts
    files: Files
    names: tuple[str, ...]
    read_face: Callable[[str], LabelledFace] = field(repr=False)
    group_of: Callable[[str], str] = field(repr=False)
    part_of: Callable[[str], str] = field(repr=False)
    read_mask: Callable[[str], Picture | None] = field(repr=False, default=lambda _name: None)

    def picture(self, name: str) -> Picture:
        """(h, w, 3) RGB. Raises InputError."""
        return decode_picture(self.files.read(name), name)

    def face(self, name: str) -> LabelledFace:
        """The label. Raises InputError."""
        return self.read_face(name)

    def mask(self, name: str) -> Picture | None:
        """(h, w) uint8, 255 on the head; None where there is none. Raises InputError."""
        return self.read_mask(name)


def is_held_out(group: str, share: float = HELD_OUT_SHARE) -> bool:
    """Whether a group is kept from training: by the SHA-256 of its name, the same on every machine."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") < share * 2**64


@dataclass(frozen=True)
class PartCheck:
    """Items of one part; expected None: nothing is published."""

    name: str
    found: int
    expected: int | None


@dataclass(frozen=True)
class DataCheck:
    """What a check found.

    broken_items: name and cause of every item that cannot be used. lacking: files that belong to the set and
    are not there. as_published: whether the archive has the published checksum; None: nothing to compare.
    """

    facts: SetFacts
    path: Path
    parts: tuple[PartCheck, ...]
    broken_items: tuple[tuple[str, str], ...]
    lacking: tuple[str, ...] = ()
    as_published: bool | None = None

    @property
    def broken(self) -> tuple[str, ...]:
        """One line for each broken item: its name, then what is wrong."""
        return tuple(f"{name}: {cause.removeprefix(f'{name}: ')}" for name, cause in self.broken_items)

    @property
    def broken_names(self) -> tuple[str, ...]:
        """The items to be left out: what `without` reads."""
        return tuple(name for name, _ in self.broken_items)

    @property
    def found(self) -> int:
        return sum(part.found for part in self.parts)

    @property
    def usable(self) -> bool:
        """Whether at least one item is whole."""
        return self.found > len(self.broken_items)

    @property
    def complete(self) -> bool:
        """Whether everything that is published is there and whole."""
        counted = all(part.expected in (None, part.found) for part in self.parts)
        total = self.facts.items in (None, self.found)
        return self.usable and counted and total and not self.broken_items and not self.lacking


def check_faces(
    faces: FaceSet,
    progress: Progress,
    lacking: Iterable[str] = (),
    check_more: Callable[[str], object] = lambda _name: None,
) -> DataCheck:
    """Read every label and decode every picture of a set.

    check_more: raises InputError for what else may be wrong with an item.
    """
    broken = []
    for done, name in enumerate(faces.names, start=1):
        try:
            faces.face(name)
            faces.picture(name)
            faces.mask(name)
            check_more(name)
        except InputError as error:
            broken.append((name, str(error)))
        progress(done, len(faces.names))
    found = Counter(faces.part_of(name) for name in faces.names)
    parts = {**dict.fromkeys(faces.facts.parts, 0), **found}
    return DataCheck(
        facts=faces.facts,
        path=faces.files.path,
        parts=tuple(PartCheck(p, n, faces.facts.parts.get(p)) for p, n in sorted(parts.items())),
        broken_items=tuple(broken),
        lacking=tuple(lacking),
        as_published=_as_published(faces),
    )


def _as_published(faces: FaceSet) -> bool | None:
    if faces.facts.sha256 is None or not faces.files.path.is_file():
        return None
    with faces.files.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == faces.facts.sha256


def without(names: Iterable[str], excluded: Path | None) -> tuple[str, ...]:
    """The names but those listed in a text file, one a line (what `headwise data check --broken` writes).

    Raises InputError for a list that cannot be read or that names what is not there: a typing error must not
    let a broken item back in.
    """
    names = tuple(names)
    if excluded is None:
        return names
    try:
        listed = {line.strip() for line in excluded.read_text(encoding="utf-8").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{excluded}: the list of excluded items cannot be read ({error})") from error
    strange = sorted(listed - set(names))
    if strange:
        raise InputError(f"{excluded}: {strange[0]} is no item of this data set ({len(strange)} such lines)")
    return tuple(name for name in names if name not in listed)
