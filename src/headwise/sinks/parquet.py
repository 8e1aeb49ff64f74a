"""Apache Parquet with the columns of the table; the Euler order is in the file's metadata (`headwise.order`).

The file grows under a name of its own (`<name>.part`) and takes its place when closed: Parquet is readable
only once its footer is written.
"""

from __future__ import annotations

from errno import EISDIR
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headwise.conventions import EulerOrder
from headwise.results import FrameResult
from headwise.sinks import COLUMNS, Cell, rows, writing

ROWS_PER_GROUP = 20_000  # some megabytes: large enough to compress and scan well, small enough to hold

_ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}


class ParquetSink:
    """See the module; built by `create`."""

    def __init__(self, path: str | Path, order: EulerOrder) -> None:
        self._path = Path(path)
        self._part = self._path.with_name(self._path.name + ".part")
        self._order = order
        self._rows: list[dict[str, Cell]] = []
        fields = [pa.field(name, _ARROW_TYPES[kind]) for name, kind in COLUMNS.items()]
        self._schema = pa.schema(fields, metadata={"headwise.order": order.value})
        with writing(path):
            if self._path.is_dir():
                raise IsADirectoryError(EISDIR, "is a directory")
            self._writer: pq.ParquetWriter | None = pq.ParquetWriter(str(self._part), self._schema)

    def write(
        self,
        source_name: str,
        frame_index: int,
        result: FrameResult,
        image: NDArray[np.uint8] | None = None,  # noqa: ARG002 - a table draws nothing
    ) -> None:
        unicode_name = source_name.encode("utf-8", "replace").decode("utf-8")  # Arrow takes nothing else
        self._rows.extend(rows(unicode_name, frame_index, result, self._order))
        if len(self._rows) >= ROWS_PER_GROUP:
            self._store()

    def _store(self) -> None:
        full, self._rows = self._rows, []
        if full and self._writer is not None:
            with writing(self._path):
                self._writer.write_table(pa.Table.from_pylist(full, schema=self._schema))

    def close(self) -> None:
        if self._writer is None:
            return
        self._store()
        writer, self._writer = self._writer, None
        with writing(self._path):
            writer.close()
            self._part.replace(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create(path: str | Path, order: EulerOrder = EulerOrder.AZIMUTH) -> ParquetSink:
    """Opens the file at once; raises OutputError if that fails."""
    return ParquetSink(path, order)
