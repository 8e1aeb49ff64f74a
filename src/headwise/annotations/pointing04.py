"""Pointing'04 (Gourier, Hall, Crowley 2004): 15 people, two series of 93 poses each, 384x288 pixels.

PersonNN/personNNsiitttppp.jpg beside a .txt: s the series, ii the number, then tilt and pan with their signs.
The .txt holds the picture's name, the word Face, and the face's centre x, centre y, width, height.

- Pan + is image left, tilt + is up: azimuth and elevation of the facing direction. No roll is labelled.
- At tilt +-90 the pan is given as 0.
- People were told to look at markers without moving their eyes: the labels are off by several degrees.
- The folder Front repeats frontal pictures and is left aside.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import numpy as np

from headwise.annotations.files import Files, open_files
from headwise.annotations.sets import (
    DataCheck,
    FaceSet,
    LabelledFace,
    Progress,
    SetFacts,
    check_faces,
    from_angles,
)
from headwise.boxes import Box
from headwise.conventions import EulerOrder
from headwise.errors import BoxError, InputError

PEOPLE, POSES, SERIES = 15, 93, 2
FACTS = SetFacts(
    name="pointing04",
    title="Pointing'04 head pose image database",
    items=PEOPLE * POSES * SERIES,
    parts={f"Person{person:02}": POSES * SERIES for person in range(1, PEOPLE + 1)},
    download="HeadPoseImageDatabase.tar.gz, 30 MB",
    licence="any purpose if the paper is cited",
    address="http://crowley-coutaz.fr/Head%20Pose%20Image%20Database.html",
    citation="Gourier, Hall, Crowley: Estimating Face Orientation from Robust Detection of Salient Facial "
    "Features. Pointing'04 (ICPR) 2004",
)
PICTURE = re.compile(
    r"(^|/)Person(?P<person>\d\d)/person(ne)?(?P=person)[12]\d\d(?P<tilt>[+-]\d+)(?P<pan>[+-]\d+)\.jpg$"
)


def open_set(path: Path) -> FaceSet:
    """The items of an unpacked folder or the archive. Raises InputError when there are none."""
    files = open_files(path)
    names = tuple(name for name in files.names if PICTURE.search(name))
    if not names:
        raise InputError(f"{path}: no pictures PersonNN/personNN...jpg; is it Pointing'04? {FACTS.address}")

    def read_face(name: str) -> LabelledFace:
        return from_angles(angles_of(name), EulerOrder.AZIMUTH, read_box(files, name))

    return FaceSet(FACTS, files, names, read_face, group_of=person_of, part_of=person_of)


def person_of(name: str) -> str:
    """The folder: Person01, ..."""
    return PurePosixPath(name).parent.name


def angles_of(name: str) -> tuple[float, float, float]:
    """Azimuth, elevation and an unknown roll, from the file's name."""
    found = PICTURE.search(name)
    if found is None:
        raise InputError(f"{name}: no name of Pointing'04 (personNNsii+tilt+pan.jpg)")
    return float(found["pan"]), float(found["tilt"]), float(np.nan)


def read_box(files: Files, name: str) -> Box:
    """The labelled face. Raises InputError."""
    where = str(PurePosixPath(name).with_suffix(".txt"))
    words = files.read(where).decode("latin-1").split()
    try:
        x, y, width, height = (float(word) for word in words[words.index("Face") + 1 :][:4])
        return Box.from_center((x, y), width, height)
    except (ValueError, BoxError) as error:
        raise InputError(f"{where}: needs the word Face and x, y, width, height; got {words[:6]}") from error


def check(path: Path, progress: Progress) -> DataCheck:
    """Every label and picture, and labels without a picture."""
    faces = open_set(path)
    known = set(faces.names)
    texts = (name for name in faces.files.names if name.endswith(".txt"))
    pictures = (str(PurePosixPath(name).with_suffix(".jpg")) for name in texts)
    return check_faces(faces, progress, [p for p in pictures if PICTURE.search(p) and p not in known])
