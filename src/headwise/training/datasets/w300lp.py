"""300W-LP, the official folder or zip: see `headwise.annotations.w300lp` and docs/data.md."""

from __future__ import annotations

from pathlib import Path

from headwise.annotations import w300lp
from headwise.annotations.sets import HELD_OUT_SHARE, is_held_out, without
from headwise.training.labelled_heads import LabelledHeads


def create(
    *, folder: Path, held_out: bool = False, share: float = HELD_OUT_SHARE, excluded: str | None = None
) -> LabelledHeads:
    """share: of the photographs, held out with all their copies, the same that the protocol w300lp scores.

    excluded: a text file of items to leave out, one a line.
    """
    faces = w300lp.open_set(Path(folder))
    names = without(faces.names, None if excluded is None else Path(excluded))
    return LabelledHeads(faces, names, held_out, lambda group: is_held_out(group, share))
