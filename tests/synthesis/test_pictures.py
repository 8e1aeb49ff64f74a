"""What the renderer makes of the real art; skipped where the art is not at hand."""

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="synthesis needs the extra 'synth'")

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.rotation import Rotation
from headwise.synthesis.pictures import Studio


@pytest.fixture(scope="module")
def studio(art):
    return Studio(art, size_px=96, supersampling=1.0)


@pytest.fixture(scope="module")
def crops(studio):
    return [picture for seed in range(5) for picture in studio.crops(seed)]


def test_a_seed_makes_the_same_pictures_again(studio, crops):
    again = studio.crops(0)
    np.testing.assert_array_equal(again[0].picture, crops[0].picture)
    np.testing.assert_array_equal(again[0].labels["rotation_ray"], crops[0].labels["rotation_ray"])


def test_pictures_are_not_blank_and_differ(crops):
    assert all(item.picture.std() > 5 for item in crops)
    assert len({item.picture.tobytes() for item in crops}) == len(crops)


def test_the_head_is_where_the_label_says(crops):
    for item in crops:
        left, top, right, bottom = item.labels["box"].astype(int)
        inside = item.mask[max(top, 0) : bottom, max(left, 0) : right]
        assert (inside > 127).mean() > 0.55


def test_points_rotation_translation_and_intrinsics_agree(crops):
    for item in crops:
        labels = item.labels
        in_camera = labels["points68_m"] @ labels["rotation_camera"].T + labels["translation_m"]
        fx, fy, cx, cy = labels["intrinsics"]
        projected = in_camera[:, :2] / in_camera[:, 2:] * [fx, fy] + [cx, cy]
        np.testing.assert_allclose(projected, labels["points68_px"], atol=0.05)


def test_the_ray_rotation_is_the_camera_rotation_seen_along_the_box_centre(crops):
    for item in crops:
        labels = item.labels
        camera = Camera(*map(float, labels["intrinsics"]), 96, 96)
        to_ray = camera.camera_from_ray(Box(*map(float, labels["box"])).center)
        expected = to_ray.inverse() @ Rotation.project(labels["rotation_camera"].astype(float))
        assert expected.angle_to_deg(Rotation.project(labels["rotation_ray"].astype(float))) < 0.01


def test_depth_is_the_distance_of_the_face(crops):
    facing_camera = [c for c in crops if c.labels["rotation_ray"][2, 2] > 0.8 and c.labels["visibility"][30]]
    assert facing_camera
    for item in facing_camera:
        x, y = (item.labels["points68_px"][30] / 2).astype(int)
        in_camera = (
            item.labels["points68_m"][30] @ item.labels["rotation_camera"].T + item.labels["translation_m"]
        )
        assert item.depth_mm[y, x] == pytest.approx(in_camera[2] * 1000, abs=30)


def test_the_far_side_of_a_profile_is_not_visible(studio):
    for seed in (1, 4, 9):
        for item in studio.crops(seed):
            facing = Rotation.project(item.labels["rotation_ray"].astype(float)).facing
            if facing[0] < -0.9:  # looks to the left of the picture: its own left eye is at the far side
                assert not item.labels["visibility"][42:48].all()


def test_scene_boxes_hold_heads(studio):
    pictures = studio.scenes(3)
    boxes = np.concatenate([p.heads["box"] for p in pictures])
    assert len(boxes) > 3
    assert (boxes[:, 2] > boxes[:, 0]).all()
    for item in pictures:
        assert len(item.heads["points5_px"]) == len(item.heads["box"]) == len(item.heads["ignore"])


def test_lips_and_lids_are_where_their_points_are(studio):
    assets = studio.assets
    lips, lids = assets.lips_mask, assets.lids_mask
    mouth, eye = assets.rest[assets.landmarks[48:60]], assets.rest[assets.landmarks[36:42]]
    on_lips, on_lids = assets.rest[lips > 0.5], assets.rest[lids > 0.5]
    assert (np.abs(on_lips[:, :2] - mouth[:, :2].mean(0)) < np.ptp(mouth[:, :2], axis=0)).all()
    assert len(on_lips) > 20
    assert np.abs(on_lids - eye.mean(0)).max(1).min() < np.ptp(eye[:, 0])
    assert not (lips * lids).any()
