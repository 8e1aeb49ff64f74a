"""A body shape centred on its head: where things are fitted, and how its torso turns under the head."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from headwise.synthesis.assets import HeadAssets
from headwise.synthesis.identity import Identity
from headwise.synthesis.mesh import FloatArray, Material, Mesh, unit

# The head's origin, from the midpoint of the eye centres: 18 mm down and 75 mm back, about between the ears.
ORIGIN_FROM_EYES_DM = np.array([0, -0.18, -0.75], np.float32)
INNER_MOUTH_SHRINK = np.array([0.2, 0.16, 0.12], np.float32)
SMALLEST_TURN_RAD = 1e-4


@dataclass(frozen=True, eq=False)
class Body:
    """Vertices [n,3] in the head frame, eye centres, neck pivot [3], the torso's turn (rotation vector)."""

    vertices: FloatArray
    identity: Identity
    assets: HeadAssets
    left_eye: FloatArray
    right_eye: FloatArray
    neck: FloatArray
    torso_turn: FloatArray

    @classmethod
    def centred(
        cls, vertices: FloatArray, identity: Identity, assets: HeadAssets, *, torso_turn: FloatArray
    ) -> Body:
        left, right = assets.joint("l-eye", vertices), assets.joint("r-eye", vertices)
        origin = (left + right) / 2 + ORIGIN_FROM_EYES_DM
        origin[0] = 0
        inner = assets.inner_mouth[:, None]
        middle = (vertices * inner).sum(0) / inner.sum()
        vertices = vertices - (vertices - middle) * (inner * INNER_MOUTH_SHRINK) - origin
        neck = (assets.joint("neck", vertices) + assets.joint("head", vertices)) / 2
        return cls(vertices, identity, assets, left - origin, right - origin, neck, torso_turn)

    def fit(self, name: str) -> FloatArray:
        """Points of a fitted piece on this body."""
        return self.assets.pieces[name].fit(self.vertices)

    def piece_mesh(
        self, name: str, points: FloatArray, material: Material, *, occlusion: FloatArray | float = 1.0
    ) -> Mesh:
        """A fitted piece as a mesh, its seams split for texturing; hair gets tangents along its strands."""
        piece = self.assets.pieces[name]
        seam = piece.seam_map
        points = np.asarray(points, np.float32)
        weights = np.zeros((len(seam), 3), np.float32)
        weights[:, 0] = occlusion if np.isscalar(occlusion) else np.asarray(occlusion)[seam]
        tangents = self._strand_tangents(name, points)[seam] if material.kind == "hair" else None
        normals = piece.topology.normals(points)[seam]
        return Mesh(
            points[seam],
            normals,
            piece.triangles,
            material,
            piece.uv,
            weights,
            tangents,
            piece.head_fraction[seam],
        )

    def turn_torso(self, mesh: Mesh) -> Mesh:
        """Points turn about the neck with the torso, by the share that does not follow the head."""
        if mesh.head_fraction is None or np.abs(self.torso_turn).max() < SMALLEST_TURN_RAD:
            return mesh
        turn = self.torso_turn[None] * (1 - mesh.head_fraction)[:, None]
        return replace(
            mesh,
            points=_turned(mesh.points - self.neck, turn) + self.neck,
            normals=_turned(mesh.normals, turn),
        )

    def _strand_tangents(self, name: str, points: FloatArray) -> FloatArray:
        """Unit direction of growing texture v at each point: hair textures run along v."""
        piece = self.assets.pieces[name]
        corner, uv = points[piece.seam_map][piece.triangles], piece.uv[piece.triangles]
        e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        d1, d2 = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
        handed = np.where(d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0] < 0, -1, 1)[:, None]
        along = unit((e2 * d1[:, :1] - e1 * d2[:, :1]) * handed)
        return unit(piece.topology.faces_of_vertex @ along)


def _turned(vectors: FloatArray, turn: FloatArray) -> FloatArray:
    """Rodrigues' formula, row by row: vectors [n,3] turned by rotation vectors [n,3]."""
    angle = np.sqrt((turn * turn).sum(1, keepdims=True)) + 1e-9
    axis = turn / angle
    along = axis * (axis * vectors).sum(1, keepdims=True) * (1 - np.cos(angle))
    return np.asarray(vectors * np.cos(angle) + np.cross(axis, vectors) * np.sin(angle) + along, np.float32)
