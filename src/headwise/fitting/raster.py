"""Which triangle of a mesh is seen at each pixel: a painter's raster in plain numpy.

Meant for some thousand small triangles: all pixels of all triangles' boxes are tested at once, far triangles
first, so that near ones are written over them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

EDGE = -1e-6
"""Barycentric weight from which on a pixel's centre is inside: shared edges leave no gaps."""
SLIMMEST = 1e-9
"""Triangles of less area, in pixels, cover nothing."""


@dataclass(frozen=True, eq=False)
class Covered:
    """The pixels that a mesh covers, n of them: where, by which vertices (n, 3), with which weights (n, 3).

    Weights are those of space, not of the picture: perspective is in them.
    """

    rows: Ints
    columns: Ints
    vertices: NDArray[np.int32]
    weights: NDArray[np.float32]
    shape: tuple[int, int]

    def interpolated(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, ...) of what every vertex has, (V, ...)."""
        corners = values[self.vertices]
        weights = self.weights.reshape(*self.weights.shape, *[1] * (values.ndim - 1))
        between: NDArray[np.float32] = (corners * weights).sum(axis=1)
        return between

    def picture(self, values: NDArray[np.float32], empty: float) -> NDArray[np.float32]:
        """(H, W, ...) of values (n, ...) of the covered pixels; `empty` elsewhere."""
        picture = np.full((*self.shape, *values.shape[1:]), empty, np.float32)
        picture[self.rows, self.columns] = values
        return picture


def rasterize(
    points_px: Floats, depth: Floats, triangles: NDArray[np.int32], width: int, height: int
) -> Covered:
    """What is seen of vertices at pixels (V, 2) and depths (V,) in a picture of width x height pixels.

    Triangles that turn their back (clockwise on the screen), or have a corner without a pixel (NaN), are left
    out.
    """
    corners = points_px[triangles].astype(np.float32)
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    double_area = _cross(b - a, c - a)
    with np.errstate(invalid="ignore"):
        kept = np.flatnonzero((double_area < -SLIMMEST) & np.isfinite(corners).all(axis=(1, 2)))
    far_first = kept[np.argsort(-depth[triangles[kept]].sum(axis=1), kind="stable")]
    return _filled(corners, double_area, depth, triangles, far_first, width, height)


def rasterize_flat(points_px: Floats, triangles: NDArray[np.int32], width: int, height: int) -> Covered:
    """The same for a flat map such as texture coordinates: any winding, no depth."""
    corners = points_px[triangles].astype(np.float32)
    double_area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    kept = np.flatnonzero(np.abs(double_area) > SLIMMEST)
    return _filled(corners, double_area, np.ones(len(points_px)), triangles, kept, width, height)


def _cross(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    product: NDArray[np.float32] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product


def _filled(
    corners: NDArray[np.float32],
    double_area: NDArray[np.float32],
    depth: Floats,
    triangles: NDArray[np.int32],
    order: Ints,
    width: int,
    height: int,
) -> Covered:
    """The triangles `order` written one over the other. A pixel's centre lies at a half."""
    corners, double_area = corners[order], double_area[order]
    limits = np.array([width, height])
    first = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, limits).astype(np.intp)
    last = np.clip(np.floor(corners.max(axis=1) - 0.5) + 1, 0, limits).astype(np.intp)
    size = np.maximum(last - first, 0)
    counts = size[:, 0] * size[:, 1]
    of = np.repeat(np.arange(len(order)), counts)
    within = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = np.divmod(within, size[of, 0])
    column, row = column + first[of, 0], row + first[of, 1]
    weights = _barycentric(corners, double_area, of, column, row)
    inside = (weights > EDGE).all(axis=1)
    seen = np.full(height * width, -1, np.intp)
    seen[(row * width + column)[inside]] = np.flatnonzero(inside)  # of repeated places the last one stays
    places = np.flatnonzero(seen >= 0)
    top = seen[places]
    vertices = triangles[order[of[top]]]
    in_space = weights[top] / depth[vertices]
    in_space /= in_space.sum(axis=1, keepdims=True)
    return Covered(*np.divmod(places, width), vertices, in_space.astype(np.float32), shape=(height, width))


def _barycentric(
    corners: NDArray[np.float32], double_area: NDArray[np.float32], of: Ints, column: Ints, row: Ints
) -> NDArray[np.float32]:
    """(n, 3) weights on the screen of pixels' centres in triangles number `of`."""
    x = (column + 0.5).astype(np.float32)
    y = (row + 0.5).astype(np.float32)
    weights = np.empty((len(of), 3), np.float32)
    for k in (1, 2):
        one, other = corners[:, 0], corners[:, 3 - k]
        along = (other - one) * (1 / double_area)[:, None] * (-1 if k == 1 else 1)
        offset = along[:, 1] * one[:, 0] - along[:, 0] * one[:, 1]
        weights[:, k] = along[of, 0] * y - along[of, 1] * x + offset[of]
    weights[:, 0] = 1 - weights[:, 1] - weights[:, 2]
    return weights
