import os
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest

from headwise.errors import InputError
from headwise.sources import Source, open_sources


def save(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full((8, 9, 3), value, np.uint8))[1].tobytes())
    return path


def names(*inputs: str, stdin: str | None = None) -> list[str]:
    return [s.name for s in open_sources(inputs, None if stdin is None else StringIO(stdin))]


def failure(source: Source) -> str:
    with pytest.raises(InputError) as caught:
        list(source)
    return str(caught.value)


def test_a_picture(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", 77)
    (source,) = open_sources([str(path)])
    assert (source.name, source.is_stream, source.frame_count, source.fps) == (str(path), False, 1, None)
    (frame,) = source
    assert (frame.index, frame.time_s, frame.image.shape) == (0, None, (8, 9, 3))
    assert frame.image[0, 0].tolist() == [77, 77, 77]
    source.close()
    source.close()


def test_a_folder_is_read_sorted_with_subfolders_and_without_other_files(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "deep/er/c.dat", ".hidden.png", ".git/d.png"):
        save(tmp_path / name)
    (tmp_path / "labels.csv").write_text("file,yaw\nP1 is not a picture")
    (tmp_path / "Game.txt").write_text("Good morning")
    found = [name.removeprefix(str(tmp_path) + os.sep) for name in names(str(tmp_path))]
    assert found == ["a.png", "b.png", str(Path("deep/er/c.dat"))]


def test_damaged_files_of_a_folder_are_told_not_skipped(tmp_path: Path) -> None:
    save(tmp_path / "good.png")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "torn.mp4").write_bytes(b"nothing of a video")
    sources = {Path(s.name).name: s for s in open_sources([str(tmp_path)])}
    assert "empty" in failure(sources["empty.jpg"])
    assert "neither a picture nor a video" in failure(sources["torn.mp4"])
    assert len(list(sources["good.png"])) == 1


def test_an_empty_folder(tmp_path: Path) -> None:
    (source,) = open_sources([str(tmp_path)])
    assert "no pictures or videos in this folder" in failure(source)


def test_names_are_as_the_user_wrote_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(Path("in/a.png"))
    assert (
        names("in/a.png", "./in/a.png", "in/*.png", "in", "in/")
        == ["in/a.png", "./in/a.png"] + ["in/a.png"] * 3
    )


def test_patterns(tmp_path: Path) -> None:
    a, b = save(tmp_path / "a.png"), save(tmp_path / "deep" / "b.png")
    assert names(str(tmp_path / "*.png")) == [str(a)]
    assert names(str(tmp_path / "**/*.png")) == [str(a), str(b)]
    (source,) = open_sources([str(tmp_path / "*.jpg")])
    assert "no file matches" in failure(source)


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    path = save(tmp_path / "scan[1].png")
    assert names(str(path)) == [str(path)]


def test_standard_input_lists_any_inputs(tmp_path: Path) -> None:
    a, b = save(tmp_path / "a.png"), save(tmp_path / "deep" / "b b.png")
    text = f"{a}\r\n\n{b.parent}\n-\n{tmp_path / 'no.png'}\n"
    assert names("-", stdin=text) == [str(a), str(b), str(tmp_path / "no.png")]
    (source,) = open_sources(["-"])
    assert "no standard input" in failure(source)


def test_a_missing_file_names_the_nearest_one_and_costs_nobody_else(tmp_path: Path) -> None:
    good = save(tmp_path / "holiday.png")
    missing, source = open_sources([str(tmp_path / "holyday.png"), str(good)])
    assert failure(missing) == f"{tmp_path / 'holyday.png'}: no such file or folder; did you mean {good}?"
    assert len(list(source)) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no/such/place/a.png", "no folder no/such/place"),
        ("rtsp://camera/1", "addresses are not read"),
        ("", "an empty name"),
        ("a\0b.png", "a"),
    ],
)
def test_inputs_that_cannot_be_looked_for(text: str, why: str) -> None:
    (source,) = open_sources([text])
    assert why in failure(source)
    with source:
        source.close()


def test_text_is_no_terminal_art(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n" * 200)
    (source,) = open_sources([str(path)])
    assert failure(source) == f"{path}: neither a picture nor a video that can be read"


def test_a_number_is_a_camera_unless_something_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (camera,) = open_sources(["2020"])
    assert camera.is_stream
    save(Path("2020/a.png"))
    assert names("2020") == [str(Path("2020/a.png"))]


def test_sources_are_found_one_by_one(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    sources = open_sources([str(tmp_path / "a.png"), "-"], stdin=None)
    assert next(sources).name.endswith("a.png")
