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

from dataclasses import dataclass
from pathlib import Path

from headwise.annotations.labels_csv import COLUMNS, LABELS_FILE, read_angles_and_box, read_labels
from headwise.errors import InputError
from headwise.evaluation.labels import labels_sha256
from headwise.evaluation.outcome import Outcome, Tools
from headwise.evaluation.pose_scoring import BoxChoice, PoseItem, PoseList, score_poses


def create(*, boxes: str = "given", perturb: bool = False) -> "Table":
    """boxes: "given" or "detected". perturb: also score scaled and shifted boxes (given boxes only)."""
    return Table(BoxChoice("table", boxes, perturb))


@dataclass(frozen=True)
class Table:
    """The protocol with its options set."""

    choice: BoxChoice

    @property
    def needs_poses(self) -> bool:
        return True

    @property
    def needs_detector(self) -> bool:
        return self.choice.detected

    def run(self, folder: Path, tools: Tools) -> Outcome:
        """Score the folder. Raises InputError when the list is unusable."""
        listed = read_items(folder)
        items = [item for item in listed if item.in_protocol]
        if not items:
            raise InputError(
                f"{folder / LABELS_FILE}: all {len(listed)} items lie outside the protocol's angles"
            )
        name = folder.resolve().name
        return score_poses(
            PoseList("table", name, items, len(listed), labels_sha256(folder)), self.choice, tools
        )


def read_items(folder: Path) -> list[PoseItem]:
    """Every item of the list, in or out of the protocol. Raises InputError naming the line that is wrong."""
    items = []
    for line, row in enumerate(read_labels(folder, COLUMNS), start=2):
        angles_deg, box = read_angles_and_box(folder / LABELS_FILE, line, row)
        items.append(PoseItem(row["file"], folder / row["file"], angles_deg, box))
    return items
