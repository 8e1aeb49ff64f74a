"""Compositions: labels agree with pixels, cut edges are gone, sources give what the loss takes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")

from headwise.training import compositions, sprites
from headwise.training.compositions import HeadCutout
from headwise.training.datasets import scenes
from headwise.training.sprites import Sprite
from headwise.training.tasks import detector as task
from headwise.warp import Warp

SIZE = 192


def outline_points() -> np.ndarray:
    """68 points on an ellipse of 80 x 100 px about (96, 80)."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    return np.stack([96 + 40 * np.cos(angles), 80 + 50 * np.sin(angles)], axis=1)


def drawn_head() -> HeadCutout:
    """An opaque ellipse through its 68 points."""
    rgba = np.zeros((SIZE, SIZE, 4), np.uint8)
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    rgba[((columns - 96) / 40) ** 2 + ((rows - 80) / 50) ** 2 <= 1] = (230, 120, 60, 255)
    return HeadCutout(Sprite.of(rgba), outline_points(), np.ones(68, bool))


def bust() -> tuple[np.ndarray, np.ndarray]:
    """Head and shoulders that the crop's lower edge cuts: picture and alpha."""
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(alpha, (96, 80), (40, 50), 0, 0, 360, 255, -1)
    cv2.ellipse(alpha, (96, 200), (70, 60), 0, 0, 360, 255, -1)
    return np.full((SIZE, SIZE, 3), 150, np.uint8), alpha


def test_boxes_agree_with_the_pixels_of_the_head() -> None:
    rng = np.random.default_rng(3)
    background = np.zeros((256, 256, 3), np.uint8)
    compared = 0
    for _ in range(60):
        made = compositions.compose(rng, background, [drawn_head()], np.array([rng.uniform(30, 120)]), [], [])
        rows, columns = np.nonzero(made.owners == 1)
        if not len(made.labels.boxes) or (made.owners == compositions.OCCLUDER).any():
            continue
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        inside = (seen > 0).all() and (seen < 256).all()
        if inside:
            compared += 1
            np.testing.assert_allclose(made.labels.boxes[0], seen, atol=1.5)
    assert compared > 20


def test_pasting_keeps_the_places_of_pixels() -> None:
    dot = np.zeros((65, 65, 4), np.uint8)
    dot[29:36, 29:36] = 255
    canvas, owners = np.zeros((100, 100, 3), np.uint8), np.zeros((100, 100), np.uint8)
    warp = Warp.moving(30.0, 40.0) @ Warp.scaling(0.5)
    sprites.paste(canvas, owners, Sprite.of(dot), warp, 7)
    rows, columns = np.mgrid[:100, :100] + 0.5
    weight = canvas[..., 0].astype(float)
    found = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
    np.testing.assert_allclose(found, warp.points(np.array([32.5, 32.5])), atol=0.3)
    assert (owners == 7).any()


def test_a_covered_head_is_ignored_and_a_buried_one_dropped() -> None:
    points = outline_points()
    owners = np.ones((SIZE, SIZE), np.uint8)
    head = HeadCutout(drawn_head().sprite, points, np.ones(68, bool))
    assert compositions.visible_share(points, owners, 1) == pytest.approx(1, abs=0.03)
    assert not compositions.labels_of([head], owners).ignored[0]
    owners[:106] = compositions.OCCLUDER  # about a quarter is left
    assert compositions.labels_of([head], owners).ignored[0]
    owners[:126] = compositions.OCCLUDER
    assert len(compositions.labels_of([head], owners).boxes) == 0


def test_a_mirrored_head_swaps_its_eyes() -> None:
    head = drawn_head()
    moved = compositions._moved(head, Warp.mirroring(SIZE))
    np.testing.assert_allclose(moved.points[36, 0], SIZE - head.points[45, 0])


def test_the_body_goes_on_below_the_cut_edge() -> None:
    rng = np.random.default_rng(0)
    picture, alpha = bust()
    head = compositions.cutout(rng, picture, alpha, outline_points(), np.ones(68, bool))
    assert head is not None
    opaque = head.sprite.levels[0][..., 3] > 128
    assert opaque[SIZE - 3].sum() == pytest.approx(opaque[SIZE + 3].sum(), rel=0.1)
    assert not opaque[-1].any()


def test_a_head_cut_by_its_crop_is_refused() -> None:
    rng = np.random.default_rng(0)
    picture, alpha = bust()
    alpha[:60, :] = 255
    assert compositions.cutout(rng, picture, alpha, outline_points(), np.ones(68, bool)) is None


@pytest.mark.parametrize("seed", range(5))
def test_drawn_things_have_colours_and_an_outline(seed: int) -> None:
    for make in set(sprites.DRAWN):
        rgba = make(np.random.default_rng(seed))
        assert rgba.dtype == np.uint8
        assert rgba.shape == (sprites.SPRITE_PX, sprites.SPRITE_PX, 4)
        assert (rgba[..., 3] > 0).any()


def write_data(folder: Path) -> None:
    """Two tiny shards: three busts and two scenes."""
    for name in ("crops", "scenes"):
        (folder / name).mkdir()
    picture, alpha = bust()
    coded = [cv2.imencode(".png", x)[1].tobytes() for x in (picture, alpha)]
    for suffix, data in zip(("bin", "mask"), coded, strict=True):
        (folder / "crops" / f"shard-00000.{suffix}").write_bytes(data * 3)
    np.savez(
        folder / "crops" / "shard-00000.npz",
        image_offset=np.arange(4) * len(coded[0]),
        mask_offset=np.arange(4) * len(coded[1]),
        points68_px=np.repeat(outline_points()[None], 3, 0).astype(np.float32),
        visibility=np.ones((3, 68), np.uint8),
    )
    (folder / "scenes" / "shard-00000.bin").write_bytes(coded[0] * 2)
    box = np.array([[56, 30, 136, 130]], np.float32)
    np.savez(
        folder / "scenes" / "shard-00000.npz",
        image_offset=np.arange(3) * len(coded[0]),
        head_start=np.array([0, 0, 1]),
        box=box,
        points5_px=np.full((1, 5, 2), 80, np.float32),
        points5_visible=np.ones((1, 5), np.uint8),
        visible_fraction=np.ones(1, np.float32),
        ignore=np.zeros(1, bool),
    )


def test_samples_are_what_the_loss_takes(tmp_path: Path) -> None:
    write_data(tmp_path)
    options = {"data": {"backgrounds": "", "scene_share": 0.5}}
    data = task.create(options).data(tmp_path, held_out=False)
    rng = np.random.default_rng(0)
    heads = 0
    for index in range(12):
        sample = data.sample(index, 128, rng)
        assert sample["image"].shape == (128, 128, 3)
        assert sample["image"].dtype == np.uint8
        present = sample["state"] == task.PRESENT
        heads += present.sum()
        boxes = sample["boxes"][present]
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert heads > 3


def test_scene_labels_follow_the_zoom(tmp_path: Path) -> None:
    write_data(tmp_path)
    arrays = ("head_start", "box", "points5_px", "points5_visible", "visible_fraction", "ignore")
    folder = scenes.ShardFolder(tmp_path / "scenes", arrays, held_out=False)
    rng = np.random.default_rng(0)
    item = folder.draw(rng)
    warp = Warp.mirroring(128) @ Warp.scaling(0.5)
    labels = scenes.scene_labels(item, warp, 128)
    np.testing.assert_allclose(labels.boxes[0], [60, 15, 100, 65])
    np.testing.assert_allclose(labels.points[0, 0], [88, 40])
    for _ in range(5):
        assert scenes.zoomed_scene(rng, item, item.image(), 128).image.shape == (128, 128, 3)
