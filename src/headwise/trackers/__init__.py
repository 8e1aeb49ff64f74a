"""Trackers: one file, one way to keep identities over a stream. Each has ``create(...) -> Tracker``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from headwise.boxes import Box


class Tracker(Protocol):
    """Gives the heads of one stream ids that stay.

    Time is an argument, in seconds, and never runs backwards.
    """

    def predict(self, time_s: float) -> Mapping[int, Box]:
        """Key of every remembered head -> where it should be at that time. Keys are the tracker's own."""
        ...

    def update(self, boxes: Sequence[Box], scores: Sequence[float], time_s: float) -> tuple[int, ...]:
        """The key of each box of this frame, in order: a remembered head that moved there, or a new one."""
        ...

    def track(self, key: int) -> int | None:
        """The id users see, 1, 2, 3...: None until the head is confirmed, never given to another head."""
        ...
