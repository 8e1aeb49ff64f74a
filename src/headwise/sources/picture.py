"""One picture file: one frame without a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from headwise.pictures import MAX_PIXELS, read_picture
from headwise.sources import Frame


@dataclass(frozen=True)
class PictureSource:
    """See `headwise.pictures` for what is decoded and how."""

    name: str
    max_pixels: int
    is_stream: bool = False
    frame_count: int | None = 1
    fps: float | None = None

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(read_picture(self.name, max_pixels=self.max_pixels), index=0, time_s=None)

    def close(self) -> None:
        """Nothing stays open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def create(path: str, max_pixels: int = MAX_PIXELS) -> PictureSource:
    """path: as the user wrote it. Opened when iterated; raises InputError then."""
    return PictureSource(path, max_pixels)
