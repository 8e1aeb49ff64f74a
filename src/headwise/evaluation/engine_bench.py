"""How fast each engine runs each model file here: engine x file x batch x threads.

Every combination is measured in a process of its own, so that its memory is its own and no engine's threads
disturb the next. Inputs are random bytes: time does not depend on what is seen. What comes before a network
(the crop) and after it is in `headwise.evaluation.bench`.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product as every
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from headwise import plugins, weights
from headwise.errors import HeadwiseError, ModelError
from headwise.evaluation.bench import cpu_name
from headwise.evaluation.outcome import Json
from headwise.model_card import read_card

BATCHES = (1, 8, 32)
SIDE_PX = {"pose": 112, "detector": 640}
WARM_UP_CALLS = 5
FEWEST_CALLS = 10
SECONDS = 1.5
"""Each combination is called for so long, and not less often than FEWEST_CALLS."""
DETECTOR_HEIGHT_PX = 480


@dataclass(frozen=True)
class Case:
    """What to measure: a model by name or path in a runtime, or any ONNX file as it is (`card` False)."""

    model: str
    runtime: str
    batch: int
    threads: int
    card: bool = True


@dataclass(frozen=True)
class Speed:
    """Median and 95th percentile of one call in milliseconds; inputs a second; peak memory of the process."""

    median_ms: float
    p95_ms: float
    per_s: float
    memory_mb: float


def run(
    models: Sequence[str],
    runtimes: Sequence[str],
    *,
    peers: Sequence[Path] = (),
    batches: Sequence[int] | None = None,
    seconds: float | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Json:
    """`cpu` and `rows`: of each case its speed, or under `failed` why there is none.

    peers: ONNX files of others, without a card, by ONNX Runtime alone. Raises ModelError for a wrong name.
    """
    everything = os.cpu_count() or 1
    threads = (1,) if everything == 1 else (1, everything)
    cases = [
        Case(model, runtime, batch, count)
        for model, runtime, batch, count in every(models, runtimes, batches or BATCHES, threads)
        if batch == 1 or weights.kind_of(model) == "pose"  # the detector takes one picture
    ]
    cases += [Case(str(peer), "onnxruntime", 1, count, card=False) for peer in peers for count in threads]
    rows = []
    for case in cases:
        rows.append(_row(case, in_own_process(case, seconds or SECONDS)))
        progress(1)
    return {"cpu": cpu_name(), "cores": everything, "rows": rows}


def count_cases(models: Sequence[str], runtimes: Sequence[str], peers: Sequence[Path], batches: int) -> int:
    """How often `run` calls `progress`."""
    sides = 1 if (os.cpu_count() or 1) == 1 else 2
    of_models = sum(batches if weights.kind_of(model) == "pose" else 1 for model in models)
    return sides * (of_models * len(runtimes) + len(peers))


def _row(case: Case, found: Speed | str) -> Json:
    path = weights.find(case.model) if case.card else Path(case.model)
    precision = read_card(path).settings.get("format") if case.card else None
    facts: Json = asdict(case) | {"model": path.name, "bytes": path.stat().st_size, "precision": precision}
    del facts["card"]
    return facts | ({"failed": found} if isinstance(found, str) else asdict(found))


def in_own_process(case: Case, seconds: float) -> Speed | str:
    """Its speed, or one line that says why it cannot be measured."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(case, seconds, theirs))
    process.start()
    theirs.close()
    try:
        found: Speed | str = mine.recv()
    except EOFError:
        process.join()
        return f"the process ended with code {process.exitcode}"
    process.join()
    return found


def _answer(case: Case, seconds: float, told: Connection) -> None:
    try:
        told.send(measured(case, seconds))
    except HeadwiseError as wrong:
        told.send(str(wrong))
    finally:
        told.close()


def measured(case: Case, seconds: float, clock: Callable[[], float] = time.perf_counter) -> Speed:
    """In this process. Raises what the runtime raises."""
    call = _network(case) if case.card else _foreign(case)
    for _ in range(WARM_UP_CALLS):
        call()
    times_s: list[float] = []
    began_s = clock()
    while len(times_s) < FEWEST_CALLS or clock() - began_s < seconds:
        before_s = clock()
        call()
        times_s.append(clock() - before_s)
    median_s, p95_s = np.percentile(times_s, (50, 95)).tolist()
    return Speed(1e3 * median_s, 1e3 * p95_s, case.batch / median_s, peak_memory_mb())


def peak_memory_mb() -> float:
    """Of this process, everything in it counted."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _network(case: Case) -> Callable[[], object]:
    model = plugins.load("runtimes", case.runtime, model=weights.find(case.model), threads=case.threads)
    rng = np.random.default_rng(0)
    if model.card.kind == "detector":
        picture = rng.integers(0, 256, (1, DETECTOR_HEIGHT_PX, SIDE_PX["detector"], 3), np.uint8)
        return lambda: model(image=picture)
    if model.card.crop is None:
        raise ModelError(f"the card of {model.card.name} names no crop")
    side = model.card.crop.size_px
    crops = rng.integers(0, 256, (case.batch, side, side, 3), np.uint8)
    return lambda: model(crops=crops)


def _foreign(case: Case) -> Callable[[], object]:
    """Somebody else's ONNX file: zeros of the sizes it names; a free size is 1, of a picture 480 x 640."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(case.model, options, providers=["CPUExecutionProvider"])
    kinds: dict[str, Any] = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
    free = (1, 3, DETECTOR_HEIGHT_PX, SIDE_PX["detector"])
    feed = {}
    for given in session.get_inputs():
        sizes = [size if isinstance(size, int) else free[place] for place, size in enumerate(given.shape)]
        feed[given.name] = np.zeros(sizes, kinds.get(given.type, np.float32))
    return lambda: session.run(None, feed)
