"""Several devices: the same samples and gradients as with one, equal weights, one stop for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")
pytest.importorskip("lightning_fabric")

import toy_task  # noqa: E402
from headwise.errors import InputError, SettingsError  # noqa: E402
from headwise.training.checkpoint import load_checkpoint  # noqa: E402


def left_by(folder: Path, devices: int, stopper: str = "") -> list[dict[str, Any]]:
    """What the processes of one run left behind."""
    folder.mkdir()
    words = [sys.executable, toy_task.__file__, str(folder), str(devices), *([stopper] if stopper else [])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(devices)]


def test_two_processes_see_what_one_sees(tmp_path: Path) -> None:
    (one,) = left_by(tmp_path / "one", 1)
    first, second = left_by(tmp_path / "two", 2)
    assert len(one["steps"]) == len(first["steps"]) == 12
    for whole, mine, yours in zip(one["steps"], first["steps"], second["steps"], strict=True):
        assert sorted(whole) == sorted(mine + yours)
        assert len(mine) == len(yours)
    for name, value in one["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name])
        torch.testing.assert_close(first["weights"][name], value, rtol=1e-4, atol=1e-6)
    files = {path.name for path in (tmp_path / "two").iterdir()}
    assert files >= {"last.ckpt", "best.ckpt", "log.csv", "batch.png", "worst.png"}


def test_all_processes_stop_at_the_step_in_which_one_was_told_to(tmp_path: Path) -> None:
    both = left_by(tmp_path / "stopped", 2, stopper="1")
    assert [left["samples"] for left in both] == [24, 24]
    assert load_checkpoint(tmp_path / "stopped/last.ckpt")["position"]["samples"] == 24


def test_the_batch_must_be_divisible() -> None:
    with pytest.raises(SettingsError, match=r"multiple of devices x nodes, got 8 for 3 x 1"):
        toy_task.settings(devices=3)


def test_no_samples_are_told(tmp_path: Path) -> None:
    data = toy_task.Greys()
    data.order = lambda rng: rng.permutation(0)  # type: ignore[method-assign]
    with pytest.raises(InputError, match="0 training samples are too few for 1 devices"):
        toy_task.run_in(tmp_path, toy_task.ToyTask(data=data)).train()
