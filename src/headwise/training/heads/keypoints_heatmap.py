"""68 heatmaps whose mean is the point (soft-argmax: Sun 2018; DSNT: Nibali 2018), and a direct rotation.

The map is made finer by a few narrow deconvolutions (Xiao 2018). A point is the mean of its heatmap, so it
is as fine as the numbers are, and the map's own width is its scale: the likelihood of the true point trains
both (Kumar 2020, LUVLi).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from headwise.training.answer import POINTS, Answer
from headwise.training.attention import Attention
from headwise.training.heads._keypoints import KeypointLosses, KeypointOutput, answer, losses_named
from headwise.training.perceptron import Perceptron
from headwise.training.rotation_forms import from_6d

STRIDE = 32  # of the backbone's map
BEYOND = 1  # cells added at the right and the bottom: points of a head may lie outside of its crop


class KeypointHeatmap(nn.Module):
    """The map, attended to or as it is; deconvolutions for the points, its mean for all else."""

    def __init__(
        self,
        channels: int,
        hidden: int,
        attention: nn.Module,
        narrow: int,
        doublings: int,
        losses: KeypointLosses,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.stride_px = STRIDE / 2**doublings
        self.layers = Perceptron(channels, hidden, (6, 6, POINTS, 1), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
        self.narrow = nn.Sequential(
            nn.Conv2d(channels, 2 * narrow, 1, bias=False), nn.BatchNorm2d(2 * narrow), nn.ReLU(inplace=True)
        )
        self.finer = nn.Sequential(
            *(doubling(narrow * (2 if i == 0 else 1), narrow) for i in range(doublings))
        )
        self.maps = nn.Conv2d(narrow if doublings else 2 * narrow, POINTS, 1)
        self._losses = losses

    def forward(self, feature_map: Tensor, size_px: int) -> KeypointOutput:
        feature_map = self.attention(feature_map)
        sixd, factor, visibility, hidden = self.layers(feature_map.mean((2, 3)))
        narrow = functional.pad(self.narrow(feature_map), (0, BEYOND, 0, BEYOND))
        points, log_scale = self._points(self.maps(self.finer(narrow)), size_px)
        return KeypointOutput(from_6d(sixd), factor, points, log_scale, visibility, hidden.squeeze(1))

    def _points(self, maps: Tensor, size_px: int) -> tuple[Tensor, Tensor]:
        """Mean (n, 68, 2) and log of the width (n, 68) of each heatmap, -1..1 over the crop.

        Rows and columns are summed up first: the mean needs no more.
        """
        height, width = maps.shape[2], maps.shape[3]
        chance = torch.softmax(maps.flatten(2), 2).reshape(-1, POINTS, height, width)
        x = cell_places(width, self.stride_px, size_px, maps)
        y = cell_places(height, self.stride_px, size_px, maps)
        columns, rows = chance.sum(2), chance.sum(3)
        mean_x, mean_y = (columns * x).sum(2), (rows * y).sum(2)
        variance = (columns * (x - mean_x[..., None]).square()).sum(2)
        variance = variance + (rows * (y - mean_y[..., None]).square()).sum(2)
        within_cell = (2 * self.stride_px / size_px) ** 2 / 12  # of a point that lies anywhere in one cell
        return torch.stack([mean_x, mean_y], 2), torch.log(variance / 2 + within_cell) / 2

    def losses(
        self, output: KeypointOutput, batch: Mapping[str, Tensor], progress: float
    ) -> dict[str, Tensor]:
        return self._losses(output, batch, progress)

    def answer(self, output: KeypointOutput) -> Answer:
        return answer(output, self._losses)


def doubling(inputs: int, outputs: int) -> nn.Sequential:
    """Twice the height and the width."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def cell_places(count: int, stride_px: float, size_px: int, like: Tensor) -> Tensor:
    """(count,) middles of the cells of one axis, -1..1 over the crop.

    Padded convolutions of stride 2 keep the first cell on the first pixel, so a cell of the backbone's map
    reaches STRIDE / 2 to both sides of pixel 0, 32, 64 ...; finer cells divide that.
    """
    places = torch.arange(count, dtype=like.dtype, device=like.device)
    return ((places + 0.5) * stride_px - (STRIDE - 1) / 2) * (2 / size_px) - 1


def create(
    *,
    channels: int,
    hidden: int = 512,
    attention: bool = False,
    narrow: int = 64,
    doublings: int = 3,
    points_loss: str = "points",
    points_likelihood: str = "points_laplace",
    loss: Mapping[str, float] | None = None,
) -> KeypointHeatmap:
    """doublings: 3 make maps of a quarter of the input, 0 leave the backbone's. narrow: their channels.

    attention, points_loss, points_likelihood: as for keypoints_regression.
    """
    block = Attention(channels) if attention else nn.Identity()
    losses = losses_named(points_loss, points_likelihood, loss)
    return KeypointHeatmap(channels, hidden, block, narrow, doublings, losses)
