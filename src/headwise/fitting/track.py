"""One head through many frames: who it is belongs to all of them, pose and expression to each.

What a frame tells about the identity is the precision its fit leaves when everything else is integrated out
(the Schur complement of the normal equations, as in bundle adjustment; Triggs 1999, section 6.1). It is
added up over the frames and is the prior of the next one, an information filter. The network sees the same
face in every frame and errs alike, so a frame counts for `FRAME_SHARE` of one that stood alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headwise.errors import GeometryError
from headwise.fitting import start
from headwise.fitting.objective import POSE, Floats, Objective, State, point_basis
from headwise.fitting.observation import Observation
from headwise.fitting.shape_model import ShapeModel
from headwise.fitting.solve import (
    DEFAULT,
    FitSettings,
    HeadFit,
    Solution,
    Unknown,
    answers,
    fit_heads,
    minimize,
    objective_of,
    starting_states,
)

FRAME_SHARE = 0.1
"""Of its information about the identity: ten frames of one video tell as much as one more picture would."""


@dataclass(frozen=True, eq=False)
class Belief:
    """What is known of one head's identity: a normal distribution over the fitted modes.

    precision (Ki, Ki) and information (Ki,) = precision times mean.
    """

    precision: Floats
    information: Floats

    @classmethod
    def of_anybody(cls, modes: int) -> Belief:
        """The shape model's own prior."""
        return cls(np.eye(modes), np.zeros(modes))

    @property
    def mean(self) -> Floats:
        """(Ki,) coefficients."""
        return np.asarray(np.linalg.solve(self.precision, self.information))

    def with_frame(self, objective: Objective, solution: Solution, row: int) -> Belief:
        """After one more frame, fitted with this belief or another as its prior."""
        modes = len(self.information)
        identity = slice(POSE, POSE + modes)
        after = np.linalg.inv(solution.covariance[row, identity, identity])
        prior = objective.coefficient_precision
        before = (prior if prior.ndim == 2 else prior[row])[:modes, :modes]
        told = after @ solution.state.coefficients[row, :modes]
        told -= before @ objective.coefficient_mean[row, :modes]
        return Belief(self.precision + FRAME_SHARE * (after - before), self.information + FRAME_SHARE * told)


@dataclass(frozen=True, eq=False)
class TrackFit:
    """One head in n frames. identity (Ki,): its coefficients, with one standard deviation each.

    frames: in their order; each was fitted with the track's identity as its prior.
    """

    identity: Floats
    identity_spread: Floats
    frames: tuple[HeadFit | Unknown, ...]


class TrackFitter:
    """Fits a stream frame by frame: starts where the last frame ended, knows the head better each time."""

    def __init__(self, shape: ShapeModel, settings: FitSettings = DEFAULT) -> None:
        self._shape, self._settings = shape, settings
        basis = point_basis(shape, settings.identity_modes, settings.expression_modes)
        self.belief = Belief.of_anybody(basis.identity_count)
        self._last: State | None = None

    def __call__(self, observation: Observation) -> HeadFit | Unknown:
        """The head in the next frame. Raises GeometryError for an observation of several heads."""
        if len(observation) != 1:
            raise GeometryError(f"a track has one head in each frame, got {len(observation)}")
        reason = start.reasons_against(observation)[0]
        if reason is not None:
            self._last = None
            return Unknown(reason)
        state = self._start(observation)
        if state is None:
            self._last = None
            return Unknown("the points alone give no pose to start the track from")
        objective = _with_belief(
            objective_of(observation, self._shape, self._settings, state.position_m[:, 2]), self.belief
        )
        solution = minimize(objective, state, self._settings.most_iterations)
        found = answers(objective, solution, self._shape, self._settings)[0]
        if isinstance(found, Unknown):
            self._last = None
        else:
            self._last = solution.state
            self.belief = self.belief.with_frame(objective, solution, 0)
        return found

    def _start(self, observation: Observation) -> State | None:
        """The last frame's shape; its rotation too where no network says one. A head may jump in the picture,
        so the position is always new. None: there is neither a last frame nor a pose in the points.
        """
        if observation.rotation is not None:
            matrix = observation.rotation.matrix
        elif self._last is not None:
            matrix = self._last.matrix
        else:
            first = fit_heads(observation, self._shape, self._settings)[0]
            if isinstance(first, Unknown):
                return None
            matrix = first.rotation.matrix[None]
        state = starting_states(observation, self._shape, self._settings, matrix)
        if self._last is not None:
            return replace(state, coefficients=self._last.coefficients)
        coefficients = state.coefficients.copy()
        coefficients[:, : len(self.belief.information)] = self.belief.mean
        return replace(state, coefficients=coefficients)


def fit_track(observation: Observation, shape: ShapeModel, settings: FitSettings = DEFAULT) -> TrackFit:
    """One head in n frames, all at once: every frame alone, the identity from all, every frame again with it.

    Every frame needs a network's rotation. Frames that say nothing are Unknown and count for nothing.
    """
    if observation.rotation is None:
        raise GeometryError("fit_track starts from a network's rotations; without them use TrackFitter")
    basis = point_basis(shape, settings.identity_modes, settings.expression_modes)
    belief = Belief.of_anybody(basis.identity_count)
    reasons = start.reasons_against(observation)
    frames: list[HeadFit | Unknown] = [Unknown(reason or "") for reason in reasons]
    rows = np.array([i for i, reason in enumerate(reasons) if reason is None], np.intp)
    if len(rows):
        some = observation[rows]
        assert some.rotation is not None
        state = starting_states(some, shape, settings, some.rotation.matrix)
        objective = objective_of(some, shape, settings, state.position_m[:, 2])
        alone = minimize(objective, state, settings.most_iterations)
        belief = _told(belief, objective, alone, answers(objective, alone, shape, settings))
        known = _with_belief(objective, belief)
        together = minimize(known, alone.state, settings.most_iterations)
        for row, found in zip(rows, answers(known, together, shape, settings), strict=True):
            frames[row] = found
    spread = np.sqrt(np.diag(np.linalg.inv(belief.precision)))
    unfitted = shape.identity_count - len(spread)
    return TrackFit(
        np.concatenate([belief.mean, np.zeros(unfitted)]),
        np.concatenate([spread, np.ones(unfitted)]),
        tuple(frames),
    )


def _told(
    belief: Belief, objective: Objective, solution: Solution, found: Sequence[HeadFit | Unknown]
) -> Belief:
    for row, one in enumerate(found):
        if isinstance(one, HeadFit):
            belief = belief.with_frame(objective, solution, row)
    return belief


def _with_belief(objective: Objective, belief: Belief) -> Objective:
    """The same with another prior of the identity, in every row."""
    modes = len(belief.information)
    precision = objective.coefficient_precision.copy()
    precision[:modes, :modes] = belief.precision
    mean = objective.coefficient_mean.copy()
    mean[:, :modes] = belief.mean
    return replace(objective, coefficient_precision=precision, coefficient_mean=mean)
