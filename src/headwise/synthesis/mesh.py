"""Triangle meshes as the renderer takes them, and the few ways we make them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
Vector4 = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Topology:
    """Triangles with the incidence matrix [n, m] that sums face vectors into vertices."""

    triangles: IntArray
    faces_of_vertex: sparse.csr_matrix

    @classmethod
    def of(cls, triangles: IntArray, count: int) -> Topology:
        faces = len(triangles)
        ones = np.ones(3 * faces, np.float32)
        where = (triangles.ravel(), np.repeat(np.arange(faces), 3))
        return cls(triangles, sparse.csr_matrix((ones, where), shape=(count, faces)))

    def normals(self, points: FloatArray) -> FloatArray:
        """Unit vertex normals [n,3], weighted by face area."""
        a, b, c = (points[self.triangles[:, k]] for k in range(3))
        e, f = b - a, c - a
        face = np.empty_like(e)
        face[:, 0] = e[:, 1] * f[:, 2] - e[:, 2] * f[:, 1]
        face[:, 1] = e[:, 2] * f[:, 0] - e[:, 0] * f[:, 2]
        face[:, 2] = e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0]
        return unit(self.faces_of_vertex @ face)

    def smoothed(self, points: FloatArray, rounds: int) -> FloatArray:
        """Laplacian smoothing: each round moves every point 60 % of the way to the mean of its neighbours."""
        neighbours = self.faces_of_vertex @ self.faces_of_vertex.T
        neighbours.setdiag(0)
        neighbours.data[:] = neighbours.data > 0
        degree = np.maximum(np.asarray(neighbours.sum(1)), 1)
        for _ in range(rounds):
            points = np.asarray(0.4 * points + 0.6 * (neighbours @ points) / degree, np.float32)
        return points


@dataclass(frozen=True)
class Material:
    """How a mesh is shaded. `kind` picks the branch of the fragment shader."""

    kind: str
    texture: str | None = None
    second_texture: str | None = None
    tint: Vector4 = (1, 1, 1, 1)
    tint2: Vector4 = (0, 0, 0, 0)
    surface: Vector4 = (0.7, 0.03, 0.4, 1)  # roughness, reflectance, strength of highlights, opacity
    pattern: tuple[float, float] = (0, 1)  # kind (0 plain, 1-3 stripes and checks, 4 blotches), frequency
    makeup: Vector4 = (1, 1, 1, 0)  # skin: colour the lips are multiplied by, darkness about the eyes 0..1
    clip: Vector4 | None = None  # plane: what lies above is not drawn
    casts_shadow: bool = True


@dataclass(frozen=True, eq=False)
class Mesh:
    """Points [n,3] with normals, texture coordinates [n,2], shading weights [n,3] and hair tangents [n,3];
    triangles index into the points. Weights: occlusion, hairiness, cut (cloth) or lips +, lids - (skin)."""

    points: FloatArray
    normals: FloatArray
    triangles: IntArray
    material: Material
    uv: FloatArray
    weights: FloatArray
    tangents: FloatArray | None = None
    head_fraction: FloatArray | None = field(default=None)

    @classmethod
    def plain(
        cls,
        points: FloatArray,
        triangles: IntArray,
        material: Material,
        *,
        normals: FloatArray | None = None,
        occlusion: FloatArray | float = 1.0,
        cut: FloatArray | None = None,
    ) -> Mesh:
        """A mesh without texture; normals are computed if not given."""
        points = np.asarray(points, np.float32)
        weights = np.zeros((len(points), 3), np.float32)
        weights[:, 0] = occlusion
        if cut is not None:
            weights[:, 2] = cut
        if normals is None:
            normals = Topology.of(triangles, len(points)).normals(points)
        return cls(points, normals, triangles, material, np.zeros((len(points), 2), np.float32), weights)


def rgba(colour: FloatArray, alpha: float = 1.0) -> Vector4:
    """A colour [3] with an opacity (or another fourth number) as the shader takes it."""
    red, green, blue = (float(value) for value in colour)
    return red, green, blue, alpha


def about_x(angle: float) -> NDArray[np.float64]:
    """Turn [3,3] about the x axis, radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def about_y(angle: float) -> NDArray[np.float64]:
    """Turn [3,3] about the y axis, radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def unit(vectors: NDArray[np.floating]) -> FloatArray:
    """Rows scaled to length 1; zero rows stay zero."""
    length = np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    return np.asarray(vectors / (length + 1e-12), np.float32)


def tube(path: NDArray[np.floating], radius: float, *, sides: int = 6, closed: bool = False) -> Mesh:
    """A round tube along a path [n,3]."""
    path = np.asarray(path, np.float64)
    count = len(path)
    along = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    along = unit(along)
    across = unit(np.cross(along, [0.13, 0.97, 0.21]))
    around = np.cross(along, across)
    angle = np.arange(sides) / sides * 2 * np.pi
    normals = across[:, None] * np.cos(angle)[:, None] + around[:, None] * np.sin(angle)[:, None]
    points = path[:, None] + normals * radius
    triangles = ring_triangles(count, sides, closed=closed)
    shape = (count * sides, 3)
    return Mesh.plain(
        points.reshape(shape).astype(np.float32),
        triangles,
        Material("cloth"),
        normals=normals.reshape(shape).astype(np.float32),
    )


def ring_triangles(rings: int, sides: int, *, closed: bool) -> IntArray:
    """Triangles of a tube: `rings` rings of `sides` points; `closed` joins the last to the first."""
    i = np.arange(rings if closed else rings - 1)[:, None]
    k = np.arange(sides)[None]
    j, following = (i + 1) % rings, (k + 1) % sides
    a, b, c, d = i * sides + k, j * sides + k, j * sides + following, i * sides + following
    return np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    ).astype(np.int32)


def ellipsoid(
    center: NDArray[np.floating], radii: NDArray[np.floating], material: Material, *, sides: int = 14
) -> Mesh:
    """A closed ellipsoid."""
    polar = np.linspace(1e-3, np.pi - 1e-3, sides // 2 + 1)
    angle = np.arange(sides) / sides * 2 * np.pi
    direction = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(angle),
            np.cos(polar)[:, None] + 0 * angle,
            np.sin(polar)[:, None] * np.sin(angle),
        ],
        -1,
    ).reshape(-1, 3)
    points = np.asarray(center) + direction * np.asarray(radii)
    normals = unit(direction / np.asarray(radii))
    return Mesh.plain(
        points.astype(np.float32), ring_triangles(len(polar), sides, closed=False), material, normals=normals
    )


def joined(parts: list[Mesh], material: Material) -> Mesh:
    """Several meshes as one with one material."""
    offsets = np.cumsum([0, *(len(part.points) for part in parts)])
    return Mesh(
        np.concatenate([p.points for p in parts]),
        np.concatenate([p.normals for p in parts]),
        np.concatenate([p.triangles + o for p, o in zip(parts, offsets[:-1], strict=True)]),
        material,
        np.concatenate([p.uv for p in parts]),
        np.concatenate([p.weights for p in parts]),
    )


def submesh(triangles: IntArray) -> tuple[IntArray, IntArray]:
    """The vertices that some triangles use [k], and the triangles renumbered to them."""
    used, renumbered = np.unique(triangles, return_inverse=True)
    return used, renumbered.reshape(-1, 3).astype(np.int32)
