"""AFLW2000-3D, the official folder or zip: see `headwise.annotations.aflw2000`. A benchmark: who trains on it
cannot be scored on it.
"""

from __future__ import annotations

from pathlib import Path

from headwise.annotations import aflw2000
from headwise.annotations.sets import HELD_OUT_SHARE, is_held_out, without
from headwise.training.labelled_heads import LabelledHeads


def create(
    *, folder: Path, held_out: bool = False, share: float = HELD_OUT_SHARE, excluded: str | None = None
) -> LabelledHeads:
    """share: of the pictures, held out. excluded: a text file of items to leave out, one a line."""
    faces = aflw2000.open_set(Path(folder))
    names = without(faces.names, None if excluded is None else Path(excluded))
    return LabelledHeads(faces, names, held_out, lambda group: is_held_out(group, share))
