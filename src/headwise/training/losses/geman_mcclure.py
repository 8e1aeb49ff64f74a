"""Geman and McClure's loss on the geodesic angle (1985): what is far off is taken for a wrong label.

c² e² / (c² + e²): squared near the truth, and a gradient that fades beyond the scale c (Barron 2019, a = -2).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from headwise.training.losses.geodesic import angle_between

SCALE_DEG = 20.0  # about where an error of a trained network becomes more likely a label's


def geman_mcclure(predicted: Tensor, truth: Tensor, scale_rad: float = math.radians(SCALE_DEG)) -> Tensor:
    """(n,) of rotations (n, 3, 3), rad over the scale: 0 to scale; a truth with NaN counts 0."""
    squared = angle_between(predicted, truth).square()
    return scale_rad * squared / (scale_rad**2 + squared)


def create(*, scale_deg: float = SCALE_DEG) -> Callable[[Tensor, Tensor], Tensor]:
    """geman_mcclure of this scale."""
    return lambda predicted, truth: geman_mcclure(predicted, truth, math.radians(scale_deg))
