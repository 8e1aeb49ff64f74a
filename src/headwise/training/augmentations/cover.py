"""Things in front of a head: hands, hair, bars, patches of other pictures, erased parts, spots of light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from headwise.training.pixels import Picture, PixelFunction, chained

SKINS = ((236, 188, 160), (212, 158, 124), (168, 112, 80), (120, 78, 56), (80, 52, 40), (250, 214, 190))


@dataclass(frozen=True)
class CoverPolicy:
    """Chance of a cover, and of a spot of light."""

    cover: float
    light: float

    def draw(self, rng: np.random.Generator, other: Callable[[], Picture]) -> PixelFunction:
        """One or two covers; `other` fetches any picture, to lend its texture."""
        functions: list[PixelFunction] = []
        if rng.random() < self.cover:
            functions += [one_cover(rng, other) for _ in range(1 + (rng.random() < 0.3))]
        if rng.random() < self.light:
            x, y = rng.random(2)
            functions.append(lit(float(x), float(y), rng.uniform(0.05, 0.5), rng.normal(0, 130)))
        return chained(functions)


def one_cover(rng: np.random.Generator, other: Callable[[], Picture]) -> PixelFunction:
    """A shape (ellipse, finger-like strokes, polygon, bar) filled with a colour, noise or a texture."""
    shape = str(rng.choice(("ellipse", "strokes", "polygon", "bar", "box")))
    angle = rng.uniform(0, 2 * np.pi)
    distance = rng.uniform(0.15, 0.6)
    x, y = 0.5 + distance * np.cos(angle), 0.5 + distance * np.sin(angle)
    numbers = rng.random(16)
    fill = rng.random()
    if fill < 0.4 or shape == "strokes":
        base = np.array(SKINS[int(rng.integers(len(SKINS)))]) * rng.uniform(0.3, 1.1)
        colour = np.clip(base + rng.normal(0, 8, 3), 0, 255)
        return covered(shape, float(x), float(y), numbers, colour, None)
    if fill < 0.7:
        return covered(shape, float(x), float(y), numbers, rng.uniform(0, 255, 3), None)
    return covered(shape, float(x), float(y), numbers, np.zeros(3), other())


def covered(
    shape: str,
    x: float,
    y: float,
    numbers: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    colour: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    texture: Picture | None,
) -> PixelFunction:
    """Draw the shape about (x, y), shares of the picture; numbers (16,) in 0..1 decide its form."""

    def apply(picture: Picture) -> Picture:
        side = picture.shape[0]
        mask = shape_mask(shape, x * side, y * side, numbers, side)
        if texture is None:
            shade = np.linspace(0.75 + 0.2 * numbers[14], 1.1, side, dtype=np.float32)
            filling = np.empty_like(picture)
            filling[:] = np.clip(shade[:, None, None] * colour, 0, 255)
        else:
            filling = np.asarray(cv2.resize(texture, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
        return blended(picture, filling, mask)

    return apply


def shape_mask(
    shape: str, x: float, y: float, numbers: np.ndarray[tuple[int, ...], np.dtype[np.float64]], side: int
) -> Picture:
    """(side, side) uint8, 255 inside, edges one or two pixels soft."""
    mask = np.zeros((side, side), np.uint8)
    middle = (round(x), round(y))
    turn_deg = 360 * numbers[0]
    if shape == "ellipse":
        axes = (round(side * (0.08 + 0.22 * numbers[1])), round(side * (0.05 + 0.15 * numbers[2])))
        cv2.ellipse(mask, middle, axes, turn_deg, 0, 360, 255, -1)
    elif shape == "strokes":
        width = max(3, round(side * (0.05 + 0.04 * numbers[1])))
        for k in range(2 + round(3 * numbers[2])):
            start = (
                x + k * width * 1.15 * np.cos(np.radians(turn_deg)),
                y + k * width * np.sin(np.radians(turn_deg)),
            )
            direction = np.radians(turn_deg + 90 + 12 * (numbers[3 + k] - 0.5) * k)
            length = side * (0.2 + 0.25 * numbers[8 + k])
            end = (start[0] + length * np.cos(direction), start[1] + length * np.sin(direction))
            cv2.line(mask, (round(start[0]), round(start[1])), (round(end[0]), round(end[1])), 255, width)
    elif shape == "polygon":
        count = 3 + round(5 * numbers[1])
        angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + numbers[0]
        radii = side * (0.06 + 0.24 * numbers[2 : 2 + count])
        corners = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1)
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255)
    elif shape == "bar":
        height = round(side * (0.03 + 0.12 * numbers[1]))
        if numbers[2] < 0.7:
            mask[max(0, middle[1] - height // 2) : max(0, middle[1] + height // 2 + 1)] = 255
        else:
            mask[:, max(0, middle[0] - height // 2) : max(0, middle[0] + height // 2 + 1)] = 255
    else:
        w, h = round(side * (0.08 + 0.2 * numbers[1])), round(side * (0.08 + 0.2 * numbers[2]))
        mask[max(0, middle[1] - h) : max(0, middle[1] + h), max(0, middle[0] - w) : max(0, middle[0] + w)] = (
            255
        )
        return mask
    return np.asarray(cv2.blur(mask, (3, 3)), np.uint8)


def blended(under: Picture, over: Picture, mask: Picture) -> Picture:
    """over where the mask is 255, under where it is 0."""
    alpha = (mask.astype(np.uint16) + (mask > 127))[..., None]  # 0..256, so that a shift divides
    return np.asarray((over * alpha + under * (256 - alpha)) >> 8, np.uint8)


def lit(x: float, y: float, radius: float, strength: float) -> PixelFunction:
    """A soft spot of light, or of shadow when strength (0..255) is negative."""

    def apply(picture: Picture) -> Picture:
        side = picture.shape[0]
        at = (np.arange(side, dtype=np.float32) + 0.5) / side
        across, down = np.exp(-(((at - x) / radius) ** 2)), np.exp(-(((at - y) / radius) ** 2))
        spot = np.repeat((down[:, None] * across * strength)[..., None], 3, axis=2)
        return np.asarray(cv2.add(picture, spot, dtype=cv2.CV_8U), np.uint8)

    return apply


def create(*, cover: float = 0.3, light: float = 0.1) -> CoverPolicy:
    """Chances in 0..1."""
    return CoverPolicy(cover, light)
