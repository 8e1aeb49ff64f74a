"""MobileNetV4-Conv-Small, written from the paper's table (Qin et al. 2024, "MobileNetV4", arXiv:2404.10518).

Only the convolutional small model: no squeeze-excite, ReLU everywhere, so that int8 keeps it intact.
The network is fully convolutional; a pool over the map it returns makes it independent of the input size.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class ConvSpec:
    """A plain convolution of the table: kernel, stride, output channels."""

    kernel: int
    stride: int
    channels: int


@dataclass(frozen=True)
class BottleneckSpec:
    """A universal inverted bottleneck (UIB): kernel 0 leaves that depthwise convolution out.

    start_kernel is the depthwise convolution before the expansion, middle_kernel the one after it.
    Both: ExtraDW; middle only: inverted bottleneck; start only: ConvNext-like.
    """

    start_kernel: int
    middle_kernel: int
    stride: int
    expansion: float
    channels: int


CONV_SMALL: tuple[ConvSpec | BottleneckSpec, ...] = (
    ConvSpec(3, 2, 32),
    ConvSpec(3, 2, 32),
    ConvSpec(1, 1, 32),
    ConvSpec(3, 2, 96),
    ConvSpec(1, 1, 64),
    BottleneckSpec(5, 5, 2, 3.0, 96),
    BottleneckSpec(0, 3, 1, 2.0, 96),
    BottleneckSpec(0, 3, 1, 2.0, 96),
    BottleneckSpec(0, 3, 1, 2.0, 96),
    BottleneckSpec(0, 3, 1, 2.0, 96),
    BottleneckSpec(3, 0, 1, 4.0, 96),
    BottleneckSpec(3, 3, 2, 6.0, 128),
    BottleneckSpec(5, 5, 1, 4.0, 128),
    BottleneckSpec(0, 5, 1, 4.0, 128),
    BottleneckSpec(0, 5, 1, 3.0, 128),
    BottleneckSpec(0, 3, 1, 4.0, 128),
    BottleneckSpec(0, 3, 1, 4.0, 128),
)
LAST_CHANNELS = 960
CHANNEL_STEP = 8  # channels are rounded to a multiple of this, as SIMD kernels like it


def scaled_channels(channels: float, width: float = 1.0) -> int:
    """Channels times the width multiplier, rounded to a multiple of 8, at least 90 % of it."""
    exact = channels * width
    rounded = max(CHANNEL_STEP, int(exact + CHANNEL_STEP / 2) // CHANNEL_STEP * CHANNEL_STEP)
    return rounded + CHANNEL_STEP if rounded < 0.9 * exact else rounded


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, activation: bool = True
) -> nn.Sequential:
    """Convolution without bias, batch norm and, when wanted, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if activation:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class UniversalInvertedBottleneck(nn.Module):
    """UIB block: [depthwise] -> expand -> [depthwise] -> project, with a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, spec: BottleneckSpec) -> None:
        super().__init__()
        middle = scaled_channels(inputs * spec.expansion)
        start_stride = spec.stride if spec.start_kernel and not spec.middle_kernel else 1
        layers: list[nn.Module] = []
        if spec.start_kernel:
            layers.append(
                convolution(inputs, inputs, spec.start_kernel, start_stride, inputs, activation=False)
            )
        layers.append(convolution(inputs, middle, 1))
        if spec.middle_kernel:
            layers.append(convolution(middle, middle, spec.middle_kernel, spec.stride, middle))
        self.shortcut = spec.stride == 1 and inputs == outputs
        last_norm = nn.BatchNorm2d(outputs)
        if self.shortcut:
            nn.init.zeros_(last_norm.weight)  # the block starts as the identity
        layers += [nn.Conv2d(middle, outputs, 1, bias=False), last_norm]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.shortcut else y


class MobileNetV4(nn.Module):
    """Feature extractor: normalised (n, 3, H, W) in, (n, channels, H/32, W/32) out."""

    def __init__(self, width: float = 1.0, last_channels: int = LAST_CHANNELS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for spec in CONV_SMALL:
            outputs = scaled_channels(spec.channels, width)
            if isinstance(spec, ConvSpec):
                layers.append(convolution(channels, outputs, spec.kernel, spec.stride))
            else:
                layers.append(UniversalInvertedBottleneck(channels, outputs, spec))
            channels = outputs
        self.channels = scaled_channels(last_channels, width)
        layers.append(convolution(channels, self.channels, 1))
        self.body = nn.Sequential(*layers)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y


def initialise(network: nn.Module) -> None:
    """He initialisation by fan out, per group."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def create(*, width: float = 1.0, last_channels: int = LAST_CHANNELS) -> MobileNetV4:
    """The backbone, with `width` times the paper's channels."""
    return MobileNetV4(width, last_channels)
