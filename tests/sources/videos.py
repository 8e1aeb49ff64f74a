"""Small videos that the tests make themselves. Frame i is gray of the level `level(i)`."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TICKS_PER_S = 1000


def level(index: int) -> int:
    return 30 + index * 7 % 190


def write_video(
    path: Path,
    *,
    frames: int = 20,
    fps: int = 10,
    times_s: Sequence[float] | None = None,
    size_px: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    sound: str | None = None,
    rotation_deg: int = 0,
    pixel_aspect: Fraction | None = None,
    images: Sequence[np.ndarray] = (),
    options: dict[str, str] | None = None,
) -> Path:
    """times_s: a time for each frame, for variable rates. sound: codec of a hum as long as the pictures."""
    times_s = times_s or [i / fps for i in range(len(images) or frames)]
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size_px, pixels
        stream.codec_context.time_base = Fraction(1, TICKS_PER_S if codec == "libx264" else fps)
        stream.codec_context.gop_size = 5
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        hum = container.add_stream(sound, rate=48_000) if sound else None
        if hum is not None:
            hum.codec_context.layout = "mono"
        for i, time_s in enumerate(times_s):
            image = images[i] if len(images) else np.full((size_px[1], size_px[0], 3), level(i), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time_s / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if hum is not None:
            write_hum(container, hum, times_s[-1] + 1 / fps)
    return path


def write_hum(container, stream, seconds: float) -> None:
    context, at = stream.codec_context, 0
    block = context.frame_size or 1024
    while at < seconds * 48_000:
        wave = np.sin(np.arange(at, at + block) * 440 * 2 * np.pi / 48_000).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), at
        resampled = av.AudioResampler(format=context.format, layout="mono", rate=48_000).resample(frame)
        for piece in resampled:
            container.mux(stream.encode(piece))
        at += block
    container.mux(stream.encode(None))


def write_sound_only(path: Path, codec: str = "aac") -> Path:
    with av.open(str(path), "w") as container:
        hum = container.add_stream(codec, rate=48_000)
        hum.codec_context.layout = "mono"
        write_hum(container, hum, 0.5)
    return path
