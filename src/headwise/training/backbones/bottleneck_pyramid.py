"""A small residual network that returns maps at strides 8, 16, 32 and 64, for detectors.

Dense 3x3 convolutions in narrow bottlenecks (He et al. 2016) behind a patch stem of stride 4. Measured on
one CPU core against depthwise designs (YuNet's blocks, inverted residuals) at equal running time, this one
trains about twice as many pictures a second in bfloat16 and has three times their weights. Plain
convolutions, batch norm and ReLU: nothing that int8 would hurt.
"""

from __future__ import annotations

from torch import Tensor, nn

STEM_KERNEL, STEM_STRIDE, STEM_PADDING = (
    6,
    4,
    1,
)  # a patch of 4 px and 1 px around it: centred, a little overlap
STRIDES = (8, 16, 32, 64)


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU; output sizes are the input's divided by the stride,
    rounded up.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Bottleneck(nn.Module):
    """Half the channels, 3x3, back to all of them, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // 2
        last_norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(last_norm.weight)  # a block starts as the identity (Goyal et al. 2017)
        self.branch = nn.Sequential(
            convolution(channels, narrow, 1),
            convolution(narrow, narrow, 3),
            nn.Conv2d(narrow, channels, 1, bias=False),
            last_norm,
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        total: Tensor = self.activation(features + self.branch(features))
        return total


class BottleneckPyramid(nn.Module):
    """Pictures (n, 3, H, W), H and W multiples of 32, about zero mean -> maps at ``strides``, finest
    first.
    """

    def __init__(
        self, stem: int, channels: tuple[int, int, int, int], blocks: tuple[int, int, int, int]
    ) -> None:
        super().__init__()
        self.strides = STRIDES
        self.channels = channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, STEM_KERNEL, STEM_STRIDE, STEM_PADDING, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
        )
        inputs = (stem, *channels[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(convolution(before, after, 3, 2), *(Bottleneck(after) for _ in range(count)))
            for before, after, count in zip(inputs, channels, blocks, strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        features: Tensor = self.stem(images)
        maps = []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return maps


def create(
    stem: int = 32,
    channels: tuple[int, int, int, int] = (64, 96, 128, 128),
    blocks: tuple[int, int, int, int] = (2, 2, 2, 1),
) -> BottleneckPyramid:
    """``channels`` and ``blocks`` of the four stages."""
    return BottleneckPyramid(stem, channels, blocks)
