"""What the network sees of a picture: one warp made of mirror, picture rotation, crop rule and box jitter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.crops import CropRule
from headwise.warp import Warp

FRONT = (7, 8, 9, *range(17, 68))  # of the 68 points: all but the jaw's sides


@dataclass(frozen=True)
class ViewPolicy:
    """Chances and ranges of the geometric augmentation."""

    crop_scale: float
    mirror: float
    turn: float
    turn_deg: float
    scale_jitter: float
    shift_jitter: float
    wild: float
    front: float

    def draw(
        self, points_px: NDArray[np.float64], width_px: int, size_px: int, rng: np.random.Generator
    ) -> Warp:
        """crop_from_picture for a head with these 68 points (68, 2) in a picture of that width.

        The crop rule is applied to the box of the mirrored and turned points, as a detector would see them.
        """
        warp = Warp.mirroring(width_px) if rng.random() < self.mirror else Warp.identity()
        if rng.random() < self.turn:
            turn_deg = float(np.clip(rng.normal(0, self.turn_deg / 2), -self.turn_deg, self.turn_deg))
            warp = Warp.turning(turn_deg, about=(width_px / 2, width_px / 2)) @ warp
        framed = points_px[list(FRONT)] if self.front and rng.random() < self.front else points_px
        box = self._jittered(Box.from_points(warp.points(framed)), rng)
        return CropRule(self.crop_scale, size_px).warp(box) @ warp

    def _jittered(self, box: Box, rng: np.random.Generator) -> Box:
        wild = 2.0 if rng.random() < self.wild else 1.0
        spread = self.scale_jitter * wild
        scale = float(np.exp(rng.uniform(np.log1p(-spread), np.log1p(spread)))) if spread < 1 else 1.0
        dx, dy = np.clip(
            rng.normal(0, self.shift_jitter / 2, 2), -1.5 * self.shift_jitter, 1.5 * self.shift_jitter
        )
        return box.scaled(scale).shifted(float(dx) * wild * box.side, float(dy) * wild * box.side)


def create(
    *,
    crop_scale: float = 1.2,
    mirror: float = 0.5,
    turn: float = 0.6,
    turn_deg: float = 45.0,
    scale_jitter: float = 0.25,
    shift_jitter: float = 0.15,
    wild: float = 0.1,
    front: float = 0.0,
) -> ViewPolicy:
    """turn_deg is the largest picture rotation (two standard deviations); wild doubles the box jitter.

    front is the chance of a box about brows, eyes, nose, mouth and chin alone, as some detectors draw it.
    """
    return ViewPolicy(crop_scale, mirror, turn, turn_deg, scale_jitter, shift_jitter, wild, front)


def exact(*, crop_scale: float = 1.2) -> ViewPolicy:
    """The crop rule alone."""
    return ViewPolicy(crop_scale, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
