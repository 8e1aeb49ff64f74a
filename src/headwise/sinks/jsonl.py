"""One line of JSON for each frame, with or without faces: the exact `FrameResult` and where it came from.

`FrameResult.from_json` reads a line back: it looks past the fields `source`, `frame` and `order`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headwise.conventions import EulerOrder
from headwise.results import FrameResult
from headwise.sinks import LineFile


class JsonLinesSink:
    """See the module; built by `create`."""

    def __init__(self, path: str | Path, order: EulerOrder) -> None:
        self._order = order
        self._file = LineFile(path)

    def write(
        self,
        source_name: str,
        frame_index: int,
        result: FrameResult,
        image: NDArray[np.uint8] | None = None,  # noqa: ARG002 - a table draws nothing
    ) -> None:
        plain = json.loads(result.to_json())
        for face, plain_face in zip(result.faces, plain["faces"], strict=True):
            if face.pose is not None:
                angles = face.pose.rotation.euler(self._order)._asdict()
                plain_face["pose"].update({name: float(angle) for name, angle in angles.items()})
        line = {"source": source_name, "frame": frame_index, "order": self._order.value, **plain}
        self._file.append(json.dumps(line, allow_nan=False) + "\n")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create(path: str | Path, order: EulerOrder = EulerOrder.AZIMUTH) -> JsonLinesSink:
    """Opens the file at once; raises OutputError if that fails."""
    return JsonLinesSink(path, order)
