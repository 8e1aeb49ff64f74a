"""What the heads with points share: an output, its losses, and the direct rotation beside the points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from headwise import plugins
from headwise.training.answer import Answer
from headwise.training.heads._direct import RotationWeights
from headwise.training.losses import binary, points, points_laplace, rotation_likelihood
from headwise.training.losses.geodesic import angle_between
from headwise.training.losses.weighted_sum import ramp
from headwise.training.settings import checked
from headwise.training.spread import covariance, expected_error_deg, lower_triangular

LOG_SCALE_AT_START = -2.0  # of points: an eighth of half a crop


class KeypointWeights(RotationWeights):
    """The table [task.loss]; likelihoods ramp in between two places of the schedule."""

    points: float = 2.0
    points_likelihood: float = 0.1
    depth: float = 0.5
    visibility: float = 0.1
    face_hidden: float = 0.1


class KeypointOutput(NamedTuple):
    """What a keypoint head says of n crops."""

    rotation: Tensor  # (n, 3, 3) ray_from_head
    factor: Tensor  # (n, 6) of the lower triangular L; L Lᵀ is the inverse covariance of the error, rad
    points: Tensor  # (n, 68, 2) in the crop: -1..1 from edge to edge
    points_log_scale: Tensor  # (n, 68) log of the scale of `points`
    visibility: Tensor  # (n, 68) logits
    face_hidden: Tensor  # (n,) logits
    points_depth: Tensor | None = None  # (n, 68) in half crop sides, away from the lens, mean about 0


@dataclass(frozen=True)
class KeypointLosses:
    """A distance and a likelihood of points by their names in `training/losses`, and the weights of all."""

    weights: KeypointWeights
    distance: Callable[[Tensor, Tensor], Tensor]
    likelihood: Callable[[Tensor, Tensor, Tensor], Tensor]

    def __call__(
        self, output: KeypointOutput, batch: Mapping[str, Tensor], progress: float
    ) -> dict[str, Tensor]:
        weight = self.weights
        share = ramp(progress, weight.ramp_from, weight.ramp_to)
        rotation_nll = rotation_likelihood.negative_log_likelihood(
            output.rotation, lower_triangular(output.factor), batch["rotation"], weight.uniform
        )
        points_nll = self.likelihood(output.points, output.points_log_scale, batch["points"])
        parts = {
            "rotation": weight.rotation * angle_between(output.rotation, batch["rotation"]),
            "rotation_nll": share * weight.rotation_likelihood * rotation_nll,
            "points": weight.points * self.distance(output.points, batch["points"]),
            "points_nll": share * weight.points_likelihood * points_nll,
            "visibility": weight.visibility * binary.cross_entropy(output.visibility, batch["visibility"]),
            "face_hidden": weight.face_hidden
            * binary.cross_entropy(output.face_hidden, batch["face_hidden"]),
        }
        if output.points_depth is not None:
            depth = points.distance(output.points_depth, batch["points_depth"])
            parts["depth"] = weight.depth * depth
        return parts

    def standard_deviation(self, log_scale: Tensor) -> Tensor:
        """Of points along an axis: what the scale means under the likelihood it was trained by."""
        if self.likelihood is points_laplace.negative_log_likelihood:
            return points_laplace.standard_deviation(log_scale)
        return log_scale.exp()


def losses_named(distance: str, likelihood: str, loss: Mapping[str, float] | None) -> KeypointLosses:
    """From the options of a head. Raises SettingsError for unknown names and weights."""
    return KeypointLosses(
        checked(KeypointWeights, dict(loss or {}), "task.loss"),
        plugins.load("training.losses", distance),
        plugins.load("training.losses", likelihood),
    )


def answer(output: KeypointOutput, losses: KeypointLosses) -> Answer:
    """The rotation is the direct one; pose from the points is for who fits a head to them."""
    error = covariance(output.factor)
    return Answer(
        output.rotation,
        expected_error_deg(error),
        output.points,
        torch.sigmoid(output.visibility),
        torch.sigmoid(output.face_hidden),
        error,
        losses.standard_deviation(output.points_log_scale),
    )
