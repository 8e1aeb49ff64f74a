"""Wing loss of points (Feng 2018, eq. 5): steep near the truth, so that small errors still count."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from headwise.training.known import known, mean_of_known

WIDTH, CURVATURE = 0.1, 0.02  # of -1..1 over the crop: 5 and 1 % of its side; the paper's 10 and 2 of 256 px


def wing(predicted: Tensor, truth: Tensor, width: float = WIDTH, curvature: float = CURVATURE) -> Tensor:
    """(n,) mean over points and axes: w ln(1 + |x| / e) below the width w, |x| - C beyond; NaN counts 0."""
    truth, is_known = known(truth, predicted)
    error = (predicted - truth).abs()
    joint = width - width * math.log1p(width / curvature)
    return mean_of_known(
        torch.where(error < width, width * torch.log1p(error / curvature), error - joint), is_known
    )


def create(*, width: float = WIDTH, curvature: float = CURVATURE) -> Callable[[Tensor, Tensor], Tensor]:
    """wing of this shape, in the unit of the points."""
    return lambda predicted, truth: wing(predicted, truth, width, curvature)
