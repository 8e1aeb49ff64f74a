"""The objective of `headwise.fitting.objective` once more, in torch, by L-BFGS: a second opinion.

Written from the formula and not from the numpy code; derivatives are automatic. Liu and Nocedal (1989) with
a line search by the strong Wolfe conditions, every head on its own. Needs the extra `train`.
"""

from __future__ import annotations

import math

import numpy as np

try:
    import torch
    from torch import Tensor
except ImportError as missing:
    from headwise.errors import MissingExtra

    raise MissingExtra("the L-BFGS fit needs PyTorch: pip install 'headwise[train]'") from missing

from headwise.fitting.objective import (
    DISTANCE_LOG_SPREAD,
    DISTANCE_M,
    Floats,
    Objective,
    State,
    curvature,
    look,
    slopes,
    turned,
)
from headwise.fitting.observation import Observation
from headwise.fitting.shape_model import ShapeModel
from headwise.fitting.solve import DEFAULT, FitSettings, objective_of, starting_states
from headwise.rotation import Rotation

MOST_ITERATIONS = 300
SMALLEST_GRADIENT, SMALLEST_CHANGE = 1e-6, 1e-12
HISTORY = 20


def fit_by_lbfgs(
    observation: Observation, shape: ShapeModel, settings: FitSettings = DEFAULT
) -> tuple[Rotation, Floats]:
    """Rotations (n) and costs (n,) in nats of heads that all have enough points and a network's rotation.

    The start is that of `solve.fit_heads`; degenerate heads are not looked for here.
    """
    assert observation.rotation is not None, "the start"
    state = starting_states(observation, shape, settings, observation.rotation.matrix)
    objective = objective_of(observation, shape, settings, state.position_m[:, 2])
    rotations, costs = [], []
    for row in range(len(observation)):
        rows = np.array([row])
        step, cost = minimize(objective.rows(rows), state.rows(rows))
        rotations.append(turned(state.matrix[[row]], step[None, :3])[0])
        costs.append(cost)
    return Rotation(np.stack(rotations)), np.array(costs)


def minimize(objective: Objective, state: State) -> tuple[Floats, float]:
    """Of one row: the step (P,) from the state, in the unknowns of `objective`, and the cost there."""
    seen = look(objective, state)
    normal = curvature(objective, seen, slopes(objective, state, seen))
    unit = torch.tensor(normal[0].diagonal() ** -0.5)  # radians, px and the rest in their own spreads
    scaled = torch.zeros(objective.size, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [scaled],
        max_iter=MOST_ITERATIONS,
        tolerance_grad=SMALLEST_GRADIENT,
        tolerance_change=SMALLEST_CHANGE,
        history_size=HISTORY,
        line_search_fn="strong_wolfe",
    )
    costs: list[float] = []

    def closure() -> Tensor:
        solver.zero_grad()
        total = cost(objective, state, scaled * unit)
        total.backward()  # type: ignore[no-untyped-call]
        costs.append(total.item())
        return total

    solver.step(closure)  # type: ignore[no-untyped-call]
    return (scaled.detach() * unit).numpy(), min(costs)


def cost(objective: Objective, state: State, step: Tensor) -> Tensor:
    """Nats of one row at a step (P,) from the state."""
    basis = objective.basis
    count = len(basis.modes)
    start = torch.tensor(state.matrix[0])
    position = torch.tensor(state.position_m[0])
    half = _cross(step[:3] / 2)
    R = start @ (torch.eye(3, dtype=torch.float64) + half) @ torch.linalg.inv(torch.eye(3).double() - half)
    log_focal = torch.as_tensor(state.log_focal[0])
    if objective.log_focal_precision is not None:
        log_focal = log_focal + step[-1]
    sizes = torch.tensor(objective.focal_px[:, 0])
    shift = step[3:5] * position[2] / (sizes * float(np.exp(state.log_focal[0])))
    t = position * step[5].exp() + torch.cat([shift, shift.new_zeros(1)])
    coefficients = torch.tensor(state.coefficients[0]) + step[6 : 6 + count]
    X = (torch.tensor(basis.mean) + coefficients @ torch.tensor(basis.modes)).reshape(3, 68).T
    Y = X @ R.T + t
    picture = Y[:, :2] / Y[:, 2:] * sizes * log_focal.exp()
    squared = (picture - torch.tensor(objective.points_px[0]).T).square().sum(1)
    k2 = objective.softness**2
    total = (
        objective.point_share * (k2 / 2) * torch.log1p(squared * torch.tensor(objective.weight[0]) / k2).sum()
    )
    away = coefficients - torch.tensor(objective.coefficient_mean[0])
    precision = objective.coefficient_precision
    total = total + 0.5 * away @ torch.tensor(precision if precision.ndim == 2 else precision[0]) @ away
    if objective.log_focal_precision is not None:
        total = total + 0.5 * objective.log_focal_precision * log_focal.square()
        total = total + 0.5 * ((t[2] / DISTANCE_M).log() / DISTANCE_LOG_SPREAD).square()
    if objective.rotation is not None:
        prior = objective.rotation
        turn = _chord(torch.tensor(prior.matrix[0]).T @ R)
        normal = torch.exp(-0.5 * turn @ torch.tensor(prior.precision[0]) @ turn)
        floor = float(prior.floor[0])
        total = total + math.log1p(floor) - torch.log(normal + floor)
    return total


def _cross(v: Tensor) -> Tensor:
    zero = v.new_zeros(())
    rows = [[zero, -v[2], v[1]], [v[2], zero, -v[0]], [-v[1], v[0], zero]]
    return torch.stack([torch.stack(row) for row in rows])


def _chord(matrix: Tensor) -> Tensor:
    """(3,) along the axis, 2 sin(angle / 2) long."""
    across = torch.stack(
        [matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]
    )
    return across / (1 + matrix.diagonal().sum()).sqrt()
