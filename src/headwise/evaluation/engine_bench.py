"""How fast each engine runs each model file here: engine x file x batch x threads.

Every combination has a process of its own, so that its memory is its own and no engine's threads disturb the
next. Those of one batch and thread count take short turns, round after round: a machine that slows down for a
minute slows all of them. Inputs are random bytes: time does not depend on what is seen. What comes before a
network (the crop) and after it is in `headwise.evaluation.bench`.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
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
TURNS = 10
SECONDS = 1.5
"""Each combination is called for so long in all its turns, and at least once in each."""
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
    """Of one call in milliseconds the median, and the 5th and 95th percentile: a shared machine undisturbed
    and at its worst. Inputs a second, by the median; peak memory of the process.
    """

    median_ms: float
    p5_ms: float
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
    found: dict[Case, Speed | str] = {}
    for size in dict.fromkeys((case.batch, case.threads) for case in cases):
        group = [case for case in cases if (case.batch, case.threads) == size]
        found |= dict(zip(group, measured_in_turns(group, seconds or SECONDS, progress), strict=True))
    return {"cpu": cpu_name(), "cores": everything, "rows": [_row(case, found[case]) for case in cases]}


def count_turns(models: Sequence[str], runtimes: Sequence[str], peers: Sequence[Path], batches: int) -> int:
    """How often `run` calls `progress`."""
    sides = 1 if (os.cpu_count() or 1) == 1 else 2
    of_models = sum(batches if weights.kind_of(model) == "pose" else 1 for model in models)
    return TURNS * sides * (of_models * len(runtimes) + len(peers))


def _row(case: Case, found: Speed | str) -> Json:
    path = weights.find(case.model) if case.card else Path(case.model)
    precision = read_card(path).settings.get("format") if case.card else None
    facts: Json = asdict(case) | {"model": path.name, "bytes": path.stat().st_size, "precision": precision}
    del facts["card"]
    return facts | ({"failed": found} if isinstance(found, str) else asdict(found))


def measured_in_turns(
    cases: Sequence[Case], seconds: float, progress: Callable[[int], None] = lambda _: None
) -> list[Speed | str]:
    """The speed of each, or one line that says why it cannot be measured. `progress` once a turn."""
    workers: list[_Worker] = []
    try:
        workers += (_Worker(case) for case in cases)
        for _ in range(TURNS):
            for worker in workers:
                worker.take_turn(seconds / TURNS)
                progress(1)
        return [worker.finished() for worker in workers]
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """A process that has loaded one case and calls it when it is its turn."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._times_s: list[float] = []
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(case, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._failed: str | None = None
        self._answer()  # it is loaded: the next may load

    def take_turn(self, seconds: float) -> None:
        if self._failed is None:
            self._times_s += self._asked(seconds) or []

    def finished(self) -> Speed | str:
        """Its speed, or why there is none."""
        if self._failed is None:
            memory_mb = self._asked(None)
        if self._failed is not None:
            return self._failed
        median_ms, p5_ms, p95_ms = (1e3 * np.percentile(self._times_s, (50, 5, 95))).tolist()
        return Speed(median_ms, p5_ms, p95_ms, 1e3 * self._case.batch / median_ms, memory_mb)

    def stop(self) -> None:
        self._line.close()
        self._process.terminate()
        self._process.join()

    def _asked(self, seconds: float | None) -> Any:
        with suppress(ConnectionError):  # it is no more; its answer says so
            self._line.send(seconds)
        return self._answer()

    def _answer(self) -> Any:
        """What the process says; a line of text is why it cannot go on."""
        try:
            answer = self._line.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            answer = f"the process ended with code {self._process.exitcode}"
        if isinstance(answer, str):
            self._failed = answer
            return None
        return answer


def _work(case: Case, line: Connection) -> None:
    """The other end of a worker: durations of the calls in so many seconds, peak memory for None."""
    try:
        call = _network(case) if case.card else _foreign(case)
        for _ in range(WARM_UP_CALLS):
            call()
        line.send(True)
        while (seconds := line.recv()) is not None:
            line.send(durations_s(call, seconds))
        line.send(peak_memory_mb())
    except HeadwiseError as wrong:
        line.send(str(wrong))
    except (EOFError, KeyboardInterrupt):  # the bench was stopped
        return


def durations_s(
    call: Callable[[], object], seconds: float, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Of the calls that fit into so many seconds, at least one; another call before them is not counted."""
    call()
    times_s: list[float] = []
    began_s = clock()
    while not times_s or clock() - began_s < seconds:
        before_s = clock()
        call()
        times_s.append(clock() - before_s)
    return times_s


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
