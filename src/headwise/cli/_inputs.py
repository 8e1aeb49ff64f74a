"""What commands that take inputs one after the other share: each input fails alone, files stay valid."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

from headwise.cli import EXIT_NOTHING_DONE
from headwise.cli._stderr import complain
from headwise.errors import HeadwiseError, OutputError
from headwise.native_noise import native_noise_silenced
from headwise.sinks import Sink

if TYPE_CHECKING:
    from headwise.camera import Camera
    from headwise.cli._progress import Progress
    from headwise.fitting.heads import PosePipeline
    from headwise.results import FrameResult
    from headwise.sources import Frame, Source

STOPS = (signal.SIGINT, signal.SIGTERM)


class SourceSink(Sink, Protocol):
    """A sink with a file or more for each source."""

    def start(self, source: Source) -> None:
        """Called before the first frame of each source, once its facts are known. Raises OutputError."""
        ...


def run_through(
    sources: Iterable[Source],
    pipeline: PosePipeline,
    camera: Camera | None,
    table: Sink,
    per_source: Sequence[SourceSink],
) -> None:
    """All sources, with a progress bar and a summary. Exits with code 2 where nothing could be done."""
    from headwise.cli._progress import show_progress

    with native_noise_silenced(), show_progress() as progress:
        run = Run(pipeline, camera, table, per_source, progress)
        try:
            for source in sources:
                run.take(source)
        finally:
            run.close()
            run.summarize()
    if not run.has_written:
        raise typer.Exit(EXIT_NOTHING_DONE)


class Run:
    """Takes sources one after the other; what fails is one line, and the rest goes on.

    table: one sink for all sources. per_source: sinks with files of their own for each.
    """

    def __init__(
        self,
        pipeline: PosePipeline,
        camera: Camera | None,
        table: Sink,
        per_source: Sequence[SourceSink],
        progress: Progress,
    ) -> None:
        self._pipeline = pipeline
        self._camera = camera
        self._table = table
        self._per_source = tuple(per_source)
        self._progress = progress
        self._started = time.perf_counter()
        self._inputs = self._failed = self._frames = self._heads = 0
        self.has_written = False

    def take(self, source: Source) -> None:
        self._inputs += 1
        sinks: list[Sink] | None = None
        try:
            with source:
                for frame, result in self._results(source):
                    sinks = self._started_sinks(source) if sinks is None else sinks
                    self._write(sinks, source, frame, result)
                    self._frames += 1
                    self._heads += len(result.faces)
        except HeadwiseError as error:
            self._failed += 1
            report(error, source.name)
        for sink in self._per_source:
            _close(sink)

    def close(self) -> None:
        for sink in (self._table, *self._per_source):
            _close(sink)

    def summarize(self) -> None:
        seconds = time.perf_counter() - self._started
        failed = f", {self._failed} failed" if self._failed else ""
        print(
            f"{counted(self._inputs, 'input')}{failed}: {counted(self._frames, 'frame')}, "
            f"{counted(self._heads, 'head')} in {seconds:.1f} s ({self._frames / seconds:.1f} frames/s)",
            file=sys.stderr,
        )

    def _results(self, source: Source) -> Iterator[tuple[Frame, FrameResult]]:
        """A stream is tracked; pictures know nothing of each other."""
        stream = self._pipeline.stream(self._camera) if source.is_stream else None
        for frame in self._progress.frames(source):
            if stream is None or frame.time_s is None:
                yield frame, self._pipeline(frame.image, self._camera)
            else:
                yield frame, stream(frame.image, frame.time_s)

    def _started_sinks(self, source: Source) -> list[Sink]:
        """Those that take this source; called when its first frame is there, so that its facts are known."""
        sinks: list[Sink] = [self._table]
        for sink in self._per_source:
            try:
                sink.start(source)
                sinks.append(sink)
            except OutputError as error:
                report(error, source.name)
        return sinks

    def _write(self, sinks: list[Sink], source: Source, frame: Frame, result: FrameResult) -> None:
        """A sink that fails leaves the list: it gets no more of this source, the next one may do better."""
        for sink in tuple(sinks):
            try:
                with interrupts_held():
                    sink.write(source.name, frame.index, result, image=frame.image)
                self.has_written = True
            except OutputError as error:
                sinks.remove(sink)
                report(error, source.name)


def _close(sink: Sink) -> None:
    try:
        with interrupts_held():
            sink.close()
    except OutputError as error:
        report(error)


def report(error: HeadwiseError, name: str = "") -> None:
    """One line on standard error that names the file."""
    complain(error if name in str(error) else f"{name}: {error}")


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C and kill wait for the end of the block: a half-written row or packet would spoil a file."""
    came: list[int] = []
    heeded = [
        number for number in STOPS if signal.getsignal(number) is not signal.SIG_IGN
    ]  # ignored by nohup
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
