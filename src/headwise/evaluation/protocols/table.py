"""Pose errors on a folder with labels.csv.

Columns: file, yaw_deg, pitch_deg, roll_deg, left, top, right, bottom; more are ignored. Its quirks:

- Angles are in the 300W-LP order. An empty roll means that only the facing direction is labelled
  (Pointing'04): yaw and pitch are then its azimuth and elevation, and no rotation error exists for that item.
- The labels were fitted under weak perspective, so what they say is the rotation relative to the ray through
  the face. The camera is therefore `Camera.distant`, whatever lens took the picture.
- Items with an angle beyond 99 deg are outside the protocol, as in every published AFLW2000-3D table; with an
  empty roll also those with |pitch| above 60 (at 90 an azimuth does not exist). Counted as "excluded".
- The box is that of the 68 points. Detected and moved boxes, missed faces, unreadable pictures:
  `headwise.evaluation.pose_scoring`.
"""

from pathlib import Path

from headwise.annotations.labels_csv import COLUMNS, LABELS_FILE, read_angles_and_box, read_labels
from headwise.errors import InputError
from headwise.evaluation.labels import labels_sha256
from headwise.evaluation.pose_scoring import BoxChoice, PoseItem, PoseList, PoseProtocol


def create(*, boxes: str = "given", perturb: bool = False) -> PoseProtocol:
    """boxes: "given" or "detected". perturb: also score scaled and shifted boxes (given boxes only)."""
    return PoseProtocol(BoxChoice("table", boxes, perturb), list_of)


def list_of(folder: Path) -> PoseList:
    """The items within the protocol's angles. Raises InputError when the list is unusable."""
    listed = read_items(folder)
    items = [item for item in listed if item.in_protocol]
    if not items:
        raise InputError(f"{folder / LABELS_FILE}: all {len(listed)} items lie outside the protocol's angles")
    return PoseList("table", folder.resolve().name, items, len(listed), labels_sha256(folder))


def read_items(folder: Path) -> list[PoseItem]:
    """Every item of the list, in or out of the protocol. Raises InputError naming the line that is wrong."""
    items = []
    for line, row in enumerate(read_labels(folder, COLUMNS), start=2):
        angles_deg, box = read_angles_and_box(folder / LABELS_FILE, line, row)
        items.append(PoseItem(row["file"], folder / row["file"], angles_deg, box))
    return items
