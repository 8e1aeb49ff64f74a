"""From what the pose network says to what a fit takes."""

import numpy as np

from drawn_faces import CAMERA, draw_faces
from headwise.estimator import Estimate
from headwise.fitting.observation import SPREAD_OF_BOX, observation_of
from headwise.results import HeadPose
from headwise.rotation import Rotation


def estimate(points, **said):
    pose = HeadPose(Rotation(np.eye(3)), spread_deg=5.0)
    return Estimate(pose, points, None if points is None else np.ones(68), **said)


def test_spreads_come_from_the_network_where_it_says_them():
    points = draw_faces(1, np.random.default_rng(0)).points_px[0]
    covariance = np.diag([1e-3, 2e-3, 3e-3])
    said = estimate(points, keypoint_spread_px=np.linspace(1, 2, 68), rotation_covariance=covariance)
    observation = observation_of([said, estimate(points), estimate(None)], CAMERA)
    np.testing.assert_allclose(observation.spread_px[0], np.linspace(1, 2, 68))
    np.testing.assert_allclose(observation.rotation_covariance[0], covariance)
    assert np.ptp(observation.spread_px[1]) == 0
    np.testing.assert_allclose(observation.spread_px[1, 0], SPREAD_OF_BOX * np.ptp(points, axis=0).max())
    assert not observation.seen[2].any()


def test_a_spread_in_degrees_becomes_a_covariance_with_that_expected_error():
    points = draw_faces(1, np.random.default_rng(0)).points_px[0]
    covariance = observation_of([estimate(points)], CAMERA).rotation_covariance[0]
    drawn = np.random.default_rng(1).multivariate_normal(np.zeros(3), covariance, 20000)
    np.testing.assert_allclose(np.degrees(np.linalg.norm(drawn, axis=1)).mean(), 5.0, rtol=0.02)


def test_no_heads_are_an_observation_of_none():
    assert len(observation_of([], CAMERA)) == 0
