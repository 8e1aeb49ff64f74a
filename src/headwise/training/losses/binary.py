"""Binary cross entropy of logits, per sample."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from headwise.training.known import known, mean_of_known


def cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """(n,) mean over all but the first axis; truth of the same shape, 0..1, NaN counts 0."""
    truth, is_known = known(truth, torch.zeros_like(truth))
    values = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return mean_of_known(values.reshape(len(values), -1), is_known.reshape(len(values), -1))


def create() -> Callable[[Tensor, Tensor], Tensor]:
    """cross_entropy."""
    return cross_entropy
