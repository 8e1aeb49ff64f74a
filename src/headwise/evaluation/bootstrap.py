"""How much a mean depends on which items are in the list: percentile bootstrap (Efron and Tibshirani 1993).

Items are drawn with replacement, always the same draws for the same number of items, so that a number repeats
and two models are compared on the same draws. Frames of one video are no independent items: there the true
interval is wider.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
SEED = 0
COVERED = (2.5, 97.5)
"""Percentiles that hold 95 % of the resamples."""
BLOCK = 50
"""Resamples held in memory at once."""


@dataclass(frozen=True)
class Interval:
    """95 % of the resampled means lie from `low` to `high`."""

    low: float
    high: float


def mean_interval(errors_deg: ArrayLike) -> Interval:
    """Of the mean of (n,) errors, or of the mean of the column means of (n, k); NaN is left out."""
    return _interval(_resampled_means(errors_deg))


def difference_interval(first_deg: ArrayLike, second_deg: ArrayLike) -> Interval:
    """Of mean(first) - mean(second), errors of two models on the same items in the same order."""
    return _interval(_resampled_means(first_deg) - _resampled_means(second_deg))


def _interval(means: Floats) -> Interval:
    known = means[~np.isnan(means)]
    low, high = np.percentile(known, COVERED) if known.size else (np.nan, np.nan)
    return Interval(float(low), float(high))


def _resampled_means(errors_deg: ArrayLike) -> Floats:
    """(RESAMPLES,) means of resampled items; NaN where a resample holds nothing known."""
    values = np.asarray(errors_deg, float)
    if not len(values):
        return np.full(RESAMPLES, np.nan)
    values = values.reshape(len(values), -1)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    rng = np.random.default_rng(SEED)
    means = []
    for _ in range(RESAMPLES // BLOCK):
        drawn = rng.integers(len(values), size=(BLOCK, len(values)))
        times = np.stack([np.bincount(row, minlength=len(values)) for row in drawn]).astype(float)
        total, count = times @ filled, times @ known
        columns = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        have = ~np.isnan(columns)
        sums = np.where(have, columns, 0.0).sum(axis=1)
        some = have.sum(axis=1)
        means.append(np.divide(sums, some, out=np.full_like(sums, np.nan), where=some > 0))
    return np.concatenate(means)
