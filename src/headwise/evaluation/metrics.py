"""Arrays in, numbers out: the errors of estimated head poses. Needs numpy only.

All angles are degrees. Angle arrays are (n, 3) in the order yaw, pitch, roll; NaN means "not labelled" and
is left out of every mean. A mean over nothing is NaN.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.rotation import Rotation

Floats = NDArray[np.float64]

YAW_BIN_EDGES_DEG = (0.0, 30.0, 60.0, 90.0, 180.0)
"""Published tables split AFLW2000-3D at 30 and 60; 90 separates the faces that turn away."""

SIGNED_BIN_EDGES_DEG = (-180.0, -60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0, 180.0)
"""Of pitch and roll: up and down, left and right are not the same to a network."""

CALIBRATION_BINS = 10


@dataclass(frozen=True)
class AngleMeans:
    """One number per Euler angle in degrees; `mean` is that of the angles which are labelled at all."""

    yaw: float
    pitch: float
    roll: float
    mean: float


@dataclass(frozen=True)
class ErrorSummary:
    """Mean, median and 95th percentile of an error in degrees."""

    mean: float
    median: float
    p95: float


@dataclass(frozen=True)
class SpreadBin:
    """Items of similar stated spread: how many, the mean they stated, the mean error they made (degrees).

    standard_error_deg is that of the mean error: what chance alone moves it by.
    """

    items: int
    mean_spread_deg: float
    mean_error_deg: float
    standard_error_deg: float


@dataclass(frozen=True)
class Calibration:
    """How far a model's stated spread can be trusted. `ratio` is error / spread: above 1 is overconfident.

    `rank_correlation` is Spearman's: 1 when larger spreads always go with larger errors. within_1_spread,
    within_2_spreads: share of the errors that are at most one or two stated spreads; for a spread that is the
    mean of a Maxwell-distributed error (equal Gaussian errors about three axes) 0.533 and 0.983.
    calibration_error_deg: mean distance of stated spread and error over the bins, weighted by their items, as
    the ECE of classifiers (Naeini et al. 2015); `bins` are of equal size, by stated spread.
    """

    items: int
    mean_spread_deg: float
    mean_error_deg: float
    ratio: float
    rank_correlation: float
    within_1_spread: float
    within_2_spreads: float
    calibration_error_deg: float
    bins: tuple[SpreadBin, ...]


def wrapped_difference_deg(found_deg: ArrayLike, truth_deg: ArrayLike) -> Floats:
    """Signed found - truth on the circle, in [-180, 180). Opposite angles are 180 apart, never 0."""
    found, truth = np.asarray(found_deg, float), np.asarray(truth_deg, float)
    difference: Floats = (found - truth + 180.0) % 360.0 - 180.0
    return difference


def wrapped_error_deg(found_deg: ArrayLike, truth_deg: ArrayLike) -> Floats:
    """min(|d|, 360 - |d|), in [0, 180]."""
    error: Floats = np.abs(wrapped_difference_deg(found_deg, truth_deg))
    return error


def angle_means(values_deg: ArrayLike) -> AngleMeans:
    """Column means of (n, 3) values: of errors this is the MAE, of signed differences the bias."""
    values = np.asarray(values_deg, float).reshape(-1, 3)
    yaw, pitch, roll = (mean_of_known(values[:, column]) for column in range(3))
    return AngleMeans(yaw, pitch, roll, mean_of_known([yaw, pitch, roll]))


def mean_absolute_error(found_deg: ArrayLike, truth_deg: ArrayLike) -> AngleMeans:
    """MAE per angle of (n, 3) angles; an angle that is NaN in either is left out."""
    return angle_means(wrapped_error_deg(found_deg, truth_deg))


def mean_of_known(values: ArrayLike) -> float:
    """Mean of what is not NaN; NaN when nothing is left."""
    array = np.asarray(values, float)
    known = array[~np.isnan(array)]
    return float(known.mean()) if known.size else float("nan")


def summarize(error_deg: ArrayLike) -> ErrorSummary:
    """Mean, median and 95th percentile (linear interpolation) of (n,) errors, NaN left out."""
    errors = np.asarray(error_deg, float)
    errors = errors[~np.isnan(errors)]
    if not errors.size:
        return ErrorSummary(float("nan"), float("nan"), float("nan"))
    return ErrorSummary(float(errors.mean()), float(np.median(errors)), float(np.percentile(errors, 95)))


def vector_angle_deg(a: ArrayLike, b: ArrayLike) -> Floats:
    """Angle between vectors (..., 3), in [0, 180]. The atan2 form stays exact near 0 and 180."""
    first, second = np.asarray(a, float), np.asarray(b, float)
    sine = np.linalg.norm(np.cross(first, second), axis=-1)
    angle_deg: Floats = np.degrees(np.arctan2(sine, (first * second).sum(axis=-1)))
    return angle_deg


def vector_error_deg(found: Rotation, truth: Rotation) -> Floats:
    """(n,) mean angle between the three column vectors; its mean is the MAEV of TriNet (Cao et al. 2021)."""
    columns = vector_angle_deg(np.swapaxes(found.matrix, -1, -2), np.swapaxes(truth.matrix, -1, -2))
    return np.asarray(columns.mean(axis=-1), float)


def mean_offset(found: Rotation, truth: Rotation) -> Rotation:
    """The constant E of the head frame with found ~ truth @ E: the chordal mean of truth^-1 @ found."""
    return (truth.inverse() @ found).mean()


def without_mean_offset(found: Rotation, truth: Rotation) -> Rotation:
    """`found` with its mean offset taken out. A score on it flatters: always label it as aligned."""
    return found @ mean_offset(found, truth).inverse()


def calibration(
    spread_deg: ArrayLike, error_deg: ArrayLike, bins: int = CALIBRATION_BINS
) -> Calibration | None:
    """Stated spread against made error, both (n,). Items without a spread (NaN) are left out: None if all."""
    spread, error = np.asarray(spread_deg, float), np.asarray(error_deg, float)
    known = ~np.isnan(spread) & ~np.isnan(error)
    spread, error = spread[known], error[known]
    if not spread.size:
        return None
    groups = [g for g in np.array_split(np.argsort(spread, kind="stable"), bins) if g.size]
    mean_spread, mean_error = float(spread.mean()), float(error.mean())
    made = tuple(_spread_bin(spread[g], error[g]) for g in groups)
    distances = [one.items * abs(one.mean_error_deg - one.mean_spread_deg) for one in made]
    return Calibration(
        items=int(spread.size),
        mean_spread_deg=mean_spread,
        mean_error_deg=mean_error,
        ratio=mean_error / mean_spread if mean_spread > 0 else float("nan"),
        rank_correlation=_rank_correlation(spread, error),
        within_1_spread=float((error <= spread).mean()),
        within_2_spreads=float((error <= 2 * spread).mean()),
        calibration_error_deg=sum(distances) / spread.size,
        bins=made,
    )


def yaw_bins(
    yaw_deg: ArrayLike, edges_deg: Sequence[float] = YAW_BIN_EDGES_DEG
) -> Iterator[tuple[float, float, NDArray[np.bool_]]]:
    """(from, to, members) of each non-empty bin of |yaw|: (from, to], and the first holds its start too."""
    yield from angle_bins(np.abs(wrapped_difference_deg(yaw_deg, 0.0)), edges_deg)


def angle_bins(
    angle_deg: ArrayLike, edges_deg: Sequence[float] = SIGNED_BIN_EDGES_DEG
) -> Iterator[tuple[float, float, NDArray[np.bool_]]]:
    """(from, to, members) of each non-empty bin: (from, to], and the first holds its start too."""
    angle = np.asarray(angle_deg, float)
    for low, high in pairwise(edges_deg):
        above = angle >= low if low == edges_deg[0] else angle > low
        members = above & (angle <= high)
        if members.any():
            yield low, high, members


def _spread_bin(spread: Floats, error: Floats) -> SpreadBin:
    standard_error = error.std() / np.sqrt(error.size)
    return SpreadBin(error.size, float(spread.mean()), float(error.mean()), float(standard_error))


def _rank_correlation(a: Floats, b: Floats) -> float:
    ranks = np.stack([_mean_ranks(a), _mean_ranks(b)])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    scale = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum() / scale) if scale > 0 else float("nan")


def _mean_ranks(values: Floats) -> Floats:
    """Ranks from 0; equal values share the mean of theirs, so the order of the items does not matter."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts + 1) / 2)[inverse], float)
