import json
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("scipy", reason="synthesis needs the extra 'synth'")

import cv2

from headwise.errors import InputError, SettingsError
from headwise.synthesis import writer
from headwise.synthesis.assets import HeadAssets
from headwise.synthesis.pictures import CropPicture, ScenePicture
from headwise.synthesis.writer import Mode, ShardSettings, shard_count, write_shard


class FakeStudio:
    def crops(self, seed):
        rng = np.random.default_rng(seed)
        picture = np.full((32, 32, 3), rng.integers(0, 255), np.uint8)
        labels = {"box": np.array([1, 2, 3, 4], np.float32), "seed": np.int64(seed), "attributes": "{}"}
        depth = np.full((16, 16), 1234, np.uint16)
        return [CropPicture(picture, picture[..., 0], depth, labels)] * (1 + seed % 3)

    def scenes(self, seed):
        heads = {"box": np.zeros((seed % 3, 4), np.float32), "ignore": np.zeros(seed % 3, bool)}
        return [ScenePicture(np.zeros((20, 30, 3), np.uint8), heads)]


def test_every_picture_of_a_shard_can_be_cut_out_again(tmp_path):
    settings = ShardSettings(Mode.CROPS, seeds_per_shard=4)
    write_shard(FakeStudio(), tmp_path, settings, 0)
    shard = np.load(tmp_path / "shard-00000.npz")
    assert shard["seed"].tolist() == [0, 1, 1, 2, 2, 2, 3]
    for name, suffix, shape in (
        ("image", ".bin", (32, 32, 3)),
        ("mask", ".mask", (32, 32)),
        ("depth", ".depth", (16, 16)),
    ):
        blob = (tmp_path / f"shard-00000{suffix}").read_bytes()
        offsets = shard[f"{name}_offset"]
        assert offsets[-1] == len(blob)
        for start, stop in pairwise(offsets):
            picture = cv2.imdecode(np.frombuffer(blob[start:stop], np.uint8), cv2.IMREAD_UNCHANGED)
            assert picture.shape == shape
    assert picture.max() == 1234


def test_scenes_without_heads_keep_their_place(tmp_path):
    settings = ShardSettings(Mode.SCENES, seeds_per_shard=3)
    write_shard(FakeStudio(), tmp_path, settings, 0)
    shard = np.load(tmp_path / "shard-00000.npz")
    first = writer.SEED_STRIDE[Mode.SCENES]
    expected = np.cumsum([0, *((first + k) % 3 for k in range(3))])
    assert shard["head_start"].tolist() == expected.tolist()
    assert len(shard["box"]) == expected[-1]
    assert shard["width"].tolist() == [30] * 3


def test_no_half_written_file_bears_a_shard_name(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "_save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_shard(FakeStudio(), tmp_path, ShardSettings(Mode.CROPS, seeds_per_shard=2), 0)
    assert not (tmp_path / "shard-00000.npz").exists()


def test_a_folder_is_continued_only_with_its_own_settings(tmp_path):
    writer._open_folder(tmp_path, ShardSettings(Mode.CROPS))
    writer._open_folder(tmp_path, ShardSettings(Mode.CROPS))
    with pytest.raises(SettingsError, match="size_px"):
        writer._open_folder(tmp_path, ShardSettings(Mode.CROPS, size_px=99))
    assert json.loads((tmp_path / "shards.json").read_text())["mode"] == "crops"


def test_shards_are_counted_up():
    assert shard_count(ShardSettings(Mode.CROPS, seeds_per_shard=100), 301) == 2


def test_a_folder_without_art_says_what_it_should_hold(tmp_path):
    with pytest.raises(InputError, match=r"geom\.npz"):
        HeadAssets(tmp_path)
