"""The package's shape model: its frame, its symmetry, its surface; and files that are none."""

import numpy as np
import pytest

from headwise import weights
from headwise.conventions import EYES_MIDPOINT_HEAD_M, FLIP_68
from headwise.errors import GeometryError, ModelError, OutputError
from headwise.fitting.shape_model import FILE, load_shape_model, save_shape_model

MIRROR = np.array([-1, 1, 1])


@pytest.fixture(scope="module")
def model():
    return load_shape_model()


def places(model):
    """For every vertex the first one at its place: the seam and the crown are there several times."""
    _, first, same = np.unique(model.vertices_m.round(5), axis=0, return_index=True, return_inverse=True)
    return first[same.ravel()]


def test_the_mean_stands_in_the_head_frame_and_is_as_large_as_the_frames_own(model):
    mean = weights.mean_points_m()
    assert np.linalg.norm(model.points_m - mean, axis=1).max() < 0.004
    turn = (model.points_m - model.points_m.mean(0)).T @ (mean - mean.mean(0))
    u, _, vt = np.linalg.svd(turn)
    assert np.degrees(np.arccos((np.trace(u @ vt) - 1) / 2)) < 0.3
    lids_from_eyes = model.points_m[36:48].mean(0) - EYES_MIDPOINT_HEAD_M  # eyeballs' centres: 12 mm deeper
    np.testing.assert_allclose(lids_from_eyes, [0, -0.003, -0.012], atol=0.003)
    assert abs(lids_from_eyes[0]) < 1e-4


def test_it_is_small_and_of_the_promised_size(model):
    assert (weights.FOLDER / FILE).stat().st_size <= 3e6
    assert 10 <= model.identity_count <= 50
    assert 5 <= model.expression_count <= 20
    assert 3000 < len(model.vertices_m) < 10_000


def test_left_and_right_are_alike(model):
    np.testing.assert_allclose((model.points_m * MIRROR)[FLIP_68], model.points_m, atol=1e-4)
    for modes in (model.identity_points, model.expression_points):
        mirrored = (modes * MIRROR)[:, FLIP_68]
        sizes = np.abs(modes).max(axis=(1, 2))
        same = np.abs(mirrored - modes).max(axis=(1, 2)) < 0.02 * sizes
        opposite = np.abs(mirrored + modes).max(axis=(1, 2)) < 0.02 * sizes
        assert (same ^ opposite).all(), "a mode is symmetric or antisymmetric"


def test_modes_come_strongest_first_at_the_points_and_the_surface_together(model):
    for points, vertices in (
        (model.identity_points, model.identity_vertices),
        (model.expression_points, model.expression_vertices),
    ):
        strength = (points**2).sum((1, 2)) / 68 + (vertices**2).sum((1, 2)) / len(model.vertices_m)
        assert strength[:5].min() > strength[-5:].max()


def test_coefficients_move_points_and_surface_together_and_broadcast(model):
    rng = np.random.default_rng(0)
    identity = rng.normal(size=(4, 1, model.identity_count))
    expression = rng.normal(size=(3, model.expression_count))
    points, vertices = model.points(identity, expression), model.vertices(identity, expression)
    assert points.shape == (4, 3, 68, 3)
    assert vertices.shape == (4, 3, len(model.vertices_m), 3)
    one = model.points_m + sum(
        c * mode for c, mode in zip(identity[2, 0], model.identity_points, strict=True)
    )
    one = one + sum(c * mode for c, mode in zip(expression[1], model.expression_points, strict=True))
    np.testing.assert_allclose(points[2, 1], one, atol=1e-12)
    corner = vertices[2, 1, np.linalg.norm(model.vertices_m - model.points_m[30], axis=1).argmin()]
    assert np.linalg.norm(corner - points[2, 1, 30]) < 0.005, "the tip of the nose stays the tip"


def test_the_points_lie_on_the_surface(model):
    off = np.linalg.norm(model.points_m[:, None] - model.vertices_m[None], axis=2).min(1)
    assert off.max() < 0.006


def test_the_surface_looks_outward_and_is_closed_but_for_the_neck(model):
    place = places(model)
    triangles = place[model.triangles]
    a, b, c = (model.vertices_m[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    outward = ((a + b + c) / 3 - [0, -0.02, 0]) * normal
    area = np.linalg.norm(normal, axis=1)
    assert area[outward.sum(1) > 0].sum() > 0.95 * area.sum(), "counter-clockwise from outside; ears fold"
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.sort(edges[edges[:, 0] != edges[:, 1]], 1)
    pairs, count = np.unique(edges, axis=0, return_counts=True)
    assert count.max() == 2
    rim = model.vertices_m[np.unique(pairs[count == 1])]
    assert rim[:, 1].min() > 0.07, "the only rim is the neck's"


@pytest.mark.parametrize("size", [0.0, 1.0])
def test_nothing_folds_on_ordinary_heads(model, size):
    """Triangles keep the side they face: few turn by more than a right angle from the mean head's."""
    rng = np.random.default_rng(1)
    identity, expression = (
        size * rng.normal(size=(8, k)) for k in (model.identity_count, model.expression_count)
    )

    def normals(vertices):
        a, b, c = (vertices[..., model.triangles[:, k], :] for k in range(3))
        return np.cross(b - a, c - a)

    mean = normals(model.vertices_m)
    turned = (normals(model.vertices(identity, expression)) * mean).sum(-1) < 0
    assert turned.mean() < 0.01


def test_uv_shows_the_face_upright_in_the_middle(model):
    assert model.uv.min() >= 0
    assert model.uv.max() <= 1
    nearest = np.linalg.norm(model.points_m[:, None] - model.vertices_m[None], axis=2).argmin(1)
    u, v = model.uv[nearest].T
    assert u[30] == pytest.approx(0.5, abs=0.01)
    assert u[36] < u[30] < u[45], "the subject's right eye is on the left of the texture"
    assert v[19] < v[36] < v[30] < v[51] < v[57] < v[8], "brow, eye, nose, lips, chin from above"
    a, b, c = (model.uv[model.triangles[:, k]] for k in range(3))
    areas = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (areas < 0).all(), "v runs down, so counter-clockwise triangles have negative areas: no overlap"


def test_a_file_gives_back_what_was_saved(model, tmp_path):
    save_shape_model(model, tmp_path / "again.npz")
    again = load_shape_model(tmp_path / "again.npz")
    np.testing.assert_array_equal(again.vertices_m, model.vertices_m)
    np.testing.assert_array_equal(again.triangles, model.triangles)
    assert (tmp_path / "again.npz").read_bytes() == (weights.FOLDER / FILE).read_bytes()


def test_files_that_are_no_models_are_told(model, tmp_path):
    with pytest.raises(ModelError, match="shape-model build"):
        load_shape_model(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ModelError, match="holds no shape model"):
        load_shape_model(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", points_m=model.points_m)
    with pytest.raises(ModelError, match="holds no shape model"):
        load_shape_model(tmp_path / "other.npz")
    with pytest.raises(OutputError, match="cannot write"):
        save_shape_model(model, tmp_path / "no/such/folder.npz")


def test_a_damaged_package_is_told(monkeypatch, tmp_path):
    from headwise.fitting import shape_model

    (tmp_path / FILE).write_bytes((weights.FOLDER / FILE).read_bytes()[:-1])
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    with pytest.raises(ModelError, match="damaged"):
        shape_model._loaded.__wrapped__(None)
    (tmp_path / FILE).unlink()
    with pytest.raises(ModelError, match=r"the package holds no head_shape\.npz"):
        shape_model._loaded.__wrapped__(None)


def test_arrays_that_do_not_fit_together_are_told(model):
    from dataclasses import replace

    with pytest.raises(ModelError, match=r"uv needs shape \(6464, 2\)"):
        replace(model, uv=model.uv[:-1])
    with pytest.raises(ModelError, match="finite"):
        replace(model, points_m=model.points_m * np.nan)
    with pytest.raises(ModelError, match="triangles need vertices 0 to"):
        replace(model, triangles=model.triangles + 9)
    with pytest.raises(GeometryError, match=r"needs \(\.\.\., 50\) coefficients, got shape \(3,\)"):
        model.points(np.zeros(3), np.zeros(model.expression_count))
