import numpy as np
import pytest

from globe_head import globe_head
from headwise.camera import Camera
from headwise.fitting.raster import rasterize, rasterize_flat

SQUARE_PX = np.array([[2.0, 2], [8, 2], [2, 8], [8, 8]])
FACING = np.array([[0, 2, 1], [1, 2, 3]], np.int32)  # counter-clockwise on the screen, y down


def test_pixel_centres_inside_are_covered_once():
    covered = rasterize(SQUARE_PX, np.ones(4), FACING, 10, 10)
    picture = covered.picture(np.ones(len(covered.rows), np.float32), 0)
    expected = np.zeros((10, 10))
    expected[2:8, 2:8] = 1
    np.testing.assert_array_equal(picture, expected)
    x = covered.interpolated(SQUARE_PX[:, 0].astype(np.float32))
    np.testing.assert_allclose(x, covered.columns + 0.5, atol=1e-4)


def test_backs_are_not_seen():
    assert len(rasterize(SQUARE_PX, np.ones(4), FACING[:, ::-1], 10, 10).rows) == 0
    assert len(rasterize_flat(SQUARE_PX, FACING[:, ::-1], 10, 10).rows) == 36


def test_the_nearer_triangle_hides_the_farther():
    points = np.concatenate([SQUARE_PX, SQUARE_PX])
    depth = np.array([2.0] * 4 + [1.0] * 4)
    for order in (1, -1):
        triangles = np.concatenate([FACING, FACING + 4][::order])
        seen = rasterize(points, depth, triangles, 10, 10)
        np.testing.assert_allclose(seen.interpolated(depth.astype(np.float32)), 1)


def test_perspective_is_in_the_weights():
    """Halfway on the screen is nearer than halfway in space."""
    camera = Camera(100, 100, 50, 50, 100, 100)
    space = np.array([[-1.0, -1, 2], [3, -1, 6], [-1, 1, 2], [3, 1, 6]])
    covered = rasterize(camera.project(space), space[:, 2], FACING, 100, 100)
    places = covered.interpolated(space.astype(np.float32))
    pixels = np.stack([covered.columns, covered.rows], axis=1) + 0.5
    np.testing.assert_allclose(camera.project(places.astype(float)), pixels, atol=1e-3)


def test_a_closed_head_has_no_holes_and_ends_at_the_picture():
    head = globe_head()
    camera = Camera(300, 300, 10, 60, 120, 120)
    points = head.vertices_m + [0, 0, 0.6]
    covered = rasterize(camera.project(points), points[:, 2], head.triangles, 120, 120)
    seen = covered.picture(np.ones(len(covered.rows), np.float32), 0)
    assert seen[60, :40].min() == 1
    assert seen[60, 0] == 1
    depth = covered.picture(covered.interpolated(points[:, 2].astype(np.float32)), np.inf)
    assert depth.min() == pytest.approx(0.6 - 0.095 - 0.02, abs=4e-3), "the tip of the nose is nearest"


def test_what_has_no_pixel_is_left_out():
    points = SQUARE_PX.copy()
    points[3] = np.nan
    assert len(rasterize(points, np.ones(4), FACING, 10, 10).rows) == 21
    assert len(rasterize(points - 100, np.ones(4), FACING, 10, 10).rows) == 0
    assert len(rasterize(points, np.ones(4), FACING[:0], 10, 10).rows) == 0
