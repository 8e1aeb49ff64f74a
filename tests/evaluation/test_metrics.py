"""The metrics hold whatever the numbers are: circle, symmetry, order of items, and what FIELD forbids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.conventions import EulerOrder
from headwise.evaluation import metrics
from headwise.rotation import Rotation

angle = st.floats(-720, 720, allow_nan=False)
turns = st.integers(-3, 3)
small_lists = st.lists(st.floats(0, 180), min_size=2, max_size=20)
rotvec = st.tuples(*[st.floats(-3, 3)] * 3)


def random_rotations(seed: int, count: int) -> Rotation:
    return Rotation.from_rotvec(np.random.default_rng(seed).normal(size=(count, 3)) * 1.5)


@given(angle, angle)
def test_wrapped_error_is_symmetric_and_at_most_180(a: float, b: float) -> None:
    error = metrics.wrapped_error_deg(a, b)
    assert 0 <= error <= 180
    assert error == pytest.approx(metrics.wrapped_error_deg(b, a), abs=1e-9)


@given(angle, turns)
def test_full_turns_cost_nothing_and_half_turns_cost_180(a: float, n: int) -> None:
    assert metrics.wrapped_error_deg(a + 360 * n, a) == pytest.approx(0, abs=1e-9)
    assert metrics.wrapped_error_deg(a + 360 * n + 180, a) == pytest.approx(180, abs=1e-9)


@pytest.mark.parametrize(
    "found, truth, error", [(179, -179, 2), (-179, 179, 2), (90, -90, 180), (10, -10, 20)]
)
def test_wrapped_error_of_known_pairs(found: float, truth: float, error: float) -> None:
    assert metrics.wrapped_error_deg(found, truth) == pytest.approx(error)


def test_difference_is_positive_when_found_is_larger_across_the_seam() -> None:
    assert metrics.wrapped_difference_deg(-179, 179) == pytest.approx(2)


@given(st.lists(st.tuples(angle, angle, angle), min_size=1, max_size=20), st.randoms())
def test_mae_does_not_depend_on_the_order_of_the_items(rows: list[tuple[float, ...]], random) -> None:
    found, truth = np.array(rows), np.zeros((len(rows), 3))
    order = random.sample(range(len(rows)), len(rows))
    plain = metrics.mean_absolute_error(found, truth)
    shuffled = metrics.mean_absolute_error(found[order], truth[order])
    assert plain.mean == pytest.approx(shuffled.mean)
    assert plain.yaw == pytest.approx(shuffled.yaw)


def test_mae_leaves_unlabelled_roll_out_of_its_means() -> None:
    truth = np.array([[0, 0, np.nan], [0, 0, 0]])
    mae = metrics.mean_absolute_error([[2, 4, 100], [4, 8, 3]], truth)
    assert (mae.yaw, mae.pitch, mae.roll, mae.mean) == (3, 6, 3, 4)


def test_mae_without_any_roll_is_the_mean_of_the_other_two() -> None:
    mae = metrics.mean_absolute_error([[2, 4, 1]], [[0, 0, np.nan]])
    assert np.isnan(mae.roll)
    assert mae.mean == 3


def test_means_of_nothing_are_nan_and_raise_no_warning() -> None:
    assert np.isnan(metrics.angle_means(np.empty((0, 3))).mean)
    assert np.isnan(metrics.summarize([]).p95)


def test_summary_of_a_known_list() -> None:
    summary = metrics.summarize(np.arange(101.0))
    assert (summary.mean, summary.median, summary.p95) == (50, 50, 95)


@given(rotvec, rotvec)
def test_vector_error_is_symmetric_and_at_most_the_rotation_angle(a, b) -> None:
    first, second = Rotation.from_rotvec([a]), Rotation.from_rotvec([b])
    error = metrics.vector_error_deg(first, second)
    assert error == pytest.approx(metrics.vector_error_deg(second, first), abs=1e-6)
    assert error <= first.angle_to_deg(second) + 1e-6


def test_vector_error_of_a_turn_about_one_axis_is_two_thirds_of_it() -> None:
    turned = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=[30.0], pitch_deg=[0.0], roll_deg=[0.0])
    assert metrics.vector_error_deg(turned, Rotation(np.eye(3)[None])) == pytest.approx(20)


def test_vector_angle_is_exact_near_zero_and_180() -> None:
    tiny = 1e-7
    assert metrics.vector_angle_deg([1, 0, 0], [1, tiny, 0]) == pytest.approx(np.degrees(tiny), rel=1e-6)
    assert metrics.vector_angle_deg([1, 0, 0], [-1, 0, 0]) == 180


@given(rotvec, st.integers(0, 99))
def test_a_constant_offset_in_the_head_frame_is_found_and_taken_out(offset, seed: int) -> None:
    truth, constant = random_rotations(seed, 6), Rotation.from_rotvec(np.array(offset) * 0.5)
    found = truth @ constant
    assert metrics.mean_offset(found, truth).angle_to_deg(constant) == pytest.approx(0, abs=1e-5)
    assert metrics.without_mean_offset(found, truth).angle_to_deg(truth) == pytest.approx(0, abs=1e-5)


@given(small_lists)
def test_a_model_that_states_its_own_error_is_calibrated(errors: list[float]) -> None:
    result = metrics.calibration(errors, errors)
    assert result is not None
    assert result.mean_spread_deg == pytest.approx(result.mean_error_deg)
    assert sum(one.items for one in result.bins) == len(errors)
    if len(set(errors)) > 1:
        assert result.rank_correlation == pytest.approx(1)


def test_calibration_names_overconfidence_and_wrong_order() -> None:
    result = metrics.calibration([1.0, 2.0, 3.0], [6.0, 4.0, 2.0])
    assert result is not None
    assert result.ratio == 2
    assert result.rank_correlation == pytest.approx(-1)


def test_a_spread_that_means_what_it_says_holds_the_promised_shares() -> None:
    rng = np.random.default_rng(0)
    sigma = rng.uniform(1, 9, 40_000)
    errors = np.linalg.norm(rng.normal(size=(40_000, 3)) * sigma[:, None], axis=1)
    result = metrics.calibration(2 * np.sqrt(2 / np.pi) * sigma, errors)
    assert result is not None
    assert result.ratio == pytest.approx(1, abs=0.01)
    assert result.within_1_spread == pytest.approx(0.533, abs=0.01)
    assert result.within_2_spreads == pytest.approx(0.983, abs=0.003)
    assert result.calibration_error_deg < 0.15


def test_calibration_error_weighs_bins_by_their_items() -> None:
    result = metrics.calibration([1.0, 1.0, 1.0, 2.0], [1.0, 1.0, 1.0, 6.0], bins=2)
    assert result is not None
    assert [one.items for one in result.bins] == [2, 2]
    assert result.calibration_error_deg == 1  # 0 in the first two, |3.5 - 1.5| in the last two


def test_pitch_bins_have_signs() -> None:
    bins = {(low, high): int(m.sum()) for low, high, m in metrics.angle_bins([-180, -40, -1, 0, 10, np.nan])}
    assert bins == {(-180, -60): 1, (-60, -40): 1, (-20, 0): 2, (0, 20): 1}


def test_calibration_without_spreads_is_unknown() -> None:
    assert metrics.calibration([np.nan, np.nan], [1.0, 2.0]) is None


@given(st.lists(st.floats(-180, 180), min_size=1, max_size=30))
def test_every_yaw_is_in_exactly_one_bin(yaw: list[float]) -> None:
    members = [m for _, _, m in metrics.yaw_bins(yaw)]
    assert np.sum(members, axis=0).tolist() == [1] * len(yaw)


def test_yaw_bins_hold_their_upper_edge() -> None:
    bins = {(low, high): int(m.sum()) for low, high, m in metrics.yaw_bins([0, -29.9, 30, -60, 90, 180])}
    assert bins == {(0, 30): 3, (30, 60): 1, (60, 90): 1, (90, 180): 1}
