"""The pose head: rotation, its spread, 68 points with visibility and depth, face hidden or not."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

POINTS = 68
SPREAD_AT_START_RAD = 0.5  # about the error of a network that has learned little
LOG_PRECISION_LIMIT = 6.0  # 1 / e^6 rad = 0.14 deg: no rotation is known better


class PoseOutput(NamedTuple):
    """What the head says of n crops."""

    rotation: Tensor  # (n, 3, 3) ray_from_head
    precision_factor: Tensor  # (n, 3, 3) lower triangular L; L Lᵀ is the inverse covariance of the error, rad
    points: Tensor  # (n, 68, 2) in the crop: -1..1 from edge to edge
    points_depth: Tensor  # (n, 68) in half crop sides, away from the lens, mean about 0
    points_log_scale: Tensor  # (n, 68) log of the Laplace scale of `points`
    visibility: Tensor  # (n, 68) logits
    face_hidden: Tensor  # (n,) logits


class PoseHead(nn.Module):
    """Pooled features (n, channels) through one hidden layer."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU())
        self.sizes = [6, 6, 2 * POINTS, POINTS, POINTS, POINTS, 1]
        self.out = nn.Linear(hidden, sum(self.sizes))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.bias[:6] = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])

    def forward(self, features: Tensor) -> PoseOutput:
        parts = torch.split(self.out(self.hidden(features)), self.sizes, dim=1)
        sixd, factor, points, depth, log_scale, visibility, hidden = parts
        return PoseOutput(
            rotation_from_6d(sixd),
            lower_triangular(factor),
            points.reshape(-1, POINTS, 2),
            depth,
            log_scale - 2.0,
            visibility,
            hidden.squeeze(1),
        )


def rotation_from_6d(sixd: Tensor) -> Tensor:
    """(n, 6) to proper rotations (n, 3, 3): two vectors become the first two columns (Zhou 2019, eq. 15).

    Written with sums of products alone, so that every runtime has the operators.
    """
    first = unit(sixd[:, :3])
    second = sixd[:, 3:]
    second = unit(second - (first * second).sum(1, keepdim=True) * first)
    return torch.stack([first, second, cross(first, second)], dim=2)


def unit(vector: Tensor) -> Tensor:
    """(n, 3) to length 1; a zero vector stays finite."""
    return vector / (vector.square().sum(1, keepdim=True) + 1e-12).sqrt()


def cross(a: Tensor, b: Tensor) -> Tensor:
    """a x b of (n, 3)."""
    ax, ay, az = a.unbind(1)
    bx, by, bz = b.unbind(1)
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], dim=1)


def lower_triangular(numbers: Tensor) -> Tensor:
    """(n, 6) to L (n, 3, 3): three log-diagonals (softly bounded), three below in their unit."""
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


def covariance_trace(precision_factor: Tensor) -> Tensor:
    """(n,) trace of (L Lᵀ)⁻¹ in rad², by forward substitution: it is the squared norm of L⁻¹."""
    L = precision_factor
    i0, i1, i2 = 1 / L[:, 0, 0], 1 / L[:, 1, 1], 1 / L[:, 2, 2]
    m10 = -L[:, 1, 0] * i0 * i1
    m21 = -L[:, 2, 1] * i1 * i2
    m20 = -(L[:, 2, 0] * i0 + L[:, 2, 1] * m10) * i2
    return i0**2 + i1**2 + i2**2 + m10**2 + m20**2 + m21**2


def expected_error_deg(precision_factor: Tensor) -> Tensor:
    """(n,) expected angle of the error in degrees, at most 180.

    For a normal error of standard deviation s along every axis, E|e| = 2 sqrt(2/pi) s (Maxwell); s² is
    taken as a third of the covariance's trace. Exact when isotropic, 16 % too large if all along one axis.
    """
    sigma = (covariance_trace(precision_factor) / 3).sqrt()
    return torch.clamp(torch.rad2deg(2 * (2 / torch.pi) ** 0.5 * sigma), max=180.0)


def create(*, channels: int, hidden: int = 512) -> PoseHead:
    """The head on `channels` pooled features."""
    return PoseHead(channels, hidden)
