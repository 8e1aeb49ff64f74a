"""Where frames come from: one file, one kind of source. `open_sources` finds those for what a user typed.

A source is opened when it is iterated, so listing ten thousand pictures costs nothing, and it fails with an
InputError of its own, so that one bad input never costs the others:

    for source in open_sources(["holiday/", "clip.mp4", "0"]):
        try:
            for frame in source:
                ...
        except InputError as error:
            failures.append(error)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from glob import has_magic, iglob
from itertools import chain
from pathlib import Path
from typing import Protocol, Self, TextIO

import numpy as np
from numpy.typing import NDArray

from headwise import plugins
from headwise.errors import InputError
from headwise.picture_header import SNIFF_BYTES, is_video, picture_kind
from headwise.pictures import cause

STANDARD_INPUT = "-"


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture to look at.

    image: (H, W, 3) RGB, upright. index: its number in the source, from 0; thinning leaves numbers out.
    time_s: since the start of the stream; None for a picture.
    """

    image: NDArray[np.uint8]
    index: int
    time_s: float | None


class Source(Protocol):
    """Frames in order of time. Iterate once; `close` (or leave the `with` block) whenever you like."""

    @property
    def name(self) -> str:
        """As the user wrote it; for a folder or pattern joined with the rest of the path."""
        ...

    @property
    def is_stream(self) -> bool:
        """Whether one frame follows another in time, so that tracking makes sense."""
        ...

    @property
    def frame_count(self) -> int | None:
        """How many frames the file says it holds, before any thinning. None: not known, or not opened yet."""
        ...

    @property
    def fps(self) -> float | None:
        """Frames per second on average, before thinning. None: a picture, not known, or not opened yet."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Raises InputError, possibly after some frames came."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


@dataclass(frozen=True)
class Unreadable:
    """A source that could not even be looked for: iterating it raises why."""

    name: str
    error: InputError
    is_stream: bool = False
    frame_count: int | None = None
    fps: float | None = None

    def __iter__(self) -> Iterator[Frame]:
        raise self.error

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def open_sources(
    inputs: Sequence[str], stdin: TextIO | None = None, max_fps: float | None = None
) -> Iterator[Source]:
    """One source for every picture, video and camera that the inputs name, in their order.

    inputs: files, folders (with their subfolders, sorted, without hidden files), patterns (`a/**/*.jpg`),
    camera numbers (an existing file or folder of that name goes first), or `-` for a list of any of these on
    `stdin`, one a line. max_fps: leave out frames of streams so that no more than these come a second.

    Never raises for a bad input: its source does when iterated.
    """
    for text in inputs:
        if text == STANDARD_INPUT:
            for line in _lines(stdin):
                yield from _find(line, max_fps) if isinstance(line, str) else (line,)
        else:
            yield from _find(text, max_fps)


def _lines(stdin: TextIO | None) -> Iterator[str | Unreadable]:
    if stdin is None:
        yield _unreadable(STANDARD_INPUT, "no standard input here to read a list of inputs from")
        return
    stripped = (line.rstrip("\r\n") for line in stdin)
    yield from (line for line in stripped if line.strip() and line != STANDARD_INPUT)


def _find(text: str, max_fps: float | None) -> Iterator[Source]:
    try:
        path = Path(text)
        if text and path.is_dir():
            yield from _sources_of_folder(text, max_fps)
        elif text and path.exists():
            yield _source_of_file(text, max_fps)
        elif text.isascii() and text.isdecimal():
            yield plugins.load("sources", "webcam", number=text, max_fps=max_fps)
        elif has_magic(text):
            yield from _sources_of_pattern(text, max_fps)
        else:
            yield _unreadable(text, _why_missing(text))
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        yield _unreadable(text, cause(error) if isinstance(error, OSError) else str(error))


def _sources_of_folder(folder: str, max_fps: float | None) -> Iterator[Source]:
    """Pictures and videos by content, and damaged ones by their endings; other files are not meant."""
    found = (one for one in _walk(Path(folder)) if isinstance(one, Unreadable) or _is_meant(one))
    first = next(found, None)
    if first is None:
        yield _unreadable(folder, "no pictures or videos in this folder or below it")
        return
    for one in chain([first], found):
        yield one if isinstance(one, Unreadable) else _source_of_file(str(one), max_fps)


def _walk(folder: Path) -> Iterator[Path | Unreadable]:
    """Files below a folder, sorted, its own before those of subfolders; no hidden ones, no linked folders.

    A folder that cannot be listed costs only what is in it.
    """
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        files = [entry for entry in entries if entry.is_file()]
        folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
    except OSError as error:
        yield _unreadable(str(folder), cause(error))
        return
    yield from files
    for entry in folders:
        yield from _walk(entry)


def _sources_of_pattern(pattern: str, max_fps: float | None) -> Iterator[Source]:
    files = [file for file in sorted(iglob(pattern, recursive=True)) if Path(file).is_file()]  # noqa: PTH207 - keeps ./
    if not files:
        yield _unreadable(pattern, "no file matches this pattern")
    for file in files:
        yield _source_of_file(file, max_fps)


_ENDINGS = (
    ".jpg .jpeg .jpe .png .webp .tif .tiff .bmp .gif .avif .heic .heif .jp2 .ppm .pgm .pbm .jxl "
    ".mp4 .mov .m4v .mkv .webm .avi .wmv .flv .mpg .mpeg .ts .mts .m2ts .3gp .ogv"
)
MEDIA_ENDINGS = frozenset(_ENDINGS.split())
"""Of the files that are meant in a folder even when their content is damaged."""


def _is_meant(file: Path) -> bool:
    if file.suffix.lower() in MEDIA_ENDINGS:
        return True
    start = _start(file)
    return picture_kind(start) not in (None, "pdf", "svg") or is_video(start)


def _start(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(SNIFF_BYTES)
    except OSError:
        return b""  # whoever opens the file for its content reports why it cannot be read


def _source_of_file(name: str, max_fps: float | None) -> Source:
    """By content, never by ending: what does not begin like a picture is FFmpeg's to judge."""
    start = _start(Path(name))
    if not start or picture_kind(start):
        source: Source = plugins.load("sources", "picture", path=name)
    else:
        source = plugins.load("sources", "video", path=name, max_fps=max_fps)
    return source


def _why_missing(text: str) -> str:
    if not text:
        return "an empty name"
    if "://" in text:
        return "addresses are not read; download it first"
    path = Path(text)
    if not path.parent.is_dir():
        return f"no such file, and no folder {path.parent}"
    names = [entry.name for entry in path.parent.iterdir()]
    nearest = get_close_matches(path.name, names, n=1)
    return "no such file or folder" + (f"; did you mean {path.parent / nearest[0]}?" if nearest else "")


def _unreadable(name: str, why: str) -> Unreadable:
    return Unreadable(name, InputError(f"{name or repr(name)}: {why}"))
