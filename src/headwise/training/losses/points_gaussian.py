"""Negative log likelihood of points under a round normal distribution with a scale of each point's own."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from headwise.training.known import known, mean_of_known
from headwise.training.losses.points_laplace import LARGEST_LOG_SCALE, SMALLEST_LOG_SCALE


def negative_log_likelihood(predicted: Tensor, log_scale: Tensor, truth: Tensor) -> Tensor:
    """(n,) mean over points (n, k, 2), standard deviation exp(log_scale) (n, k) along both axes.

    Per axis, like the Laplace one; a point with a NaN label counts 0.
    """
    truth, is_known = known(truth, predicted)
    squared = (predicted - truth).square().mean(2)
    log_scale = log_scale.clamp(SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE)
    return mean_of_known(squared * (-2 * log_scale).exp() / 2 + log_scale, is_known.amin(2))


def create() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """negative_log_likelihood."""
    return negative_log_likelihood
