"""Detectors: one file, one way to find heads. Each has ``create(...) -> Detector``."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headwise.results import Detection


class Detector(Protocol):
    """Finds heads in one picture."""

    @property
    def name(self) -> str:
        """Of the model or method."""
        ...

    @property
    def threshold(self) -> float:
        """Heads with a smaller score, 0..1, are not reported."""
        ...

    def coarse(self) -> Detector:
        """The same at half the resolution: several times as fast, blind to small heads. May be itself."""
        ...

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """(H, W, 3) RGB -> heads, best score first.

        Boxes are those of the 68 points, in pixels of the picture.
        """
        ...
