"""The geodesic angle without the worst of each batch (least trimmed errors, Rousseeuw 1984)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from headwise.training.losses.geodesic import angle_between

SHARE = 0.02  # of a batch: about as many labels as are wrong in a good set


def trimmed(predicted: Tensor, truth: Tensor, share: float = SHARE) -> Tensor:
    """(n,) radians between rotations (n, 3, 3); 0 for the largest `share` of them, and for NaN."""
    angle = angle_between(predicted, truth)
    dropped = int(share * len(angle))
    if dropped == 0:
        return angle
    kept = torch.ones_like(angle)
    kept[angle.detach().topk(dropped).indices] = 0
    return angle * kept


def create(*, share: float = SHARE) -> Callable[[Tensor, Tensor], Tensor]:
    """trimmed by this share."""
    return lambda predicted, truth: trimmed(predicted, truth, share)
