"""The shape model learned from drawn people: sampled, brought to one frame, and put into principal modes.

Each sampled person is seen twice: with the face that people wear on average, which gives the modes of
identity, and with an expression of its own, whose difference to the former gives the modes of expression.
Both are in the head frame of the person's own 68 points (`annotations.rendered`), and each person counts
together with its mirror picture, so the model is symmetric.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwise.annotations.rendered import art_head_from_head
from headwise.conventions import FLIP_68
from headwise.fitting.shape_model import MOST_EXPRESSION_MODES, MOST_IDENTITY_MODES, ShapeModel
from headwise.synthesis.assets import HeadAssets
from headwise.synthesis.body import Body
from headwise.synthesis.head_surface import HeadSurface, head_surface
from headwise.synthesis.identity import Identity, express, sample_expression, sample_identity, shape_of
from headwise.synthesis.mesh import FloatArray
from headwise.synthesis.shot import FLIP_YZ, M_PER_DM

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MIRROR = np.array([-1.0, 1.0, 1.0])
AVERAGE_OF = 2000
"""So many sampled expressions make the average one."""
MEAN_OF = 200
"""So many people make the mean head on which the surface's grid is laid out."""
POINTS_SHARE = 4.0
"""So many times what the whole surface weighs, the 68 points weigh together: what is measured is they."""
FALL_OFF_M = 0.05
"""A vertex's weight falls to 1/e so far from the nearest of the 68 points."""
AVERAGE_STREAM, PEOPLE_STREAM, MEAN_STREAM, UNSEEN_STREAM = range(4)
"""Second number of the seeds: nobody is drawn twice."""
NO_TURN = np.zeros(3, np.float32)


@dataclass(frozen=True, eq=False)
class Person:
    """The art's vertices (n, 3) of one person in that person's head frame, metres.

    With the face that people wear on average, and with an expression of its own.
    """

    average_m: Floats
    expressed_m: Floats


def average_expression(rng: np.random.Generator) -> dict[str, float]:
    """Mean weight of every expression unit over many sampled expressions."""
    total: dict[str, float] = {}
    for _ in range(AVERAGE_OF):
        for name, weight in sample_expression(rng).items():
            total[name] = total.get(name, 0.0) + weight
    return {name: weight / AVERAGE_OF for name, weight in sorted(total.items())}


def sample_person(assets: HeadAssets, average: dict[str, float], rng: np.random.Generator) -> Person:
    """Somebody at random."""
    identity = sample_identity(rng)
    shape = shape_of(identity, assets, rng)
    looks = (express(shape, moves, identity, assets) for moves in (average, sample_expression(rng)))
    return Person(*(in_head_frame(look, identity, assets) for look in looks))


def in_head_frame(vertices_dm: FloatArray, identity: Identity, assets: HeadAssets) -> Floats:
    """A body shape (n, 3) centred and turned into the head frame of its own 68 points, metres."""
    body = Body.centred(vertices_dm, identity, assets, torso_turn=NO_TURN)
    art_m = (body.vertices @ FLIP_YZ * M_PER_DM).astype(np.float64)
    return np.asarray(art_m @ art_head_from_head(art_m[None, assets.landmarks]).matrix[0])


def build_shape_model(
    assets: HeadAssets,
    *,
    people: int,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> ShapeModel:
    """Learn the model from sampled people; the same seed gives the same model.

    `progress` is called with the number of people done since.
    """
    average = average_expression(np.random.default_rng([seed, AVERAGE_STREAM]))
    mean_m = mean_skin(assets, average, seed)
    surface = head_surface(assets, mean_m)
    weight = _weights(sampled(mean_m, surface, assets))
    mirror = np.concatenate([FLIP_68, 68 + surface.mirror])
    averages, differences = Moments(mirror, weight), Moments(mirror, weight)
    for number in range(people):
        person = sample_person(assets, average, np.random.default_rng([seed, PEOPLE_STREAM, number]))
        own, expressed = (sampled(head, surface, assets) for head in (person.average_m, person.expressed_m))
        averages.add(own)
        differences.add(expressed - own)
        progress(1)
    identity_mean, identity = averages.modes(MOST_IDENTITY_MODES)
    expression_mean, expression = differences.modes(MOST_EXPRESSION_MODES)
    mean = identity_mean + expression_mean
    return ShapeModel(
        points_m=mean[:68],
        identity_points=identity[:, :68],
        expression_points=expression[:, :68],
        vertices_m=mean[68:],
        identity_vertices=identity[:, 68:],
        expression_vertices=expression[:, 68:],
        triangles=surface.triangles,
        uv=surface.uv,
    )


def mean_skin(assets: HeadAssets, average: dict[str, float], seed: int) -> Floats:
    """The art's vertices (n, 3) of the mean head, metres, on which the surface's grid is laid out."""
    total = np.zeros((len(assets.rest), 3))
    for number in range(MEAN_OF):
        person = sample_person(assets, average, np.random.default_rng([seed, MEAN_STREAM, number]))
        total += person.average_m
    return total / MEAN_OF


def sampled(head_m: Floats, surface: HeadSurface, assets: HeadAssets) -> Floats:
    """Of the art's vertices (n, 3) of a person the 68 points and then the surface's, (68 + V, 3)."""
    return np.concatenate([head_m[assets.landmarks], surface.blend @ head_m])


def _weights(mean: Floats) -> Floats:
    """How much each of the 68 points and the vertices (68 + V, 3) counts."""
    nearest = np.linalg.norm(mean[68:, None] - mean[None, :68], axis=2).min(1)
    near = np.exp(-nearest / FALL_OFF_M)
    return np.concatenate([np.full(68, POINTS_SHARE * near.sum() / 68), near])


class Moments:
    """Samples (68 + V, 3), collected for principal modes; a mirrored head counts with every head.

    A covariance over heads and their mirror pictures falls apart into that of the heads' symmetric halves,
    (head + mirrored) / 2, and that of the antisymmetric ones; the modes of each are found by themselves.
    """

    def __init__(self, mirror: Ints, weight: Floats) -> None:
        """The place of everything's mirror image and the weight of its squared distances, both (68 + V)."""
        self._mirror = mirror
        self._root_weight = np.sqrt(weight)
        self._halves: tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]] = ([], [])

    def add(self, sample: Floats) -> None:
        mirrored = (sample * MIRROR)[self._mirror]
        for half, value in zip(self._halves, (sample + mirrored, sample - mirrored), strict=True):
            half.append((value / 2).astype(np.float32))

    def modes(self, count: int) -> tuple[Floats, Floats]:
        """Mean (m, 3) and the strongest modes (count, m, 3) per standard deviation, strongest first."""
        symmetric, antisymmetric = (np.stack(half) for half in self._halves)
        mean = symmetric.mean(0, dtype=np.float64)
        found = [self._principal(symmetric - mean.astype(np.float32)), self._principal(antisymmetric)]
        strength = np.concatenate([strength for strength, _ in found])
        modes = np.concatenate([modes for _, modes in found])
        strongest = np.argsort(-strength)[:count]
        return mean, modes[strongest]

    def _principal(self, samples: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Variances (k) and modes (k, m, 3) of samples about zero, by their inner products (Turk 1991)."""
        weighted = (samples * self._root_weight[:, None].astype(np.float32)).reshape(len(samples), -1)
        variance, shares = np.linalg.eigh((weighted @ weighted.T).astype(np.float64) / len(samples))
        variance, shares = variance[::-1][:MOST_IDENTITY_MODES], shares[:, ::-1][:, :MOST_IDENTITY_MODES]
        modes = np.tensordot(shares.T, samples, 1) / np.sqrt(len(samples))
        first = np.abs(modes).reshape(len(modes), -1).argmax(1)
        signs = np.sign(modes.reshape(len(modes), -1)[np.arange(len(modes)), first])
        return variance, modes * signs[:, None, None]
