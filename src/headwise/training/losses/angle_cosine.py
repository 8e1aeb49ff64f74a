"""1 - cos of the error of angles: wraps by itself, and half a turn off has no slope."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from headwise.training.known import known, mean_of_known


def one_minus_cosine(predicted_rad: Tensor, truth_rad: Tensor) -> Tensor:
    """(n,) mean over the angles (n, k), 0..2; NaN labels count 0."""
    truth_rad, is_known = known(truth_rad, predicted_rad)
    return mean_of_known(1 - torch.cos(predicted_rad - truth_rad), is_known)


def create() -> Callable[[Tensor, Tensor], Tensor]:
    """one_minus_cosine."""
    return one_minus_cosine
