"""Mean absolute distance of points."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from headwise.training.known import known, mean_of_known


def distance(predicted: Tensor, truth: Tensor) -> Tensor:
    """(n,) mean absolute difference over points and axes, in their unit; NaN labels count 0."""
    truth, is_known = known(truth, predicted)
    return mean_of_known((predicted - truth).abs(), is_known)


def create() -> Callable[[Tensor, Tensor], Tensor]:
    """distance."""
    return distance
