"""Labels of rendered heads, as `headwise synthesize crops` writes them, in the field's frames.

A person's zero pose is a matter of definition. The labels of 300W-LP and AFLW2000-3D come from fitting one
face model to 68 points, so that two people whose faces slope differently look level at different tilts of
their skulls. Rendered labels follow that definition: a person's head frame is the one in which the own 68
points lie on the mean head's best (weighted least squares over rotations, Kabsch 1976). Against the skull,
which the renderer turns, this is a tilt of 3 deg (standard deviation over the rendered people).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.errors import ModelError
from headwise.rotation import Rotation
from headwise.weights import mean_points_m

MOVING_POINTS = (*range(4, 13), *range(48, 68))
"""Lower jaw and mouth: expressions move them."""
MOVING_WEIGHT = 0.3
HELD_OUT_SHARDS = 25
"""The first of so many shards, with all its people, is never trained on."""


def held_out_items(shard: int, items: int, shards: int) -> range:
    """Items of shard number `shard` of `shards` that nobody trains on; of a lone shard the first half."""
    if shards == 1:
        return range(items // 2)
    return range(items if shard % HELD_OUT_SHARDS == 0 else 0)


def art_head_from_head(points_art_m: NDArray[np.floating[Any]]) -> Rotation:
    """Rotations (n) from the head frame into the drawn head's, from its points (n, 68, 3) in metres there."""
    mean = mean_points_m()
    if mean is None:
        raise ModelError(
            "the package holds no head68.npy, which defines the head frame; install headwise again"
        )
    weight = np.ones(len(mean))
    weight[list(MOVING_POINTS)] = MOVING_WEIGHT
    weight /= weight.sum()
    own = points_art_m.astype(np.float64)
    own = own - np.einsum("k,nki->ni", weight, own)[:, None]
    return Rotation.project(np.einsum("k,nki,kj->nij", weight, own, mean - weight @ mean))


def ray_from_head(
    camera_from_art_head: NDArray[np.floating[Any]],
    points_art_m: NDArray[np.floating[Any]],
    intrinsics: NDArray[np.floating[Any]],
    boxes: NDArray[np.floating[Any]],
) -> Rotation:
    """Rotations (n) relative to the ray through each box's centre, which is what a crop of the box shows.

    From rotations (n, 3, 3), points (n, 68, 3), intrinsics (n, 4) fx, fy, cx, cy and boxes (n, 4) of a shard.
    """
    camera_from_head = Rotation.project(camera_from_art_head.astype(np.float64)) @ art_head_from_head(
        points_art_m
    )
    camera_from_ray = [
        Camera(fx, fy, cx, cy, 1, 1).camera_from_ray(Box(*box).center).matrix  # a ray needs no picture size
        for (fx, fy, cx, cy), box in zip(intrinsics.tolist(), boxes.tolist(), strict=True)
    ]
    return Rotation(np.stack(camera_from_ray)).inverse() @ camera_from_head
