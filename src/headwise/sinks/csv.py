"""Comma-separated values: a header line, then one line for each face. UTF-8; unknown values are empty.

Pixels have 2 digits behind the point, degrees 3, scores and metres 4, seconds and quaternions 6. A line is
handed to the system as soon as its frame is done, so the file can be followed while it grows.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headwise.conventions import EulerOrder
from headwise.results import FrameResult
from headwise.sinks import COLUMNS, Cell, LineFile, rows

_DIGITS_OF_UNIT = {"s": 6, "deg": 3, "m": 4}
_DIGITS = {"score": 4, "qw": 6, "qx": 6, "qy": 6, "qz": 6, "left": 2, "top": 2, "right": 2, "bottom": 2}


class CsvSink:
    """See the module; built by `create`."""

    def __init__(self, path: str | Path, order: EulerOrder) -> None:
        self._order = order
        self._file = LineFile(path)
        self._append([tuple(COLUMNS)])

    def write(
        self,
        source_name: str,
        frame_index: int,
        result: FrameResult,
        image: NDArray[np.uint8] | None = None,  # noqa: ARG002 - a table draws nothing
    ) -> None:
        lines = [
            tuple(_text(column, cell) for column, cell in row.items())
            for row in rows(source_name, frame_index, result, self._order)
        ]
        if lines:
            self._append(lines)

    def _append(self, lines: list[tuple[str, ...]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        self._file.append(text.getvalue())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create(path: str | Path, order: EulerOrder = EulerOrder.AZIMUTH) -> CsvSink:
    """Opens the file at once; raises OutputError if that fails."""
    return CsvSink(path, order)


def _text(column: str, cell: Cell) -> str:
    if cell is None:
        return ""
    if not isinstance(cell, float):
        return str(cell)
    digits = _DIGITS.get(column) or _DIGITS_OF_UNIT[column.rpartition("_")[2]]
    return f"{cell:.{digits}f}"
