"""What a fit is given: the 68 points of n heads with their spreads, one camera, and what a network says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.errors import BoxError, GeometryError
from headwise.estimator import Estimate
from headwise.rotation import Rotation

Floats = NDArray[np.float64]

POINTS = 68
SPREAD_OF_BOX = 0.045
"""Of the box's side: one standard deviation of a point where the network does not say its own. The median of
what a network that does says on rendered heads."""
ANGLE_OF_SPREAD = 2 * (2 / np.pi) ** 0.5
"""Mean length of a normal 3-vector over its standard deviation (Maxwell): from spread_deg to a covariance."""
SPREAD_UNSAID_DEG = 10.0
"""Of a network that says no spread."""


@dataclass(frozen=True, eq=False)
class Observation:
    """n heads before one camera.

    points_px (n, 68, 2) continuous pixels; spread_px (n, 68) one standard deviation along each axis. A point
    is unseen where either holds NaN or the spread is inf. rotation (n): a network's camera_from_head;
    rotation_covariance (n, 3, 3) rad² of log(R_networkᵀ R), a vector in the head frame. Both or neither.
    Raises GeometryError for other shapes and for spreads that are not above 0.
    """

    points_px: Floats
    spread_px: Floats
    camera: Camera
    rotation: Rotation | None = None
    rotation_covariance: Floats | None = None

    def __post_init__(self) -> None:
        points = np.asarray(self.points_px, np.float64)
        spread = np.asarray(self.spread_px, np.float64)
        n = len(points)
        if points.shape != (n, POINTS, 2) or spread.shape != (n, POINTS):
            raise GeometryError(
                "an observation needs points (n, 68, 2) and spreads (n, 68), "
                f"got {points.shape} and {spread.shape}"
            )
        if (spread <= 0).any():
            raise GeometryError(
                f"a point's spread lies above 0 px, got {np.nanmin(spread):g}; inf or NaN: unseen"
            )
        if (self.rotation is None) != (self.rotation_covariance is None):
            raise GeometryError(
                "a rotation comes with its covariance (n, 3, 3) in rad², got only one of both"
            )
        if self.rotation is not None and self.rotation_covariance is not None:
            covariance = np.asarray(self.rotation_covariance, np.float64)
            if self.rotation.batch_shape != (n,) or covariance.shape != (n, 3, 3):
                raise GeometryError(
                    f"{n} heads need as many rotations and covariances (n, 3, 3), got batch "
                    f"{self.rotation.batch_shape} and {covariance.shape}"
                )
            object.__setattr__(self, "rotation_covariance", covariance)
        object.__setattr__(self, "points_px", points)
        object.__setattr__(self, "spread_px", spread)

    def __len__(self) -> int:
        return len(self.points_px)

    def __getitem__(self, rows: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Observation:
        """Some of the heads."""
        return Observation(
            self.points_px[rows],
            self.spread_px[rows],
            self.camera,
            None if self.rotation is None else self.rotation[rows],
            None if self.rotation_covariance is None else self.rotation_covariance[rows],
        )

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """(n, 68) whether a point says anything."""
        seen: NDArray[np.bool_] = np.isfinite(self.spread_px) & np.isfinite(self.points_px).all(axis=-1)
        return seen

    def without_rotation(self) -> Observation:
        """The points alone."""
        return Observation(self.points_px, self.spread_px, self.camera)


def observation_of(estimates: Sequence[Estimate], camera: Camera) -> Observation:
    """What the pose network said of the heads of one picture, or of one head in many frames.

    Where its file has no spreads: `SPREAD_OF_BOX` of the box of the points, and the same spread about every
    axis. A head without points has none seen.
    """
    n = len(estimates)
    points, spread = np.full((n, POINTS, 2), np.nan), np.full((n, POINTS), np.inf)
    covariance = np.empty((n, 3, 3))
    for i, estimate in enumerate(estimates):
        if estimate.keypoints is not None:
            points[i] = estimate.keypoints
            spread[i] = _spread_px(estimate.keypoints, estimate.keypoint_spread_px)
        covariance[i] = _covariance(estimate)
    rotations = [estimate.pose.rotation.matrix for estimate in estimates]
    return Observation(points, spread, camera, Rotation(np.reshape(rotations, (n, 3, 3))), covariance)


def _spread_px(points_px: Floats, said_px: Floats | None) -> Floats:
    if said_px is not None:
        return np.asarray(said_px, np.float64)
    try:
        return np.full(POINTS, SPREAD_OF_BOX * Box.from_points(points_px).side)
    except BoxError:
        return np.full(POINTS, np.inf)


def _covariance(estimate: Estimate) -> Floats:
    if estimate.rotation_covariance is not None:
        return np.asarray(estimate.rotation_covariance, np.float64)
    spread_deg = SPREAD_UNSAID_DEG if estimate.pose.spread_deg is None else estimate.pose.spread_deg
    return np.eye(3) * float(np.radians(spread_deg / ANGLE_OF_SPREAD)) ** 2
