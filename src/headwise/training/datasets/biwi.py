"""BIWI Kinect Head Pose, the official folder: see `headwise.annotations.biwi` and docs/data.md.

Held out are the 8 recordings that the protocol biwi scores with split="test"; nobody is in both parts.
"""

from __future__ import annotations

from pathlib import Path

from headwise.annotations import biwi
from headwise.annotations.sets import without
from headwise.training.labelled_heads import LabelledHeads


def create(*, folder: Path, held_out: bool = False, excluded: str | None = None) -> LabelledHeads:
    """excluded: a text file of items to leave out, one a line."""
    faces = biwi.open_set(Path(folder))
    names = without(faces.names, None if excluded is None else Path(excluded))
    return LabelledHeads(faces, names, held_out, lambda sequence: sequence in biwi.TEST_SEQUENCES)
