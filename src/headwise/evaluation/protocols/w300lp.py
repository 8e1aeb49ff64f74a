"""Validation on 300W-LP: the photographs that training on it leaves out (official folder or zip).

- The split is by photograph: the SHA-256 of its name decides, so that it is the same on every machine, and
  flips, turned copies and other faces of a photograph are on one side. `share` must be the one that was
  trained with.
- Otherwise as aflw2000: angles in the 300W-LP order, items beyond 99 deg left out, boxes of the 68 points.
- Copies of large yaw are rendered from the photograph: numbers here are no numbers on photographs.
"""

from functools import partial
from pathlib import Path

from headwise.annotations import w300lp
from headwise.annotations.sets import HELD_OUT_SHARE, is_held_out
from headwise.errors import InputError, SettingsError
from headwise.evaluation.face_sets import pose_item, pose_list
from headwise.evaluation.pose_scoring import BoxChoice, PoseList, PoseProtocol


def create(*, boxes: str = "given", perturb: bool = False, share: float = HELD_OUT_SHARE) -> PoseProtocol:
    """boxes: "given" or "detected". perturb: also score scaled and shifted boxes. share: of the photographs
    that are held out, 1.0: all.
    """
    if not 0 < share <= 1:
        raise SettingsError(f"w300lp: share lies above 0 and up to 1, got {share:g}")
    return PoseProtocol(BoxChoice("w300lp", boxes, perturb), partial(list_of, share=share))


def list_of(folder: Path, share: float) -> PoseList:
    """The held-out photographs. Raises InputError when they cannot be read."""
    faces = w300lp.open_set(folder)
    names = [name for name in faces.names if is_held_out(faces.group_of(name), share)]
    if not names:
        raise InputError(f"{folder}: none of {len(faces.names)} pictures are held out at share {share:g}")
    listed = [pose_item(faces, name) for name in names]
    items = [item for item in listed if item.in_protocol]
    notes = {"share": share, "photographs": len({faces.group_of(item.file) for item in items})}
    return pose_list("w300lp", faces, items, len(listed), notes)
