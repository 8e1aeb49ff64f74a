"""68 points as plain coordinates off the pooled features, and a direct rotation beside them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from headwise.training.answer import POINTS, Answer
from headwise.training.attention import Attention
from headwise.training.heads._keypoints import (
    LOG_SCALE_AT_START,
    KeypointLosses,
    KeypointOutput,
    answer,
    losses_named,
)
from headwise.training.perceptron import Perceptron
from headwise.training.rotation_forms import from_6d


class KeypointRegression(nn.Module):
    """The map, attended to or as it is; its mean through one hidden layer."""

    def __init__(self, channels: int, hidden: int, attention: nn.Module, losses: KeypointLosses) -> None:
        super().__init__()
        self.attention = attention
        self.layers = Perceptron(
            channels, hidden, (6, 6, 2 * POINTS, POINTS, POINTS, 1), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
        )
        self._losses = losses

    def forward(self, feature_map: Tensor, _size_px: int) -> KeypointOutput:
        features = self.attention(feature_map).mean((2, 3))
        sixd, factor, points, log_scale, visibility, hidden = self.layers(features)
        return KeypointOutput(
            from_6d(sixd),
            factor,
            points.reshape(-1, POINTS, 2),
            log_scale + LOG_SCALE_AT_START,
            visibility,
            hidden.squeeze(1),
        )

    def losses(
        self, output: KeypointOutput, batch: Mapping[str, Tensor], progress: float
    ) -> dict[str, Tensor]:
        return self._losses(output, batch, progress)

    def answer(self, output: KeypointOutput) -> Answer:
        return answer(output, self._losses)


def create(
    *,
    channels: int,
    hidden: int = 512,
    attention: bool = False,
    points_loss: str = "wing",
    points_likelihood: str = "points_laplace",
    loss: Mapping[str, float] | None = None,
) -> KeypointRegression:
    """attention: the block of `training/attention` on the map. points_loss: points (L1) or wing.

    points_likelihood: points_laplace or points_gaussian.
    """
    block = Attention(channels) if attention else nn.Identity()
    return KeypointRegression(channels, hidden, block, losses_named(points_loss, points_likelihood, loss))
