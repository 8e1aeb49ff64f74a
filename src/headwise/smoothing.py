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

from headwise.results import HeadPose
from headwise.rotation import Rotation

Value = TypeVar("Value")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OneEuro:
    """Settings of a filter. At constant speed v the output lags by v / (2 pi (min_cutoff_hz + beta v))."""

    min_cutoff_hz: float = 1.0
    beta: float = 0.0  # hertz of cutoff for every unit of speed: rad/s for rotations, m/s for positions
    speed_cutoff_hz: float = 1.0


ROTATION = OneEuro(beta=6.0)  # lags at most 1 / (2 pi beta) rad = 1.5 deg
POSITION = OneEuro(beta=10.0)  # lags at most 16 mm
RESTART_S = 0.5  # after a longer gap the past says nothing about the present


class OneEuroFilter(Generic[Value]):
    """The filter for any kind of value that has a tangent space.

    ``steps(a, b, to)`` are the tangent vectors (2, k) that lead from a and from b to a third value,
    ``moved(a, v)`` goes from a along v.
    """

    def __init__(
        self,
        settings: OneEuro,
        steps: Callable[[Value, Value, Value], Floats],
        moved: Callable[[Value, Floats], Value],
    ) -> None:
        self._settings = settings
        self._steps = steps
        self._moved = moved
        self._last: tuple[Value, Value, float] | None = None  # filtered, measured, seconds
        self._speed: Floats = np.zeros(1)

    def __call__(self, value: Value, time_s: float) -> Value:
        """The filtered value. A gap restarts the filter; time that stands still changes nothing."""
        if self._last is None or time_s - self._last[2] > RESTART_S:
            self._speed = np.zeros(1)
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
        since_measured, since_filtered = self._steps(measured, filtered, value)
        speed = since_measured / elapsed_s
        self._speed = self._speed + _trust(self._settings.speed_cutoff_hz, elapsed_s) * (speed - self._speed)
        cutoff_hz = self._settings.min_cutoff_hz + self._settings.beta * math.hypot(*self._speed.tolist())
        return self._moved(filtered, _trust(cutoff_hz, elapsed_s) * since_filtered)


def rotation_filter(settings: OneEuro = ROTATION) -> OneEuroFilter[Rotation]:
    """For one rotation; tangent vectors are rotation vectors in the head's frame, radians."""
    return OneEuroFilter(
        settings,
        steps=lambda a, b, to: (Rotation.trusted(np.array([a.matrix.T, b.matrix.T])) @ to).rotvec,
        moved=lambda a, v: a @ Rotation.from_rotvec(v),
    )


def vector_filter(settings: OneEuro = POSITION) -> OneEuroFilter[Floats]:
    """For one vector, such as a position in metres."""
    return OneEuroFilter(
        settings, steps=lambda a, b, to: np.array([to - a, to - b]), moved=lambda a, v: a + v
    )


class PoseFilter:
    """Filters the pose of one head: its rotation and, where it is known, its position."""

    def __init__(self, rotation: OneEuro = ROTATION, position: OneEuro = POSITION) -> None:
        self._rotation = rotation_filter(rotation)
        self._position = vector_filter(position)

    def __call__(self, pose: HeadPose, time_s: float) -> HeadPose:
        position_m = (
            None
            if pose.position_m is None
            else self._position(np.asarray(pose.position_m, np.float64), time_s)
        )
        return replace(pose, rotation=self._rotation(pose.rotation, time_s), position_m=position_m)


def _trust(cutoff_hz: float, elapsed_s: float) -> float:
    """Share of the new value that a first-order low-pass takes after that time."""
    radians = 2 * math.pi * cutoff_hz * elapsed_s
    return radians / (radians + 1)
