"""A rendered person's head frame, and which items are kept from training."""

import numpy as np
import pytest

from headwise.annotations.rendered import art_head_from_head, held_out_items, ray_from_head
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.rotation import Rotation
from headwise.weights import mean_points_m


def tilted(pitch_deg):
    return Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=0, pitch_deg=pitch_deg, roll_deg=0)


def test_a_face_that_looks_up_on_its_skull_counts_as_looking_up():
    """A person whose face slopes back by 5 deg on a level skull has a pitch of 5 deg."""
    points = mean_points_m() @ tilted(5).matrix.T + [0.0, 0.01, 0.02]
    angles = art_head_from_head(1.1 * points[None]).euler(EulerOrder.AZIMUTH)
    assert angles.pitch_deg[0] == pytest.approx(5, abs=1e-6)
    assert abs(angles.yaw_deg[0]) + abs(angles.roll_deg[0]) < 1e-6


def test_an_open_mouth_hardly_tilts_the_head():
    points = mean_points_m().copy()
    points[[5, 6, 7, 8, 9, 10, 11]] += [0, 0.012, 0.004]
    points[55:60] += [0, 0.012, 0.004]
    assert art_head_from_head(points[None]).angle_to_deg(Rotation.identity())[0] < 1.0


def test_rotations_are_relative_to_the_ray_through_the_box():
    camera = Camera(300.0, 300.0, 150.0, 150.0, 300, 300)
    box = np.array([[200.0, 40.0, 260.0, 100.0]])
    towards_lens = camera.camera_from_ray(np.array([230.0, 70.0]))
    found = ray_from_head(
        towards_lens.matrix[None], mean_points_m()[None], np.array([[300.0, 300, 150, 150]]), box
    )
    assert found.angle_to_deg(Rotation.identity())[0] < 1e-5


def test_whole_shards_are_held_out():
    kept = [len(held_out_items(shard, 300, 60)) for shard in range(60)]
    assert [i for i, count in enumerate(kept) if count] == [0, 25, 50]
    assert set(kept) == {0, 300}
    assert list(held_out_items(0, 5, 1)) == [0, 1]
