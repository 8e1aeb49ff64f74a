"""Progress bars on standard error where that is a terminal; otherwise nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import rich.progress

    from headwise.sources import Frame, Source


class Progress(Protocol):
    """Passes the frames of a source through."""

    def frames(self, source: Source) -> Iterable[Frame]: ...


@contextmanager
def show_progress() -> Iterator[Progress]:
    """The bar is there as long as the block runs."""
    if not sys.stderr.isatty():
        yield _Silence()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    with RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.0f} frames/s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # a table on the same terminal goes above the bar
    ) as bar:
        yield _Bar(bar)


@contextmanager
def count_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Of so many things; call what you get with how many were done since."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with RichProgress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


class _Silence:
    def frames(self, source: Source) -> Iterable[Frame]:
        return source


class _Bar:
    """One line for the stream at hand; pictures, however many, share one."""

    def __init__(self, bar: rich.progress.Progress) -> None:
        self._bar = bar
        self._pictures = bar.add_task("pictures", total=None, fps=0.0, visible=False)
        self._picture_count = 0
        self._started = time.perf_counter()

    def frames(self, source: Source) -> Iterator[Frame]:
        if source.is_stream:
            return self._stream(source)
        return self._picture(source)

    def _stream(self, source: Source) -> Iterator[Frame]:
        task = self._bar.add_task(source.name, total=source.frame_count, fps=0.0)
        started = time.perf_counter()
        try:
            for count, frame in enumerate(source, start=1):
                yield frame
                fps = count / (time.perf_counter() - started)
                total = source.frame_count
                self._bar.update(task, completed=frame.index + 1, total=total, fps=fps)
        finally:
            self._bar.remove_task(task)

    def _picture(self, source: Source) -> Iterator[Frame]:
        for frame in source:
            yield frame
            self._picture_count += 1
            fps = self._picture_count / (time.perf_counter() - self._started)
            self._bar.update(self._pictures, completed=self._picture_count, fps=fps, visible=True)
