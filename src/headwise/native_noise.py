"""Native libraries write remarks past Python: how to be rid of them for a while."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

STANDARD_ERROR = 2  # the file descriptor


@contextmanager
def native_noise_silenced() -> Iterator[None]:
    """libpng, libjpeg, TVM and others write remarks without a file's name straight to the file descriptor.

    Inside the block these are dropped, those of all threads; what Python writes arrives as ever, through a
    second descriptor. Nothing is changed where `sys.stderr` is another stream.
    """
    before = sys.stderr
    if not _is_standard_error(before):
        yield
        return
    before.flush()
    second = os.fdopen(
        os.dup(STANDARD_ERROR), "w", encoding=before.encoding, errors=before.errors, buffering=1
    )
    with second, Path(os.devnull).open("wb") as nowhere:
        sys.stderr = second
        os.dup2(nowhere.fileno(), STANDARD_ERROR)
        try:
            yield
        finally:
            second.flush()
            os.dup2(second.fileno(), STANDARD_ERROR)
            sys.stderr = before


def _is_standard_error(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.fileno() == STANDARD_ERROR
    except (AttributeError, OSError, ValueError):  # in memory, closed
        return False
