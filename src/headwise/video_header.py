"""How long a video file says it is: what tells a file that was cut off from one that ends here.

FFmpeg reads to the end of what is there and reports no loss; MP4, Matroska and AVI state their sizes.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def is_cut_off(path: str | Path) -> bool:
    """Whether the file ends before the place that its header states. False if the header states none."""
    with Path(path).open("rb") as file:
        start = file.read(12)
        if start[:4] == b"RIFF":
            (size,) = struct.unpack("<I", start[4:8])
            end = size + 8
        elif start[:4] == _EBML:
            end = _matroska_end(file)
        elif is_mp4(start):
            end = _mp4_end(file)
        else:
            end = 0
        file_end = file.seek(0, 2)
    return bool(end > file_end)


def is_mp4(start: bytes) -> bool:
    """Whether a file that begins with these bytes is of the MP4 and QuickTime family."""
    return start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def _mp4_end(file: BinaryIO) -> int:
    """ISO 14496-12 4.2: boxes one after the other, each with its size; 0 means to the end of the file."""
    place = 0
    while True:
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            return place
        (size,) = struct.unpack(">I", head[:4])
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack(">Q", head[8:])
        if size < 8:
            return 0
        place += size


def _matroska_end(file: BinaryIO) -> int:
    """RFC 8794: the EBML header, then the segment; each is an identifier, a size and so many bytes."""
    file.seek(4)
    size = _ebml_size(file)
    if size is None:
        return 0
    file.seek(size, 1)
    if file.read(4) != _SEGMENT:
        return 0
    size = _ebml_size(file)
    return 0 if size is None else file.tell() + size


def _ebml_size(file: BinaryIO) -> int | None:
    """A number of 1 to 8 bytes whose leading zero bits tell its length; None for all ones: unknown."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(more), "big") & ((1 << 7 * (more + 1)) - 1)
    return None if value == (1 << 7 * (more + 1)) - 1 else value
