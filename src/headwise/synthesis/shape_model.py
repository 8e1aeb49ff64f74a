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
from headwise.synthesis.identity import Identity, express, sample_expression, sample_identity, shape_of
from headwise.synthesis.mesh import FloatArray
from headwise.synthesis.shot import FLIP_YZ, M_PER_DM

Floats = NDArray[np.float64]
MIRROR = np.array([-1.0, 1.0, 1.0])
AVERAGE_OF = 2000
"""So many sampled expressions make the average one."""
NO_TURN = np.zeros(3, np.float32)


@dataclass(frozen=True, eq=False)
class Person:
    """Vertices (n, 3) of the art's mesh in this person's head frame, metres: at average, and as sampled."""

    average_m: Floats
    expressed_m: Floats


def sample_person(assets: HeadAssets, average: dict[str, float], rng: np.random.Generator) -> Person:
    """Somebody with the average expression and with one of its own."""
    identity = sample_identity(rng)
    shape = shape_of(identity, assets, rng)
    return Person(
        in_head_frame(express(shape, average, identity, assets), identity, assets),
        in_head_frame(express(shape, sample_expression(rng), identity, assets), identity, assets),
    )


def average_expression(rng: np.random.Generator) -> dict[str, float]:
    """Mean weight of every expression unit over many sampled expressions."""
    total: dict[str, float] = {}
    for _ in range(AVERAGE_OF):
        for name, weight in sample_expression(rng).items():
            total[name] = total.get(name, 0.0) + weight
    return {name: weight / AVERAGE_OF for name, weight in sorted(total.items())}


def in_head_frame(vertices_dm: FloatArray, identity: Identity, assets: HeadAssets) -> Floats:
    """The art's vertices (n, 3) of one person, centred, in the person's own head frame, metres."""
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

    `progress` is called with the number of people done.
    """
    average = average_expression(np.random.default_rng([seed, 0]))
    averages, differences = [], []
    for number in range(people):
        person = sample_person(assets, average, np.random.default_rng([seed, 1, number]))
        own, expressed = person.average_m[assets.landmarks], person.expressed_m[assets.landmarks]
        averages += [own, (own * MIRROR)[FLIP_68]]
        differences += [expressed - own, ((expressed - own) * MIRROR)[FLIP_68]]
        progress(1)
    mean, identity_modes = principal_modes(np.stack(averages), MOST_IDENTITY_MODES)
    mean_difference, expression_modes = principal_modes(np.stack(differences), MOST_EXPRESSION_MODES)
    return ShapeModel(
        points_m=mean + mean_difference,
        identity_points=identity_modes,
        expression_points=expression_modes,
        vertices_m=np.zeros((0, 3)),
        identity_vertices=np.zeros((len(identity_modes), 0, 3)),
        expression_vertices=np.zeros((len(expression_modes), 0, 3)),
        triangles=np.zeros((0, 3), np.int32),
        uv=np.zeros((0, 2)),
    )


def principal_modes(samples: Floats, count: int) -> tuple[Floats, Floats]:
    """Mean (m, 3) of samples (n, m, 3) and the strongest modes (count, m, 3) per standard deviation."""
    mean = samples.mean(0)
    centred = (samples - mean).reshape(len(samples), -1)
    _, spread, modes = np.linalg.svd(centred / np.sqrt(len(samples)), full_matrices=False)
    modes = modes[:count] * np.sign(modes[:count][np.arange(count), np.abs(modes[:count]).argmax(1)])[:, None]
    return mean, (spread[:count, None] * modes).reshape(count, *mean.shape)
