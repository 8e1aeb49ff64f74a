"""What a fit minimises, in nats: points, rotation prior, shape prior. Arrays in, arrays out; numpy only.

    E = 1/c sum_i rho(|y_i - project(R X_i(identity, expression) + t)|² / s_i²)                  points
      + rho_R(chord(R_networkᵀ R))                                                   a network's rotation
      + |identity|² / 2 + |expression|² / 2                                          shape
      + log(f / f_0)² / 2 s_f² + log(t_z / d_0)² / 2 s_d²                            where f is unknown

rho is Cauchy's loss k²/2 log(1 + s²/k²): half a squared error near, half its weight at k spreads. A network's
point errors are not independent (it sees one picture): c says how many points tell as much as one independent
one. rho_R is the negative log of a normal density mixed with a little of the uniform one on SO(3), which is
what the pose network is trained with (headwise.training.losses.rotation_likelihood, after Welter).

The unknowns of a head, in their order:

    0-2   rotation vector w, radians, head frame: R exp(w), in effect Cayley's R (I + [w/2])(I - [w/2])⁻¹
    3-4   shift in the picture, px: t + (t_z / f) (dx, dy, 0)
    5     log of the distance: t e^s, so that the head's origin never comes to lie behind the lens
    6-    coefficients of identity, then of expression
    last  log of the focal length over the camera's, where it is unknown
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from headwise.fitting.shape_model import ShapeModel
from headwise.rotation import cross_matrix

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_] | NDArray[np.intp]

POSE = 6
"""Unknowns of a pose: rotation, shift, log distance."""
LEAST_COSINE = 1e-6  # four times the squared cosine of half the angle between a fit and a network
SO3_VOLUME = 8 * np.pi**2  # of the rotation vectors' measure at the identity
DISTANCE_M, DISTANCE_LOG_SPREAD = 1.2, 0.7
"""How far people stand from cameras, 0.6 to 2.4 m for two in three. Counts where the focal length is unknown:
a picture may be cut out of a larger one, and a face that fills it would else be taken for too near."""
DEFINITION_M = np.full(68, 0.0015)
"""(68,) one standard deviation, metres, of where a point of that number is: people, networks and face models
that label the same face differ. The outline has no corners to hold on to, brows have no edges."""
DEFINITION_M[0:17] = 0.004
DEFINITION_M[17:27] = 0.003
DEFINITION_M[27:30] = 0.003
DEFINITION_M.setflags(write=False)
FIRST_AXIS, SECOND_AXIS = np.triu_indices(3)


@dataclass(frozen=True, eq=False)
class PointBasis:
    """The 68 points as a linear function of K coefficients: mean (204,), modes (K, 204); all x, all y, all z.

    pairs (6 * 68, K (K + 1) / 2), see `curvature`: products of two modes at a point, for each pair of axes
    and each pair of modes one. pair_of (K * K,): where a pair of modes has its column.
    """

    mean: Floats
    modes: Floats
    pairs: NDArray[np.float32]
    pair_of: NDArray[np.intp]
    identity_count: int
    expression_count: int

    def points(self, coefficients: Floats) -> Floats:
        """(n, 3, 68) metres in the head frame of (n, K)."""
        return (self.mean + coefficients @ self.modes).reshape(-1, 3, 68)


@lru_cache(maxsize=8)
def point_basis(shape: ShapeModel, identity_count: int, expression_count: int) -> PointBasis:
    """The strongest modes of a shape model, all where there are fewer."""
    identity, expression = shape.identity_points[:identity_count], shape.expression_points[:expression_count]
    modes = np.concatenate([identity, expression]).transpose(0, 2, 1)  # (K, 3, 68)
    first, second = np.triu_indices(len(modes))
    column = np.empty((len(modes), len(modes)), np.intp)
    column[first, second] = column[second, first] = np.arange(len(first))
    by_axis = modes.transpose(1, 2, 0)
    pairs = by_axis[FIRST_AXIS][:, :, first] * by_axis[SECOND_AXIS][:, :, second]
    pairs += by_axis[SECOND_AXIS][:, :, first] * by_axis[FIRST_AXIS][:, :, second]
    pairs[FIRST_AXIS == SECOND_AXIS] /= 2
    return PointBasis(
        mean=np.ascontiguousarray(shape.points_m.T).reshape(-1),
        modes=np.ascontiguousarray(modes).reshape(len(modes), -1),
        pairs=pairs.reshape(-1, len(first)).astype(np.float32),
        pair_of=column.reshape(-1),
        identity_count=len(identity),
        expression_count=len(expression),
    )


@dataclass(frozen=True, eq=False)
class State:
    """Where n fits stand: matrix (n, 3, 3) camera_from_head, position_m (n, 3), coefficients (n, K),
    log_focal (n,) over the camera's.
    """

    matrix: Floats
    position_m: Floats
    coefficients: Floats
    log_focal: Floats

    def moved(self, step: Floats, focal_px: Floats) -> State:
        """Along steps (n, P) in the unknowns of this module; focal_px (2, 1): the camera's."""
        count = self.coefficients.shape[1]
        position = self.position_m * np.exp(step[:, 5:6])
        position[:, :2] += step[:, 3:5] * self.position_m[:, 2:] / self.focal_px(focal_px)[:, :, 0]
        with_focal = step.shape[1] > POSE + count
        return State(
            turned(self.matrix, step[:, :3]),
            position,
            self.coefficients + step[:, POSE : POSE + count],
            self.log_focal + step[:, -1] if with_focal else self.log_focal,
        )

    def focal_px(self, camera_px: Floats) -> Floats:
        """(n, 2, 1) over x and y, from the camera's (2, 1)."""
        return np.exp(self.log_focal)[:, None, None] * camera_px

    def rows(self, rows: Rows) -> State:
        return State(self.matrix[rows], self.position_m[rows], self.coefficients[rows], self.log_focal[rows])

    def where(self, mine: NDArray[np.bool_], other: State) -> State:
        """These rows where `mine` (n,), the other's elsewhere."""
        return State(
            np.where(mine[:, None, None], self.matrix, other.matrix),
            np.where(mine[:, None], self.position_m, other.position_m),
            np.where(mine[:, None], self.coefficients, other.coefficients),
            np.where(mine, self.log_focal, other.log_focal),
        )

    @classmethod
    def joined(cls, parts: Sequence[State]) -> State:
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("matrix", "position_m", "coefficients", "log_focal")
            )
        )


@dataclass(frozen=True, eq=False)
class RotationPrior:
    """A network's rotations (n, 3, 3), precisions (n, 3, 3) in 1/rad² and (n,) uniform over normal density
    at its peak.
    """

    matrix: Floats
    precision: Floats
    floor: Floats

    @classmethod
    def of(cls, matrix: Floats, covariance: Floats, uniform: float) -> RotationPrior:
        """From covariances (n, 3, 3) in rad² and the uniform distribution's share."""
        peak = (1 - uniform) / np.sqrt((2 * np.pi) ** 3 * np.linalg.det(covariance))
        return cls(matrix, np.asarray(np.linalg.inv(covariance)), uniform / SO3_VOLUME / peak)

    def rows(self, rows: Rows) -> RotationPrior:
        return RotationPrior(self.matrix[rows], self.precision[rows], self.floor[rows])


@dataclass(frozen=True, eq=False)
class Objective:
    """One fit a row. focal_px (2, 1): the camera's. points_px (n, 2, 68) from its principal point, weight
    (n, 68) = 1 / spread² in 1/px², 0 where unseen.

    coefficient_mean (n, K) and coefficient_precision (K, K) or (n, K, K): the shape's prior.
    point_share: 1/c. softness: k, in spreads. log_focal_precision: 1 / s_f², None where the focal is known.
    """

    basis: PointBasis
    focal_px: Floats
    points_px: Floats
    weight: Floats
    rotation: RotationPrior | None
    coefficient_mean: Floats
    coefficient_precision: Floats
    point_share: float
    softness: float
    log_focal_precision: float | None

    @property
    def size(self) -> int:
        """Number of unknowns of one head."""
        return POSE + len(self.basis.modes) + (self.log_focal_precision is not None)

    def rows(self, rows: Rows) -> Objective:
        precision = self.coefficient_precision
        return replace(
            self,
            points_px=self.points_px[rows],
            weight=self.weight[rows],
            rotation=None if self.rotation is None else self.rotation.rows(rows),
            coefficient_mean=self.coefficient_mean[rows],
            coefficient_precision=precision if precision.ndim == 2 else precision[rows],
        )


@dataclass(frozen=True, eq=False)
class Look:
    """The objective at a state. cost (n,), inf where a seen point is not in front of the lens; the rest is
    what the derivatives need: points (n, 3, 68) in head and camera, residual_px (n, 2, 68), share (n, 68) of
    a point's weight that its loss leaves it; turn (n, 3) and turn_cosine (n,) as `chord` gives them of the
    network's rotation, turn_share (n,) as share. Without a network zeros.
    """

    cost: Floats
    head_m: Floats
    camera_m: Floats
    residual_px: Floats
    share: Floats
    turn: Floats
    turn_cosine: Floats
    turn_share: Floats

    def rows(self, rows: Rows) -> Look:
        return Look(*(getattr(self, field.name)[rows] for field in fields(self)))

    def where(self, mine: NDArray[np.bool_], other: Look) -> Look:
        """These rows where `mine` (n,), the other's elsewhere."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return Look(*(np.where(mine.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs))

    @classmethod
    def joined(cls, parts: Sequence[Look]) -> Look:
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def look(objective: Objective, state: State) -> Look:
    """Evaluate without derivatives."""
    head = objective.basis.points(state.coefficients)
    in_camera = state.matrix @ head
    in_camera += state.position_m[:, :, None]
    depth = in_camera[:, 2]
    behind = depth <= 0 if depth.min() <= 0 else None
    if behind is not None:
        depth[behind] = 1.0  # a finite number; what is seen and behind costs inf below
    residual = in_camera[:, :2] / in_camera[:, 2:]
    residual *= state.focal_px(objective.focal_px)
    residual -= objective.points_px
    squared = objective.weight * (residual * residual).sum(axis=1)
    k2 = objective.softness**2
    relative = 1 + squared / k2
    cost = (0.5 * k2 * objective.point_share) * np.log(relative).sum(axis=1)
    away = state.coefficients - objective.coefficient_mean
    cost += 0.5 * ((away[:, None] @ objective.coefficient_precision)[:, 0] * away).sum(axis=1)
    if objective.log_focal_precision is not None:
        cost += 0.5 * objective.log_focal_precision * state.log_focal**2
        cost += 0.5 * (np.log(state.position_m[:, 2] / DISTANCE_M) / DISTANCE_LOG_SPREAD) ** 2
    if objective.rotation is None:
        turn, cosine, turn_share = np.zeros((len(cost), 3)), np.zeros(len(cost)), np.zeros(len(cost))
    else:
        prior = objective.rotation
        turn, cosine = chord(prior.matrix.transpose(0, 2, 1) @ state.matrix)
        normal = np.exp(-0.5 * ((turn[:, None] @ prior.precision)[:, 0] * turn).sum(axis=1))
        cost += np.log1p(prior.floor) - np.log(normal + prior.floor)
        turn_share = normal / (normal + prior.floor)
    if behind is not None:
        cost = np.where((behind & (objective.weight > 0)).any(axis=1), np.inf, cost)
    return Look(cost, head, in_camera, residual, 1 / relative, turn, cosine, turn_share)


@dataclass(frozen=True, eq=False)
class Slopes:
    """Of the points in the picture, px, all x and then all y. by_pose (n, Q, 136): along the unknowns of the
    pose and, where it is one, the focal length. by_point (n, 3, 2, 68): along a point's own place, metres in
    the head frame. weight (n, 1, 136) in 1/px²: all that scales a squared residual. turn_change (n, 3, 3):
    `chord_change` of the network's rotation, None without one.
    """

    by_pose: Floats
    by_point: Floats
    weight: Floats
    turn_change: Floats | None

    def rows(self, rows: Rows) -> Slopes:
        change = None if self.turn_change is None else self.turn_change[rows]
        return Slopes(self.by_pose[rows], self.by_point[rows], self.weight[rows], change)


def slopes(objective: Objective, state: State, seen: Look) -> Slopes:
    """What `gradient` and `curvature` share."""
    n = len(state.matrix)
    with_focal = int(objective.log_focal_precision is not None)
    inverse_depth = 1 / seen.camera_m[:, 2:]
    across = state.focal_px(objective.focal_px) * inverse_depth  # px per metre across the view
    from_lens = seen.camera_m[:, :2] * across
    away = from_lens * inverse_depth  # px per metre along it
    columns, position = state.matrix.transpose(0, 2, 1)[:, :, :, None], state.position_m[:, :, None]
    by_point = columns[:, :, :2] * across[:, None]
    by_point -= columns[:, :, 2:] * away[:, None]
    by_pose = np.zeros((n, POSE + with_focal, 2, 68))
    x, y, z = seen.head_m.transpose(1, 0, 2)[:, :, None]
    a, b, c = by_point.transpose(1, 0, 2, 3)
    by_pose[:, 0] = y * c - z * b
    by_pose[:, 1] = z * a - x * c
    by_pose[:, 2] = x * b - y * a
    by_pose[:, 3, 0] = by_pose[:, 4, 1] = position[:, 2] * inverse_depth[:, 0]
    by_pose[:, 5] = position[:, :2] * across - position[:, 2:] * away
    if with_focal:
        by_pose[:, 6] = from_lens
    weight = np.empty((n, 2, 68))
    weight[:] = (objective.weight * seen.share * objective.point_share)[:, None]
    change = None if objective.rotation is None else chord_change(seen.turn, seen.turn_cosine)
    return Slopes(by_pose.reshape(n, -1, 136), by_point, weight.reshape(n, 1, 136), change)


def gradient(objective: Objective, state: State, seen: Look, by: Slopes) -> Floats:
    """(n, P) of the cost, exact."""
    n, count = len(state.matrix), len(objective.basis.modes)
    gradient = np.empty((n, objective.size))
    force = by.weight * seen.residual_px.reshape(n, 1, 136)
    of_pose = (force @ by.by_pose.transpose(0, 2, 1))[:, 0]
    gradient[:, :POSE] = of_pose[:, :POSE]
    on_points = (force.reshape(n, 1, 2, 68) * by.by_point).sum(axis=2)  # in the head frame
    away = (state.coefficients - objective.coefficient_mean)[:, None]
    of_shape = on_points.reshape(n, -1) @ objective.basis.modes.T
    of_shape += (away @ objective.coefficient_precision)[:, 0]
    gradient[:, POSE : POSE + count] = of_shape
    if objective.log_focal_precision is not None:
        gradient[:, -1] = of_pose[:, -1] + objective.log_focal_precision * state.log_focal
        gradient[:, 5] += np.log(state.position_m[:, 2] / DISTANCE_M) / DISTANCE_LOG_SPREAD**2
    if objective.rotation is not None and by.turn_change is not None:
        pull = (seen.turn * seen.turn_share[:, None])[:, None] @ objective.rotation.precision
        gradient[:, :3] += (pull @ by.turn_change)[:, 0]
    return gradient


def curvature(objective: Objective, seen: Look, by: Slopes) -> Floats:
    """(n, P, P) of Gauss and Newton: the inverse covariance of the unknowns, and what a step is divided by.

    A point p adds Bᵀ M B to the block of the K coefficients, B (3, K) its modes and M (3, 3) what the picture
    says of it, its squared slopes. That is linear in M: one product of all M with a table of the products of
    modes makes the blocks of all heads, in single precision, which changes the way to the minimum by a
    millionth, not the minimum.
    """
    basis, size = objective.basis, objective.size
    n, count, of_pose = len(by.weight), len(basis.modes), by.by_pose.shape[1]
    weighted = by.by_point * by.weight.reshape(n, 1, 2, 68)
    squares = (by.by_point[:, FIRST_AXIS] * weighted[:, SECOND_AXIS]).sum(axis=2).astype(np.float32)
    shapes = (squares.reshape(n, -1) @ basis.pairs)[:, basis.pair_of].reshape(n, count, count)
    shapes += objective.coefficient_precision
    mixed = (by.by_pose.reshape(n, of_pose, 1, 2, 68) * weighted[:, None]).sum(axis=3)
    mixed = (mixed.reshape(n * of_pose, -1) @ basis.modes.T).reshape(n, of_pose, count)
    poses = (by.by_pose * by.weight) @ by.by_pose.transpose(0, 2, 1)
    if objective.rotation is not None and by.turn_change is not None:
        pull = by.turn_change.transpose(0, 2, 1) @ objective.rotation.precision @ by.turn_change
        poses[:, :3, :3] += seen.turn_share[:, None, None] * pull
    normal = np.empty((n, size, size))
    shape = slice(POSE, POSE + count)
    normal[:, shape, shape] = shapes
    normal[:, :POSE, :POSE] = poses[:, :POSE, :POSE]
    normal[:, :POSE, shape] = mixed[:, :POSE]
    normal[:, shape, :POSE] = mixed[:, :POSE].transpose(0, 2, 1)
    if objective.log_focal_precision is not None:
        normal[:, -1, :POSE] = normal[:, :POSE, -1] = poses[:, -1, :POSE]
        normal[:, -1, shape] = normal[:, shape, -1] = mixed[:, -1]
        normal[:, -1, -1] = poses[:, -1, -1] + objective.log_focal_precision
        normal[:, 5, 5] += DISTANCE_LOG_SPREAD**-2
    return normal


def turned(matrix: Floats, rotvec: Floats) -> Floats:
    """(n, 3, 3) rotations turned by about rotvec (n, 3), radians: Cayley's map, exact to the second order."""
    half = 0.5 * rotvec
    K = cross_matrix(half)
    factor = 2 / (1 + (half * half).sum(axis=1))
    return np.asarray(matrix + factor[:, None, None] * (matrix @ (K + K @ K)))


def chord(matrix: Floats) -> tuple[Floats, Floats]:
    """Of rotations (n, 3, 3): (n, 3) along the axis, 2 sin(angle / 2) long, and (n,) cos(angle / 2) >= 0.

    The first stands for the rotation vector, as in the training of the pose network: 1 % short at 30 deg and
    smooth up to 180.
    """
    cosine = 0.5 * np.sqrt(np.maximum(1 + matrix[:, 0, 0] + matrix[:, 1, 1] + matrix[:, 2, 2], LEAST_COSINE))
    across = (matrix - matrix.transpose(0, 2, 1)).reshape(-1, 9)[:, [7, 2, 3]]
    return across * (0.5 / cosine)[:, None], cosine


def chord_change(chord_: Floats, cosine: Floats) -> Floats:
    """(n, 3, 3) derivative of the chord of R by w in R exp(w), w = 0: the quaternion's product rule."""
    change = 0.5 * cross_matrix(chord_)
    change.reshape(-1, 9)[:, ::4] += cosine[:, None]
    return change
