import numpy as np
import pytest

from globe_head import globe_head
from headwise.camera import Camera
from headwise.fitting.mesh_drawing import draw_mesh
from headwise.fitting.solve import HeadFit
from headwise.rotation import Rotation

HEAD = globe_head()
CAMERA = Camera.from_fov(320, 240, 40)


def fit(position_m=(0.0, 0, 0.8), rotation: Rotation | None = None) -> HeadFit:
    return HeadFit(
        rotation=rotation or Rotation.identity(),
        position_m=np.array(position_m),
        position_spread_m=np.full(3, 0.01),
        spread_deg=1.0,
        identity=np.zeros(1),
        expression=np.zeros(1),
        focal_px=None,
        error_px=1.0,
        iterations=5,
    )


def changed(position_m=(0.0, 0, 0.8), size=(320, 240), camera=CAMERA) -> np.ndarray:
    canvas = np.full((size[1], size[0], 3), 30, np.uint8)
    draw_mesh(canvas, fit(position_m), HEAD, camera)
    return (canvas != 30).any(axis=2)


def test_the_head_covers_where_it_projects_to():
    drawn = changed()
    x, y = CAMERA.project(HEAD.vertices_m + [0, 0, 0.8]).T
    rows, columns = np.nonzero(drawn)
    assert (columns.min(), columns.max() + 1) == pytest.approx((x.min(), x.max()), abs=1.5)
    assert (rows.min(), rows.max() + 1) == pytest.approx((y.min(), y.max()), abs=1.5)
    assert drawn[120, 160]


def test_an_enlarged_raster_covers_the_same():
    camera = Camera.from_fov(1600, 1200, 40)
    drawn = changed(size=(1600, 1200), camera=camera)
    x, y = camera.project(HEAD.vertices_m + [0, 0, 0.8]).T
    rows, columns = np.nonzero(drawn)
    assert (columns.min(), columns.max() + 1) == pytest.approx((x.min(), x.max()), abs=5)
    assert (rows.min(), rows.max() + 1) == pytest.approx((y.min(), y.max()), abs=5)


def test_what_faces_the_lamp_is_brighter():
    canvas = np.zeros((240, 320, 3), np.uint8)
    draw_mesh(canvas, fit(), HEAD, CAMERA, opacity=1.0)
    assert canvas[95, 140].mean() > canvas[150, 185].mean() + 20


@pytest.mark.parametrize("position_m", [(0, 0, -1), (0, 0, 0.05), (3.0, 0, 0.8), (0, 0, 300.0)])
def test_a_head_outside_the_picture_changes_nothing(position_m):
    assert not changed(position_m).any()


def test_a_head_at_the_edge_is_cut():
    drawn = changed((0.29, 0, 0.8))
    assert drawn[:, -1].any()
    assert not drawn[:, :200].any()
