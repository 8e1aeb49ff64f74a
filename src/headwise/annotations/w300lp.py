"""300W-LP: photographs of AFW, HELEN, IBUG and LFPW, turned to larger yaw in the picture, all mirrored too.

Folders AFW, AFW_Flip, HELEN, ... hold NAME_k.jpg beside NAME_k.mat; k = 0 is the photograph, others are
turned copies. Folder landmarks/AFW, ... holds NAME_k_pts.mat.

- Points are `pts_3d` of landmarks/: projected points of the fitted face, the far jaw included. `pt2d` beside
  the picture is of the photograph before it was turned, so it is not used.
- landmarks/ has no _Flip: those points are the original's, mirrored and renamed.
- A flip has its own Pose_Para, which is not exactly the mirror image of the original's; it is used as it is.
- One photograph gave up to 36 pictures; `group_of` keeps them together, and with them all faces of it.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from headwise.annotations import fitted
from headwise.annotations.files import open_files
from headwise.annotations.matlab import array, read_mat
from headwise.annotations.sets import (
    DataCheck,
    FaceSet,
    LabelledFace,
    Progress,
    SetFacts,
    box_of_points,
    check_faces,
    from_angles,
)
from headwise.conventions import FLIP_68, EulerOrder
from headwise.errors import InputError

PARTS = {"AFW": 5207, "HELEN": 37676, "IBUG": 1786, "LFPW": 16556}
FLIP = "_Flip"
WIDTH_PX = 450
"""Of every picture: what a flip is mirrored within."""

FACTS = SetFacts(
    name="w300lp",
    title="300W-LP (300W across large poses)",
    items=122_450,
    parts={part + flip: count for part, count in PARTS.items() for flip in ("", FLIP)},
    download="300W-LP.zip, 2.8 GB",
    licence="research, non-commercial (that of 300-W)",
    address="http://www.cbsr.ia.ac.cn/users/xiangyuzhu/projects/3DDFA/main.htm",
    citation="Zhu, Lei, Liu, Shi, Li: Face Alignment Across Large Poses: A 3D Solution. CVPR 2016",
    sha256="250c366c417ad48f72522b629ff83dbb2b2a57945803ad4a530a696bb6b13ee7",  # TensorFlow Datasets
)
ITEM = re.compile(rf"(?:^|/)(?P<part>({'|'.join(PARTS)})({FLIP})?)/[^/]+\.(jpg|mat)$")


def open_set(path: Path) -> FaceSet:
    """The items of an unpacked folder or the zip. Raises InputError when there are none."""
    files = open_files(path)
    names = tuple(name for name in files.names if name.endswith(".jpg") and ITEM.search(name))
    if not names:
        raise InputError(f"{path}: no folders AFW, HELEN, IBUG, LFPW with pictures; {FACTS.address}")

    def read_face(name: str) -> LabelledFace:
        label = str(PurePosixPath(name).with_suffix(".mat"))
        angles_deg = fitted.angles_deg(read_mat(files.read(label), label), label)
        where = landmarks_of(name)
        points_px = fitted.points_px(array(read_mat(files.read(where), where), "pts_3d", (68, 2), where))
        if part_of(name).endswith(FLIP):
            points_px = (points_px * (-1, 1) + (WIDTH_PX, 0))[FLIP_68]
        return from_angles(angles_deg, EulerOrder.LP300W, box_of_points(points_px, where), points_px)

    return FaceSet(FACTS, files, names, read_face, group_of=group_of, part_of=part_of)


def part_of(name: str) -> str:
    """The folder: AFW, AFW_Flip, ..."""
    return PurePosixPath(name).parent.name


def group_of(name: str) -> str:
    """The photograph that a picture was made from, the same for its turned and mirrored copies."""
    stem = PurePosixPath(name).stem.replace(FLIP, "")
    part = part_of(name).removesuffix(FLIP)
    copies = r"_\d+$" if part == "LFPW" else r"_\d+_\d+$"  # elsewhere the number of the face comes first
    return f"{part}/{re.sub(copies, '', stem)}"


def landmarks_of(name: str) -> str:
    """The file of the points: landmarks/AFW/NAME_k_pts.mat beside the folders of pictures."""
    path = PurePosixPath(name)
    part = path.parent.name.removesuffix(FLIP)
    return str(path.parents[1] / "landmarks" / part / f"{path.stem.replace(FLIP, '')}_pts.mat")


def check(path: Path, progress: Progress) -> DataCheck:
    """Every label and picture, labels without a picture, and the landmarks."""
    faces = open_set(path)
    known = set(faces.names)
    labels = [name for name in faces.files.names if name.endswith(".mat") and _is_label(name)]
    pictures = (str(PurePosixPath(name).with_suffix(".jpg")) for name in labels)
    lacking = [name for name in pictures if name not in known]
    if not any("/landmarks/" in f"/{name}" for name in faces.files.names):
        lacking.append("landmarks/ (the points; without them no item can be used)")
    return check_faces(faces, progress, lacking)


def _is_label(name: str) -> bool:
    return ITEM.search(name) is not None and "/landmarks/" not in f"/{name}"
