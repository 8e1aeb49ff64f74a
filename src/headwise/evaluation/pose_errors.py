"""Estimated rotations against labelled angles: every number a pose benchmark prints, from one place."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwise.conventions import EulerOrder
from headwise.evaluation import metrics
from headwise.evaluation.bootstrap import mean_interval
from headwise.evaluation.outcome import Json, as_json
from headwise.rotation import Rotation

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PoseErrors:
    """Errors of n poses, all in degrees.

    truth (n, 3): labelled yaw, pitch, roll; roll NaN where only the facing direction is labelled.
    difference (n, 3): signed found - truth on the circle, NaN where truth is.
    rotation (n,): geodesic distance, NaN where roll is not labelled.
    facing (n,): angle between the facing directions. vector (n,): mean angle of the columns, NaN where
    rotation is.
    """

    truth_deg: Floats
    difference_deg: Floats
    rotation_deg: Floats
    facing_deg: Floats
    vector_deg: Floats
    found: Rotation
    truth: Rotation
    order: EulerOrder

    @property
    def best_known_deg(self) -> Floats:
        """(n,) geodesic distance where roll is labelled, else the angle between the facing directions."""
        return np.where(np.isnan(self.rotation_deg), self.facing_deg, self.rotation_deg)

    @property
    def has_roll(self) -> NDArray[np.bool_]:
        """(n,) whether the whole rotation is labelled."""
        return ~np.isnan(self.truth_deg[:, 2])


def pose_errors(truth_deg: Floats, found: Rotation, order: EulerOrder) -> PoseErrors:
    """Errors of `found` (n) against angles (n, 3) of `order`.

    Where roll is NaN, yaw and pitch are read as azimuth and elevation of the facing direction, whatever the
    order. Euler angles of `found` are its principal decoding (yaw within +-90 for 300W-LP), as published
    tests do.
    """
    truth_deg = np.asarray(truth_deg, float).reshape(-1, 3)
    has_roll = ~np.isnan(truth_deg[:, 2])
    truth = _truth_rotation(truth_deg, has_roll, order)
    found_deg = np.where(has_roll[:, None], euler_deg(found, order), facing_angles_deg(found))
    return PoseErrors(
        truth_deg=truth_deg,
        difference_deg=metrics.wrapped_difference_deg(found_deg, truth_deg),
        rotation_deg=np.where(has_roll, found.angle_to_deg(truth), np.nan),
        facing_deg=metrics.vector_angle_deg(found.facing, truth.facing),
        vector_deg=np.where(has_roll, metrics.vector_error_deg(found, truth), np.nan),
        found=found,
        truth=truth,
        order=order,
    )


def rotation_errors(truth: Rotation, found: Rotation, order: EulerOrder) -> PoseErrors:
    """Errors of `found` (n) against whole rotations (n); angles of both in `order`."""
    return PoseErrors(
        truth_deg=euler_deg(truth, order),
        difference_deg=metrics.wrapped_difference_deg(euler_deg(found, order), euler_deg(truth, order)),
        rotation_deg=found.angle_to_deg(truth),
        facing_deg=metrics.vector_angle_deg(found.facing, truth.facing),
        vector_deg=metrics.vector_error_deg(found, truth),
        found=found,
        truth=truth,
        order=order,
    )


def pose_scores(
    errors: PoseErrors, spread_deg: Floats, yaw_edges_deg: Sequence[float] = metrics.YAW_BIN_EDGES_DEG
) -> Json:
    """The JSON keys every pose benchmark shares, over found items: mae, bias, geodesic, facing, maev,
    interval95, by_yaw, by_pitch, by_roll, mean_rotation_offset, aligned, calibration.

    interval95 holds bootstrap intervals of mae's `mean` and of geodesic's. mean_rotation_offset is a rotation
    vector in degrees in the head frame; `aligned` is scored after removing it. Both are None without items
    whose roll is labelled.
    """
    return {
        "mae": as_json(metrics.angle_means(np.abs(errors.difference_deg))),
        "bias": _bias(errors.difference_deg),
        "geodesic": as_json(metrics.summarize(errors.rotation_deg)),
        "facing": as_json(metrics.summarize(errors.facing_deg)),
        "maev": as_json(metrics.mean_of_known(errors.vector_deg)),
        "interval95": as_json(
            {
                "mae": mean_interval(np.abs(errors.difference_deg)),
                "geodesic": mean_interval(errors.rotation_deg),
            }
        ),
        "by_yaw": _by_bin(errors, metrics.yaw_bins(errors.truth_deg[:, 0], yaw_edges_deg)),
        "by_pitch": _by_bin(errors, metrics.angle_bins(errors.truth_deg[:, 1])),
        "by_roll": _by_bin(errors, metrics.angle_bins(errors.truth_deg[:, 2])),
        **_aligned(errors),
        "calibration": as_json(metrics.calibration(spread_deg, errors.best_known_deg)),
    }


def mae_with_missed(errors: PoseErrors, missed_truth_deg: Floats) -> Json:
    """MAE over all items, the missed (m, 3) included.

    A missed face scores the answer "looking straight into the lens" (its label's own size), but never less
    than the mean error of the faces that were found: missing a hard face must not improve the number.
    """
    found = np.abs(errors.difference_deg)
    means = metrics.angle_means(found)
    floor = np.nan_to_num(np.array([means.yaw, means.pitch, means.roll]))
    frontal = metrics.wrapped_error_deg(0.0, np.asarray(missed_truth_deg, float).reshape(-1, 3))
    missed = np.maximum(frontal, floor)
    json: Json = as_json(metrics.angle_means(np.concatenate([found, missed])))
    return json


def euler_deg(rotation: Rotation, order: EulerOrder) -> Floats:
    """(n, 3) yaw, pitch, roll of n rotations."""
    angles = rotation.euler(order)
    return np.stack([angles.yaw_deg, angles.pitch_deg, angles.roll_deg], axis=-1)


def facing_angles_deg(rotation: Rotation) -> Floats:
    """(n, 3) azimuth, elevation and NaN of n facing directions."""
    azimuth, elevation = rotation.azimuth_elevation_deg
    return np.stack([azimuth, elevation, np.full_like(azimuth, np.nan)], axis=-1)


def _truth_rotation(truth_deg: Floats, has_roll: NDArray[np.bool_], order: EulerOrder) -> Rotation:
    yaw, pitch, roll = np.nan_to_num(truth_deg).T
    full = Rotation.from_euler(order, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
    facing = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=yaw, pitch_deg=pitch, roll_deg=0.0 * roll)
    return Rotation(np.where(has_roll[:, None, None], full.matrix, facing.matrix))


def _bias(difference_deg: Floats) -> Json:
    means = metrics.angle_means(difference_deg)
    json: Json = as_json({"yaw": means.yaw, "pitch": means.pitch, "roll": means.roll})
    return json


def _by_bin(errors: PoseErrors, bins: Iterable[tuple[float, float, NDArray[np.bool_]]]) -> list[Json]:
    return [
        {
            "from_deg": low,
            "to_deg": high,
            "items": int(members.sum()),
            "mae": as_json(metrics.angle_means(np.abs(errors.difference_deg[members]))),
            "bias": _bias(errors.difference_deg[members]),
            "geodesic": as_json(metrics.mean_of_known(errors.rotation_deg[members])),
        }
        for low, high, members in bins
    ]


def _aligned(errors: PoseErrors) -> Json:
    rows = errors.has_roll
    if not rows.any():
        return {"mean_rotation_offset": None, "aligned": None}
    found, truth = errors.found[rows], errors.truth[rows]
    aligned = pose_errors(errors.truth_deg[rows], metrics.without_mean_offset(found, truth), errors.order)
    return {
        "mean_rotation_offset": as_json(np.degrees(metrics.mean_offset(found, truth).rotvec)),
        "aligned": {
            "mae": as_json(metrics.angle_means(np.abs(aligned.difference_deg))),
            "geodesic": as_json(metrics.summarize(aligned.rotation_deg)),
        },
    }
