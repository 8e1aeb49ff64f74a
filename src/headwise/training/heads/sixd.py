"""Two vectors that Gram and Schmidt make a rotation of (Zhou 2019), continuous over all rotations."""

from __future__ import annotations

from collections.abc import Mapping

from headwise import plugins
from headwise.training.heads._direct import DirectHead, Form, RotationWeights, loss_of_rotations
from headwise.training.rotation_forms import from_6d
from headwise.training.settings import checked


def create(
    *,
    channels: int,
    hidden: int = 512,
    rotation_loss: str = "geodesic",
    loss: Mapping[str, float] | None = None,
) -> DirectHead:
    """rotation_loss: a file of `training/losses` on rotations: geodesic, chordal, geman_mcclure, trimmed."""
    judge = loss_of_rotations(plugins.load("training.losses", rotation_loss))
    form = Form((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), from_6d, judge)
    return DirectHead(channels, hidden, form, checked(RotationWeights, dict(loss or {}), "task.loss"))
