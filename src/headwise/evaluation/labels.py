"""Fingerprints of lists: two reports with the same ones scored the same items against the same labels."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from headwise.annotations.labels_csv import LABELS_FILE


def list_sha256(files: Iterable[str]) -> str:
    """SHA-256 of the scored file names in order, each ended by a newline: two runs scored the same list."""
    return hashlib.sha256("".join(f"{name}\n" for name in files).encode()).hexdigest()


def labels_sha256(folder: Path) -> str:
    """SHA-256 of labels.csv as `sha256sum` prints it: two runs scored against the same labels."""
    return hashlib.sha256((folder / LABELS_FILE).read_bytes()).hexdigest()
