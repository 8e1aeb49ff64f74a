"""Meshes in files: Wavefront OBJ with its MTL and a PNG, or one binary glTF (GLB).

Both have y up and the face toward +z, in metres, as viewers and modellers expect: the head frame turned half
round about x. Texture coordinates begin at the lower left in OBJ, at the upper left in GLB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from headwise import plugins
from headwise.errors import OutputError
from headwise.fitting.mesh import HeadMesh

ENDINGS = (".glb", ".obj")
FILE_FROM_HEAD = np.diag([1.0, -1.0, -1.0])
"""Half a turn about x: y up, the face toward +z."""


def check_mesh_path(path: str | Path) -> None:
    """Before any work: raises OutputError for another ending or a missing folder, MissingExtra for GLB
    without trimesh.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(f"{path}: meshes are written as {' and '.join(ENDINGS)}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot be written: there is no folder {path.parent}")
    if path.suffix.lower() == ".glb":
        _trimesh()


def write_mesh(path: str | Path, mesh: HeadMesh) -> None:
    """As the ending says. The file appears whole or not at all. Raises OutputError and MissingExtra."""
    check_mesh_path(path)
    path = Path(path)
    if path.suffix.lower() == ".obj":
        _write_obj(path, mesh)
    else:
        _write_whole(path, _glb(mesh))


def _write_obj(path: Path, mesh: HeadMesh) -> None:
    """Three files; the OBJ itself comes last, so that it never points to nothing."""
    picture, material = path.with_suffix(".png"), path.with_suffix(".mtl")
    bgr: Any = cv2.cvtColor(mesh.texture, cv2.COLOR_RGB2BGR)
    _write_whole(picture, cv2.imencode(".png", bgr)[1].tobytes())
    words = f"newmtl head\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {picture.name}\n"
    _write_whole(material, words.encode("utf-8", "surrogateescape"))
    corner = mesh.triangles + 1
    lines = [
        "# headwise: a head in metres, y up, the face toward +z",
        f"mtllib {material.name}",
        "usemtl head",
        *(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in (mesh.vertices_m @ FILE_FROM_HEAD).tolist()),
        *(f"vt {u:.6f} {1 - v:.6f}" for u, v in mesh.uv.tolist()),
        *(f"vn {x:.4f} {y:.4f} {z:.4f}" for x, y, z in (mesh.normals @ FILE_FROM_HEAD).tolist()),
        *(f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}" for a, b, c in corner.tolist()),
    ]
    _write_whole(path, ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))


def _glb(mesh: HeadMesh) -> bytes:
    trimesh, pillow = _trimesh(), plugins.import_optional("PIL.Image")
    material = trimesh.visual.material.PBRMaterial(
        name="head",
        baseColorTexture=pillow.fromarray(mesh.texture),
        baseColorFactor=[255, 255, 255, 255],
        metallicFactor=0.0,
        roughnessFactor=0.8,
        doubleSided=True,  # the neck is open
    )
    uv_from_below = np.column_stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]])  # trimesh turns it for glTF
    built = trimesh.Trimesh(
        vertices=mesh.vertices_m @ FILE_FROM_HEAD,
        faces=mesh.triangles,
        vertex_normals=mesh.normals @ FILE_FROM_HEAD,
        visual=trimesh.visual.TextureVisuals(uv=uv_from_below, material=material),
        process=False,
    )
    scene = trimesh.Scene(geometry={"head": built})
    exported: bytes = scene.export(file_type="glb", include_normals=True)
    return exported


def _trimesh() -> Any:
    plugins.import_optional("trimesh.visual.material")
    return plugins.import_optional("trimesh")


def _write_whole(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with _writing(path, part):
        part.write_bytes(content)
        part.replace(path)


@contextmanager
def _writing(path: Path, part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
