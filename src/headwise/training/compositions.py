"""Pictures with any number of heads, composed from cut-out heads, views and drawn clutter, with exact labels.

A cut-out of the `crops` shards ends where its picture ended: a bust with a straight lower edge.
`continue_body` lets the body go on below and beside that edge, so that no network learns the edge instead
of the head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from headwise.conventions import FIVE_FROM_68, FLIP_68
from headwise.training.sprites import OPAQUE, Picture, Sprite, clouds, paste, texture
from headwise.warp import Warp

BODY_BELOW = 0.85  # of the crop's side: how far a body is continued
BODY_BESIDE = 0.35
COARSE = 4  # pixels between the values of smooth fields
PATTERN_SHARE = 0.3  # of bodies whose cloth changes its pattern below the crop
MOST_CUT = 0.03  # of the crop's side: an edge that cuts more of the head than this spoils the cut-out
EDGE_ALPHA = 90  # alpha up to this is dropped: the old background shines through there
SMALLEST_PX, LARGEST_SHARE = 12.0, 1.15  # side of a head's box: pixels; of the picture's side
FOUND_FROM, IGNORED_FROM = 0.4, 0.12  # visible share of a head from which it must be found; may be found
IGNORED_BELOW_PX = 10.0
MOST_OVERLAP = 0.35  # of a new head's box with another one
TRIES = 5  # to place a head
STEEPER = np.clip((np.arange(256) - EDGE_ALPHA) * (255 / (255 - EDGE_ALPHA)), 0, 255).astype(np.uint8)
OCCLUDER = 255  # owner of pixels that belong to no head
MOST_HEADS = 24
BARS_SHARE = 0.08  # of pictures with bars at their edges, as videos and padded pictures have


@dataclass(frozen=True, eq=False)
class HeadCutout:
    """A head and its body, cut out: ``points`` (68, 2) on the sprite, ``visibility`` (68,) bool."""

    sprite: Sprite
    points: NDArray[np.float64]
    visibility: NDArray[np.bool_]

    @property
    def side_px(self) -> float:
        """The longer side of the box of the 68 points."""
        return float(np.ptp(self.points, axis=0).max())


@dataclass(frozen=True, eq=False)
class HeadLabels:
    """Of m heads: ``boxes`` (m, 4), ``points`` (m, 5, 2), ``points_visible`` (m, 5), ``ignored`` (m,)."""

    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    points_visible: NDArray[np.bool_]
    ignored: NDArray[np.bool_]

    @classmethod
    def none(cls) -> HeadLabels:
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros((0, 5, 2), np.float32),
            np.zeros((0, 5), bool),
            np.zeros(0, bool),
        )


@dataclass(frozen=True, eq=False)
class Composition:
    """``image`` uint8 RGB (h, w, 3) and what is in it; ``owners`` (h, w): i + 1 where head i is in front."""

    image: Picture
    owners: Picture
    labels: HeadLabels


def cutout(
    rng: Generator, rgb: Picture, alpha: Picture, points: NDArray[Any], visibility: NDArray[Any]
) -> HeadCutout | None:
    """A head of a crop shard with its body continued; None where the crop cuts the head itself."""
    size = rgb.shape[0]
    chin = int(points[:, 1].max())
    cut = [alpha[0], alpha[:chin, 0], alpha[:chin, -1]]  # above, and beside the head; below is body
    if (
        points.min() < 0
        or points.max() > size
        or any((edge >= OPAQUE).sum() > MOST_CUT * size for edge in cut)
    ):
        return None
    alpha = cv2.LUT(alpha, STEEPER)
    rgba, shift = continue_body(rng, np.dstack([rgb, alpha]))
    return HeadCutout(Sprite.of(rgba), points.astype(np.float64) + shift, visibility.astype(bool))


def continue_body(rng: Generator, rgba: Picture) -> tuple[Picture, tuple[float, float]]:
    """A wider and higher cut-out whose body goes on, round, where the old one ended; the shift of its
    points.
    """
    size = rgba.shape[0]
    below, beside = int(size * BODY_BELOW), int(size * BODY_BESIDE)
    wide = cv2.copyMakeBorder(rgba, 0, below, beside, beside, cv2.BORDER_REPLICATE)
    crop = (slice(0, size), slice(beside, beside + size))
    outline = _body_outline(rng, rgba[..., 3] >= OPAQUE, wide.shape[1], wide.shape[0], beside)
    alpha = cv2.min(wide[..., 3], outline)
    alpha[crop] = rgba[..., 3]
    rgb = _woven(rng, np.ascontiguousarray(wide[..., :3]), size, beside)
    return cv2.merge([*cv2.split(rgb), alpha]), (float(beside), 0.0)


def _body_outline(rng: Generator, inside: NDArray[np.bool_], width: int, height: int, beside: int) -> Picture:
    """0..255 (height, width): shoulders that fall off beside the crop, a trunk that ends round below it."""
    size = inside.shape[0]
    columns = np.flatnonzero(inside[-1]) + beside
    if not len(columns):
        return np.zeros((height, width), np.uint8)
    middle = (columns[0] + columns[-1] + 1) / 2
    half = (columns[-1] + 1 - columns[0]) / 2
    touches = inside[:, 0].any() or inside[:, -1].any()
    half = half * rng.uniform(1.05, 1.3) + 2 if touches else half + 2
    shoulder = max(4.0, max(inside[:, 0].sum(), inside[:, -1].sum()) * rng.uniform(0.9, 1.3))
    rows = (np.arange(0, height, COARSE)[:, None] + COARSE / 2 - size).astype(np.float32)
    across = np.abs(np.arange(0, width, COARSE)[None, :] + COARSE / 2 - middle).astype(np.float32) / half
    slope = 1 + rng.uniform(-0.25, 0.15) * np.clip(rows, 0, None) / size  # a trunk widens or narrows
    trunk_end = rng.uniform(0.35, 0.97) * (height - size)
    above = across**2.5 + (np.minimum(rows, 0) / shoulder) ** 2
    under = (across / slope) ** 6 + (np.maximum(rows, 0) / trunk_end) ** 4
    distance = np.where(rows < 0, above, under)
    coarse = np.clip(OPAQUE + (1 - distance) * 900, 0, 255).astype(np.uint8)
    fine: Picture = cv2.resize(coarse, (coarse.shape[1] * COARSE, coarse.shape[0] * COARSE))
    return fine[:height, :width]


def _woven(rng: Generator, rgb: Picture, size: int, beside: int) -> Picture:
    """Break the streaks of the replicated border: soften them, then pattern and shade them as cloth is."""
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb[size:], (width // 2, (height - size) // 2), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigmaX=rng.uniform(0.5, 3), sigmaY=1)
    if rng.random() < PATTERN_SHARE:
        share = rng.uniform(0.1, 0.6)
        pattern = texture(rng, small.shape[1], small.shape[0])
        small = cv2.addWeighted(small, 1, pattern, share, -110 * share)
    rgb[size:] = cv2.resize(small, (width, height - size), interpolation=cv2.INTER_LINEAR)
    coarse_width, coarse_height = width // COARSE, height // COARSE
    shade: Picture = 0.16 * clouds(rng, coarse_width, coarse_height, int(rng.integers(4, 10)))
    shade[: size // COARSE, beside // COARSE : (beside + size) // COARSE] = 0
    shade = cv2.resize(
        cv2.GaussianBlur(1 + shade, (0, 0), 1), (width, height), interpolation=cv2.INTER_LINEAR
    )
    return cv2.multiply(rgb, cv2.merge([shade] * 3), dtype=cv2.CV_8U)


def without_head(head: HeadCutout) -> Sprite:
    """The body alone, from below the chin: a hard negative."""
    low, high = head.points[:, 1].min(), head.points[:, 1].max()
    cut = round(high + 0.06 * (high - low))
    levels = []
    for picture in head.sprite.levels:
        body = picture.copy()
        body[: round(cut * body.shape[0] / head.sprite.height)] = 0
        levels.append(body)
    return Sprite(tuple(levels))


def shuffled(rng: Generator, head: HeadCutout) -> Sprite:
    """The face's pieces in another order: has its colours and details, is none."""
    low, high = head.points.min(axis=0).astype(int), head.points.max(axis=0).astype(int)
    face = head.sprite.levels[0][max(0, low[1]) : high[1], max(0, low[0]) : high[0]]
    tile = max(4, min(face.shape[:2]) // 3)
    pieces = [face[y : y + tile, x : x + tile] for y in (0, tile, 2 * tile) for x in (0, tile, 2 * tile)]
    pieces = [np.rot90(p, int(rng.integers(0, 4))) for p in pieces if p.shape[:2] == (tile, tile)]
    order = rng.permutation(len(pieces))
    while len(pieces) > 1 and (order == np.arange(len(pieces))).sum() > 2:
        order = rng.permutation(len(pieces))
    columns = 3 if len(pieces) >= 9 else 2
    usable = len(pieces) // columns * columns
    rows = [np.hstack([pieces[j] for j in order[i : i + columns]]) for i in range(0, usable, columns)]
    return Sprite.of(np.vstack(rows)) if rows else head.sprite


def compose(
    rng: Generator,
    background: Picture,
    heads: list[HeadCutout],
    sides_px: NDArray[np.float64],
    clutter: list[Sprite],
    occluders: list[Sprite],
) -> Composition:
    """Clutter, then the heads from small (far) to large (near), then occluders, onto a copy of
    ``background``.

    ``sides_px`` (len(heads),): wanted box sides. Heads that find no place are left out.
    """
    canvas = np.ascontiguousarray(background).copy()
    height, width = canvas.shape[:2]
    owners = np.zeros((height, width), np.uint8)
    for thing in clutter:
        paste(canvas, owners, thing, _anywhere(rng, thing, width, height), 0, _gains(rng, 0.2))
    placed: list[HeadCutout] = []
    boxes: list[NDArray[np.float64]] = []
    light = _gains(rng, 0.12)
    for i in np.argsort(sides_px)[:MOST_HEADS]:
        warp = _place(rng, heads[i], float(sides_px[i]), boxes, width, height)
        if warp is None:
            continue
        gains = tuple(a * b for a, b in zip(light, _gains(rng, 0.08), strict=True))
        paste(canvas, owners, heads[i].sprite, warp, len(placed) + 1, (gains[0], gains[1], gains[2]))
        moved = _moved(heads[i], warp)
        placed.append(moved)
        boxes.append(np.concatenate([moved.points.min(axis=0), moved.points.max(axis=0)]))
    for thing in occluders:
        near = boxes[int(rng.integers(0, len(boxes)))] if boxes else None
        warp = _over(rng, thing, near) if near is not None else _anywhere(rng, thing, width, height)
        paste(canvas, owners, thing, warp, OCCLUDER, _gains(rng, 0.2))
    if rng.random() < BARS_SHARE:
        _bars(rng, canvas, owners)
    return Composition(canvas, owners, labels_of(placed, owners))


def labels_of(placed: list[HeadCutout], owners: Picture) -> HeadLabels:
    """Boxes and five points of heads already in the picture's pixels; how much of each is seen decides its
    fate.
    """
    boxes, points, visible, ignored = [], [], [], []
    for index, head in enumerate(placed):
        share = visible_share(head.points, owners, index + 1)
        low, high = head.points.min(axis=0), head.points.max(axis=0)
        side = float((high - low).max())
        if share < IGNORED_FROM:
            continue
        boxes.append(np.concatenate([low, high]))
        five = FIVE_FROM_68 @ head.points
        points.append(five)
        shown = FIVE_FROM_68 @ head.visibility > 0.5
        visible.append(shown & _owned(five, owners, index + 1))
        ignored.append(share < FOUND_FROM or side < IGNORED_BELOW_PX)
    if not boxes:
        return HeadLabels.none()
    return HeadLabels(
        np.array(boxes, np.float32), np.array(points, np.float32), np.array(visible), np.array(ignored)
    )


def visible_share(points: NDArray[np.float64], owners: Picture, owner: int) -> float:
    """Share of the hull of the points that lies in the picture and in front."""
    hull = cv2.convexHull(np.round(points * 16 - 8).astype(np.int32))  # 4 fractional bits, integer-centred
    area = cv2.contourArea(hull) / 256
    low = np.maximum(np.floor(points.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 1, owners.shape[::-1])
    if area <= 0 or (high <= low).any():
        return 0.0
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    cv2.fillConvexPoly(mask, hull - (low * 16).astype(np.int32), 1, shift=4)
    seen = np.count_nonzero(mask & (owners[low[1] : high[1], low[0] : high[0]] == owner))
    return min(1.0, float(seen) / area)


def head_sides(rng: Generator, count: int, picture_px: int) -> NDArray[np.float64]:
    """Box sides of ``count`` heads that stand about equally far away; a third of pictures mix all
    distances.
    """
    largest = picture_px * (LARGEST_SHARE if count <= 2 else 1.2 / np.sqrt(count))
    spread = rng.choice([0.15, 0.4, 1.0])
    typical = np.exp(rng.uniform(np.log(SMALLEST_PX), np.log(largest)))
    sides: NDArray[np.float64] = np.clip(
        typical * np.exp(rng.normal(0, spread, count)), SMALLEST_PX - 3, largest
    )
    return sides


def _place(
    rng: Generator, head: HeadCutout, side: float, boxes: list[NDArray[np.float64]], width: int, height: int
) -> Warp | None:
    """canvas_from_sprite: a random size-true place, turn and mirror that does not cover another head much."""
    turn = rng.normal(0, 10) if rng.random() < 0.6 else rng.uniform(-45, 45)
    if rng.random() < 0.08:
        turn = rng.uniform(-180, 180)
    middle = (head.points.min(axis=0) + head.points.max(axis=0)) / 2
    scale = side / head.side_px
    for _ in range(TRIES):
        margin = rng.uniform(-0.15, 0.6) * side  # negative: the head may leave the picture
        at = [rng.uniform(min(margin, size / 2), max(size - margin, size / 2)) for size in (width, height)]
        to_middle = Warp.scaling(scale) @ Warp.moving(-middle[0], -middle[1])
        if rng.random() < 0.5:
            to_middle = Warp.mirroring(0) @ to_middle
        warp = Warp.moving(*at) @ Warp.turning(turn, (0, 0)) @ to_middle
        points = warp.points(head.points)
        box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        if all(_overlap(box, other) < MOST_OVERLAP for other in boxes):
            return warp
    return None


def _bars(rng: Generator, canvas: Picture, owners: Picture) -> None:
    """One or two plain bars along the edges, in place."""
    height, width = canvas.shape[:2]
    colour = rng.choice([0, 0, 0, 255, 128])
    first, second = rng.uniform(0, 0.3), rng.uniform(0, 0.3) * (rng.random() < 0.6)
    if rng.random() < 0.5:
        strips = [slice(0, int(height * first)), slice(height - int(height * second), height)]
        regions = [(strip, slice(None)) for strip in strips]
    else:
        strips = [slice(0, int(width * first)), slice(width - int(width * second), width)]
        regions = [(slice(None), strip) for strip in strips]
    for region in regions:
        canvas[region] = colour
        owners[region] = OCCLUDER


def _overlap(box: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Shared area over the smaller box's."""
    shared = np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None).prod()
    return float(shared / min((box[2:] - box[:2]).prod(), (other[2:] - other[:2]).prod()))


def _moved(head: HeadCutout, warp: Warp) -> HeadCutout:
    points, visibility = warp.points(head.points), head.visibility
    if warp.mirrors:
        points, visibility = points[FLIP_68], visibility[FLIP_68]
    return replace(head, points=points, visibility=visibility)


def _owned(points: NDArray[np.float64], owners: Picture, owner: int) -> NDArray[np.bool_]:
    columns, rows = np.floor(points).astype(int).T
    inside = (columns >= 0) & (rows >= 0) & (columns < owners.shape[1]) & (rows < owners.shape[0])
    result = np.zeros(len(points), bool)
    result[inside] = owners[rows[inside], columns[inside]] == owner
    return result


def _anywhere(rng: Generator, thing: Sprite, width: int, height: int) -> Warp:
    size = np.exp(rng.uniform(np.log(0.05), np.log(0.9))) * max(width, height)
    place = (rng.uniform(0, width), rng.uniform(0, height))
    return _at(rng, thing, size, place)


def _over(rng: Generator, thing: Sprite, box: NDArray[np.float64]) -> Warp:
    """Over some part of a head, more often its rim than its middle."""
    side = float((box[2:] - box[:2]).max())
    angle = rng.uniform(0, 2 * np.pi)
    reach = rng.uniform(0.2, 0.9) * side
    middle = (box[:2] + box[2:]) / 2
    place = (middle[0] + reach * np.cos(angle), middle[1] + reach * np.sin(angle))
    return _at(rng, thing, rng.uniform(0.3, 1.3) * side, place)


def _at(rng: Generator, thing: Sprite, size: float, place: tuple[float, float]) -> Warp:
    to_middle = Warp.moving(-thing.width / 2, -thing.height / 2)
    turned = Warp.turning(rng.uniform(-180, 180) if rng.random() < 0.5 else rng.normal(0, 15), (0, 0))
    return Warp.moving(*place) @ turned @ Warp.scaling(size / max(thing.width, thing.height)) @ to_middle


def _gains(rng: Generator, spread: float) -> tuple[float, float, float]:
    """Brightness and a weaker tint, as factors of red, green and blue."""
    brightness, tint = rng.normal(0, spread), rng.normal(0, spread / 4, 3)
    red, green, blue = np.exp(brightness + tint).tolist()
    return red, green, blue
