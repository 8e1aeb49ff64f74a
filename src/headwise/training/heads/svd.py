"""Nine numbers, and the rotation nearest to that matrix (Levinson 2020), without an SVD in the graph."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from headwise import plugins
from headwise.training.heads._direct import DirectHead, Form, RotationWeights, loss_of_rotations
from headwise.training.rotation_forms import from_matrix
from headwise.training.settings import checked


def rotation(numbers: Tensor) -> Tensor:
    """(n, 9), rows one after the other, to (n, 3, 3)."""
    return from_matrix(numbers.reshape(-1, 3, 3))


def create(
    *,
    channels: int,
    hidden: int = 512,
    rotation_loss: str = "geodesic",
    loss: Mapping[str, float] | None = None,
) -> DirectHead:
    """rotation_loss: a file of `training/losses` on rotations: geodesic, chordal, geman_mcclure, trimmed."""
    judge = loss_of_rotations(plugins.load("training.losses", rotation_loss))
    form = Form((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), rotation, judge)
    return DirectHead(channels, hidden, form, checked(RotationWeights, dict(loss or {}), "task.loss"))
