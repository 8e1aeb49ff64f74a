"""A regular grid on the head, whose every vertex is a fixed blend of the art's vertices.

The grid is chosen once, on the mean head, and rides on the art's mesh from then on, so that vertices
correspond from person to person. It is laid out as a globe: rows from the crown to the neck, columns from the
back of the head over the subject's right, the face and the subject's left to the back again. The globe comes
from spreading the skin over the unit sphere without folds: every vertex lies near the mean of its neighbours
(Tutte, "How to Draw a Graph", 1963) and, as far as no triangle turns over, where its direction from the
middle of the head says. The inside of mouth and eye sockets and the body below the neck are cut off before;
a lid from rim to rim closes mouth and eyes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from headwise.errors import GeometryError
from headwise.synthesis.assets import HeadAssets

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NECK_SLOPE, NECK_M = 0.4, 0.112
"""The surface ends in the plane y + NECK_SLOPE * z = NECK_M of the mean head, 3 cm below the throat."""
DARK = 0.4
"""Skin that sees less of the sky (ambient occlusion) lies inside the mouth or an eye socket."""
SMALLEST_POUCH = 100
"""Dark places of fewer vertices are folds of ears and nostrils; they stay."""
MIDDLE_M = np.array([0.0, -0.02, -0.005])
MIDDLE_FOLLOWS, MIDDLE_DOWN_TO_M = np.array([0.0, 0.6, 0.25]), 0.1
"""Below the origin the middle that directions are seen from goes down with them, into the neck."""
ANCHOR, NECK_ANCHOR, LOOSER, LOOSENINGS = 1.0, 30.0, 0.3, 25
SHORTEST_EDGE_M = 0.0005
ROWS, COLUMNS = 64, 100
ROW_SPACING = (
    *((0, 6), (55, 6), (80, 2.5), (84, 0.9), (93, 0.9), (96, 1.2), (102, 1.1), (105, 0.6), (112, 0.6)),
    *((118, 1.1), (122, 2), (140, 2)),
)
COLUMN_SPACING = ((0, 2), (30, 2), (35, 4.4), (80, 4.4), (88, 1.6), (104, 1.6), (110, 5.6), (180, 5.6))
"""Degrees of colatitude and azimuth, and about how far apart rows and columns are there, in proportion."""
NECK_ROWS_FROM_DEG = 100.0
"""Rows below bend so that the last one is the rim of the neck."""
OPENING_ROWS, BENT_ROWS, BENT_COLUMNS = 3, 6, 4
"""Steps from lip to lip and lid to lid; so many rows and columns about them give way to that."""
EAR_COLATITUDES_DEG, EAR_AZIMUTHS_DEG, EAR_EDGE_DEG, EAR_ROUNDS = (87, 114), (88, 107), 2.0, 2
"""Rims of ears are narrower than the grid is wide: they are smoothed."""


@dataclass(frozen=True, eq=False)
class HeadSurface:
    """Grid vertices as blends of the art's: `blend` (V, n), rows of sum 1, so `blend @ art` are a person's.

    `skin` (S, 3) are the art's triangles that it lies on: without the inside of mouth and eye sockets.
    `triangles` (T, 3) counter-clockwise from outside, `uv` (V, 2), `mirror` (V): each vertex's mirror image.
    """

    blend: sparse.csr_matrix
    skin: Ints
    triangles: NDArray[np.int32]
    uv: Floats
    mirror: Ints


def head_surface(assets: HeadAssets, mean_m: Floats) -> HeadSurface:
    """The grid on a mean head: art vertices (n, 3) in the head frame, metres."""
    mirror = _mirror_images(assets)
    mean_m = (mean_m + (mean_m * [-1, 1, 1])[mirror]) / 2
    height = mean_m[:, 1] + NECK_SLOPE * mean_m[:, 2] - NECK_M
    dark = np.minimum(assets.occlusion, assets.occlusion[mirror]) < DARK
    skin = _without_pouches(assets.base.triangles.astype(np.int64), dark, height)
    triangles, blend = _cut_off(skin, height)
    used, triangles = np.unique(triangles, return_inverse=True)
    triangles, rounded = _rounded(triangles.reshape(-1, 3), len(used))
    blend = sparse.csr_matrix(rounded @ blend[used])
    neck, *openings = sorted(_loops(triangles), key=lambda loop: -float((blend @ mean_m)[loop, 1].mean()))
    points = blend @ mean_m
    triangles = np.concatenate([triangles, *(_lid(loop, points) for loop in openings)])
    globe = _spread_on_globe(triangles, points, neck)
    colatitude, azimuth = _bent_grid(globe[neck], [globe[loop] for loop in openings])
    triangle, weights = _located(_direction(colatitude, azimuth).reshape(-1, 3), globe, triangles)
    pick = sparse.csr_matrix(
        (weights.ravel(), (np.repeat(np.arange(len(weights)), 3), triangles[triangle].ravel())),
        (len(weights), len(points)),
    )
    faces, uv, mirrored = _grid()
    one_side = _smooth(sparse.csr_matrix(pick @ blend), faces, _at_the_ears(colatitude, azimuth).ravel())
    return HeadSurface(
        blend=sparse.csr_matrix((one_side + one_side[mirrored][:, mirror]) / 2),
        skin=skin,
        triangles=faces,
        uv=uv,
        mirror=mirrored,
    )


def _mirror_images(assets: HeadAssets) -> Ints:
    """For every art vertex (n) the one on the other side of the body; others than skin map to themselves."""
    body = assets.body
    place = np.round(assets.rest[body].astype(np.float64), 4)
    here = {tuple(p): int(v) for p, v in zip(place + 0.0, body, strict=True)}
    images = np.arange(len(assets.rest))
    for p, v in zip(place * [-1, 1, 1] + 0.0, body, strict=True):
        images[v] = here[tuple(p)]
    return images


def _without_pouches(triangles: Ints, dark: NDArray[np.bool_], height: Floats) -> Ints:
    """The triangles above the cut that touch no large connected dark place."""
    triangles = triangles[(height[triangles] < 0).any(1)]
    inside = triangles[dark[triangles].all(1)]
    label = _components(inside, len(dark))
    pouch = dark & (np.bincount(label[dark], minlength=label.max() + 1)[label] >= SMALLEST_POUCH)
    return np.asarray(triangles[~pouch[triangles].any(1)])


def _components(triangles: Ints, count: int) -> Ints:
    pairs = np.concatenate([triangles[:, :2], triangles[:, 1:]])
    graph = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def _cut_off(triangles: Ints, height: Floats) -> tuple[Ints, sparse.csr_matrix]:
    """Triangles cut at height 0, and every vertex as a blend of the former ones: those, then edge points."""
    inside = height < 0
    kept = inside[triangles].sum(1)
    odd_one = np.where(kept == 1, inside[triangles].argmax(1), (~inside[triangles]).argmax(1))
    turned = np.take_along_axis(triangles, (odd_one[:, None] + np.arange(3)) % 3, 1)
    one, two = turned[kept == 1], turned[kept == 2]
    edges = np.concatenate([one[:, [0, 1]], one[:, [0, 2]], two[:, [0, 1]], two[:, [0, 2]]])
    cut, number = np.unique(np.sort(edges, 1), axis=0, return_inverse=True)
    number = number.ravel() + len(height)
    b1, c1, b2, c2 = np.split(number, np.cumsum([len(one), len(one), len(two)]))
    pieces = [
        triangles[kept == 3],
        np.stack([one[:, 0], b1, c1], 1),
        np.stack([two[:, 1], two[:, 2], c2], 1),
        np.stack([two[:, 1], c2, b2], 1),
    ]
    along = height[cut[:, 0]] / (height[cut[:, 0]] - height[cut[:, 1]])
    rows = np.repeat(np.arange(len(cut)), 2)
    values = np.stack([1 - along, along], 1)
    points = sparse.csr_matrix((values.ravel(), (rows, cut.ravel())), (len(cut), len(height)))
    return np.concatenate(pieces), sparse.csr_matrix(sparse.vstack([sparse.eye(len(height)), points]))


def _rounded(triangles: Ints, count: int) -> tuple[Ints, sparse.csr_matrix]:
    """One round of Loop subdivision (Loop 1987), the rim by its own edges: triangles, and blends."""
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges, number, shared = np.unique(np.sort(sides, 1), axis=0, return_inverse=True, return_counts=True)
    number = number.ravel()
    opposite = np.concatenate([triangles[:, 2], triangles[:, 0], triangles[:, 1]])
    rim = shared == 1
    ends = np.where(rim, 1 / 2, 3 / 8)
    inner = ~rim[number]
    middles = sparse.coo_matrix(
        (
            np.concatenate([ends, ends, np.full(inner.sum(), 1 / 8)]),
            (
                np.concatenate([np.arange(len(edges)), np.arange(len(edges)), number[inner]]),
                np.concatenate([edges[:, 0], edges[:, 1], opposite[inner]]),
            ),
        ),
        (len(edges), count),
    )
    links = _links(edges, count)
    rim_links = _links(edges[rim], count)
    on_rim = np.asarray(rim_links.sum(1)).ravel() > 0
    degree = np.asarray(links.sum(1)).ravel()
    share = np.where(degree == 3, 3 / 16, 3 / 8 / degree)  # Warren's simpler weights
    moved = sparse.diags(np.where(on_rim, 3 / 4, 1 - degree * share))
    moved = moved + sparse.diags(np.where(on_rim, 0, share)) @ links + sparse.diags(on_rim / 8) @ rim_links
    ab, bc, ca = np.split(number + count, 3)
    a, b, c = triangles.T
    finer = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    split = np.concatenate([np.stack(corners, 1) for corners in finer])
    return split, sparse.csr_matrix(sparse.vstack([moved, middles]))


def _at_the_ears(colatitude: Floats, azimuth: Floats) -> Floats:
    """1 where the grid meets an ear, 0 elsewhere, soft between."""
    inside = 1.0
    for value, (low, high) in ((colatitude, EAR_COLATITUDES_DEG), (np.abs(azimuth), EAR_AZIMUTHS_DEG)):
        inside = (
            inside * ((value - low) / EAR_EDGE_DEG).clip(0, 1) * ((high - value) / EAR_EDGE_DEG).clip(0, 1)
        )
    return np.asarray(inside)


def _smooth(blend: sparse.csr_matrix, triangles: NDArray[np.int32], share: Floats) -> sparse.csr_matrix:
    """Blends (V, n) drawn half way to the mean of their neighbours, EAR_ROUNDS times, by a share (V)."""
    links = _links(np.unique(np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1), axis=0), len(share))
    average = sparse.diags(1 / np.asarray(links.sum(1)).ravel().clip(1)) @ links
    for _ in range(EAR_ROUNDS):
        blend = blend + sparse.diags(share / 2) @ (average @ blend - blend)
    return sparse.csr_matrix(blend)


def _links(edges: Ints, count: int) -> sparse.csr_matrix:
    """The symmetric matrix (count, count) of ones where an edge joins two vertices."""
    links = sparse.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count))
    return sparse.csr_matrix(links + links.T)


def _loops(triangles: Ints) -> list[Ints]:
    """The closed rims of a mesh, each as its vertices in the order of its triangles."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    _, number, shared = np.unique(np.sort(edges, 1), axis=0, return_inverse=True, return_counts=True)
    following = dict(edges[shared[number.ravel()] == 1].tolist())
    loops = []
    while following:
        loop = [next(iter(following))]
        while loop[-1] in following:
            loop.append(following.pop(loop[-1]))
        loops.append(np.array(loop[:-1]))
    return loops


def _lid(loop: Ints, points: Floats) -> Ints:
    """Triangles between the upper and the lower half of a loop of vertices, one as far along as the other."""
    there, back = (loop[half] for half in _halves(points[loop, 0]))
    back = back[::-1]
    reached = []
    for half in (there, back):
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points[half], axis=0), axis=1))])
        reached.append(length / length[-1])
    triangles, i, j = [], 0, 0
    while i + 1 < len(there) or j + 1 < len(back):
        if j + 1 == len(back) or (i + 1 < len(there) and reached[0][i + 1] <= reached[1][j + 1]):
            triangles.append((there[i + 1], there[i], back[j]))
            i += 1
        else:
            triangles.append((back[j], back[j + 1], there[i]))
            j += 1
    return np.array([triangle for triangle in triangles if len(set(triangle)) == 3])


def _spread_on_globe(triangles: Ints, points: Floats, neck: Ints) -> Floats:
    """Unit vectors (m, 3), one a vertex, under which no triangle is turned over.

    Raises GeometryError where none are found.
    """
    pairs = np.unique(
        np.sort(np.concatenate([triangles[:, :2], triangles[:, 1:], triangles[:, [2, 0]]]), 1), axis=0
    )
    count = len(points)
    nearness = 1 / np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1).clip(SHORTEST_EDGE_M)
    nearness /= nearness.mean()
    links = sparse.coo_matrix((nearness, (pairs[:, 0], pairs[:, 1])), (count, count))
    links = sparse.csr_matrix(links + links.T)
    laplacian = sparse.diags(np.asarray(links.sum(1)).ravel()) - links
    below_m = points[:, 1:2].clip(0, MIDDLE_DOWN_TO_M)
    wanted = _unit(points - MIDDLE_M - MIDDLE_FOLLOWS * below_m)
    anchor = np.full(count, ANCHOR)
    anchor[neck] = NECK_ANCHOR
    for _ in range(LOOSENINGS):
        pulled = splu(sparse.csc_matrix(laplacian + sparse.diags(anchor)))
        globe = _unit(pulled.solve(anchor[:, None] * wanted))
        turned = triangles[np.linalg.det(globe[triangles]) <= 0]
        if not len(turned):
            return globe
        near = np.zeros(count)
        near[turned] = 1
        near = links @ (links @ near) + near  # two edges away
        anchor[near > 0] *= LOOSER
    raise GeometryError(f"the head's skin does not spread over a globe: {len(turned)} triangles turn over")


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _azimuth_deg(directions: Floats) -> Floats:
    """0 where the face looks, + to the subject's left."""
    return np.asarray(np.degrees(np.arctan2(directions[:, 0], -directions[:, 2])))


def _colatitude_deg(directions: Floats) -> Floats:
    """0 at the crown, 180 straight down."""
    return np.asarray(np.degrees(np.arccos(-directions[:, 1])))


def _direction(colatitude_deg: Floats, azimuth_deg: Floats) -> Floats:
    """Unit vectors in the head frame; colatitude 0 is the crown."""
    polar, azimuth = np.radians(colatitude_deg), np.radians(azimuth_deg)
    return np.stack([np.sin(polar) * np.sin(azimuth), -np.cos(polar), -np.sin(polar) * np.cos(azimuth)], -1)


def _bent_grid(neck: Floats, openings: list[Floats]) -> tuple[Floats, Floats]:
    """Colatitude and azimuth (ROWS, COLUMNS + 1) of the grid on a globe with these rims (k, 3).

    The last row is the neck's rim; of every opening the upper and the lower rim are (part of) a row each.
    """
    half = _spaced(COLUMN_SPACING, COLUMNS // 2 + 1)
    azimuth = np.concatenate([-half[:0:-1], half])
    rows = _spaced(ROW_SPACING, ROWS)
    rim = np.interp(azimuth, *_sorted_by_azimuth(neck), period=360)
    below = (rows[:, None] - NECK_ROWS_FROM_DEG).clip(0)
    colatitude = rows[:, None] + below * ((rim - NECK_ROWS_FROM_DEG) / below[-1] - 1)
    for opening in openings:
        _bend_to(opening, colatitude, azimuth)
    return colatitude, np.broadcast_to(azimuth, colatitude.shape)


def _bend_to(opening: Floats, colatitude: Floats, azimuth: Floats) -> None:
    """Move the rows of `colatitude` (rows, columns) so that two of them run along an opening's rims."""
    around, down = _azimuth_deg(opening), _colatitude_deg(opening)
    sides = sorted(_halves(around), key=lambda side: float(down[side].mean()))
    upper, lower = (np.interp(azimuth, *_ascending(around[side], down[side])) for side in sides)
    inside = np.flatnonzero((azimuth > around.min()) & (azimuth < around.max()))
    middle = np.abs(colatitude[:, inside] - (upper + lower)[inside] / 2).mean(1).argmin()
    first = int(middle) - OPENING_ROWS // 2
    last = first + OPENING_ROWS
    columns_off = np.abs(np.arange(len(azimuth))[:, None] - inside).min(1)
    share = (1 - columns_off / BENT_COLUMNS).clip(0)
    knots = np.array([first - BENT_ROWS, first, last, last + BENT_ROWS])
    for k in np.flatnonzero(share):
        shift = [0, upper[k] - colatitude[first, k], lower[k] - colatitude[last, k], 0]
        colatitude[:, k] += share[k] * np.interp(np.arange(len(colatitude)), knots, shift)


def _halves(across: Floats) -> tuple[Ints, Ints]:
    """A loop's places, split at its lowest and highest value, both ends in both: there, and the way back."""
    count, low, high = len(across), int(across.argmin()), int(across.argmax())
    there = (low + np.arange((high - low) % count + 1)) % count
    back = (high + np.arange((low - high) % count + 1)) % count
    return there, back


def _sorted_by_azimuth(directions: Floats) -> tuple[Floats, Floats]:
    return _ascending(_azimuth_deg(directions), _colatitude_deg(directions))


def _ascending(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def _grid() -> tuple[NDArray[np.int32], Floats, Ints]:
    """Triangles, uv (V, 2) and mirror images (V) of the grid. The column at the seam is there twice."""
    rows, columns = np.meshgrid(np.arange(ROWS), np.arange(COLUMNS + 1), indexing="ij")
    uv = np.stack([columns.ravel() / COLUMNS, rows.ravel() / (ROWS - 1)], 1)
    number = rows * (COLUMNS + 1) + columns
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    right = columns[:-1, :-1, None] < COLUMNS // 2
    faces = np.where(right, np.stack([a, d, c, a, c, b], -1), np.stack([a, d, b, b, d, c], -1)).reshape(-1, 3)
    at_the_crown = (faces <= COLUMNS).sum(1) > 1
    return faces[~at_the_crown].astype(np.int32), uv, np.asarray(number[:, ::-1].ravel())


def _spaced(spacing: tuple[tuple[float, float], ...], count: int) -> Floats:
    """So many positions from the first knot to the last, as far apart as (position, spacing) says."""
    knots, steps = np.array(spacing, np.float64).T
    fine = np.linspace(knots[0], knots[-1], 10_000)
    passed = np.concatenate([[0], np.cumsum(1 / np.interp((fine[1:] + fine[:-1]) / 2, knots, steps))])
    return np.interp(np.linspace(0, passed[-1], count), passed, fine)


def _located(directions: Floats, globe: Floats, triangles: Ints) -> tuple[Ints, Floats]:
    """For every direction the triangle (k) it pierces and its barycentric weights (k, 3)."""
    inverse = np.linalg.inv(np.swapaxes(globe[triangles], 1, 2))
    chosen = np.empty(len(directions), np.int64)
    for start in range(0, len(directions), 256):
        some = directions[start : start + 256]
        chosen[start : start + 256] = (inverse @ some.T).min(1).argmax(0)
    weights = np.einsum("kij,kj->ki", inverse[chosen], directions).clip(0)
    return chosen, weights / weights.sum(1, keepdims=True)
