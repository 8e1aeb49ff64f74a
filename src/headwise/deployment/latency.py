"""How long a model file takes, on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.deployment.export import open_session

WARM_UP_CALLS = 5
CALLS = 30


def median_ms(
    path: Path, images: NDArray[np.uint8], calls: int = CALLS, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Median of `calls` runs on the same input (n, H, W, 3) uint8."""
    session = open_session(str(path))
    feed = {session.get_inputs()[0].name: images}
    for _ in range(WARM_UP_CALLS):
        session.run(None, feed)
    times_s = []
    for _ in range(calls):
        began_s = clock()
        session.run(None, feed)
        times_s.append(clock() - began_s)
    return 1000 * statistics.median(times_s)
