"""The pose head: rotation, its spread, 68 points with visibility and depth, face hidden or not."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from headwise.training.answer import POINTS, Answer
from headwise.training.heads._keypoints import (
    LOG_SCALE_AT_START,
    KeypointLosses,
    KeypointOutput,
    KeypointWeights,
    answer,
)
from headwise.training.losses import points, points_laplace
from headwise.training.rotation_forms import from_6d
from headwise.training.settings import checked


class PoseWeights(KeypointWeights):
    """The table [task.loss]."""

    points_likelihood: float = 0.05


class PoseHead(nn.Module):
    """The mean over the map through one hidden layer."""

    def __init__(self, channels: int, hidden: int, weights: PoseWeights) -> None:
        super().__init__()
        self._losses = KeypointLosses(weights, points.distance, points_laplace.negative_log_likelihood)
        self.hidden = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU())
        self.sizes = [6, 6, 2 * POINTS, POINTS, POINTS, POINTS, 1]
        self.out = nn.Linear(hidden, sum(self.sizes))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.bias[:6] = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])

    def forward(self, feature_map: Tensor, _size_px: int) -> KeypointOutput:
        parts = torch.split(self.out(self.hidden(feature_map.mean((2, 3)))), self.sizes, dim=1)
        sixd, factor, points_xy, depth, log_scale, visibility, hidden = parts
        return KeypointOutput(
            from_6d(sixd),
            factor,
            points_xy.reshape(-1, POINTS, 2),
            log_scale + LOG_SCALE_AT_START,
            visibility,
            hidden.squeeze(1),
            depth,
        )

    def losses(
        self, output: KeypointOutput, batch: Mapping[str, Tensor], progress: float
    ) -> dict[str, Tensor]:
        return self._losses(output, batch, progress)

    def answer(self, output: KeypointOutput) -> Answer:
        return answer(output, self._losses)


def create(*, channels: int, hidden: int = 512, loss: Mapping[str, float] | None = None) -> PoseHead:
    """The head on maps of so many channels; `loss`: weights, see `PoseWeights`."""
    return PoseHead(channels, hidden, checked(PoseWeights, dict(loss or {}), "task.loss"))
