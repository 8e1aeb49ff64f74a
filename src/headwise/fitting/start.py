"""Where a fit starts, and which points are no start at all."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.camera import Camera
from headwise.fitting.observation import Observation
from headwise.rotation import Rotation

Floats = NDArray[np.float64]

FEWEST_POINTS = 6
"""Without a network's rotation; three points have up to four poses, and points are noisy."""
FEWEST_POINTS_WITH_ROTATION = 4
THINNEST = 0.02
"""Smallest ratio of the seen points' extents across and along; a face seen from any side is wider."""
FLATTEST = 1e-6
"""Added to the normal equations of the far-camera solution, of their trace: a planar set stays solvable."""
PNP_FLAGS = (cv2.SOLVEPNP_EPNP, cv2.SOLVEPNP_SQPNP)
DEPTH_MIRROR = np.diag([1.0, 1.0, -1.0])


def reasons_against(observation: Observation) -> tuple[str | None, ...]:
    """For every head None, or why its points fix no pose."""
    seen = observation.seen
    counts = seen.sum(axis=1)
    fewest = FEWEST_POINTS if observation.rotation is None else FEWEST_POINTS_WITH_ROTATION
    extents = _extents_px(observation.points_px, seen)
    reasons: list[str | None] = [None] * len(observation)
    for i in np.flatnonzero((counts < fewest) | ~(extents[:, 1] > THINNEST * extents[:, 0])):
        if counts[i] == 0:
            reasons[i] = "no numbers: not one point is seen"
        elif counts[i] < fewest:
            reasons[i] = f"few points: {counts[i]} are seen, {fewest} are needed"
        elif not extents[i, 0] > 0:
            reasons[i] = "all points lie in one place"
        else:
            reasons[i] = "the points lie on a line"
    return tuple(reasons)


def _extents_px(points_px: Floats, seen: NDArray[np.bool_]) -> Floats:
    """(n, 2) standard deviations of the seen points along their main axes, the larger first."""
    count = np.maximum(seen.sum(axis=1), 1)
    points = np.where(seen[:, :, None], points_px, 0.0)
    centred = points - (points.sum(axis=1) / count[:, None])[:, None]
    centred *= seen[:, :, None]
    moments = centred.transpose(0, 2, 1) @ centred
    xx, yy, xy = moments[:, 0, 0] / count, moments[:, 1, 1] / count, moments[:, 0, 1] / count
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    extents: Floats = np.sqrt(np.maximum(np.stack([middle + half, middle - half], axis=1), 0.0))
    return extents


def positions(matrix: Floats, points_m: Floats, points_px: Floats, weight: Floats, camera: Camera) -> Floats:
    """(n, 3) origins in the camera frame of heads of known rotation (n, 3, 3), as a far camera sees them.

    points_m (68, 3) head frame; points_px (n, 68, 2), weight (n, 68). The depth is wrong by a few per cent of
    the head's depth over its distance; never below zero.
    """
    share = weight / weight.sum(axis=1, keepdims=True)
    centre_m = share @ points_m  # head frame
    moments_m2 = (points_m.T * share[:, None]) @ points_m - centre_m[:, :, None] * centre_m[:, None]
    across = matrix[:, :2]
    size_m2 = ((across @ moments_m2) * across).sum(axis=(1, 2))
    slopes = (points_px - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    centre = (share[:, None] @ slopes)[:, 0]
    slopes -= centre[:, None]
    size2 = (share[:, None] @ slopes**2).sum(axis=(1, 2))
    depth = np.sqrt(size_m2 / size2)
    position = -(matrix @ centre_m[:, :, None])[:, :, 0]
    position[:, :2] += centre * depth[:, None]
    position[:, 2] = np.maximum(position[:, 2] + depth, depth / 2)
    return np.asarray(position)


def far_camera_rotations(
    points_m: Floats, points_px: Floats, weight: Floats, camera: Camera
) -> tuple[Floats, Floats]:
    """Two (n, 3, 3): the scaled orthographic solution, and the pose that looks nearly the same if the face is
    flat.

    The affine camera of weighted least squares, then the nearest two rows of a rotation (DeMenthon and Davis
    1995 start so); relative to the ray through the points' centre, then turned into the camera frame.
    """
    share = weight / weight.sum(axis=1, keepdims=True)
    centre = (share[:, :, None] * points_px).sum(axis=1)
    head = points_m - (share @ points_m)[:, None]
    picture = points_px - centre[:, None]
    moment = (share[:, :, None] * picture).transpose(0, 2, 1) @ head
    spread = (share[:, :, None] * head).transpose(0, 2, 1) @ head
    spread += FLATTEST * np.trace(spread, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    affine = np.linalg.solve(spread, moment.transpose(0, 2, 1)).transpose(0, 2, 1)
    u, _, vt = np.linalg.svd(affine, full_matrices=False)
    rows = u @ vt
    ray_from_head = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    camera_from_ray = camera.camera_from_ray(centre).matrix
    return camera_from_ray @ ray_from_head, camera_from_ray @ DEPTH_MIRROR @ ray_from_head @ DEPTH_MIRROR


def pnp_rotations(points_m: Floats, observation: Observation) -> Floats:
    """(n, 2, 3, 3) of OpenCV's EPnP (Lepetit 2009) and SQPnP (Terzakis 2020); NaN where they fail."""
    camera = observation.camera
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
    found = np.full((len(observation), len(PNP_FLAGS), 3, 3), np.nan)
    for i, seen in enumerate(observation.seen):
        for k, flag in enumerate(PNP_FLAGS):
            found[i, k] = _solve_pnp(points_m[seen], observation.points_px[i, seen], K, flag)
    return found


def _solve_pnp(points_m: Floats, points_px: Floats, K: Floats, flag: int) -> Floats:
    unknown = np.full((3, 3), np.nan)
    try:
        good, rotvec, _ = cv2.solvePnP(points_m, points_px, K, np.zeros(0), flags=flag)
    except cv2.error:  # of points it finds no pose for
        return unknown
    answer: Any = rotvec
    if not good or not np.isfinite(answer).all():
        return unknown
    return np.asarray(Rotation.from_rotvec(answer[:, 0]).matrix)
