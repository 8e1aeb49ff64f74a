import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from headwise.errors import InputError
from headwise.sources import Frame, open_sources, video
from sources.videos import level, write_sound_only, write_video


def frames_and_error(source: video.VideoSource) -> tuple[list[Frame], str]:
    frames: list[Frame] = []
    try:
        for frame in source:
            frames.append(frame)
    except InputError as error:
        return frames, str(error)
    return frames, ""


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.avi", "no_ending", "Ünï 顔: 1.dat"])
def test_every_frame_comes_once_with_its_time(tmp_path: Path, name: str) -> None:
    made = write_video(tmp_path / ("a.mp4" if "." not in name or name.endswith("dat") else name))
    path = made.rename(tmp_path / name)
    (source,) = open_sources([str(path)])
    frames = list(source)
    assert [f.index for f in frames] == list(range(20))
    assert [f.time_s for f in frames] == pytest.approx([i / 10 for i in range(20)], abs=0.002)
    assert [int(f.image.mean()) for f in frames] == pytest.approx([level(i) for i in range(20)], abs=3)
    assert frames[0].image.shape == (48, 64, 3)
    assert source.is_stream


def test_frame_count_and_rate_are_known_before_the_first_frame(tmp_path: Path) -> None:
    with video.create(str(write_video(tmp_path / "a.mp4"))).open() as source:
        assert (source.frame_count, source.fps) == (20, 10.0)


def test_colours_are_rgb(tmp_path: Path) -> None:
    image = np.full((48, 64, 3), (220, 60, 20), np.uint8)
    frames = list(video.create(str(write_video(tmp_path / "a.mp4", images=[image] * 3))))
    assert np.abs(frames[1].image[20, 30].astype(int) - (220, 60, 20)).max() < 12


def test_times_of_a_variable_frame_rate_are_those_of_the_file(tmp_path: Path) -> None:
    times = [0, 0.1, 0.15, 0.7, 0.72, 1.9, 2.0]
    frames = list(video.create(str(write_video(tmp_path / "a.mp4", times_s=times))))
    assert [f.time_s for f in frames] == pytest.approx(times, abs=1e-3)


def test_time_starts_with_the_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", options={"mpegts_copyts": "0"})
    with av.open(str(path)) as container:
        assert container.start_time > 0
    assert next(iter(video.create(str(path)))).time_s == pytest.approx(0, abs=1e-6)


def test_max_fps_thins_by_time_and_keeps_the_numbers(tmp_path: Path) -> None:
    (source,) = open_sources([str(write_video(tmp_path / "a.mp4", fps=30, frames=30))], max_fps=10)
    frames = list(source)
    assert [f.index for f in frames] == list(range(0, 30, 3))
    assert int(frames[1].image.mean()) == pytest.approx(level(3), abs=3)
    assert source.frame_count == 30


@pytest.mark.parametrize("rotation_deg", [90, 180, -90])
def test_the_display_matrix_of_phones_is_applied_as_opencv_does(tmp_path: Path, rotation_deg: int) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = 255
    image[:24, 32:] = 120
    path = write_video(tmp_path / "a.mp4", images=[image] * 3, rotation_deg=rotation_deg)
    expected = cv2.VideoCapture(str(path)).read()[1][..., ::-1].astype(int)
    shown = next(iter(video.create(str(path)))).image
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).mean() < 4


def test_a_mirroring_display_matrix() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    one = 1 << 16
    mirror = np.array([[-one, 0, 0], [0, one, 0], [0, 0, 1 << 30]], np.int32)
    assert video.shown(image, mirror)[..., 0].tolist() == [[2, 1, 0], [5, 4, 3]]
    transpose = np.array([[0, one, 0], [one, 0, 0], [0, 0, 1 << 30]], np.int32)
    assert video.shown(image, transpose)[..., 0].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_anamorphic_video_gets_square_pixels(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pixel_aspect=Fraction(4, 3))
    assert next(iter(video.create(str(path)))).image.shape == (48, 85, 3)


def test_odd_sizes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", size_px=(51, 33), codec="ffv1", pixels="yuv444p")
    assert next(iter(video.create(str(path)))).image.shape == (33, 51, 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
@pytest.mark.parametrize("sound", [None, "aac"])
def test_a_cut_off_video_gives_what_decodes_then_one_error(
    tmp_path: Path, name: str, sound: str | None
) -> None:
    noise = list(np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8))
    path = write_video(
        tmp_path / name,
        images=noise,
        sound=sound,
        options={"movflags": "faststart"} if name == "a.mp4" else None,
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames, error = frames_and_error(video.create(str(path)))
    assert 10 <= len(frames) < 40
    assert "cut off" in error
    assert f"{len(frames)}" in error
    assert error.startswith(str(path))


def test_an_mp4_without_its_index_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "its index (moov) is missing" in frames_and_error(video.create(str(path)))[1]


def test_damage_in_the_middle_costs_only_the_damaged_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", codec="ffv1", pixels="yuv444p", frames=40)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = os.urandom(200)
    path.write_bytes(data)
    frames, error = frames_and_error(video.create(str(path)))
    assert len(frames) >= 15
    assert error == "" or "damaged" in error or "cut off" in error


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4"])
def test_sound_only(tmp_path: Path, name: str) -> None:
    path = write_sound_only(tmp_path / name)
    (source,) = open_sources([str(path)])
    assert frames_and_error(source) == ([], f"{path}: only sound in this file")


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        hum = container.add_stream("mp3", rate=48_000)
        hum.codec_context.layout = "mono"
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame(64, 48, "yuvj420p")))
        container.mux(cover.encode(None))
        from sources.videos import write_hum

        write_hum(container, hum, 0.3)
    assert "only sound" in frames_and_error(video.create(str(path)))[1]


def test_empty_and_zero_byte_files(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.touch()
    (source,) = open_sources([str(path)])
    assert frames_and_error(source) == ([], f"{path}: the file is empty (0 bytes)")
    assert "the file is empty" in frames_and_error(video.create(str(path)))[1]
    assert "no such file" in frames_and_error(video.create(str(tmp_path / "none.mp4")))[1]


def test_a_video_without_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    (source,) = open_sources([str(path)])
    assert frames_and_error(source) == (
        [],
        f"{path}: this video cannot be opened: it is empty, cut off or damaged",
    )


def test_frames_too_large_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    assert "64 x 48 pixels are too large" in frames_and_error(video.create(str(path), max_pixels=3000))[1]


def test_closing_is_safe_at_any_moment(tmp_path: Path) -> None:
    path = str(write_video(tmp_path / "a.mp4"))
    video.create(path).close()
    source = video.create(path)
    seen = 0
    for _ in source:
        seen += 1
        if seen == 3:
            source.close()
            source.close()
    assert seen == 3
    with video.create(path) as source:
        next(iter(source))


@pytest.mark.parametrize("name, frames", [("face_noface.mov", 169), ("pexels_face.mp4", 472)])
def test_real_videos(shared_dir: Path, name: str, frames: int) -> None:
    path = shared_dir / "data/video" / name
    if not path.exists():
        pytest.skip(f"needs {path.name}")
    source = video.create(str(path), max_fps=5)
    times = [f.time_s for f in source]
    assert times == sorted(times)
    assert source.frame_count == frames
