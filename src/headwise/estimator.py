"""Image + boxes -> head poses in the camera frame. The crop's own frame never leaves this file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box, non_maximum_suppression
from headwise.camera import Camera
from headwise.crops import CropRule, cut
from headwise.errors import BoxError
from headwise.results import HeadPose
from headwise.rotation import Rotation
from headwise.runtimes import Model
from headwise.weights import mean_points_m, open_model

BATCH = 32  # crops in one run: bounds the memory that a crowd takes; one run has next to no cost of its own
FEWEST_POINTS = 4.0  # sum of visibilities below which a position would be a guess
SAME_BOX_IOU = (0.95, 0.7)
"""Of a box with the box of the points found in it; above, a second, a third look shows the same."""
SAME_HEAD_IOU = 0.5  # of two boxes of points; above, they are of one head
SECOND_LOOK_SCALE = 1.05  # of the box of the points: they shrink a little towards their mean
SINGULAR = 1e-9
"""Smallest variance of the points' slopes, the seen ones', below which they lie in one place."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the pose network says of one head.

    ``keypoints``: (68, 2) picture pixels; ``visibility``: (68,) 0..1; both None: the network has no points.
    ``keypoint_spread_px``: (68,) standard deviation on an axis. ``rotation_covariance``: (3, 3), rad², of the
    rotation vector from the pose said to the true one, in the head frame. None: the network is silent.
    """

    pose: HeadPose
    keypoints: NDArray[np.float64] | None
    visibility: NDArray[np.float64] | None
    keypoint_spread_px: NDArray[np.float64] | None = None
    rotation_covariance: NDArray[np.float64] | None = None


class Estimator:
    """The pose network with its crop rule.

    ``model``: a bundled name or an ONNX file. ``runtime``: the plug-in that runs it. Raises ModelError.
    """

    def __init__(self, model: str | Path = "pose", *, threads: int = 1, runtime: str = "onnxruntime") -> None:
        self._model: Model = open_model(model, "pose", threads=threads, runtime=runtime)
        self._rule = self._model.card.crop or CropRule()  # a pose model's card has one, or it would not load
        self.name = self._model.card.name

    def __call__(
        self, image: NDArray[np.uint8], boxes: Sequence[Box], camera: Camera
    ) -> tuple[Estimate, ...]:
        """(H, W, 3) RGB and the boxes of the 68 points of its heads -> one estimate a box, in their order."""
        return tuple(
            estimate
            for start in range(0, len(boxes), BATCH)
            for estimate in self._batch(image, boxes[start : start + BATCH], camera)
        )

    def settled(self, image: NDArray[np.uint8], boxes: Sequence[Box], camera: Camera) -> tuple[Estimate, ...]:
        """The same for boxes that may be off, such as a detector's.

        Where the points found lie in another box, the network looks again at that one; once more if they then
        lie far from there.
        """
        estimates = list(self(image, boxes, camera))
        looked = dict(enumerate(boxes))
        for same_iou in SAME_BOX_IOU:
            looked = {
                i: found for i, box in looked.items() if (found := _elsewhere(estimates[i], box, same_iou))
            }
            for i, again in zip(looked, self(image, list(looked.values()), camera), strict=True):
                estimates[i] = again
        return tuple(estimates)

    def _batch(self, image: NDArray[np.uint8], boxes: Sequence[Box], camera: Camera) -> list[Estimate]:
        crops = np.empty((len(boxes), self._rule.size_px, self._rule.size_px, 3), np.uint8)
        warps = []
        for i, box in enumerate(boxes):
            crops[i], warp = cut(image, box, self._rule)
            warps.append(warp.inverse())
        said = self._model(crops=crops)
        camera_from_ray = camera.camera_from_ray(np.array([box.center for box in boxes]))
        camera_from_head = camera_from_ray @ Rotation.project(said["rotation"].astype(np.float64))
        silent: Sequence[NDArray[np.float64] | None] = [None] * len(boxes)
        keypoints = visibility = positions_m = spreads_px = covariances = silent
        if "keypoints" in said:
            crop_points = said["keypoints"].astype(np.float64)
            points_px = np.stack([warp.points(crop_points[i]) for i, warp in enumerate(warps)])
            visible = said["visibility"].astype(np.float64)
            keypoints, visibility = list(points_px), list(visible)
            positions_m = position_from_points(camera_from_head, points_px, visible, camera)
        if "keypoint_spread" in said:
            scales = [warp.scale for warp in warps]
            spreads_px = list(said["keypoint_spread"].astype(np.float64) * np.array(scales)[:, None])
        if "rotation_covariance" in said:
            covariances = list(said["rotation_covariance"].astype(np.float64))
        return [
            Estimate(
                pose=HeadPose(
                    rotation=camera_from_head[i],
                    position_m=positions_m[i],
                    spread_deg=float(said["spread_deg"][i]),
                    face_hidden=float(said["face_hidden"][i]) if "face_hidden" in said else None,
                    rotation_covariance=covariances[i],
                ),
                keypoints=keypoints[i],
                visibility=visibility[i],
                keypoint_spread_px=spreads_px[i],
                rotation_covariance=covariances[i],
            )
            for i in range(len(boxes))
        ]


def box_of_points(estimate: Estimate) -> Box | None:
    """The box of the 68 points; None without points, or if they fall into one or are no numbers."""
    if estimate.keypoints is None:
        return None
    try:
        return Box.from_points(estimate.keypoints)
    except BoxError:
        return None


def distinct_heads(boxes: Sequence[Box], scores: Sequence[float]) -> list[int]:
    """Which of these boxes of points to keep, the best score first.

    A detector may find one head twice, in a small box and a large one; the points then fall into one place.
    """
    kept = non_maximum_suppression([tuple(box) for box in boxes], scores, SAME_HEAD_IOU)
    return [int(i) for i in kept]


def _elsewhere(estimate: Estimate, box: Box, same_iou: float) -> Box | None:
    """The box of the points, if the box that was looked at is another one, and yet of the same head."""
    found = box_of_points(estimate)
    if found is None or not 0 < found.iou(box) < same_iou:
        return None
    return found.scaled(SECOND_LOOK_SCALE)


def position_from_points(
    camera_from_head: Rotation,
    keypoints: NDArray[np.float64],
    visibility: NDArray[np.float64],
    camera: Camera,
    points_m: NDArray[np.float64] | None = None,
) -> list[NDArray[np.float64] | None]:
    """Where the heads' origins are, (3,) metres in the camera frame; None where the points do not say.

    ``keypoints`` (n, p, 2) picture pixels, weighted by ``visibility`` (n, p); ``points_m`` (p, 3) the same
    points in the head frame, by default the mean head's. With the rotation known every point gives two
    equations linear in the position t: x (Z + t_z) = X + t_x and y (Z + t_z) = Y + t_y, where (X, Y, Z) is
    the rotated point and (x, y) its direction. The distance is as wrong as this head is larger or smaller
    than the mean one (a few per cent).
    """
    points_m = mean_points_m() if points_m is None else points_m
    if points_m is None:
        return [None] * len(keypoints)
    rotated = camera_from_head.matrix @ points_m.T  # (n, 3, p)
    slopes = camera.slopes(keypoints).transpose(0, 2, 1)  # (n, 2, p)
    right_side = slopes * rotated[:, 2:] - rotated[:, :2]
    total = visibility.sum(axis=1)
    solvable = total >= FEWEST_POINTS
    weight = visibility[:, :, None] / np.where(solvable, total, 1.0)[:, None, None]
    mean_slope, mean_right = slopes @ weight, right_side @ weight  # (n, 2, 1)
    # Least squares: t_x and t_y put in from the first two normal equations, the third is one in t_z alone.
    slopes = slopes - mean_slope
    variance = ((slopes * slopes) @ weight).sum(axis=(1, 2))
    solvable &= variance > SINGULAR
    moment = ((slopes * right_side) @ weight).sum(axis=(1, 2))
    distance = -moment / np.where(solvable, variance, 1.0)
    positions = np.empty((len(distance), 3))
    positions[:, :2] = mean_right[:, :, 0] + mean_slope[:, :, 0] * distance[:, None]
    positions[:, 2] = distance
    in_front = solvable & (distance > 0) & np.isfinite(positions).all(axis=1)
    return [position if good else None for position, good in zip(positions, in_front.tolist(), strict=True)]
