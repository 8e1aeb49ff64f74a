"""Unit quaternions (w, x, y, z) in plain floats: one rotation at a time, where a stream needs a few steps.

A call of numpy takes longer than all the arithmetic of such a step; for batches there is `Rotation`.
"""

from __future__ import annotations

import math

import numpy as np

from headwise.rotation import Rotation

Quaternion = tuple[float, float, float, float]
Vector = tuple[float, float, float]


def of_rotation(rotation: Rotation) -> Quaternion:
    """The quaternion of a single rotation, of either sign."""
    (a, b, c), (d, e, f), (g, h, i) = rotation.matrix.tolist()
    ww, xx, yy, zz = 1 + a + e + i, 1 + a - e - i, 1 - a + e - i, 1 - a - e + i  # four times the squares
    largest = max(ww, xx, yy, zz)  # times it the others lose no digits
    if largest == ww:
        return _unit(ww, h - f, c - g, d - b)
    if largest == xx:
        return _unit(h - f, xx, b + d, c + g)
    if largest == yy:
        return _unit(c - g, b + d, yy, f + h)
    return _unit(d - b, c + g, f + h, zz)


def rotation_of(quaternion: Quaternion) -> Rotation:
    """The rotation of a unit quaternion."""
    w, x, y, z = quaternion
    return Rotation.trusted(
        np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
    )


def step(a: Quaternion, b: Quaternion) -> Vector:
    """The rotation vector that leads from a to b: radians in the frame `a` turns, half a turn at most."""
    w, x, y, z = _product((a[0], -a[1], -a[2], -a[3]), b)
    sine = math.hypot(x, y, z)
    if sine == 0:
        return 0.0, 0.0, 0.0
    half_angle = math.atan2(sine, w) if w >= 0 else math.atan2(-sine, -w)
    factor = 2 * half_angle / sine
    return factor * x, factor * y, factor * z


def moved(a: Quaternion, rotvec: Vector) -> Quaternion:
    """Where the rotation vector `rotvec` leads from a: step(a, moved(a, rotvec)) == rotvec."""
    angle = math.hypot(*rotvec)
    if angle == 0:
        return a
    factor = math.sin(angle / 2) / angle
    x, y, z = rotvec
    return _unit(*_product(a, (math.cos(angle / 2), factor * x, factor * y, factor * z)))


def _product(a: Quaternion, b: Quaternion) -> Quaternion:
    (s, i, j, k), (w, x, y, z) = a, b
    return (
        s * w - i * x - j * y - k * z,
        s * x + i * w + j * z - k * y,
        s * y - i * z + j * w + k * x,
        s * z + i * y - j * x + k * w,
    )


def _unit(w: float, x: float, y: float, z: float) -> Quaternion:
    length = math.hypot(w, x, y, z)
    return w / length, x / length, y / length, z / length
