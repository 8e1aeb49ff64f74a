"""Labels that a data set lacks are NaN: replaced before the arithmetic, so that no gradient is NaN."""

from __future__ import annotations

import torch
from torch import Tensor


def known(truth: Tensor, stand_in: Tensor) -> tuple[Tensor, Tensor]:
    """Labels with `stand_in` in place of NaN, and where they were known: 1 or 0, of the labels' shape.

    Any shapes that broadcast; no gradient flows through the stand-in.
    """
    missing = truth.isnan()
    return torch.where(missing, stand_in.detach().to(truth.dtype), truth), (~missing).to(truth.dtype)


def known_rotations(truth: Tensor, stand_in: Tensor) -> tuple[Tensor, Tensor]:
    """The same for rotations (n, 3, 3), known as a whole or not at all; the second is (n,)."""
    missing = truth.isnan().any(2).any(1)
    whole = torch.where(missing[:, None, None], stand_in.detach().to(truth.dtype), truth)
    return whole, (~missing).to(truth.dtype)


def mean_of_known(values: Tensor, is_known: Tensor) -> Tensor:
    """(n,) mean over all but the first axis of what is known; 0 where nothing is."""
    is_known = is_known.expand_as(values)
    return (values * is_known).flatten(1).sum(1) / is_known.flatten(1).sum(1).clamp(min=1)


def roll_completed(truth: Tensor, predicted: Tensor, roll_known: Tensor) -> Tensor:
    """Rotations (n, 3, 3) whose roll, where `roll_known` (n,) is 0, is the one nearest to the prediction.

    Such labels say where the face looks and no more. R Rz(t) has the facing of R for every t; the angle to
    the prediction P is smallest where tr(Pᵀ R Rz(t)) is largest.
    """
    m = predicted.detach().transpose(1, 2) @ truth
    t = torch.atan2(m[:, 0, 1] - m[:, 1, 0], m[:, 0, 0] + m[:, 1, 1])
    t = torch.where(roll_known > 0, torch.zeros_like(t), t)
    c, s, zero = torch.cos(t), torch.sin(t), torch.zeros_like(t)
    turn = torch.stack([c, -s, zero, s, c, zero, zero, zero, torch.ones_like(t)], 1).reshape(-1, 3, 3)
    return truth @ turn
