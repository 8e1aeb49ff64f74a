"""Small folders in the layout in which the published data sets are handed out, with labels known in words."""

from __future__ import annotations

import struct
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_PX = 64
RGB_CAL = """517.679 0 320
0 517.679 240.5
0 0 1

0 0 0 0

{R}

{t}

640 480
"""
IDENTITY = "1 0 0\n0 1 0\n0 0 1"
DEPTH_CAL = "575.816 0 320\n0 575.816 240\n0 0 1\n\n0 0 0 0\n\n" + IDENTITY + "\n\n0 0 0\n\n640 480\n"


def picture(value: int = 100, width: int = SIDE_PX, height: int = SIDE_PX) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def write_picture(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


def points68(x: float = 20, y: float = 10, width: float = 24, height: float = 30) -> NDArray[np.float64]:
    """(68, 2) points spread over a box, all different, left and right told apart."""
    steps = np.linspace(0, 1, 68)
    return np.stack([x + width * steps, y + height * np.abs(np.sin(7 * steps) / np.sin(7 * steps).max())], 1)


def write_aflw2000(folder: Path, number: int, yaw_pitch_roll_deg: tuple[float, float, float]) -> str:
    """AFLW2000/imageNNNNN.jpg and .mat; returns the name within the folder."""
    import scipy.io

    stem = folder / f"AFLW2000/image{number:05}"
    write_picture(stem.with_suffix(".jpg"), picture(number))
    depth = np.linspace(-40, 60, 68)
    yaw, pitch, roll = np.radians(yaw_pitch_roll_deg)
    labels = {
        "Pose_Para": np.array([[pitch, yaw, roll, 30, 30, -60, 0.0009]], np.float32),
        "pt3d_68": np.vstack([points68().T, depth]).astype(np.float32),
        "pt2d": np.full((2, 21), -1.0, np.float32),
        "roi": np.array([[0, SIDE_PX, 0, SIDE_PX]], np.int16),
    }
    scipy.io.savemat(stem.with_suffix(".mat"), labels, do_compression=True)
    return f"AFLW2000/{stem.name}.jpg"


def write_300w_lp(
    folder: Path,
    part: str,
    stem: str,
    yaw_pitch_roll_deg: tuple[float, float, float],
    landmarks: NDArray[np.float64] | None = None,
) -> str:
    """300W_LP/PART/STEM.jpg and .mat, and landmarks/PART/STEM_pts.mat where points are given."""
    import scipy.io

    root = folder / "300W_LP"
    write_picture(root / part / f"{stem}.jpg", picture(90, 450, 450))
    yaw, pitch, roll = np.radians(yaw_pitch_roll_deg)
    labels = {
        "Pose_Para": np.array([[pitch, yaw, roll, 225, 225, -60, 0.0009]], np.float32),
        "pt2d": points68(1, 1, 3, 3).T.astype(np.float32),
    }
    scipy.io.savemat(root / part / f"{stem}.mat", labels)
    if landmarks is not None:
        where = root / "landmarks" / part.removesuffix("_Flip") / f"{stem}_pts.mat"
        where.parent.mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(where, {"pts_2d": landmarks + 50, "pts_3d": landmarks})
    return f"300W_LP/{part}/{stem}.jpg"


def write_pointing04(folder: Path, person: int, number: int, tilt: int, pan: int, series: int = 1) -> str:
    """PersonNN/personNNsii+tilt+pan.jpg and .txt; the face is 80 x 100 about (192, 144)."""
    name = f"Person{person:02}/person{person:02}{series}{number:02}{tilt:+d}{pan:+d}"
    write_picture(folder / f"{name}.jpg", picture(120, 384, 288))
    (folder / f"{name}.txt").write_text(f"{Path(name).name}.jpg\n\nFace\n192\n144\n80\n100\n")
    return f"{name}.jpg"


def encode_depth(depth_mm: NDArray[np.int16]) -> bytes:
    """The run-length format of BIWI's authors, row after row: zeros, then values."""
    height, width = depth_mm.shape
    parts, flat, place = [struct.pack("<ii", width, height)], depth_mm.ravel(), 0
    while place < flat.size:
        rest = flat[place:] != 0
        zeros = int(np.argmax(rest)) if rest.any() else rest.size
        after = ~rest[zeros:]
        values = int(np.argmax(after)) if after.any() else after.size
        run = flat[place + zeros : place + zeros + values].astype("<i2")
        parts.append(struct.pack("<ii", zeros, values) + run.tobytes())
        place += zeros + values
    return b"".join(parts)


def write_biwi(
    folder: Path,
    sequence: str,
    frame: int,
    matrix: NDArray[np.float64],
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 1000.0),
    R: str = IDENTITY,
    t: str = "0 0 0",
) -> str:
    """hpdb/NN/frame_XXXXX_rgb.png, _pose.txt, _depth.bin, the two .cal, and a head mask beside hpdb."""
    root = folder / "hpdb" / sequence
    stem = f"frame_{frame:05}"
    write_picture(root / f"{stem}_rgb.png", picture(80, 640, 480))
    rows = "\n".join(" ".join(f"{value:.6g}" for value in row) + " " for row in matrix)
    (root / f"{stem}_pose.txt").write_text(f"{rows}\n\n{' '.join(map(str, centre_mm))} \n")
    (root / "rgb.cal").write_text(RGB_CAL.format(R=R, t=t))
    (root / "depth.cal").write_text(DEPTH_CAL)
    depth = np.zeros((480, 640), np.int16)
    depth[200:281, 290:351] = int(centre_mm[2])
    (root / f"{stem}_depth.bin").write_bytes(encode_depth(depth))
    mask = np.zeros((480, 640), np.uint8)
    mask[210:271, 300:341] = 255
    write_picture(folder / f"head_pose_masks/{sequence}/{stem}_depth_mask.png", mask)
    return f"hpdb/{sequence}/{stem}_rgb.png"


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return path


def tarred(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for child in sorted(folder.iterdir()):
            archive.add(child, child.name)
    return path
