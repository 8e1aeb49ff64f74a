from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from headwise.errors import OutputError
from headwise.overlays import Overlays
from headwise.pictures import read_picture
from headwise.sinks import overlay_picture, overlay_video
from headwise.sources import open_sources, video
from sinks import made
from sources.videos import write_video


def overlay(video_path: Path, out: Path, max_fps: float | None = None) -> None:
    with Overlays(out) as overlays:
        for source in open_sources([str(video_path)], max_fps=max_fps):
            overlays.start(source)
            for frame in source:
                size_px = frame.image.shape[1::-1]
                result = made.result(made.face(), time_s=frame.time_s, size_px=size_px)
                overlays.write(source.name, frame.index, result, frame.image)


def times_of(path: Path) -> list[float]:
    return [frame.time_s for frame in video.create(str(path))]


def sound_of(path: Path) -> tuple[str, float, float]:
    """Codec, start and end in seconds."""
    with av.open(str(path)) as container:
        (track,) = container.streams.audio
        packets = [p for p in container.demux(track) if p.pts is not None and p.size]
        name = track.codec_context.name
        frames = [frame for p in packets for frame in p.decode()]
        assert any(np.abs(frame.to_ndarray()).max() > 0.3 for frame in frames), "it can be heard"
        return name, float(packets[0].pts * track.time_base), float(packets[-1].pts * track.time_base)


def test_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "Ü 顔.png"
    with overlay_picture.create(path) as sink:
        sink.write("a", 0, made.result(made.face()), made.image())
    drawn = read_picture(path)
    assert drawn.shape == (120, 160, 3)
    assert (drawn != 90).any()
    assert (drawn[-1, -1] == 90).all()


def test_the_file_of_a_video_is_h264_with_the_times_of_the_source(tmp_path: Path) -> None:
    times = [0, 0.1, 0.15, 0.7, 0.72, 1.9, 2.0]
    source = write_video(tmp_path / "a.mkv", times_s=times, size_px=(160, 120))
    overlay(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (container.format.name.split(",")[1], context.name, context.pix_fmt) == (
            "mp4",
            "h264",
            "yuv420p",
        )
    assert times_of(tmp_path / "out.mp4") == pytest.approx(times, abs=2e-3)
    assert not list(tmp_path.glob("*.part"))


def test_thinned_frames_keep_their_times(tmp_path: Path) -> None:
    overlay(write_video(tmp_path / "a.mp4", fps=30, frames=30), tmp_path / "out.mp4", max_fps=10)
    assert times_of(tmp_path / "out.mp4") == pytest.approx([i / 10 for i in range(10)], abs=2e-3)


def test_colours_survive(tmp_path: Path) -> None:
    with overlay_video.create(tmp_path / "out.mp4") as sink:
        green = np.full((120, 160, 3), (20, 230, 30), np.uint8)
        for i in range(3):
            sink.write("a", i, made.result(time_s=i / 10), green)
    first = next(iter(video.create(str(tmp_path / "out.mp4")))).image
    assert np.abs(first[60, 80].astype(int) - (20, 230, 30)).max() <= 4


@pytest.mark.parametrize("size_px", [(51, 33), (50, 33), (51, 34), (1, 1)])
def test_odd_sizes_get_one_more_row_or_column(tmp_path: Path, size_px: tuple[int, int]) -> None:
    with overlay_video.create(tmp_path / "out.mp4") as sink:
        for i in range(3):
            sink.write("a", i, made.result(time_s=i / 10, size_px=size_px), made.image(size_px))
    shape = next(iter(video.create(str(tmp_path / "out.mp4")))).image.shape
    assert shape[:2] == (size_px[1] + size_px[1] % 2, size_px[0] + size_px[0] % 2)


@pytest.mark.parametrize(
    ("name", "codec", "kept"),
    [
        ("a.mp4", "aac", "aac"),
        ("a.mkv", "mp3", "mp3float"),
        ("a.mkv", "ac3", "ac3"),
        ("a.mkv", "pcm_s16le", "aac"),
        ("a.mkv", "flac", "aac"),
        ("a.avi", "mp3", "mp3float"),
        ("a.ts", "aac", "aac"),
    ],
)
def test_sound_is_kept_in_step(tmp_path: Path, name: str, codec: str, kept: str) -> None:
    codec = "libmp3lame" if codec == "mp3" else codec
    source = write_video(tmp_path / name, fps=10, frames=20, sound=codec)
    overlay(source, tmp_path / "out.mp4")
    found, start_s, end_s = sound_of(tmp_path / "out.mp4")
    assert found == kept
    assert abs(start_s) < 0.06
    assert 1.85 < end_s < 2.1
    assert len(times_of(tmp_path / "out.mp4")) == 20


def test_a_video_without_sound_has_none(tmp_path: Path) -> None:
    overlay(write_video(tmp_path / "a.mp4"), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio


def test_an_interrupt_leaves_a_valid_video_and_sound_of_its_length(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", fps=10, frames=40, sound="aac")

    def interrupted() -> None:
        sink = overlay_video.create(tmp_path / "out.mp4", sound_from=str(source))
        with sink:
            for frame in video.create(str(source)):
                if frame.index == 20:
                    raise KeyboardInterrupt
                sink.write("a", frame.index, made.result(time_s=frame.time_s), frame.image)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(times_of(tmp_path / "out.mp4")) == 20
    assert 1.8 < sound_of(tmp_path / "out.mp4")[2] < 2.05


def test_frames_without_times_and_times_that_jump_back(tmp_path: Path) -> None:
    with overlay_video.create(tmp_path / "out.mp4", fps=10) as sink:
        for i, time_s in enumerate([None, None, 0.2, 0.1, 0.5]):
            sink.write("a", i, made.result(time_s=time_s), made.image())
    times = times_of(tmp_path / "out.mp4")
    assert len(times) == 5
    assert times == sorted(times)


def test_a_stream_that_changes_its_size(tmp_path: Path) -> None:
    with overlay_video.create(tmp_path / "out.mp4") as sink:
        for i, size_px in enumerate([(160, 120), (80, 60), (320, 240)]):
            sink.write("a", i, made.result(time_s=i / 10, size_px=size_px), made.image(size_px))
    assert {f.image.shape for f in video.create(str(tmp_path / "out.mp4"))} == {(120, 160, 3)}


def test_no_frame_no_file(tmp_path: Path) -> None:
    overlay_video.create(tmp_path / "out.mp4").close()
    assert list(tmp_path.iterdir()) == []


def test_several_inputs_fill_a_folder_with_distinct_names(tmp_path: Path) -> None:
    inputs = []
    for name in ("a/face.png", "b/face.jpg", "b/face.png", "b/face.webp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, made.image())[1].tobytes())
        inputs.append(str(path))
    inputs.append(str(write_video(tmp_path / "face.mp4")))
    out = tmp_path / "new" / "folder"
    with Overlays(out, several=True) as overlays:
        for source in open_sources(inputs):
            overlays.start(source)
            for frame in source:
                size_px = frame.image.shape[1::-1]
                result = made.result(time_s=frame.time_s, size_px=size_px)
                overlays.write(source.name, frame.index, result, frame.image)
    assert sorted(p.name for p in out.iterdir()) == [
        "b_face-2.png", "b_face-3.png", "b_face.png", "face.mp4", "face.png",
    ]  # fmt: skip


def test_what_cannot_be_written_is_known_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="several inputs need a folder"):
        Overlays(tmp_path / "out.png", several=True)
    with pytest.raises(OutputError, match="there is no folder"):
        Overlays(tmp_path / "missing" / "out.mp4")
    with pytest.raises(OutputError, match="cannot be written"):
        Overlays(tmp_path / "file")
    with pytest.raises(OutputError, match=r"cannot be written.*there is no folder"):
        overlay_video.create(tmp_path / "missing" / "out.mp4")
    with pytest.raises(OutputError, match="there is no folder"):
        overlay_picture.create(tmp_path / "missing" / "out.png")


def test_kinds_and_endings_must_agree(tmp_path: Path) -> None:
    (source,) = open_sources([str(write_video(tmp_path / "a.mp4"))])
    with pytest.raises(OutputError, match=r"end the name in \.mp4"):
        Overlays(tmp_path / "out.png").start(source)
    with pytest.raises(OutputError, match=r"end the name in \.png"):
        overlay_picture.create(tmp_path / "out.jpg")


def test_an_overlay_never_replaces_its_input(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    before = path.read_bytes()
    for out in (path, tmp_path):
        (source,) = open_sources([str(path)])
        with pytest.raises(OutputError, match="would replace its own input"):
            Overlays(out).start(source)
    assert path.read_bytes() == before


def test_an_overlay_never_replaces_another_input(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
    first, second = write_video(tmp_path / "x" / "a.mp4"), write_video(tmp_path / "y" / "a.mp4")
    before = second.read_bytes()
    inputs = [str(first), str(second)]
    overlays = Overlays(tmp_path / "y", several=True, inputs=inputs)
    with pytest.raises(OutputError, match="nothing beside their inputs"):
        overlays.start(next(iter(open_sources(inputs))))
    assert second.read_bytes() == before


def test_a_rate_such_as_ntsc_needs_no_times(tmp_path: Path) -> None:
    fps = 30000 / 1001
    with overlay_video.create(tmp_path / "out.mp4", fps=fps) as sink:
        for i in range(30):
            sink.write("a", i, made.result(), made.image())
    assert times_of(tmp_path / "out.mp4")[-1] == pytest.approx(29 / fps, abs=1e-3)
    assert Fraction(fps).limit_denominator(1001) == Fraction(30000, 1001)
