"""A fitted head as a mesh with a texture sampled from the pictures it was fitted in.

Every texel is a place on the head. It is looked up in every picture in which it is seen, front on rather than
aslant, and in many pixels rather than few; what no picture shows comes from the other side of the face, and
what neither shows, such as the back of the head in a portrait, is filled smoothly from its surroundings.
Light and shade of the pictures stay in the texture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.camera import Camera
from headwise.fitting.raster import Covered, rasterize, rasterize_flat
from headwise.fitting.shape_model import ShapeModel
from headwise.rotation import Rotation

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

DEPTH_PX = 320
"""Longer side of the picture in which it is found out what hides what."""
HIDDEN_M = 0.006
"""A place that lies so far behind what is seen there is hidden; less is the raster's coarseness."""
ASLANT, FRONTAL = 0.2, 0.7
"""Cosines between the normal and the line of sight: below the first a texel takes nothing, above the second
all. The rim of a head belongs to hair and background as often as not."""
RIM_M = 0.012
"""So near to the head's outline in the picture a texel counts less and less: where the fit is off by as much,
the background is seen there."""
SHARPNESS = 3.0
"""Power of the weights: what is seen front on counts for much more than what is seen aslant."""
LATER = 0.15
"""Weight of every picture against the one before it: two mouths of two moments are not blended, the second
picture begins where the first sees aslant."""
MIRRORED = 0.01
"""Weight of the other side of the face against the own one."""
FULL_WEIGHT = 0.05
"""Of all pictures together; texels with less fade into their surroundings."""
TINY = 1e-6
UNKNOWN_LEVEL = 128.0
"""Gray of a texture that no picture shows anything of."""
FAR_M = 1000.0
"""Depth of what is not the head."""
WELD_M = 1e-5
"""Vertices of the mean head that are closer are one place with two texture coordinates."""


@dataclass(frozen=True, eq=False)
class View:
    """One picture of the head: (H, W, 3) RGB, its camera, and where the head is in it.

    expression: (Ke,) coefficients of the shape model.
    """

    image: Image
    camera: Camera
    rotation: Rotation
    position_m: Floats
    expression: Floats

    def around(self, points_px: Floats, margin_px: int = 2) -> View | None:
        """The same of the part of the picture about some points (n, 2); None where that lies outside."""
        height, width = self.image.shape[:2]
        low = np.floor(points_px.min(axis=0)) - margin_px
        high = np.ceil(points_px.max(axis=0)) + margin_px
        left, top = np.clip(low, 0, (width, height)).astype(int).tolist()
        right, bottom = np.clip(high, 0, (width, height)).astype(int).tolist()
        if right <= left or bottom <= top:
            return None
        part = self.image[top:bottom, left:right]
        c = self.camera
        camera = Camera(c.fx, c.fy, c.cx - left, c.cy - top, right - left, bottom - top, c.distortion)
        return View(part, camera, self.rotation, self.position_m, self.expression)

    def copied(self) -> View:
        """With pixels of its own: a part lets the whole picture go."""
        return replace(self, image=self.image.copy())

    def shrunk(self, factor: float) -> View:
        """The same with the picture `factor` times as large, factor <= 1, averaged."""
        height, width = self.image.shape[:2]
        small = max(1, round(width * factor)), max(1, round(height * factor))
        across, down = small[0] / width, small[1] / height
        c = self.camera
        camera = Camera(c.fx * across, c.fy * down, c.cx * across, c.cy * down, *small, c.distortion)
        resized: Any = cv2.resize(self.image, small, interpolation=cv2.INTER_AREA)
        return View(resized, camera, self.rotation, self.position_m, self.expression)


@dataclass(frozen=True, eq=False)
class HeadMesh:
    """vertices_m (V, 3) and unit normals (V, 3) in the head frame, triangles (T, 3) counter-clockwise from
    outside, uv (V, 2) in 0..1 with v down, texture (S, S, 3) uint8 RGB. seen: share of the texture's places
    that a picture showed.
    """

    vertices_m: Floats
    normals: Floats
    triangles: NDArray[np.int32]
    uv: Floats
    texture: Image
    seen: float


def head_mesh(
    shape: ShapeModel,
    identity: Floats,
    expression: Floats,
    views: Sequence[View],
    texture_px: int,
) -> HeadMesh:
    """The head of coefficients (Ki,) and (Ke,), and its texture from one picture or several, the best first.

    The mesh has the expression given; every view is looked up with its own.
    """
    vertices_m = shape.vertices(identity, expression)
    texture, seen = texture_of(shape, identity, views, texture_px)
    return HeadMesh(vertices_m, vertex_normals(vertices_m, shape), shape.triangles, shape.uv, texture, seen)


def vertex_normals(vertices_m: Floats, shape: ShapeModel) -> Floats:
    """(V, 3) unit vectors outward, area-weighted means over the triangles; one for both sides of a seam."""
    triangles, places = shape.triangles, _places(shape)
    corners = vertices_m[triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    count = int(places.max()) + 1
    flat = places[triangles].ravel()
    sums = np.stack(
        [np.bincount(flat, np.repeat(across[:, axis], 3), minlength=count) for axis in range(3)], axis=1
    )
    lengths: Floats = np.linalg.norm(sums, axis=1, keepdims=True)
    normals: Floats = np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0)[places]
    return normals


@lru_cache(maxsize=4)
def _places(shape: ShapeModel) -> NDArray[np.intp]:
    """(V,) number of each vertex's place: those on both sides of the texture's seam are one."""
    rounded = np.round(shape.vertices_m / WELD_M).astype(np.int64)
    places: NDArray[np.intp] = np.unique(rounded, axis=0, return_inverse=True)[1].ravel()
    return places


@lru_cache(maxsize=2)
def _texels(shape: ShapeModel, texture_px: int) -> Covered:
    """Which vertices make each place of the texture."""
    return rasterize_flat(shape.uv * texture_px, shape.triangles, texture_px, texture_px)


def texture_of(
    shape: ShapeModel, identity: Floats, views: Sequence[View], texture_px: int
) -> tuple[Image, float]:
    """(S, S, 3) RGB, and the share of the surface's texels that some view shows. The first views go first."""
    texels = _texels(shape, texture_px)
    confidence = np.zeros((texture_px, texture_px), np.float32)
    colour = np.zeros((texture_px, texture_px, 3), np.float32)
    weight = np.zeros((texture_px, texture_px), np.float32)
    for rank, view in enumerate(views):
        found = _looked_up(view, shape.vertices(identity, view.expression), shape, texels, texture_px)
        if found is None:
            continue
        seen_colour, seen_weight = found
        confidence[texels.rows, texels.columns] += seen_weight
        seen_weight *= LATER**rank
        colour[texels.rows, texels.columns] += seen_colour * seen_weight[:, None]
        weight[texels.rows, texels.columns] += seen_weight
    seen = float((weight[texels.rows, texels.columns] > 0).mean())
    own = confidence / (confidence + MIRRORED * confidence[:, ::-1] + TINY)
    mean = _mean(colour, weight)
    both = mean * own[..., None] + mean[:, ::-1] * (1 - own[..., None])
    known = np.minimum(np.maximum(confidence, confidence[:, ::-1]) / FULL_WEIGHT, 1)
    return _filled(both.astype(np.float32), known.astype(np.float32)), seen


def _mean(colour: Singles, weight: Singles) -> Singles:
    """Of sums of weighted colours (S, S, 3) and of weights (S, S); 0 where there is no weight."""
    across = weight[..., None]
    mean: Singles = np.divide(colour, across, out=np.zeros_like(colour), where=across > 0)
    return mean


def _looked_up(
    view: View, vertices_m: Floats, shape: ShapeModel, texels: Covered, texture_px: int
) -> tuple[Singles, Singles] | None:
    """Colour (n, 3) and weight (n,) of every texel in one picture; None where the head is outside it."""
    points_camera = view.rotation @ vertices_m + view.position_m
    if points_camera[:, 2].min() <= 0:
        return None
    around = view.around(view.camera.project(points_camera))
    if around is None:
        return None
    view = _as_fine_as(around, points_camera, shape, texture_px)
    normals = view.rotation @ vertex_normals(vertices_m, shape)
    sight = points_camera / np.linalg.norm(points_camera, axis=1, keepdims=True)
    cosine = texels.interpolated((-(normals * sight).sum(axis=1)).astype(np.float32))
    places_px = texels.interpolated(view.camera.project(points_camera).astype(np.float32))
    depth = texels.interpolated(points_camera[:, 2].astype(np.float32))
    steep = np.clip((cosine - ASLANT) / (FRONTAL - ASLANT), 0, 1)
    weight = steep**SHARPNESS * _share_seen(view, points_camera, shape, places_px, depth)
    return _bilinear(view.image.astype(np.float32), places_px), weight.astype(np.float32)


def _as_fine_as(view: View, points_camera: Floats, shape: ShapeModel, texture_px: int) -> View:
    """Shrunk where one texel would skip pixels."""
    points_px = view.camera.project(points_camera)[shape.triangles]
    texels = shape.uv[shape.triangles] * texture_px
    pixels = np.linalg.norm(points_px[:, 0] - points_px[:, 1], axis=1)
    across = np.linalg.norm(texels[:, 0] - texels[:, 1], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = float(np.nanmedian(pixels / across))
    return view.shrunk(1 / ratio) if ratio > 1 else view


def _share_seen(
    view: View, points_camera: Floats, shape: ShapeModel, places_px: Singles, depth: Singles
) -> Singles:
    """0..1: inside the picture, nothing of the head in front of it, and away from the head's outline."""
    height, width = view.image.shape[:2]
    inside = ((places_px >= 0.5) & (places_px <= (width - 0.5, height - 0.5))).all(axis=1)
    shrink = min(1.0, DEPTH_PX / max(height, width))
    small = max(1, round(width * shrink)), max(1, round(height * shrink))
    small_px = view.camera.project(points_camera) * (small[0] / width, small[1] / height)
    nearest = rasterize(small_px, points_camera[:, 2], shape.triangles, *small)
    surface = nearest.picture(nearest.interpolated(points_camera[:, 2].astype(np.float32)), FAR_M)
    in_front: Any = cv2.erode(surface, np.ones((3, 3), np.uint8))  # a rim covers what lies close behind it
    small_places_px = places_px * np.float32(small[0] / width)
    seen = inside & (depth < _bilinear(in_front, small_places_px) + HIDDEN_M) & (depth > 0)
    to_outline_px: Any = cv2.distanceTransform((surface < FAR_M).astype(np.uint8), cv2.DIST_L2, 3)
    rim_px = RIM_M * view.camera.fx * small[0] / width / max(float(view.position_m[2]), 1e-3)
    trusted: Singles = seen * np.clip(_bilinear(to_outline_px, small_places_px) / rim_px, 0, 1) ** 2
    return trusted


def _bilinear(picture: NDArray[Any], places_px: Singles) -> NDArray[Any]:
    """Values at continuous pixels (n, 2). cv2's pictures are at most 32767 wide: n is folded into rows."""
    count = len(places_px)
    rows = -(-count // 8192)
    flat = np.zeros((rows * 8192, 2), np.float32)
    flat[:count] = places_px - 0.5
    nothing: Any = None  # one map holds x and y
    found: Any = cv2.remap(
        picture, flat.reshape(rows, 8192, 2), nothing, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return found.reshape(rows * 8192, *picture.shape[2:])[:count]  # type: ignore[no-any-return]


def _filled(mean: Singles, confident: Singles) -> Image:
    """(S, S, 3) of colours (S, S, 3) that are known as far as numbers (S, S) in 0..1 say.

    Texels without colour take that of their surroundings: the larger the hole, the smoother. Means over ever
    larger blocks (Gortler 1996, "The Lumigraph", section 4: pull and push). The texture is closed from left
    to right: it is filled with half of itself on either side.
    """
    side = mean.shape[1]
    half = side // 2
    around = np.arange(-half, side + half) % side
    mean, confident = mean[:, around], confident[:, around]
    filled = _pulled(mean * confident[..., None], confident)[:, half : half + side]
    return np.clip(np.rint(filled), 0, 255).astype(np.uint8)


def _pulled(colour: Singles, weight: Singles) -> Singles:
    """(h, w, 3) colours of (h, w, 3) colours times weights and weights (h, w) in 0..1."""
    height, width = weight.shape
    if weight.min() >= 1:
        return colour
    if min(height, width) <= 2:
        total = float(weight.sum())
        mean = colour.sum(axis=(0, 1)) / total if total > 0 else np.full(3, UNKNOWN_LEVEL, np.float32)
        return (colour + (1 - weight[..., None]) * mean).astype(np.float32)
    small = ((width + 1) // 2, (height + 1) // 2)
    less: Any = cv2.resize(colour, small, interpolation=cv2.INTER_AREA)
    fewer: Any = cv2.resize(weight, small, interpolation=cv2.INTER_AREA)
    gain = np.minimum(4 * fewer, 1) / np.maximum(fewer, 1e-6)  # one known texel of four knows its block
    below = _pulled(less * gain[..., None], fewer * gain)
    above: Any = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR)
    return colour + (1 - weight[..., None]) * above  # type: ignore[no-any-return]
