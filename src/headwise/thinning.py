"""Leaving out frames of a stream so that no more than so many a second remain."""

from __future__ import annotations

from math import floor

from headwise.errors import SettingsError

ROUNDING = 1e-6
"""Of a slot: time stamps are rounded to a clock's ticks and must not fall into the slot before."""


class Thinning:
    """Keeps the first frame in every slot of 1 / max_fps seconds; time stamps decide, at any frame rate.

    The spacing of kept frames follows the source's own: 25 a second thinned to 10 gives steps of 2 and 3.
    """

    def __init__(self, max_fps: float | None) -> None:
        """max_fps None keeps everything. Raises SettingsError unless it is above 0."""
        if max_fps is not None and not max_fps > 0:
            raise SettingsError(f"max_fps must be above 0, got {max_fps:g}")
        self._max_fps = max_fps
        self._slot: int | None = None

    def keeps(self, time_s: float) -> bool:
        """Ask once for each frame, in order. A clock that jumps back starts a new slot."""
        if self._max_fps is None:
            return True
        slot = floor(time_s * self._max_fps + ROUNDING)
        keeps = slot != self._slot
        self._slot = slot
        return keeps
