"""How sure a network is of a rotation: from what it writes to the expected angle of its error, degrees."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SPREAD_AT_START_RAD = 0.5  # about the error of a network that has learned little
LOG_PRECISION_LIMIT = 6.0  # 1 / e^6 rad = 0.14 deg: no rotation is known better
MEAN_OF_MAXWELL = 2 * (2 / math.pi) ** 0.5  # mean length of a normal 3-vector over its standard deviation
MEAN_OF_UNIFORM_RAD = math.pi / 2 + 2 / math.pi  # mean angle between two random rotations, 126.5 deg


def lower_triangular(numbers: Tensor) -> Tensor:
    """(n, 6) to L (n, 3, 3): three log-diagonals (softly bounded), three below in their unit.

    L Lᵀ is the inverse covariance of the error's rotation vector, radians.
    """
    start = -math.log(SPREAD_AT_START_RAD)
    limited = LOG_PRECISION_LIMIT * torch.tanh((numbers[:, :3] + start) / LOG_PRECISION_LIMIT)
    d0, d1, d2 = torch.exp(limited).unbind(1)
    a, b, c = numbers[:, 3:].unbind(1)
    zero = torch.zeros_like(d0)
    rows = [
        torch.stack([d0, zero, zero], 1),
        torch.stack([a * d0, d1, zero], 1),
        torch.stack([b * d0, c * d1, d2], 1),
    ]
    return torch.stack(rows, dim=1)


def covariance(precision_factor: Tensor) -> Tensor:
    """(n, 3, 3) rad²: (L Lᵀ)⁻¹ = L⁻ᵀ L⁻¹, the inverse by forward substitution."""
    L = precision_factor
    i0, i1, i2 = 1 / L[:, 0, 0], 1 / L[:, 1, 1], 1 / L[:, 2, 2]
    m10 = -L[:, 1, 0] * i0 * i1
    m21 = -L[:, 2, 1] * i1 * i2
    m20 = -(L[:, 2, 0] * i0 + L[:, 2, 1] * m10) * i2
    c10, c20, c21 = m10 * i1 + m20 * m21, m20 * i2, m21 * i2
    rows = [
        torch.stack([i0**2 + m10**2 + m20**2, c10, c20], 1),
        torch.stack([c10, i1**2 + m21**2, c21], 1),
        torch.stack([c20, c21, i2**2], 1),
    ]
    return torch.stack(rows, dim=1)


def expected_error_deg(precision_factor: Tensor) -> Tensor:
    """(n,) expected angle of the error in degrees, at most 180, of the factor of `lower_triangular`."""
    return degrees_of_variance(covariance(precision_factor).diagonal(dim1=1, dim2=2).sum(1))


def degrees_of_variance(trace_rad2: Tensor) -> Tensor:
    """(n,) expected angle of the error in degrees, at most 180, from the trace of its covariance, rad².

    For a normal error of standard deviation s along every axis, E|e| = 2 sqrt(2/pi) s (Maxwell); s² is
    taken as a third of the trace. Exact when isotropic, 16 % too large if all along one axis.
    """
    return torch.clamp(torch.rad2deg(MEAN_OF_MAXWELL * (trace_rad2 / 3).sqrt()), max=180.0)
