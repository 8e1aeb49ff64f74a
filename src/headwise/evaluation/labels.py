"""Reads labels.csv of a benchmark folder. A row that is not understood stops the run: no label is skipped."""

import csv
import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from headwise.errors import InputError

LABELS_FILE = "labels.csv"

Row = dict[str, str]


def read_labels(folder: Path, required: Sequence[str]) -> list[Row]:
    """Rows of folder/labels.csv, all with the `required` columns. Raises InputError with the cause."""
    path = folder / LABELS_FILE
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns = list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot read the list of labels ({error}); the protocol needs this file"
        ) from error
    missing = [name for name in required if name not in columns]
    if missing:
        raise InputError(
            f"{path}: column{'s' * (len(missing) > 1)} {', '.join(missing)} missing; "
            f"found {', '.join(columns) or 'none'}; needed {', '.join(required)}"
        )
    if not rows:
        raise InputError(f"{path}: no items below the header line; one line per labelled face is needed")
    for line, row in enumerate(rows, start=2):
        if not row["file"]:
            raise InputError(f"{path}: line {line} names no file")
    return rows


def number(folder: Path, line: int, row: Row, column: str, *, empty_is_nan: bool = False) -> float:
    """One finite number of a row; an empty cell may be NaN. Raises InputError naming the line."""
    text = (row[column] or "").strip()
    if not text and empty_is_nan:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{folder / LABELS_FILE}: line {line}: {column} needs a finite number, got {text!r}")
    return value


def list_sha256(files: Iterable[str]) -> str:
    """SHA-256 of the scored file names in order, each ended by a newline: two runs scored the same list."""
    return hashlib.sha256("".join(f"{name}\n" for name in files).encode()).hexdigest()


def labels_sha256(folder: Path) -> str:
    """SHA-256 of labels.csv as `sha256sum` prints it: two runs scored against the same labels."""
    return hashlib.sha256((folder / LABELS_FILE).read_bytes()).hexdigest()
