"""AFLW2000-3D, the official folder or zip.

- Of 2000 pictures those with an angle beyond 99 deg are left out, as in every published table: 1969 stay. The
  report's `items` says how many were scored: any other number is another list.
- Angles are in the 300W-LP order, decoded to yaw within +-90 as published tests do; errors are wrapped at
  360 degrees only. (6DRepNet's code folds at 180 too, and scores a face seen the wrong way round as right.)
- Some labels are known to be wrong. They stay in: leaving them out makes numbers that nobody can compare.
- The box is that of the 68 points and the crop is the model's own, since the rule travels in its file.
  Published crops widen that box: with k = .2 Hopenet and 6DRepNet add 2k of its width at each side, 2k of its
  height above and .6k below, then shrink to 256 and cut the middle 224.
- Fitted under weak perspective: rotations are relative to the ray through the face.
"""

from pathlib import Path

from headwise.annotations import aflw2000
from headwise.evaluation.face_sets import pose_item, pose_list
from headwise.evaluation.pose_scoring import BoxChoice, PoseList, PoseProtocol


def create(*, boxes: str = "given", perturb: bool = False) -> PoseProtocol:
    """boxes: "given" or "detected". perturb: also score scaled and shifted boxes (given boxes only)."""
    return PoseProtocol(BoxChoice("aflw2000", boxes, perturb), list_of)


def list_of(folder: Path) -> PoseList:
    """The items within the protocol's angles. Raises InputError when the set cannot be read."""
    faces = aflw2000.open_set(folder)
    listed = [pose_item(faces, name) for name in faces.names]
    items = [item for item in listed if item.in_protocol]
    return pose_list("aflw2000", faces, items, len(listed))
