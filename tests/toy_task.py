"""The smallest task: pictures of one grey level, which a network of a few weights learns to read off.

Run as a program it is one training run: `toy_task.py FOLDER DEVICES`; every process leaves in FOLDER what it
saw, and its weights.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headwise.training.loop import Batch, Deployable, Run, Sample, Validation
from headwise.training.settings import RunSettings, checked

COUNT = 40
STOPPED_AFTER = 12


@dataclass
class Greys:
    """Sample k has the level k / COUNT and a little noise; ``wrong`` ones have labels beyond all reason."""

    wrong: tuple[int, ...] = ()

    def __len__(self) -> int:
        return COUNT

    def refresh(self, shards: tuple[str, ...] | None = None) -> tuple[str, ...]:
        return shards or ("all",)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(COUNT)

    def sample(self, index: int, size_px: int, rng: np.random.Generator) -> Sample:
        level = index / COUNT
        picture = np.clip(255 * level + rng.normal(0, 3, (size_px, size_px, 3)), 0, 255).astype(np.uint8)
        return {"picture": picture, "level": np.float32(50 if index in self.wrong else level)}


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.0), nn.Linear(8, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        level: Tensor = self.layers(pictures.float().mean((1, 2)) / 255)[:, 0]
        return level


class ToyTask:
    """`dropout` makes the steps depend on torch's generator."""

    def __init__(self, dropout: float = 0.0, data: Any = None) -> None:
        self.dropout = dropout
        self.own_data = data

    def network(self) -> Reader:
        reader = Reader()
        reader.layers[2] = nn.Dropout(self.dropout)
        return reader

    def data(self, folder: Path, held_out: bool) -> Any:
        del folder, held_out
        return self.own_data or Greys()

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        del progress
        return {"level": (network(batch["picture"]) - batch["level"]).square()}

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> Validation:
        errors = torch.cat([(network(b["picture"]) - b["level"]).abs() for b in batches])
        worst = [np.full((8, 8, 3), 100, np.uint8)]
        return Validation({"error": float(errors.mean())}, "error", worst)

    def deployable(self, network: nn.Module) -> Deployable:
        raise NotImplementedError


def settings(samples: int = 48, **changes: Any) -> RunSettings:
    """Of a run with batches of 8."""
    table = {
        "name": "toy",
        "task": {"name": "toy"},
        "channels_last": False,
        "schedule": {"samples": samples, "batch": 8, "stages": [{"size_px": 32, "share": 1.0}]},
        "loader": {"threads": 1, "workers": 0},
        "log": {"validation_samples": 8},
    }
    for name, value in changes.items():
        table[name] = table[name] | value if isinstance(value, dict) and name in table else value
    return checked(RunSettings, table)


def run_in(folder: Path, task: ToyTask | None = None, **changes: Any) -> Run:
    """A run that has not begun."""
    folder.mkdir(exist_ok=True)
    return Run(settings(**changes), task or ToyTask(), folder, folder)


def weights(run: Run) -> dict[str, Tensor]:
    """The network's and their average."""
    average = run.average.network.state_dict()
    return run.network.module.state_dict() | {f"mean {name}": value for name, value in average.items()}


def stopped_run(folder: Path, devices: int) -> dict[str, Any]:
    """What this process saw and has of a run whose last process is told to stop in its twelfth step."""
    run = run_in(folder, devices=devices, mining={"share": 0.5}, samples=960)
    original, steps = run._step, []

    def step(batch: Batch) -> dict[str, float]:
        steps.append(batch["index"].tolist())
        if run.fabric.global_rank == devices - 1 and len(steps) == STOPPED_AFTER:
            run.stop()
        return original(batch)

    run._step = step  # type: ignore[method-assign]
    run.train()
    return {"weights": weights(run), "steps": steps, "rank": run.fabric.global_rank}


def main(folder: str, devices: str) -> None:
    left = stopped_run(Path(folder), int(devices))
    torch.save(left, Path(folder) / f"rank{left['rank']}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
