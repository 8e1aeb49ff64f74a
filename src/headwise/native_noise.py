"""Native libraries write remarks past Python: how to be rid of them for a while."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD_ERROR = 2  # the file descriptor


@contextmanager
def native_noise_silenced() -> Iterator[None]:
    """libpng, libjpeg, TVM and others write remarks without a file's name straight to the file descriptor.

    Inside the block these are dropped; what Python writes arrives as ever, through a second descriptor.
    """
    if not _is_standard_error(sys.stderr):
        yield  # somebody has put another stream there, or there is none
        return
    before = sys.stderr
    before.flush()
    kept = os.dup(STANDARD_ERROR)
    sys.stderr = open(  # noqa: SIM115 - closed below
        kept, "w", encoding=before.encoding, errors=before.errors, buffering=1, closefd=False
    )
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STANDARD_ERROR)
    os.close(nowhere)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, STANDARD_ERROR)
        os.close(kept)
        sys.stderr = before


def _is_standard_error(stream: object) -> bool:
    try:
        return stream.fileno() == STANDARD_ERROR  # type: ignore[attr-defined, no-any-return]
    except (AttributeError, OSError, ValueError):  # none, in memory, closed
        return False
