"""The shards protocol reads what the synthesizer writes, as the trainer does."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from fake_shards import write_shard
from headwise.errors import InputError, SettingsError
from headwise.evaluation.outcome import Prediction, Tools
from headwise.evaluation.protocols import shards
from headwise.evaluation.rendered_heads import read_shards
from headwise.evaluation.report import as_markdown
from headwise.pictures import read_picture
from headwise.rotation import Rotation

COUNT = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_shard(tmp_path / "shard-00000.npz", COUNT)
    write_shard(tmp_path / "shard-00001.npz", COUNT, seed=1)
    return tmp_path


def knowing(folder: Path, items: int | None, turn: Rotation | None = None, hidden: float = 0.1) -> Tools:
    """A model that answers with the labels, turned in the head's frame."""
    truth = iter(np.concatenate([s.truth.matrix for s in read_shards(folder, items)]))

    def predict(images, boxes) -> Prediction:
        rotation = Rotation(np.stack([next(truth) for _ in images]))
        rotation = rotation if turn is None else rotation @ turn
        return Prediction(rotation, np.full(len(images), 10.0), np.full(len(images), hidden))

    return Tools(read=read_picture, predict=predict)


def test_rotations_and_pictures_are_those_of_the_trainer(folder: Path) -> None:
    pytest.importorskip("torch")
    from headwise.training.datasets import crop_shards

    theirs = crop_shards.create(folder=folder, held_out=True)
    theirs.refresh()
    ours = read_shards(folder, None)[0]
    assert len(ours) == len(theirs) == COUNT
    for item in range(len(ours)):
        np.testing.assert_allclose(ours.truth.matrix[item], theirs.head(item).rotation, atol=1e-9)
        np.testing.assert_array_equal(ours.picture(item), theirs.picture(item))


def test_a_known_turn_is_the_error(folder: Path) -> None:
    turn = Rotation.from_rotvec([0, 0, np.radians(8)])
    report = shards.create().run(folder, knowing(folder, None, turn)).report
    assert report["items"] == COUNT
    assert report["geodesic"] == {"mean": 8, "median": 8, "p95": 8}
    assert report["calibration"]["mean_spread_deg"] == 10
    assert "8.000" in as_markdown(report)


def test_items_are_the_first_of_the_folder_across_shards(folder: Path) -> None:
    outcome = shards.create(items=COUNT + 3).run(folder, knowing(folder, COUNT + 3))
    names = [f"shard-0000{i // COUNT}:{i % COUNT}" for i in range(COUNT + 3)]
    listed = hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
    assert outcome.report["list_sha256"] == listed
    assert outcome.report["geodesic"]["mean"] == 0
    assert outcome.poses is not None
    assert len(outcome.poses.index) == COUNT + 3
    assert outcome.worst[0].image is not None


def test_hidden_faces_are_counted() -> None:
    scores = shards.hidden_scores(np.array([0.9, 0.2, 0.7, 0.1, np.nan]), np.array([1, 1, 0, 0, 1], bool))
    assert scores == {"hidden_items": 2, "accuracy": 0.5, "found": 0.5, "false": 0.5}
    assert shards.hidden_scores(np.array([np.nan]), np.array([True])) is None


def test_what_is_wrong_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="items needs a whole number above 0, got 'all'"):
        shards.create(items="all")
    with pytest.raises(InputError, match="30 items were asked for, it holds 20"):
        read_shards(folder, 30)
    with pytest.raises(InputError, match="no shards"):
        read_shards(tmp_path / "nowhere", None)
    (folder / "shard-00000.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read_shards(folder, None)


def test_a_shard_of_something_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "shard-00000.npz", box=np.zeros((1, 4)))
    with pytest.raises(InputError, match="no rotation_camera, points68_m, intrinsics, face_hidden"):
        read_shards(tmp_path, 1)


def test_a_broken_picture_is_named(folder: Path) -> None:
    size = (folder / "shard-00000.bin").stat().st_size
    (folder / "shard-00000.bin").write_bytes(bytes(size))
    with pytest.raises(InputError, match=r"shard-00000.bin: item 0 cannot be decoded"):
        read_shards(folder, 1)[0].picture(0)
    assert cv2.imdecode(np.zeros(9, np.uint8), cv2.IMREAD_COLOR) is None
