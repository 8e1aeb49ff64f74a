"""The loop on a toy: best weights, patience, fine-tuning, the journal, deterministic runs."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")
pytest.importorskip("lightning_fabric")

from headwise import plugins  # noqa: E402
from headwise.errors import MissingExtra, SettingsError  # noqa: E402
from headwise.training.checkpoint import load_checkpoint, start_from  # noqa: E402
from headwise.training.journal import append_row  # noqa: E402
from headwise.training.loop import Validation  # noqa: E402
from headwise.training.trained import scores_in  # noqa: E402
from toy_task import ToyTask, run_in, weights  # noqa: E402

AT_EVERY_STEP = {"validate_minutes": 1e-9, "validation_samples": 8}


class Told(ToyTask):
    """Validations give the scores it is told."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = list(scores)

    def validate(self, *_: Any) -> Validation:
        return Validation({"other": 7.0, "error": self.scores.pop(0)}, "error")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_weights_of_the_best_validation_are_kept(tmp_path: Path) -> None:
    run_in(tmp_path, Told(5, 2, 3, 4), samples=24, log=AT_EVERY_STEP).train()
    best, last = load_checkpoint(tmp_path / "best.ckpt"), load_checkpoint(tmp_path / "last.ckpt")
    assert (best["position"]["samples"], last["position"]["samples"]) == (16, 24)
    assert best["position"]["best_score"] == last["position"]["best_score"] == 2
    assert [row["ranking"] for row in rows(tmp_path)] == ["error"] * 4
    assert scores_in(tmp_path / "log.csv", 16) == {"other": 7, "error": 2}
    assert scores_in(tmp_path / "log.csv") == {"other": 7, "error": 4}


def test_a_run_that_goes_on_remembers_the_best(tmp_path: Path) -> None:
    run_in(tmp_path, Told(5, 2, 3), samples=16, log=AT_EVERY_STEP).train()
    again = run_in(tmp_path, Told(4, 4), samples=24, log=AT_EVERY_STEP)
    assert again.resume()
    again.train()
    assert load_checkpoint(tmp_path / "best.ckpt")["position"]["samples"] == 16


def test_patience_ends_a_run(tmp_path: Path) -> None:
    run_in(tmp_path, Told(5, 2, 3, 4, 5, 6), samples=800, log=AT_EVERY_STEP | {"patience": 3}).train()
    assert load_checkpoint(tmp_path / "last.ckpt")["position"]["samples"] == 40


def test_fine_tuning_begins_with_the_averaged_weights(tmp_path: Path) -> None:
    first = run_in(tmp_path / "first")
    first.train()
    second = run_in(tmp_path / "second", start_from=str(tmp_path / "first/last.ckpt"))
    assert second.position.samples == 0
    for name, value in first.average.network.state_dict().items():
        assert torch.equal(value, second.network.module.state_dict()[name])
        assert torch.equal(value, second.average.network.state_dict()[name])


def test_a_run_that_goes_on_needs_its_beginning_no_more(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    run_in(tmp_path / "old").train()
    start = str(tmp_path / "old/last.ckpt")
    run_in(tmp_path / "new", start_from=start).train()
    (tmp_path / "old/last.ckpt").unlink()
    assert run_in(tmp_path / "new", start_from=start).resume()


def test_what_was_taken_is_told_and_shapes_must_agree(tmp_path: Path) -> None:
    run_in(tmp_path).train()
    path = tmp_path / "last.ckpt"
    network = ToyTask().network()
    network.layers.append(torch.nn.BatchNorm1d(1))
    network.layers[3].bias = None
    network.register_buffer("fact", torch.ones(1))
    told = start_from(path, network)
    assert "3 of 8 weights taken; new: layers.4.bias, " in told
    assert "layers.4.running_mean" in told
    assert "fact" not in told
    assert told.endswith("not used: layers.3.bias")
    network.layers[0] = torch.nn.Linear(4, 8)
    with pytest.raises(SettingsError, match=r"layers\.0\.weight is \(8, 3\) there and \(8, 4\) here"):
        start_from(path, network)
    with pytest.raises(SettingsError, match="no weight there"):
        start_from(path, torch.nn.Linear(3, 8))


def test_the_first_batch_is_drawn_as_the_network_sees_it(tmp_path: Path) -> None:
    run_in(tmp_path).train()
    picture = cv2.imread(str(tmp_path / "batch.png"))
    assert picture.shape == (32, 8 * 32, 3)
    tiles = picture.reshape(32, 8, 32, 3).mean((0, 2, 3))
    assert np.ptp(tiles) > 50


def test_tensorboard_gets_numbers_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="pip install 'headwise[train]'")
    from tensorboardX.proto.event_pb2 import Event

    run_in(tmp_path, log=AT_EVERY_STEP | {"tensorboard": True, "loss_minutes": 1e-9}).train()
    (path,) = (tmp_path / "tensorboard").iterdir()
    tags = [value.tag for event in events(path.read_bytes(), Event) for value in event.summary.value]
    assert {"loss/total", "validation/error", "worst", "batch"} <= set(tags)


def events(records: bytes, kind: Any) -> Iterator[Any]:
    """Of an event file: length (8 bytes), checksum (4), message, checksum (4)."""
    while records:
        length = int.from_bytes(records[:8], "little")
        yield kind.FromString(records[12 : 12 + length])
        records = records[16 + length :]


def test_tensorboard_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name, name=name)

    monkeypatch.setattr(plugins, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"tensorboardX.*headwise\[train\]"):
        run_in(tmp_path, log={"tensorboard": True})


def test_rows_keep_to_the_columns_of_an_older_log(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    append_row(path, {"samples": 1, "error": 2.0})
    append_row(path, {"new": 9, "error": 3.0, "samples": 4})
    assert path.read_text().splitlines() == ["samples,error", "1,2.0", "4,3.0"]


@pytest.fixture
def no_traces() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("no_traces")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_deterministic_run_gives_the_same_numbers_twice(workers: int, tmp_path: Path) -> None:
    def run(name: str, **changes: Any) -> dict[str, torch.Tensor]:
        made = run_in(tmp_path / name, ToyTask(dropout=0.5), samples=24, deterministic=True, **changes)
        assert torch.are_deterministic_algorithms_enabled()
        made.train()
        return weights(made)

    first, second = run("first"), run("second", loader={"workers": workers})
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    other = run("other", seed=2)
    assert not all(torch.equal(value, other[name]) for name, value in first.items())


def test_dropout_goes_on_as_if_the_run_had_not_stopped(tmp_path: Path) -> None:
    whole = run_in(tmp_path / "whole", ToyTask(dropout=0.5), samples=48)
    whole.train()
    run_in(tmp_path / "parts", ToyTask(dropout=0.5), samples=48)
    stopped = run_in(tmp_path / "parts", ToyTask(dropout=0.5), samples=48)
    original = stopped._step

    def step(batch: dict[str, torch.Tensor]) -> dict[str, float]:
        stopped.stop()
        return original(batch)

    stopped._step = step  # type: ignore[method-assign]
    stopped.train()
    torch.rand(5)
    again = run_in(tmp_path / "parts", ToyTask(dropout=0.5), samples=48)
    again.resume()
    again.train()
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(whole).items())
