"""Cameras found again from drawn chessboards, and what is said when the pictures do not determine one."""

import json

import numpy as np
import pytest

from drawn_board import board_corners, draw_board, poses
from headwise.calibration import Board, calibrate, find_corners, most_different, write_camera
from headwise.camera import Camera
from headwise.errors import InputError, OutputError, SettingsError
from headwise.rotation import Rotation

BOARD = Board(9, 6, 0.025)
CAMERA = Camera(560, 566, 330.3, 231.8, 640, 480, (-0.25, 0.09, 0.001, -0.0015))


def views(camera=CAMERA, count=15, noise_px=0.05, **options):
    rng = np.random.default_rng(1)
    seen = [board_corners(camera, BOARD, *pose) for pose in poses(count, **options)]
    return [corners + rng.normal(0, noise_px, corners.shape) for corners in seen]


@pytest.fixture(scope="module")
def pictures():
    return [draw_board(CAMERA, BOARD, *pose) for pose in poses(6)]


def test_corners_are_where_they_were_drawn(pictures):
    for picture, pose in zip(pictures, poses(6), strict=True):
        found, truth = find_corners(picture, BOARD), board_corners(CAMERA, BOARD, *pose)
        assert found is not None
        error = min(np.abs(found - truth).max(), np.abs(found[::-1] - truth).max())  # either end may be first
        assert error < 0.4
        assert abs(found.mean(axis=0) - truth.mean(axis=0)).max() < 0.05, "half a pixel counts"


def test_in_a_large_picture_corners_are_refined():
    camera = Camera(1700, 1700, 960, 640, 1920, 1280)
    picture, pose = draw_board(camera, BOARD, *poses(1)[0]), poses(1)[0]
    found, truth = find_corners(picture, BOARD), board_corners(camera, BOARD, *pose)
    assert min(np.abs(found - truth).max(), np.abs(found[::-1] - truth).max()) < 0.2


def test_the_camera_is_found_again_from_pictures(pictures):
    corners = [find_corners(picture, BOARD) for picture in pictures]
    found = calibrate(corners, BOARD, 640, 480)
    assert found.error_px < 0.15
    assert found.camera.fx == pytest.approx(CAMERA.fx, rel=5e-3)
    assert found.camera.fy == pytest.approx(CAMERA.fy, rel=5e-3)
    assert (found.camera.cx, found.camera.cy) == pytest.approx((CAMERA.cx, CAMERA.cy), abs=2)
    pixels = np.array([[100, 80], [320, 240], [560, 400], [80, 420]])
    apart = np.linalg.norm(found.camera.ray(pixels) - CAMERA.ray(pixels), axis=1)
    assert np.degrees(apart).max() < 0.3
    truth_m = [np.linalg.norm(position) for _, position in poses(6)]
    np.testing.assert_allclose(found.distances_m, truth_m, rtol=0.01)


def test_a_lens_is_not_invented():
    found = calibrate(views(Camera.from_fov(640, 480, 60)), BOARD, 640, 480)
    assert np.count_nonzero(found.camera.distortion) == 1
    assert abs(found.camera.distortion[0]) < 0.02
    assert found.camera.fx == pytest.approx(554.3, rel=3e-3)
    assert (found.camera.cx, found.camera.cy) == pytest.approx((320, 240), abs=0.3), "half a pixel counts"


def test_a_misread_view_leaves():
    seen = views()
    seen[4] = seen[4] + np.random.default_rng(0).normal(0, 6, seen[4].shape)
    found = calibrate(seen, BOARD, 640, 480)
    assert found.used == tuple(i for i in range(15) if i != 4)
    assert found.camera.fx == pytest.approx(CAMERA.fx, rel=5e-3)


def test_too_few_views():
    with pytest.raises(InputError, match="found in 4 of the pictures, at least 5 are needed"):
        calibrate(views(count=4), BOARD, 640, 480)


def test_a_board_that_is_never_tilted_leaves_the_focal_length_open():
    with pytest.raises(InputError, match="leaves the focal length open"):
        calibrate(views(tilt_deg=0.0), BOARD, 640, 480)


def test_another_board_is_no_camera():
    rng = np.random.default_rng(0)
    wrong = [corners + rng.normal(0, 2, corners.shape) for corners in views(count=40)]
    with pytest.raises(InputError, match="no camera with such a lens"):
        calibrate(wrong, BOARD, 640, 480)


def test_of_many_views_the_most_different_stay():
    still = [np.full((54, 2), 100.0) + i * 1e-3 for i in range(50)]
    moved = [np.full((54, 2), 100.0 + 50 * i) for i in range(1, 6)]
    kept = most_different([*still, *moved], 6)
    assert set(range(50, 55)) <= set(kept)
    assert len(kept) == 6
    assert most_different(moved, 6) == [0, 1, 2, 3, 4]


def test_the_file_is_the_camera(tmp_path):
    found = calibrate(views(), BOARD, 640, 480)
    path = tmp_path / "camera.json"
    write_camera(path, found)
    assert Camera.from_file(path) == found.camera
    facts = json.loads(path.read_text())
    assert facts["views"] == 15
    assert facts["board"] == {"columns": 9, "rows": 6, "square_m": 0.025}
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputError, match="cannot be written"):
        write_camera(tmp_path / "nowhere/camera.json", found)


@pytest.mark.parametrize(
    "text, why",
    [("9", "such as 9x6"), ("9x", "such as 9x6"), ("2x9", "at least 3x3 inner corners"), ("axb", "such as")],
)
def test_what_is_no_board(text, why):
    with pytest.raises(SettingsError, match=why):
        Board.from_text(text, square_mm=25)
    with pytest.raises(SettingsError, match="longer than 0"):
        Board.from_text("9x6", square_mm=0)


def test_a_picture_without_a_board_has_no_corners():
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert find_corners(noise, BOARD) is None
    assert find_corners(np.zeros((1, 1, 3), np.uint8), BOARD) is None
    turned = Rotation.from_rotvec([0, 1.5, 0])
    assert find_corners(draw_board(CAMERA, BOARD, turned, np.array([0, 0, 0.5])), BOARD) is None
