"""Bad and odd inputs as a user would give them: each with a good picture, all at once, and alone."""

import csv
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from headwise.cli import app
from sources.videos import write_sound_only, write_video

av = pytest.importorskip("av")
pillow = pytest.importorskip("PIL.Image")

SCENE = np.full((120, 160, 3), 40, np.uint8)
SCENE[40:80, 40:80] = 255
BOX = (40, 40, 80, 80)

BAD = {
    "empty.jpg": "the file is empty (0 bytes)",
    "text.jpg": "neither a picture nor a video",
    "cut.jpg": "this JPEG picture is cut off",
    "cut.png": "this PNG picture is cut off",
    "damaged.png": "this PNG picture is damaged",
    "huge.png": "50000 x 50000 pixels are too many to decode",
    "huge.jpg": "50000 x 50000 pixels are too many to decode",
    "page.pdf": "PDF pictures are not read",
    "cut.mp4": "this video cannot be opened: it is cut off or damaged",
    "sound.mp4": "only sound in this file",
    "empty.mp4": "the file is empty (0 bytes)",
    "no_frames.mkv": "this video cannot be opened: it is empty",
    "missing.jpg": "no such file or folder",
    "nowhere/missing.jpg": "no such file, and no folder",
    "nothing*.jpg": "no file matches this pattern",
    "line\nbreak.jpg": "no such file or folder",
}
"""Name of an input and what is said about it."""

ODD = (
    "gray.jpg", "gray.png", "rgba.png", "gray_alpha.png", "16_bit.png", "16_bit.tif", "cmyk.jpg", "cmyk.tif",
    "palette.gif", "turned.jpg", "good.png", "variable.mp4",
)  # fmt: skip
"""Inputs that show the same scene."""

TINY = ("1_px.png", "1_px.jpg", "wide.png", "tall.png")
"""Inputs with no head in them."""


def name_of(path: Path) -> str:
    """As it stands in a message."""
    return str(path).replace("\n", r"\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file of the lists above that exists."""
    folder = tmp_path_factory.mktemp("inputs")
    write_odd(folder)
    write_bad(folder)
    return folder


def write_odd(folder: Path) -> None:
    picture = pillow.fromarray(SCENE)
    exif = pillow.Exif()
    exif[274] = 6
    picture.rotate(90, expand=True).save(folder / "turned.jpg", exif=exif, quality=95)
    picture.convert("RGBA").save(folder / "rgba.png")
    picture.convert("P").save(folder / "palette.gif")
    picture.convert("LA").save(folder / "gray_alpha.png")
    for ending in ("png", "jpg"):
        picture.convert("L").save(folder / f"gray.{ending}")
        picture.resize((1, 1)).save(folder / f"1_px.{ending}")
    for ending in ("jpg", "tif"):
        picture.convert("CMYK").save(folder / f"cmyk.{ending}")
    for ending in ("png", "tif"):
        cv2.imwrite(str(folder / f"16_bit.{ending}"), SCENE.astype(np.uint16) * 257)
    picture.save(folder / "good.png")
    cv2.imwrite(str(folder / "wide.png"), np.zeros((3, 50_000, 3), np.uint8))
    cv2.imwrite(str(folder / "tall.png"), np.zeros((50_000, 3, 3), np.uint8))
    write_video(folder / "variable.mp4", images=[SCENE] * 4, times_s=[0, 0.03, 0.4, 0.5], size_px=(160, 120))


def write_bad(folder: Path) -> None:
    jpeg = cv2.imencode(".jpg", SCENE)[1].tobytes()
    png = cv2.imencode(".png", SCENE)[1].tobytes()
    size_at = jpeg.index(b"\xff\xc0") + 5
    contents = {
        "empty.jpg": b"",
        "empty.mp4": b"",
        "text.jpg": b"no picture",
        "page.pdf": b"%PDF-1.4",
        "cut.jpg": jpeg[:-100],
        "cut.png": png[:-40],
        "huge.jpg": jpeg[:size_at] + struct.pack(">HH", 50_000, 50_000) + jpeg[size_at + 4 :],
        "huge.png": png_without_rows(50_000),
        "damaged.png": png_without_rows(100),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    write_sound_only(folder / "sound.mp4")
    whole = write_video(folder / "whole.mp4")
    (folder / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.unlink()
    with av.open(str(folder / "no_frames.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        container.start_encoding()


def png_without_rows(side_px: int) -> bytes:
    """A PNG whose header promises more rows than follow."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side_px, side_px, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(500))) + chunk(b"IEND", b"")


@pytest.fixture
def models(tiny_pose_model: Path, tiny_detector_model: Path) -> list[str]:
    return ["--model", str(tiny_pose_model), "--detector", str(tiny_detector_model)]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["run", *map(str, arguments)])


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_everything_at_once_in_a_process_of_its_own(folder: Path, models: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    inputs = [str(folder / name) for name in (*BAD, *ODD, *TINY)]
    program = [sys.executable, "-c", "from headwise.cli import main; main()", "run"]
    done = subprocess.run(
        [*program, *inputs, "--out", str(out), *models],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *told, summary = done.stderr.splitlines()
    assert len(told) == len(BAD), done.stderr
    for line, (name, why) in zip(told, BAD.items(), strict=True):
        assert line.startswith(f"headwise: {name_of(folder / name)}: {why}")
    assert summary.startswith(f"{len(inputs)} inputs, {len(BAD)} failed")
    found = rows(out)
    assert {row["source"] for row in found} == {str(folder / name) for name in ODD}
    for row in found:
        box = [float(row[side]) for side in ("left", "top", "right", "bottom")]
        assert box == pytest.approx(BOX, abs=1.5), row["source"]
    times_s = [row["time_s"] for row in found if row["source"].endswith("variable.mp4")]
    assert [float(time_s) for time_s in times_s] == pytest.approx([0, 0.03, 0.4, 0.5], abs=2e-3)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_input_alone_is_exit_code_2(folder: Path, models: list[str], tmp_path: Path, name: str) -> None:
    result = run(folder / name, "--out", tmp_path / "out.csv", *models)
    assert result.exit_code == 2
    assert BAD[name] in result.stderr
    assert len(result.stderr.splitlines()) == 2, "the reason and the summary"
    assert rows(tmp_path / "out.csv") == []


def test_what_comes_before_the_break_of_a_video_counts(
    folder: Path, models: list[str], tmp_path: Path
) -> None:
    whole = write_video(tmp_path / "whole.mkv", images=[SCENE] * 20, size_px=(160, 120))
    cut, out = tmp_path / "cut.mkv", tmp_path / "out.csv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    result = run(cut, "--out", out, *models)
    assert result.exit_code == 0
    assert f"headwise: {cut}: this video is cut off" in result.stderr
    assert len(rows(out)) > 3


def test_a_folder_that_cannot_be_listed_costs_only_what_is_in_it(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "in" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "in" / name / "one.png"), SCENE)
    listed = Path.iterdir

    def iterdir(path: Path):
        if path.name == "b":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    result = run(tmp_path / "in", "--out", tmp_path / "out.csv", *models)
    assert result.exit_code == 0
    assert f"headwise: {tmp_path / 'in' / 'b'}: permission denied" in result.stderr
    assert len(rows(tmp_path / "out.csv")) == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(folder: Path, models: list[str], tmp_path: Path) -> None:
    closed = tmp_path / "closed.png"
    closed.write_bytes((folder / "good.png").read_bytes())
    closed.chmod(0)
    result = run(closed, folder / "good.png", "--out", tmp_path / "out.csv", *models)
    assert result.exit_code == 0
    assert f"headwise: {closed}: permission denied" in result.stderr


@pytest.mark.parametrize(
    "out", ["nowhere/out.csv", "nowhere/out.jsonl", "nowhere/out.parquet", "good.csv/out.csv"]
)
def test_a_table_that_cannot_be_written_is_told_before_any_work(
    folder: Path, models: list[str], tmp_path: Path, out: str
) -> None:
    if out.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / "good.csv").touch()
    result = run(folder / "good.png", "--out", tmp_path / out, *models)
    assert result.exit_code != 0
    assert str(result.exception).startswith(f"{tmp_path / out}: cannot be written: ")
    assert "\n" not in str(result.exception)


def test_an_overlay_of_another_format_makes_no_folder_of_that_name(
    folder: Path, models: list[str], tmp_path: Path
) -> None:
    result = run(folder / "good.png", "--overlay", tmp_path / "out.jpg", *models)
    assert result.exit_code != 0
    assert "overlays are written as .png and .mp4" in str(result.exception)
    assert not (tmp_path / "out.jpg").exists()


def test_overlays_beside_their_inputs_replace_none(folder: Path, models: list[str], tmp_path: Path) -> None:
    for ending in ("jpg", "png"):
        cv2.imwrite(str(tmp_path / f"one.{ending}"), SCENE)
    before = (tmp_path / "one.png").read_bytes()
    result = run(
        tmp_path / "one.jpg",
        tmp_path / "one.png",
        "--overlay",
        tmp_path,
        "--out",
        tmp_path / "t.csv",
        *models,
    )
    assert result.exit_code == 0
    assert "overlays replace nothing beside their inputs" in result.stderr
    assert (tmp_path / "one.png").read_bytes() == before
    assert len(rows(tmp_path / "t.csv")) == 2


@pytest.mark.parametrize("kind", ["--model", "--detector"])
@pytest.mark.parametrize("content", ["text", "cut", "empty", "other"])
def test_a_wrong_model_file_is_named(
    folder: Path, tiny_pose_model: Path, tiny_detector_model: Path, tmp_path: Path, kind: str, content: str
) -> None:
    right, other = tiny_pose_model, tiny_detector_model
    if kind == "--detector":
        right, other = other, right
    wrong = tmp_path / "wrong.onnx"
    whole = right.read_bytes()
    wrong.write_bytes({"text": b"x", "cut": whole[:500], "empty": b"", "other": other.read_bytes()}[content])
    options = {"--model": tiny_pose_model, "--detector": tiny_detector_model, kind: wrong}
    result = run(folder / "good.png", *(text for pair in options.items() for text in pair))
    assert result.exit_code != 0
    assert str(wrong) in str(result.exception)
    assert "\n" not in str(result.exception)
