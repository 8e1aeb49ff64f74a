import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.camera import Camera
from headwise.errors import CameraError, InputError
from headwise.rotation import Rotation

pixels = st.tuples(st.floats(-500, 1500), st.floats(-500, 1500))


def test_fov_is_of_the_longer_side():
    upright, lying = Camera.from_fov(480, 640, 90), Camera.from_fov(640, 480, 90)
    assert upright.fx == upright.fy == lying.fx == pytest.approx(320)
    assert (lying.cx, lying.cy) == (320, 240)


@given(pixels, st.floats(0.1, 10))
def test_a_point_on_the_ray_projects_onto_the_pixel(point_px, distance):
    camera = Camera(500, 510, 300, 260, 640, 480)
    ray = camera.ray(point_px)
    assert np.linalg.norm(ray) == pytest.approx(1)
    np.testing.assert_allclose(camera.project(distance * ray), point_px, atol=1e-6)


def test_right_is_right_and_down_is_down():
    camera = Camera.from_fov(640, 480, 60)
    x, y = camera.project([0.1, 0.2, 1.0])
    assert x > 320
    assert y > 240


def test_points_behind_the_lens_have_no_pixel():
    assert np.isnan(Camera.from_fov(640, 480, 60).project([[0, 0, -1], [0, 0, 0]])).all()


@given(pixels)
def test_camera_from_ray_takes_z_onto_the_ray_the_shortest_way(point_px):
    camera = Camera.from_fov(640, 480, 70)
    turn, ray = camera.camera_from_ray(point_px), camera.ray(point_px)
    np.testing.assert_allclose(turn @ np.array([0, 0, 1.0]), ray, atol=1e-12)
    shortest_deg = np.degrees(np.arctan2(np.linalg.norm(ray[:2]), ray[2]))
    assert turn.angle_to_deg(Rotation.identity()) == pytest.approx(shortest_deg, abs=1e-9)


def test_a_head_that_looks_into_the_lens_from_the_side_is_frontal_in_its_crop():
    """Wherever it stands, the crop's frame shows it at zero and the camera's frame does not."""
    camera = Camera.from_fov(1280, 720, 90)
    point_px = (1200, 360)
    camera_from_head = camera.camera_from_ray(point_px) @ Rotation.identity()
    np.testing.assert_allclose(camera_from_head.facing, -camera.ray(point_px), atol=1e-12)
    yaw_deg, _, _ = camera_from_head.euler()
    assert yaw_deg > 35, "from the image right its nose must turn to the image left to meet the lens"


def test_batches_of_rays():
    camera = Camera.from_fov(640, 480, 60)
    points = np.random.default_rng(0).uniform(0, 480, (4, 5, 2))
    assert camera.camera_from_ray(points).batch_shape == (4, 5)
    np.testing.assert_allclose(
        camera.camera_from_ray(points)[2, 3].matrix, camera.camera_from_ray(points[2, 3]).matrix
    )


def test_distant_cameras_have_parallel_rays():
    rotation = Camera.distant(450, 300).camera_from_ray([(0, 0), (450, 300)])
    assert (rotation.angle_to_deg(Rotation.identity()) < 0.01).all()


def test_json_file(tmp_path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({"fx": 500, "fy": 501, "cx": 320, "cy": 240, "width": 640, "height": 480}))
    assert Camera.from_file(path) == Camera(500, 501, 320, 240, 640, 480)


@pytest.mark.parametrize("suffix", ["yml", "xml"])
def test_opencv_file_moves_the_principal_point_by_half_a_pixel(tmp_path, suffix):
    path = str(tmp_path / f"camera.{suffix}")
    storage = cv2.FileStorage(path, cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    storage.write("camera_matrix", np.array([[500.0, 0, 319.5], [0, 501, 239.5], [0, 0, 1]]))
    storage.release()
    assert Camera.from_file(path) == Camera(500, 501, 320, 240, 640, 480)


@pytest.mark.parametrize(
    "name, text",
    [("a.json", "{"), ("a.json", '{"fx": 1}'), ("a.yml", "hello"), ("a.yml", "%YAML:1.0\n---\nx: 1\n")],
)
def test_broken_files_are_input_errors(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="camera file"):
        Camera.from_file(tmp_path / name)
    with pytest.raises(InputError, match="no camera file"):
        Camera.from_file(tmp_path / "absent.json")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Camera(0, 1, 0, 0, 10, 10),
        lambda: Camera(1, 1, float("nan"), 0, 10, 10),
        lambda: Camera(1, 1, 0, 0, 0, 10),
        lambda: Camera.from_fov(10, 10, 180),
        lambda: Camera.from_fov(10, 10, 0),
    ],
)
def test_what_is_no_camera_is_refused(make):
    with pytest.raises(CameraError):
        make()


LENS = (-0.3, 0.12, 0.001, -0.002, 0.0)


@given(pixels, st.floats(0.1, 10))
def test_rays_and_pixels_agree_through_a_lens(point_px, distance):
    camera = Camera(500, 510, 300, 260, 640, 480, LENS)
    if 0 <= point_px[0] <= 640 and 0 <= point_px[1] <= 480:
        np.testing.assert_allclose(camera.project(distance * camera.ray(point_px)), point_px, atol=1e-6)


def test_a_barrel_lens_draws_the_corners_in():
    camera = Camera(500, 500, 320, 240, 640, 480, (-0.2, 0.0, 0.0, 0.0))
    np.testing.assert_allclose(camera.undistorted([320, 240]), [320, 240])
    x, y = camera.undistorted([600, 440])
    assert x > 610
    assert y > 447
    np.testing.assert_allclose(camera.pinhole().ray([x, y]), camera.ray([600, 440]))
    assert camera.pinhole().distortion == ()


def test_a_lens_that_folds_the_picture_is_refused():
    with pytest.raises(CameraError, match="folds the picture before its corners"):
        Camera(200, 200, 320, 240, 640, 480, (-0.3, 0.0, 0.0, 0.0))
    with pytest.raises(CameraError, match="got 3: 1 2 3"):
        Camera(200, 200, 320, 240, 640, 480, (1, 2, 3))


@pytest.mark.parametrize("suffix", ["yml", "json"])
def test_a_file_brings_its_lens(tmp_path, suffix):
    path = tmp_path / f"camera.{suffix}"
    if suffix == "json":
        sides = {"fx": 500, "fy": 501, "cx": 320, "cy": 240, "width": 640, "height": 480}
        path.write_text(json.dumps(sides | {"distortion": LENS}))
    else:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
        storage.write("image_width", 640)
        storage.write("image_height", 480)
        storage.write("camera_matrix", np.array([[500.0, 0, 319.5], [0, 501, 239.5], [0, 0, 1]]))
        storage.write("distortion_coefficients", np.array([LENS]))
        storage.release()
    assert Camera.from_file(path) == Camera(500, 501, 320, 240, 640, 480, LENS)


def test_a_file_with_half_a_lens_names_itself(tmp_path):
    path = tmp_path / "camera.json"
    path.write_text('{"fx": 1, "fy": 1, "cx": 0, "cy": 0, "width": 9, "height": 9, "distortion": [0.1]}')
    with pytest.raises(CameraError, match=r"camera file .*camera.json: a lens has"):
        Camera.from_file(path)
