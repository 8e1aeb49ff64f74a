"""Pointing'04, the official folder or archive: see `headwise.annotations.pointing04`.

Only the facing direction is labelled (`Head.roll_known` is False), and coarsely. At tilt +-90 even the pan
says nothing: those pictures are left aside, as the protocol does with tilts beyond 60.
"""

from __future__ import annotations

from pathlib import Path

from headwise.annotations import pointing04
from headwise.annotations.sets import without
from headwise.training.labelled_heads import LabelledHeads

HELD_OUT_PEOPLE = ("Person14", "Person15")
STEEPEST_TILT_DEG = 60.0


def create(*, folder: Path, held_out: bool = False, excluded: str | None = None) -> LabelledHeads:
    """Held out are two people. excluded: a text file of items to leave out, one a line."""
    faces = pointing04.open_set(Path(folder))
    names = without(faces.names, None if excluded is None else Path(excluded))
    level = tuple(name for name in names if abs(pointing04.angles_of(name)[1]) <= STEEPEST_TILT_DEG)
    return LabelledHeads(faces, level, held_out, HELD_OUT_PEOPLE.__contains__)
