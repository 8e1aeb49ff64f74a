"""Derivatives against finite differences, and the terms' meaning."""

from dataclasses import replace

import numpy as np
import pytest

from drawn_faces import draw_faces, observe
from headwise.fitting import objective as nats
from headwise.fitting.shape_model import load_shape_model
from headwise.fitting.solve import DEFAULT, objective_of, starting_states
from headwise.rotation import Rotation

STEP = 1e-6


@pytest.fixture(scope="module", params=["camera known", "focal unknown", "points alone"])
def case(request):
    rng = np.random.default_rng(1)
    observation = observe(draw_faces(5, rng), rng, noise_px=2.0, turn_deg=15.0)
    if request.param == "points alone":
        start = observation.rotation.matrix
        observation = observation.without_rotation()
    else:
        start = (observation.rotation @ Rotation.from_rotvec(0.1 * rng.normal(size=(5, 3)))).matrix
        uneven = observation.rotation_covariance * np.diag([1.0, 3.0, 9.0])
        observation = replace(observation, rotation_covariance=uneven)
    shape = load_shape_model()
    state = starting_states(observation, shape, DEFAULT, start)
    precision = 8.0 if request.param == "focal unknown" else None
    objective = objective_of(observation, shape, DEFAULT, state.position_m[:, 2], precision)
    state = replace(
        state,
        coefficients=rng.normal(size=state.coefficients.shape),
        log_focal=0.1 * rng.normal(size=5) if precision else np.zeros(5),
    )
    return objective, state


def moved(objective, state, unknown, by):
    step = np.zeros((len(state.matrix), objective.size))
    step[:, unknown] = by
    return nats.look(objective, state.moved(step, objective.focal_px))


def gradient_at(objective, state):
    seen = nats.look(objective, state)
    return nats.gradient(objective, state, seen, nats.slopes(objective, state, seen))


def test_gradient_is_that_of_the_cost(case):
    objective, state = case
    share = nats.look(objective, state).turn_share
    assert objective.rotation is None or share.min() > 0.5, "the prior is part of the test"
    gradient = gradient_at(objective, state)
    for unknown in range(objective.size):
        ahead, behind = (moved(objective, state, unknown, by) for by in (STEP, -STEP))
        numeric = (ahead.cost - behind.cost) / (2 * STEP)
        np.testing.assert_allclose(gradient[:, unknown], numeric, rtol=1e-4, atol=1e-4)


def test_curvature_of_a_perfect_fit_is_the_second_derivative(case):
    """Where every residual is zero Gauss-Newton leaves nothing out."""
    objective, state = case
    seen = nats.look(objective, state)
    rotation = objective.rotation and replace(objective.rotation, matrix=state.matrix)
    objective = replace(
        objective,
        points_px=objective.points_px + seen.residual_px,
        coefficient_mean=state.coefficients,
        rotation=rotation,
    )
    seen = nats.look(objective, state)
    curvature = nats.curvature(objective, seen, nats.slopes(objective, state, seen))
    for unknown in range(objective.size):
        step = np.zeros((len(state.matrix), objective.size))
        step[:, unknown] = STEP
        there = state.moved(step, objective.focal_px)
        numeric = gradient_at(objective, there) / STEP
        if objective.log_focal_precision:  # the focal length's and the distance's priors pull at the start
            numeric[:, -1] -= 8.0 * state.log_focal / STEP
            pull = np.log(state.position_m[:, 2] / nats.DISTANCE_M) / nats.DISTANCE_LOG_SPREAD**2
            numeric[:, 5] -= pull / STEP
        np.testing.assert_allclose(curvature[:, unknown], numeric, rtol=2e-3, atol=1e-3 * curvature.max())


def test_a_far_point_pulls_less_than_a_near_one():
    rng = np.random.default_rng(3)
    observation = observe(draw_faces(1, rng))
    shape = load_shape_model()
    state = starting_states(observation, shape, DEFAULT, observation.rotation.matrix)
    objective = objective_of(observation, shape, DEFAULT, state.position_m[:, 2])
    points = objective.points_px.copy()
    points[0, :, 30] += 400
    share = nats.look(replace(objective, points_px=points), state).share[0]
    assert share[30] < 0.02
    assert np.median(share) > 0.5


def test_a_wrong_network_loses_its_say():
    """The uniform part of the prior: at 90 deg from the points' pose the network pulls no more."""
    rng = np.random.default_rng(4)
    observation = observe(draw_faces(1, rng), turn_deg=0.0)
    shape = load_shape_model()
    turned = observation.rotation.matrix @ Rotation.from_rotvec([[0, np.pi / 2, 0]]).matrix
    state = starting_states(observation, shape, DEFAULT, turned)
    objective = objective_of(observation, shape, DEFAULT, state.position_m[:, 2])
    assert nats.look(objective, state).turn_share[0] < 1e-6


def test_chord_and_cayley_are_the_rotation_vector_near_identity():
    rotvec = np.array([[0.01, -0.02, 0.015], [0.3, 0.2, -0.1]])
    matrix = nats.turned(np.tile(np.eye(3), (2, 1, 1)), rotvec)
    np.testing.assert_allclose(Rotation(matrix).rotvec, rotvec, atol=5e-3)
    np.testing.assert_allclose(Rotation(matrix[:1]).rotvec, rotvec[:1], atol=2e-6)
    chord, cosine = nats.chord(Rotation.from_rotvec(rotvec).matrix)
    np.testing.assert_allclose(np.linalg.norm(chord, axis=1), 2 * np.sin(np.linalg.norm(rotvec, axis=1) / 2))
    np.testing.assert_allclose(cosine, np.cos(np.linalg.norm(rotvec, axis=1) / 2))
    assert np.isfinite(nats.chord(np.diag([1.0, -1.0, -1.0])[None])[0]).all()
