"""1 - cos of the angle between rotations: the squared chord |A - B|² / 4 (Hartley 2013, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from headwise.training.known import known_rotations


def one_minus_cosine(predicted: Tensor, truth: Tensor) -> Tensor:
    """(n,) of rotations (n, 3, 3), 0..2; a truth with NaN counts 0."""
    truth, is_known = known_rotations(truth, predicted)
    return is_known * (predicted - truth).square().sum((1, 2)) / 4


def create() -> Callable[[Tensor, Tensor], Tensor]:
    """one_minus_cosine."""
    return one_minus_cosine
