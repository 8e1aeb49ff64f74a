"""Losses on points: plain distance, and the Laplace likelihood with a learned scale per point."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def distance(predicted: Tensor, truth: Tensor) -> Tensor:
    """(n,) mean absolute difference over all points and axes, in the unit of the points."""
    return (predicted - truth).abs().flatten(1).mean(1)


def negative_log_likelihood(predicted: Tensor, log_scale: Tensor, truth: Tensor) -> Tensor:
    """(n,) mean over points (n, k, 2) under a Laplace distribution of scale exp(log_scale) (n, k)."""
    error = (predicted - truth).abs().mean(2)
    log_scale = log_scale.clamp(-6.0, 3.0)
    return (error * (-log_scale).exp() + log_scale).mean(1)


def create() -> Callable[[Tensor, Tensor], Tensor]:
    """distance."""
    return distance
