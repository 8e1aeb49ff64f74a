"""Mean squared error of angles, the short way round; and the wrapping that all angle losses share."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from headwise.training.known import known, mean_of_known


def wrapped(difference_rad: Tensor) -> Tensor:
    """Differences of angles, radians, into [-pi, pi); the slope is 1 everywhere."""
    return torch.remainder(difference_rad + math.pi, 2 * math.pi) - math.pi


def squared(predicted_rad: Tensor, truth_rad: Tensor) -> Tensor:
    """(n,) mean over the angles (n, k), rad²; NaN labels count 0."""
    truth_rad, is_known = known(truth_rad, predicted_rad)
    return mean_of_known(wrapped(predicted_rad - truth_rad).square(), is_known)


def create() -> Callable[[Tensor, Tensor], Tensor]:
    """squared."""
    return squared
