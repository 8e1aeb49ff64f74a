"""Cut-outs with transparency and how they are put onto a picture; drawn things that are not heads.

Drawn sprites are the detector's hard negatives: skin-coloured balls and limbs, hands, text, cloth, clutter.
They are shaded from their outline alone (height = distance to the edge), which is enough to make a disc a
ball and a polygon a hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, log2
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from headwise.warp import Warp

Picture = NDArray[Any]
"""uint8 (height, width, channels); cv2 gives its results no dtype."""

LEVELS = 4
OPAQUE = 128  # alpha from which a pixel belongs to the sprite
SPRITE_PX = 128  # side of drawn sprites
SKINS_RGB = ((236, 188, 160), (224, 172, 140), (198, 134, 100), (160, 105, 75), (110, 70, 50), (75, 48, 36))
LETTERS = "ABCDEFGHKLMNOPRSTUVWXYZabcdefghkmnoprstuvwxyz0123456789@&%?!"


@dataclass(frozen=True, eq=False)
class Sprite:
    """``levels``: uint8 RGBA pictures, colours times alpha, each half as wide and high as the one before
    it.
    """

    levels: tuple[Picture, ...]

    @classmethod
    def of(cls, rgba: Picture) -> Sprite:
        """From a picture whose colours are not yet multiplied by alpha."""
        *rgb, alpha = cv2.split(rgba)
        levels = [cv2.merge([*(cv2.multiply(colour, alpha, scale=1 / 255) for colour in rgb), alpha])]
        for _ in range(LEVELS - 1):
            height, width = levels[-1].shape[:2]
            size = (max(1, width // 2), max(1, height // 2))
            levels.append(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA))
        return cls(tuple(levels))

    @property
    def width(self) -> int:
        return int(self.levels[0].shape[1])

    @property
    def height(self) -> int:
        return int(self.levels[0].shape[0])


def paste(
    canvas: Picture,
    owners: Picture,
    sprite: Sprite,
    canvas_from_sprite: Warp,
    owner: int,
    gains_rgb: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> None:
    """Blend a sprite into ``canvas`` (h, w, 3) in place; where it is opaque, ``owners`` (h, w) becomes
    ``owner``.
    """
    height, width = canvas.shape[:2]
    corners = canvas_from_sprite.points(
        [(0, 0), (sprite.width, 0), (0, sprite.height), (sprite.width, sprite.height)]
    )
    left, top = (max(0, floor(v)) for v in corners.min(axis=0))
    right, bottom = min(width, ceil(corners[:, 0].max())), min(height, ceil(corners[:, 1].max()))
    if right <= left or bottom <= top:
        return
    level = min(LEVELS - 1, max(0, floor(log2(1 / canvas_from_sprite.scale) + 0.3)))
    source = sprite.levels[level]
    # Continuous coordinates of the level -> integer-centred ones of the region, as OpenCV counts.
    scale_xy = np.array([sprite.width / source.shape[1], sprite.height / source.shape[0]])
    matrix = np.array(canvas_from_sprite.matrix)
    matrix[:, :2] *= scale_xy
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - (left + 0.5, top + 0.5)
    warped = cv2.warpAffine(source, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    alpha = cv2.extractChannel(warped, 3)
    colours = cv2.transform(cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB), np.diag(gains_rgb))
    clear = cv2.cvtColor(cv2.bitwise_not(alpha), cv2.COLOR_GRAY2RGB)
    region = canvas[top:bottom, left:right]
    region[:] = cv2.add(cv2.multiply(region, clear, scale=1 / 255), colours)
    np.copyto(owners[top:bottom, left:right], np.uint8(owner), where=alpha >= OPAQUE)


def skin_rgb(rng: Generator) -> NDArray[np.float64]:
    """(3,) a colour between two of SKINS_RGB, a little off."""
    first, second = (np.array(SKINS_RGB[i], float) for i in rng.integers(0, len(SKINS_RGB), 2))
    colour = first + (second - first) * rng.random()
    varied: NDArray[np.float64] = np.clip(colour * np.exp(rng.normal(0, 0.08, 3)), 5, 250)
    return varied


def any_rgb(rng: Generator) -> NDArray[np.float64]:
    """(3,) any colour, half of the time a skin."""
    return skin_rgb(rng) if rng.random() < 0.45 else rng.uniform(5, 250, 3) * rng.uniform(0.3, 1)


def clouds(rng: Generator, width: int, height: int, cells: int) -> NDArray[np.float32]:
    """(height, width) smooth noise of about ``cells`` bumps across, mean 0, deviation about 1."""
    grid = rng.standard_normal((max(2, cells), max(2, cells)), dtype=np.float32)
    noise: Picture = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return noise


def texture(rng: Generator, width: int, height: int) -> Picture:
    """uint8 (height, width, 3): stripes, checks, dots, noise of several sizes, strands or a plain
    gradient.
    """
    first, second = any_rgb(rng), any_rgb(rng)
    rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    angle = rng.uniform(0, np.pi)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    across = columns * cosine + rows * sine
    along = rows * cosine - columns * sine
    period = float(np.exp(rng.uniform(np.log(4), np.log(60))))
    kind = rng.integers(0, 7)
    mix: Picture
    if kind == 0:
        mix = np.sin(across * (2 * np.pi / period)) * rng.uniform(1, 6)
    elif kind == 1:
        mix = 3 * np.sign(np.sin(across * (2 * np.pi / period)) * np.sin(along * (2 * np.pi / period)))
    elif kind == 2:
        mix = np.sin(across * (2 * np.pi / period)) + np.sin(along * (2 * np.pi / period))
    elif kind == 3:
        mix = np.sum([clouds(rng, width, height, 3 * 2**k) * 0.75**k for k in range(5)], axis=0)
    elif kind == 4:  # strands: noise drawn out along one direction
        noise = rng.standard_normal((height, width)).astype(np.float32)
        mix = cv2.GaussianBlur(noise, (0, 0), sigmaX=0.7, sigmaY=rng.uniform(6, 25)) * 6
    elif kind == 5:
        mix = across / max(width, height) * 2 - 1 + 0.2 * clouds(rng, width, height, 6)
    else:
        mix = 3 * np.sign(clouds(rng, width, height, int(rng.integers(4, 30))))
    weight = np.clip(mix, -1, 1).astype(np.float32) * 0.5 + 0.5
    shade = 1 + rng.uniform(0, 0.2) * clouds(rng, width, height, int(rng.integers(2, 8)))
    layers = [
        cv2.multiply(cv2.addWeighted(weight, b - a, weight, 0, a), shade)
        for a, b in zip(first, second, strict=True)
    ]
    return np.dstack([np.clip(layer, 0, 255).astype(np.uint8) for layer in layers])


def shaded(rng: Generator, outline: Picture, colour: NDArray[Any]) -> Picture:
    """RGBA from an outline (h, w) of 0..255: lit as if it bulged toward the viewer. ``colour`` (3,) or (h,
    w, 3).
    """
    depth = cv2.distanceTransform((outline > OPAQUE).astype(np.uint8), cv2.DIST_L2, 5)
    radius = max(1.0, float(depth.max()) * rng.uniform(0.4, 1))
    rise = np.clip(depth / radius, 0, 1)
    height = cv2.GaussianBlur(np.sqrt(rise * (2 - rise)) * radius, (0, 0), 1.2)
    slope_x, slope_y = cv2.Sobel(height, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(height, cv2.CV_32F, 0, 1) / 8
    light = np.array([rng.normal(0, 0.6), rng.normal(-0.4, 0.5), rng.uniform(0.4, 1.2)])
    light /= np.linalg.norm(light)
    lambert = (light[2] - slope_x * light[0] - slope_y * light[1]) / np.sqrt(1 + slope_x**2 + slope_y**2)
    shade = rng.uniform(0.25, 0.7) + np.clip(lambert, 0, 1) * rng.uniform(0.4, 0.9)
    gloss = np.clip(lambert, 0, 1) ** rng.uniform(8, 40) * rng.choice([0, 0, 40, 120])
    rgb = np.clip(np.asarray(colour) * shade[..., None] + gloss[..., None], 0, 255).astype(np.uint8)
    return np.dstack([rgb, outline])


def _blank() -> Picture:
    return np.zeros((SPRITE_PX, SPRITE_PX), np.uint8)


def _colour(rng: Generator) -> NDArray[Any]:
    return texture(rng, SPRITE_PX, SPRITE_PX) if rng.random() < 0.35 else any_rgb(rng)


def ball(rng: Generator) -> Picture:
    """A ball or an egg."""
    outline = _blank()
    axes = (int(rng.uniform(34, 60)), int(rng.uniform(34, 60)))
    cv2.ellipse(outline, (64, 64), axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
    return shaded(rng, outline, _colour(rng))


def blob(rng: Generator) -> Picture:
    """A closed smooth outline: fruit, stone, cushion, pot."""
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.full(64, 46.0)
    for wave in range(2, 6):
        radius += rng.normal(0, 9 / wave) * np.cos(wave * angles + rng.uniform(0, 6.3))
    outline = _blank()
    corners = 64 + np.stack([np.cos(angles), np.sin(angles)], 1) * np.clip(radius, 8, 62)[:, None]
    cv2.fillPoly(outline, [corners.astype(np.int32)], 255, cv2.LINE_AA)
    return shaded(rng, outline, _colour(rng))


def limb(rng: Generator) -> Picture:
    """An arm, a finger, a tube: one or two thick bars."""
    outline = _blank()
    ends = rng.uniform(10, 118, (3, 2)).astype(int)
    width = int(rng.uniform(10, 34))
    for start, end in ((ends[0], ends[1]), (ends[1], ends[2]))[: rng.integers(1, 3)]:
        cv2.line(outline, start.tolist(), end.tolist(), 255, width, cv2.LINE_AA)
    return shaded(rng, outline, _colour(rng) if rng.random() < 0.4 else skin_rgb(rng))


def hand(rng: Generator) -> Picture:
    """A palm, one to five fingers and a wrist."""
    outline = _blank()
    cv2.ellipse(outline, (64, 78), (int(rng.uniform(18, 26)), int(rng.uniform(20, 28))), 0, 0, 360, 255, -1)
    cv2.line(outline, (64, 80), (int(rng.uniform(50, 78)), 127), 255, int(rng.uniform(20, 34)))
    width = int(rng.uniform(8, 13))
    for finger in range(int(rng.integers(1, 6))):
        angle = np.radians(-55 + 25 * finger + rng.normal(0, 6)) + (0.3 if finger == 0 else 0)
        base = np.array([64 + 24 * np.sin(angle), 76 - 22 * np.cos(angle)])
        tip = base + rng.uniform(8, 40) * np.array([np.sin(angle * 0.8), -np.cos(angle * 0.8)])
        cv2.line(outline, base.astype(int).tolist(), tip.astype(int).tolist(), 255, width, cv2.LINE_AA)
    return shaded(rng, outline, skin_rgb(rng))


def board(rng: Generator) -> Picture:
    """A panel with smaller panels: window, screen, poster, keyboard, shelf."""
    rgb = texture(rng, SPRITE_PX, SPRITE_PX)
    columns, rows = rng.integers(1, 7, 2)
    gap = rng.uniform(0.05, 0.4)
    colour = any_rgb(rng)
    for row in range(rows):
        for column in range(columns):
            low = (np.array([column + gap / 2, row + gap / 2]) / (columns, rows) * SPRITE_PX).astype(int)
            high = (np.array([column + 1 - gap / 2, row + 1 - gap / 2]) / (columns, rows) * SPRITE_PX).astype(
                int
            )
            tint = np.clip(colour * rng.uniform(0.5, 1.5), 0, 255)
            cv2.rectangle(rgb, low.tolist(), high.tolist(), tint.tolist(), -1)
    outline = _blank()
    cv2.rectangle(outline, (2, int(rng.uniform(2, 50))), (125, int(rng.uniform(80, 125))), 255, -1)
    return np.dstack([rgb, outline])


def text(rng: Generator) -> Picture:
    """A few lines of letters, with or without a ground."""
    rgb = np.full((SPRITE_PX, SPRITE_PX, 3), any_rgb(rng), np.uint8)
    ink = any_rgb(rng).tolist()
    outline = np.full((SPRITE_PX, SPRITE_PX), 255 if rng.random() < 0.6 else 0, np.uint8)
    size = rng.uniform(0.5, 2.5)
    thickness = int(rng.integers(1, 5))
    for row in range(int(rng.integers(1, 5))):
        word = "".join(rng.choice(list(LETTERS), int(rng.integers(2, 10))))
        place, font = (4, int(20 + (row + size * 0.6) * 24 * max(1, size * 0.7))), int(rng.integers(0, 8))
        cv2.putText(rgb, word, place, font, size, ink, thickness, cv2.LINE_AA)
        cv2.putText(outline, word, place, font, size, 255, thickness, cv2.LINE_AA)
    return np.dstack([rgb, outline])


def rings(rng: Generator) -> Picture:
    """Circles in circles: wheel, clock, lamp, loudspeaker, plate."""
    rgb = np.zeros((SPRITE_PX, SPRITE_PX, 3), np.uint8)
    outline = _blank()
    cv2.circle(outline, (64, 64), 60, 255, -1, cv2.LINE_AA)
    for radius in np.sort(rng.uniform(4, 64, int(rng.integers(2, 6))))[::-1]:
        cv2.circle(rgb, (64, 64), int(radius), any_rgb(rng).tolist(), -1, cv2.LINE_AA)
    ticks = int(rng.integers(0, 13))
    for angle in np.arange(ticks) * (2 * np.pi / max(ticks, 1)):
        direction = np.array([np.cos(angle), np.sin(angle)])
        ends = (64 + direction * rng.uniform(5, 30), 64 + direction * 56)
        cv2.line(rgb, ends[0].astype(int).tolist(), ends[1].astype(int).tolist(), any_rgb(rng).tolist(), 3)
    return np.dstack([rgb, outline])


def foliage(rng: Generator) -> Picture:
    """Many small leaves, petals, pebbles or curls."""
    outline = _blank()
    rgb = np.zeros((SPRITE_PX, SPRITE_PX, 3), np.uint8)
    colour = rng.uniform(20, 230, 3)
    size = rng.uniform(3, 16)
    for _ in range(int(rng.integers(10, 60))):
        place = np.clip(rng.normal(64, 24, 2), 14, 114).astype(int).tolist()
        axes = (int(size * rng.uniform(0.6, 1.3)) + 1, int(size * rng.uniform(0.2, 0.8)) + 1)
        tint = np.clip(colour * rng.uniform(0.4, 1.4), 0, 255).tolist()
        angle = rng.uniform(0, 180)
        cv2.ellipse(rgb, place, axes, angle, 0, 360, tint, -1, cv2.LINE_AA)
        cv2.ellipse(outline, place, axes, angle, 0, 360, 255, -1)
    return np.dstack([rgb, outline])


def cloth(rng: Generator) -> Picture:
    """A patch of folded cloth with round corners: clothes, curtain, cushion, scarf."""
    rgb = texture(rng, SPRITE_PX, SPRITE_PX).astype(np.float32)
    folds = clouds(rng, SPRITE_PX, SPRITE_PX, int(rng.integers(3, 8)))
    rgb = np.clip(rgb * (1 + 0.25 * folds)[..., None], 0, 255).astype(np.uint8)
    rows, columns = np.mgrid[-1 : 1 : SPRITE_PX * 1j, -1 : 1 : SPRITE_PX * 1j]
    power = rng.uniform(2, 8)
    shape = np.abs(columns / rng.uniform(0.5, 1)) ** power + np.abs(rows / rng.uniform(0.5, 1)) ** power
    outline = (np.clip((1 - shape) * 8, 0, 1) * 255).astype(np.uint8)
    return np.dstack([rgb, outline])


DRAWN: tuple[Callable[[Generator], Picture], ...] = (
    ball, ball, blob, blob, limb, limb, hand, hand, board, board, text, rings, foliage, cloth, cloth
)  # fmt: skip


def draw(rng: Generator) -> Sprite:
    """Any of the drawn things."""
    return Sprite.of(DRAWN[int(rng.integers(0, len(DRAWN)))](rng))
