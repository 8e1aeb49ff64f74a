"""How sure a network is of a rotation: from what it writes to the expected angle of its error, degrees."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SPREAD_AT_START_RAD = 0.5  # about the error of a network that has learned little
LOG_PRECISION_LIMIT = 6.0  # 1 / e^6 rad = 0.14 deg: no rotation is known better
MEAN_OF_MAXWELL = 2 * (2 / math.pi) ** 0.5  # mean length of a normal 3-vector over its standard deviation
EYE = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
INVERSE_OF_U = [
    [0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0],  # a
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0],  # b
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0],  # c
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0],  # ac
]
"""What U⁻¹ of `covariance` is made of besides ones on its diagonal, rows one after the other."""
MEAN_OF_UNIFORM_RAD = math.pi / 2 + 2 / math.pi  # mean angle between two random rotations, 126.5 deg


def lower_triangular(numbers: Tensor) -> Tensor:
    """(n, 6) to L (n, 3, 3): three log-diagonals (softly bounded), three below in their unit.

    L Lᵀ is the inverse covariance of the error's rotation vector, radians.
    """
    d0, d1, d2 = torch.exp(_log_diagonal(numbers)).unbind(1)
    a, b, c = numbers[:, 3:].unbind(1)
    zero = torch.zeros_like(d0)
    rows = [
        torch.stack([d0, zero, zero], 1),
        torch.stack([a * d0, d1, zero], 1),
        torch.stack([b * d0, c * d1, d2], 1),
    ]
    return torch.stack(rows, dim=1)


def covariance(numbers: Tensor) -> Tensor:
    """(n, 3, 3) rad² of the same six numbers: (L Lᵀ)⁻¹, without writing L down.

    L = U D with ones on U's diagonal: U⁻ᵀ D⁻² U⁻¹ with U⁻¹ = [[1, 0, 0], [-a, 1, 0], [ac - b, -c, 1]], affine
    in (a, b, c, ac). Few operators: each costs a graph as much as a small layer does.
    """
    below = numbers[:, 3:]
    terms = torch.cat([below, below[:, :1] * below[:, 2:]], 1)
    share, ones = (torch.tensor(v, dtype=numbers.dtype, device=numbers.device) for v in (INVERSE_OF_U, EYE))
    inverse = torch.addmm(ones, terms, share).reshape(-1, 3, 3)
    variance = torch.exp(-2 * _log_diagonal(numbers))
    return (inverse * variance[:, :, None]).transpose(1, 2) @ inverse


def _log_diagonal(numbers: Tensor) -> Tensor:
    """(n, 3) of the first three of the six numbers."""
    start = -math.log(SPREAD_AT_START_RAD)
    return LOG_PRECISION_LIMIT * torch.tanh((numbers[:, :3] + start) / LOG_PRECISION_LIMIT)


def expected_error_deg(covariance_rad2: Tensor) -> Tensor:
    """(n,) expected angle of the error in degrees, at most 180, from its covariance (n, 3, 3)."""
    diagonal = torch.tensor((0, 4, 8), device=covariance_rad2.device)
    return degrees_of_variance(covariance_rad2.flatten(1).index_select(1, diagonal).sum(1))


def degrees_of_variance(trace_rad2: Tensor) -> Tensor:
    """(n,) expected angle of the error in degrees, at most 180, from the trace of its covariance, rad².

    For a normal error of standard deviation s along every axis, E|e| = 2 sqrt(2/pi) s (Maxwell); s² is
    taken as a third of the trace. Exact when isotropic, 16 % too large if all along one axis.
    """
    return torch.clamp(torch.rad2deg(MEAN_OF_MAXWELL * (trace_rad2 / 3).sqrt()), max=180.0)
