"""The bench measures with the clock it is given, on material that holds what it says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from headwise.errors import InputError
from headwise.evaluation import bench


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
