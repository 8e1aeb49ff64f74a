"""Shards of drawn heads with exactly known pose, in the format `headwise synthesize crops` writes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import FLIP_68, EulerOrder
from headwise.rotation import Rotation

SIDE_PX = 160
HUES = cv2.applyColorMap(np.arange(68, dtype=np.uint8)[:, None] * 3, cv2.COLORMAP_HSV)[:, 0].tolist()


def head_points() -> NDArray[np.float64]:
    """(68, 3) metres: left-right symmetric points on the front half of an ellipsoid, iBUG order."""
    rng = np.random.default_rng(5)
    angles = rng.uniform(-1.2, 1.2, (68, 2))
    x, y = 0.07 * np.sin(angles[:, 0]), 0.1 * np.sin(angles[:, 1])
    z = -0.09 * np.cos(angles[:, 0]) * np.cos(angles[:, 1])
    points = np.stack([x, y, z], axis=1)
    mirrored = points[FLIP_68] * [-1, 1, 1]
    return (points + mirrored) / 2


def write_shard(path: Path, count: int, seed: int = 0, masks: bool = True) -> None:
    """`path` is the shard's .npz; .bin and .mask stand beside it."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, list[object]] = {}
    pictures, alphas = [], []
    for _ in range(count):
        labels, picture, alpha = drawn(rng)
        pictures.append(cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes())
        alphas.append(cv2.imencode(".png", alpha)[1].tobytes() if masks else b"")
        for name, value in labels.items():
            arrays.setdefault(name, []).append(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".bin").write_bytes(b"".join(pictures))
    path.with_suffix(".mask").write_bytes(b"".join(alphas))
    offsets = {
        "image_offset": np.cumsum([0] + [len(p) for p in pictures]),
        "mask_offset": np.cumsum([0] + [len(a) for a in alphas]),
    }
    np.savez(path, **offsets, **{name: np.array(values) for name, values in arrays.items()})


def drawn(rng: np.random.Generator) -> tuple[dict[str, object], NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels, picture (RGB) and alpha of one head; coloured dots stand for the points."""
    rotation = Rotation.from_euler(
        EulerOrder.AZIMUTH,
        yaw_deg=rng.uniform(-60, 60),
        pitch_deg=rng.uniform(-30, 30),
        roll_deg=rng.uniform(-20, 20),
    )
    camera = Camera.from_fov(SIDE_PX, SIDE_PX, rng.uniform(20, 45))
    distance = 0.42 / (SIDE_PX / camera.fx)
    translation = np.array([*rng.normal(0, 0.01, 2), distance])
    points_m = head_points()
    points_camera = points_m @ rotation.matrix.T + translation
    points_px = camera.project(points_camera)
    picture = np.full((SIDE_PX, SIDE_PX, 3), rng.integers(60, 200, 3), np.uint8)
    alpha = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    middle = tuple(int(v) for v in camera.project(translation))
    radius = int(0.11 * camera.fx / distance)
    cv2.circle(picture, middle, radius, (210, 170, 150), -1)
    cv2.circle(alpha, middle, radius, 255, -1)
    visible = points_camera[:, 2] < distance
    for k in np.argsort(-points_camera[:, 2]):
        if visible[k]:
            cv2.circle(picture, tuple(int(v) for v in points_px[k]), 3, HUES[k], -1)
    ray = camera.camera_from_ray(camera.project(translation)).matrix
    labels: dict[str, object] = {
        "rotation_ray": (ray.T @ rotation.matrix).astype(np.float32),
        "rotation_camera": rotation.matrix.astype(np.float32),
        "translation_m": translation.astype(np.float32),
        "intrinsics": np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32),
        "points68_px": points_px.astype(np.float32),
        "points68_m": points_m.astype(np.float32),
        "visibility": visible,
        "face_hidden": False,
        "box": np.array([*Box.from_points(points_px)], np.float32),
        "seed": int(rng.integers(1 << 30)),
        "attributes": "{}",
    }
    return labels, picture, alpha
