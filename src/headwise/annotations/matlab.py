"""MATLAB files (scipy reads them): arrays by name, with one error for whatever may be wrong."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray
from scipy.io.matlab import MatReadError

from headwise.errors import InputError

DAMAGE = (
    MatReadError, ValueError, TypeError, KeyError, IndexError, OSError, EOFError, NotImplementedError,
    OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
"""What scipy may raise on bytes that are no MATLAB file, or part of one."""


def read_mat(content: bytes, name: str) -> dict[str, Any]:
    """The variables of a .mat file of version 7 or before. Raises InputError."""
    if not content:
        raise InputError(f"{name}: the file is empty (0 bytes)")
    try:
        values: dict[str, Any] = scipy.io.loadmat(io.BytesIO(content))
    except DAMAGE as error:
        raise InputError(f"{name}: no MATLAB file, or a damaged one ({_one_line(error)})") from error
    return values


def array(values: dict[str, Any], key: str, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """One variable as finite floats of that shape. Raises InputError naming what is there."""
    if key not in values:
        known = ", ".join(k for k in values if not k.startswith("__"))
        raise InputError(f"{name}: no {key} in it; there are: {known or 'no variables'}")
    try:
        found = np.asarray(values[key], np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {key} holds no numbers") from error
    if found.shape != shape or not np.isfinite(found).all():
        raise InputError(f"{name}: {key} needs {shape} finite numbers, got {found.shape}")
    return found


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
