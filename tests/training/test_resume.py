"""A run that was stopped and continued ends with the same weights as one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from fake_shards import write_shard  # noqa: E402
from headwise.training.loop import Run  # noqa: E402
from headwise.training.settings import RunSettings, checked  # noqa: E402
from headwise.training.tasks import pose  # noqa: E402

TINY = {"network": {"width": 0.25, "last_channels": 128, "hidden": 32}}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for number in range(2):
        write_shard(folder / f"shard-{number:05d}.npz", 20, seed=number)
    return folder


def run_of(shards: Path, folder: Path, samples: int, workers: int = 0) -> Run:
    settings = checked(
        RunSettings,
        {
            "name": "tiny",
            "task": {"name": "pose"},
            "schedule": {
                "samples": samples,
                "batch": 8,
                "stages": [{"size_px": 64, "share": 0.5}, {"size_px": 80, "share": 0.5}],
            },
            "loader": {"threads": 1, "workers": workers},
            "log": {"validation_samples": 8},
        },
    )
    return Run(settings, pose.create(TINY), shards, folder)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return run.network.module.state_dict() | {
        f"mean {k}": v for k, v in run.average.network.state_dict().items()
    }


def test_resuming_gives_the_numbers_of_a_run_that_was_never_stopped(shards: Path, tmp_path: Path) -> None:
    whole = run_of(shards, tmp_path / "whole", 72)
    (tmp_path / "whole").mkdir()
    whole.train()

    (tmp_path / "halves").mkdir()
    stopped = run_of(shards, tmp_path / "halves", 72, workers=1)
    steps = 0
    original = stopped._step

    def step_and_stop(batch: dict[str, torch.Tensor]) -> dict[str, float]:
        nonlocal steps
        steps += 1
        if steps == 4:
            stopped.stop()
        return original(batch)

    stopped._step = step_and_stop  # type: ignore[method-assign]
    stopped.train()
    assert stopped.position.samples == 32

    write_shard(shards / "shard-00002.npz", 20, seed=2)  # a growing folder changes nothing within a round
    continued = run_of(shards, tmp_path / "halves", 72)
    assert continued.resume()
    assert continued.position.samples == 32
    (shards / "shard-00002.npz").unlink()
    continued.train()
    for name in ("samples", "round", "round_samples", "shards"):
        assert getattr(continued.position, name) == getattr(whole.position, name)
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(continued)[name]), name
