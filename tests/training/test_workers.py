"""Workers of the loader: a signal for the whole program ends none of them, so that the step can finish."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")
pytest.importorskip("lightning_fabric")

from headwise.training.loop import loader  # noqa: E402


class SlowData:
    """Samples that a worker is still busy with when the signal comes."""

    def __len__(self) -> int:
        return 20

    def refresh(self, shards: tuple[str, ...] | None = None) -> tuple[str, ...]:
        return shards or ()

    def order(self, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(20)

    def sample(self, index: int, size_px: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        del index, rng
        time.sleep(0.05)
        return {"picture": np.zeros((size_px, size_px, 3), np.uint8)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_do_not_end_a_worker(number: int) -> None:
    batches = iter(loader(SlowData(), 0, [[(i, i, 8)] for i in range(20)], workers=1))
    seen = [int(next(batches)["index"])]
    os.kill(batches._workers[0].pid, number)
    seen += [int(batch["index"]) for batch in batches]
    assert seen == list(range(20))
