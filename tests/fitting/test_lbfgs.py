"""Two solvers, one objective: they meet, and one is far quicker."""

import time

import numpy as np
import pytest

pytest.importorskip("torch")

from drawn_faces import draw_faces, fitted_rotations, observe
from headwise.fitting import objective as nats
from headwise.fitting.lbfgs import cost, fit_by_lbfgs
from headwise.fitting.shape_model import load_shape_model
from headwise.fitting.solve import DEFAULT, fit_heads, objective_of, starting_states

AGREEMENT_DEG = 0.05
TIMES_QUICKER = 10


def test_both_solvers_find_the_same_pose_and_levenberg_marquardt_ten_times_quicker():
    import torch

    torch.set_num_threads(1)
    shape = load_shape_model()
    observation = observe(draw_faces(3, np.random.default_rng(0)), turn_deg=5.0)
    fits = fit_heads(observation, shape)
    began = time.process_time()
    for row in range(3):
        fit_heads(observation[np.array([row])], shape)
    halfway = time.process_time()
    rotations, _ = fit_by_lbfgs(observation, shape)
    ended = time.process_time()
    assert fitted_rotations(fits).angle_to_deg(rotations).max() < AGREEMENT_DEG
    assert ended - halfway > TIMES_QUICKER * (halfway - began)


def test_the_torch_cost_is_the_numpy_cost():
    """Written twice from one formula, at places where every term counts."""
    import torch

    rng = np.random.default_rng(1)
    shape = load_shape_model()
    observation = observe(draw_faces(1, rng), rng, noise_px=3.0, turn_deg=20.0)
    state = starting_states(observation, shape, DEFAULT, observation.rotation.matrix)
    objective = objective_of(observation, shape, DEFAULT, state.position_m[:, 2], 5.0)
    for _ in range(4):
        step = 0.2 * rng.normal(size=objective.size)
        there = nats.look(objective, state.moved(step[None], objective.focal_px)).cost[0]
        np.testing.assert_allclose(cost(objective, state, torch.tensor(step)).item(), there, rtol=1e-9)
