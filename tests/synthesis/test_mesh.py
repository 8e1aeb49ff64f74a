import numpy as np
import pytest

pytest.importorskip("scipy", reason="synthesis needs the extra 'synth'")

from headwise.synthesis.mesh import Material, Mesh, Topology, ellipsoid, joined, submesh, tube


def test_a_tube_has_its_radius_and_normals_point_outwards():
    path = np.stack([np.zeros(5), np.linspace(0, 4, 5), np.zeros(5)], 1)
    mesh = tube(path, 0.5, sides=8)
    outward = mesh.points - path.repeat(8, 0)
    np.testing.assert_allclose(np.linalg.norm(outward, axis=1), 0.5, atol=1e-5)
    assert ((outward * mesh.normals).sum(1) > 0.49).all()


def test_the_triangles_of_an_ellipsoid_agree_with_its_normals():
    mesh = ellipsoid(np.array([1.0, 2, 3]), np.array([1.0, 2, 0.5]), Material("cloth"), sides=20)
    from_triangles = Topology.of(mesh.triangles, len(mesh.points)).normals(mesh.points)
    lengths = np.linalg.norm(from_triangles, axis=1)
    cosine = np.abs((from_triangles * mesh.normals).sum(1))[lengths > 0.5]
    assert np.median(cosine) > 0.98


def test_vertex_normals_of_a_flat_square_are_its_own():
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    np.testing.assert_allclose(Topology.of(triangles, 4).normals(points), [[0, 0, 1]] * 4, atol=1e-6)


def test_smoothing_pulls_a_spike_in_and_leaves_the_mean():
    grid = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0), [0.0]), -1).reshape(-1, 3).astype(np.float32)
    quads = [(5 * i + j, 5 * i + j + 1, 5 * i + j + 6, 5 * i + j + 5) for i in range(4) for j in range(4)]
    triangles = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    grid[12, 2] = 1
    smooth = Topology.of(triangles, 25).smoothed(grid, 3)
    assert smooth[12, 2] < 0.5
    assert smooth[:, 2].max() == smooth[12, 2]


def test_joining_keeps_every_part_apart_and_submesh_renumbers():
    parts = [tube(np.array([[0, 0, 0], [0, 1, 0.0]]), 0.1), tube(np.array([[5, 0, 0], [5, 1, 0.0]]), 0.1)]
    whole = joined(parts, Material("cloth"))
    assert len(whole.points) == sum(len(p.points) for p in parts)
    used, triangles = submesh(whole.triangles[len(parts[0].triangles) :])
    assert whole.points[used][:, 0].min() > 4
    assert triangles.max() == len(used) - 1


def test_a_plain_mesh_carries_its_cut():
    mesh = Mesh.plain(np.eye(3), np.array([[0, 1, 2]]), Material("cloth"), cut=np.array([-1.0, 0, 1]))
    assert mesh.weights[:, 2].tolist() == [-1, 0, 1]
    assert mesh.weights[:, 0].tolist() == [1, 1, 1]
