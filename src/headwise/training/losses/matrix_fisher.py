"""Negative log likelihood of a rotation under a matrix Fisher distribution (Mohlin 2020, eq. 1 and 4).

p(R) = exp(tr(FᵀR)) / c(F). The normaliser depends on the proper singular values s1 >= s2 >= |s3| of F alone
and is one integral of Bessel functions (Lee 2018, eq. 16); written for exp(-s1 - s2 - s3) c it has no large
numbers in it:

    integral over t in 0..2 of  I0e((s1 - s2) t / 2) I0e((s1 + s2) (2 - t) / 2) exp(-(s2 + s3) t) / 2

Taken in log t, where everything that happens, at any concentration, is some units wide. In float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from headwise.training.known import known_rotations

NODES = 96
ABOVE_ZERO = 1e-12  # torch takes the slope of I0e at 0 from both sides, which is 0; ours is the right one, -1
SMALLEST_T = 1e-9  # what lies below is less than 1e-5 of the integral for spreads above 0.1 deg


def proper_singular_values(matrix: Tensor) -> Tensor:
    """(n, 3) s1 >= s2 >= |s3| of (n, 3, 3); s3 has the sign of the determinant."""
    values = torch.linalg.svdvals(matrix)
    sign = torch.where(torch.linalg.det(matrix.detach()) < 0, -1.0, 1.0).to(values.dtype)
    return torch.cat([values[:, :2], values[:, 2:] * sign[:, None]], 1)


def log_normaliser(singular: Tensor) -> Tensor:
    """(n,) log c - s1 - s2 - s3 of proper singular values (n, 3), float64; 0 where they are 0."""
    t, weight = (torch.as_tensor(values, device=singular.device) for values in quadrature())
    s1, s2, s3 = (values[:, None] for values in singular.double().unbind(1))
    apart, together = s1 - s2 + ABOVE_ZERO, s1 + s2 + ABOVE_ZERO
    value = torch.special.i0e(apart * t / 2) * torch.special.i0e(together * (2 - t) / 2)
    return torch.log((value * torch.exp(-(s2 + s3) * t) * weight).sum(1) / 2)


@cache
def quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Places t and weights of Gauss and Legendre's rule in log t over SMALLEST_T..2."""
    places, weights = np.polynomial.legendre.leggauss(NODES)
    low, high = math.log(SMALLEST_T), math.log(2.0)
    t = np.exp((high - low) / 2 * (places + 1) + low)
    return t, weights * (high - low) / 2 * t


def negative_log_likelihood(parameters: Tensor, truth: Tensor, uniform: float = 0.0) -> Tensor:
    """(n,) of F (n, 3, 3) and rotations (n, 3, 3), against the uniform distribution: 0 for F = 0.

    uniform: share of the uniform distribution mixed in, which bounds the pull of a wrong label. A truth with
    NaN counts 0. As small as can be for F that points to the truth with endless weight.
    """
    wide = parameters.double()
    truth, is_known = known_rotations(truth.double(), torch.zeros_like(wide))
    singular = proper_singular_values(wide)
    log_chance = (wide * truth).sum((1, 2)) - singular.sum(1) - log_normaliser(singular)
    if uniform > 0:
        floor = torch.full_like(log_chance, math.log(uniform))
        log_chance = torch.logaddexp(log_chance + math.log1p(-uniform), floor)
    return -(is_known * log_chance).to(parameters.dtype)


def create(*, uniform: float = 0.0) -> Callable[[Tensor, Tensor], Tensor]:
    """The likelihood with this share of the uniform distribution."""
    return lambda parameters, truth: negative_log_likelihood(parameters, truth, uniform)
