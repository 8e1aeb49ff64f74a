"""New surroundings for a rendered head, pasted behind it through its alpha mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.training.augmentations.cover import blended
from headwise.training.pixels import Picture


@dataclass(frozen=True)
class SurroundingsPolicy:
    """Chance of new surroundings; the rest keep the rendered ones."""

    replace: float

    def draw(self, rng: np.random.Generator, side: int, other: Callable[[], Picture]) -> Picture | None:
        """A picture (side, side, 3) to stand behind the head, or None; `other` fetches any picture."""
        if rng.random() >= self.replace:
            return None
        kind = rng.random()
        if kind < 0.55:
            return other_region(rng, side, other())
        return clutter(rng, side) if kind < 0.85 else gradient(rng, side)


def other_region(rng: np.random.Generator, side: int, other: Picture) -> Picture:
    """A part of another picture, turned by quarters, mirrored, often blurred."""
    height, width = other.shape[:2]
    part = int(min(height, width) * rng.uniform(0.3, 1.0))
    y, x = int(rng.integers(0, height - part + 1)), int(rng.integers(0, width - part + 1))
    region = np.rot90(other[y : y + part, x : x + part], int(rng.integers(4)))
    if rng.random() < 0.5:
        region = region[:, ::-1]
    grown = cv2.resize(np.ascontiguousarray(region), (side, side), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.4:
        width_px = int(rng.integers(2, 12))
        grown = cv2.blur(grown, (width_px, width_px))
    return np.asarray(grown, np.uint8)


def clutter(rng: np.random.Generator, side: int) -> Picture:
    """Coloured shapes on a plain ground, sharp or blurred."""
    picture = gradient(rng, side)
    count = int(rng.integers(3, 12))
    places = rng.integers(-side // 4, side + side // 4, (count, 4)).tolist()
    colours = rng.integers(0, 256, (count, 3)).tolist()
    kinds = rng.integers(0, 4, count).tolist()
    for (a, b, c, d), colour, kind in zip(places, colours, kinds, strict=True):
        if kind == 0:
            cv2.rectangle(picture, (a, b), (c, d), colour, -1)
        elif kind == 1:
            cv2.ellipse(picture, (a, b), (abs(c) // 3 + 2, abs(d) // 3 + 2), a, 0, 360, colour, -1)
        elif kind == 2:
            cv2.line(picture, (a, b), (c, d), colour, abs(d) // 12 + 1)
        else:
            for k in range(6):
                cv2.line(picture, (a + k * 12, b), (c + k * 12, d), colour, 3)
    if rng.random() < 0.5:
        picture = np.asarray(cv2.blur(picture, (5, 5)), np.uint8)
    return picture


def gradient(rng: np.random.Generator, side: int) -> Picture:
    """Four random corner colours, or blotches, spread smoothly."""
    cells = 2 if rng.random() < 0.6 else int(rng.integers(3, 16))
    small = rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8)
    if rng.random() < 0.3:
        small[:] = small[:1, :1]
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def pasted(picture: Picture, mask: NDArray[np.uint8], behind: Picture) -> Picture:
    """The head of `picture` in front of `behind`; all of one size."""
    return blended(behind, picture, mask)


def create(*, replace: float = 0.4) -> SurroundingsPolicy:
    """Chance in 0..1."""
    return SurroundingsPolicy(replace)
