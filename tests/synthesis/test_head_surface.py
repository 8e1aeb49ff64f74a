"""The grid on a head: its pieces on small meshes, and the whole on the art."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="synthesis needs the extra 'synth'")

from headwise.errors import GeometryError
from headwise.synthesis import head_surface as surface

SQUARE = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
SQUARE_POINTS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 0.2]])


def sphere(rows=14, columns=24):
    """A ball of triangles seen counter-clockwise from outside, cut off below."""
    polar = np.radians(np.linspace(0, 130, rows))
    around = np.radians(np.arange(columns) * 360 / columns)
    ring = [[np.sin(p) * np.sin(a), -np.cos(p), -np.sin(p) * np.cos(a)] for p in polar[1:] for a in around]
    k = np.arange(columns)
    cap = np.stack([np.zeros_like(k), 1 + k, 1 + (k + 1) % columns], 1)
    below = []
    for row in range(rows - 2):
        a, b = 1 + row * columns + k, 1 + row * columns + (k + 1) % columns
        below += [np.stack([a, a + columns, b], 1), np.stack([b, a + columns, b + columns], 1)]
    points = 0.1 * np.array([[0, -1, 0], *ring]) + surface.MIDDLE_M
    triangles = np.concatenate([cap, *below])
    corners = points[triangles] - surface.MIDDLE_M
    outward = np.linalg.det(corners) > 0
    triangles[~outward] = triangles[~outward][:, [0, 2, 1]]
    return triangles, points


def test_a_cut_leaves_what_is_below_zero_and_new_points_on_the_line():
    height = np.array([-1.0, -1, 1, 1, 0.5])
    triangles, blend = surface._cut_off(SQUARE, height)
    assert (blend @ height)[np.unique(triangles)].max() == pytest.approx(0, abs=1e-12)
    points = blend @ SQUARE_POINTS
    a, b, c = (points[triangles[:, k], :2] for k in range(3))
    areas = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert (areas > 0).all()
    assert areas.sum() == pytest.approx(0.5 * (1 + 2 / 3) * 1 / 3 + 2 * 0.5 * 1 / 3 * (0.5 - 1 / 3), abs=0.06)


def test_a_loop_goes_once_around():
    (loop,) = surface._loops(SQUARE)
    assert sorted(loop) == [0, 1, 2, 3]
    assert set(zip(loop, np.roll(loop, -1), strict=True)) == {(0, 1), (1, 2), (2, 3), (3, 0)}


def test_subdivision_keeps_a_plane_a_straight_rim_and_the_side_it_faces():
    flat = SQUARE_POINTS * [1, 1, 0]
    triangles, blend = surface._rounded(SQUARE, 5)
    points = blend @ flat
    np.testing.assert_allclose(np.asarray(blend.sum(1)).ravel(), 1)
    assert len(triangles) == 16
    assert (np.cross(*(points[triangles[:, k]] - points[triangles[:, 0]] for k in (1, 2)))[:, 2] > 0).all()
    (rim,) = surface._loops(triangles)
    assert len(rim) == 8
    tip = (blend @ SQUARE_POINTS)[4]
    assert 0 < tip[2] < 0.2, "a tip is rounded"


def test_a_lid_closes_an_opening_facing_as_its_rim_does():
    triangles, points = sphere()
    (rim,) = surface._loops(triangles)
    lid = surface._lid(rim, points)
    assert len(lid) == len(rim) - 2
    assert surface._loops(np.concatenate([triangles, lid])) == []
    a, b, c = (points[lid[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 1] > 0).all(), "down, out of the ball"


def test_a_crumpled_ball_is_spread_without_folds():
    triangles, points = sphere()
    (rim,) = surface._loops(triangles)
    points = points.copy()
    points[40:44] = points[41:45].copy() * [0.2, 1, 1]
    points[100] = surface.MIDDLE_M - 0.3 * (points[100] - surface.MIDDLE_M)
    assert (np.linalg.det(points[triangles] - surface.MIDDLE_M) <= 0).any()
    globe = surface._spread_on_globe(triangles, points, rim)
    assert (np.linalg.det(globe[triangles]) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(globe, axis=1), 1)


def test_what_cannot_be_spread_is_told():
    triangles, points = sphere()
    (rim,) = surface._loops(triangles)
    triangles[::2] = triangles[::2][:, [0, 2, 1]]
    with pytest.raises(GeometryError, match="triangles turn over"):
        surface._spread_on_globe(triangles, points, rim)


def test_spacing_runs_from_first_to_last_as_close_as_said():
    found = surface._spaced(((0, 4), (10, 4), (10.001, 1), (20, 1)), 101)
    assert found[0] == 0
    assert found[-1] == 20
    steps = np.diff(found)
    assert steps[5] == pytest.approx(4 * steps[-5], rel=0.01)


def test_the_grid_names_its_mirror_images():
    triangles, uv, mirror = surface._grid()
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(uv)))
    np.testing.assert_allclose(uv[mirror], uv * [-1, 1] + [1, 0], atol=1e-12)
    as_sets = {frozenset(t) for t in triangles.tolist()}
    assert {frozenset(mirror[list(t)].tolist()) for t in as_sets} == as_sets


@pytest.mark.slow
def test_the_grid_on_the_arts_head_is_symmetric_smooth_and_close_to_it(art):
    from headwise.synthesis.identity import Identity
    from headwise.synthesis.shape_check import distances_to_surface
    from headwise.synthesis.shape_model import in_head_frame

    somebody = Identity((1 / 3, 1 / 3, 1 / 3), 0.5, 0.0, 1.0, 0.0, 0.0)
    skin = in_head_frame(art.rest.copy(), somebody, art)
    found = surface.head_surface(art, skin)
    vertices = found.blend @ skin
    np.testing.assert_allclose(np.asarray(found.blend.sum(1)).ravel(), 1, atol=1e-9)
    np.testing.assert_allclose((vertices * [-1, 1, 1])[found.mirror], vertices, atol=1e-3)
    off = distances_to_surface(vertices, skin, found.skin)
    assert np.median(off) < 0.0005
    assert np.percentile(off, 95) < 0.003
