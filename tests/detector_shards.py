"""Tiny shards for the detector: busts, rendered scenes, views without people."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = 192


def outline_points() -> np.ndarray:
    """68 points on an ellipse of 80 x 100 px about (96, 80)."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    return np.stack([96 + 40 * np.cos(angles), 80 + 50 * np.sin(angles)], axis=1)


def bust() -> tuple[np.ndarray, np.ndarray]:
    """Head and shoulders that the crop's lower edge cuts: picture and alpha."""
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(alpha, (96, 80), (40, 50), 0, 0, 360, 255, -1)
    cv2.ellipse(alpha, (96, 200), (70, 60), 0, 0, 360, 255, -1)
    return np.full((SIZE, SIZE, 3), 150, np.uint8), alpha


def write_data(folder: Path) -> None:
    """Two tiny shards: three busts and two scenes."""
    for name in ("crops", "scenes"):
        (folder / name).mkdir()
    picture, alpha = bust()
    coded = [cv2.imencode(".png", x)[1].tobytes() for x in (picture, alpha)]
    for suffix, data in zip(("bin", "mask"), coded, strict=True):
        (folder / "crops" / f"shard-00000.{suffix}").write_bytes(data * 3)
    np.savez(
        folder / "crops" / "shard-00000.npz",
        image_offset=np.arange(4) * len(coded[0]),
        mask_offset=np.arange(4) * len(coded[1]),
        points68_px=np.repeat(outline_points()[None], 3, 0).astype(np.float32),
        visibility=np.ones((3, 68), np.uint8),
    )
    (folder / "scenes" / "shard-00000.bin").write_bytes(coded[0] * 2)
    box = np.array([[56, 30, 136, 130]], np.float32)
    np.savez(
        folder / "scenes" / "shard-00000.npz",
        image_offset=np.arange(3) * len(coded[0]),
        head_start=np.array([0, 0, 1]),
        box=box,
        points5_px=np.full((1, 5, 2), 80, np.float32),
        points5_visible=np.ones((1, 5), np.uint8),
        visible_fraction=np.ones(1, np.float32),
        ignore=np.zeros(1, bool),
    )


def write_views(folder: Path, view: np.ndarray) -> None:
    """A shard of one view, RGB, four times."""
    (folder / "backgrounds").mkdir()
    coded = cv2.imencode(".png", view[..., ::-1])[1].tobytes()
    (folder / "backgrounds/shard-00000.bin").write_bytes(coded * 4)
    np.savez(folder / "backgrounds/shard-00000.npz", image_offset=np.arange(5) * len(coded))
