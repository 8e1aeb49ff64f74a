"""From crops to poses in the camera frame, and positions from points."""

from pathlib import Path

import numpy as np
import pytest

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.estimator import (
    BATCH,
    SAME_BOX_IOU,
    SECOND_LOOK_SCALE,
    Estimator,
    box_of_points,
    position_from_points,
)
from headwise.rotation import Rotation
from tiny_models import SIZE_PX, SPREAD_PX, YAW_DEG

RNG = np.random.default_rng(3)
POINTS_M = RNG.uniform(-0.08, 0.08, (68, 3))


def with_blobs(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    image = np.zeros((480, 640, 3), np.uint8)
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = 255
    return image


def test_points_come_back_to_the_picture(tiny_pose_model: Path) -> None:
    (estimate,) = Estimator(tiny_pose_model)(
        with_blobs((200, 100, 240, 140)), [Box(195, 103, 235, 143)], Camera.from_fov(640, 480)
    )
    found = Box.from_points(estimate.keypoints)
    np.testing.assert_allclose(tuple(found), (200, 100, 240, 140), atol=1.0)


def test_the_spread_of_points_is_in_picture_pixels_and_that_of_the_rotation_unchanged(
    tiny_pose_model: Path,
) -> None:
    image = with_blobs()
    small, large = Estimator(tiny_pose_model)(
        image, [Box(100, 100, 120, 120), Box(100, 100, 300, 300)], Camera.distant(640, 480)
    )
    side_px = 20 * 1.3  # of the crop, in the picture
    np.testing.assert_allclose(small.keypoint_spread_px, SPREAD_PX * side_px / SIZE_PX)
    np.testing.assert_allclose(large.keypoint_spread_px, 10 * small.keypoint_spread_px)
    np.testing.assert_allclose(np.degrees(np.sqrt(np.diag(large.rotation_covariance))), [3, 2, 1], rtol=1e-5)


def test_a_head_beside_the_axis_is_turned_by_the_angle_of_its_ray(tiny_pose_model: Path) -> None:
    camera = Camera.from_fov(640, 480, 90)  # the right edge lies 45 deg off the axis
    boxes = [Box(300, 220, 340, 260), Box(620, 220, 660, 260)]
    middle, edge = Estimator(tiny_pose_model)(with_blobs(), boxes, camera)
    assert middle.pose.yaw_deg == pytest.approx(YAW_DEG, abs=0.1)
    assert edge.pose.yaw_deg == pytest.approx(
        YAW_DEG + 45, abs=0.1
    )  # to look at the lens it turns to image left


def test_with_a_distant_camera_the_crop_says_it_all(tiny_pose_model: Path) -> None:
    (estimate,) = Estimator(tiny_pose_model)(with_blobs(), [Box(600, 20, 640, 60)], Camera.distant(640, 480))
    assert estimate.pose.yaw_deg == pytest.approx(YAW_DEG, abs=0.02)


def test_one_at_a_time_and_many_at_once_agree(tiny_pose_model: Path) -> None:
    estimator, camera = Estimator(tiny_pose_model), Camera.from_fov(640, 480)
    image = RNG.integers(0, 256, (480, 640, 3), np.uint8)
    boxes = [Box.from_center(RNG.uniform(-50, 600, 2), 40, 50) for _ in range(2 * BATCH + 3)]
    together = estimator(image, boxes, camera)
    assert len(together) == len(boxes)
    for box, estimate in zip(boxes, together, strict=True):
        (alone,) = estimator(image, [box], camera)
        np.testing.assert_allclose(alone.keypoints, estimate.keypoints, atol=1e-3)
        assert float(alone.pose.rotation.angle_to_deg(estimate.pose.rotation)) < 1e-4


def test_no_boxes_no_estimates(tiny_pose_model: Path) -> None:
    assert Estimator(tiny_pose_model)(with_blobs(), [], Camera.from_fov(640, 480)) == ()


def heads(count: int) -> tuple[Rotation, np.ndarray, np.ndarray, Camera]:
    rotation = Rotation.from_euler(
        EulerOrder.AZIMUTH,
        yaw_deg=RNG.uniform(-180, 180, count),
        pitch_deg=RNG.uniform(-80, 80, count),
        roll_deg=RNG.uniform(-180, 180, count),
    )
    camera = Camera.from_fov(640, 480)
    position_m = RNG.uniform((-0.3, -0.3, 0.4), (0.3, 0.3, 3.0), (count, 3))
    in_camera = POINTS_M @ np.swapaxes(rotation.matrix, 1, 2) + position_m[:, None]
    return rotation, position_m, camera.project(in_camera), camera


def test_exact_points_give_the_exact_position() -> None:
    rotation, position_m, points, camera = heads(50)
    found = position_from_points(rotation, points, np.ones((50, 68)), camera, POINTS_M)
    np.testing.assert_allclose(np.stack(found), position_m, atol=1e-8)


def test_hidden_points_do_not_count() -> None:
    rotation, position_m, points, camera = heads(20)
    visibility = (RNG.random((20, 68)) < 0.5).astype(float)
    points[visibility == 0] += 50
    found = position_from_points(rotation, points, visibility, camera, POINTS_M)
    np.testing.assert_allclose(np.stack(found), position_m, atol=1e-8)


def test_a_pixel_of_noise_moves_it_little() -> None:
    rotation, position_m, points, camera = heads(50)
    noisy = points + RNG.normal(0, 0.5, points.shape)
    found = np.stack(position_from_points(rotation, noisy, np.ones((50, 68)), camera, POINTS_M))
    assert np.median(np.abs(found - position_m)[:, :2]) < 0.005
    assert np.median(np.abs(found - position_m)[:, 2] / position_m[:, 2]) < 0.01


def test_what_does_not_fix_a_position_is_unknown() -> None:
    rotation, _, points, camera = heads(1)
    none_visible = position_from_points(rotation, points, np.zeros((1, 68)), camera, POINTS_M)
    one_place = position_from_points(rotation, np.full((1, 68, 2), 300.0), np.ones((1, 68)), camera, POINTS_M)
    behind = position_from_points(rotation, 640 - points, np.ones((1, 68)), camera, POINTS_M)
    assert none_visible == one_place == [None]
    assert behind == [None]
    assert position_from_points(rotation[:0], points[:0], np.ones((0, 68)), camera, POINTS_M) == []


def test_a_box_that_is_off_gets_a_second_look_and_a_good_one_does_not(tiny_pose_model: Path) -> None:
    estimator, camera = Estimator(tiny_pose_model), Camera.distant(640, 480)
    image, head = with_blobs((200, 100, 240, 140)), Box(200, 100, 240, 140)
    off = head.shifted(14, 14)
    once, straight = estimator(image, [off, head], camera)
    settled, unchanged = estimator.settled(image, [off, head], camera)
    found = box_of_points(once)
    assert found is not None
    assert found.iou(off) < SAME_BOX_IOU[0]
    np.testing.assert_array_equal(
        settled.keypoints, estimator(image, [found.scaled(SECOND_LOOK_SCALE)], camera)[0].keypoints
    )
    assert not np.array_equal(settled.keypoints, once.keypoints)
    np.testing.assert_array_equal(unchanged.keypoints, straight.keypoints)


def test_a_box_far_off_gets_a_third_look(tiny_pose_model: Path) -> None:
    image, camera = with_blobs((200, 100, 280, 180)), Camera.distant(640, 480)
    estimator = Estimator(tiny_pose_model)
    edge = Box(135, 100, 195, 160)  # its crop shows a corner of the head

    def off_px(keypoints: np.ndarray | None) -> float:
        return float(np.abs(np.array(Box.from_points(keypoints).center) - (240, 140)).max())

    (once,) = estimator(image, [edge], camera)
    second_box = box_of_points(once)
    assert second_box is not None
    (twice,) = estimator(image, [second_box.scaled(SECOND_LOOK_SCALE)], camera)
    (settled,) = estimator.settled(image, [edge], camera)
    assert off_px(settled.keypoints) < off_px(twice.keypoints) < off_px(once.keypoints)
