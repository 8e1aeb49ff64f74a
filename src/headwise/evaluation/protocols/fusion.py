"""A network's rotation alone, a fit to its points alone, and both together, on a folder of `table`.

Items, angles and boxes are those of `table`; so is the far camera. Its quirks:

- The report's own numbers are those of both together. "ways" holds all three and their differences, as
  several models are compared.
- Where a fit answers "unknown" the network's rotation stands in; "unknown" counts these by way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.camera import Camera
from headwise.errors import InputError
from headwise.estimator import Estimate
from headwise.evaluation.comparison import comparison
from headwise.evaluation.labels import list_sha256
from headwise.evaluation.outcome import Json, Outcome, ScoredPoses, Tools
from headwise.evaluation.pose_errors import mae_with_missed, pose_errors, pose_scores
from headwise.evaluation.pose_scoring import ORDER, PoseList
from headwise.evaluation.protocols.table import list_of
from headwise.fitting.observation import Observation, observation_of
from headwise.fitting.shape_model import ShapeModel, load_shape_model
from headwise.fitting.solve import HeadFit, fit_heads
from headwise.rotation import Rotation

Answer = tuple[Rotation, float]
"""A rotation and its spread in degrees."""

WAYS = ("both", "rotation", "points")
PROGRESS_EVERY = 16


def create() -> Fusion:
    """No options."""
    return Fusion()


class Fusion:
    """The protocol."""

    needs_poses = True
    needs_detector = False

    def run(self, folder: Path, tools: Tools) -> Outcome:
        """Score a folder. Raises InputError when its list is unusable or the network has no points."""
        assert tools.estimate is not None, "needs_poses"
        listed, shape = list_of(folder), load_shape_model()
        found: dict[str, list[Answer]] = {way: [] for way in WAYS}
        unknown = dict.fromkeys(WAYS, 0)
        index, unreadable = [], []
        for place, item in enumerate(listed.items):
            try:
                image = tools.read(item.path)
            except InputError as error:
                unreadable.append(str(error))
                continue
            index.append(place)
            said = tools.estimate([image], [item.box])[0]
            for way, answer in _answers(said, Camera.distant(image.shape[1], image.shape[0]), shape).items():
                unknown[way] += answer is None
                found[way].append(answer or _network(said))
            if place % PROGRESS_EVERY == 0 or place + 1 == len(listed.items):
                tools.progress(place + 1, len(listed.items))
        places = np.array(index, np.int64)
        outcomes = {way: _outcome(listed, places, answers, unreadable) for way, answers in found.items()}
        both = outcomes["both"]
        report: Json = {**both.report, "unknown": unknown, "ways": comparison(outcomes)}
        return Outcome(report, poses=both.poses)


def _answers(said: Estimate, camera: Camera, shape: ShapeModel) -> dict[str, Answer | None]:
    """Each way's; None: unknown."""
    if said.keypoints is None:
        raise InputError("the pose network gives no points: there is nothing to fuse; choose another --model")
    observation = observation_of([said], camera)
    return {
        "both": _fitted(observation, shape),
        "rotation": _network(said),
        "points": _fitted(observation.without_rotation(), shape),
    }


def _fitted(observation: Observation, shape: ShapeModel) -> Answer | None:
    fit = fit_heads(observation, shape)[0]
    return (fit.rotation, fit.spread_deg) if isinstance(fit, HeadFit) else None


def _network(said: Estimate) -> Answer:
    return said.pose.rotation, np.nan if said.pose.spread_deg is None else said.pose.spread_deg


def _outcome(
    listed: PoseList, index: NDArray[np.int64], answers: Sequence[Answer], unreadable: list[str]
) -> Outcome:
    truth_deg = np.array([item.angles_deg for item in listed.items])
    missed = np.setdiff1d(np.arange(len(truth_deg)), index)
    rotation = Rotation(np.reshape([rotation.matrix for rotation, _ in answers], (-1, 3, 3)))
    spread_deg = np.array([spread for _, spread in answers])
    errors = pose_errors(truth_deg[index], rotation, ORDER)
    report: Json = {
        "protocol": "fusion",
        "list": listed.name,
        "list_sha256": list_sha256(item.file for item in listed.items),
        "labels_sha256": listed.labels_sha256,
        "order": str(ORDER),
        "boxes": "given",
        "listed": listed.listed,
        "excluded": listed.listed - len(listed.items),
        "items": len(listed.items),
        "missed": len(missed),
        "unreadable": unreadable,
        **pose_scores(errors, spread_deg),
        "mae_with_missed": mae_with_missed(errors, truth_deg[missed]),
    }
    return Outcome(report, poses=ScoredPoses(errors, spread_deg, index))
