"""What stands behind and before heads: views of environments, plain walls, and clutter of every kind."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.synthesis.mesh import about_y
from headwise.synthesis.renderer import Lighting, Renderer

Picture = NDArray[np.uint8]
LETTERS = np.array(list("ABCDEFGHIKLMNOPRSTUVWXYZ0123456789&%!?"))


def sample_backdrop(
    renderer: Renderer,
    lighting: Lighting,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    clutter: float = 0.5,
) -> Picture:
    """RGB [h,w,3]: an environment's view or a wall, often blurred, cluttered in `clutter` of cases."""
    width, height = size
    if rng.random() < 0.14:
        picture = _plain_wall(size, rng)
    else:
        names = renderer.assets.environment_names
        name = lighting.environment if rng.random() < 0.5 else str(rng.choice(names))
        half = rng.uniform(0.25, 1.3)
        turn = lighting.environment_from_eye @ about_y(rng.normal(0, 0.5))
        picture = renderer.backdrop(
            name,
            turn,
            (half, half * height / width),
            size,
            blur_level=float(rng.choice([0, 0, 0.7, 1.5, 2.5, 4])),
            exposure=lighting.exposure * rng.uniform(0.5, 1.4),
        )
    picture = np.ascontiguousarray(picture)
    if rng.random() < clutter:
        for _ in range(int(rng.geometric(0.18))):
            add_clutter(picture, rng)
    if rng.random() < 0.35:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), height / 224 * rng.uniform(0.6, 6)), np.uint8)
    return picture


def _plain_wall(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    width, height = size
    colour = rng.uniform(10, 245) * np.exp(rng.normal(0, 0.12, 3))
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    slope = 1 + 0.2 * (rng.normal() * x[None, :, None] + rng.normal() * y[:, None, None])
    return np.clip(colour * slope, 0, 255).astype(np.uint8)


def add_clutter(picture: Picture, rng: np.random.Generator) -> None:
    """Paint one random thing into the picture, in place."""
    kind = rng.choice(["block", "disc", "bar", "letters", "stripes", "ball", "grain", "polygon", "limb"])
    height, width = picture.shape[:2]
    size = np.exp(rng.uniform(np.log(0.04), np.log(0.5))) * min(width, height)
    centre = rng.uniform([0, 0], [width, height])
    colour = _colour(rng)
    if kind == "ball":
        _ball(picture, centre, size / 2, rng)
        return
    layer, cover = picture.copy(), np.zeros((height, width), np.uint8)
    if kind == "block":
        corners = cv2.boxPoints(
            (centre.tolist(), (size, size * rng.uniform(0.3, 3)), rng.choice([0, rng.uniform(0, 180)]))
        )
        cv2.fillConvexPoly(cover, corners.astype(np.int32), 255, cv2.LINE_AA)
        layer[:] = colour
    elif kind == "disc":
        axes = (max(1, round(size / 2)), max(1, round(size / 2 * rng.uniform(0.5, 1.6))))
        cv2.ellipse(
            cover, centre.astype(int).tolist(), axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA
        )
        layer[:] = _shaded(colour, layer.shape, rng)
    elif kind == "bar":
        end = centre + rng.normal(0, max(width, height) / 2, 2)
        cv2.line(
            cover,
            centre.astype(int).tolist(),
            end.astype(int).tolist(),
            255,
            max(1, round(size / 6)),
            cv2.LINE_AA,
        )
        layer[:] = colour
    elif kind == "letters":
        text = "".join(rng.choice(LETTERS, rng.integers(2, 9)))
        scale = max(0.2, size / 60)
        cv2.putText(
            cover,
            text,
            centre.astype(int).tolist(),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            255,
            max(1, round(scale * 2)),
            cv2.LINE_AA,
        )
        layer[:] = colour
    elif kind == "stripes":
        corners = cv2.boxPoints(
            (centre.tolist(), (size * 1.5, size * rng.uniform(0.5, 2)), rng.uniform(0, 180))
        )
        cv2.fillConvexPoly(cover, corners.astype(np.int32), 255, cv2.LINE_AA)
        angle, period = rng.uniform(0, np.pi), rng.uniform(2, 14)
        y, x = np.mgrid[:height, :width]
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) / period * 2 * np.pi)[..., None] > rng.uniform(
            -0.5, 0.5
        )
        layer[:] = np.where(wave, colour, _colour(rng)).astype(np.uint8)
    elif kind == "grain":
        corners = cv2.boxPoints(
            (centre.tolist(), (size * 1.5, size * rng.uniform(0.5, 2)), rng.uniform(0, 180))
        )
        cv2.fillConvexPoly(cover, corners.astype(np.int32), 255, cv2.LINE_AA)
        cells = rng.normal(
            0, 50, (max(2, height // rng.integers(2, 24)), max(2, width // rng.integers(2, 24)), 1)
        )
        noise = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
        layer[:] = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    elif kind == "polygon":
        corners = centre + rng.normal(0, size / 2, (rng.integers(3, 8), 2))
        cv2.fillPoly(cover, [corners.astype(np.int32)], 255, cv2.LINE_AA)
        layer[:] = _shaded(colour, layer.shape, rng)
    else:
        path = np.cumsum(np.vstack([centre, rng.normal(0, size / 2, (3, 2))]), 0)
        cv2.polylines(cover, [path.astype(np.int32)], False, 255, max(2, round(size / 4)), cv2.LINE_AA)
        layer[:] = _shaded(_skin_colour(rng), layer.shape, rng)
    if rng.random() < 0.3:
        cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.5, 3)), np.uint8)
    share = (cover.astype(np.float32) / 255 * rng.choice([1.0, 1.0, rng.uniform(0.3, 0.9)]))[..., None]
    picture[:] = (layer * share + picture * (1 - share)).astype(np.uint8)


def _colour(rng: np.random.Generator) -> list[int]:
    if rng.random() < 0.25:
        return _skin_colour(rng)
    if rng.random() < 0.3:
        return [int(rng.uniform(0, 255))] * 3
    return [int(v) for v in rng.uniform(0, 255, 3)]


def _skin_colour(rng: np.random.Generator) -> list[int]:
    tone = (
        np.array([225, 170, 140])
        * np.exp(-rng.uniform(0, 1.3) * np.array([0.7, 0.95, 1.1]))
        * rng.uniform(0.7, 1.15)
    )
    return [int(v) for v in np.clip(tone, 0, 255)]


def _shaded(colour: list[int], shape: tuple[int, ...], rng: np.random.Generator) -> Picture:
    height, width = shape[:2]
    ramp = (
        np.linspace(0.6, 1.3, width)[None, :, None]
        if rng.random() < 0.5
        else np.linspace(1.2, 0.6, height)[:, None, None]
    )
    return np.clip(np.array(colour) * ramp, 0, 255).astype(np.uint8) + np.zeros(shape, np.uint8)


def _ball(picture: Picture, centre: NDArray[np.float64], radius: float, rng: np.random.Generator) -> None:
    """A shaded ball or egg: round like a head, lit like a head, and not a head."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    dx, dy = (x - centre[0]) / radius, (y - centre[1]) / (radius * rng.uniform(0.8, 1.5))
    inside = dx * dx + dy * dy
    z = np.sqrt(np.clip(1 - inside, 0, 1))
    light = rng.normal(0, 1, 3) * [1, 1, 0.3] + [0, -0.6, 0.8]
    light /= np.linalg.norm(light)
    shade = 0.35 + 0.75 * np.clip(dx * light[0] + dy * light[1] + z * light[2], 0, 1)
    glint = np.clip(dx * light[0] + dy * light[1] + z * light[2], 0, 1) ** rng.uniform(10, 80) * rng.uniform(
        0, 150
    )
    ball = np.clip(np.array(_colour(rng)) * shade[..., None] + glint[..., None], 0, 255)
    share = np.clip((1 - inside) * radius / 2, 0, 1)[..., None]
    picture[:] = (ball * share + picture * (1 - share)).astype(np.uint8)
