"""A table for people, on the terminal: a heading for each source, then a line for each face as it is found.

Lines come while a video or camera runs, so columns have fixed widths, 80 letters in all. Frames of streams
without a face are counted and told at the end of their source.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from headwise.conventions import EulerOrder
from headwise.results import Face, FrameResult

WIDE_SPREAD_DEG = 10.0  # angles expected to be off by more are marked

_FACE_HEADING = " face    yaw  pitch   roll  spread  score  left,top width,height  away"
_TIME_HEADING = "  time_s track"


class TableSink:
    """See the module; built by `create`."""

    def __init__(self, order: EulerOrder, console: Console) -> None:
        self._order = order
        self._console = console
        self._source: str | None = None
        self._frames_without_face = 0
        self._is_stream = False

    def write(
        self,
        source_name: str,
        frame_index: int,  # noqa: ARG002 - people read the time
        result: FrameResult,
        image: NDArray[np.uint8] | None = None,  # noqa: ARG002 - a table draws nothing
    ) -> None:
        if source_name != self._source:
            self._finish_source()
            self._start_source(source_name, result)
        self._frames_without_face += not result.faces
        for number, face in enumerate(result.faces):
            self._print(self._line(number, face, result.time_s))

    def _start_source(self, name: str, result: FrameResult) -> None:
        self._source = name
        self._is_stream = result.time_s is not None
        shown = name.encode("utf-8", "replace").decode("utf-8")
        self._print(Text(shown, "bold").append(f"   {result.width_px} x {result.height_px}", "not bold dim"))
        if result.faces or self._is_stream:
            self._print(Text((_TIME_HEADING if self._is_stream else "") + _FACE_HEADING, "dim"))

    def _line(self, number: int, face: Face, time_s: float | None) -> Text:
        line = Text()
        if time_s is not None:
            track = "-" if face.track is None else str(face.track)
            line.append(f"{time_s:>8.2f} {track:>5}", "dim")
        line.append(f"{number:>5}")
        line.append_text(self._pose(face))
        box = face.box
        at = f"{box.left:.0f},{box.top:.0f} {box.width:.0f},{box.height:.0f}"
        line.append(f"  {face.score:>5.2f}  {at:<20}", "dim")
        position = None if face.pose is None else face.pose.position_m
        return line.append("     -" if position is None else f"{np.linalg.norm(position):>5.2f}m", "dim")

    def _pose(self, face: Face) -> Text:
        if face.pose is None:
            return Text(f"{'-':>7}{'-':>7}{'-':>7}{'-':>8}", "dim")
        angles = "".join(f"{float(angle):>+7.1f}" for angle in face.pose.rotation.euler(self._order))
        spread = face.pose.spread_deg
        unsure = spread is not None and spread > WIDE_SPREAD_DEG
        told = "-" if spread is None else f"±{spread:.1f}"
        return Text(angles, "yellow" if unsure else "bold").append(
            f"{told:>8}", "yellow" if unsure else "dim"
        )

    def _finish_source(self) -> None:
        if self._source is not None and self._frames_without_face:
            frames = "1 frame" if self._frames_without_face == 1 else f"{self._frames_without_face} frames"
            told = f"{frames} without a face" if self._is_stream else "no face found"
            self._print(Text(f"  {told}", "yellow"))
        if self._source is not None:
            self._print(Text())
        self._source, self._frames_without_face = None, 0

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)

    def close(self) -> None:
        self._finish_source()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create(order: EulerOrder = EulerOrder.AZIMUTH, console: Console | None = None) -> TableSink:
    """console: where to; standard output by default. Angles are degrees in the given order."""
    return TableSink(order, console or Console())
