"""A shape model whose head is an ellipsoid with a nose: everything about it can be computed by hand."""

from __future__ import annotations

import numpy as np

from headwise.fitting.shape_model import ShapeModel
from headwise.weights import mean_points_m

ROWS, COLUMNS = 25, 49
RADII_M = np.array([0.075, 0.115, 0.095])
NOSE_M = 0.02


def globe_head() -> ShapeModel:
    """One identity mode makes it larger by 5 %, one expression mode lets the lower half hang by 4 mm."""
    v, u = np.meshgrid(np.linspace(0, 1, ROWS), np.linspace(0, 1, COLUMNS), indexing="ij")
    polar, turn = v * np.pi, (u - 0.5) * 2 * np.pi
    sphere = np.stack(
        [np.sin(polar) * np.sin(turn), -np.cos(polar), -np.sin(polar) * np.cos(turn)], axis=-1
    ).reshape(-1, 3)
    vertices = sphere * RADII_M
    vertices[:, 2] -= (
        NOSE_M
        * np.exp(-((vertices[:, 0] / 0.02) ** 2 + ((vertices[:, 1] - 0.02) / 0.025) ** 2))
        * (sphere[:, 2] < 0)
    )
    index = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    triangles = np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])
    points = mean_points_m()
    assert points is not None
    hanging = np.array([0, 0.004, 0])
    return ShapeModel(
        points_m=points,
        identity_points=0.05 * points[None],
        expression_points=((points[:, 1:2] > 0) * hanging)[None],
        vertices_m=vertices,
        identity_vertices=0.05 * vertices[None],
        expression_vertices=((vertices[:, 1:2] > 0) * hanging)[None],
        triangles=triangles.astype(np.int32),
        uv=np.stack([u.ravel(), v.ravel()], axis=-1),
    )
