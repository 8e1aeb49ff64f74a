"""A matrix Fisher distribution over rotations (Mohlin 2020): nine numbers say the pose and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from headwise.training.answer import Answer
from headwise.training.losses.matrix_fisher import negative_log_likelihood
from headwise.training.perceptron import Perceptron
from headwise.training.rotation_forms import from_matrix
from headwise.training.settings import Settings, checked
from headwise.training.spread import MEAN_OF_MAXWELL, MEAN_OF_UNIFORM_RAD

UNIT = 10.0  # a network's number of one: a spread of about 20 deg
START = 0.2  # of those: about as unsure as a network that has learned little
NO_CONCENTRATION = (MEAN_OF_MAXWELL / MEAN_OF_UNIFORM_RAD) ** 2  # makes F = 0 the mean of random rotations
BULGE = 0.37  # fitted to the mean angles of distributions alike in all axes


class FisherWeights(Settings):
    """The table [task.loss]. uniform: the share of the uniform distribution that is mixed in."""

    likelihood: float = 0.3
    uniform: float = 0.005


class FisherOutput(NamedTuple):
    """What the head says of n crops."""

    parameters: Tensor  # (n, 3, 3) F, with p(R) = exp(tr(FᵀR)) / c(F)
    rotation: Tensor  # (n, 3, 3) ray_from_head, the mode


class MatrixFisher(nn.Module):
    """The mean over the map through one hidden layer."""

    def __init__(self, channels: int, hidden: int, weights: FisherWeights) -> None:
        super().__init__()
        self.weights = weights
        start = [START if place % 4 == 0 else 0.0 for place in range(9)]
        self.layers = Perceptron(channels, hidden, (9,), start)

    def forward(self, feature_map: Tensor, _size_px: int) -> FisherOutput:
        (numbers,) = self.layers(feature_map.mean((2, 3)))
        parameters = UNIT * numbers.reshape(-1, 3, 3)
        return FisherOutput(parameters, from_matrix(parameters))

    def losses(self, output: FisherOutput, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        del progress
        nll = negative_log_likelihood(output.parameters, batch["rotation"], self.weights.uniform)
        return {"rotation_nll": self.weights.likelihood * nll}

    def answer(self, output: FisherOutput) -> Answer:
        return Answer(output.rotation, expected_error_deg(output.parameters, output.rotation))


def expected_error_deg(parameters: Tensor, mode: Tensor) -> Tensor:
    """(n,) expected angle to the mode in degrees, without singular values; within some per cent.

    F = R P with the mode R; about it the error is nearly normal with the inverse covariance tr(P) - P, whose
    eigenvalues are s_j + s_k. That holds for sure networks; a constant makes it right for F = 0, and `BULGE`
    in between.
    """
    p = mode.transpose(1, 2) @ parameters
    p = (p + p.transpose(1, 2)) / 2
    trace = (p[:, 0, 0] + p[:, 1, 1] + p[:, 2, 2])[:, None, None]
    precision = (trace + NO_CONCENTRATION) * torch.eye(3, dtype=p.dtype, device=p.device) - p
    normal_rad = MEAN_OF_MAXWELL * (trace_of_inverse(precision) / 3).sqrt()
    share = (normal_rad / MEAN_OF_UNIFORM_RAD).clamp(max=1.0)
    return torch.rad2deg(normal_rad * (1 + BULGE * normal_rad**2 * (1 - share**2))).clamp(max=180.0)


def trace_of_inverse(symmetric: Tensor) -> Tensor:
    """(n,) of positive (n, 3, 3): sum of the principal minors over the determinant."""
    a, b, c = (symmetric[:, i, i] for i in range(3))
    d, e, f = symmetric[:, 0, 1], symmetric[:, 0, 2], symmetric[:, 1, 2]
    minors = (b * c - f * f) + (a * c - e * e) + (a * b - d * d)
    determinant = a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)
    return minors / determinant


def create(*, channels: int, hidden: int = 512, loss: Mapping[str, float] | None = None) -> MatrixFisher:
    """`loss`: weights, see `FisherWeights`."""
    return MatrixFisher(channels, hidden, checked(FisherWeights, dict(loss or {}), "task.loss"))
