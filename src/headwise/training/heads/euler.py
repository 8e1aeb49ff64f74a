"""Yaw, pitch and roll as three plain numbers, judged the short way round.

The oldest form, and not a continuous one: at the order's singularity and at half a turn equal heads have
labels far apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from headwise import plugins
from headwise.conventions import EulerOrder
from headwise.training.heads._direct import DirectHead, Form, RotationOutput, RotationWeights
from headwise.training.rotation_forms import euler_of, from_euler, order_named
from headwise.training.settings import checked


def create(
    *,
    channels: int,
    hidden: int = 512,
    order: str = EulerOrder.AZIMUTH,
    angle_loss: str = "angle_smooth_l1",
    loss: Mapping[str, float] | None = None,
) -> DirectHead:
    """angle_loss: a file of `training/losses` on angles: angle_smooth_l1, angle_squared, angle_cosine."""
    axes = order_named(order)
    apart = plugins.load("training.losses", angle_loss)

    def judge(output: RotationOutput, truth: Tensor) -> Tensor:
        value: Tensor = apart(output.numbers, euler_of(truth, axes))
        return value

    form = Form((0.0, 0.0, 0.0), lambda radians: from_euler(radians, axes), judge)
    return DirectHead(channels, hidden, form, checked(RotationWeights, dict(loss or {}), "task.loss"))
