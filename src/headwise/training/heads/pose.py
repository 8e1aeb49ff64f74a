"""The pose head: rotation, its spread, 68 points with visibility and depth, face hidden or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from headwise.training.answer import POINTS, Answer
from headwise.training.heads._direct import RotationWeights
from headwise.training.losses import binary, points, points_laplace, rotation_likelihood
from headwise.training.losses.geodesic import angle_between
from headwise.training.losses.weighted_sum import ramp
from headwise.training.rotation_forms import from_6d
from headwise.training.settings import checked
from headwise.training.spread import covariance, expected_error_deg, lower_triangular


class PoseWeights(RotationWeights):
    """The table [task.loss]; likelihoods ramp in between two places of the schedule."""

    points: float = 2.0
    points_likelihood: float = 0.05
    depth: float = 0.5
    visibility: float = 0.1
    face_hidden: float = 0.1


class PoseOutput(NamedTuple):
    """What the head says of n crops."""

    rotation: Tensor  # (n, 3, 3) ray_from_head
    precision_factor: Tensor  # (n, 3, 3) lower triangular L; L Lᵀ is the inverse covariance of the error, rad
    points: Tensor  # (n, 68, 2) in the crop: -1..1 from edge to edge
    points_depth: Tensor  # (n, 68) in half crop sides, away from the lens, mean about 0
    points_log_scale: Tensor  # (n, 68) log of the Laplace scale of `points`
    visibility: Tensor  # (n, 68) logits
    face_hidden: Tensor  # (n,) logits


class PoseHead(nn.Module):
    """The mean over the map through one hidden layer."""

    def __init__(self, channels: int, hidden: int, weights: PoseWeights) -> None:
        super().__init__()
        self.weights = weights
        self.hidden = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU())
        self.sizes = [6, 6, 2 * POINTS, POINTS, POINTS, POINTS, 1]
        self.out = nn.Linear(hidden, sum(self.sizes))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.bias[:6] = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])

    def forward(self, feature_map: Tensor, _size_px: int) -> PoseOutput:
        parts = torch.split(self.out(self.hidden(feature_map.mean((2, 3)))), self.sizes, dim=1)
        sixd, factor, points, depth, log_scale, visibility, hidden = parts
        return PoseOutput(
            from_6d(sixd),
            lower_triangular(factor),
            points.reshape(-1, POINTS, 2),
            depth,
            log_scale - 2.0,
            visibility,
            hidden.squeeze(1),
        )

    def losses(self, output: PoseOutput, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        weight = self.weights
        share = ramp(progress, weight.ramp_from, weight.ramp_to)
        rotation_nll = rotation_likelihood.negative_log_likelihood(
            output.rotation, output.precision_factor, batch["rotation"], weight.uniform
        )
        points_nll = points_laplace.negative_log_likelihood(
            output.points, output.points_log_scale, batch["points"]
        )
        return {
            "rotation": weight.rotation * angle_between(output.rotation, batch["rotation"]),
            "rotation_nll": share * weight.rotation_likelihood * rotation_nll,
            "points": weight.points * points.distance(output.points, batch["points"]),
            "points_nll": share * weight.points_likelihood * points_nll,
            "depth": weight.depth * points.distance(output.points_depth, batch["points_depth"]),
            "visibility": weight.visibility * binary.cross_entropy(output.visibility, batch["visibility"]),
            "face_hidden": weight.face_hidden
            * binary.cross_entropy(output.face_hidden, batch["face_hidden"]),
        }

    def answer(self, output: PoseOutput) -> Answer:
        return Answer(
            output.rotation,
            expected_error_deg(output.precision_factor),
            output.points,
            torch.sigmoid(output.visibility),
            torch.sigmoid(output.face_hidden),
            covariance(output.precision_factor),
            points_laplace.standard_deviation(output.points_log_scale),
        )


def create(*, channels: int, hidden: int = 512, loss: Mapping[str, float] | None = None) -> PoseHead:
    """The head on maps of so many channels; `loss`: weights, see `PoseWeights`."""
    return PoseHead(channels, hidden, checked(PoseWeights, dict(loss or {}), "task.loss"))
