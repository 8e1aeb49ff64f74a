import pytest

from headwise.errors import SettingsError
from headwise.thinning import Thinning


def kept(times: list[float], max_fps: float | None) -> list[int]:
    thinning = Thinning(max_fps)
    return [i for i, time_s in enumerate(times) if thinning.keeps(time_s)]


@pytest.mark.parametrize("fps", [23.976, 25, 29.97, 30, 50, 60])
def test_no_more_than_max_fps_come_and_not_many_fewer(fps: float) -> None:
    times = [round(i / fps, 6) for i in range(int(fps * 10))]
    assert 99 <= len(kept(times, 10)) <= 101


def test_an_exact_divisor_keeps_every_third() -> None:
    assert kept([i / 30 for i in range(12)], 10) == [0, 3, 6, 9]


def test_a_slow_source_keeps_everything() -> None:
    assert kept([i / 5 for i in range(9)], 10) == list(range(9))
    assert kept([0, 0, 0], None) == [0, 1, 2]


def test_variable_rates_are_thinned_by_time() -> None:
    assert kept([0, 0.01, 0.02, 0.5, 0.51, 2.0, 2.3], 4) == [0, 3, 5, 6]


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_wrong_rates(wrong: float) -> None:
    with pytest.raises(SettingsError, match="above 0"):
        Thinning(wrong)
