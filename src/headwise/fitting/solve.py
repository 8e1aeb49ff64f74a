"""Rotation, position, identity and expression of n heads at once: Levenberg-Marquardt in numpy.

Marquardt's damping (1963: the diagonal scaled, not the identity added), a factor of ten down after a step
that helps and up after one that does not, for every head on its own; heads that have arrived leave the batch.
What is minimised is in `headwise.fitting.objective`.

A network's rotation and its points come from one look at one picture and err together: on rendered heads that
it had not seen, the errors of the rotation and of a fit to the points alone are correlated by 0.93. Taken for
independent they would promise half the variance. So they are joined by covariance intersection (Julier and
Uhlmann 1997), which is right for any correlation: precisions weighted w and 1 - w, w = `rotation_share`. Only
the rotation is said twice, so instead of the points' share of everything else the rotation's precision is
multiplied by w / (1 - w), and the rotation's covariance by 1 / (1 - w) at the end: the same rotation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headwise.errors import SettingsError
from headwise.fitting import objective as nats
from headwise.fitting import start
from headwise.fitting.objective import (
    DEFINITION_M,
    DISTANCE_LOG_SPREAD,
    DISTANCE_M,
    POSE,
    Floats,
    Look,
    Objective,
    RotationPrior,
    State,
    point_basis,
)
from headwise.fitting.observation import ANGLE_OF_SPREAD, Observation
from headwise.fitting.shape_model import ShapeModel
from headwise.rotation import Rotation

ARRIVED_RAD = 5e-4
"""An accepted step that turns the head less, 0.03 deg, ends the fit."""
ARRIVED_NATS = 1e-5
"""So does one that promises less."""
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-4, 1e-9, 1e8
NEAR, SLOW = 2, 6
"""Steps after which the curvature is kept, and after which a fit that goes on gets a new one each time."""
LONGEST_STEP = np.array([0.7, 0.7, 0.7, np.inf, np.inf, 0.7])
"""Of the pose's unknowns: 40 deg about an axis, half or twice the distance."""
WIDEST_SPREAD_DEG = 40.0
"""Expected error of a rotation beyond which a fit knows nothing."""
WORST_MISFIT = 0.08
"""Of the seen points' extent in the picture: if half of them lie further off the best head, it is none."""
DOUBTFUL_MISFIT, DOUBTFUL_TURN_DEG = 0.035, 20.0
"""From here on a fit that started at a network's rotation, or one that went so far from it, is compared with
others: half a turn wrong, the points of a face can lie within 3 % of their extent."""
DOUBTFUL_TRACE = 1 + 2 * np.cos(np.radians(DOUBTFUL_TURN_DEG))
"""Of the rotation between the two: tr R = 1 + 2 cos(angle)."""
AMBIGUOUS_NATS, AMBIGUOUS_DEG = 1.0, 25.0
"""Two starts that end as far apart and at nearly the same cost: the points do not say which."""


@dataclass(frozen=True)
class FitSettings:
    """How much is believed, and when a fit ends. See `headwise.fitting.objective` for the terms.

    identity_modes, expression_modes: the strongest so many of the shape model are fitted, the others stay 0.
    independent_points: as many independent points tell as much as all 68 of one network.
    rotation_share: of a network's rotation against its points, see `headwise.fitting.solve`.
    softness: spreads at which a point loses half its weight. uniform: share of a network's rotations that say
    nothing. definition_scale: on DEFINITION_M. focal_log_spread: of an unknown focal length.
    Raises SettingsError for what does not lie above 0.
    """

    identity_modes: int = 16
    expression_modes: int = 8
    independent_points: float = 7.0
    rotation_share: float = 0.8
    softness: float = 3.0
    uniform: float = 0.01
    definition_scale: float = 1.0
    focal_log_spread: float = 0.5
    most_iterations: int = 60

    def __post_init__(self) -> None:
        for name in ("independent_points", "softness", "uniform", "focal_log_spread", "most_iterations"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"a fit's {name} lies above 0, got {getattr(self, name):g}")
        if not 0 < self.rotation_share < 1:
            raise SettingsError(f"a fit's rotation_share lies between 0 and 1, got {self.rotation_share:g}")


DEFAULT = FitSettings()


@dataclass(frozen=True, eq=False)
class HeadFit:
    """One head. rotation: camera_from_head. position_m (3,): its origin in the camera frame.

    spread_deg: expected angle of the rotation's error. position_spread_m (3,): one standard deviation along
    each axis; the size of the head, which one picture does not show, is in it. identity (Ki,), expression
    (Ke,): coefficients of the shape model. focal_px: over x, None where the camera's was taken. error_px:
    root mean square distance of the points, weighted. iterations: steps tried.
    """

    rotation: Rotation
    position_m: Floats
    position_spread_m: Floats
    spread_deg: float
    identity: Floats
    expression: Floats
    focal_px: float | None
    error_px: float
    iterations: int


@dataclass(frozen=True)
class Unknown:
    """No pose, and why."""

    reason: str


@dataclass(frozen=True, eq=False)
class Solution:
    """Where n minimisations ended. covariance (n, P, P) of the unknowns; iterations (n,); arrived (n,):
    whether the end is a minimum.
    """

    state: State
    look: Look
    covariance: Floats
    iterations: NDArray[np.int64]
    arrived: NDArray[np.bool_]

    def rows(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Solution:
        return Solution(
            self.state.rows(rows),
            self.look.rows(rows),
            self.covariance[rows],
            self.iterations[rows],
            self.arrived[rows],
        )

    @classmethod
    def joined(cls, parts: list[Solution]) -> Solution:
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            State.joined([part.state for part in parts]),
            Look.joined([part.look for part in parts]),
            np.concatenate([part.covariance for part in parts]),
            np.concatenate([part.iterations for part in parts]),
            np.concatenate([part.arrived for part in parts]),
        )


def fit_heads(
    observation: Observation, shape: ShapeModel, settings: FitSettings = DEFAULT
) -> tuple[HeadFit | Unknown, ...]:
    """Fit every head of an observation with the camera's focal length.

    With a network's rotation the fit starts there; without one from OpenCV's PnP and the far-camera solution.
    """
    return _fit(observation, shape, settings, None)


def fit_heads_and_focal(
    observation: Observation, shape: ShapeModel, settings: FitSettings = DEFAULT
) -> tuple[HeadFit | Unknown, ...]:
    """The same where the focal length is not known: the camera's is a guess, `focal_log_spread` wide.

    Every head finds its own, with a prior of how far people stand from cameras. One face says little about
    the focal length, which `position_spread_m` then shows.
    """
    return _fit(observation, shape, settings, settings.focal_log_spread**-2)


def minimize(objective: Objective, state: State, most_iterations: int) -> Solution:
    """Levenberg-Marquardt from a state, every row of the objective on its own.

    The curvature, which with its inverse costs three times a gradient, is kept once a head is near its
    minimum: the gradient alone says where that is.
    """
    rows = np.arange(len(state.matrix))
    order, parts = [], []
    longest = np.full(objective.size, np.inf)
    longest[:POSE] = LONGEST_STEP
    seen = nats.look(objective, state)
    by = nats.slopes(objective, state, seen)
    gradient = nats.gradient(objective, state, seen, by)
    damping = np.full(len(rows), FIRST_DAMPING)
    inverse = _inverse(nats.curvature(objective, seen, by), damping)
    for iteration in range(1, most_iterations + 1):
        step = -(inverse @ gradient[:, :, None])[:, :, 0]
        step = np.minimum(np.maximum(step, -longest), longest)
        tried = state.moved(step, objective.focal_px)
        then = nats.look(objective, tried)
        better = then.cost < seen.cost
        short = np.abs(step[:, :3]).max(axis=1) < ARRIVED_RAD
        arrived = (better & short) | ((gradient * step).sum(axis=1) > -2 * ARRIVED_NATS)
        if better.all():
            state, seen = tried, then
        elif better.any():
            state, seen = tried.where(better, state), then.where(better, seen)
        damping = np.where(better, np.maximum(damping / 10, LEAST_DAMPING), damping * 10)
        ended = arrived | (damping >= MOST_DAMPING) | (iteration == most_iterations)
        if ended.any():
            here = Solution(state, seen, inverse, np.full(len(rows), iteration), arrived)
            order.append(rows[ended])
            parts.append(here if ended.all() else here.rows(ended))
            if ended.all():
                break
            going = ~ended
            rows, damping, better = rows[going], damping[going], better[going]
            objective, here = objective.rows(going), here.rows(going)
            state, seen, inverse = here.state, here.look, here.covariance
        by = nats.slopes(objective, state, seen)
        gradient = nats.gradient(objective, state, seen, by)
        stale = ~better if NEAR <= iteration < SLOW else np.ones(len(rows), bool)
        if stale.all():
            inverse = _inverse(nats.curvature(objective, seen, by), damping)
        elif stale.any():
            inverse = inverse.copy()
            some = nats.curvature(objective.rows(stale), seen.rows(stale), by.rows(stale))
            inverse[stale] = _inverse(some, damping[stale])
    return parts[0] if len(parts) == 1 else Solution.joined(parts).rows(np.argsort(np.concatenate(order)))


def _inverse(normal: Floats, damping: Floats) -> Floats:
    """(n, P, P) of N + d diag N."""
    size = normal.shape[1]
    normal.reshape(len(normal), -1)[:, :: size + 1] *= 1 + damping[:, None]
    return np.asarray(np.linalg.inv(normal))


def objective_of(
    observation: Observation,
    shape: ShapeModel,
    settings: FitSettings,
    depth_m: Floats,
    log_focal_precision: float | None = None,
) -> Objective:
    """What to minimise for heads about depth_m (n,) away, whose points all have at least some weight."""
    basis = point_basis(shape, settings.identity_modes, settings.expression_modes)
    camera, count = observation.camera, len(basis.modes)
    definition_px = (settings.definition_scale * camera.fx) * DEFINITION_M / depth_m[:, None]
    seen = observation.seen
    with np.errstate(invalid="ignore"):
        weight = np.where(seen, 1 / (observation.spread_px**2 + definition_px**2), 0.0)
    rotation = None
    if observation.rotation is not None and observation.rotation_covariance is not None:
        rotation = RotationPrior.of(
            observation.rotation.matrix,
            observation.rotation_covariance * (1 / settings.rotation_share - 1),
            settings.uniform,
        )
    points_px = np.where(seen[:, :, None], observation.points_px - (camera.cx, camera.cy), 0.0)
    return Objective(
        basis=basis,
        focal_px=np.array([[camera.fx], [camera.fy]]),
        points_px=points_px.transpose(0, 2, 1).copy(),
        weight=weight,
        rotation=rotation,
        coefficient_mean=np.zeros((len(observation), count)),
        coefficient_precision=np.eye(count),
        point_share=settings.independent_points / weight.shape[1],
        softness=settings.softness,
        log_focal_precision=log_focal_precision,
    )


def starting_states(
    observation: Observation, shape: ShapeModel, settings: FitSettings, matrix: Floats
) -> State:
    """The mean head turned by rotations (n, 3, 3), where the points say that it is."""
    seen = observation.seen
    with np.errstate(invalid="ignore"):
        weight = np.where(seen, observation.spread_px**-2, 0.0)
    points_px = np.where(seen[:, :, None], observation.points_px, 0.0)
    count = len(point_basis(shape, settings.identity_modes, settings.expression_modes).modes)
    return State(
        matrix,
        start.positions(matrix, shape.points_m, points_px, weight, observation.camera),
        np.zeros((len(matrix), count)),
        np.zeros(len(matrix)),
    )


def _at_a_likely_distance(state: State, log_focal_precision: float | None) -> State:
    """Where the focal length is unknown: the most likely one before the points are asked for perspective."""
    if log_focal_precision is None:
        return state
    share = 1 / (1 + log_focal_precision * DISTANCE_LOG_SPREAD**2)
    log_focal = share * np.log(DISTANCE_M / state.position_m[:, 2])
    position = state.position_m.copy()
    position[:, 2] *= np.exp(log_focal)
    return replace(state, position_m=position, log_focal=log_focal)


def answers(
    objective: Objective,
    solution: Solution,
    shape: ShapeModel,
    settings: FitSettings,
    misfit: Floats | None = None,
) -> list[HeadFit | Unknown]:
    """What minimisations found, in plain values; Unknown where an end means nothing. misfit (n,): `misfits`,
    where they are known already.
    """
    state, covariance = solution.state, solution.covariance
    turn_rad = np.sqrt(np.trace(covariance[:, :3, :3], axis1=1, axis2=2) / 3)
    if objective.rotation is not None:
        turn_rad /= np.sqrt(1 - settings.rotation_share)
    spread_deg = np.degrees(ANGLE_OF_SPREAD * turn_rad).tolist()
    misfit = misfits(objective, solution.look) if misfit is None else misfit
    weight = objective.weight * solution.look.share
    squared_px = (solution.look.residual_px**2).sum(axis=1)
    error_px = np.sqrt((weight * squared_px).sum(axis=1) / weight.sum(axis=1)).tolist()
    position_spread = _position_spread_m(state, covariance, objective.focal_px)
    identity, expression = _padded(objective, state.coefficients, shape)
    focal_px = state.focal_px(objective.focal_px)[:, 0, 0].tolist()
    found: list[HeadFit | Unknown] = []
    for i, reason in enumerate(_reasons_against(solution, spread_deg, misfit.tolist())):
        if reason is not None:
            found.append(Unknown(reason))
            continue
        found.append(
            HeadFit(
                rotation=Rotation.trusted(state.matrix[i]),
                position_m=state.position_m[i],
                position_spread_m=position_spread[i],
                spread_deg=spread_deg[i],
                identity=identity[i],
                expression=expression[i],
                focal_px=None if objective.log_focal_precision is None else focal_px[i],
                error_px=error_px[i],
                iterations=int(solution.iterations[i]),
            )
        )
    return found


def _reasons_against(
    solution: Solution, spread_deg: list[float], misfit: list[float]
) -> Iterator[str | None]:
    """For every head None, or why its end means nothing."""
    ends = zip(
        np.isfinite(solution.look.cost).tolist(),
        solution.arrived.tolist(),
        solution.iterations.tolist(),
        misfit,
        spread_deg,
        strict=True,
    )
    for in_front, arrived, iterations, off, spread in ends:
        if not in_front:
            yield "behind the camera"
        elif not arrived:
            yield f"did not converge in {iterations} steps"
        elif not off <= WORST_MISFIT:
            yield f"the points are no head's: half lie {100 * off:.0f} % of their extent off the nearest"
        elif not spread <= WIDEST_SPREAD_DEG:
            yield f"the points do not fix the rotation: its spread is {spread:.0f} deg"
        else:
            yield None


def _fit(
    observation: Observation, shape: ShapeModel, settings: FitSettings, log_focal_precision: float | None
) -> tuple[HeadFit | Unknown, ...]:
    reasons = start.reasons_against(observation)
    if any(reasons):
        rows = np.array([i for i, reason in enumerate(reasons) if reason is None], np.intp)
        found: list[HeadFit | Unknown] = [Unknown(reason or "") for reason in reasons]
        fitted = _fit_good(observation[rows], shape, settings, log_focal_precision) if len(rows) else []
        for row, one in zip(rows, fitted, strict=True):
            found[row] = one
        return tuple(found)
    return tuple(_fit_good(observation, shape, settings, log_focal_precision)) if len(observation) else ()


def _fit_good(
    observation: Observation, shape: ShapeModel, settings: FitSettings, log_focal_precision: float | None
) -> list[HeadFit | Unknown]:
    if observation.rotation is None:
        return _fit_from_many(observation, shape, settings, log_focal_precision)
    state = starting_states(observation, shape, settings, observation.rotation.matrix)
    state = _at_a_likely_distance(state, log_focal_precision)
    depth_m = state.position_m[:, 2] * np.exp(-state.log_focal)  # at the camera's focal length
    objective = objective_of(observation, shape, settings, depth_m, log_focal_precision)
    solution = minimize(objective, state, settings.most_iterations)
    misfit = misfits(objective, solution.look)
    found = answers(objective, solution, shape, settings, misfit)
    doubtful = np.flatnonzero(
        ~solution.arrived
        | ~(misfit < DOUBTFUL_MISFIT)
        | ~(np.einsum("nij,nij->n", solution.state.matrix, observation.rotation.matrix) > DOUBTFUL_TRACE)
    )
    if len(doubtful):  # the network may be wrong: from the points' own starts as well
        again = _fit_from_many(observation[doubtful], shape, settings, log_focal_precision)
        for i, one in zip(doubtful, again, strict=True):
            found[i] = one
    return found


def _fit_from_many(
    observation: Observation, shape: ShapeModel, settings: FitSettings, log_focal_precision: float | None
) -> list[HeadFit | Unknown]:
    """From every start; the cheapest end counts, unless another one is as cheap and another pose."""
    matrices = _rotations_to_start_from(observation, shape)  # (starts, n, 3, 3)
    tries, n = matrices.shape[:2]
    again = np.tile(np.arange(n), tries)
    repeated = observation[again]
    state = starting_states(repeated, shape, settings, matrices.reshape(-1, 3, 3))
    state = _at_a_likely_distance(state, log_focal_precision)
    depth_m = np.tile((state.position_m[:, 2] * np.exp(-state.log_focal))[:n], tries)
    objective = objective_of(repeated, shape, settings, depth_m, log_focal_precision)
    solution = minimize(objective, state, settings.most_iterations)
    cost = np.where(solution.arrived, solution.look.cost, np.inf).reshape(tries, n)
    best = cost.argmin(axis=0)
    rows = best * n + np.arange(n)
    found = answers(objective.rows(rows), solution.rows(rows), shape, settings)
    ends = Rotation(solution.state.matrix.reshape(tries, n, 3, 3))
    apart_deg = ends.angle_to_deg(ends[best, np.arange(n)])
    rival = (cost < cost[best, np.arange(n)] + AMBIGUOUS_NATS) & (apart_deg > AMBIGUOUS_DEG)
    for i in np.flatnonzero(rival.any(axis=0)):
        found[i] = Unknown(
            f"ambiguous: poses {apart_deg[rival[:, i], i].max():.0f} deg apart fit the points equally well"
        )
    return found


def _rotations_to_start_from(observation: Observation, shape: ShapeModel) -> Floats:
    """(4 or 5, n, 3, 3): the network's if there is one, far camera and its depth mirror, EPnP, SQPnP; where
    OpenCV fails the far camera's again.
    """
    seen = observation.seen
    with np.errstate(invalid="ignore"):
        weight = np.where(seen, observation.spread_px**-2, 0.0)
    points_px = np.where(seen[:, :, None], observation.points_px, 0.0)
    far, mirrored = start.far_camera_rotations(shape.points_m, points_px, weight, observation.camera)
    pnp = start.pnp_rotations(shape.points_m, observation).transpose(1, 0, 2, 3)
    network = [] if observation.rotation is None else [observation.rotation.matrix]
    return np.stack([*network, far, mirrored, *np.where(np.isnan(pnp), far, pnp)])


def _position_spread_m(state: State, covariance: Floats, focal_px: Floats) -> Floats:
    """(n, 3) from the covariance of the shift and the log distance (see `objective`)."""
    change = np.zeros((len(covariance), 3, 3))
    change[:, [0, 1], [0, 1]] = state.position_m[:, 2:] / state.focal_px(focal_px)[:, :, 0]
    change[:, :, 2] = state.position_m
    return np.asarray(np.sqrt(((change @ covariance[:, 3:6, 3:6]) * change).sum(axis=2)))


def misfits(objective: Objective, seen: Look) -> Floats:
    """(n,) median distance of the seen points from the fitted head, over the larger side of their box."""
    unseen = objective.weight == 0
    middle = (unseen.shape[1] - unseen.sum(axis=1)) // 2
    squared_px = np.where(unseen, np.inf, (seen.residual_px**2).sum(axis=1))
    squared_px.sort(axis=1)
    high = np.where(unseen[:, None], -np.inf, objective.points_px).max(axis=2)
    low = np.where(unseen[:, None], np.inf, objective.points_px).min(axis=2)
    return np.asarray(np.sqrt(squared_px[np.arange(len(middle)), middle]) / (high - low).max(axis=1))


def _padded(objective: Objective, coefficients: Floats, shape: ShapeModel) -> tuple[Floats, Floats]:
    """Identity (n, Ki) and expression (n, Ke) of the whole model, 0 where a mode was not fitted."""
    basis, n = objective.basis, len(coefficients)
    identity, expression = np.zeros((n, shape.identity_count)), np.zeros((n, shape.expression_count))
    identity[:, : basis.identity_count] = coefficients[:, : basis.identity_count]
    expression[:, : basis.expression_count] = coefficients[:, basis.identity_count :]
    return identity, expression
