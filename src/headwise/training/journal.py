"""What a run writes down for people: its settings, log.csv, pictures, lines of the log, TensorBoard."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise import plugins

TABLE = "log.csv"
SETTINGS = "settings.json"
TENSORBOARD = "tensorboard"  # folder of its event files
BATCH_TILES = 64  # pictures of the first batch that are shown

log = logging.getLogger(__name__)


class Journal:
    """Writes into the folder of a run; MissingExtra if TensorBoard is wanted and not installed."""

    def __init__(self, folder: Path, *, tensorboard: bool) -> None:
        self.folder = folder
        self._board: Any = None
        if tensorboard:
            module = plugins.import_optional("tensorboardX")
            self._board = module.SummaryWriter(str(folder / TENSORBOARD))

    def settings(self, settings: Mapping[str, Any], parameters: int) -> None:
        """The run's settings as resolved, and the size of its network: settings.json."""
        facts = {"settings": settings, "parameters": parameters}
        (self.folder / SETTINGS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    def line(self, text: str, samples: int, losses: Mapping[str, float]) -> None:
        """One line of the log, and its losses."""
        log.info("%s", text)
        self._scalars("loss", losses, samples)

    def row(self, row: Mapping[str, Any]) -> None:
        """One validation: a line of log.csv. Needs `samples`."""
        append_row(self.folder / TABLE, row)
        log.info(
            "%s", ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
        )
        self._scalars("validation", row, row["samples"])

    def pictures(self, name: str, tiles: Sequence[NDArray[np.uint8]], samples: int) -> None:
        """Equal RGB tiles as NAME.png."""
        picture = sheet(tiles)
        cv2.imwrite(str(self.folder / f"{name}.png"), picture[..., ::-1])
        if self._board is not None:
            self._board.add_image(name, picture, samples, dataformats="HWC")
            self._board.flush()

    def _scalars(self, group: str, values: Mapping[str, Any], samples: int) -> None:
        if self._board is None:
            return
        for name, value in values.items():
            if isinstance(value, (int, float)) and name != "samples":
                self._board.add_scalar(f"{group}/{name}", value, samples)
        self._board.flush()

    def close(self) -> None:
        """After the last word."""
        if self._board is not None:
            self._board.close()


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """One more line of a CSV file; the first one brings the header, later ones keep to it."""
    new = not path.exists()
    names = list(row) if new else header(path)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names, extrasaction="ignore")
        if new:
            writer.writeheader()
        writer.writerow(row)


def header(path: Path) -> list[str]:
    """Names of the columns of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def sheet(tiles: Sequence[NDArray[np.uint8]], columns: int = 8) -> NDArray[np.uint8]:
    """Equal RGB tiles side by side in one picture."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    picture = np.zeros((rows * height, columns * width, 3), np.uint8)
    for i, tile in enumerate(tiles):
        y, x = i // columns * height, i % columns * width
        picture[y : y + height, x : x + width] = tile
    return picture
