"""The bench measures with the clock it is given, on material that holds what it says."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headwise.boxes import Box
from headwise.crops import CropRule
from headwise.errors import InputError
from headwise.evaluation import bench
from headwise.sources import Frame


def clock_of_steps(*seconds: float) -> Callable[[], float]:
    """A clock that stands still, except that call after call takes the next of these durations."""
    times = iter(np.cumsum(np.array([[0.0, step] for step in seconds]).ravel()))
    return lambda: float(next(times))


def test_median_ignores_the_slowest_calls() -> None:
    assert bench.median_ms(lambda: None, clock_of_steps(0.002, 0.9, 0.002), calls=3) == pytest.approx(2)


def test_warm_up_calls_are_made_and_not_measured() -> None:
    calls = []
    bench.median_ms(lambda: calls.append(1), clock_of_steps(0.1, 0.1), calls=2)
    assert len(calls) == bench.WARM_UP_CALLS + 2


def test_the_drawn_picture_is_vga_and_the_video_sways_back_to_its_start() -> None:
    image = bench.drawn_picture()
    frames = bench.swaying_frames(image, count=8)
    assert image.shape == (480, 640, 3)
    assert (frames[0].image == image).all()
    assert (frames[4].image == image).all()
    assert (frames[2].image[:, 200:400] == image[:, 160:360]).all()  # 40 px to the right
    assert [frame.time_s for frame in frames[:2]] == [0.0, pytest.approx(1 / 30)]


def test_a_picture_is_no_video(tmp_path: Path) -> None:
    from labelled_folders import write_picture

    write_picture(tmp_path / "a.png", 3)
    with pytest.raises(InputError, match="a video is needed"):
        bench.read_frames(tmp_path / "a.png")


def test_the_cpu_has_a_name() -> None:
    assert bench.cpu_name()


class Step:
    """Takes one of a pipeline's places; each call moves the clock on by so many seconds."""

    name, threshold = "step", 0.5

    def __init__(self, clock: list[float], seconds: float, answer: Any = ()) -> None:
        self.clock, self.seconds, self.answer = clock, seconds, answer

    def __call__(self, *_: Any, **__: Any) -> Any:
        self.clock[0] += self.seconds
        return self.answer

    def coarse(self) -> "Step":
        return Step(self.clock, self.seconds / 4, self.answer)


def test_a_frame_is_held_against_its_looks_and_networks() -> None:
    """Two frames: a close look of 8 ms and a coarse one of 2, each with a millisecond of waste."""
    now = [0.0]
    detector = Step(now, 0.008)

    class Stream:
        detector: Any

        def run(self, *_: Any) -> Any:
            return iter(())

        def stream(self) -> Any:
            looks = iter((self.detector, self.detector.coarse()))

            def take(image: Any, time_s: float) -> Any:
                now[0] += 0.001
                next(looks)(image)
                return SimpleNamespace(faces=[SimpleNamespace(box=Box(10, 10, 40, 40))])

            return take

    stream = Stream()
    stream.detector = detector
    frames = [Frame(np.zeros((60, 60, 3), np.uint8), i, i / 30) for i in range(2)]
    frame_ms, parts_ms = bench._frame_ms(stream, Step(now, 0.003), CropRule(), frames, lambda: now[0])
    assert frame_ms == pytest.approx((9 + 3) / 2)
    assert parts_ms == pytest.approx((8 + 2) / 2 + 3)
    assert stream.detector is detector
