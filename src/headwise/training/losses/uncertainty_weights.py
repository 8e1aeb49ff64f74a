"""The sum of several tasks' losses with learned weights: exp(-s) L + s for each (Kendall 2018, eq. 7).

s is the logarithm of the task's own noise; it is learned along with the network and starts where the given
weight is exp(-s).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class UncertaintyWeights(nn.Module):
    """Parts by name, each (n,) and known in advance."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.log_noise = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(-math.log(weight))) for name, weight in weights.items()}
        )

    def forward(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: value * torch.exp(-self.log_noise[name]) + self.log_noise[name]
            for name, value in parts.items()
        }


def create(*, weights: Mapping[str, float]) -> UncertaintyWeights:
    """The weights that the parts start with, by name, above zero."""
    return UncertaintyWeights(weights)
