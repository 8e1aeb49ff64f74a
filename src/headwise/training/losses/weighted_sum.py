"""The sum of several tasks' losses with fixed weights, and weights that ramp in with the schedule."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def ramp(progress: float, start: float, end: float) -> float:
    """0 until `start` of the schedule, 1 from `end` on, straight in between."""
    return min(max((progress - start) / max(end - start, 1e-6), 0.0), 1.0)


class WeightedSum(nn.Module):
    """Parts by name, each (n,), times their weights; a part without one has weight 1."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = dict(weights)

    def forward(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: self.weights.get(name, 1.0) * value for name, value in parts.items()}


def create(*, weights: Mapping[str, float]) -> WeightedSum:
    """The weights of the parts by name."""
    return WeightedSum(weights)
