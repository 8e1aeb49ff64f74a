"""AFLW2000-3D: 2000 photographs, image00002.jpg beside image00002.mat.

- `pt2d` of the .mat holds 21 points of AFLW with -1 where one is hidden; `pt3d_68` is what counts.
- Some labels are known to be wrong (3DDFA issue 192). They stay: every published number has them.
- Published scores leave out items with an angle beyond 99 deg, which leaves 1969.
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
from headwise.conventions import EulerOrder
from headwise.errors import InputError

FACTS = SetFacts(
    name="aflw2000",
    title="AFLW2000-3D",
    items=2000,
    parts={},
    download="AFLW2000-3D.zip, 87 MB",
    licence="research, non-commercial (that of AFLW)",
    address="http://www.cbsr.ia.ac.cn/users/xiangyuzhu/projects/3DDFA/main.htm",
    citation="Zhu, Lei, Liu, Shi, Li: Face Alignment Across Large Poses: A 3D Solution. CVPR 2016",
    sha256="252bc35274d65ff27b6e573aa96c2f4c116ad88452cc984fb882258c0ed6e2d8",  # TensorFlow Datasets
)
PICTURE = re.compile(r"(^|/)image\d{5}\.jpg$")


def open_set(path: Path) -> FaceSet:
    """The items of an unpacked folder or the zip. Raises InputError when there are none."""
    files = open_files(path)
    names = tuple(name for name in files.names if PICTURE.search(name))
    if not names:
        raise InputError(f"{path}: no pictures imageNNNNN.jpg; is it AFLW2000-3D? {FACTS.address}")

    def read_face(name: str) -> LabelledFace:
        label = str(PurePosixPath(name).with_suffix(".mat"))
        values = read_mat(files.read(label), label)
        points = array(values, "pt3d_68", (3, 68), label).T
        points_px = fitted.points_px(points)
        return from_angles(
            fitted.angles_deg(values, label),
            EulerOrder.LP300W,
            box_of_points(points_px, label),
            points_px,
            fitted.points_depth_px(points[:, 2]),
        )

    return FaceSet(
        FACTS,
        files,
        names,
        read_face,
        group_of=lambda name: PurePosixPath(name).stem,
        part_of=lambda _: "all",
    )


def check(path: Path, progress: Progress) -> DataCheck:
    """Every label and picture, and labels without a picture."""
    faces = open_set(path)
    known = set(faces.names)
    labels = (name for name in faces.files.names if re.search(r"(^|/)image\d{5}\.mat$", name))
    pictures = (str(PurePosixPath(name).with_suffix(".jpg")) for name in labels)
    return check_faces(faces, progress, [name for name in pictures if name not in known])
