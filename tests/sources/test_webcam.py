from itertools import count
from typing import Any

import numpy as np
import pytest

from headwise.errors import InputError
from headwise.sources import webcam


class FakeCamera:
    """Gives blue frames, as cv2 does in BGR, then stops."""

    def __init__(self, frames: int, opens: bool = True) -> None:
        self.left, self.opens, self.released, self.number = frames, opens, 0, -1

    def __call__(self, number: int) -> "FakeCamera":
        self.number = number
        return self

    def isOpened(self) -> bool:  # noqa: N802 - cv2's name
        return self.opens

    def set(self, *_: Any) -> bool:
        return True

    def get(self, _: int) -> float:
        return 30.0

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((4, 5, 3), (255, 0, 0), np.uint8)

    def release(self) -> None:
        self.released += 1


def clock(step_s: float) -> Any:
    ticks = count()
    return lambda: 100.0 + next(ticks) * step_s


def test_frames_are_rgb_with_the_time_since_the_first() -> None:
    camera = FakeCamera(3)
    source = webcam.create("2", open_capture=camera, clock=clock(0.5))
    frames: list[Any] = []
    with pytest.raises(InputError, match="camera 2 stopped after 3 frames"):
        _collect(source, frames)
    assert camera.number == 2
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.time_s for f in frames] == pytest.approx([0, 0.5, 1.0])
    assert frames[0].image[0, 0].tolist() == [0, 0, 255]
    assert source.fps == 30
    assert camera.released == 1


def _collect(source: webcam.WebcamSource, into: list[Any]) -> None:
    """Keeps what came before the error, unlike `list`."""
    for frame in source:
        into.append(frame)


def test_max_fps_leaves_frames_out_but_takes_them_from_the_camera() -> None:
    source = webcam.create("0", max_fps=5, open_capture=FakeCamera(10), clock=clock(0.1))
    frames: list[Any] = []
    with pytest.raises(InputError):
        _collect(source, frames)
    assert [f.index for f in frames] == [0, 2, 4, 6, 8]


def test_no_such_camera() -> None:
    camera = FakeCamera(0, opens=False)
    with pytest.raises(InputError, match="no camera 7 can be opened"):
        list(webcam.create("7", open_capture=camera))
    assert camera.released == 1


def test_closing_ends_the_stream() -> None:
    camera = FakeCamera(1000)
    with webcam.create("0", open_capture=camera, clock=clock(0.1)) as source:
        for frame in source:
            if frame.index == 4:
                source.close()
    assert frame.index == 4
    assert camera.released == 1
