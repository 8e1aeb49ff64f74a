"""What the first bytes of a picture say about it, read without decoding it.

Only this module knows the layouts of picture files. It answers four questions before any memory is spent:
what is it (by content, never by file name), how large, which way up, is it complete.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

SNIFF_BYTES = 64
"""So many bytes from the start of a file are enough for `picture_kind` and `is_video`."""

UNREADABLE_KINDS = {
    "heic": "HEIC",
    "jxl": "JPEG XL",
    "psd": "Photoshop",
    "exr": "OpenEXR",
    "pdf": "PDF",
    "svg": "SVG",
}
"""Kinds that are recognised only to say by name that they are not read."""


@dataclass(frozen=True)
class PictureHeader:
    """Facts from the header; sizes are those of the stored rows, before the EXIF turn."""

    kind: str
    width_px: int
    height_px: int
    exif_orientation: int = 1
    has_alpha: bool = False
    has_floats: bool = False
    is_cut_off: bool = False


class DamagedHeader(Exception):  # noqa: N818 - not an error of the library: pictures.py translates it
    """The header breaks off or contradicts itself."""


_SIGNATURES: tuple[tuple[str, bytes], ...] = (
    ("jpeg", rb"\xff\xd8\xff"),
    ("png", rb"\x89PNG\r\n\x1a\n"),
    ("gif", rb"GIF8[79]a"),
    ("webp", rb"RIFF....WEBP"),
    ("tiff", rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]"),
    ("bmp", rb"BM.{4}\x00\x00\x00\x00"),
    ("pnm", rb"P[1-7fF][\s#]"),
    ("hdr", rb"#\?(RADIANCE|RGBE)"),
    ("jp2", rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"),
    ("jxl", rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
    ("avif", rb".{4}ftypavi[fs]"),
    ("heic", rb".{4}ftyp(hei[cmsx]|hev[cmx]|mif1|msf1)"),
    ("psd", rb"8BPS"),
    ("exr", rb"\x76\x2f\x31\x01"),
    ("pdf", rb"%PDF-"),
    ("svg", rb"\s*<svg[\s>]"),
)

_VIDEO = re.compile(
    rb".{4}(ftyp|moov|mdat|wide|free|skip)"  # MP4, MOV, 3GP
    rb"|\x1aE\xdf\xa3"  # Matroska, WebM
    rb"|RIFF....AVI "
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11"  # ASF, WMV
    rb"|FLV\x01|OggS"
    rb"|\x00\x00\x01[\xb3\xba]"  # MPEG-1 and -2
    rb"|\x00\x00\x00?\x01[\x67\x27\x40\x42]",  # bare H.264 and H.265
    re.DOTALL,
)


def picture_kind(start: bytes) -> str | None:
    """The kind of picture that begins with these bytes (`SNIFF_BYTES` suffice), or None if it is none."""
    for kind, signature in _SIGNATURES:
        if re.match(signature, start, re.DOTALL):
            return kind
    return None


def is_video(start: bytes) -> bool:
    """Whether these bytes begin like a video or sound file. A hint only: FFmpeg has the last word."""
    return picture_kind(start) is None and _VIDEO.match(start) is not None


def read_header(data: bytes) -> PictureHeader:
    """Raises DamagedHeader for data of a kind that has no reader here and for a broken header."""
    kind = picture_kind(data[:SNIFF_BYTES])
    if kind not in _READERS:
        raise DamagedHeader(kind)
    try:
        header = _READERS[kind](data)
    except (struct.error, IndexError) as short:
        raise DamagedHeader(kind) from short
    if header.width_px < 1 or header.height_px < 1:
        raise DamagedHeader(kind)
    return header


def _jpeg(data: bytes) -> PictureHeader:
    """ITU T.81 annex B: segments up to the first scan, then the end marker must follow."""
    position, size, orientation = 2, None, 1
    while True:
        if data[position] != 0xFF:
            raise DamagedHeader("jpeg")
        marker = data[position + 1]
        if (
            marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8
        ):  # fill byte or a marker without content
            position += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA:  # start of scan
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        content = data[position + 4 : position + 2 + length]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = struct.unpack_from(">HH", content, 1)
            size = (width, height)
        elif marker == 0xE1 and content.startswith(b"Exif\0\0"):
            orientation = _exif_orientation(content[6:])
        position += 2 + length
    if size is None:
        raise DamagedHeader("jpeg")
    return PictureHeader("jpeg", *size, orientation, is_cut_off=data.find(b"\xff\xd9", position) < 0)


def _png(data: bytes) -> PictureHeader:
    width, height, _, colour = struct.unpack_from(">IIBB", data, 16)
    has_alpha, orientation, position, ended = colour in (4, 6), 1, 8, False
    while not ended and position + 12 <= len(data):
        length, chunk = struct.unpack_from(">I4s", data, position)
        has_alpha |= chunk == b"tRNS"
        if chunk == b"eXIf":
            orientation = _exif_orientation(data[position + 8 : position + 8 + length])
        position += 12 + length
        ended = chunk == b"IEND" and position <= len(data)
    return PictureHeader("png", width, height, orientation, has_alpha, is_cut_off=not ended)


def _gif(data: bytes) -> PictureHeader:
    width, height = struct.unpack_from("<HH", data, 6)
    return PictureHeader("gif", width, height, has_alpha=True)  # any frame may name a transparent colour


def _webp(data: bytes) -> PictureHeader:
    """RIFF container of WebP: lossy (VP8), lossless (VP8L) or extended (VP8X)."""
    (riff_bytes,) = struct.unpack_from("<I", data, 4)
    size, has_alpha, orientation, position = None, False, 1, 12
    while position + 8 <= len(data):
        chunk, length = struct.unpack_from("<4sI", data, position)
        content = data[position + 8 : position + 8 + length]
        if chunk == b"VP8X":
            has_alpha = bool(content[0] & 0x10)
            size = (int.from_bytes(content[4:7], "little") + 1, int.from_bytes(content[7:10], "little") + 1)
        elif chunk == b"VP8L" and size is None:
            (bits,) = struct.unpack_from("<I", content, 1)
            size, has_alpha = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), bool(bits >> 28 & 1)
        elif chunk == b"VP8 " and size is None:
            width, height = struct.unpack_from("<HH", content, 6)
            size = (width & 0x3FFF, height & 0x3FFF)
        elif chunk == b"EXIF":
            orientation = _exif_orientation(content.removeprefix(b"Exif\0\0"))
        position += 8 + length + length % 2
    if size is None:
        raise DamagedHeader("webp")
    return PictureHeader("webp", *size, orientation, has_alpha, is_cut_off=len(data) < riff_bytes + 8)


def _tiff(data: bytes) -> PictureHeader:
    tags = _tiff_tags(data)
    offsets, lengths = tags.get(273) or tags.get(324, ()), tags.get(279) or tags.get(325, ())
    end = max((offset + length for offset, length in zip(offsets, lengths, strict=False)), default=0)
    return PictureHeader(
        "tiff",
        width_px=tags[256][0] if 256 in tags else 0,
        height_px=tags[257][0] if 257 in tags else 0,
        exif_orientation=_valid_orientation(tags.get(274, (1,))),
        has_alpha=338 in tags,
        has_floats=tags.get(339, (1,))[:1] == (3,),
        is_cut_off=end > len(data),
    )


def _bmp(data: bytes) -> PictureHeader:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header_bytes == 12 else "<ii", data, 18)
    return PictureHeader("bmp", width, abs(height))  # a negative height: rows from top to bottom


def _pnm(data: bytes) -> PictureHeader:
    head = re.sub(rb"#[^\n]*\n", b"", data[:4096])
    found = re.match(rb"P[1-6fF]\s+(\d+)\s+(\d+)", head) or re.match(
        rb"P7\s+WIDTH\s+(\d+)\s+HEIGHT\s+(\d+)", head
    )
    if not found:
        raise DamagedHeader("pnm")
    return PictureHeader("pnm", int(found[1]), int(found[2]), has_floats=head[1:2] in b"fF")


def _hdr(data: bytes) -> PictureHeader:
    found = re.search(rb"[-+]Y (\d+) [-+]X (\d+)", data[:4096])
    if not found:
        raise DamagedHeader("hdr")
    return PictureHeader("hdr", int(found[2]), int(found[1]))


def _jp2(data: bytes) -> PictureHeader:
    if data.startswith(b"\xff\x4f"):  # bare code stream: SIZ follows the start marker
        right, bottom, left, top = struct.unpack_from(">IIII", data, 8)
        return PictureHeader("jp2", right - left, bottom - top)
    height, width = struct.unpack_from(">II", data, data.index(b"ihdr") + 4 if b"ihdr" in data else len(data))
    return PictureHeader("jp2", width, height)


def _avif(data: bytes) -> PictureHeader:
    """The largest of the `ispe` boxes (ISO 23008-12): grids and thumbnails have their own."""
    sizes = [struct.unpack_from(">II", data, found.end() + 4) for found in re.finditer(b"ispe", data[:65536])]
    if not sizes:
        raise DamagedHeader("avif")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return PictureHeader("avif", width, height)


def _exif_orientation(exif: bytes) -> int:
    """1..8 as in the EXIF standard; 1 (upright) where the block is silent or damaged: it is a side note."""
    try:
        return _valid_orientation(_tiff_tags(exif).get(274, (1,)))
    except (struct.error, IndexError, DamagedHeader):
        return 1


def _valid_orientation(values: tuple[int, ...]) -> int:
    return values[0] if values and 1 <= values[0] <= 8 else 1


def _tiff_tags(data: bytes) -> dict[int, tuple[int, ...]]:
    """Whole-number tags of the first directory of a TIFF or BigTIFF block."""
    order, offset_code, entries = _tiff_directory(data)
    return dict(_tiff_entry(data, entry, order, offset_code) for entry in entries)


def as_stored(data: bytes, header: PictureHeader) -> bytes:
    """The same TIFF with its rows called upright: of its orientation cv2 applies flips but no turns."""
    if header.kind != "tiff" or header.exif_orientation == 1:
        return data
    order, offset_code, entries = _tiff_directory(data)
    neutral = bytearray(data)
    for entry in entries:
        if struct.unpack_from(order + "H", data, entry) == (274,):
            struct.pack_into(order + "H", neutral, entry + struct.calcsize("=HH" + offset_code), 1)
    return bytes(neutral)


def _tiff_directory(data: bytes) -> tuple[str, str, list[int]]:
    """Byte order, code of an offset and the places of the entries of the first directory."""
    order = "<" if data[:2] == b"II" else ">"
    (version,) = struct.unpack_from(order + "H", data, 2)
    if data[:2] not in (b"II", b"MM") or version not in (42, 43):
        raise DamagedHeader("tiff")
    big = version == 43
    offset_code, count_code, entry_bytes = ("Q", "Q", 20) if big else ("I", "H", 12)
    (start,) = struct.unpack_from(order + offset_code, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + count_code, data, start)
    start += struct.calcsize(count_code)
    return order, offset_code, [start + i * entry_bytes for i in range(min(count, len(data) // entry_bytes))]


def _tiff_entry(data: bytes, entry: int, order: str, offset_code: str) -> tuple[int, tuple[int, ...]]:
    tag, kind, count = struct.unpack_from(order + "HH" + offset_code, data, entry)
    code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
    if code is None or count > len(data):
        return tag, ()
    place = entry + struct.calcsize("=HH" + offset_code)
    if count * struct.calcsize(code) > struct.calcsize(offset_code):
        (place,) = struct.unpack_from(order + offset_code, data, place)
    return tag, struct.unpack_from(f"{order}{count}{code}", data, place)


_READERS = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "tiff": _tiff,
    "bmp": _bmp,
    "pnm": _pnm,
    "hdr": _hdr,
    "jp2": _jp2,
    "avif": _avif,
}
