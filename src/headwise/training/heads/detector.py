"""Heads in a picture: a feature pyramid, and at every point of it one score, one box and five points.

Anchor-free (FCOS, Tian et al. 2019; YuNet, Wu et al. 2023): each cell of each map speaks for the head whose
middle is near it. Towers are shared by the levels, batch norm is not: levels differ in their statistics.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwise.training.backbones.bottleneck_pyramid import BottleneckPyramid, convolution

POINTS = 5
BOX_PER_STRIDE = 4.0  # a raw box of zeros is a square of so many strides
POINT_PER_STRIDE = 2.0  # a raw point of one lies so many strides from its cell's centre
LARGEST_LOG_SCALE = 3.0  # e**3 * 4 strides: larger than any picture a level is made for
FIRST_SCORE = 0.01  # probability of a head everywhere before training (focal loss paper, section 4.1)
PIXEL_FACTOR, PIXEL_SHIFT = 1 / 64, 120 / 64


class RawDetections(NamedTuple):
    """What the network says at every cell of every level, finest level first, rows before columns.

    ``logits`` (n, a); ``boxes`` (n, a, 4) left, top, right, bottom and ``points`` (n, a, 5, 2) in pixels of
    the input;
    ``centers`` (a, 2) and ``strides`` (a,) of the cells, pixels. All float32.
    """

    logits: Tensor
    boxes: Tensor
    points: Tensor
    centers: Tensor
    strides: Tensor


class SeparableConvolution(nn.Module):
    """Depthwise 3x3 and pointwise convolution shared by ``levels`` maps, each with its own batch norm;
    ReLU.
    """

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(levels))

    def forward(self, features: Tensor, level: int) -> Tensor:
        return F.relu(self.norms[level](self.pointwise(self.depthwise(features))))


class DetectorNetwork(nn.Module):
    """Pictures uint8 RGB (n, H, W, 3), H and W multiples of 32 -> RawDetections."""

    def __init__(self, backbone: BottleneckPyramid, channels: int) -> None:
        super().__init__()
        self.backbone = backbone
        levels = len(backbone.channels)
        self.laterals = nn.ModuleList(convolution(c, channels, 1) for c in backbone.channels)
        self.smooth = nn.ModuleList(SeparableConvolution(channels, 1) for _ in range(levels))
        self.score_tower = SeparableConvolution(channels, levels)
        self.shape_tower = SeparableConvolution(channels, levels)
        self.score = nn.Conv2d(channels, 1, 1)
        self.shape = nn.Conv2d(channels, 4 + 2 * POINTS, 1)
        assert self.score.bias is not None
        assert self.shape.bias is not None
        nn.init.constant_(self.score.bias, float(torch.logit(torch.tensor(FIRST_SCORE))))
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.normal_(self.shape.weight, std=0.01)
        nn.init.zeros_(self.shape.bias)

    def forward(self, images: Tensor) -> RawDetections:
        # Contiguous: else all that follows would be channels last, whatever the run's setting.
        pixels = images.permute(0, 3, 1, 2).contiguous().float() * PIXEL_FACTOR - PIXEL_SHIFT
        logits, shapes, centers, strides = [], [], [], []
        for level, features in enumerate(self._pyramid(pixels)):
            stride = self.backbone.strides[level]
            logits.append(_rows(self.score(self.score_tower(features, level)))[..., 0])
            shapes.append(_rows(self.shape(self.shape_tower(features, level))))
            centers.append(cell_centers(features.shape[2], features.shape[3], stride, features.device))
            strides.append(torch.full_like(centers[-1][0], stride))
        pairs = torch.cat(shapes, 1).transpose(1, 2).reshape(len(images), 2 + POINTS, 2, -1)
        cells, steps = torch.cat(centers, 1), torch.cat(strides)
        return RawDetections(
            logits=torch.cat(logits, 1),
            boxes=decode_boxes(pairs[:, 0], pairs[:, 1], cells, steps).transpose(1, 2),
            points=decode_points(pairs[:, 2:], cells, steps).permute(0, 3, 1, 2),
            centers=cells.T,
            strides=steps,
        )

    def _pyramid(self, pixels: Tensor) -> list[Tensor]:
        maps = [lateral(m) for lateral, m in zip(self.laterals, self.backbone(pixels), strict=True)]
        # The coarsest map may have odd neighbours (inputs are multiples of 32, not 64): it takes no part
        # top-down.
        smoothed = [self.smooth[-1](maps[-1], 0)]
        below = None
        for level in range(len(maps) - 2, -1, -1):
            total = maps[level]
            if below is not None:
                total = total + F.interpolate(below, scale_factor=2.0)  # nearest
            below = self.smooth[level](total, 0)
            smoothed.append(below)
        return smoothed[::-1]


class DecodedDetector(nn.Module):
    """The network as a model file holds it: one picture in, boxes, scores and points of all cells out."""

    def __init__(self, network: DetectorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 (1, H, W, 3) -> boxes (m, 4), scores (m,) in 0..1, points (m, 5, 2); pixels of the input."""
        raw = self.network(image)
        return raw.boxes[0], raw.logits[0].sigmoid(), raw.points[0]


# Cells come last here: what is the same for all of them then is one step over long rows, in every engine.


def cell_centers(height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """(2, height * width) x, y of the middles of a map's cells in pixels of the picture, rows before
    columns.
    """
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) * stride
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) * stride
    columns, rows = x[None, :].expand(height, width), y[:, None].expand(height, width)
    return torch.stack([columns, rows]).flatten(1)


def decode_boxes(shift: Tensor, size: Tensor, centers: Tensor, strides: Tensor) -> Tensor:
    """(n, 4, a) boxes of cells, from two pairs (n, 2, a): shift of the middle in strides, and log of the size
    over BOX_PER_STRIDE strides.

    ``centers`` (2, a) and ``strides`` (a,) of the cells.
    """
    middle = centers + shift * strides
    half = torch.exp(size.clamp(max=LARGEST_LOG_SCALE)) * (BOX_PER_STRIDE / 2 * strides)
    return torch.cat([middle - half, middle + half], dim=1)


def encode_boxes(boxes: Tensor, centers: Tensor, strides: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse of ``decode_boxes``: shift and size."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    size = boxes[:, 2:] - boxes[:, :2]
    return (middle - centers) / strides, torch.log(size / (BOX_PER_STRIDE * strides))


def decode_points(raw: Tensor, centers: Tensor, strides: Tensor) -> Tensor:
    """(n, 5, 2, a) points in pixels, from points relative to their cell in POINT_PER_STRIDE strides."""
    return raw * (POINT_PER_STRIDE * strides) + centers


def _rows(features: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, h * w, c), float32 whatever the network computed in."""
    return features.float().permute(0, 2, 3, 1).flatten(1, 2)


def create(backbone: BottleneckPyramid, channels: int = 48) -> DetectorNetwork:
    """``channels`` of the feature pyramid and its towers."""
    return DetectorNetwork(backbone, channels)
