import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.boxes import Box, iou_matrix, non_maximum_suppression
from headwise.errors import BoxError

numbers = st.floats(-1000, 1000)
sizes = st.floats(0.5, 500)
boxes = st.builds(lambda x, y, w, h: Box.from_center((x, y), w, h), numbers, numbers, sizes, sizes)


def test_measures():
    box = Box(10, 20, 40, 100)
    assert (box.width, box.height, box.area, box.side) == (30, 80, 2400, 80)
    assert box.center == (25, 60)
    assert tuple(box) == (10, 20, 40, 100)


def test_scaling_and_shifting():
    box = Box(10, 20, 40, 100)
    assert box.scaled(2) == Box(-5, -20, 55, 140)
    assert box.shifted(3, -4) == Box(13, 16, 43, 96)


def test_from_points_takes_two_columns_of_any_number():
    assert Box.from_points([(3, 4, 99), (1, 8, -99)]) == Box(1, 4, 3, 8)


def test_numpy_numbers_become_floats():
    assert all(type(value) is float for value in Box(*np.arange(4, dtype=np.float32)))


@pytest.mark.parametrize(
    "numbers, message",
    [
        ((10, 0, 5, 5), "right > left, got left=10 right=5"),
        ((0, 5, 5, 5), "bottom > top, got top=5 bottom=5"),
        ((0, 0, float("nan"), 5), "finite"),
        ((0, 0, float("inf"), 5), "finite"),
    ],
)
def test_what_is_no_box_is_refused(numbers, message):
    with pytest.raises(BoxError, match=message):
        Box(*numbers)


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.zeros(4), [(1, 1)]])
def test_points_without_extent_are_no_box(points):
    with pytest.raises(BoxError):
        Box.from_points(points)


@given(boxes, boxes)
def test_iou_laws(a, b):
    assert a.iou(a) == pytest.approx(1)
    assert a.iou(b) == pytest.approx(b.iou(a))
    assert 0 <= a.iou(b) <= 1 + 1e-9
    assert a.shifted(5, 7).iou(b.shifted(5, 7)) == pytest.approx(a.iou(b), abs=1e-6)


def test_iou_by_hand():
    assert Box(0, 0, 2, 2).iou(Box(1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert Box(0, 0, 2, 2).iou(Box(2, 0, 4, 2)) == 0
    assert iou_matrix(np.zeros((0, 4)), [(0, 0, 1, 1)]).shape == (0, 1)
    assert iou_matrix([(1, 1, 1, 1)], [(1, 1, 1, 1)]) == 0


def test_suppression_keeps_the_best_of_each_heap():
    heap = [(0, 0, 10, 10), (1, 0, 11, 10), (30, 30, 40, 40), (0, 1, 10, 11), (30, 30, 40, 41)]
    kept = non_maximum_suppression(heap, [0.5, 0.9, 0.3, 0.8, 0.7], iou_threshold=0.5)
    assert kept.tolist() == [1, 4]
    assert non_maximum_suppression(np.zeros((0, 4)), [], 0.5).tolist() == []


@given(st.lists(boxes, max_size=12), st.randoms())
def test_suppression_leaves_no_two_alike_and_drops_nothing_else(some, random):
    array = np.array([tuple(box) for box in some]).reshape(-1, 4)
    scores = [random.random() for _ in some]
    kept = non_maximum_suppression(array, scores, 0.4)
    overlaps = iou_matrix(array[kept], array[kept]) - np.eye(len(kept))
    assert (overlaps <= 0.4 + 1e-9).all()
    for dropped in set(range(len(some))) - set(kept.tolist()):
        better = [k for k in kept if scores[k] >= scores[dropped]]
        assert iou_matrix(array[[dropped]], array[better]).max() > 0.4
