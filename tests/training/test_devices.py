"""Several devices: the same samples and gradients as with one, equal weights, one stop for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headwise[train]'")
pytest.importorskip("lightning_fabric")

import toy_task  # noqa: E402
from headwise.errors import InputError, SettingsError  # noqa: E402
from headwise.training.checkpoint import load_checkpoint  # noqa: E402


def test_two_processes_see_what_one_sees_and_stop_together(tmp_path: Path) -> None:
    """The second of the two is told to stop; rounds are mined, so both must know all losses."""
    words = [sys.executable, toy_task.__file__, str(tmp_path / "two"), "2"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    first, second = (torch.load(tmp_path / f"two/rank{rank}.pt") for rank in range(2))
    one = toy_task.stopped_run(tmp_path / "one", 1)
    assert len(one["steps"]) == len(first["steps"]) == len(second["steps"]) == toy_task.STOPPED_AFTER
    for whole, mine, yours in zip(one["steps"], first["steps"], second["steps"], strict=True):
        assert sorted(whole) == sorted(mine + yours)
        assert len(mine) == len(yours)
    for name, value in one["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name])
        torch.testing.assert_close(first["weights"][name], value, rtol=1e-4, atol=1e-6)
    files = {path.name for path in (tmp_path / "two").iterdir()}
    assert files >= {"last.ckpt", "best.ckpt", "log.csv", "batch.png", "worst.png"}
    samples = 8 * toy_task.STOPPED_AFTER
    assert load_checkpoint(tmp_path / "two/last.ckpt")["position"]["samples"] == samples


def test_the_batch_must_be_divisible() -> None:
    with pytest.raises(SettingsError, match=r"multiple of devices x nodes, got 8 for 3 x 1"):
        toy_task.settings(devices=3)


def test_no_samples_are_told(tmp_path: Path) -> None:
    data = toy_task.Greys()
    data.order = lambda rng: rng.permutation(0)  # type: ignore[method-assign]
    with pytest.raises(InputError, match="0 training samples are too few for 1 devices"):
        toy_task.run_in(tmp_path, toy_task.ToyTask(data=data)).train()
