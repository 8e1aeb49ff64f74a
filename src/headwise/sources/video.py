"""A video file through FFmpeg.

Frames are upright (the display matrix of phones is applied, mirroring too) and have square pixels (anamorphic
video is widened), so boxes and poses are those of the picture a player shows. `time_s` is the player's time:
presentation time stamps counted from the start of the file, which keeps variable frame rates and lip sync.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.errors import InputError
from headwise.picture_header import SNIFF_BYTES, is_video
from headwise.pictures import MAX_PIXELS, cause
from headwise.sources import Frame
from headwise.thinning import Thinning
from headwise.video_header import is_cut_off, is_mp4

NOT_VIDEO_FORMATS = frozenset(
    {"tty", "image2", "concat", "hls", "dash", "lavfi", "sdp", "webvtt", "srt", "ass"}
)
"""FFmpeg takes any text for terminal art, and play lists fetch other files: none of them is meant."""

UNSORTED_FORMATS = frozenset({"avi"})
"""They know when a frame is decoded, not when it is shown: the n-th shown gets the n-th decoding time."""

DEFAULT_FPS = 25.0
"""For bare streams that state neither times nor a rate."""

MISSING_TAIL_S = 1.0
"""A file that ends so much before its stated duration is cut off; less is within what containers round."""


class VideoSource:
    """See the module; built by `create`. `frame_count` and `fps` are known once opened."""

    is_stream = True

    def __init__(self, name: str, max_fps: float | None, max_pixels: int, threads: int) -> None:
        self.name = name
        self.frame_count: int | None = None
        self.fps: float | None = None
        self._max_fps = max_fps
        self._max_pixels = max_pixels
        self._threads = threads
        self._container: Any = None
        self._stream: Any = None

    def open(self) -> Self:
        """Read the header. Iterating does it by itself; raises InputError like it."""
        if self._container is not None:
            return self
        try:
            self._container = av.open(f"file:{self.name}", metadata_errors="replace")
        except av.error.FFmpegError as error:
            raise InputError(f"{self.name}: {_why_not_opened(self.name, error)}") from error
        try:
            self._stream = _video_stream(self._container, self.name)
            self._read_facts(self._stream)
        except InputError:
            self.close()
            raise
        return self

    def _read_facts(self, stream: Any) -> None:
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > self._max_pixels:
            raise InputError(
                f"{self.name}: frames of {width} x {height} pixels are too large, "
                f"at most {self._max_pixels / 1e6:g} megapixels are decoded"
            )
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = self._threads
        self.frame_count = stream.frames or None
        self.fps = float(stream.average_rate) if stream.average_rate else None

    def __iter__(self) -> Iterator[Frame]:
        self.open()
        container = self._container
        stream = self._stream
        start_s = Fraction(container.start_time or 0, av.time_base)
        thinning = Thinning(self._max_fps)
        count, damaged, last_s = 0, 0, 0.0
        try:
            for decoded, dts in _decode(container, stream):
                if decoded is None:
                    damaged += 1
                    continue
                last_s = self._time_s(decoded, dts, start_s, count)
                if thinning.keeps(last_s):
                    yield Frame(_image(decoded, stream.sample_aspect_ratio), count, last_s)
                count += 1
                if self._container is None:  # closed by whoever reads us
                    return
            self._check_end(stream, count, damaged, last_s)
        finally:
            self.close()

    def _time_s(self, decoded: Any, dts: int | None, start_s: Fraction, index: int) -> float:
        ticks = dts if self._container.format.name in UNSORTED_FORMATS else decoded.pts
        if ticks is None:
            return index / (self.fps or DEFAULT_FPS)
        return max(0.0, float(ticks * self._stream.time_base - start_s))

    def _check_end(self, stream: Any, count: int, damaged: int, last_s: float) -> None:
        """Raises InputError when frames are missing, after all that there are were given."""
        if count == 0:
            raise InputError(
                f"{self.name}: no frame of this video can be decoded; it is empty, cut off or damaged"
            )
        came = f"{count} frames came, to {last_s:.2f} s"
        of = f" of {self.frame_count}" if self.frame_count else ""
        if is_cut_off(self.name) or last_s + MISSING_TAIL_S < _stated_end_s(stream, self._container):
            raise InputError(
                f"{self.name}: this video is cut off: {count}{of} frames came, to {last_s:.2f} s"
            )
        if damaged:
            raise InputError(f"{self.name}: {damaged} places in this video are damaged; {came}")

    def close(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create(
    path: str, max_fps: float | None = None, max_pixels: int = MAX_PIXELS, threads: int = 0
) -> VideoSource:
    """path: as the user wrote it. max_fps: see `headwise.thinning`. threads: of the decoder, 0: all cores.

    Opened when iterated; raises InputError then. What decodes of a damaged video comes before the error.
    """
    return VideoSource(path, max_fps, max_pixels, threads)


def _why_not_opened(name: str, error: Exception) -> str:
    try:
        size = Path(name).stat().st_size
    except OSError as missing:
        return cause(missing)
    if size == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, PermissionError):
        return cause(error)
    with Path(name).open("rb") as file:
        start = file.read(SNIFF_BYTES)
    if is_mp4(start):
        return "this video cannot be opened: it is cut off or damaged, its index (moov) is missing"
    if is_video(start):
        return "this video cannot be opened: it is empty, cut off or damaged"
    return "neither a picture nor a video that can be read"


def _video_stream(container: Any, name: str) -> Any:
    if container.format.name in NOT_VIDEO_FORMATS or container.format.name.endswith("_pipe"):
        raise InputError(f"{name}: neither a picture nor a video that can be read")
    moving = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
    if moving and moving[0].codec_context is not None:
        return moving[0]
    raise InputError(
        f"{name}: " + ("only sound" if container.streams.audio else "no video") + " in this file"
    )


def _decode(container: Any, stream: Any) -> Iterator[tuple[Any, int | None]]:
    """Frames in the order they are shown, each with a decoding time; (None, None) for a place that fails."""
    packets = container.demux(stream)
    decoding_times: deque[int | None] = deque()
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            if packet.size:
                decoding_times.append(packet.dts)
            for frame in packet.decode():
                yield frame, decoding_times.popleft() if decoding_times else None
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            yield None, None


def _stated_end_s(stream: Any, container: Any) -> float:
    """Where the header says that the pictures end, in the player's time; 0 if it does not say."""
    if stream.duration is None:
        only_pictures = len(container.streams) == 1
        return (container.duration or 0) / av.time_base if only_pictures else 0.0
    begin = (stream.start_time or 0) * stream.time_base - Fraction(container.start_time or 0, av.time_base)
    return float(begin + stream.duration * stream.time_base)


def _image(decoded: Any, pixel_aspect: Fraction | None) -> NDArray[np.uint8]:
    """(H, W, 3) RGB as a player shows it."""
    image = decoded.to_ndarray(format="rgb24")
    if pixel_aspect and pixel_aspect != 1:
        width_px = max(1, round(image.shape[1] * pixel_aspect))
        image = cv2.resize(image, (width_px, image.shape[0]), interpolation=cv2.INTER_LINEAR)
    matrix = decoded.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image  # type: ignore[no-any-return]
    return np.ascontiguousarray(shown(image, np.frombuffer(bytes(matrix), np.int32).reshape(3, 3)))


def shown(image: NDArray[np.uint8], display_matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Turn and mirror as a display matrix says (ISO 14496-12 6.2.2: (x', y') = (a x + c y, b x + d y)).

    Angles between quarter turns go to the nearest: no camera writes others.
    """
    (a, b), (c, d) = display_matrix[:2, :2].tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        image = image.transpose(1, 0, 2)
        a, d = c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return image
