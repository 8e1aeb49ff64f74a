"""What lenses, sensors, distance and codecs do: blur, low resolution, noise, JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from headwise.training.pixels import Picture, PixelFunction, chained, log_uniform

NOISE_SIDE = 160  # the noise is cut at a random place from one square this large
INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST, cv2.INTER_AREA)


@dataclass(frozen=True)
class DegradePolicy:
    """Chances of each damage, and the smallest size in pixels a head is shrunk to."""

    small: float
    smallest_px: int
    blur: float
    motion: float
    noise: float
    jpeg: float
    sharpen: float

    def draw(self, rng: np.random.Generator) -> PixelFunction:
        """Blur, then the size, then noise, then the codec: the order of a camera."""
        functions: list[PixelFunction] = []
        kind = rng.random()
        if kind < self.blur:
            functions.append(blurred(log_uniform(rng, 0.3, 2.2)))
        elif kind < self.blur + self.motion:
            functions.append(smeared(rng.uniform(0, 180), int(rng.integers(3, 10))))
        elif kind < self.blur + self.motion + self.sharpen:
            functions.append(sharpened(rng.uniform(0.3, 1.5)))
        if rng.random() < self.small:
            share = log_uniform(rng, self.smallest_px / 112, 1.0)
            functions.append(shrunk_and_grown(share, int(rng.choice(INTERPOLATIONS))))
        if rng.random() < self.noise:
            functions.append(
                noisy(
                    log_uniform(rng, 1.5, 22),
                    rng.random() < 0.5,
                    rng.random() < 0.3,
                    int(rng.integers(1 << 30)),
                )
            )
        if rng.random() < self.jpeg:
            functions.append(compressed(int(rng.integers(15, 96))))
        return chained(functions)


def blurred(sigma_px: float) -> PixelFunction:
    """A defocused lens."""
    return lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px), np.uint8)


def smeared(angle_deg: float, length_px: int) -> PixelFunction:
    """A moving head: the mean along a line."""
    kernel = np.zeros((length_px, length_px), np.float32)
    middle = (length_px - 1) / 2
    dx, dy = middle * np.cos(np.radians(angle_deg)), middle * np.sin(np.radians(angle_deg))
    ends = [(round(middle + k * dx), round(middle + k * dy)) for k in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    kernel /= kernel.sum()
    return lambda picture: np.asarray(cv2.filter2D(picture, -1, kernel), np.uint8)


def sharpened(amount: float) -> PixelFunction:
    """The halo of a camera's sharpening."""

    def apply(picture: Picture) -> Picture:
        soft = cv2.blur(picture, (3, 3))
        return np.asarray(cv2.addWeighted(picture, 1 + amount, soft, -amount, 0), np.uint8)

    return apply


def shrunk_and_grown(share: float, interpolation: int) -> PixelFunction:
    """A head that was few pixels wide in its picture."""

    def apply(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        side = (max(8, round(width * share)), max(8, round(height * share)))
        small = cv2.resize(picture, side, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (width, height), interpolation=interpolation), np.uint8)

    return apply


def noisy(sigma: float, coloured: bool, brighter_is_noisier: bool, seed: int) -> PixelFunction:
    """Sensor noise of standard deviation sigma (0..255), or shot noise that grows with the light."""

    def apply(picture: Picture) -> Picture:
        rng = np.random.default_rng(seed)
        height, width = picture.shape[:2]
        field = NOISE if coloured else NOISE_GRAY
        y, x = rng.integers(0, NOISE_SIDE * 2 - np.array([height, width]))
        part = field[y : y + height, x : x + width]
        if brighter_is_noisier:
            strength = cv2.LUT(picture, (np.sqrt(np.arange(256)) * (sigma / 11)).astype(np.float32))
            grain = cv2.multiply(part, strength)
            return np.asarray(cv2.add(picture, grain, dtype=cv2.CV_8U), np.uint8)
        return np.asarray(cv2.scaleAdd(part, sigma, picture.astype(np.float32)).clip(0, 255), np.uint8)

    return apply


def noise_field() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """One square of unit normal noise, cut anew at a random place each time: far cheaper than drawing it."""
    return np.random.default_rng(0).standard_normal((2 * NOISE_SIDE, 2 * NOISE_SIDE, 3)).astype(np.float32)


NOISE = noise_field()
NOISE_GRAY = np.ascontiguousarray(np.repeat(NOISE[..., :1], 3, axis=2))


def compressed(quality: int) -> PixelFunction:
    """Through JPEG and back."""

    def apply(picture: Picture) -> Picture:
        ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        del ok
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    return apply


def create(
    *,
    small: float = 0.35,
    smallest_px: int = 16,
    blur: float = 0.2,
    motion: float = 0.08,
    noise: float = 0.3,
    jpeg: float = 0.35,
    sharpen: float = 0.1,
) -> DegradePolicy:
    """Chances in 0..1; smallest_px is meant for a crop of 112 px."""
    return DegradePolicy(small, smallest_px, blur, motion, noise, jpeg, sharpen)
