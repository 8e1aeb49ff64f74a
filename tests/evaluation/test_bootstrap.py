"""Intervals cover what they should, repeat, and pair two models."""

import numpy as np
import pytest

from headwise.evaluation.bootstrap import difference_interval, mean_interval


def test_equal_errors_have_no_width() -> None:
    interval = mean_interval(np.full((20, 3), 4.0))
    assert (interval.low, interval.high) == (4, 4)


def test_width_is_that_of_the_standard_error() -> None:
    errors = np.random.default_rng(1).normal(10, 3, 400)
    interval = mean_interval(errors)
    standard_error = errors.std() / 20
    assert interval.low == pytest.approx(errors.mean() - 1.96 * standard_error, abs=0.04)
    assert interval.high == pytest.approx(errors.mean() + 1.96 * standard_error, abs=0.04)


def test_the_same_items_give_the_same_interval() -> None:
    errors = np.random.default_rng(2).normal(size=50)
    assert mean_interval(errors) == mean_interval(errors.copy())


def test_columns_weigh_the_same_and_unknown_is_left_out() -> None:
    errors = np.column_stack([np.full(30, 2.0), np.full(30, 4.0), np.full(30, np.nan)])
    errors[::2, 1] = np.nan
    assert mean_interval(errors).low == mean_interval(errors).high == 3


def test_a_constant_difference_is_certain_however_the_items_scatter() -> None:
    errors = np.random.default_rng(3).exponential(9, (100, 3))
    interval = difference_interval(errors + 0.5, errors)
    assert (interval.low, interval.high) == (pytest.approx(0.5), pytest.approx(0.5))


def test_nothing_known_is_unknown() -> None:
    assert np.isnan(mean_interval(np.empty((0, 3))).low)
    assert np.isnan(mean_interval([np.nan, np.nan]).high)
