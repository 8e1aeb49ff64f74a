"""MobileNetV3 small and large, written from the paper's tables 1 and 2 (Howard 2019, arXiv:1905.02244).

Up to the last convolution before the pool. Fully convolutional: maps at 1/32 of the input.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from headwise.errors import SettingsError
from headwise.training.backbones.mobilenetv4 import initialise, scaled_channels

STEM = 16
SQUEEZE = 4  # of the expanded channels, in squeeze and excite


class Row(NamedTuple):
    """A line of the paper's table: kernel, expanded channels, output channels, SE, hard swish, stride."""

    kernel: int
    middle: int
    channels: int
    attends: bool
    hard_swish: bool
    stride: int


LARGE = (
    Row(3, 16, 16, False, False, 1),
    Row(3, 64, 24, False, False, 2),
    Row(3, 72, 24, False, False, 1),
    Row(5, 72, 40, True, False, 2),
    Row(5, 120, 40, True, False, 1),
    Row(5, 120, 40, True, False, 1),
    Row(3, 240, 80, False, True, 2),
    Row(3, 200, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 480, 112, True, True, 1),
    Row(3, 672, 112, True, True, 1),
    Row(5, 672, 160, True, True, 2),
    Row(5, 960, 160, True, True, 1),
    Row(5, 960, 160, True, True, 1),
)
SMALL = (
    Row(3, 16, 16, True, False, 2),
    Row(3, 72, 24, False, False, 2),
    Row(3, 88, 24, False, False, 1),
    Row(5, 96, 40, True, True, 2),
    Row(5, 240, 40, True, True, 1),
    Row(5, 240, 40, True, True, 1),
    Row(5, 120, 48, True, True, 1),
    Row(5, 144, 48, True, True, 1),
    Row(5, 288, 96, True, True, 2),
    Row(5, 576, 96, True, True, 1),
    Row(5, 576, 96, True, True, 1),
)
SIZES = {"large": (LARGE, 960), "small": (SMALL, 576)}


class SqueezeExcite(nn.Module):
    """Each channel times a weight 0..1 that all of them decide on."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = scaled_channels(channels / SQUEEZE)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, narrow, 1), nn.ReLU(), nn.Conv2d(narrow, channels, 1), nn.Hardsigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        weighted: Tensor = x * self.layers(x.mean((2, 3), keepdim=True))
        return weighted


class Bottleneck(nn.Module):
    """Expand, depthwise, attend, project, with a shortcut where the shape stays."""

    def __init__(self, inputs: int, row: Row, width: float) -> None:
        super().__init__()
        middle, outputs = scaled_channels(row.middle, width), scaled_channels(row.channels, width)
        layers: list[nn.Module] = []
        if middle != inputs:
            layers.append(convolution(inputs, middle, 1, 1, 1, row.hard_swish))
        layers.append(convolution(middle, middle, row.kernel, row.stride, middle, row.hard_swish))
        if row.attends:
            layers.append(SqueezeExcite(middle))
        self.shortcut = row.stride == 1 and inputs == outputs
        last_norm = nn.BatchNorm2d(outputs)
        if self.shortcut:
            nn.init.zeros_(last_norm.weight)  # the block starts as the identity
        layers += [nn.Conv2d(middle, outputs, 1, bias=False), last_norm]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.shortcut else y


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int, groups: int, hard_swish: bool
) -> nn.Sequential:
    """Convolution without bias, batch norm, hard swish or ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.Hardswish(inplace=True) if hard_swish else nn.ReLU(inplace=True),
    )


class MobileNetV3(nn.Module):
    """Feature extractor: normalised (n, 3, H, W) in, (n, channels, H/32, W/32) out, sizes rounded up."""

    def __init__(self, size: str, width: float) -> None:
        super().__init__()
        rows, last = SIZES[size]
        channels = scaled_channels(STEM, width)
        layers: list[nn.Module] = [convolution(3, channels, 3, 2, 1, hard_swish=True)]
        for row in rows:
            layers.append(Bottleneck(channels, row, width))
            channels = scaled_channels(row.channels, width)
        self.channels = scaled_channels(last, width)
        layers.append(convolution(channels, self.channels, 1, 1, 1, hard_swish=True))
        self.body = nn.Sequential(*layers)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y


def create(*, size: str = "large", width: float = 1.0) -> MobileNetV3:
    """size: large or small; `width` times the paper's channels."""
    if size not in SIZES:
        raise SettingsError(f"no MobileNetV3 {size!r}; there are: {', '.join(SIZES)}")
    return MobileNetV3(size, width)
