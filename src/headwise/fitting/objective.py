"""What a fit minimises, in nats: points, rotation prior, shape prior. Arrays in, arrays out; numpy only.

    E = 1/c sum_i rho(|y_i - project(R X_i(identity, expression) + t)|² / s_i²)                  points
      + rho_R(log(R_networkᵀ R))                                                     a network's rotation
      + |identity|² / 2 + |expression|² / 2  (+ log(f / f_0)² / 2 s_f²)             shape (and focal length)

rho is Cauchy's loss k²/2 log(1 + s²/k²): half a squared error near, half its weight at k spreads. A network's
point errors are not independent (it sees one picture): c says how many points tell as much as one independent
one. rho_R is the negative log of a normal density mixed with a little of the uniform one on SO(3), which is
what the pose network is trained with (headwise.training.losses.rotation_likelihood, after Welter).

The unknowns of a head, in the order of the columns of the Jacobian:

    0-2   rotation vector w, radians, head frame: R exp(w)
    3-4   shift in the picture, px: t + (t_z / f) (dx, dy, 0)
    5     log of the distance: t e^s, so that the head's origin never comes to lie behind the lens
    6-    coefficients of identity, then of expression
    last  log of the focal length over the camera's, where it is unknown
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.camera import Camera
from headwise.fitting.shape_model import ShapeModel

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_] | NDArray[np.intp]

POSE = 6
"""Unknowns of a pose: rotation, shift, log distance."""
LARGEST_TURN = 3.1  # radians; the derivative of the logarithm has a pole at pi
SO3_VOLUME = 8 * np.pi**2  # of the rotation vectors' measure at the identity
DEFINITION_M = np.full(68, 0.0015)
"""(68,) one standard deviation, metres, of where a point of that number is: people, networks and face models
that label the same face differ. The outline has no corners to hold on to, brows have no edges."""
DEFINITION_M[0:17] = 0.004
DEFINITION_M[17:27] = 0.003
DEFINITION_M[27:30] = 0.003
DEFINITION_M.setflags(write=False)


@dataclass(frozen=True, eq=False)
class PointBasis:
    """The 68 points as a linear function of K coefficients: mean (204,), modes (K, 204), by_axis (3, 68, K)."""

    mean: Floats
    modes: Floats
    by_axis: Floats
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
        by_axis=np.ascontiguousarray(modes.transpose(2, 1, 0)),
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
            self.matrix @ exponential(step[:, :3]),
            position,
            self.coefficients + step[:, POSE : POSE + count],
            self.log_focal + step[:, -1] if with_focal else self.log_focal,
        )

    def rows(self, rows: Rows) -> State:
        return State(
            self.matrix[rows], self.position_m[rows], self.coefficients[rows], self.log_focal[rows]
        )

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
        return cls(matrix, np.linalg.inv(covariance), uniform / SO3_VOLUME / peak)

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
    a point's weight that its loss leaves it.
    """

    cost: Floats
    head_m: Floats
    camera_m: Floats
    residual_px: Floats
    share: Floats
    turn: Floats | None
    turn_share: Floats | None

    def rows(self, rows: Rows) -> Look:
        return Look(*(_picked(getattr(self, field.name), rows) for field in fields(self)))

    def where(self, mine: NDArray[np.bool_], other: Look) -> Look:
        """These rows where `mine` (n,), the other's elsewhere."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return Look(
            *(None if a is None else np.where(mine.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs)
        )

    @classmethod
    def joined(cls, parts: Sequence[Look]) -> Look:
        columns = zip(*([getattr(part, field.name) for field in fields(cls)] for part in parts), strict=True)
        return cls(*(None if column[0] is None else np.concatenate(column) for column in columns))


def _picked(values: Floats | None, rows: Rows) -> Any:
    return None if values is None else values[rows]


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
    turn = turn_share = None
    if objective.rotation is not None:
        prior = objective.rotation
        turn = logarithm(prior.matrix.transpose(0, 2, 1) @ state.matrix)
        normal = np.exp(-0.5 * ((turn[:, None] @ prior.precision)[:, 0] * turn).sum(axis=1))
        cost += np.log1p(prior.floor) - np.log(normal + prior.floor)
        turn_share = normal / (normal + prior.floor)
    if behind.any():
        cost = np.where((behind & (objective.weight > 0)).any(axis=1), np.inf, cost)
    return Look(cost, head, in_camera, residual, 1 / relative, turn, turn_share)


def jacobian(objective: Objective, state: State, seen: Look) -> Floats:
    """(n, 136, P) of the projected points in px: 68 rows of x, then 68 of y."""
    camera, basis = objective.camera, objective.basis
    n, count = len(state.matrix), len(basis.modes)
    inverse_depth = 1 / seen.camera_m[:, :, 2]
    focal = np.exp(state.log_focal)[:, None] * (camera.fx, camera.fy)
    jacobian = np.empty((n, 2, 68, objective.size))
    from_lens = seen.residual_px + objective.points_px - (camera.cx, camera.cy)
    matrix = state.matrix
    for axis in (0, 1):
        scale = focal[:, axis, None] * inverse_depth  # px per metre across the view
        slope = from_lens[:, :, axis] * inverse_depth  # px per metre along it
        row = scale[:, :, None] * matrix[:, None, axis] - slope[:, :, None] * matrix[:, None, 2]
        out = jacobian[:, axis]
        x, y, z = seen.head_m[:, :, 0], seen.head_m[:, :, 1], seen.head_m[:, :, 2]
        a, b, c = row[:, :, 0], row[:, :, 1], row[:, :, 2]
        out[:, :, 0] = y * c - z * b
        out[:, :, 1] = z * a - x * c
        out[:, :, 2] = x * b - y * a
        out[:, :, 3 + axis] = state.position_m[:, 2:] * inverse_depth
        out[:, :, 4 - axis] = 0
        out[:, :, 5] = scale * state.position_m[:, axis, None] - slope * state.position_m[:, 2:]
        modes = a[:, :, None] * basis.by_axis[0]
        modes += b[:, :, None] * basis.by_axis[1]
        modes += c[:, :, None] * basis.by_axis[2]
        out[:, :, POSE : POSE + count] = modes
        if objective.log_focal_precision is not None:
            out[:, :, -1] = from_lens[:, :, axis]
    return jacobian.reshape(n, 136, objective.size)


def normal_equations(objective: Objective, state: State, seen: Look) -> tuple[Floats, Floats]:
    """Gauss-Newton's (n, P, P) and the gradient (n, P), in the unknowns of this module."""
    n, count = len(state.matrix), len(objective.basis.modes)
    J = jacobian(objective, state, seen)
    weight = objective.weight * seen.share * objective.point_share
    weighted = J * np.concatenate([weight, weight], axis=1)[:, :, None]
    residual = seen.residual_px.transpose(0, 2, 1).reshape(n, 136, 1)
    normal = weighted.transpose(0, 2, 1) @ J
    gradient = (weighted.transpose(0, 2, 1) @ residual)[:, :, 0]
    shape = slice(POSE, POSE + count)
    normal[:, shape, shape] += objective.coefficient_precision
    away = (state.coefficients - objective.coefficient_mean)[:, None]
    gradient[:, shape] += (away @ objective.coefficient_precision)[:, 0]
    if objective.log_focal_precision is not None:
        normal[:, -1, -1] += objective.log_focal_precision
        gradient[:, -1] += objective.log_focal_precision * state.log_focal
    if objective.rotation is not None and seen.turn is not None and seen.turn_share is not None:
        change = right_inverse(seen.turn)  # of the rotation vector `turn` by w
        pull = seen.turn_share[:, None, None] * (change.transpose(0, 2, 1) @ objective.rotation.precision)
        normal[:, :3, :3] += pull @ change
        gradient[:, :3] += (pull @ seen.turn[:, :, None])[:, :, 0]
    return normal, gradient


def exponential(rotvec: Floats) -> Floats:
    """(n, 3, 3) rotations of rotation vectors (n, 3) (Rodrigues)."""
    angle2 = (rotvec * rotvec).sum(axis=1)
    angle = np.sqrt(angle2)
    sine = np.sinc(angle / np.pi)
    half = np.sinc(angle / (2 * np.pi))
    K = cross_matrix(rotvec)
    return np.eye(3) + sine[:, None, None] * K + (0.5 * half * half)[:, None, None] * (K @ K)


def logarithm(matrix: Floats) -> Floats:
    """(n, 3) rotation vectors of rotations (n, 3, 3); angles up to pi, the axis exact to 1e-6 below 3.14."""
    axis_sine = 0.5 * np.stack(
        [
            matrix[:, 2, 1] - matrix[:, 1, 2],
            matrix[:, 0, 2] - matrix[:, 2, 0],
            matrix[:, 1, 0] - matrix[:, 0, 1],
        ],
        axis=1,
    )
    sine = np.sqrt((axis_sine * axis_sine).sum(axis=1))
    angle = np.arctan2(sine, 0.5 * (matrix[:, 0, 0] + matrix[:, 1, 1] + matrix[:, 2, 2] - 1))
    ratio = np.divide(angle, sine, out=np.ones_like(sine), where=sine > 1e-9)
    return axis_sine * ratio[:, None]


def right_inverse(rotvec: Floats) -> Floats:
    """(n, 3, 3) d log(exp(v) exp(w)) / dw at w = 0 (Sola 2018, "A micro Lie theory", eq. 144)."""
    angle2 = (rotvec * rotvec).sum(axis=1)
    angle = np.sqrt(angle2)
    small = angle < 1e-3
    safe = np.where(small, 1.0, np.minimum(angle, LARGEST_TURN))
    factor = np.where(small, 1 / 12, 1 / safe**2 - (1 + np.cos(safe)) / (2 * safe * np.sin(safe)))
    K = cross_matrix(rotvec)
    return np.eye(3) + 0.5 * K + factor[:, None, None] * (K @ K)


def cross_matrix(v: Floats) -> Floats:
    """(n, 3, 3) with cross_matrix(v) @ u = v x u."""
    K = np.zeros((len(v), 3, 3))
    K[:, 2, 1], K[:, 0, 2], K[:, 1, 0] = v[:, 0], v[:, 1], v[:, 2]
    K[:, 1, 2], K[:, 2, 0], K[:, 0, 1] = -v[:, 0], -v[:, 1], -v[:, 2]
    return K
