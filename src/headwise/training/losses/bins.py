"""Cross entropy of angle bins, with hard or with soft labels; on a line or round the circle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

FULL_TURN_DEG = 360.0


@dataclass(frozen=True)
class AngleBins:
    """`count` bins of `width_deg` about 0. Those that fill 360 deg are a circle, others a line with ends."""

    count: int
    width_deg: float

    @property
    def circular(self) -> bool:
        return abs(self.count * self.width_deg - FULL_TURN_DEG) < 1e-6

    @property
    def reach_deg(self) -> float:
        """Angles from -reach to reach have a bin."""
        return self.count * self.width_deg / 2

    def centres_deg(self, like: Tensor) -> Tensor:
        """(count,) middles, not edges: Hopenet's own code reads the left edge and is 1.5 deg off."""
        places = torch.arange(self.count, dtype=like.dtype, device=like.device)
        return (places + 0.5) * self.width_deg - self.reach_deg

    def known(self, truth_deg: Tensor) -> tuple[Tensor, Tensor]:
        """Labels (n,) without NaN and without what no bin holds, and where they were fit: 1 or 0."""
        if self.circular:
            truth_deg = torch.remainder(truth_deg + 180, FULL_TURN_DEG) - 180
        fit = truth_deg.abs() <= self.reach_deg  # false for NaN
        return torch.where(fit, truth_deg, torch.zeros_like(truth_deg)), fit.to(truth_deg.dtype)


def hard_labels(bins: AngleBins, truth_deg: Tensor) -> Tensor:
    """(n, count): all of it in the bin that holds the angle (n,)."""
    place = ((truth_deg + bins.reach_deg) / bins.width_deg).long().clamp(0, bins.count - 1)
    labels: Tensor = functional.one_hot(place, bins.count).to(truth_deg.dtype)
    return labels


def soft_labels(bins: AngleBins, truth_deg: Tensor, sigma_deg: float) -> Tensor:
    """(n, count): a normal distribution about the angle, round the circle where the bins are one."""
    away = bins.centres_deg(truth_deg) - truth_deg[:, None]
    if bins.circular:
        away = torch.remainder(away + 180, FULL_TURN_DEG) - 180
    labels: Tensor = torch.softmax(-(away / sigma_deg).square() / 2, 1)
    return labels


def cross_entropy(logits: Tensor, truth_deg: Tensor, bins: AngleBins, sigma_deg: float = 0.0) -> Tensor:
    """(n,) of logits (n, count) and angles (n,), above its least value: 0 where the logits say the label.

    sigma_deg 0: hard labels. Labels that are NaN, or outside of bins on a line, count 0.
    """
    truth_deg, is_known = bins.known(truth_deg)
    labels = soft_labels(bins, truth_deg, sigma_deg) if sigma_deg else hard_labels(bins, truth_deg)
    least: Tensor = torch.special.entr(labels).sum(1)
    return is_known * (-(labels * torch.log_softmax(logits, 1)).sum(1) - least)


def create(
    *, count: int = 66, width_deg: float = 3.0, sigma_deg: float = 0.0
) -> Callable[[Tensor, Tensor], Tensor]:
    """cross_entropy for these bins."""
    return lambda logits, truth_deg: cross_entropy(logits, truth_deg, AngleBins(count, width_deg), sigma_deg)
