"""ResNet-18, 34, 50, 101 and 152, written from the paper's table 1 (He et al. 2016, arXiv:1512.03385).

The stride of a bottleneck sits in its 3x3 convolution (as in most code since), the last norm of a branch
starts at zero (Goyal et al. 2017). Fully convolutional: maps at 1/32 of the input.
"""

from __future__ import annotations

from torch import Tensor, nn

from headwise.errors import SettingsError
from headwise.training.backbones.mobilenetv4 import convolution, initialise, scaled_channels

DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
BOTTLENECK_FROM = 50  # layers; shallower networks have blocks of two 3x3 convolutions
EXPANSION = 4
STEM = 64


class Residual(nn.Module):
    """A branch of convolutions plus the input, which is projected where the shape changes."""

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        last_norm = nn.BatchNorm2d(outputs)
        nn.init.zeros_(last_norm.weight)
        if bottleneck:
            self.branch = nn.Sequential(
                convolution(inputs, middle, 1),
                convolution(middle, middle, 3, stride),
                nn.Conv2d(middle, outputs, 1, bias=False),
                last_norm,
            )
        else:
            self.branch = nn.Sequential(
                convolution(inputs, middle, 3, stride),
                nn.Conv2d(middle, outputs, 3, padding=1, bias=False),
                last_norm,
            )
        changes = stride != 1 or inputs != outputs
        self.shortcut: nn.Module = (
            convolution(inputs, outputs, 1, stride, activation=False) if changes else nn.Identity()
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.branch(x) + self.shortcut(x))
        return y


class ResNet(nn.Module):
    """Feature extractor: normalised (n, 3, H, W) in, (n, channels, H/32, W/32) out, sizes rounded up."""

    def __init__(self, layers: int, width: float) -> None:
        super().__init__()
        bottleneck = layers >= BOTTLENECK_FROM
        channels = scaled_channels(STEM, width)
        self.stem = nn.Sequential(convolution(3, channels, 7, 2), nn.MaxPool2d(3, 2, 1))
        stages: list[nn.Module] = []
        for stage, count in enumerate(DEPTHS[layers]):
            middle = scaled_channels(STEM * 2**stage, width)
            outputs = middle * EXPANSION if bottleneck else middle
            for block in range(count):
                stride = 2 if stage and not block else 1
                stages.append(Residual(channels, middle, outputs, stride, bottleneck))
                channels = outputs
        self.body = nn.Sequential(*stages)
        self.channels = channels
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(self.stem(x))
        return y


def create(*, layers: int = 18, width: float = 1.0) -> ResNet:
    """The backbone of one of the paper's depths, with `width` times its channels."""
    if layers not in DEPTHS:
        raise SettingsError(f"no ResNet of {layers} layers; there are: {', '.join(map(str, DEPTHS))}")
    return ResNet(layers, width)
