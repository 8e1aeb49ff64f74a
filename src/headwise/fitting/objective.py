"""What a fit minimises, in nats: points, rotation prior, shape prior. Arrays in, arrays out; numpy only.

    E = 1/c sum_i rho(|y_i - project(R X_i(identity, expression) + t)|² / s_i²)                  points
      + rho_R(chord(R_networkᵀ R))                                                   a network's rotation
      + |identity|² / 2 + |expression|² / 2                                          shape
      + log(f / f_0)² / 2 s_f² + log(t_z / d_0)² / 2 s_d²                            where f is unknown

rho is Cauchy's loss k²/2 log(1 + s²/k²): half a squared error near, half its weight at k spreads. A network's
point errors are not independent (it sees one picture): c says how many points tell as much as one independent
one. rho_R is the negative log of a normal density mixed with a little of the uniform one on SO(3), which is
what the pose network is trained with (headwise.training.losses.rotation_likelihood, after Welter).

The unknowns of a head, in the order of the columns of the Jacobian:

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

from headwise.camera import Camera
from headwise.fitting.shape_model import ShapeModel

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


@dataclass(frozen=True, eq=False)
class PointBasis:
    """The 68 points as a linear function of K coefficients: mean (204,), modes (K, 204), by_axis (3, 68, K)
    the modes again for `jacobian`.
    """

    mean: Floats
    modes: Floats
    by_axis: NDArray[np.float32]
    identity_count: int
    expression_count: int

    def points(self, coefficients: Floats) -> Floats:
        """(n, 68, 3) metres in the head frame of (n, K)."""
        return (self.mean + coefficients @ self.modes).reshape(-1, 68, 3)


@lru_cache(maxsize=8)
def point_basis(shape: ShapeModel, identity_count: int, expression_count: int) -> PointBasis:
    """The strongest modes of a shape model, all where there are fewer."""
    identity, expression = shape.identity_points[:identity_count], shape.expression_points[:expression_count]
    modes = np.concatenate([identity, expression])
    return PointBasis(
        mean=np.ascontiguousarray(shape.points_m.reshape(-1)),
        modes=np.ascontiguousarray(modes.reshape(len(modes), shape.points_m.size)),
        by_axis=np.ascontiguousarray(modes.transpose(2, 1, 0), np.float32),
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

    def moved(self, step: Floats, camera: Camera) -> State:
        """Along steps (n, P) in the unknowns of this module."""
        count = self.coefficients.shape[1]
        depth = self.position_m[:, 2:]
        focal = np.exp(self.log_focal)[:, None] * (camera.fx, camera.fy)
        position = self.position_m * np.exp(step[:, 5:6])
        position[:, :2] += step[:, 3:5] * depth / focal
        with_focal = step.shape[1] > POSE + count
        return State(
            turned(self.matrix, step[:, :3]),
            position,
            self.coefficients + step[:, POSE : POSE + count],
            self.log_focal + step[:, -1] if with_focal else self.log_focal,
        )

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
    """One fit a row. points_px (n, 68, 2), weight (n, 68) = 1 / spread² in 1/px², 0 where unseen.

    coefficient_mean (n, K) and coefficient_precision (K, K) or (n, K, K): the shape's prior.
    point_share: 1/c. softness: k, in spreads. log_focal_precision: 1 / s_f², None where the focal is known.
    """

    basis: PointBasis
    camera: Camera
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
    what the derivatives need: points (n, 68, 3) in head and camera, residual_px (n, 68, 2), share (n, 68) of
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
    camera = objective.camera
    head = objective.basis.points(state.coefficients)
    in_camera = head @ state.matrix.transpose(0, 2, 1) + state.position_m[:, None]
    behind = in_camera[:, :, 2] <= 0
    if behind.any():
        in_camera[behind, 2] = 1.0  # a finite number; what is seen and behind costs inf below
    focal = np.exp(state.log_focal)[:, None, None] * (camera.fx, camera.fy)
    residual = in_camera[:, :, :2] / in_camera[:, :, 2:] * focal
    residual += (camera.cx, camera.cy)
    residual -= objective.points_px
    squared = objective.weight * (residual * residual).sum(axis=2)
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
    if behind.any():
        cost = np.where((behind & (objective.weight > 0)).any(axis=1), np.inf, cost)
    return Look(cost, head, in_camera, residual, 1 / relative, turn, cosine, turn_share)


def jacobian(objective: Objective, state: State, seen: Look) -> NDArray[np.float32]:
    """(n, 136, P) of the projected points in px, 68 rows of x and 68 of y; rounded, see `curvature`."""
    camera, basis = objective.camera, objective.basis
    n, count = len(state.matrix), len(basis.modes)
    inverse_depth = 1 / seen.camera_m[:, :, 2]
    focal = np.exp(state.log_focal)[:, None] * (camera.fx, camera.fy)
    jacobian = np.empty((n, 2, 68, objective.size), np.float32)
    from_lens = seen.residual_px + objective.points_px - (camera.cx, camera.cy)
    x, y, z = seen.head_m[:, :, 0], seen.head_m[:, :, 1], seen.head_m[:, :, 2]
    for axis in (0, 1):
        scale = focal[:, axis, None] * inverse_depth  # px per metre across the view
        slope = from_lens[:, :, axis] * inverse_depth  # px per metre along it
        a, b, c = (
            scale * state.matrix[:, axis, k, None] - slope * state.matrix[:, 2, k, None] for k in range(3)
        )
        out = jacobian[:, axis]
        out[:, :, 0] = y * c - z * b
        out[:, :, 1] = z * a - x * c
        out[:, :, 2] = x * b - y * a
        out[:, :, 3 + axis] = state.position_m[:, 2:] * inverse_depth
        out[:, :, 4 - axis] = 0
        out[:, :, 5] = scale * state.position_m[:, axis, None] - slope * state.position_m[:, 2:]
        modes = a.astype(np.float32)[:, :, None] * basis.by_axis[0]
        modes += b.astype(np.float32)[:, :, None] * basis.by_axis[1]
        modes += c.astype(np.float32)[:, :, None] * basis.by_axis[2]
        out[:, :, POSE : POSE + count] = modes
        if objective.log_focal_precision is not None:
            out[:, :, -1] = from_lens[:, :, axis]
    return jacobian.reshape(n, 136, objective.size)


def curvature(objective: Objective, state: State, seen: Look) -> Floats:
    """(n, P, P) of Gauss and Newton: the inverse covariance of the unknowns, and what a step is divided by.

    Single precision is enough for both: it changes the way to the minimum by a millionth, not the minimum.
    """
    count = len(objective.basis.modes)
    J = jacobian(objective, state, seen)
    root = np.sqrt(objective.weight * seen.share * objective.point_share).astype(np.float32)
    J *= np.concatenate([root, root], axis=1)[:, :, None]
    normal: Floats = (J.transpose(0, 2, 1) @ J).astype(np.float64)
    normal[:, POSE : POSE + count, POSE : POSE + count] += objective.coefficient_precision
    if objective.log_focal_precision is not None:
        normal[:, -1, -1] += objective.log_focal_precision
        normal[:, 5, 5] += DISTANCE_LOG_SPREAD**-2
    if objective.rotation is not None:
        change = chord_change(seen.turn, seen.turn_cosine)
        pull = change.transpose(0, 2, 1) @ objective.rotation.precision @ change
        normal[:, :3, :3] += seen.turn_share[:, None, None] * pull
    return normal


def gradient(objective: Objective, state: State, seen: Look) -> Floats:
    """(n, P) of the cost, exact."""
    camera, basis = objective.camera, objective.basis
    n, count = len(state.matrix), len(basis.modes)
    gradient = np.empty((n, objective.size))
    weight = objective.weight * seen.share * objective.point_share
    focal = np.exp(state.log_focal)[:, None, None] * (camera.fx, camera.fy)
    force_px = weight[:, :, None] * seen.residual_px
    in_camera = np.empty((n, 68, 3))  # d cost / d (point in the camera frame)
    in_camera[:, :, :2] = force_px * focal / seen.camera_m[:, :, 2:]
    in_camera[:, :, 2] = -(in_camera[:, :, :2] * seen.camera_m[:, :, :2]).sum(axis=2) / seen.camera_m[:, :, 2]
    in_head = in_camera @ state.matrix
    moment = seen.head_m.transpose(0, 2, 1) @ in_head  # sum over points of X gᵀ
    gradient[:, 0] = moment[:, 1, 2] - moment[:, 2, 1]
    gradient[:, 1] = moment[:, 2, 0] - moment[:, 0, 2]
    gradient[:, 2] = moment[:, 0, 1] - moment[:, 1, 0]
    total = in_camera.sum(axis=1)
    gradient[:, 3:5] = total[:, :2] * state.position_m[:, 2:] / focal[:, 0]
    gradient[:, 5] = (total * state.position_m).sum(axis=1)
    away = (state.coefficients - objective.coefficient_mean)[:, None]
    gradient[:, POSE : POSE + count] = in_head.reshape(n, -1) @ basis.modes.T
    gradient[:, POSE : POSE + count] += (away @ objective.coefficient_precision)[:, 0]
    if objective.log_focal_precision is not None:
        from_lens = seen.residual_px + objective.points_px - (camera.cx, camera.cy)
        gradient[:, -1] = (force_px * from_lens).sum(axis=(1, 2))
        gradient[:, -1] += objective.log_focal_precision * state.log_focal
        gradient[:, 5] += np.log(state.position_m[:, 2] / DISTANCE_M) / DISTANCE_LOG_SPREAD**2
    if objective.rotation is not None:
        pull = objective.rotation.precision @ seen.turn[:, :, None]
        change = chord_change(seen.turn, seen.turn_cosine)
        gradient[:, :3] += seen.turn_share[:, None] * (change.transpose(0, 2, 1) @ pull)[:, :, 0]
    return gradient


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


def cross_matrix(v: Floats) -> Floats:
    """(n, 3, 3) with cross_matrix(v) @ u = v x u."""
    K = np.zeros((len(v), 3, 3))
    K[:, 2, 1], K[:, 0, 2], K[:, 1, 0] = v[:, 0], v[:, 1], v[:, 2]
    K[:, 1, 2], K[:, 2, 0], K[:, 0, 1] = -v[:, 0], -v[:, 1], -v[:, 2]
    return K
