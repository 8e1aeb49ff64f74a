"""What follows progress: learning rate and input size."""

from __future__ import annotations

import pytest

pytest.importorskip("pydantic")

from headwise.errors import SettingsError
from headwise.training.schedule import CURVES, input_size_px, learning_rate
from headwise.training.settings import RunSettings, checked


def settings(**optim: object) -> RunSettings:
    table = {"name": "x", "task": {"name": "pose"}, "optim": {"lr": 1.0, "warmup_share": 0.2} | optim}
    return checked(RunSettings, table)


@pytest.mark.parametrize(
    "curve, middle, end", [("cosine", 0.5, 0), ("linear", 0.5, 0), ("step", 0.1, 0.01), ("constant", 1, 1)]
)
def test_the_rate_warms_up_and_follows_its_curve(curve: str, middle: float, end: float) -> None:
    wanted = settings(curve=curve, steps=(0.4, 0.9))
    assert learning_rate(0, wanted) == pytest.approx(0.04)
    assert learning_rate(0.1, wanted) == pytest.approx(0.52)
    assert learning_rate(0.2, wanted) == pytest.approx(1)
    assert learning_rate(0.6, wanted) == pytest.approx(middle)
    assert learning_rate(1, wanted) == pytest.approx(end, abs=1e-12)


def test_every_curve_can_be_set() -> None:
    assert set(CURVES) == {"cosine", "linear", "step", "constant"}
    with pytest.raises(SettingsError, match=r"optim\.curve"):
        settings(curve="sine")


def test_a_stage_begins_when_the_one_before_has_had_its_share() -> None:
    schedule = settings().schedule
    assert [input_size_px(p, schedule) for p in (0, 0.49, 0.5, 1)] == [80, 80, 112, 112]


def test_a_deterministic_run_has_no_deadline() -> None:
    table = {"name": "x", "task": {}, "deterministic": True, "schedule": {"max_minutes": 5}}
    with pytest.raises(SettingsError, match="max_minutes must be 0, got 5"):
        checked(RunSettings, table)
