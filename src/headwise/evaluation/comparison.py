"""Several models on the same items: their reports side by side, and how sure the differences are."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.errors import SettingsError
from headwise.evaluation import metrics
from headwise.evaluation.bootstrap import difference_interval
from headwise.evaluation.outcome import Floats, Json, Outcome, ScoredPoses, as_json


def names_of(models: Sequence[str]) -> tuple[str, ...]:
    """What to call each model: the file's stem, or the whole argument where stems are the same.

    Raises SettingsError when a model was given twice.
    """
    if len(set(models)) < len(models):
        raise SettingsError(f"the models to compare must differ, got {', '.join(models)}")
    stems = [Path(model).stem if Path(model).suffix == ".onnx" else model for model in models]
    return tuple(stems) if len(set(stems)) == len(stems) else tuple(models)


def comparison(outcomes: Mapping[str, Outcome]) -> Json:
    """`models`: every report by name. `differences`: of each pair, over the items that both found.

    Each difference is first minus second, so below zero the first is better; `low` to `high` holds 95 % of
    its bootstrap resamples.
    """
    pairs = combinations(outcomes.items(), 2)
    return {
        "models": {name: outcome.report for name, outcome in outcomes.items()},
        "differences": [
            _difference(first, one.poses, second, other.poses)
            for (first, one), (second, other) in pairs
            if one.poses is not None and other.poses is not None
        ],
    }


def _difference(first: str, one: ScoredPoses, second: str, other: ScoredPoses) -> Json:
    _, mine, theirs = np.intersect1d(one.index, other.index, assume_unique=True, return_indices=True)
    angles = np.abs(one.errors.difference_deg[mine]), np.abs(other.errors.difference_deg[theirs])
    rotations = one.errors.rotation_deg[mine], other.errors.rotation_deg[theirs]
    return {
        "first": first,
        "second": second,
        "items": len(mine),
        "mae": _with_interval(
            metrics.angle_means(angles[0]).mean, metrics.angle_means(angles[1]).mean, angles
        ),
        "geodesic": _with_interval(
            metrics.mean_of_known(rotations[0]), metrics.mean_of_known(rotations[1]), rotations
        ),
    }


def _with_interval(first: float, second: float, errors: tuple[Floats, NDArray[np.float64]]) -> Json:
    interval = difference_interval(*errors)
    json: Json = as_json({"difference": first - second, "low": interval.low, "high": interval.high})
    return json
