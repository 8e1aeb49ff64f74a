"""Compositions: labels agree with pixels, cut edges are gone, sources give what the loss takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")

from detector_shards import SIZE, bust, outline_points, write_data
from headwise.errors import InputError
from headwise.training import compositions, sprites
from headwise.training.compositions import HeadCutout
from headwise.training.datasets import scenes
from headwise.training.sprites import Sprite
from headwise.training.tasks import detector as task
from headwise.warp import Warp


def drawn_head() -> HeadCutout:
    """An opaque ellipse through its 68 points."""
    rgba = np.zeros((SIZE, SIZE, 4), np.uint8)
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    rgba[((columns - 96) / 40) ** 2 + ((rows - 80) / 50) ** 2 <= 1] = (230, 120, 60, 255)
    return HeadCutout(Sprite.of(rgba), outline_points(), np.ones(68, bool))


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


def test_a_sample_does_not_depend_on_what_was_drawn_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_data(tmp_path)
    monkeypatch.setattr(scenes, "LASTS", 3)
    busy, fresh = (
        task.create({"data": {"backgrounds": "", "scene_share": 0.3}}).data(tmp_path, held_out=False)
        for _ in range(2)
    )
    (first, *_, last) = busy.order(np.random.default_rng(1))[:8].tolist()
    drawn = [busy.sample(index, 96, np.random.default_rng(index)) for index in range(first, last + 1)][-1]
    again = fresh.sample(last, 96, np.random.default_rng(last))
    assert all(np.array_equal(drawn[name], again[name]) for name in again)


def test_a_pool_replaces_its_things_one_after_the_other() -> None:
    pool = scenes.Pool(lambda rng: int(rng.integers(1 << 40)), capacity=5)
    rng = np.random.default_rng(0)
    held = [{pool.draw(rng, place) for _ in range(60)} for place in (0, 100, scenes.LASTS // 2, scenes.LASTS)]
    assert [len(things) for things in held] == [5] * 4
    kept = [len(held[0] & things) for things in held]
    assert kept[:2] == [5, 5]
    assert 1 < kept[2] < 4
    assert kept[3] == 0


def test_a_folder_of_cut_heads_is_told() -> None:
    with pytest.raises(InputError, match="cut their heads"):
        scenes.Pool(lambda _: None, capacity=5).draw(np.random.default_rng(0), 0)


def test_shards_of_the_stream_have_names(tmp_path: Path) -> None:
    write_data(tmp_path)
    data = task.create({"data": {"backgrounds": ""}}).data(tmp_path, held_out=False)
    names = data.refresh()
    assert names == ("heads/shard-00000", "scenes/shard-00000")
    for file in (tmp_path / "crops").iterdir():
        (tmp_path / "crops" / file.name.replace("00000", "00001")).write_bytes(file.read_bytes())
    assert data.refresh(names) == names
    assert data.refresh() == ("heads/shard-00000", "heads/shard-00001", "scenes/shard-00000")
    with pytest.raises(InputError, match=r"no shard .*shard-00007\.npz"):
        data.refresh(("heads/shard-00007",))


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
