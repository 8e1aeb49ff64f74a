"""Pointing'04, the official folder or archive: 15 people, 93 poses, two series.

- Pan and tilt are azimuth and elevation of the facing direction; no roll is labelled, so there is no rotation
  error. The report's order is "azimuth".
- Tilts of +-90 are left out: an azimuth does not exist there. 2730 of 2790 pictures stay.
- The labels are coarse: people turned to markers, and the markers' angles are the labels. Errors below some
  5 deg say nothing.
- The box is the face that the authors marked, which is not that of the 68 points; boxes="detected" is what
  the product would see.
- Published numbers for this set are of networks trained on it, by leaving one person or one series out.
"""

from pathlib import Path

from headwise.annotations import pointing04
from headwise.evaluation.face_sets import pose_item, pose_list
from headwise.evaluation.pose_scoring import BoxChoice, PoseList, PoseProtocol


def create(*, boxes: str = "given", perturb: bool = False) -> PoseProtocol:
    """boxes: "given" or "detected". perturb: also score scaled and shifted boxes (given boxes only)."""
    return PoseProtocol(BoxChoice("pointing04", boxes, perturb), list_of)


def list_of(folder: Path) -> PoseList:
    """The items within the protocol's angles. Raises InputError when the set cannot be read."""
    faces = pointing04.open_set(folder)
    listed = [pose_item(faces, name) for name in faces.names]
    items = [item for item in listed if item.in_protocol]
    notes = {"people": len({faces.group_of(item.file) for item in items})}
    return pose_list("pointing04", faces, items, len(listed), notes)
