"""A video with its faces drawn in: H.264 in MP4, with the frames' own times and the sound of the source.

Sound that MP4 players know (AAC, MP3, AC-3) is copied, other sound becomes AAC. H.264 with its usual colours
needs even sizes: an odd picture gets one more row or column, the last one again.

The file grows under a name of its own (`<name>.part`) and takes its place when closed, which also completes
it: after an interrupt it holds what was written until then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.conventions import EulerOrder
from headwise.drawing import Drawing, draw
from headwise.errors import OutputError
from headwise.results import FrameResult
from headwise.sinks import writing

TICKS_PER_S = 90_000  # the clock of MPEG: fine enough for every frame rate in use
DEFAULT_FPS = 25.0  # where neither times nor a rate are known
QUALITY = {"crf": "20", "preset": "veryfast"}  # looks like the source; about as fast as drawing
COPIED_SOUND = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3"})
AAC_RATES = frozenset({16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000})
ITU_709 = 1  # colour matrix, primaries and transfer: what players assume for H.264 without being told

log = logging.getLogger(__name__)


class VideoOverlay:
    """See the module; built by `create`."""

    def __init__(
        self, path: str | Path, order: EulerOrder, sound_from: str | None, fps: float, drawn: Drawing
    ) -> None:
        self._drawn = drawn
        self._path = Path(path)
        self._part = self._path.with_name(self._path.name + ".part")
        self._order = order
        self._sound_from = sound_from
        self._fps = fps
        self._stream: Any = None
        self._sound: _Sound | None = None
        self._size_px = (0, 0)
        self._ticks = -1
        self._step_ticks = round(TICKS_PER_S / fps)
        with _encoding(path):
            self._part.touch()  # FFmpeg itself opens the file with the first frame only
            self._container: Any = av.open(f"file:{self._part}", "w", format="mp4")

    def write(
        self,
        source_name: str,
        frame_index: int,
        result: FrameResult,
        image: NDArray[np.uint8] | None = None,
    ) -> None:
        if image is None:
            raise OutputError(f"{self._path}: an overlay of {source_name} needs its image")
        with _encoding(self._path):
            if self._stream is None:
                self._start(image.shape[1], image.shape[0])
            time_s = frame_index / self._fps if result.time_s is None else result.time_s
            self._advance_to(round(time_s * TICKS_PER_S))
            if self._sound:
                self._sound.copy_until(self._ticks / TICKS_PER_S)
            self._container.mux(
                self._stream.encode(self._frame(self._drawn(image, result, order=self._order)))
            )

    def _start(self, width_px: int, height_px: int) -> None:
        stream = self._container.add_stream(
            "libx264", rate=Fraction(self._fps).limit_denominator(1001), options=QUALITY
        )
        self._size_px = (width_px, height_px)
        stream.width, stream.height = width_px + width_px % 2, height_px + height_px % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, TICKS_PER_S)
        context.colorspace = context.color_primaries = context.color_trc = ITU_709
        self._stream = stream
        self._sound = None if self._sound_from is None else _Sound.of(self._sound_from, self._container)

    def _advance_to(self, ticks: int) -> None:
        """Times must rise: a frame that claims to come before another one comes right after it."""
        ticks = max(ticks, self._ticks + 1)
        if self._ticks >= 0:
            self._step_ticks = ticks - self._ticks
        self._ticks = ticks

    def _frame(self, drawn: NDArray[np.uint8]) -> Any:
        if drawn.shape[1::-1] != self._size_px:  # some streams change their size on the way
            drawn = cv2.resize(drawn, self._size_px, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        odd_rows, odd_columns = drawn.shape[0] % 2, drawn.shape[1] % 2
        if odd_rows or odd_columns:
            drawn = np.pad(drawn, ((0, odd_rows), (0, odd_columns), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.pts, frame.time_base = self._ticks, Fraction(1, TICKS_PER_S)
        return frame

    def close(self) -> None:
        container, self._container = self._container, None
        if container is None:
            return
        try:
            with _encoding(self._path):
                self._complete(container)
        finally:
            self._part.unlink(missing_ok=True)

    def _complete(self, container: Any) -> None:
        """Without any frame no file is left: an MP4 without pictures is none."""
        try:
            if self._stream is not None:
                if self._sound:
                    self._sound.copy_until((self._ticks + self._step_ticks) / TICKS_PER_S)
                    self._sound.close()
                container.mux(self._stream.encode(None))
        finally:
            container.close()
        if self._stream is not None:
            self._part.replace(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create(
    path: str | Path,
    order: EulerOrder = EulerOrder.AZIMUTH,
    sound_from: str | None = None,
    fps: float | None = None,
    drawn: Drawing = draw,
) -> VideoOverlay:
    """sound_from: the video file whose sound is kept. fps: a hint for the encoder; the results' times decide.
    drawn: what is drawn into each frame.

    Opens the file at once; raises OutputError if that fails.
    """
    if Path(path).suffix.lower() != ".mp4":
        raise OutputError(f"{path}: the overlay of a video is an MP4 file; end the name in .mp4")
    if Path(path).is_dir():
        raise OutputError(f"{path}: cannot be written: is a folder")
    return VideoOverlay(path, order, sound_from, fps or DEFAULT_FPS, drawn)


@contextmanager
def _encoding(path: str | Path) -> Iterator[None]:
    """Failures of the system and of FFmpeg as OutputError."""
    try:
        with writing(path):
            yield
    except av.error.FFmpegError as error:
        raise OutputError(f"{path}: cannot be encoded: {error.strerror or error}") from error


class _Sound:
    """Brings the first sound track of a file into a container, as far as the pictures have come."""

    def __init__(self, source: Any, track: Any, container: Any) -> None:
        self._source = source
        self._container = container
        self._start_s = Fraction(source.start_time or 0, av.time_base)
        self._copies = track.codec_context.name in COPIED_SOUND
        if self._copies:
            self._out = container.add_stream_from_template(track)
        else:
            rate = track.codec_context.sample_rate
            self._out = container.add_stream("aac", rate=rate if rate in AAC_RATES else 48_000)
            self._out.codec_context.layout = "mono" if track.codec_context.channels == 1 else "stereo"
        self._packets: Iterator[Any] = source.demux(track)
        self._waiting: Any = None

    @classmethod
    def of(cls, path: str, container: Any) -> _Sound | None:
        """None for a file without sound."""
        try:
            source = av.open(f"file:{path}", metadata_errors="replace")
        except av.error.FFmpegError:
            return None
        track = next((s for s in source.streams.audio if s.codec_context is not None), None)
        if track is None:
            source.close()
            return None
        return cls(source, track, container)

    def copy_until(self, time_s: float) -> None:
        """Everything that begins before that time of the player."""
        while self._waiting is not None or self._take():
            packet = self._waiting
            if packet.pts * packet.time_base - self._start_s >= time_s:
                return
            self._waiting = None
            self._bring(packet)

    def _take(self) -> bool:
        """Fetch the next packet that has a time; False at the end, or where the source's sound breaks off."""
        try:
            packet = next((p for p in self._packets if p.pts is not None and p.size), None)
        except av.error.FFmpegError as error:
            log.warning("the sound of %s ends early: %s", self._source.name, error)
            packet = None
        self._waiting = packet
        return packet is not None

    def _bring(self, packet: Any) -> None:
        start = round(self._start_s / packet.time_base)
        if self._copies:
            packet.pts -= start
            packet.dts = None if packet.dts is None else packet.dts - start
            packet.stream = self._out
            self._container.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return  # a damaged packet is a click, not the end
        for frame in frames:
            frame.pts = None if frame.pts is None else frame.pts - start
            self._container.mux(self._out.encode(frame))

    def close(self) -> None:
        if not self._copies:
            self._container.mux(self._out.encode(None))
        self._source.close()
