"""A camera of this machine by its number, through OpenCV.

`time_s` is when a frame was read, counted from the first one. Frames that `max_fps` leaves out are taken from
the camera all the same: its queue must not fill with old pictures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import cv2

from headwise.errors import InputError
from headwise.pictures import quiet_cv2
from headwise.sources import Frame
from headwise.thinning import Thinning

QUEUE_FRAMES = 1  # the newest picture is wanted, not a complete film


class WebcamSource:
    """See the module; built by `create`. Ends with an InputError when the camera stops, or when closed."""

    is_stream = True
    frame_count = None

    def __init__(
        self, name: str, max_fps: float | None, open_capture: Callable[[int], Any], clock: Callable[[], float]
    ) -> None:
        self.name = name
        self.fps: float | None = None
        self._max_fps = max_fps
        self._open_capture = open_capture
        self._clock = clock
        self._capture: Any = None

    def __iter__(self) -> Iterator[Frame]:
        self._open()
        thinning = Thinning(self._max_fps)
        index, start_s = 0, None
        try:
            while self._capture is not None:
                if not self._capture.grab():
                    raise InputError(f"{self.name}: camera {self.name} stopped after {index} frames")
                now_s = self._clock()
                start_s = now_s if start_s is None else start_s
                if thinning.keeps(now_s - start_s):
                    came, bgr = self._capture.retrieve()
                    if not came:
                        raise InputError(f"{self.name}: camera {self.name} stopped after {index} frames")
                    yield Frame(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), index, now_s - start_s)
                index += 1
        finally:
            self.close()

    def _open(self) -> None:
        with quiet_cv2():
            capture = self._open_capture(int(self.name))
        if not capture.isOpened():
            capture.release()
            raise InputError(
                f"{self.name}: no camera {self.name} can be opened; cameras are counted from 0, and another "
                "program may be using it"
            )
        capture.set(cv2.CAP_PROP_BUFFERSIZE, QUEUE_FRAMES)
        self.fps = capture.get(cv2.CAP_PROP_FPS) or None
        self._capture = capture

    def close(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create(
    number: str,
    max_fps: float | None = None,
    open_capture: Callable[[int], Any] = cv2.VideoCapture,
    clock: Callable[[], float] = time.monotonic,
) -> WebcamSource:
    """number: of the camera, from 0. Opened when iterated; raises InputError then."""
    return WebcamSource(number, max_fps, open_capture, clock)
