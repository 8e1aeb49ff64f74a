"""The mean of the 68 points over sampled people: it defines the head frame and solves metric position."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headwise.conventions import ART_HEAD_FROM_HEAD, FLIP_68
from headwise.synthesis.assets import HeadAssets
from headwise.synthesis.body import Body
from headwise.synthesis.identity import express, sample_expression, sample_identity, shape_of
from headwise.synthesis.shot import FLIP_YZ, M_PER_DM

MIRROR_X = np.array([-1.0, 1.0, 1.0])
NO_TURN = np.zeros(3, np.float32)
STREAM = 1
"""Second number of the seeds, so that nobody here is drawn for a shard or for the shape model."""


def mean_points68(
    assets: HeadAssets, *, people: int, seed: int = 0, progress: Callable[[int], None] = lambda _: None
) -> NDArray[np.float64]:
    """(68, 3) metres in the head frame, left and right averaged, over people as the renderer draws them.

    The same seed gives the same head. `progress` is called with the number of people done since.
    """
    total = np.zeros((68, 3))
    for number in range(people):
        total += sampled_points(assets, np.random.default_rng([seed, STREAM, number]))
        progress(1)
    return symmetric_in_head_frame(total / people)


def sampled_points(assets: HeadAssets, rng: np.random.Generator) -> NDArray[np.float64]:
    """(68, 3) metres in the art head's frame, OpenCV's axes: somebody at random with some expression."""
    identity = sample_identity(rng)
    moves = sample_expression(rng)
    vertices = express(shape_of(identity, assets, rng), moves, identity, assets)
    body = Body.centred(vertices, identity, assets, torso_turn=NO_TURN)
    return np.asarray(body.vertices[assets.landmarks] @ FLIP_YZ * M_PER_DM, np.float64)


def symmetric_in_head_frame(points_art_head: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean points (68, 3) of the art's upright head, averaged with their mirror image, in the head frame."""
    symmetric = (points_art_head + (points_art_head * MIRROR_X)[FLIP_68]) / 2
    return np.asarray(symmetric @ ART_HEAD_FROM_HEAD)  # rows: p_head = ART_HEAD_FROM_HEADᵀ p_art_head
