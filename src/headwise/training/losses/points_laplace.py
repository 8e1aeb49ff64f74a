"""Negative log likelihood of points under a Laplace distribution with a scale of each point's own."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from headwise.training.known import known, mean_of_known

SQRT_2 = 2**0.5  # standard deviation of a Laplace distribution over its scale
SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE = -6.0, 3.0  # of -1..1 over the crop: 0.1 % of its side, and anywhere


def negative_log_likelihood(predicted: Tensor, log_scale: Tensor, truth: Tensor) -> Tensor:
    """(n,) mean over points (n, k, 2), scale exp(log_scale) (n, k); a point with a NaN label counts 0."""
    truth, is_known = known(truth, predicted)
    error = (predicted - truth).abs().mean(2)
    log_scale = log_scale.clamp(SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE)
    return mean_of_known(error * (-log_scale).exp() + log_scale, is_known.amin(2))


def standard_deviation(log_scale: Tensor) -> Tensor:
    """Along an axis, in the unit of the points: sqrt(2) of the scale."""
    return SQRT_2 * log_scale.clamp(SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE).exp()


def create() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """negative_log_likelihood."""
    return negative_log_likelihood
