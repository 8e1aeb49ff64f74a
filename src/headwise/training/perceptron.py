"""One hidden layer on pooled features, and named numbers out of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Perceptron(nn.Module):
    """(n, channels) to tensors (n, size), one for each size; they start as `bias` whatever the picture."""

    def __init__(self, channels: int, hidden: int, sizes: Sequence[int], bias: Sequence[float] = ()) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.hidden = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU())
        self.out = nn.Linear(hidden, sum(sizes))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.bias[: len(bias)] = torch.tensor(list(bias))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return torch.split(self.out(self.hidden(features)), self.sizes, dim=1)
