"""Results that the tests make up."""

import numpy as np

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.results import Face, FrameResult, HeadPose
from headwise.rotation import Rotation


def face(
    *,
    yaw_deg: float = 30.0,
    pitch_deg: float = -10.0,
    roll_deg: float = 5.0,
    box: Box | None = None,
    position_m: tuple[float, float, float] | None = (0.1, -0.2, 1.5),
    spread_deg: float | None = 3.25,
    track: int | None = None,
) -> Face:
    rotation = Rotation.from_euler(
        EulerOrder.AZIMUTH, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=roll_deg
    )
    position = None if position_m is None else np.array(position_m)
    pose = HeadPose(rotation, position, spread_deg)
    return Face(box or Box(40, 30, 100, 110), 0.987, pose=pose, track=track)


def result(*faces: Face, time_s: float | None = None, size_px: tuple[int, int] = (160, 120)) -> FrameResult:
    return FrameResult(tuple(faces), *size_px, time_s, Camera.from_fov(*size_px), "test")


def image(size_px: tuple[int, int] = (160, 120), level: int = 90) -> np.ndarray:
    return np.full((size_px[1], size_px[0], 3), level, np.uint8)
