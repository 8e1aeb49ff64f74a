"""Metres: what a distance is worth, and how far the eyes alone say a head is.

A camera sees a large head far away and a small one close by alike. So the distance of a head is known as well
as its size and the focal length are:

    log distance = log focal length + log size of the head - log size in the picture
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headwise.camera import Camera
from headwise.conventions import EYES_MIDPOINT_HEAD_M, FIVE_FROM_68
from headwise.fitting.objective import DISTANCE_LOG_SPREAD, DISTANCE_M
from headwise.rotation import Rotation

Floats = NDArray[np.float64]

INTEROCULAR_M = 0.0634
"""Mean distance between the pupils of adults (Dodgson 2004, "Variation and extrema of human interpupillary
distance", 3,976 people: 63.36 mm) ..."""
INTEROCULAR_SPREAD = 0.06
"""... and its standard deviation (3.83 mm) over it. Children from five on are up to a quarter below."""
LEAST_BREADTH = 0.35
"""Sine of the angle between the line through the eyes and the line of sight; below it one eye is hidden or
both coincide (70 deg of yaw)."""
FOCAL_LOG_SPREAD = 0.7
"""Of the focal length where nothing is known of the camera: 60 deg then stands for 32 to 98. Pictures are
zoomed and cut: whose face fills a picture seldom stood a hand's breadth before the lens."""
LIKELY_DISTANCE_SHARE = FOCAL_LOG_SPREAD**2 / (FOCAL_LOG_SPREAD**2 + DISTANCE_LOG_SPREAD**2)
LIKELY_LOG_SPREAD = (
    FOCAL_LOG_SPREAD * DISTANCE_LOG_SPREAD / float(np.hypot(FOCAL_LOG_SPREAD, DISTANCE_LOG_SPREAD))
)
"""Of a focal length that `likely_camera` found, and so of the distances that it gives."""


@dataclass(frozen=True)
class EyeDistance:
    """distance_m: from the lens to the point between the eyes. spread_m: one standard deviation of it."""

    distance_m: float
    spread_m: float


def distance_from_eyes(points_px: Floats, rotation: Rotation, camera: Camera) -> EyeDistance | None:
    """How far the eyes are if they are as far apart as adults' are; from 68 points (68, 2) and a pose.

    The two eyes are a base line of known length and direction, so that two rays give its place: in the
    picture's slopes s, with the base line d = R (b, 0, 0), Z (s2 - s1) = d_xy - (s1 + s2) / 2 d_z. None in
    profile, where the base line is seen end on, and without numbers. One number from two places: the fit,
    which uses all 68, is better; this one needs no shape model and states its own assumption.
    """
    right, left = camera.slopes(FIVE_FROM_68[:2] @ points_px)
    base_m = rotation @ np.array([INTEROCULAR_M, 0.0, 0.0])
    middle, apart = (right + left) / 2, left - right
    sight = np.array([*middle, 1.0])
    breadth = np.linalg.norm(np.cross(base_m, sight)) / (INTEROCULAR_M * np.linalg.norm(sight))
    seen_m = base_m[:2] - middle * base_m[2]
    if not breadth >= LEAST_BREADTH or not np.isfinite(apart).all() or not (apart @ seen_m) > 0:
        return None
    depth_m = float(seen_m @ seen_m / (apart @ seen_m))
    distance_m = depth_m * float(np.linalg.norm(sight))
    return EyeDistance(distance_m, INTEROCULAR_SPREAD * distance_m)


def eyes_camera_m(rotation: Rotation, position_m: Floats) -> Floats:
    """(3,) the point between the eyes of a mean head, camera frame: what `distance_from_eyes` measures to."""
    return rotation @ EYES_MIDPOINT_HEAD_M + position_m


def likely_camera(assumed: Camera, depths_m: Floats) -> Camera:
    """The camera of unknown focal length that most likely saw heads, (n,) far if it is the assumed one.

    A normal prior of the log focal length about the assumed one, and one of the log distance from people to
    cameras (`objective.DISTANCE_M`): a longer lens shows the same heads further off. Who are in one picture
    stand together, so that their median counts, as one. No heads: the assumed camera.
    """
    if not len(depths_m):
        return assumed
    longer = float((DISTANCE_M / np.median(depths_m)) ** LIKELY_DISTANCE_SHARE)
    return replace(assumed, fx=assumed.fx * longer, fy=assumed.fy * longer)


def with_unknown_focal(
    position_m: Floats, position_spread_m: Floats, log_spread: float = LIKELY_LOG_SPREAD
) -> Floats:
    """The spread (3,) of a position (3,) where the focal length is a guess: another one moves it along z."""
    along = np.array([0.0, 0.0, log_spread * position_m[2]])
    spread: Floats = np.hypot(position_spread_m, along)
    return spread


@dataclass(frozen=True)
class DistanceError:
    """The logarithm of found over true distance and its parts, which add up: about the relative errors.

    size: the found head is larger than the true one. focal: the focal length taken is longer than the true
    one. rest: what neither explains (points, rotation, shape).
    """

    total: float
    size: float
    focal: float

    @property
    def rest(self) -> float:
        return self.total - self.size - self.focal


def split_distance_error(
    *,
    true_position_m: Floats,
    found_position_m: Floats,
    true_points_m: Floats,
    found_points_m: Floats,
    true_focal_px: float,
    found_focal_px: float,
) -> DistanceError:
    """Split by the law of the module. Points (n, 3): the same of both heads, of which the sizes are taken."""
    return DistanceError(
        total=_log_ratio(np.linalg.norm(found_position_m), np.linalg.norm(true_position_m)),
        size=_log_ratio(head_size_m(found_points_m), head_size_m(true_points_m)),
        focal=_log_ratio(found_focal_px, true_focal_px),
    )


def head_size_m(points_m: Floats) -> float:
    """Of points (n, 3): root mean square distance from their middle."""
    return float(np.sqrt(((points_m - points_m.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _log_ratio(found: float | np.floating, true: float | np.floating) -> float:
    return float(np.log(found / true))
