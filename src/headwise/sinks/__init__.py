"""Where results go: one file, one kind of output. `open_table` chooses by the ending of a path.

A sink opens its file when it is created, so that an output that cannot be written is known before any work,
and leaves a valid file behind whenever it is closed, also after an interrupt between two writes. An existing
file is replaced. `rows` says what the columns hold; a frame without a face has no rows (but a JSON line).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from headwise import plugins
from headwise.conventions import EulerOrder
from headwise.errors import OutputError
from headwise.pictures import cause
from headwise.results import Face, FrameResult

COLUMNS: dict[str, type[str] | type[int] | type[float]] = {
    "source": str,
    "frame": int,
    "time_s": float,
    "face": int,
    "track": int,
    "score": float,
    "left": float,
    "top": float,
    "right": float,
    "bottom": float,
    "yaw_deg": float,
    "pitch_deg": float,
    "roll_deg": float,
    "spread_deg": float,
    "qw": float,
    "qx": float,
    "qy": float,
    "qz": float,
    "x_m": float,
    "y_m": float,
    "z_m": float,
}
"""Name and type of every column of a table of faces, in order. `face` counts the faces of a frame from 0."""

Cell = str | int | float | None

SINK_OF_ENDING = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}


class Sink(Protocol):
    """Takes the results of frames one by one. `close` may be called more than once."""

    def write(
        self,
        source_name: str,
        frame_index: int,
        result: FrameResult,
        image: NDArray[np.uint8] | None = None,
    ) -> None:
        """image: (H, W, 3) RGB, for sinks that draw on it. Raises OutputError when it cannot be stored."""
        ...

    def close(self) -> None:
        """Complete the file. Raises OutputError when that fails."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_table(path: str | Path | None, order: EulerOrder = EulerOrder.AZIMUTH) -> Sink:
    """The table sink for .csv, .jsonl or .parquet; None writes a readable table to the terminal.

    Raises OutputError for another ending and for a path that cannot be written.
    """
    if path is None:
        table: Sink = plugins.load("sinks", "table", order=order)
        return table
    ending = Path(path).suffix.lower()
    if ending not in SINK_OF_ENDING:
        raise OutputError(
            f"{path}: results are written as {', '.join(SINK_OF_ENDING)}, not as {ending or 'this'!r}"
        )
    sink: Sink = plugins.load("sinks", SINK_OF_ENDING[ending], path=path, order=order)
    return sink


def rows(
    source_name: str, frame_index: int, result: FrameResult, order: EulerOrder
) -> Iterator[dict[str, Cell]]:
    """One row for each face, keys as in COLUMNS; None where something is not known."""
    for number, face in enumerate(result.faces):
        yield {
            "source": source_name,
            "frame": frame_index,
            "time_s": result.time_s,
            "face": number,
            "track": face.track,
            "score": float(face.score),
            "left": face.box.left,
            "top": face.box.top,
            "right": face.box.right,
            "bottom": face.box.bottom,
            **_pose_cells(face, order),
        }


def _pose_cells(face: Face, order: EulerOrder) -> dict[str, Cell]:
    names = tuple(COLUMNS)[10:]
    pose = face.pose
    if pose is None:
        return dict.fromkeys(names)
    angles = (float(angle) for angle in pose.rotation.euler(order))
    quaternion = pose.rotation.quaternion.tolist()
    position = (None, None, None) if pose.position_m is None else np.asarray(pose.position_m).tolist()
    spread = None if pose.spread_deg is None else float(pose.spread_deg)
    return dict(zip(names, (*angles, spread, *quaternion, *position), strict=True))


class LineFile:
    """A UTF-8 file that grows by whole lines: nothing waits in a buffer, interrupts fall between lines.

    File names that are no UTF-8 go out as the bytes they were. Raises OutputError.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        with writing(path):
            self._file = Path(path).open("wb", buffering=0)  # noqa: SIM115 - `close` closes it

    def append(self, lines: str) -> None:
        rest = lines.encode("utf-8", "surrogateescape")
        try:
            with writing(self._path):
                while rest:
                    rest = rest[self._file.write(rest) :]
        except OutputError:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turns a failure of the system into an OutputError with the file's name and the cause."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {cause(error)}{_hint(Path(path), error)}") from error


def _hint(path: Path, error: OSError) -> str:
    missing = isinstance(error, FileNotFoundError) and not path.parent.is_dir()
    return f"; there is no folder {path.parent}" if missing else ""
