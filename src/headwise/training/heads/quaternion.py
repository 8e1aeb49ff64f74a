"""A unit quaternion; the loss takes q and -q for the same."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from headwise.training.heads._direct import DirectHead, Form, RotationOutput, RotationWeights
from headwise.training.losses.quaternion import apart
from headwise.training.rotation_forms import from_quaternion
from headwise.training.settings import checked


def judge(output: RotationOutput, truth: Tensor) -> Tensor:
    """(n,) 1 - |<p, q>|."""
    return apart(output.numbers, truth)


class QuaternionWeights(RotationWeights):
    """1 - cos(angle / 2) is small: 6e-4 at 4 deg, where the angle itself is 7e-2."""

    rotation: float = 10.0


def create(*, channels: int, hidden: int = 512, loss: Mapping[str, float] | None = None) -> DirectHead:
    """w first; starts at no rotation."""
    form = Form((1.0, 0.0, 0.0, 0.0), from_quaternion, judge)
    return DirectHead(channels, hidden, form, checked(QuaternionWeights, dict(loss or {}), "task.loss"))
