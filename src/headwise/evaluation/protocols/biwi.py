"""BIWI Kinect Head Pose, the official folder.

split="all" is protocol 1 of the literature: everything is tested, nothing of it was trained on. split="test"
is the 30 % of protocol 2: 8 recordings (`annotations.biwi.TEST_SEQUENCES`), nobody of which is in the 16 that
`training/datasets/biwi` trains on. Published splits do not say their recordings.

- angles="published": as every published loader reads pose.txt, the depth camera's frame in the 300W-LP order,
  held against what a network says of a crop. A head beside the middle then has a label that its crop does not
  show. angles="ray": as the colour camera sees the head, relative to the ray through it. The first can be
  compared with tables, the second is right.
- There are no landmarks, so boxes="given" is a cube about the labelled head's centre, and boxes="detected"
  takes the detection that overlaps it. box_list=FILE takes published boxes (OPAL's biwi_ann.txt); frames that
  it lacks are counted as "excluded".
- Frames in which no face is found: "mae" is over the found ones, "mae_with_missed" over all. FSA-Net's list
  leaves out 15 % of the frames without a word; frames=FILE scores a published list, whatever it holds.
- BIWI's head frames and 300W-LP's differ by a constant: "mae" is the plain number, "aligned" the one with the
  mean rotation taken out. Only equals can be compared.
"""

from dataclasses import dataclass
from pathlib import Path

from headwise.annotations import biwi
from headwise.annotations.sets import FaceSet, LabelledFace
from headwise.boxes import Box
from headwise.conventions import EulerOrder
from headwise.errors import InputError, SettingsError
from headwise.evaluation.face_sets import item_of, pose_list
from headwise.evaluation.pose_scoring import BoxChoice, PoseItem, PoseList, PoseProtocol

SPLITS = ("all", "test")
ANGLES = ("published", "ray")


def create(
    *,
    boxes: str = "given",
    perturb: bool = False,
    split: str = "all",
    angles: str = "published",
    frames: str | None = None,
    box_list: str | None = None,
) -> PoseProtocol:
    """boxes: "given" or "detected". perturb: also score scaled and shifted boxes. split: "all" or "test".
    angles: "published" or "ray". frames, box_list: files of published frames and boxes.
    """
    for name, value, allowed in (("split", split, SPLITS), ("angles", angles, ANGLES)):
        if value not in allowed:
            raise SettingsError(f"biwi: no {name} {value!r}; there are: {', '.join(allowed)}")
    choice = Choice(
        split, angles, None if frames is None else Path(frames), None if box_list is None else Path(box_list)
    )
    return PoseProtocol(BoxChoice("biwi", boxes, perturb), choice.list_of)


@dataclass(frozen=True)
class Choice:
    """Which frames, which angles, whose boxes."""

    split: str
    angles: str
    frames: Path | None
    box_list: Path | None

    def list_of(self, folder: Path) -> PoseList:
        """The chosen frames. Raises InputError when they or a list cannot be read."""
        faces = biwi.open_set(folder)
        names = [name for name in faces.names if self._in_split(name)]
        chosen = names if self.frames is None else _listed(names, self.frames)
        items = self._items(faces, chosen)
        notes = {
            "split": self.split,
            "recordings": sorted({biwi.sequence_of(item.file) for item in items}),
            "angles": self.angles,
            "frames": None if self.frames is None else self.frames.name,
            "box_list": None if self.box_list is None else self.box_list.name,
        }
        return pose_list("biwi", faces, items, len(names), notes)

    def _in_split(self, name: str) -> bool:
        return self.split == "all" or biwi.sequence_of(name) in biwi.TEST_SEQUENCES

    def _items(self, faces: FaceSet, names: list[str]) -> list[PoseItem]:
        listed = None if self.box_list is None else biwi.read_boxes(self.box_list)
        items = []
        for name in names:
            face = faces.face(name)
            box: Box | None = face.box if listed is None else listed.get(biwi.frame_of(name))
            if box is not None:
                items.append(item_of(faces, name, self._angles_deg(face), box))
        return items

    def _angles_deg(self, face: LabelledFace) -> tuple[float, float, float]:
        if self.angles == "published":
            return face.angles_deg
        euler = face.rotation.euler(EulerOrder.LP300W)
        return float(euler.yaw_deg), float(euler.pitch_deg), float(euler.roll_deg)


def _listed(names: list[str], where: Path) -> list[str]:
    by_frame = {biwi.frame_of(name): name for name in names}
    frames = biwi.read_frames(where)
    missing = [frame for frame in frames if frame not in by_frame]
    if missing:
        raise InputError(f"{where}: {missing[0]} and {len(missing) - 1} more are not in the folder or split")
    return [by_frame[frame] for frame in frames]
