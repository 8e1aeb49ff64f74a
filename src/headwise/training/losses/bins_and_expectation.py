"""HopeNet's hybrid loss (Ruiz 2018, eq. 1): cross entropy of the bins + alpha times the expectation's error.

Bin centres, not left edges; round the circle the expectation is the direction of the mean vector, and the
error goes the short way (WHENet, Zhou 2020, eq. 2).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from headwise.training.losses.angle_squared import wrapped
from headwise.training.losses.bins import FULL_TURN_DEG, AngleBins, cross_entropy

SMALLEST_MEAN = 1e-6  # length of a mean vector that has no direction


def mean_vector(logits: Tensor, bins: AngleBins) -> tuple[Tensor, Tensor]:
    """((n,), (n,)) sine and cosine of the distribution's mean; all zero where it is even."""
    centres = torch.deg2rad(bins.centres_deg(logits))
    chance = torch.softmax(logits, 1)
    return (chance * torch.sin(centres)).sum(1), (chance * torch.cos(centres)).sum(1)


def expectation_deg(logits: Tensor, bins: AngleBins) -> Tensor:
    """(n,) the angle that the bins' distribution (n, count) expects."""
    if not bins.circular:
        return (torch.softmax(logits, 1) * bins.centres_deg(logits)).sum(1)
    sine, cosine = mean_vector(logits, bins)
    return torch.rad2deg(
        torch.atan2(sine, torch.where(sine.abs() + cosine.abs() < SMALLEST_MEAN, 1.0, cosine))
    )


def variance_deg2(logits: Tensor, bins: AngleBins) -> Tensor:
    """(n,) of the bins' distribution; round the circle that of the wrapped normal with this mean length."""
    if not bins.circular:
        centres = bins.centres_deg(logits)
        apart = centres - expectation_deg(logits, bins)[:, None]
        return (torch.softmax(logits, 1) * apart.square()).sum(1)
    sine, cosine = mean_vector(logits, bins)
    length2 = (sine.square() + cosine.square()).clamp(min=SMALLEST_MEAN**2)
    return -torch.log(length2.clamp(max=1.0)) * (FULL_TURN_DEG / (2 * torch.pi)) ** 2


def expectation_error(logits: Tensor, truth_deg: Tensor, bins: AngleBins) -> Tensor:
    """(n,) squared error of the expectation, deg²; labels as in `cross_entropy`.

    Round the circle times the length of the mean vector: an even distribution has no direction to judge, and
    the slope of its angle has no bound.
    """
    truth_deg, is_known = bins.known(truth_deg)
    away = torch.rad2deg(wrapped(torch.deg2rad(expectation_deg(logits, bins) - truth_deg)))
    if bins.circular:
        sine, cosine = mean_vector(logits, bins)
        is_known = is_known * torch.hypot(sine, cosine).detach()
    return is_known * away.square()


def hybrid(
    logits: Tensor, truth_deg: Tensor, bins: AngleBins, alpha: float, sigma_deg: float = 0.0
) -> Tensor:
    """(n,) for one angle: logits (n, count), truth (n,) degrees."""
    return cross_entropy(logits, truth_deg, bins, sigma_deg) + alpha * expectation_error(
        logits, truth_deg, bins
    )


def create(
    *, count: int = 66, width_deg: float = 3.0, alpha: float = 1.0, sigma_deg: float = 0.0
) -> Callable[[Tensor, Tensor], Tensor]:
    """hybrid for these bins."""
    bins = AngleBins(count, width_deg)
    return lambda logits, truth_deg: hybrid(logits, truth_deg, bins, alpha, sigma_deg)
