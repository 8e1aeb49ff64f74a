"""What the direct rotation heads share: numbers that make a rotation, and a factor: how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from headwise.training.answer import Answer
from headwise.training.losses.rotation_likelihood import negative_log_likelihood
from headwise.training.losses.weighted_sum import ramp
from headwise.training.perceptron import Perceptron
from headwise.training.settings import Settings
from headwise.training.spread import covariance, expected_error_deg, lower_triangular


class RotationWeights(Settings):
    """The table [task.loss]; the likelihood ramps in between two places of the schedule."""

    rotation: float = 1.0
    rotation_likelihood: float = 0.1
    uniform: float = 0.005
    ramp_from: float = 0.05
    ramp_to: float = 0.2


class RotationOutput(NamedTuple):
    """What a direct head says of n crops."""

    numbers: Tensor  # (n, k) as the network writes them
    rotation: Tensor  # (n, 3, 3) ray_from_head
    factor: Tensor  # (n, 6) of the lower triangular L; L Lᵀ is the inverse covariance of the error, rad


@dataclass(frozen=True)
class Form:
    """How a family writes a rotation: where its numbers start, what they mean, how they are judged."""

    start: tuple[float, ...]
    rotation: Callable[[Tensor], Tensor]  # (n, k) -> (n, 3, 3)
    loss: Callable[[RotationOutput, Tensor], Tensor]  # against the true rotations -> (n,)


class DirectHead(nn.Module):
    """The mean over the map through one hidden layer: the form's numbers and six of the precision factor."""

    def __init__(self, channels: int, hidden: int, form: Form, weights: RotationWeights) -> None:
        super().__init__()
        self.form = form
        self.weights = weights
        self.layers = Perceptron(channels, hidden, (len(form.start), 6), form.start)

    def forward(self, feature_map: Tensor, _size_px: int) -> RotationOutput:
        numbers, factor = self.layers(feature_map.mean((2, 3)))
        return RotationOutput(numbers, self.form.rotation(numbers), factor)

    def losses(
        self, output: RotationOutput, batch: Mapping[str, Tensor], progress: float
    ) -> dict[str, Tensor]:
        likelihood = negative_log_likelihood(
            output.rotation, lower_triangular(output.factor), batch["rotation"], self.weights.uniform
        )
        share = ramp(progress, self.weights.ramp_from, self.weights.ramp_to)
        return {
            "rotation": self.weights.rotation * self.form.loss(output, batch["rotation"]),
            "rotation_nll": share * self.weights.rotation_likelihood * likelihood,
        }

    def answer(self, output: RotationOutput) -> Answer:
        error = covariance(output.factor)
        return Answer(output.rotation, expected_error_deg(error), covariance=error)


def loss_of_rotations(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[RotationOutput, Tensor], Tensor]:
    """A loss on rotations alone, as a form wants it."""
    return lambda output, truth: loss(output.rotation, truth)
