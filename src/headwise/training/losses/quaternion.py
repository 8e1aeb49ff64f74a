"""1 - |<p, q>| of unit quaternions: q and -q are the same rotation, and the nearer of the two is meant."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from headwise.training.known import known_rotations
from headwise.training.rotation_forms import quaternion_of, unit


def apart(predicted_wxyz: Tensor, truth: Tensor) -> Tensor:
    """(n,) of quaternions (n, 4) of any length and rotations (n, 3, 3), 0..1: 1 - cos(angle / 2).

    It is half of the smaller of |p - q|² and |p + q|². A truth with NaN counts 0.
    """
    truth, is_known = known_rotations(truth, truth.new_zeros(3, 3).fill_diagonal_(1).expand_as(truth))
    overlap = (unit(predicted_wxyz) * quaternion_of(truth)).sum(1)
    return is_known * (1 - overlap.abs())


def create() -> Callable[[Tensor, Tensor], Tensor]:
    """apart."""
    return apart
