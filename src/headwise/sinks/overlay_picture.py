"""One picture with its faces drawn in, as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.conventions import EulerOrder
from headwise.drawing import Drawing, draw
from headwise.errors import OutputError
from headwise.results import FrameResult
from headwise.sinks import writing


class PictureOverlay:
    """See the module; built by `create`. The file appears with the picture: none without."""

    def __init__(self, path: str | Path, order: EulerOrder, drawn: Drawing) -> None:
        self._path = Path(path)
        self._order = order
        self._drawn = drawn

    def write(
        self,
        source_name: str,
        frame_index: int,  # noqa: ARG002 - a picture has one frame
        result: FrameResult,
        image: NDArray[np.uint8] | None = None,
    ) -> None:
        if image is None:
            raise OutputError(f"{self._path}: an overlay of {source_name} needs its image")
        drawn = cv2.cvtColor(self._drawn(image, result, order=self._order), cv2.COLOR_RGB2BGR)
        try:
            encoded = cv2.imencode(".png", drawn, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1]
        except cv2.error as error:
            raise OutputError(
                f"{self._path}: cannot be written: {' '.join(str(error).split())[:200]}"
            ) from error
        with writing(self._path):
            self._path.write_bytes(encoded.tobytes())

    def close(self) -> None:
        """Nothing stays open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def create(path: str | Path, order: EulerOrder = EulerOrder.AZIMUTH, drawn: Drawing = draw) -> PictureOverlay:
    """drawn: what is drawn into the picture.

    Raises OutputError if the path does not end in .png or its folder is missing.
    """
    if Path(path).suffix.lower() != ".png":
        raise OutputError(f"{path}: the overlay of a picture is a PNG file; end the name in .png")
    if not Path(path).parent.is_dir():
        raise OutputError(f"{path}: cannot be written: there is no folder {Path(path).parent}")
    return PictureOverlay(path, order, drawn)
