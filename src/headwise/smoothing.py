"""One-Euro filters for poses: still heads do not tremble, moving heads do not lag.

Casiez, Roussel, Vogel, "1 Euro Filter", CHI 2012: a low-pass whose cutoff rises with the speed. Rotations are
filtered in the tangent space of SO(3) at the last filtered value, so there is no wrap and no singular angle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from headwise import quaternions
from headwise.quaternions import Vector
from headwise.results import Floats, HeadPose
from headwise.rotation import Rotation

Value = TypeVar("Value")


@dataclass(frozen=True)
class OneEuro:
    """Settings of a filter. At constant speed v the output lags by v / (2 pi (min_cutoff_hz + beta v))."""

    min_cutoff_hz: float = 1.0
    beta: float = 0.0  # hertz of cutoff for every unit of speed: rad/s for rotations, m/s for positions
    speed_cutoff_hz: float = 1.0


ROTATION = OneEuro(beta=6.0)  # lags at most 1 / (2 pi beta) rad = 1.5 deg
POSITION = OneEuro(beta=10.0)  # lags at most 16 mm
STILL: Vector = (0.0, 0.0, 0.0)
RESTART_S = 0.5  # after a longer gap the past says nothing about the present


class OneEuroFilter(Generic[Value]):
    """The filter for any kind of value that has a tangent space of three dimensions.

    ``step(a, b)`` is the tangent vector that leads from a to b, ``moved(a, v)`` goes from a along v.
    """

    def __init__(
        self,
        settings: OneEuro,
        step: Callable[[Value, Value], Vector],
        moved: Callable[[Value, Vector], Value],
    ) -> None:
        self._settings = settings
        self._step = step
        self._moved = moved
        self._last: tuple[Value, Value, float] | None = None  # filtered, measured, seconds
        self._speed: Vector = STILL

    def __call__(self, value: Value, time_s: float) -> Value:
        """The filtered value. A gap restarts the filter; time that stands still changes nothing."""
        if self._last is None or time_s - self._last[2] > RESTART_S:
            self._speed = STILL
            filtered = value
        else:
            filtered = self._advanced(*self._last, value, time_s)
        self._last = filtered, value, time_s
        return filtered

    def _advanced(
        self, filtered: Value, measured: Value, last_s: float, value: Value, time_s: float
    ) -> Value:
        elapsed_s = time_s - last_s
        if elapsed_s <= 0:
            return filtered
        speed = _scaled(self._step(measured, value), 1 / elapsed_s)
        self._speed = _between(self._speed, speed, _trust(self._settings.speed_cutoff_hz, elapsed_s))
        cutoff_hz = self._settings.min_cutoff_hz + self._settings.beta * math.hypot(*self._speed)
        return self._moved(filtered, _scaled(self._step(filtered, value), _trust(cutoff_hz, elapsed_s)))


class RotationFilter:
    """For one rotation; its speed is in rad/s."""

    def __init__(self, settings: OneEuro = ROTATION) -> None:
        self._filter = OneEuroFilter(settings, quaternions.step, quaternions.moved)

    def __call__(self, rotation: Rotation, time_s: float) -> Rotation:
        """The filtered rotation; both are single ones."""
        return quaternions.rotation_of(self._filter(quaternions.of_rotation(rotation), time_s))


class PositionFilter:
    """For one position (3,) in metres."""

    def __init__(self, settings: OneEuro = POSITION) -> None:
        self._filter = OneEuroFilter(settings, lambda a, b: _sum(b, _scaled(a, -1.0)), _sum)

    def __call__(self, position_m: Floats, time_s: float) -> NDArray[np.float64]:
        """The filtered position."""
        x, y, z = position_m.tolist()
        return np.array(self._filter((x, y, z), time_s))


class PoseFilter:
    """Filters the pose of one head: its rotation and, where it is known, its position."""

    def __init__(self, rotation: OneEuro = ROTATION, position: OneEuro = POSITION) -> None:
        self._rotation = RotationFilter(rotation)
        self._position = PositionFilter(position)

    def __call__(self, pose: HeadPose, time_s: float) -> HeadPose:
        position_m = None if pose.position_m is None else self._position(pose.position_m, time_s)
        return replace(pose, rotation=self._rotation(pose.rotation, time_s), position_m=position_m)


def _sum(a: Vector, b: Vector) -> Vector:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _scaled(a: Vector, factor: float) -> Vector:
    return factor * a[0], factor * a[1], factor * a[2]


def _between(a: Vector, b: Vector, share: float) -> Vector:
    """From a towards b by that share of the way."""
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2])


def _trust(cutoff_hz: float, elapsed_s: float) -> float:
    """Share of the new value that a first-order low-pass takes after that time."""
    radians = 2 * math.pi * cutoff_hz * elapsed_s
    return radians / (radians + 1)
