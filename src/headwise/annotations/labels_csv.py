"""A folder of one's own: labels.csv and the pictures it names. One line is one face.

Columns: file, yaw_deg, pitch_deg, roll_deg, left, top, right, bottom; `group` if there is one (a person, a
recording: kept together by splits); others are ignored. Boxes are those of the 68 points, in pixels. Angles
are relative to the ray through the face, in the order that the reader is told, 300W-LP's by default. An empty
roll: only the facing direction is known, and yaw and pitch are its azimuth and elevation.

A row that is not understood stops the reader: no label is skipped.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from headwise.annotations.files import open_files
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
from headwise.errors import BoxError, InputError, SettingsError
from headwise.pictures import cause

LABELS_FILE = "labels.csv"
COLUMNS = ("file", "yaw_deg", "pitch_deg", "roll_deg", "left", "top", "right", "bottom")
FACTS = SetFacts(
    name="labels_csv",
    title="a folder with labels.csv (docs/data.md)",
    items=None,
    parts={},
    download="-",
    licence="yours",
    address="-",
    citation="-",
)

Row = dict[str, str]


def open_set(path: Path, *, order: str = EulerOrder.LP300W) -> FaceSet:
    """The lines of labels.csv in a folder, zip or tar. Raises InputError naming the line that is wrong."""
    if order not in tuple(EulerOrder):
        raise SettingsError(f"labels_csv: no order {order!r}; there are: {', '.join(EulerOrder)}")
    files = open_files(path)
    where = path / LABELS_FILE
    rows = parse_labels(files.read(LABELS_FILE), where, COLUMNS)
    faces = {}
    for line, row in enumerate(rows, start=2):
        if row["file"] in faces:
            raise InputError(f"{where}: line {line}: {row['file']} is listed twice; one face a picture")
        faces[row["file"]] = _face(where, line, row, EulerOrder(order))
    groups = {row["file"]: row.get("group") or row["file"] for row in rows}
    return FaceSet(
        FACTS,
        files,
        tuple(faces),
        read_face=faces.__getitem__,
        group_of=groups.__getitem__,
        part_of=lambda _: "all",
    )


def check(path: Path, progress: Progress) -> DataCheck:
    """Every line and picture."""
    return check_faces(open_set(path), progress)


def read_angles_and_box(where: Path, line: int, row: Row) -> tuple[tuple[float, float, float], Box]:
    """Yaw, pitch, roll (NaN: empty) and the box of a row. Raises InputError naming the line."""
    yaw, pitch = (number(where, line, row, column) for column in ("yaw_deg", "pitch_deg"))
    roll = number(where, line, row, "roll_deg", empty_is_nan=True)
    try:
        box = Box(*(number(where, line, row, side) for side in ("left", "top", "right", "bottom")))
    except BoxError as error:
        raise InputError(f"{where}: line {line}: {error}") from error
    return (yaw, pitch, roll), box


def _face(where: Path, line: int, row: Row, order: EulerOrder) -> LabelledFace:
    angles_deg, box = read_angles_and_box(where, line, row)
    return from_angles(angles_deg, EulerOrder.AZIMUTH if math.isnan(angles_deg[2]) else order, box)


def read_labels(folder: Path, required: Sequence[str]) -> list[Row]:
    """Rows of folder/labels.csv, all with the `required` columns. Raises InputError with the cause."""
    path = folder / LABELS_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot read the list of labels ({cause(error)}); the protocol needs this file"
        ) from error
    return parse_labels(content, path, required)


def parse_labels(content: bytes, path: Path, required: Sequence[str]) -> list[Row]:
    """Rows of a labels.csv. Raises InputError with the cause."""
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        rows = list(reader)
        columns = list(reader.fieldnames or ())
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot read the list of labels ({error})") from error
    missing = [name for name in required if name not in columns]
    if missing:
        raise InputError(
            f"{path}: column{'s' * (len(missing) > 1)} {', '.join(missing)} missing; "
            f"found {', '.join(columns) or 'none'}; needed {', '.join(required)}"
        )
    if not rows:
        raise InputError(f"{path}: no items below the header line; one line per labelled face is needed")
    for line, row in enumerate(rows, start=2):
        if not row["file"]:
            raise InputError(f"{path}: line {line} names no file")
    return rows


def number(path: Path, line: int, row: Row, column: str, *, empty_is_nan: bool = False) -> float:
    """One finite number of a row; an empty cell may be NaN. Raises InputError naming the line."""
    text = (row[column] or "").strip()
    if not text and empty_is_nan:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}: line {line}: {column} needs a finite number, got {text!r}")
    return value
