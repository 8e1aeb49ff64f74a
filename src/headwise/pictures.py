"""Picture files to RGB arrays: the one decoder of the product.

| in the file | in the array |
|---|---|
| EXIF orientation | applied: the array is upright as a viewer shows it |
| gray, palette, CMYK | RGB |
| 16 bits a channel | divided by 257 (the full range maps to the full range; nothing is stretched) |
| alpha, transparent colours | laid over mid gray, on which neither dark nor light hair is lost |
| several frames (GIF, WebP, TIFF) | the first |

A picture that breaks off is an error, never a half-gray array; so is one above `MAX_PIXELS`, which the header
tells before anything is decoded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.errors import InputError
from headwise.picture_header import (
    SNIFF_BYTES,
    UNREADABLE_KINDS,
    DamagedHeader,
    PictureHeader,
    as_stored,
    picture_kind,
    read_header,
)

MAX_PIXELS = 250_000_000
"""Default limit: the largest phone cameras make 200 megapixels; this many take 750 MB as RGB."""

BACKGROUND_GRAY = 128
"""What shows through transparent places."""


def read_picture(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """(H, W, 3) RGB. The file name may hold any character and its ending does not matter.

    Raises InputError with the file's name and the cause.
    """
    return decode_picture(read_bytes(path), str(path), max_pixels=max_pixels)


def read_bytes(path: str | Path) -> bytes:
    """All bytes of a file; InputError with its name and the cause when they cannot be had."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {cause(error)}") from error


def cause(error: OSError) -> str:
    """The system's own words for a failure, in lower case: 'permission denied'."""
    words = error.strerror or (os.strerror(error.errno) if error.errno else str(error))
    return words.lower()


def decode_picture(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """(H, W, 3) RGB from the bytes of a picture file; `name` is what an error calls it.

    Raises InputError for data that is empty, no picture, damaged, cut off or larger than `max_pixels`.
    """
    if not data:
        raise InputError(f"{name}: the file is empty (0 bytes)")
    header = _checked_header(data, name, max_pixels)
    pixels = _decode(data, name, header)
    return np.ascontiguousarray(upright(_rgb(pixels), header.exif_orientation))


def _checked_header(data: bytes, name: str, max_pixels: int) -> PictureHeader:
    kind = picture_kind(data[:SNIFF_BYTES])
    if kind is None:
        raise InputError(f"{name}: not a picture (JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, ...)")
    if kind in UNREADABLE_KINDS:
        raise InputError(f"{name}: {UNREADABLE_KINDS[kind]} pictures are not read; convert it to JPEG or PNG")
    try:
        header = read_header(data)
    except DamagedHeader:
        raise InputError(
            f"{name}: the header of this {kind.upper()} picture is damaged or cut off ({len(data)} bytes)"
        ) from None
    if header.width_px * header.height_px > max_pixels:
        raise InputError(
            f"{name}: {header.width_px} x {header.height_px} pixels are too many to decode, "
            f"at most {max_pixels / 1e6:g} megapixels are; make it smaller"
        )
    if header.is_cut_off:
        raise InputError(
            f"{name}: this {kind.upper()} picture is cut off, its end is missing ({len(data)} bytes)"
        )
    if header.has_floats:
        raise InputError(
            f"{name}: pictures of floating-point numbers are not read; save it with 8 or 16 bits"
        )
    return header


def _decode(data: bytes, name: str, header: PictureHeader) -> NDArray[np.uint8 | np.uint16]:
    """As cv2 gives it: gray, BGR or BGRA, 8 or 16 bits, as stored (not turned upright)."""
    flags = cv2.IMREAD_UNCHANGED if header.has_alpha else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        with quiet_cv2():
            pixels = cv2.imdecode(np.frombuffer(as_stored(data, header), np.uint8), flags)
    except (cv2.error, MemoryError) as error:
        raise InputError(
            f"{name}: this {header.kind.upper()} picture cannot be decoded: {_one_line(error)}"
        ) from error
    if pixels is None:
        raise InputError(f"{name}: this {header.kind.upper()} picture is damaged or cut off")
    return pixels  # type: ignore[return-value]  # cv2's stubs know no dtype


def _rgb(pixels: NDArray[np.uint8 | np.uint16]) -> NDArray[np.uint8]:
    """Gray, BGR or BGRA of 8 or 16 bits to RGB of 8 bits, transparency laid over mid gray."""
    eight = pixels if pixels.dtype == np.uint8 else ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if eight.ndim == 2:
        return cv2.cvtColor(eight, cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]
    if eight.shape[2] == 3:
        return cv2.cvtColor(eight, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
    rgb, alpha = eight[:, :, 2::-1], eight[:, :, 3]
    if alpha.min() == 255:
        return rgb  # type: ignore[return-value]
    weight = alpha[:, :, None].astype(np.float32) / 255
    return np.rint(BACKGROUND_GRAY + (rgb.astype(np.float32) - BACKGROUND_GRAY) * weight).astype(np.uint8)


def upright(image: NDArray[np.uint8], exif_orientation: int) -> NDArray[np.uint8]:
    """Turn and mirror stored rows as EXIF 2.3 tag 0x0112 asks (1: nothing; 6: a quarter turn clockwise)."""
    if exif_orientation >= 5:
        image = image.transpose(1, 0, 2)
    if exif_orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if exif_orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


@contextmanager
def quiet_cv2() -> Iterator[None]:
    """Keep cv2's own lines about what it cannot open off the terminal: our error says it once."""
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
