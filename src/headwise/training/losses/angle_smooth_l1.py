"""Smooth L1 of angles, the short way round: squared near the truth, then straight (Girshick 2015, eq. 3)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from headwise.training.known import known, mean_of_known
from headwise.training.losses.angle_squared import wrapped

BEND_DEG = 3.0  # below the noise of labels nothing is gained by a full slope


def smooth_l1(predicted_rad: Tensor, truth_rad: Tensor, bend_rad: float = math.radians(BEND_DEG)) -> Tensor:
    """(n,) mean over the angles (n, k), radians: |d| - bend/2 beyond the bend; NaN labels count 0."""
    truth_rad, is_known = known(truth_rad, predicted_rad)
    error = wrapped(predicted_rad - truth_rad).abs()
    value = torch.where(error < bend_rad, error.square() / (2 * bend_rad), error - bend_rad / 2)
    return mean_of_known(value, is_known)


def create(*, bend_deg: float = BEND_DEG) -> Callable[[Tensor, Tensor], Tensor]:
    """smooth_l1 that bends at so many degrees."""
    return lambda predicted_rad, truth_rad: smooth_l1(predicted_rad, truth_rad, math.radians(bend_deg))
