"""Which overlay goes where: one file for one input, a folder with a file for each of several."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headwise import plugins
from headwise.conventions import EulerOrder
from headwise.drawing import Drawing, draw
from headwise.errors import OutputError
from headwise.results import FrameResult
from headwise.sinks import Sink, writing
from headwise.sources import MEDIA_ENDINGS, Source

FILE_ENDINGS = (".png", ".mp4")


class FreeNames:
    """Names of files in one folder that stay distinct: `a.png`, `b_a.png` for b/a.jpg, then `b_a-2.png`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, source_name: str, ending: str) -> str:
        """The first that is free for this source."""
        file = Path(source_name)
        long = f"{file.parent.name}_{file.stem}" if file.parent.name else file.stem
        names = chain([file.stem, long], (f"{long}-{number}" for number in count(2)))
        name = next(name + ending for name in names if name + ending not in self._taken)
        self._taken.add(name)
        return name


class Overlays:
    """A sink for many sources: call `start` before the first frame of each.

    path: a .png or .mp4 file for a single source; else a folder, made if missing, in which names stay
    distinct (`a.png`, then `b_a.png` for b/a.jpg, then `b_a-2.png`). Existing files are replaced, but no
    input and nothing beside one: `inputs` are the inputs as the user named them. `drawn`: what is drawn into
    each frame. Raises OutputError at once for what cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        several: bool = False,
        inputs: Sequence[str] = (),
        order: EulerOrder = EulerOrder.AZIMUTH,
        drawn: Drawing = draw,
    ) -> None:
        self._drawn = drawn
        self._path = Path(path)
        self._inputs = inputs
        self._order = order
        self._sink: Sink | None = None
        self._names = FreeNames()
        self._is_file = self._path.suffix.lower() in FILE_ENDINGS and not self._path.is_dir()
        if self._is_file and several:
            raise OutputError(f"{path}: several inputs need a folder for their overlays, not one file")
        if self._path.suffix.lower() in MEDIA_ENDINGS and not (self._is_file or self._path.is_dir()):
            raise OutputError(
                f"{path}: overlays are written as {' and '.join(FILE_ENDINGS)}, or into a folder"
            )
        with writing(self._path):
            folder = self._path.parent if self._is_file else self._path
            if not self._is_file:
                folder.mkdir(parents=True, exist_ok=True)
            if not folder.is_dir():
                raise FileNotFoundError(2, "no such folder")
            if not os.access(folder, os.W_OK):
                raise PermissionError(13, "permission denied")

    def start(self, source: Source) -> None:
        """Complete the last overlay and open the one of this source. Raises OutputError."""
        self.close()
        ending = ".mp4" if source.is_stream else ".png"
        path = self._path if self._is_file else self._path / self._names.take(source.name, ending)
        self._spare_inputs(path, Path(source.name))
        if source.is_stream:
            self._sink = plugins.load(
                "sinks",
                "overlay_video",
                path=path,
                order=self._order,
                sound_from=source.name if Path(source.name).is_file() else None,
                fps=source.fps,
                drawn=self._drawn,
            )
        else:
            self._sink = plugins.load(
                "sinks", "overlay_picture", path=path, order=self._order, drawn=self._drawn
            )

    def _spare_inputs(self, path: Path, input_path: Path) -> None:
        """Files that lie beside an input may be inputs too: only one that the user named is replaced."""
        if not (path.exists() and input_path.is_file()):
            return
        if path.samefile(input_path):
            raise OutputError(f"{path}: the overlay would replace its own input; give another name")
        if not self._is_file and (self._path.samefile(input_path.parent) or self._holds_inputs()):
            raise OutputError(
                f"{path}: exists, and overlays replace nothing beside their inputs; move it away"
            )

    def _holds_inputs(self) -> bool:
        """Whether the overlays' folder is, or lies in, a place that the user named as input."""
        folder = self._path.resolve()
        for name in self._inputs:
            place = Path(name).resolve()
            if folder == place.parent or folder == place or place in folder.parents:
                return True
        return False

    def write(
        self,
        source_name: str,
        frame_index: int,
        result: FrameResult,
        image: NDArray[np.uint8] | None = None,
    ) -> None:
        if self._sink is None:
            raise OutputError(f"{self._path}: no overlay was started for {source_name}")
        self._sink.write(source_name, frame_index, result, image)

    def close(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
