"""Frames of one head share who it is, and start where the last one ended."""

import numpy as np
import pytest

from drawn_faces import MODES, draw_faces, fitted_rotations, observe
from headwise.errors import GeometryError
from headwise.fitting.observation import Observation
from headwise.fitting.shape_model import load_shape_model
from headwise.fitting.solve import HeadFit, Unknown, fit_heads
from headwise.fitting.track import TrackFitter, fit_track


@pytest.fixture(scope="module")
def shape():
    return load_shape_model()


@pytest.fixture(scope="module")
def film():
    """60 frames of one unusual head (of the usual size, which no picture shows), points noisy."""
    rng = np.random.default_rng(0)
    identity = np.array([0.0, -1.5, 1.5, -1.5, 1.0, 1.2])[: MODES[0]]
    faces = draw_faces(60, rng, identity=identity, yaw_deg=50)
    return faces, observe(faces, rng, noise_px=1.5, turn_deg=5.0, spread_px=1.5)


def off_mm(shape, identity, truth):
    """Mean distance of the neutral face's 68 points."""
    calm = np.zeros(shape.expression_count)
    return 1000 * np.linalg.norm(shape.points(identity, calm) - shape.points(truth, calm), axis=1).mean()


def test_a_track_knows_the_head_better_than_one_frame(shape, film):
    faces, observation = film
    track = fit_track(observation, shape)
    alone = np.mean([off_mm(shape, fit.identity, faces.identity[0]) for fit in fit_heads(observation, shape)])
    assert off_mm(shape, track.identity, faces.identity[0]) < 0.75 * alone
    assert (track.identity_spread[: MODES[0]] < 0.8).all()
    assert len(track.frames) == 60


def test_the_distance_shakes_less_with_a_shared_identity(shape, film):
    faces, observation = film

    def scatter(fits):
        return np.std([fit.position_m[2] for fit in fits] / faces.position_m[:, 2])

    assert scatter(fit_track(observation, shape).frames) < 0.8 * scatter(fit_heads(observation, shape))


def test_a_stream_ends_where_the_whole_film_does(shape, film):
    faces, observation = film
    fitter = TrackFitter(shape)
    fits = [fitter(observation[np.array([i])]) for i in range(60)]
    assert all(isinstance(fit, HeadFit) for fit in fits)
    whole = fit_track(observation, shape)
    streamed = np.zeros(shape.identity_count)
    streamed[: len(fitter.belief.mean)] = fitter.belief.mean
    assert off_mm(shape, streamed, whole.identity) < 1.0
    assert fitted_rotations(fits[30:]).angle_to_deg(faces.rotation[30:]).mean() < 5


def test_a_warm_start_needs_no_network(shape):
    """Points alone: after the first frame every fit starts at the last one."""
    rng = np.random.default_rng(3)
    still = draw_faces(1, rng, yaw_deg=30)
    observation = observe(still, rng).without_rotation()
    fitter = TrackFitter(shape)
    first, second = fitter(observation), fitter(observation)
    assert second.iterations < first.iterations or second.iterations <= 2
    assert second.rotation.angle_to_deg(first.rotation) < 1.5


def test_a_lost_frame_is_unknown_and_the_next_one_is_found(shape, film):
    _, observation = film
    points = observation.points_px[:3].copy()
    points[1] = np.nan
    some = Observation(
        points,
        observation.spread_px[:3],
        observation.camera,
        observation.rotation[:3],
        observation.rotation_covariance[:3],
    )
    fitter = TrackFitter(shape)
    assert [type(fitter(some[np.array([i])])) for i in range(3)] == [HeadFit, Unknown, HeadFit]
    assert [type(frame) for frame in fit_track(some, shape).frames] == [HeadFit, Unknown, HeadFit]


def test_what_a_track_cannot_take_is_named(shape, film):
    _, observation = film
    with pytest.raises(GeometryError, match="one head in each frame, got 2"):
        TrackFitter(shape)(observation[:2])
    with pytest.raises(GeometryError, match="rotations"):
        fit_track(observation.without_rotation(), shape)
