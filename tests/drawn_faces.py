"""Faces drawn from the shape model with everything about them known."""

from dataclasses import dataclass

import numpy as np

from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.fitting.observation import Observation
from headwise.fitting.shape_model import load_shape_model
from headwise.rotation import Rotation

CAMERA = Camera.from_fov(640, 480, 60)
MODES = (6, 4)
"""Modes of identity and expression that the faces have, the strongest."""


@dataclass(frozen=True, eq=False)
class Faces:
    rotation: Rotation
    position_m: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    points_px: np.ndarray


def draw_faces(n, rng, camera=CAMERA, yaw_deg=60.0, identity=None):
    shape = load_shape_model()
    rotation = Rotation.from_euler(
        EulerOrder.AZIMUTH,
        yaw_deg=rng.uniform(-yaw_deg, yaw_deg, n),
        pitch_deg=rng.uniform(-30, 30, n),
        roll_deg=rng.uniform(-30, 30, n),
    )
    position = np.stack([rng.uniform(-0.2, 0.2, n), rng.uniform(-0.15, 0.15, n), rng.uniform(0.6, 1.2, n)], 1)
    a, b = np.zeros((n, shape.identity_count)), np.zeros((n, shape.expression_count))
    a[:, : MODES[0]] = rng.normal(size=(n, MODES[0])) * 0.7 if identity is None else identity
    b[:, : MODES[1]] = rng.normal(size=(n, MODES[1])) * 0.7
    points = camera.project(shape.points(a, b) @ rotation.matrix.transpose(0, 2, 1) + position[:, None])
    return Faces(rotation, position, a, b, points)


def observe(faces, rng=None, noise_px=0.0, turn_deg=5.0, camera=CAMERA, spread_px=1.0):
    """With a network's rotation that is off by about so many degrees."""
    n = len(faces.points_px)
    rng = np.random.default_rng(9) if rng is None else rng
    off = Rotation.from_rotvec(np.radians(turn_deg) * rng.normal(size=(n, 3)) / np.sqrt(3))
    return Observation(
        faces.points_px + noise_px * rng.normal(size=faces.points_px.shape),
        np.full((n, 68), spread_px),
        camera,
        faces.rotation @ off,
        np.tile(np.eye(3) * np.radians(max(turn_deg, 1.0)) ** 2 / 3, (n, 1, 1)),
    )


def fitted_rotations(fits):
    return Rotation(np.stack([fit.rotation.matrix for fit in fits]))
