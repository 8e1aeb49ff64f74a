"""Light and colour: exposure, contrast, white balance, saturation, gray and near-infrared looks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from headwise.training.pixels import Picture, PixelFunction, chained, log_uniform

LARGEST_GAIN = 4.0  # of contrast: beyond, noise and JPEG blocks would be all one sees
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class ColourPolicy:
    """Chances of each look."""

    tone: float
    mix: float
    gray: float
    infrared: float
    equalise: float
    levels: float

    def draw(self, rng: np.random.Generator) -> PixelFunction:
        """A colour mix (saturation, balance, gray or infrared look), then one tone curve."""
        functions: list[PixelFunction] = []
        if rng.random() < self.levels:
            functions.append(levelled(rng.uniform(5, 105), rng.uniform(155, 250)))
        look = rng.random()
        if look < self.gray:
            functions.append(mixed(np.tile(LUMA, (3, 1))))
        elif look < self.gray + self.infrared:
            functions.append(mixed(np.tile(infrared_weights(rng), (3, 1))))
        elif rng.random() < self.mix:
            functions.append(mixed(colour_matrix(rng)))
        if rng.random() < self.tone:
            functions.append(toned(tone_table(rng)))
        if rng.random() < self.equalise:
            functions.append(locally_equalised(float(rng.uniform(1.0, 4.0))))
        return chained(functions)


def levelled(dark: float, bright: float) -> PixelFunction:
    """The exposure and contrast of photographs: the middle's 5th and 95th percentile of green go to these.

    Rendered light leaves faces darker and flatter than cameras and their owners do.
    """

    def apply(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        middle = picture[height // 6 : -(height // 6), width // 6 : -(width // 6), 1]
        low, high = np.percentile(middle, (5, 95))
        gain = min((bright - dark) / max(high - low, 1.0), LARGEST_GAIN)
        table = (np.arange(256) - (low + high) / 2) * gain + (bright + dark) / 2
        return toned(np.asarray(np.clip(table, 0, 255), np.uint8))(picture)

    return apply


def infrared_weights(rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Skin is bright and lips fade in near infrared: mostly red, some green, little blue."""
    weights = np.array([rng.uniform(0.7, 1.3), rng.uniform(-0.2, 0.3), rng.uniform(-0.3, 0.1)], np.float32)
    normalised: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = weights / weights.sum()
    return normalised


def colour_matrix(rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Saturation 0.3 to 1.7, a small turn of hue, and a white balance of ±20 %."""
    saturation = rng.uniform(0.3, 1.7)
    matrix = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * np.tile(LUMA, (3, 1))
    angle = rng.normal(0, 0.08)
    third, side = (1 - np.cos(angle)) / 3, np.sin(angle) / np.sqrt(3)
    hue = np.full((3, 3), third) + np.cos(angle) * np.eye(3)
    hue += side * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    balance = np.exp(rng.normal(0, 0.1, 3))
    return np.asarray(balance[:, None] * (hue @ matrix), np.float32)


def mixed(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> PixelFunction:
    """Every pixel times a 3x3 colour matrix."""
    return lambda picture: np.asarray(cv2.transform(picture, matrix), np.uint8)


def tone_table(rng: np.random.Generator) -> Picture:
    """(256,) brightness, contrast and gamma in one table; sometimes far under- or overexposed."""
    x = np.arange(256, dtype=np.float32) / 255
    extreme = rng.random() < 0.2
    y = x ** log_uniform(rng, 0.4 if extreme else 0.65, 2.6 if extreme else 1.6)
    gain = log_uniform(rng, 0.2, 2.5) if extreme else log_uniform(rng, 0.65, 1.4)
    contrast, lift = rng.uniform(0.6, 1.35), rng.normal(0, 0.06)
    y = (y * gain - 0.5) * contrast + 0.5 * (1 if contrast > 1 else rng.uniform(contrast, 1)) + lift
    if rng.random() < 0.03:
        y = 1 - y
    return np.asarray(np.clip(y * 255, 0, 255), np.uint8)


def toned(table: Picture) -> PixelFunction:
    """Every value through a table of 256."""
    return lambda picture: np.asarray(cv2.LUT(picture, table), np.uint8)


def locally_equalised(limit: float) -> PixelFunction:
    """The local contrast of phone cameras (CLAHE on lightness)."""

    def apply(picture: Picture) -> Picture:
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
        luma[..., 0] = cv2.createCLAHE(limit, (3, 3)).apply(luma[..., 0])
        return np.asarray(cv2.cvtColor(luma, cv2.COLOR_YCrCb2RGB), np.uint8)

    return apply


def create(
    *,
    tone: float = 0.7,
    mix: float = 0.5,
    gray: float = 0.12,
    infrared: float = 0.06,
    equalise: float = 0.06,
    levels: float = 0.0,
) -> ColourPolicy:
    """Chances in 0..1."""
    return ColourPolicy(tone, mix, gray, infrared, equalise, levels)
