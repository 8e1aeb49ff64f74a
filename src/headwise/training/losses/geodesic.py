"""The geodesic angle between rotations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from headwise.training.known import known_rotations

SMOOTH = 1e-3  # half angles below this many radians are counted quadratically: the gradient fades to 0
BEFORE_HALF_TURN = 1 - 1e-5  # where the arc sine's slope is cut


def angle_between(a: Tensor, b: Tensor) -> Tensor:
    """(n,) angle in radians between rotations (n, 3, 3); 0 where b has a NaN. Gradient finite at 0 and pi.

    From the chord, |A - B|² = 8 sin²(angle / 2), and not from the trace, whose arc cosine has no slope at 0.
    """
    b, is_known = known_rotations(b, a)
    half_sine = ((a - b).square().sum((1, 2)) / 8 + SMOOTH**2).sqrt() - SMOOTH
    return is_known * 2 * torch.asin(half_sine.clamp(max=BEFORE_HALF_TURN))


def create() -> Callable[[Tensor, Tensor], Tensor]:
    """angle_between."""
    return angle_between
