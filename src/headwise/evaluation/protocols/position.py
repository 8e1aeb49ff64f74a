"""Where heads are, in metres, and how the distance's error splits: shards of `headwise synthesize crops`.

Items, boxes and pictures are those of `shards`; the camera is known. Its quirks:

- Three ways to a position: "mean_head" (68 points, the network's rotation, a head of mean size: `headwise
  run`), "eyes" (two points and the distance between adults' eyes) and "fit" (`headwise fit`).
- Position errors are those of faces that are not hidden; "hidden" holds the fit's of the others.
- Of "eyes" the distance to the point between the eyes is scored, of the others that to the head's origin.
- "split": logarithm of found over true distance = size + rest. Size is that of the found head (68 points,
  root mean square from their middle) over the true one's. A picture does not show it, so no method gets below
  "population": the spread of the true sizes. The focal length is known here; a wrong one adds its own
  logarithm, one to one.
- The pose numbers are the fit's rotations relative to the ray through the box's centre. Where the fit answers
  "unknown" the network's rotation stands in and the position is missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.camera import Camera
from headwise.conventions import FIVE_FROM_68
from headwise.errors import InputError
from headwise.estimator import Estimate, position_from_points
from headwise.evaluation.outcome import Floats, Json, Outcome, ScoredPoses, Tools, as_json
from headwise.evaluation.pose_errors import pose_scores, rotation_errors
from headwise.evaluation.rendered_heads import (
    ORDER,
    YAW_BIN_EDGES_DEG,
    Shard,
    checked_items,
    listing,
    read_shards,
)
from headwise.fitting.metric import DistanceError, distance_from_eyes, head_size_m, split_distance_error
from headwise.fitting.observation import observation_of
from headwise.fitting.shape_model import ShapeModel, load_shape_model
from headwise.fitting.solve import HeadFit, Unknown, fit_heads
from headwise.results import HeadPose
from headwise.rotation import Rotation

WAYS = ("mean_head", "eyes", "fit")
PROGRESS_EVERY = 32


@dataclass(frozen=True, eq=False)
class Truth:
    """One item: its camera, where the head is (3,), its 68 points (68, 3) about its origin, camera frame."""

    camera: Camera
    position_m: Floats
    points_m: Floats


@dataclass(frozen=True, eq=False)
class Found:
    """One item: positions (3,) and distances by way, None: missed. fit: of the third one."""

    estimate: Estimate
    mean_head_m: Floats | None
    eyes_m: float | None
    fit: HeadFit | Unknown


def create(*, items: int | None = None) -> Position:
    """items: how many from the folder's beginning; None: those that no training on it sees."""
    return Position(checked_items("position", items))


@dataclass(frozen=True)
class Position:
    """The protocol."""

    items: int | None
    needs_poses = True
    needs_detector = False

    def run(self, folder: Path, tools: Tools) -> Outcome:
        """Score the folder's items. Raises InputError when a shard cannot be read or no points are said."""
        assert tools.estimate is not None, "needs_poses"
        shards, shape = read_shards(folder, self.items), load_shape_model()
        total = sum(len(shard) for shard in shards)
        truths: list[Truth] = []
        found: list[Found] = []
        for shard in shards:
            own = read_truths(shard)
            for item, truth in enumerate(own):
                said = tools.estimate([shard.picture(item)], [shard.boxes[item]])[0]
                found.append(_found(said, shard.boxes[item].center, truth.camera, shape))
                if len(found) % PROGRESS_EVERY == 0 or len(found) == total:
                    tools.progress(len(found), total)
            truths += own
        return _outcome(folder, shards, truths, found, shape)


def read_truths(shard: Shard) -> list[Truth]:
    """Of every item of a shard. Raises InputError."""
    names = ("rotation_camera", "translation_m", "points68_m", "intrinsics")
    with np.load(shard.path, allow_pickle=False) as arrays:
        missing = [name for name in names if name not in arrays]
        if missing:
            raise InputError(f"{shard.path}: no {', '.join(missing)}; is it a shard of head crops?")
        rotation, position, points, intrinsics = (
            arrays[name][: len(shard)].astype(np.float64) for name in names
        )
    placed = np.einsum("nij,nkj->nki", rotation, points)
    return [
        Truth(Camera(fx, fy, cx, cy, 1, 1), position[i], placed[i])  # nothing here needs the picture's size
        for i, (fx, fy, cx, cy) in enumerate(intrinsics.tolist())
    ]


def _found(said: Estimate, box_center: tuple[float, float], camera: Camera, shape: ShapeModel) -> Found:
    """The network's answer is relative to the ray through the box; here the camera is known."""
    if said.keypoints is None or said.visibility is None:
        raise InputError("the pose network gives no points: there is no position; choose another --model")
    rotation = camera.camera_from_ray(box_center) @ said.pose.rotation
    pose = HeadPose(rotation, spread_deg=said.pose.spread_deg)
    estimate = Estimate(
        pose, said.keypoints, said.visibility, said.keypoint_spread_px, said.rotation_covariance
    )
    fit = fit_heads(observation_of([estimate], camera), shape)[0]
    (mean_head_m,) = position_from_points(
        Rotation(rotation.matrix[None]), said.keypoints[None], said.visibility[None], camera
    )
    turned = rotation if isinstance(fit, Unknown) else fit.rotation
    eyes = distance_from_eyes(said.keypoints, turned, camera)
    return Found(estimate, mean_head_m, None if eyes is None else eyes.distance_m, fit)


def _outcome(
    folder: Path, shards: Sequence[Shard], truths: Sequence[Truth], found: Sequence[Found], shape: ShapeModel
) -> Outcome:
    hidden = np.concatenate([shard.face_hidden for shard in shards])
    centers = [box.center for shard in shards for box in shard.boxes]
    truth = Rotation(np.concatenate([shard.truth.matrix for shard in shards]))
    errors = rotation_errors(truth, _ray_from_head(truths, found, centers), ORDER)
    spread_deg = np.array([_spread_deg(one) for one in found])
    report: Json = {
        **listing("position", folder, shards, missed=sum(isinstance(one.fit, Unknown) for one in found)),
        **pose_scores(errors, spread_deg, YAW_BIN_EDGES_DEG),
        "position": as_json(position_scores(truths, found, hidden, shape)),
    }
    return Outcome(report, poses=ScoredPoses(errors, spread_deg, np.arange(len(found))))


def _ray_from_head(
    truths: Sequence[Truth], found: Sequence[Found], centers: Sequence[tuple[float, float]]
) -> Rotation:
    return Rotation(
        np.stack(
            [
                (truth.camera.camera_from_ray(center).inverse() @ _rotation(one)).matrix
                for truth, one, center in zip(truths, found, centers, strict=True)
            ]
        )
    )


def _rotation(one: Found) -> Rotation:
    return one.fit.rotation if isinstance(one.fit, HeadFit) else one.estimate.pose.rotation


def _spread_deg(one: Found) -> float:
    spread = one.fit.spread_deg if isinstance(one.fit, HeadFit) else one.estimate.pose.spread_deg
    return np.nan if spread is None else spread


def position_scores(
    truths: Sequence[Truth], found: Sequence[Found], hidden: NDArray[np.bool_], shape: ShapeModel
) -> Json:
    """`faces`, `ways`, `split`, `spread` and `hidden` of a report; see the module."""
    shown = [(t, f) for t, f, away in zip(truths, found, hidden, strict=True) if not away]
    away = [(t, f) for t, f, away in zip(truths, found, hidden, strict=True) if away]
    fitted = [(truth, one.fit) for truth, one in shown if isinstance(one.fit, HeadFit)]
    splits = [_split(truth, fit, shape) for truth, fit in fitted]
    z = np.array([(fit.position_m[2] - t.position_m[2]) / fit.position_spread_m[2] for t, fit in fitted])
    sizes = np.log([head_size_m(truth.points_m) for truth, _ in shown])
    return {
        "faces": len(shown),
        "ways": {way: _way_scores(way, shown) for way in WAYS},
        "split": {
            name: _percent([getattr(split, name) for split in splits]) for name in ("total", "size", "rest")
        }
        | {"population": _percent(sizes - np.median(sizes) if len(sizes) else sizes)},
        "spread": {
            "mean_percent": 100 * _mean([f.position_spread_m[2] / f.position_m[2] for _, f in fitted]),
            "within_one": _mean(np.abs(z) <= 1),
            "within_two": _mean(np.abs(z) <= 2),
        },
        "hidden": _way_scores("fit", away),
    }


def _way_scores(way: str, pairs: Sequence[tuple[Truth, Found]]) -> Json:
    """Relative errors of the distance in percent, and across the line of sight in millimetres."""
    logs, across_mm = [], []
    for truth, one in pairs:
        if way == "eyes":
            if one.eyes_m is not None:
                eyes = truth.position_m + (FIVE_FROM_68[:2] @ truth.points_m).mean(axis=0)
                logs.append(np.log(one.eyes_m / np.linalg.norm(eyes)))
            continue
        place = one.mean_head_m if way == "mean_head" else getattr(one.fit, "position_m", None)
        if place is not None:
            distance = np.linalg.norm(truth.position_m)
            logs.append(np.log(np.linalg.norm(place) / distance))
            sight = truth.position_m / distance
            across_mm.append(1000 * np.linalg.norm(np.cross(place, sight)))
    percent = _percent(logs)
    return {
        "items": len(logs),
        **percent,
        "across_mm": float(np.median(across_mm)) if across_mm else None,
    }


def _split(truth: Truth, fit: HeadFit, shape: ShapeModel) -> DistanceError:
    return split_distance_error(
        true_position_m=truth.position_m,
        found_position_m=fit.position_m,
        true_points_m=truth.points_m,
        found_points_m=shape.points(fit.identity, fit.expression),
        true_focal_px=truth.camera.fx,
        found_focal_px=truth.camera.fx,
    )


def _percent(logs: Sequence[float] | Floats) -> Json:
    """Of logarithms of ratios: median and 90th percentile of the absolute relative errors, and the bias."""
    if not len(logs):
        return {"median": None, "p90": None, "bias": None}
    percent = 100 * np.expm1(np.asarray(logs))
    return {
        "median": float(np.median(np.abs(percent))),
        "p90": float(np.percentile(np.abs(percent), 90)),
        "bias": float(np.median(percent)),
    }


def _mean(values: Sequence[float] | Floats | NDArray[np.bool_]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
