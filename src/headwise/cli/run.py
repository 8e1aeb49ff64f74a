"""``headwise run``: pictures, videos and cameras in, tables and overlays out."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwise.cli import EXIT_NOTHING_DONE
from headwise.cli._stderr import complain, native_noise_silenced
from headwise.conventions import DEFAULT_FOV_DEG, EulerOrder
from headwise.errors import HeadwiseError, OutputError, SettingsError

if TYPE_CHECKING:
    from headwise.camera import Camera
    from headwise.cli._progress import Progress
    from headwise.overlays import Overlays
    from headwise.pipeline import Pipeline
    from headwise.results import FrameResult
    from headwise.sinks import Sink
    from headwise.sources import Frame, Source

STOPS = (signal.SIGINT, signal.SIGTERM)


def command(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Pictures, folders, patterns, videos, a camera's number, or - for a list on standard input.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Table: .csv, .jsonl or .parquet. Without it, on the terminal.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Pictures or video with the poses drawn in: a file or a folder.")
    ] = None,
    order: Annotated[EulerOrder, typer.Option(help="How the angles combine.")] = EulerOrder.AZIMUTH,
    fov: Annotated[
        float | None,
        typer.Option(
            metavar="DEG", help=f"Field of view of the longer side, degrees (default: {DEFAULT_FOV_DEG:g})"
        ),
    ] = None,
    intrinsics: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Camera: JSON or OpenCV's YAML/XML, instead of --fov.")
    ] = None,
    max_fps: Annotated[
        float | None, typer.Option(help="Leave out frames of videos beyond so many a second.")
    ] = None,
    model: Annotated[str, typer.Option(help="Pose model: a name in the package or an ONNX file.")] = "pose",
    detector: Annotated[str, typer.Option(help="Detector: its name or an ONNX file.")] = "headwise",
    threshold: Annotated[
        float | None, typer.Option(help="Smallest score of a head, 0 to 1 (default: the detector's)")
    ] = None,
    threads: Annotated[int, typer.Option(help="Cores that a network may use, 0: all.")] = 1,
    smooth: Annotated[bool, typer.Option(help="Smooth the poses of videos and cameras.")] = True,
) -> None:
    """The pose of every head in pictures, videos and cameras."""
    from headwise import pipeline as pipelines
    from headwise.camera import Camera
    from headwise.cli._progress import show_progress
    from headwise.overlays import Overlays
    from headwise.sinks import open_table
    from headwise.sources import open_sources
    from headwise.thinning import Thinning

    if fov is not None and intrinsics is not None:
        raise SettingsError("--fov and --intrinsics both describe the camera; give one of them")
    Thinning(max_fps)  # a wrong rate is told before any work
    camera = None if intrinsics is None else Camera.from_file(intrinsics)
    options: dict[str, Any] = {} if threshold is None else {"threshold": threshold}
    pipeline = pipelines.open(
        model=model,
        detector=detector,
        threads=threads,
        fov_deg=DEFAULT_FOV_DEG if fov is None else fov,
        smooth=smooth,
        **options,
    )
    sources = open_sources(inputs, stdin=sys.stdin, max_fps=max_fps)
    overlays = None
    if overlay is not None:
        beginning = list(islice(sources, 2))
        sources = chain(beginning, sources)
        overlays = Overlays(overlay, several=len(beginning) > 1, inputs=inputs, order=order)
    with native_noise_silenced(), show_progress() as progress:
        run = _Run(pipeline, camera, open_table(out, order), overlays, progress)
        try:
            for source in sources:
                run.take(source)
        finally:
            run.close()
            run.summarize()
    if not run.has_written:
        raise typer.Exit(EXIT_NOTHING_DONE)


class _Run:
    """Takes sources one after the other; what fails is one line, and the rest goes on."""

    def __init__(
        self,
        pipeline: Pipeline,
        camera: Camera | None,
        table: Sink,
        overlays: Overlays | None,
        progress: Progress,
    ) -> None:
        self._pipeline = pipeline
        self._camera = camera
        self._overlays = overlays
        self._sinks: list[Sink] = [table] if overlays is None else [table, overlays]
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
            _report(error, source.name)
        if self._overlays is not None:
            _close(self._overlays)

    def close(self) -> None:
        for sink in self._sinks:
            _close(sink)

    def summarize(self) -> None:
        seconds = time.perf_counter() - self._started
        failed = f", {self._failed} failed" if self._failed else ""
        print(
            f"{_counted(self._inputs, 'input')}{failed}: {_counted(self._frames, 'frame')}, "
            f"{_counted(self._heads, 'head')} in {seconds:.1f} s ({self._frames / seconds:.1f} frames/s)",
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
        if self._overlays is None:
            return list(self._sinks)
        try:
            self._overlays.start(source)
        except OutputError as error:
            _report(error, source.name)
            return [sink for sink in self._sinks if sink is not self._overlays]
        return list(self._sinks)

    def _write(self, sinks: list[Sink], source: Source, frame: Frame, result: FrameResult) -> None:
        """A sink that fails leaves the list: it gets no more of this source, the next one may do better."""
        for sink in tuple(sinks):
            try:
                with _interrupts_held():
                    sink.write(source.name, frame.index, result, image=frame.image)
                self.has_written = True
            except OutputError as error:
                sinks.remove(sink)
                _report(error, source.name)


def _close(sink: Sink) -> None:
    try:
        with _interrupts_held():
            sink.close()
    except OutputError as error:
        _report(error)


def _report(error: HeadwiseError, name: str = "") -> None:
    """One line on standard error that names the file."""
    complain(error if name in str(error) else f"{name}: {error}")


@contextmanager
def _interrupts_held() -> Iterator[None]:
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


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
