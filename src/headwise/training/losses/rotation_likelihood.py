"""Negative log likelihood of a rotation error under a normal distribution in the tangent space.

After Welter et al. (OPAL; opentrack's NeuralNet tracker): a 3x3 Cholesky factor per picture, mixed with a
little of the uniform distribution on SO(3) so that one wrong label cannot pull without bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from headwise.training.known import known_rotations

SO3_VOLUME = 8 * math.pi**2  # of the rotation vectors' measure at the identity
SMALLEST_HALF_COSINE = 0.05  # errors beyond 174 deg are shrunk, where the direction flips


def error_vector(predicted: Tensor, truth: Tensor) -> Tensor:
    """(n, 3) error in radians, in the head's frame: along the axis, 2 sin(angle / 2) long, smooth everywhere.

    The chord stands in for the angle: 1 % short at 30 deg, and without the angle's break at pi.
    """
    error = predicted.transpose(1, 2) @ truth
    axis_sine = (
        torch.stack(
            [
                error[:, 2, 1] - error[:, 1, 2],
                error[:, 0, 2] - error[:, 2, 0],
                error[:, 1, 0] - error[:, 0, 1],
            ],
            dim=1,
        )
        / 2
    )
    trace = error.diagonal(dim1=1, dim2=2).sum(1)
    half_cosine = ((1 + trace) / 4).clamp(min=SMALLEST_HALF_COSINE**2).sqrt()
    return axis_sine / half_cosine[:, None]


def negative_log_likelihood(
    predicted: Tensor, precision_factor: Tensor, truth: Tensor, uniform: float = 0.005
) -> Tensor:
    """(n,) for rotations (n, 3, 3) and lower triangular L (n, 3, 3) of the inverse covariance L Lᵀ.

    0 where the truth has a NaN.
    """
    truth, is_known = known_rotations(truth, predicted)
    whitened = (precision_factor.transpose(1, 2) @ error_vector(predicted, truth)[:, :, None]).squeeze(2)
    log_determinant = precision_factor.diagonal(dim1=1, dim2=2).log().sum(1)
    log_normal = log_determinant - 1.5 * math.log(2 * math.pi) - whitened.square().sum(1) / 2
    floor = torch.full_like(log_normal, math.log(uniform / SO3_VOLUME))
    return -is_known * torch.logaddexp(log_normal + math.log1p(-uniform), floor)


def create(*, uniform: float = 0.005) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The likelihood with this share of the uniform distribution."""
    return lambda predicted, factor, truth: negative_log_likelihood(predicted, factor, truth, uniform)
