"""Pictures of a chessboard as a camera with a lens takes them: each pixel's ray is followed to the board."""

from __future__ import annotations

import cv2
import numpy as np

from headwise.calibration import Board
from headwise.camera import Camera
from headwise.rotation import Rotation

SUPERSAMPLING = 2
STEP_PX = 4  # a lens is smooth: between rays so far apart the others are interpolated


def draw_board(camera: Camera, board: Board, rotation: Rotation, position_m: np.ndarray) -> np.ndarray:
    """(H, W, 3) RGB; position_m: of the board's middle, rotation: camera_from_board."""
    fine = SUPERSAMPLING
    columns, rows = np.arange(camera.width_px * fine), np.arange(camera.height_px * fine)
    pixels = (np.stack(np.meshgrid(columns, rows), axis=-1) + 0.5) / fine
    rays = _rays(camera, pixels.astype(np.float32)) @ rotation.matrix  # in the board's frame
    eye = -(position_m @ rotation.matrix)
    places = eye + rays * (-eye[2] / rays[..., 2:])
    middle = board.points_m.mean(axis=0)
    square = np.floor((places[..., :2] + middle[:2]) / board.square_m).astype(int) + 1
    on_board = ((square >= 0) & (square <= (board.columns, board.rows))).all(axis=-1)
    level = np.where(on_board & (square.sum(axis=-1) % 2 == 0), 30.0, 220.0)
    small = cv2.resize(level, (camera.width_px, camera.height_px), interpolation=cv2.INTER_AREA)
    return np.repeat(np.rint(small).astype(np.uint8)[..., None], 3, axis=2)


def _rays(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    nodes = [np.arange(-STEP_PX, side + 2 * STEP_PX, STEP_PX) for side in (camera.width_px, camera.height_px)]
    slopes = camera.slopes(np.stack(np.meshgrid(*nodes), axis=-1)).astype(np.float32)
    x, y = np.moveaxis(pixels / STEP_PX + 1, -1, 0)
    slopes = cv2.remap(slopes, x, y, cv2.INTER_LINEAR)
    return np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1)


def board_corners(camera: Camera, board: Board, rotation: Rotation, position_m: np.ndarray) -> np.ndarray:
    """Where the corners truly are, (n, 2) pixels."""
    points = board.points_m.astype(np.float64)
    return camera.project(rotation @ (points - points.mean(axis=0)) + position_m)


def poses(count: int, seed: int = 0, tilt_deg: float = 35.0) -> list[tuple[Rotation, np.ndarray]]:
    """Boards that lean to every side, near and far, all over the picture of a lens of about 60 deg."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        lean = Rotation.from_rotvec(np.radians(rng.uniform(-tilt_deg, tilt_deg, 3) * (1, 1, 0.4)))
        distance_m = rng.uniform(0.4, 0.6)
        found.append((lean, distance_m * np.array([*rng.uniform(-0.2, 0.2, 2) * (1, 0.6), 1])))
    return found
