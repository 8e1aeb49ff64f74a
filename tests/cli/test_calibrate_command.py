"""`headwise calibrate` from outside: a file for `--intrinsics`, and what is said when there is none."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from drawn_board import draw_board, poses
from headwise.calibration import Board
from headwise.camera import Camera
from headwise.cli import app
from sources.videos import write_video

BOARD = Board(5, 4, 0.03)
CAMERA = Camera(300, 300, 160, 120, 320, 240)
OPTIONS = ("--board", "5x4", "--square-mm", "30")


def calibrate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [draw_board(CAMERA, BOARD, *pose) for pose in poses(9)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, images: list[np.ndarray]) -> Path:
    folder = tmp_path_factory.mktemp("boards")
    for i, image in enumerate(images):
        cv2.imwrite(str(folder / f"{i}.png"), image)
    return folder


def test_pictures_become_a_camera(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "camera.json"
    result = calibrate(folder, "--out", out, *OPTIONS)
    assert result.exit_code == 0, result.output
    found = Camera.from_file(out)
    assert found.fx == pytest.approx(300, rel=0.01)
    assert (found.width_px, found.height_px) == (320, 240)
    assert "field of view 5" in result.stdout
    assert "board seen at 0.4" in result.stdout
    assert json.loads(out.read_text())["error_px"] < 0.3


def test_bad_and_other_pictures_cost_one_line_each(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("x")
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros((240, 320, 3), np.uint8))
    small = draw_board(Camera(150, 150, 80, 60, 160, 120), Board(5, 4, 0.06), *poses(1)[0])
    cv2.imwrite(str(tmp_path / "small.png"), cv2.resize(small, (200, 150)))
    bad = [tmp_path / name for name in ("text.jpg", "missing.png", "empty.png", "small.png")]
    result = calibrate(*bad, folder, "--out", tmp_path / "camera.json", *OPTIONS)
    assert result.exit_code == 0, result.output
    told = [line for line in result.stderr.splitlines() if line.startswith("headwise: ")]
    assert [why in line for why, line in zip(
        ("neither a picture", "no such file", "no whole board", "left out: 200x150"), told[:4], strict=True
    )] == [True] * 4  # fmt: skip


def test_a_video_is_looked_at_now_and_then(tmp_path: Path, images: list[np.ndarray]) -> None:
    video = write_video(tmp_path / "board.mp4", images=images, size_px=(320, 240), fps=2)
    result = calibrate(video, "--out", tmp_path / "camera.json", *OPTIONS)
    assert result.exit_code == 0, result.output
    assert "found in 9 of 9 pictures" in result.stderr


def test_too_few_boards(folder: Path, tmp_path: Path) -> None:
    result = calibrate(folder / "0.png", "--out", tmp_path / "camera.json", *OPTIONS)
    assert result.exit_code != 0
    assert "found in 1 of the pictures, at least 5" in str(result.exception)
    assert not (tmp_path / "camera.json").exists()


@pytest.mark.parametrize(
    "out, why", [("camera.yml", "a camera file is JSON"), ("nowhere/camera.json", "there is no folder")]
)
def test_an_output_that_cannot_be_is_told_before_any_work(tmp_path: Path, out: str, why: str) -> None:
    result = calibrate(tmp_path / "missing.png", "--out", tmp_path / out)
    assert result.exit_code != 0
    assert why in str(result.exception)
    assert result.stderr == ""
