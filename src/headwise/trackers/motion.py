"""Matches boxes to heads that keep moving as they moved: overlap and distance, greedily, best pair first.

A head that is not seen moves on at its last velocity, which fades, and is forgotten after ``memory_s``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from headwise.boxes import Box
from headwise.errors import SettingsError

VELOCITY_MEMORY_S = 0.15  # time constant with which new measurements replace the old velocity
COASTING_S = 0.3  # time constant with which the velocity of an unseen head fades
LARGEST_GROWTH = 2.0  # a head does not become this many times larger or smaller between two looks
REACH = 0.8  # farthest a head may be from its prediction, in box sides...
REACH_PER_S = 1.0  # ...and how much farther for every second that it was not seen
UNSEEN_PENALTY = 0.3  # of likeness: a head seen a frame ago has the older right to a box than a hidden one


@dataclass
class _Head:
    key: int
    box: Box
    seen_s: float
    hits: int
    velocity_x: float = 0.0  # of the box's centre, pixels a second
    velocity_y: float = 0.0
    track: int | None = None

    def predicted(self, time_s: float) -> Box:
        travel_s = COASTING_S * -math.expm1(-(time_s - self.seen_s) / COASTING_S)
        return self.box.shifted(self.velocity_x * travel_s, self.velocity_y * travel_s)

    def see(self, box: Box, time_s: float) -> None:
        elapsed_s = time_s - self.seen_s
        if elapsed_s > 0:
            trust = -math.expm1(-elapsed_s / VELOCITY_MEMORY_S)
            (old_x, old_y), (new_x, new_y) = self.box.center, box.center
            self.velocity_x += trust * ((new_x - old_x) / elapsed_s - self.velocity_x)
            self.velocity_y += trust * ((new_y - old_y) / elapsed_s - self.velocity_y)
        self.box, self.seen_s, self.hits = box, time_s, self.hits + 1


class MotionTracker:
    """See the module; built by ``create``. Implements ``headwise.trackers.Tracker``."""

    def __init__(self, *, memory_s: float, confirm_hits: int, confirm_score: float) -> None:
        self._memory_s = memory_s
        self._confirm_hits = confirm_hits
        self._confirm_score = confirm_score
        self._heads: dict[int, _Head] = {}
        self._updated_s = -math.inf
        self._keys = 0
        self._tracks = 0

    def predict(self, time_s: float) -> Mapping[int, Box]:
        self._forget(time_s)
        return {head.key: head.predicted(time_s) for head in self._heads.values()}

    def update(self, boxes: Sequence[Box], scores: Sequence[float], time_s: float) -> tuple[int, ...]:
        self._forget(time_s)
        matched = self._match(boxes, time_s)
        keys = []
        for i, (box, score) in enumerate(zip(boxes, scores, strict=True)):
            head = matched.get(i)
            if head is None:
                head = self._new(box, time_s)
            else:
                head.see(box, time_s)
            self._confirm(head, score)
            keys.append(head.key)
        self._updated_s = time_s
        return tuple(keys)

    def track(self, key: int) -> int | None:
        return self._heads[key].track

    def _match(self, boxes: Sequence[Box], time_s: float) -> dict[int, _Head]:
        matched: dict[int, _Head] = {}
        taken: set[int] = set()
        for _, i, head in sorted(self._pairs(boxes, time_s), key=lambda pair: -pair[0]):
            if i not in matched and head.key not in taken:
                matched[i] = head
                taken.add(head.key)
        return matched

    def _pairs(self, boxes: Sequence[Box], time_s: float) -> Iterator[tuple[float, int, _Head]]:
        """(likeness, box, head) where the box may be the head: how well it fits the prediction."""
        found = [(i, box, *box.center, box.side) for i, box in enumerate(boxes)]
        for head in self._heads.values():
            expected = head.predicted(time_s)
            (expected_x, expected_y), expected_side = expected.center, expected.side
            reach = REACH + REACH_PER_S * max(0.0, time_s - head.seen_s)
            farthest_px = reach * LARGEST_GROWTH * expected_side
            penalty = UNSEEN_PENALTY if head.seen_s < self._updated_s else 0.0
            for i, box, x, y, side in found:
                if abs(x - expected_x) > farthest_px or abs(y - expected_y) > farthest_px:
                    continue  # most pairs of a crowd end here
                larger, smaller = max(side, expected_side), min(side, expected_side)
                distance = math.hypot(x - expected_x, y - expected_y) / larger
                if distance <= reach and larger <= LARGEST_GROWTH * smaller:
                    yield box.iou(expected) - distance - penalty, i, head

    def _new(self, box: Box, time_s: float) -> _Head:
        self._keys += 1
        head = _Head(key=self._keys, box=box, seen_s=time_s, hits=1)
        self._heads[head.key] = head
        return head

    def _confirm(self, head: _Head, score: float) -> None:
        if head.track is None and (head.hits >= self._confirm_hits or score >= self._confirm_score):
            self._tracks += 1
            head.track = self._tracks

    def _forget(self, time_s: float) -> None:
        gone = [key for key, head in self._heads.items() if time_s - head.seen_s > self._memory_s]
        for key in gone:
            del self._heads[key]


def create(*, memory_s: float = 1.0, confirm_hits: int = 3, confirm_score: float = 0.8) -> MotionTracker:
    """``memory_s``: how long an unseen head is remembered.

    A head gets its id after ``confirm_hits`` sightings, or at the first with a score of ``confirm_score``.
    """
    if memory_s < 0 or confirm_hits < 1:
        raise SettingsError(
            f"a tracker needs memory_s >= 0 and confirm_hits >= 1, got {memory_s:g} and {confirm_hits}"
        )
    return MotionTracker(memory_s=memory_s, confirm_hits=confirm_hits, confirm_score=confirm_score)
