"""How well the shape model gives back people it has not learned from, whose true surface is known.

Every head is brought onto the true one by the rotation and shift that suit the face best (Umeyama 1991), and
then the distance of its vertices to the nearest place of the true surface, the art's own triangles, counts.
One picture does not show how big a head is, so the same is said with a size that suits best as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import DEFAULT_FOV_DEG, EulerOrder
from headwise.errors import ModelError
from headwise.estimator import Estimator
from headwise.fitting.observation import Observation, observation_of
from headwise.fitting.shape_model import ShapeModel
from headwise.fitting.solve import FitSettings, HeadFit, fit_heads
from headwise.rotation import Rotation
from headwise.synthesis.assets import HeadAssets
from headwise.synthesis.head_surface import head_surface
from headwise.synthesis.identity import express, sample_expression, sample_identity, shape_of
from headwise.synthesis.pictures import Studio
from headwise.synthesis.shape_model import (
    AVERAGE_STREAM,
    UNSEEN_STREAM,
    average_expression,
    in_head_frame,
    mean_skin,
    sample_person,
    sampled,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FACE_RADIUS_M = 0.095
"""The face is what lies so near the tip of the nose (Zhu et al. 2016)."""
NOSE_TIP = 30
NECK_BELOW_M = 0.09
"""Vertices further below the origin are no head."""
HEAD_STRIDE = 4
"""Of the whole head every fourth vertex is measured."""
CANDIDATES = 8
"""The nearest place lies on one of so many triangles with the nearest centres."""
NOISE = 0.01
"""Of the side of the box of the points: one standard deviation of each coordinate."""
RIDGE_M = 1e-4
"""A coefficient of one costs as much as this distance at every vertex: only undetermined ones stay small."""
PICTURE_PX, DISTANCES_M = 640, (0.4, 2.5)
INDEPENDENT = FitSettings(independent_points=68)
LIMITS_DEG = np.array([60.0, 30.0, 20.0])
"""Of yaw, pitch and roll."""
FIRST_UNSEEN_SEED = 900_000_000
"""Of people in pictures: beyond all seeds of training sets."""


@dataclass(frozen=True, eq=False)
class Head:
    """What was said of a head, and the art's vertices (n, 3) of the true one in its head frame, metres."""

    identity: Floats
    expression: Floats
    true_skin_m: Floats


@dataclass(frozen=True)
class Errors:
    """Millimetres from the true surface: medians over heads of each head's own median.

    points_mm: mean distance of the 68 points from the true ones. face_mm, head_mm: of vertices near the tip
    of the nose, and of all above the neck. face_sized_mm: the former with the size that suits best.
    face_worst_mm: the worst head's median over its face. heads: how many were found; missed: how many not.
    """

    heads: int
    missed: int
    points_mm: float
    face_mm: float
    face_sized_mm: float
    face_worst_mm: float
    head_mm: float


class Unseen:
    """People that a model of this seed has not learned from, and ways to say something of them.

    Each way gives a `Head` a person, or None where nothing could be said.
    """

    def __init__(self, assets: HeadAssets, model: ShapeModel, *, seed: int = 0) -> None:
        self.assets, self.model, self.seed = assets, model, seed
        self._average = average_expression(np.random.default_rng([seed, AVERAGE_STREAM]))
        self._surface = head_surface(assets, mean_skin(assets, self._average, seed))
        if self._surface.blend.shape[0] != len(model.vertices_m):
            raise ModelError(
                f"the model's surface has {len(model.vertices_m)} vertices, this version's "
                f"{self._surface.blend.shape[0]}: build it again"
            )
        tip = model.points_m[NOSE_TIP]
        self._face = np.linalg.norm(model.vertices_m - tip, axis=1) < FACE_RADIUS_M
        self._head = np.flatnonzero(model.vertices_m[:, 1] < NECK_BELOW_M)[::HEAD_STRIDE]
        self._people: list[Floats] = []

    def mean_heads(self, heads: int) -> Iterator[Head]:
        """Everybody is taken for the mean."""
        identity, expression = np.zeros(self.model.identity_count), np.zeros(self.model.expression_count)
        for skin in self.people(heads):
            yield Head(identity, expression, skin)

    def nearest_heads(self, heads: int) -> Iterator[Head]:
        """The coefficients that come nearest to the true points and surface: what the modes can express."""
        model = self.model
        modes = np.concatenate(
            [
                np.concatenate([model.identity_points, model.identity_vertices], 1),
                np.concatenate([model.expression_points, model.expression_vertices], 1),
            ]
        ).reshape(model.identity_count + model.expression_count, -1)
        mean = np.concatenate([model.points_m, model.vertices_m])
        ridge = len(mean) * RIDGE_M**2 * np.eye(len(modes))
        pseudo_inverse = np.linalg.solve(modes @ modes.T + ridge, modes)
        for skin in self.people(heads):
            found = pseudo_inverse @ (sampled(skin, self._surface, self.assets) - mean).ravel()
            yield Head(found[: model.identity_count], found[model.identity_count :], skin)

    def fits_to_noisy_points(self, heads: int) -> Iterator[Head | None]:
        """The fit of the true 68 points in a picture, with normal noise, without a network's rotation."""
        camera = Camera.from_fov(PICTURE_PX, PICTURE_PX, DEFAULT_FOV_DEG)
        for number, skin in enumerate(self.people(heads)):
            rng = np.random.default_rng([self.seed, UNSEEN_STREAM, number, 1])
            yaw, pitch, roll = rng.uniform(-1, 1, 3) * LIMITS_DEG
            turn = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
            ahead = np.array([*rng.uniform(-0.1, 0.1, 2), 1.0]) * rng.uniform(*DISTANCES_M)
            points = camera.project(skin[self.assets.landmarks] @ turn.matrix.T + ahead)
            spread = NOISE * Box.from_points(points).side
            noisy = points + rng.normal(0, spread, points.shape)
            (fit,) = fit_heads(
                Observation(noisy[None], np.full((1, 68), spread), camera), self.model, INDEPENDENT
            )
            yield Head(fit.identity, fit.expression, skin) if isinstance(fit, HeadFit) else None

    def fits_to_pictures(self, heads: int, estimator: Estimator) -> Iterator[Head | None]:
        """The fit of what a pose network sees in rendered crops, the box and the camera given."""
        studio = Studio(self.assets)
        seeds = itertools.count(FIRST_UNSEEN_SEED)
        crops = (next((c for c in studio.crops(s) if not c.labels["face_hidden"]), None) for s in seeds)
        for crop in itertools.islice((crop for crop in crops if crop is not None), heads):
            labels: Any = crop.labels
            height_px, width_px = crop.picture.shape[:2]
            fx, fy, cx, cy = labels["intrinsics"].tolist()
            camera = Camera(fx, fy, cx, cy, width_px, height_px)
            estimates = estimator(crop.picture, [Box(*labels["box"].tolist())], camera)
            (fit,) = fit_heads(observation_of(estimates, camera), self.model)
            skin = self._of_picture(int(labels["seed"]))
            yield Head(fit.identity, fit.expression, skin) if isinstance(fit, HeadFit) else None

    def errors(self, said: Iterable[Head | None]) -> Errors:
        """Of one of the ways above."""
        heads = list(said)
        found = np.array([self._errors_of(head) for head in heads if head is not None])
        points, face, sized, whole = 1000 * np.median(found, axis=0) if len(found) else np.full(4, np.nan)
        worst = 1000 * found[:, 1].max(initial=0)
        lengths = (float(length) for length in (points, face, sized, worst, whole))
        return Errors(len(found), len(heads) - len(found), *lengths)

    def people(self, heads: int) -> Iterator[Floats]:
        """The art's vertices (n, 3) of so many people with an expression, in the head frame."""
        for number in range(heads):
            if number == len(self._people):
                rng = np.random.default_rng([self.seed, UNSEEN_STREAM, number])
                self._people.append(sample_person(self.assets, self._average, rng).expressed_m)
            yield self._people[number]

    def _of_picture(self, seed: int) -> Floats:
        """The person that `Studio.crops` draws: the same numbers in the same order as `sample_subject`."""
        rng = np.random.default_rng(seed)
        identity = sample_identity(rng)
        moves = sample_expression(rng)
        shape = shape_of(identity, self.assets, rng)
        return in_head_frame(express(shape, moves, identity, self.assets), identity, self.assets)

    def _errors_of(self, head: Head) -> tuple[float, float, float, float]:
        vertices = self.model.vertices(head.identity, head.expression)
        points = self.model.points(head.identity, head.expression)
        true = sampled(head.true_skin_m, self._surface, self.assets)
        face = vertices[self._face]
        scale, rotation, shift = nearest_similarity(face, true[68:][self._face])
        sized = scale * face @ rotation.T + shift
        unsized_shift = true[68:][self._face].mean(0) - rotation @ face.mean(0)
        measured = np.concatenate([vertices[self._face], vertices[self._head]]) @ rotation.T + unsized_shift
        distances = distances_to_surface(
            np.concatenate([measured, sized]), head.true_skin_m, self._surface.skin
        )
        of_face, of_head, of_sized = np.split(
            distances, np.cumsum([np.count_nonzero(self._face), len(self._head)])
        )
        off = np.linalg.norm(points @ rotation.T + unsized_shift - true[:68], axis=1)
        return (
            float(off.mean()),
            float(np.median(of_face)),
            float(np.median(of_sized)),
            float(np.median(of_head)),
        )


def nearest_similarity(source: Floats, target: Floats) -> tuple[float, Floats, Floats]:
    """Scale, rotation (3, 3) and shift (3,) that bring points (n, 3) nearest to others (Umeyama 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    rotation = Rotation.project(b.T @ a).matrix
    scale = float((b * (a @ rotation.T)).sum() / (a * a).sum())
    return scale, rotation, target.mean(0) - scale * rotation @ source.mean(0)


def distances_to_surface(points: Floats, vertices: Floats, triangles: Ints) -> Floats:
    """Distance of every point (m, 3) to the nearest place of some triangles (t, 3) over vertices (n, 3)."""
    corners = vertices[triangles]
    near = cKDTree(corners.mean(1)).query(points, min(CANDIDATES, len(triangles)))[1]
    a, b, c = np.moveaxis(corners[near.reshape(len(points), -1)], 2, 0)
    p = points[:, None]
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True).clip(1e-12)
    over = np.ones(a.shape[:2], bool)
    beside = np.full(a.shape[:2], np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        edge, way = end - start, p - start
        over &= (np.cross(edge, way) * normal).sum(-1) >= 0
        along = ((way * edge).sum(-1) / (edge * edge).sum(-1).clip(1e-18)).clip(0, 1)
        beside = np.minimum(beside, np.linalg.norm(way - along[..., None] * edge, axis=-1))
    above = np.abs(((p - a) * normal).sum(-1))
    return np.asarray(np.where(over, above, beside).min(1))
