"""A fitted head drawn back over its picture: what the fit believes, to be held against what is there.

The surface is shaded as of clay under a light beside the camera, so that nose, lips and lids of the mesh show
against those of the picture; the fitted 68 points lie on top.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.drawing import Layers, draw
from headwise.fitting.heads import FittedResult
from headwise.fitting.mesh import vertex_normals
from headwise.fitting.raster import Covered, rasterize
from headwise.fitting.shape_model import ShapeModel
from headwise.fitting.solve import HeadFit
from headwise.results import FrameResult

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

CLAY = np.array([205.0, 215.0, 235.0], np.float32)
LIGHT = np.array([-0.35, -0.55, -0.76])
"""Direction to the lamp in the camera frame: above the camera, to its left."""
AMBIENT = 0.25
OPACITY = 0.62
RASTER_PX = 170
"""Longer side of the raster; larger heads are drawn from one of this size, enlarged. Keeps it below 20 ms."""
FULL = 255
SMALLEST_PX = 4
NEAREST_M = 0.05


def draw_mesh(
    canvas: Image, fit: HeadFit, shape: ShapeModel, camera: Camera, opacity: float = OPACITY
) -> None:
    """Draw a fitted head on an RGB picture (H, W, 3), in place. opacity: 0..1. Nothing behind the camera."""
    vertices_m = shape.vertices(fit.identity, fit.expression)
    points_camera = fit.rotation @ vertices_m + fit.position_m
    if points_camera[:, 2].min() < NEAREST_M:
        return
    normals = (fit.rotation @ vertex_normals(vertices_m, shape)).astype(np.float32)
    light = (LIGHT / np.linalg.norm(LIGHT)).astype(np.float32)
    shade = AMBIENT + (1 - AMBIENT) * np.clip(normals @ light, 0, 1)
    _paint(canvas, camera.project(points_camera), points_camera[:, 2], shape, shade[:, None] * CLAY, opacity)


def _paint(
    canvas: Image,
    points_px: Floats,
    depth_m: Floats,
    shape: ShapeModel,
    colours: NDArray[np.float32],
    opacity: float,
) -> None:
    region = _region(points_px, canvas)
    if region is None:
        return
    left, top, right, bottom = region
    width, height = right - left, bottom - top
    shrink = min(1.0, RASTER_PX / max(width, height))
    small = max(1, round(width * shrink)), max(1, round(height * shrink))
    small_px = (points_px - (left, top)) * (small[0] / width, small[1] / height)
    covered = rasterize(small_px, depth_m, shape.triangles, *small)
    colour, cover = _painted(covered, colours)
    if shrink < 1:
        colour = cv2.resize(colour, (width, height), interpolation=cv2.INTER_LINEAR)
        cover = cv2.resize(cover, (width, height), interpolation=cv2.INTER_LINEAR)
    area = canvas[top:bottom, left:right]
    removed: Any = cv2.multiply(area, cover, scale=opacity / FULL)
    area[:] = cv2.addWeighted(cv2.subtract(area, removed), 1.0, colour, opacity, 0.0)


def _painted(covered: Covered, colours: NDArray[np.float32]) -> tuple[Any, Any]:
    """(h, w, 3) uint8 colours, black outside, and as many of coverage: enlarged they leave no dark rim."""
    colour = covered.picture(covered.interpolated(colours), 0.0).astype(np.uint8)
    cover = np.zeros_like(colour)
    cover[covered.rows, covered.columns] = FULL
    return colour, cover


def _region(points_px: Floats, canvas: Image) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the head inside the picture; None: nothing to draw."""
    height, width = canvas.shape[:2]
    left, top = np.clip(np.floor(points_px.min(axis=0)), 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(points_px.max(axis=0)), 0, (width, height)).astype(int).tolist()
    return None if right - left < SMALLEST_PX or bottom - top < SMALLEST_PX else (left, top, right, bottom)


class FitDrawing:
    """What `Overlays` draws of fitted frames: the meshes, the points and the words."""

    def __init__(self, shape: ShapeModel) -> None:
        self._shape = shape

    def __call__(self, image: Image, result: FrameResult, *, order: EulerOrder) -> Image:
        """A copy of an RGB picture (H, W, 3) with the fitted heads drawn in, far ones first."""
        canvas = image.copy()
        fits = result.fits if isinstance(result, FittedResult) else ()
        heads = [fit for fit in fits if isinstance(fit, HeadFit)]
        for fit in sorted(heads, key=lambda fit: -fit.position_m[2]):
            draw_mesh(canvas, fit, self._shape, result.camera)
        return draw(canvas, result, layers=Layers(box=False, cube=False, axes=False), order=order)
