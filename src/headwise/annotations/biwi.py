"""BIWI Kinect Head Pose (Fanelli et al. 2013): 24 recordings of 20 people before a Kinect, 15,678 frames.

hpdb/NN/frame_XXXXX_rgb.png, _pose.txt, _depth.bin, and rgb.cal, depth.cal in each NN; head masks come in an
archive of their own, head_pose_masks/NN/frame_XXXXX_depth_mask.png. Both may lie in one folder.

- `_pose.txt` is the rotation (3x3) and the head's centre in millimetres in the DEPTH camera's frame (x right,
  y down, z forward, as ours). The rotation is camera_from_head in our convention as it stands.
- `.cal`: K (3x3), distortion (4), R (3x3), t (millimetres), width and height. What R and t of rgb.cal mean is
  not written down: point_rgb = R point_depth + t is the reading that fits a Kinect, whose colour camera sits
  25 mm to the right of the depth camera (t is about -24 mm in x, so a point moves left), and it is how public
  code lays the heads' meshes over the pictures. It turns heads by about 1 deg.
- There are no landmarks. The box is a cube about the head's centre seen through the colour camera.
- Frames are neighbours in time and four people were recorded twice: splits go by recording, and the 8
  recordings of TEST_SEQUENCES hold nobody who is in the other 16.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.annotations.files import open_files
from headwise.annotations.sets import (
    DataCheck,
    FaceSet,
    Floats,
    LabelledFace,
    Picture,
    Progress,
    SetFacts,
    check_faces,
)
from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.errors import GeometryError, InputError
from headwise.pictures import decode_picture
from headwise.rotation import Rotation

SEQUENCES = tuple(f"{number:02}" for number in range(1, 25))
RECORDED_TWICE = (("03", "15"), ("05", "18"), ("02", "21"), ("07", "22"))
"""Pairs of recordings of one person each."""

TEST_SEQUENCES = ("04", "06", "08", "11", "14", "17", "19", "24")
"""The 30 % of a 70/30 split, 8 of 24 recordings. Published splits do not say their lists; this is ours."""

HEAD_SIDE_MM = 140.0
"""Side of the cube about the head's centre: about as wide and high as the 68 points of a face."""

FACTS = SetFacts(
    name="biwi",
    title="BIWI Kinect Head Pose Database",
    items=15_678,
    parts={},
    download="kinect_head_pose_db.tgz, 5.6 GB (unpack it); head_pose_masks.tgz",
    licence="research and education, non-commercial",
    address="https://icu.ee.ethz.ch/research/datsets.html",
    citation="Fanelli, Dantone, Gall, Fossati, Van Gool: Random Forests for Real Time 3D Face Analysis. "
    "IJCV 2013",
)
PICTURE = re.compile(r"(^|/)(?P<sequence>\d\d)/frame_(?P<frame>\d{5})_rgb\.png$")
RGB, POSE, DEPTH, MASK = "_rgb.png", "_pose.txt", "_depth.bin", "_depth_mask.png"


@dataclass(frozen=True, eq=False)
class Calibration:
    """One .cal file: `camera`, and R (3, 3), t (3,) in millimetres: point_here = R point_depth + t."""

    camera: Camera
    R: Floats
    t_mm: Floats

    def from_depth(self, points_mm: Floats) -> Floats:
        """Points (..., 3) of the depth camera's frame in this camera's frame."""
        return np.asarray(points_mm @ self.R.T + self.t_mm)


def open_set(path: Path) -> FaceSet:
    """The frames of an unpacked folder, zip or plain tar. Raises InputError when there are none."""
    files = open_files(path)
    names = tuple(name for name in files.names if PICTURE.search(name))
    if not names:
        raise InputError(f"{path}: no frames NN/frame_XXXXX_rgb.png; is it BIWI? {FACTS.address}")
    masks = {key: name for name in files.names if (key := _key_of(name, MASK)) is not None}

    @cache
    def calibration(folder: str, file: str) -> Calibration:
        where = f"{folder}/{file}"
        return parse_calibration(files.read(where).decode("latin-1"), where)

    def read_face(name: str) -> LabelledFace:
        where = name.removesuffix(RGB) + POSE
        rotation, centre_mm = parse_pose(files.read(where).decode("latin-1"), where)
        rgb = calibration(str(PurePosixPath(name).parent), "rgb.cal")
        return face_of(rotation, centre_mm, rgb, where)

    def read_mask(name: str) -> Picture | None:
        key = _key_of(name, RGB)
        if key not in masks:
            return None
        folder = str(PurePosixPath(name).parent)
        where = _depth_of(name)
        depth_mm = decode_depth(files.read(where), where)
        mask = decode_picture(files.read(masks[key]), masks[key])[..., 0]
        return mask_in_rgb(
            depth_mm, mask, calibration(folder, "depth.cal"), calibration(folder, "rgb.cal"), masks[key]
        )

    return FaceSet(
        FACTS,
        files,
        names,
        read_face,
        group_of=sequence_of,
        part_of=lambda name: f"recording {sequence_of(name)}",
        read_mask=read_mask,
    )


def sequence_of(name: str) -> str:
    """The recording: "01" to "24"."""
    return PurePosixPath(name).parent.name


def frame_of(name: str) -> str:
    """The key that published lists of frames use: 01/frame_00003."""
    return "/".join(PurePosixPath(name).parts[-2:]).removesuffix(RGB)


def face_of(rotation: Rotation, centre_mm: Floats, rgb: Calibration, name: str) -> LabelledFace:
    """The label as the colour camera sees it: box, and rotation relative to the ray through it.

    angles_deg are of the rotation as published, in the depth camera's frame.
    """
    centre_rgb = rgb.from_depth(centre_mm)
    if not centre_rgb[2] > HEAD_SIDE_MM / 2:
        raise InputError(f"{name}: the head's centre lies {centre_rgb[2]:g} mm before the lens")
    x, y = rgb.camera.project(centre_rgb).tolist()
    side_px = HEAD_SIDE_MM * rgb.camera.fx / float(centre_rgb[2])
    box = Box.from_center((x, y), side_px, side_px)
    camera_from_head = Rotation(rgb.R) @ rotation
    angles = rotation.euler(EulerOrder.LP300W)
    return LabelledFace(
        (float(angles.yaw_deg), float(angles.pitch_deg), float(angles.roll_deg)),
        EulerOrder.LP300W,
        rgb.camera.camera_from_ray(box.center).inverse() @ camera_from_head,
        box,
    )


def parse_pose(text: str, name: str) -> tuple[Rotation, Floats]:
    """camera_from_head and the head's centre (3,) in millimetres, of the depth camera. Raises InputError."""
    numbers = _numbers(text, 12, name, "a 3x3 matrix and the centre of the head")
    try:
        return Rotation(numbers[:9].reshape(3, 3)), numbers[9:]
    except GeometryError as error:
        raise InputError(f"{name}: {error}") from error


def parse_calibration(text: str, name: str) -> Calibration:
    """A .cal file. Raises InputError."""
    numbers = _numbers(text, 27, name, "K, distortion, R, t, width and height")
    K, R, t_mm = numbers[:9].reshape(3, 3), numbers[13:22].reshape(3, 3), numbers[22:25]
    try:
        camera = Camera(K[0, 0], K[1, 1], K[0, 2], K[1, 2], int(numbers[25]), int(numbers[26]))
        return Calibration(camera, Rotation.project(R).matrix, t_mm)
    except GeometryError as error:
        raise InputError(f"{name}: {error}") from error


def decode_depth(content: bytes, name: str) -> NDArray[np.int16]:
    """(h, w) millimetres, 0 where nothing was measured. Raises InputError.

    int32 width and height, then runs until the picture is full: int32 count of zeros, int32 count of values,
    the values as int16; little endian.
    """
    if len(content) < 8:
        raise InputError(f"{name}: {len(content)} bytes are no depth picture")
    width, height = np.frombuffer(content, "<i4", 2).tolist()
    if not (0 < width <= 4096 and 0 < height <= 4096):
        raise InputError(f"{name}: a depth picture of {width}x{height} pixels; is it a _depth.bin?")
    depth = np.zeros(width * height, np.int16)
    place, filled = 8, 0
    while filled < depth.size:
        if place + 8 > len(content):
            raise InputError(f"{name}: the depth picture is cut off after {filled} of {depth.size} pixels")
        zeros, values = np.frombuffer(content, "<i4", 2, place).tolist()
        place, filled = place + 8, filled + zeros
        if zeros < 0 or values < 0 or filled + values > depth.size or place + 2 * values > len(content):
            raise InputError(f"{name}: the depth picture is damaged or cut off at byte {place}")
        depth[filled : filled + values] = np.frombuffer(content, "<i2", values, place)
        place, filled = place + 2 * values, filled + values
    return depth.reshape(height, width)


def mask_in_rgb(
    depth_mm: NDArray[np.int16], mask: Picture, depth: Calibration, rgb: Calibration, name: str
) -> Picture:
    """(h, w) uint8, 255 on the head as the colour camera sees it; gaps between its pixels are closed."""
    import cv2

    if mask.shape != depth_mm.shape:
        raise InputError(f"{name}: the mask is {mask.shape}, the depth picture {depth_mm.shape}")
    rows, columns = np.nonzero((mask > 0) & (depth_mm > 0))
    z = depth_mm[rows, columns].astype(np.float64)
    camera = depth.camera
    points = np.stack([(columns - camera.cx) * z / camera.fx, (rows - camera.cy) * z / camera.fy, z], axis=1)
    seen = rgb.camera.project(rgb.from_depth(points))
    width, height = rgb.camera.width_px, rgb.camera.height_px
    x, y = np.floor(seen[np.isfinite(seen).all(axis=1)]).astype(np.int64).T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    made = np.zeros((height, width), np.uint8)
    made[y[inside], x[inside]] = 255
    closed: Any = cv2.morphologyEx(made, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return np.asarray(closed, np.uint8)


def read_boxes(path: Path) -> dict[str, Box]:
    """Published boxes by frame (`frame_of`), from a list with columns image;tl_x;tl_y;br_x;br_y.

    The layout of OPAL's biwi_ann.txt (pcr-upm/opal23_headpose). Raises InputError naming the line.
    """
    lines = _lines(path)
    header = [word.strip().lstrip("#@ ") for word in lines[0].split(";")] if lines else []
    columns = ("image", "tl_x", "tl_y", "br_x", "br_y")
    if any(column not in header for column in columns):
        raise InputError(f"{path}: the first line needs {';'.join(columns)}, got {';'.join(header)[:80]!r}")
    shift = 1 if header[0] == "" else 0  # their header begins with a mark that has no column
    boxes = {}
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split(";")
        try:
            image, *corners = (cells[header.index(column) - shift] for column in columns)
            boxes[frame_of(image.strip())] = Box(*(float(corner) for corner in corners))
        except (IndexError, ValueError, GeometryError) as error:
            raise InputError(f"{path}: line {number}: {error}") from error
    return boxes


def read_frames(path: Path) -> tuple[str, ...]:
    """A published list of frames, one a line: 01/frame_00003, with or without an ending and folders before.

    Raises InputError naming the line.
    """
    frames = []
    for number, line in enumerate(_lines(path), start=1):
        found = re.search(r"(\d\d/frame_\d{5})", line)
        if found is None:
            raise InputError(f"{path}: line {number}: no frame NN/frame_XXXXX in {line[:60]!r}")
        frames.append(found[1])
    return tuple(frames)


def check(path: Path, progress: Progress) -> DataCheck:
    """Every frame with its pose, depth and calibration, frames without a picture, recordings that lack."""
    faces = open_set(path)
    known, there = set(faces.names), set(faces.files.names)
    sequences = {sequence_of(name) for name in faces.names}
    lacking = [f"recording {one}" for one in SEQUENCES if one not in sequences]
    poses = (name for name in faces.files.names if re.search(r"/frame_\d{5}_pose\.txt$", f"/{name}"))
    pictures = (name.removesuffix(POSE) + RGB for name in poses)
    lacking += [name for name in pictures if name not in known]
    lacking += [depth for name in faces.names if (depth := _depth_of(name)) not in there]

    def check_depth(name: str) -> None:
        if (where := _depth_of(name)) in there:
            decode_depth(faces.files.read(where), where)

    return check_faces(faces, progress, lacking, check_depth)


def _depth_of(name: str) -> str:
    return name.removesuffix(RGB) + DEPTH


def _key_of(name: str, ending: str) -> str | None:
    found = re.search(rf"(\d\d/frame_\d{{5}}){re.escape(ending)}$", name)
    return found[1] if found else None


def _numbers(text: str, count: int, name: str, what: str) -> Floats:
    try:
        numbers = np.array([float(word) for word in text.split()])
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InputError(f"{name}: needs {what}, {count} finite numbers; got {len(numbers)}")
    return numbers


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the list cannot be read ({error})") from error
    return [line for line in text.splitlines() if line.strip()]
