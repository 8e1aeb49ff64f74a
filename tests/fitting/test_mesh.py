import numpy as np
import pytest

from globe_head import COLUMNS, ROWS, globe_head
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.fitting.mesh import View, head_mesh, texture_of, vertex_normals
from headwise.rotation import Rotation

HEAD = globe_head()
CAMERA = Camera.from_fov(320, 240, 40)
NONE = np.zeros(1)
SIDE_PX = 128


def ramp(camera: Camera = CAMERA) -> np.ndarray:
    """Red says the column, green the row, both in half pixels; blue is 200."""
    columns, rows = np.meshgrid(np.arange(camera.width_px), np.arange(camera.height_px))
    return np.stack([columns / 2, rows / 2, np.full_like(rows, 200)], axis=-1).astype(np.uint8)


def view(
    yaw_deg: float = 0.0, image: np.ndarray | None = None, camera: Camera = CAMERA, z: float = 0.8
) -> View:
    rotation = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=yaw_deg, pitch_deg=0, roll_deg=0)
    picture = ramp(camera) if image is None else image
    return View(picture, camera, rotation, np.array([0.02, -0.01, z]), NONE)


def texel(texture: np.ndarray, u: float, v: float) -> np.ndarray:
    return texture[int(v * SIDE_PX), int(u * SIDE_PX)].astype(float)


def vertex(u: float, v: float) -> np.ndarray:
    return HEAD.vertices_m[round(v * (ROWS - 1)) * COLUMNS + round(u * (COLUMNS - 1))]


@pytest.mark.parametrize("u, v", [(0.5, 0.5), (0.46, 0.4), (0.42, 0.5), (0.56, 0.6)])
@pytest.mark.parametrize("yaw_deg", [0, 12, -12])
def test_a_texel_has_the_colour_of_its_pixel(u, v, yaw_deg):
    seen = view(yaw_deg)
    texture, _ = texture_of(HEAD, NONE, [seen], SIDE_PX)
    u, v = round(u * 48) / 48, round(v * 24) / 24
    pixel = CAMERA.project(seen.rotation @ vertex(u, v) + seen.position_m)
    red, green, _ = texel(texture, u + 0.5 / SIDE_PX, v + 0.5 / SIDE_PX)
    assert (2 * red, 2 * green) == pytest.approx(tuple(pixel), abs=4)


def test_through_a_lens_too():
    camera = Camera(440, 440, 160, 120, 320, 240, (-0.4, 0.2, 0.0, 0.0))
    rotation = Rotation.identity()
    seen = View(ramp(camera), camera, rotation, np.array([-0.2, -0.1, 0.8]), NONE)
    texture, _ = texture_of(HEAD, NONE, [seen], SIDE_PX)
    pixel = camera.project(vertex(0.5, 0.5) + seen.position_m)
    red, green, _ = texel(texture, 0.5, 0.5)
    assert (2 * red, 2 * green) == pytest.approx(tuple(pixel), abs=3)
    assert np.abs(camera.pinhole().project(vertex(0.5, 0.5) + seen.position_m) - pixel).max() > 4.5


def test_large_pictures_are_averaged_not_skipped():
    fine = Camera.from_fov(2560, 1920, 40)
    stripes = np.zeros((1920, 2560, 3), np.uint8)
    stripes[:, ::2] = 255
    texture, _ = texture_of(HEAD, NONE, [view(image=stripes, camera=fine)], SIDE_PX)
    middle = texture[50:70, 58:70].astype(float)
    assert middle.mean() == pytest.approx(127, abs=6)
    assert middle.std() < 40


def test_the_hidden_side_comes_from_the_other_one():
    image = np.full((240, 320, 3), 60, np.uint8)
    image[:, :, 0] = 200
    turned = view(yaw_deg=60, image=image)
    texture, seen = texture_of(HEAD, NONE, [turned], SIDE_PX)
    assert 0.1 < seen < 0.5
    assert texel(texture, 0.72, 0.5)[0] == pytest.approx(200, abs=3)
    assert texel(texture, 0.28, 0.5)[0] == pytest.approx(200, abs=3)


def test_the_nose_is_not_painted_on_the_cheek_behind_it():
    """Seen at 50 deg, what lies behind the nose on the picture's nose side is hidden, not nose-coloured."""
    seen = view(yaw_deg=50)
    nose_px = CAMERA.project(seen.rotation @ np.array([0, 0.02, -0.115]) + seen.position_m)
    image = np.zeros((240, 320, 3), np.uint8)
    x, y = np.round(nose_px).astype(int)
    image[y - 6 : y + 7, x - 3 : x + 4] = (255, 0, 0)
    texture, _ = texture_of(HEAD, NONE, [View(image, *list(vars(seen).values())[1:])], SIDE_PX)
    red = texture[..., 0].astype(float)
    columns = np.flatnonzero(red.max(axis=0) > 128) / SIDE_PX
    assert columns.size
    assert columns.min() > 0.43
    assert columns.max() < 0.57


def test_two_pictures_show_more_than_one():
    left, right = view(yaw_deg=50), view(yaw_deg=-50)
    _, alone = texture_of(HEAD, NONE, [left], SIDE_PX)
    _, both = texture_of(HEAD, NONE, [left, right], SIDE_PX)
    assert both > 1.4 * alone


def test_the_first_picture_goes_first():
    far = view(image=np.full((240, 320, 3), 20, np.uint8), z=2.4)
    near = view(image=np.full((240, 320, 3), 220, np.uint8), z=0.6)
    texture, _ = texture_of(HEAD, NONE, [near, far], SIDE_PX)
    assert texel(texture, 0.5, 0.5)[0] > 190
    alone, _ = texture_of(HEAD, NONE, [far], SIDE_PX)
    assert texel(alone, 0.5, 0.5)[0] == 20, "a small head has a texture too"


def test_what_no_picture_shows_is_smooth_and_closed():
    image = np.full((240, 320, 3), 90, np.uint8)
    texture, seen = texture_of(HEAD, NONE, [view(image=image)], SIDE_PX)
    assert seen < 0.5
    assert np.abs(texture.astype(int) - 90).max() <= 1
    gray, seen = texture_of(HEAD, NONE, [], SIDE_PX)
    assert seen == 0
    assert (gray == 128).all()
    outside = View(image, CAMERA, Rotation.identity(), np.array([5.0, 0, 0.8]), NONE)
    assert texture_of(HEAD, NONE, [outside], SIDE_PX)[1] == 0
    behind = View(image, CAMERA, Rotation.identity(), np.array([0.0, 0, -0.8]), NONE)
    assert texture_of(HEAD, NONE, [behind], SIDE_PX)[1] == 0


def test_normals_point_outward_and_have_no_seam():
    normals = vertex_normals(HEAD.vertices_m, HEAD)
    away = HEAD.vertices_m / np.linalg.norm(HEAD.vertices_m, axis=1, keepdims=True)
    assert ((normals * away).sum(axis=1) > 0.3).all()
    grid = normals.reshape(ROWS, COLUMNS, 3)
    np.testing.assert_allclose(grid[:, 0], grid[:, -1], atol=1e-9)


def test_a_mesh_has_the_shape_it_was_given():
    mesh = head_mesh(HEAD, np.ones(1), np.ones(1), [view()], SIDE_PX)
    np.testing.assert_allclose(mesh.vertices_m, HEAD.vertices([1.0], [1.0]))
    assert mesh.texture.shape == (SIDE_PX, SIDE_PX, 3)
    assert 0 < mesh.seen < 1
