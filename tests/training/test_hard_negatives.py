"""Hard negatives: what is taken for a head is cut out, kept, shown again; a run resumes with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")
pytest.importorskip("lightning_fabric")

from detector_shards import write_data, write_views  # noqa: E402
from headwise.errors import SettingsError  # noqa: E402
from headwise.training import hard_negatives  # noqa: E402
from headwise.training.hard_negatives import KEPT, SIDE_PX, HardNegatives, taken_for_heads  # noqa: E402
from headwise.training.heads.detector import RawDetections  # noqa: E402
from headwise.training.loop import Run  # noqa: E402
from headwise.training.settings import RunSettings, checked  # noqa: E402
from headwise.training.tasks import detector as task  # noqa: E402

RED = (250, 10, 10)
SMALL = {
    "network": {"stem": 8, "channels": [8, 8, 8, 8], "blocks": [1, 1, 1, 0], "pyramid_channels": 8},
    "data": {"scene_share": 0.3, "hard_negatives": True},
}


def red(pictures: Any) -> np.ndarray:
    """Where a picture is mainly red."""
    levels = np.asarray(pictures).astype(int)
    return (levels[..., 0] > 160) & (levels[..., 1:] < 90).all(-1)


class TakesRedForHeads(torch.nn.Module):
    """One detection: the box of all red pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> RawDetections:
        rows, columns = np.nonzero(red(images[0].numpy()))
        logit, box = -9.0, [0.0, 0.0, 1.0, 1.0]
        if len(rows):
            logit, box = 9.0, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        boxes = torch.tensor([[box]], dtype=torch.float32)
        return RawDetections(
            torch.tensor([[logit]]), boxes, torch.zeros(1, 1, 5, 2), boxes[0, :, :2], torch.ones(1)
        )


def view() -> np.ndarray:
    """Grey with a red disc."""
    picture = np.full((120, 160, 3), 120, np.uint8)
    cv2.circle(picture, (80, 60), 20, RED, -1)
    return picture


def write_all(folder: Path) -> None:
    """Crops, scenes without red, and views with a red disc each."""
    write_data(folder)
    write_views(folder, view())


def test_what_fires_is_cut_out_with_what_is_about_it() -> None:
    (cut,) = taken_for_heads(TakesRedForHeads(), view(), np.zeros((0, 4)))
    assert cut.shape == (SIDE_PX, SIDE_PX, 3)
    share = red(cut).mean()
    assert share == pytest.approx(np.pi / 4 / hard_negatives.CONTEXT**2, abs=0.03)
    assert red(cut)[:, SIDE_PX // 2].argmax() > 5


@pytest.mark.parametrize("head, count", [((50, 30, 70, 50), 0), ((0, 0, 40, 30), 1)])
def test_what_touches_a_head_is_none(head: tuple[int, ...], count: int) -> None:
    assert len(taken_for_heads(TakesRedForHeads(), view(), np.array([head], np.float32))) == count


def test_the_oldest_go_first() -> None:
    kept = HardNegatives()
    kept.add([np.full((SIDE_PX, SIDE_PX, 3), 1, np.uint8)] * 5)
    kept.add([np.full((SIDE_PX, SIDE_PX, 3), 2, np.uint8)] * (KEPT - 2))
    assert len(kept.pictures) == KEPT
    assert (kept.pictures[:, 0, 0, 0] == 1).sum() == 2
    again = HardNegatives()
    again.load_state_dict(kept.state_dict())
    np.testing.assert_array_equal(again.pictures, kept.pictures)


def test_they_come_back_as_clutter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tmp_path)
    monkeypatch.setattr(task, "STUDIED", 6)
    data = task.create({"data": {"backgrounds": "", "scene_share": 0.0}}).data(tmp_path, held_out=False)
    learning = task.create({"data": SMALL["data"] | {"scene_share": 0.0}}).data(tmp_path, held_out=False)
    assert isinstance(learning, task.LearningDetectorData)
    learning.refresh()
    learning.study(TakesRedForHeads(), np.random.default_rng(0))
    assert 2 <= len(learning.found.pictures) <= 6
    for learned in (learning, data):  # the same clutter without views
        learned.refresh()
        assert learned.source is not None
        learned.source._views = None

    def reddish(given: task.DetectorData) -> int:
        samples = [given.sample(i, 96, np.random.default_rng(i))["image"] for i in range(24)]
        return sum(int(red(sample).mean() > 0.01) for sample in samples)

    assert reddish(learning) > 2 * reddish(data)
    held_out = task.create(SMALL).data(tmp_path, held_out=True)
    assert not isinstance(held_out, task.LearningDetectorData)


def test_they_need_pictures_to_be_found_in(tmp_path: Path) -> None:
    write_data(tmp_path)
    options = {"data": {"backgrounds": "", "scenes": "", "hard_negatives": True}}
    data = task.create(options).data(tmp_path, held_out=False)
    with pytest.raises(SettingsError, match="needs the folder backgrounds or scenes"):
        data.study(TakesRedForHeads(), np.random.default_rng(0))


def test_a_detector_run_resumes_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tmp_path)
    settings = SMALL | {"data": SMALL["data"] | {"round_pictures": 8}}
    monkeypatch.setattr(task, "STUDIED", 4)
    monkeypatch.setattr(hard_negatives, "SURE", 0.0)  # an untrained network is sure of nothing

    def run_in(folder: Path, workers: int = 0) -> Run:
        folder.mkdir(exist_ok=True)
        table = {
            "name": "tiny",
            "task": {"name": "detector"},
            "schedule": {"samples": 24, "batch": 4, "stages": [{"size_px": 64, "share": 1.0}]},
            "loader": {"threads": 1, "workers": workers},
            "log": {"validation_samples": 2},
        }
        return Run(checked(RunSettings, table), task.create(settings), tmp_path, folder)

    def state(run: Run) -> dict[str, torch.Tensor]:
        return run.network.module.state_dict() | run.data.state_dict()  # type: ignore[attr-defined]

    whole = run_in(tmp_path / "whole")
    whole.train()
    stopped = run_in(tmp_path / "parts", workers=1)
    original = stopped._step

    def step(batch: dict[str, torch.Tensor]) -> dict[str, float]:
        if stopped.position.samples == 12:
            stopped.stop()
        return original(batch)

    stopped._step = step  # type: ignore[method-assign]
    stopped.train()
    assert (stopped.position.round, stopped.position.round_samples) == (1, 4)
    again = run_in(tmp_path / "parts")
    assert again.resume()
    again.train()
    assert len(state(whole)["pictures"]) > 4
    for name, value in state(whole).items():
        assert torch.equal(value, state(again)[name]), name
