"""What every head of the pose network answers, and what a head is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from torch import Tensor

POINTS = 68


class Answer(NamedTuple):
    """Of n crops. None: this head does not say it."""

    rotation: Tensor  # (n, 3, 3) ray_from_head
    spread_deg: Tensor  # (n,) expected angle of the error
    points: Tensor | None = None  # (n, 68, 2) in the crop: -1..1 from edge to edge
    visibility: Tensor | None = None  # (n, 68) 0..1
    face_hidden: Tensor | None = None  # (n,) 0..1
    covariance: Tensor | None = None  # (n, 3, 3) rad², of the error's rotation vector in the head's frame
    points_spread: Tensor | None = None  # (n, 68) standard deviation along an axis, unit of the points


class Head(Protocol):
    """A torch module; `create(*, channels, **options)` of a file in `training/heads` returns one."""

    def __call__(self, feature_map: Tensor, size_px: int) -> Any:
        """The head's own output for maps (n, channels, h, w) of crops of that size."""
        ...

    def losses(self, output: Any, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Weighted parts by name, each (n,); a label that is NaN counts 0. progress: 0..1 of the schedule."""
        ...

    def answer(self, output: Any) -> Answer:
        """What the model file says; operators that every runtime has."""
        ...
