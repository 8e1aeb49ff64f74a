"""One's own pictures with a labels.csv: see `headwise.annotations.labels_csv` and docs/data.md."""

from __future__ import annotations

from pathlib import Path

from headwise.annotations import labels_csv
from headwise.annotations.sets import HELD_OUT_SHARE, is_held_out, without
from headwise.conventions import EulerOrder
from headwise.training.labelled_heads import LabelledHeads


def create(
    *,
    folder: Path,
    held_out: bool = False,
    share: float = HELD_OUT_SHARE,
    order: str = EulerOrder.LP300W,
    excluded: str | None = None,
) -> LabelledHeads:
    """share: of the groups (column group, or else each picture), held out. order: of the angles, "300w-lp" or
    "azimuth". excluded: a text file of items to leave out, one a line.
    """
    faces = labels_csv.open_set(Path(folder), order=order)
    names = without(faces.names, None if excluded is None else Path(excluded))
    return LabelledHeads(faces, names, held_out, lambda group: is_held_out(group, share))
