import re

import cv2
import numpy as np
import pytest

from globe_head import globe_head
from headwise import plugins
from headwise.errors import MissingExtra, OutputError
from headwise.fitting.mesh import HeadMesh, vertex_normals
from headwise.fitting.mesh_files import write_mesh

HEAD = globe_head()


@pytest.fixture(scope="module")
def mesh() -> HeadMesh:
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, :, 0] = 250  # the upper half of the head is red
    texture[:, 32:, 2] = 250  # the subject's left has blue in it
    vertices = HEAD.vertices([1.0], [0.0])
    return HeadMesh(vertices, vertex_normals(vertices, HEAD), HEAD.triangles, HEAD.uv, texture, 1.0)


@pytest.mark.parametrize("ending", [".glb", ".obj"])
def test_another_reader_finds_the_head(mesh, tmp_path, ending):
    trimesh = pytest.importorskip("trimesh")
    path = tmp_path / f"head{ending}"
    write_mesh(path, mesh)
    read = trimesh.load(str(path), force="mesh", process=False)
    own, theirs = mesh.vertices_m * [1, -1, -1], np.asarray(read.vertices)
    apart = np.linalg.norm(own[:, None] - theirs, axis=2)
    assert max(apart.min(axis=0).max(), apart.min(axis=1).max()) < 2e-5
    assert len(read.faces) == len(mesh.triangles)
    assert read.vertices[np.argmax(read.vertices[:, 2])][1] == pytest.approx(-0.0201, abs=5e-3), (
        "the nose: +z"
    )
    assert read.volume > 0, "outside is outside"


@pytest.mark.parametrize("ending", [".glb", ".obj"])
def test_the_texture_is_the_right_way_up(mesh, tmp_path, ending):
    trimesh = pytest.importorskip("trimesh")
    path = tmp_path / f"head{ending}"
    write_mesh(path, mesh)
    read = trimesh.load(str(path), force="mesh", process=False)
    material = read.visual.material
    picture = np.asarray(getattr(material, "baseColorTexture", None) or material.image)
    u, v = read.visual.uv.T
    colours = picture[np.clip(((1 - v) * 64).astype(int), 0, 63), np.clip((u * 64).astype(int), 0, 63)]
    above, left = read.vertices[:, 1] > 0.03, read.vertices[:, 0] > 0.02
    below, right = read.vertices[:, 1] < -0.03, read.vertices[:, 0] < -0.02
    assert (colours[above, 0] == 250).all()
    assert (colours[below, 0] == 0).all()
    assert (colours[left, 2] == 250).all()
    assert (colours[right, 2] == 0).all()


def test_obj_names_its_material_and_picture(mesh, tmp_path):
    write_mesh(tmp_path / "my head.obj", mesh)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my head.mtl", "my head.obj", "my head.png"]
    assert "mtllib my head.mtl" in (tmp_path / "my head.obj").read_text()
    assert re.search(r"^map_Kd my head\.png$", (tmp_path / "my head.mtl").read_text(), re.MULTILINE)
    assert cv2.imread(str(tmp_path / "my head.png"))[10, 10].tolist() == [0, 0, 250]


@pytest.mark.parametrize(
    "name, why", [("head.stl", "meshes are written as .glb and .obj"), ("nowhere/head.obj", "no folder")]
)
def test_what_cannot_be_written(mesh, tmp_path, name, why):
    with pytest.raises(OutputError, match=why):
        write_mesh(tmp_path / name, mesh)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_leaves_nothing_half(mesh, tmp_path):
    (tmp_path / "head.obj").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_mesh(tmp_path / "head.obj", mesh)
    assert not list(tmp_path.glob("*.part"))


def test_without_trimesh_the_extra_is_named(mesh, tmp_path, monkeypatch):
    def missing(module):
        raise plugins.missing_extra(module, ModuleNotFoundError(name="trimesh"))

    monkeypatch.setattr(plugins, "import_optional", missing)
    with pytest.raises(MissingExtra, match=r"headwise\[fit\]"):
        write_mesh(tmp_path / "head.glb", mesh)
