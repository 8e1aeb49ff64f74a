"""Ids stay with heads: while they cross, pause, vanish for a moment; and are never given twice."""

import numpy as np
import pytest

from headwise import plugins
from headwise.boxes import Box
from headwise.errors import SettingsError

FRAME_S = 1 / 30


def tracker(**options: float):
    return plugins.load("trackers", "motion", **options)


def ids_of(track, boxes: list[Box], time_s: float, score: float = 0.9) -> list[int | None]:
    keys = track.update(boxes, [score] * len(boxes), time_s)
    return [track.track(key) for key in keys]


def box_at(x: float, y: float, side: float = 40) -> Box:
    return Box.from_center((x, y), side, side)


def test_a_still_head_keeps_its_id_whatever_the_order_of_boxes() -> None:
    track = tracker()
    a, b = box_at(100, 100), box_at(300, 100)
    assert ids_of(track, [a, b], 0.0) == [1, 2]
    assert ids_of(track, [b, a], FRAME_S) == [2, 1]


@pytest.mark.parametrize("height_apart_px", [0, 8])
def test_crossing_heads_keep_their_ids(height_apart_px: float) -> None:
    """They walk through each other at 150 px/s; where they overlap only the one in front is seen."""
    track = tracker()
    rng = np.random.default_rng(1)
    seen: dict[str, set[int | None]] = {"rightward": set(), "leftward": set()}
    for i in range(90):
        time_s = i * FRAME_S
        right, left = box_at(100 + 150 * time_s, 100), box_at(400 - 150 * time_s, 100 + height_apart_px)
        visible = (
            [("rightward", right)] if right.iou(left) > 0.3 else [("rightward", right), ("leftward", left)]
        )
        rng.shuffle(visible)
        boxes = [box.shifted(*rng.normal(0, 1, 2)) for _, box in visible]
        for (name, _), found in zip(visible, ids_of(track, boxes, time_s), strict=True):
            seen[name].add(found)
    assert len(seen["rightward"]) == len(seen["leftward"]) == 1
    assert seen["rightward"] != seen["leftward"]


def test_a_head_that_is_missed_for_half_a_second_comes_back_as_itself() -> None:
    track = tracker()
    for i in range(15):
        ids_of(track, [box_at(100 + 3 * i, 100)], i * FRAME_S)
    assert ids_of(track, [box_at(100 + 3 * 15, 100)], 15 * FRAME_S + 0.5) == [1]


def test_ids_are_never_used_again() -> None:
    track = tracker()
    assert ids_of(track, [box_at(100, 100)], 0.0) == [1]
    assert ids_of(track, [], 0.5) == []
    assert ids_of(track, [box_at(100, 100)], 5.0) == [2]


def test_a_far_away_box_is_another_head() -> None:
    track = tracker()
    ids_of(track, [box_at(100, 100)], 0.0)
    assert ids_of(track, [box_at(180, 100)], FRAME_S) == [2]
    assert ids_of(track, [box_at(100, 100, side=120)], 2 * FRAME_S) == [3]


def test_a_doubtful_head_waits_for_its_id_and_wastes_none() -> None:
    track = tracker(confirm_hits=3, confirm_score=0.8)
    assert ids_of(track, [box_at(100, 100), box_at(300, 300)], 0.0, score=0.5) == [None, None]
    assert ids_of(track, [box_at(300, 300)], FRAME_S, score=0.5) == [None]
    assert ids_of(track, [box_at(300, 300)], 2 * FRAME_S, score=0.5) == [1]
    assert ids_of(track, [box_at(600, 300)], 3 * FRAME_S, score=0.8) == [2]


def test_frame_rate_does_not_matter() -> None:
    for fps in (5, 30, 120):
        track = tracker()
        found = {ids_of(track, [box_at(100 + 100 * i / fps, 100)], i / fps)[0] for i in range(2 * fps)}
        assert found == {1}


def test_the_prediction_moves_on_and_then_rests() -> None:
    track = tracker()
    for i in range(30):
        (key,) = track.update([box_at(100 + 4 * i, 100)], [0.9], i * FRAME_S)
    next_x = track.predict(30 * FRAME_S)[key].center[0]
    assert next_x == pytest.approx(100 + 4 * 30, abs=1.0)
    later = [track.predict(29 * FRAME_S + seconds)[key].center[0] for seconds in (0.5, 0.9, 1.0)]
    assert later == sorted(later)
    assert later[-1] < 216 + 120 * 0.35  # the velocity faded


def test_crowds_have_no_cap() -> None:
    track = tracker()
    crowd = [box_at(50 * i, 50 * j) for i in range(15) for j in range(15)]
    first = ids_of(track, crowd, 0.0)
    assert sorted(first) == list(range(1, 226))
    assert ids_of(track, crowd, FRAME_S) == first


def test_time_that_stands_still_or_jumps_back_is_survived() -> None:
    track = tracker()
    for time_s in (0.0, 0.0, 0.1, 0.05, 0.2):
        assert ids_of(track, [box_at(100, 100)], time_s) == [1]


def test_wrong_options_are_told() -> None:
    with pytest.raises(SettingsError, match="memory_s"):
        tracker(memory_s=-1)
