"""A network trained as its int8 file will compute it: quantisation-aware training.

From some point of the schedule on every convolution takes the batch norm behind it into its kernel, as the
exporter does, and rounds that kernel (per output channel, symmetric) and its input (one range, running) to
the steps of the int8 file; linear layers likewise. Gradients pass the rounding straight through, inside the
range (Jacob et al. 2018, arXiv:1712.05877). The statistics of the norms stay as they are from then on.
Weights keep their names, so checkpoints and export know nothing of it.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from headwise.training.norms import norms_behind

WEIGHT_STEPS, INPUT_STEPS = 63, 255
"""Weights have 7 bits, inputs 8: two products of them then fit the 16 bits that processors without VNNI have
for their sum; with 8 bits each these cut sums off, which costs more than the eighth bit brings."""
RANGE_MEMORY = 0.99  # weight of the past in the running range of inputs
SMALLEST_STEP = 1e-8


class InputRange:
    """Running lowest and highest value, zero among them."""

    def __init__(self) -> None:
        self.low: float | None = None
        self.high = 0.0

    def rounded(self, x: Tensor, *, learns: bool) -> Tensor:
        """x on the 256 steps of the range; values beyond it are cut off."""
        if learns or self.low is None:
            low, high = (float(v) for v in torch.aminmax(x.detach()))
            low, high = min(low, 0.0), max(high, 0.0)
            keep = 0.0 if self.low is None else RANGE_MEMORY
            self.low = keep * (self.low or 0.0) + (1 - keep) * low
            self.high = keep * self.high + (1 - keep) * high
        step = max((self.high - self.low) / INPUT_STEPS, SMALLEST_STEP)
        zero = min(max(round(-self.low / step), 0), INPUT_STEPS)
        return torch.fake_quantize_per_tensor_affine(x, step, zero, 0, INPUT_STEPS)


def rounded_kernel(weight: Tensor) -> Tensor:
    """(k, ...) on 255 symmetric steps for each of the k outputs."""
    step = (weight.detach().flatten(1).abs().amax(1) / WEIGHT_STEPS).clamp(min=SMALLEST_STEP)
    zero = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, step, zero, 0, -WEIGHT_STEPS, WEIGHT_STEPS)


class Int8Convolution(nn.Conv2d):
    """With the batch norm behind it, if any, inside. Made of a convolution by `simulate_int8`."""

    norm: tuple[_BatchNorm, ...]  # a tuple: no child of this module, the network has it elsewhere
    input_range: InputRange

    def become(self, norm: _BatchNorm | None) -> None:
        """What a convolution lacks."""
        self.norm, self.input_range = () if norm is None else (norm,), InputRange()

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight, self.bias
        for norm in self.norm:
            mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
            gain = norm.weight * (variance + norm.eps).rsqrt()
            weight, bias = weight * gain[:, None, None, None], norm.bias - mean * gain
        x = self.input_range.rounded(x, learns=self.training)
        return cast(Tensor, self._conv_forward(x, rounded_kernel(weight), bias))


class Int8Linear(nn.Linear):
    """Made of a linear layer by `simulate_int8`."""

    input_range: InputRange

    def forward(self, x: Tensor) -> Tensor:
        x = self.input_range.rounded(x, learns=self.training)
        return F.linear(x, rounded_kernel(self.weight), self.bias)


class AbsorbedNorm(nn.BatchNorm2d):
    """A norm that its convolution applies."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def simulate_int8(network: nn.Module, pictures: Tensor) -> None:
    """From now on the network rounds; pictures: a batch of its inputs. SettingsError: see `norms_behind`."""
    was_training = network.training
    norms = norms_behind(network.eval(), pictures)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            module.__class__ = Int8Convolution
            cast(Int8Convolution, module).become(norms.get(name))
        elif isinstance(module, nn.Linear):
            module.__class__ = Int8Linear
            cast(Int8Linear, module).input_range = InputRange()
    for norm in norms.values():
        norm.__class__ = AbsorbedNorm
    network.train(was_training)
