"""HopeNet (Ruiz 2018): each angle a distribution over bins of 3 deg, the answer its expectation.

One trunk for the three angles, which are read off it by one layer. Bins on a line reach from -99 to 99 deg;
an angle outside trains nothing. Full-range bins go round the circle, for the yaw alone (WHENet, Zhou 2020)
or for all three angles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from headwise import plugins
from headwise.conventions import EulerOrder
from headwise.errors import SettingsError
from headwise.training.answer import Answer
from headwise.training.losses.bins import FULL_TURN_DEG, AngleBins, cross_entropy
from headwise.training.losses.bins_and_expectation import expectation_deg, expectation_error, variance_deg2
from headwise.training.rotation_forms import euler_of, from_euler, order_named
from headwise.training.settings import Settings, checked
from headwise.training.spread import degrees_of_variance

BIN_DEG = 3.0
COUNT = 66
ANGLES = ("yaw", "pitch", "roll")
FULL_RANGES = ("none", "yaw", "all")


class HopenetWeights(Settings):
    """The table [task.loss]: `alpha` times the expectation's squared error in deg², as in the paper.

    scale: of both; 0.1 brings the gradient to the size of the other families'.
    """

    scale: float = 0.1
    alpha: float = 0.05
    sigma_deg: float = 0.0


class HopenetOutput(NamedTuple):
    """Logits of the bins, each (n, count of the angle)."""

    yaw: Tensor
    pitch: Tensor
    roll: Tensor


class Hopenet(nn.Module):
    """The mean over the map, and one layer."""

    def __init__(
        self,
        channels: int,
        bins: tuple[AngleBins, ...],
        order: EulerOrder,
        balance: str,
        weights: HopenetWeights,
    ) -> None:
        super().__init__()
        self.bins = bins
        self.order = order
        self.weights = weights
        self.out = nn.Linear(channels, sum(angle.count for angle in bins))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        shares = {f"{a}_bins": weights.scale for a in ANGLES} | {
            f"{a}_error": weights.scale * weights.alpha for a in ANGLES
        }
        self.balance = plugins.load("training.losses", balance, weights=shares)

    def forward(self, feature_map: Tensor, _size_px: int) -> HopenetOutput:
        logits = self.out(feature_map.mean((2, 3)))
        return HopenetOutput(*torch.split(logits, [angle.count for angle in self.bins], dim=1))

    def losses(
        self, output: HopenetOutput, batch: Mapping[str, Tensor], progress: float
    ) -> dict[str, Tensor]:
        del progress
        truth_deg = torch.rad2deg(euler_of(batch["rotation"], self.order))
        parts: dict[str, Tensor] = {}
        for name, logits, bins, angle in zip(ANGLES, output, self.bins, truth_deg.unbind(1), strict=True):
            parts[f"{name}_bins"] = cross_entropy(logits, angle, bins, self.weights.sigma_deg)
            parts[f"{name}_error"] = expectation_error(logits, angle, bins)
        weighted: dict[str, Tensor] = self.balance(parts)
        return weighted

    def answer(self, output: HopenetOutput) -> Answer:
        """The spread is that of the three distributions, as if they were about orthogonal axes."""
        both = list(zip(output, self.bins, strict=True))
        angles_deg = torch.stack([expectation_deg(logits, bins) for logits, bins in both], 1)
        variance = torch.stack([variance_deg2(logits, bins) for logits, bins in both], 1).sum(1)
        return Answer(
            from_euler(torch.deg2rad(angles_deg), self.order),
            degrees_of_variance(variance * (torch.pi / 180) ** 2),
        )


def create(
    *,
    channels: int,
    full_range: str = "none",
    order: str = EulerOrder.AZIMUTH,
    balance: str = "weighted_sum",
    loss: Mapping[str, float] | None = None,
) -> Hopenet:
    """full_range: which angles get 120 bins over ±180 deg in place of 66 over ±99.

    balance: weighted_sum, or uncertainty_weights to learn the weights of the six parts.
    """
    if full_range not in FULL_RANGES:
        raise SettingsError(f"full_range {full_range!r} is not one of {', '.join(FULL_RANGES)}")
    line, circle = AngleBins(COUNT, BIN_DEG), AngleBins(round(FULL_TURN_DEG / BIN_DEG), BIN_DEG)
    rest = circle if full_range == "all" else line
    bins = (line if full_range == "none" else circle, rest, rest)
    weights = checked(HopenetWeights, dict(loss or {}), "task.loss")
    return Hopenet(channels, bins, order_named(order), balance, weights)
