import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.errors import GeometryError
from headwise.rotation import Rotation
from headwise.warp import Border, Warp

from .drawn_head import HEAD

shifts = st.floats(-300, 300)
warps = st.builds(
    lambda factor, deg, dx, dy, mirrored: (
        Warp.moving(dx, dy)
        @ Warp.scaling(factor)
        @ Warp.turning(deg, (50, 60))
        @ (Warp.mirroring(640) if mirrored else Warp.identity())
    ),
    st.floats(0.05, 20),
    st.floats(-180, 180),
    shifts,
    shifts,
    st.booleans(),
)


@given(warps, warps)
def test_group_laws(a, b):
    points = np.array([(0.0, 0.0), (100, 20), (-30, 70)])
    np.testing.assert_allclose((a @ b).points(points), a.points(b.points(points)), atol=1e-6)
    np.testing.assert_allclose(a.inverse().points(a.points(points)), points, atol=1e-6)
    assert (a @ b).scale == pytest.approx(a.scale * b.scale)
    assert (a @ b).mirrors == (a.mirrors != b.mirrors)


@given(warps, warps)
def test_rotations_move_by_the_same_group(a, b):
    rotation = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=30, pitch_deg=-20, roll_deg=10)
    assert (a @ b).rotation(rotation).angle_to_deg(a.rotation(b.rotation(rotation))) < 1e-5
    assert a.inverse().rotation(a.rotation(rotation)).angle_to_deg(rotation) < 1e-5


@given(warps, st.floats(-180, 180), st.floats(-80, 80), st.floats(-180, 180))
def test_projected_points_move_as_the_rotation_does(warp, yaw_deg, pitch_deg, roll_deg):
    """A warped picture of a head on the axis is the picture of the head under the warped rotation."""
    rotation = Rotation.from_euler(
        EulerOrder.AZIMUTH, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=roll_deg
    )
    camera = Camera(500, 500, 0, 0, 640, 480)
    away = np.array([0.0, 0.0, 1.0])
    points_head = np.array(list(HEAD.values()))
    points_px = camera.project(rotation @ points_head + away)
    mirrored = points_head * (-1, 1, 1) if warp.mirrors else points_head
    expected = camera.project(warp.rotation(rotation) @ mirrored + away) * warp.scale
    np.testing.assert_allclose(warp.points(points_px) - warp.points((0, 0)), expected, atol=1e-6)


def test_turning_is_clockwise_on_the_screen():
    above = Warp.turning(90, about=(100, 100)).points((100, 0))
    np.testing.assert_allclose(above, (200, 100), atol=1e-12)
    assert Warp.turning(33, (5, 6)).rotation_deg == pytest.approx(33)
    upright = Warp.turning(20, (0, 0)).rotation(Rotation.identity())
    np.testing.assert_allclose(upright.euler(), (0, 0, 20), atol=1e-12)


def test_mirroring_swaps_left_and_right_of_points_and_pose():
    warp = Warp.mirroring(640)
    np.testing.assert_allclose(warp.points((10, 20)), (630, 20))
    rotation = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=30, pitch_deg=10, roll_deg=5)
    np.testing.assert_allclose(warp.rotation(rotation).euler(), (-30, 10, -5))


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def test_pixels_of_exact_warps_are_exact(noise):
    np.testing.assert_array_equal(Warp.identity().image(noise, 64, 48), noise)
    np.testing.assert_array_equal(Warp.mirroring(64).image(noise, 64, 48), noise[:, ::-1])
    np.testing.assert_array_equal(Warp.moving(-5, -7).image(noise, 30, 20), noise[7:27, 5:35])
    quarter = Warp.moving(48, 0) @ Warp.turning(90, (0, 0))
    np.testing.assert_array_equal(quarter.image(noise, 48, 64), np.rot90(noise, -1))


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_shrinking_by_a_whole_factor_is_the_mean_of_blocks(noise, factor):
    height, width = 48 // factor, 64 // factor
    blocks = noise[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    shrunk = Warp.scaling(1 / factor).image(noise, width, height)
    np.testing.assert_allclose(shrunk, blocks.mean(axis=(1, 3)), atol=0.51)


def blob_center(image):
    """Centre of mass of the bright pixels, in continuous coordinates."""
    weights = image.astype(float)
    rows, columns = np.indices(image.shape)
    return np.array([(weights * (columns + 0.5)).sum(), (weights * (rows + 0.5)).sum()]) / weights.sum()


def blob_at(x, y, width=400, height=300, radius=30.0):
    rows, columns = np.indices((height, width))
    distance = ((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2) / radius**2
    return np.rint(255 * np.exp(-distance)).astype(np.uint8)


@pytest.mark.parametrize("deg", [0, 30, -100])
@pytest.mark.parametrize("factor", [0.13, 0.26, 0.45, 0.574, 0.79, 0.81, 1.0, 1.7])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pixels_move_exactly_as_points_do(factor, deg, mirrored):
    """Also where the picture is shrunk in two steps: a shift of a tenth of a target pixel would show."""
    warp = Warp.moving(20.3, 30.7) @ Warp.scaling(factor, about=(200, 150)) @ Warp.turning(deg, (200, 150))
    if mirrored:
        warp = warp @ Warp.mirroring(400)
    point = (217.3, 139.9)
    moved = warp.image(blob_at(*point), 460, 360, Border.BLACK)
    np.testing.assert_allclose(blob_center(moved), warp.points(point), atol=0.04)


def test_shrinking_does_not_alias():
    stripes = np.zeros((400, 400), dtype=np.uint8)
    stripes[:, ::2] = 200
    for factor in (0.7, 0.6, 0.55, 0.5, 0.37, 0.21):
        shrunk = Warp.scaling(factor).image(stripes, int(400 * factor), int(400 * factor))
        assert np.ptp(shrunk[5:-5, 5:-5].astype(int)) < 80, "fine stripes become nearly even gray"


@pytest.mark.parametrize("factor", [0.2, 0.6, 1.0, 3.0])
def test_borders(factor):
    picture = np.full((50, 60, 3), 200, dtype=np.uint8)
    warp = Warp.moving(40, 40) @ Warp.scaling(factor)
    assert (warp.image(picture, 300, 300) == 200).all()
    black = warp.image(picture, 300, 300, Border.BLACK)
    assert (black[:38] == 0).all()
    assert (black[50, 48] == (200 if factor >= 0.6 else black[50, 48])).all()
    far = Warp.moving(5000, -5000) @ Warp.scaling(factor)
    assert (far.image(picture, 30, 30) == 200).all()
    assert (far.image(picture, 30, 30, Border.BLACK) == 0).all()


def test_gray_pictures_and_masks():
    assert Warp.scaling(0.4).image(np.zeros((50, 60), np.uint8), 24, 20).shape == (20, 24)


@pytest.mark.parametrize(
    "matrix",
    [np.eye(3), np.zeros((2, 3)), [[1, 0.1, 0], [0, 1, 0]], [[2, 0, 0], [0, 1, 0]], np.full((2, 3), np.nan)],
)
def test_only_similarities_are_warps(matrix):
    with pytest.raises(GeometryError, match="warp"):
        Warp(np.array(matrix))


def test_a_huge_picture_is_not_walked_through_for_a_small_crop():
    huge = np.zeros((6000, 40000, 3), dtype=np.uint8)
    started = time.process_time()
    Warp.moving(-39000, -100).image(huge, 100, 100)
    assert time.process_time() - started < 0.1
