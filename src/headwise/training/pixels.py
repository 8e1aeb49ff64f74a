"""Shared words of the pixel augmentations: a policy draws one certain function on uint8 RGB pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
PixelFunction = Callable[[Picture], Picture]


class PixelPolicy(Protocol):
    """Each draw is one decided change; the change itself has no randomness left."""

    def draw(self, rng: np.random.Generator) -> PixelFunction: ...


def unchanged(picture: Picture) -> Picture:
    """The change that changes nothing."""
    return picture


def chained(functions: list[PixelFunction]) -> PixelFunction:
    """One after the other."""

    def apply(picture: Picture) -> Picture:
        for function in functions:
            picture = function(picture)
        return picture

    return apply


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Between low and high, equally likely per factor."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
