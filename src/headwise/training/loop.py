"""The training loop, the same for every network. What is trained comes in as a `Task`.

How to write a task: one file `training/tasks/NAME.py` with `create(options: dict) -> Task`, where `options`
is the TOML table `[task]` without its `name` (validate it with `settings.checked(Mine, options, "task")`).

    network()                 the torch module. It takes uint8 RGB and owns its normalisation
    data(folder, held_out)    a `TrainingData`: len(), refresh(), order(rng), sample(index, size_px, rng);
                              samples of one batch have equal shapes and are stacked into a dict of tensors,
                              the picture first; the loop adds "index", int64
    losses(network, batch, progress)
                              weighted parts by name: scalars, or (n,) a value for each sample. The loop
                              minimises the sum of their means and logs each. progress runs 0..1 over the
                              schedule (for losses that ramp in)
    validate(network, batches)
                              `Validation`: scores (a dict, logged), the name of the score that ranks
                              checkpoints (smaller is better) and pictures of the worst samples
    deployable(network)       `Deployable`: the module with the inputs and outputs of the model file

The loop owns the rest: order of samples, workers, optimiser, schedule, weight average, checkpoints, log.

Randomness: sample number k of a run always gets the generator seeded by (seed, k), whoever draws it. A run is
a chain of rounds; a round goes once through the shards that were there when it began, in an order seeded by
(seed, round). The checkpoint holds the shard names and the place in the round, so that resuming continues
with exactly the sample that would have come next.

Schedule: progress = max(samples / schedule.samples, minutes / schedule.max_minutes), so the learning rate
always falls to zero before the deadline. Input sizes (`schedule.stages`) follow the same progress. Time used
before an interruption counts.
"""

from __future__ import annotations

import csv
import logging
import math
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

from headwise.training.average import WeightAverage
from headwise.training.checkpoint import load_checkpoint, save_checkpoint
from headwise.training.settings import RunSettings

Batch = dict[str, Tensor]
Sample = dict[str, Any]
"""Arrays (or numpy scalars) by name."""

log = logging.getLogger(__name__)

CHECKPOINT = "last.ckpt"
LOG = "log.csv"
VALIDATION_SEED = 0
FINE_TUNED_SPEED = 0.98  # weight of the past in the shown running means


class TrainingData(Protocol):
    """A folder of samples that may still be growing."""

    def __len__(self) -> int: ...

    def refresh(self, shards: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Look for new shards, or take exactly those; returns the names in use."""
        ...

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The indices of one round, in order; plain data: `rng.permutation(len(self))`."""
        ...

    def sample(self, index: int, size_px: int, rng: np.random.Generator) -> Sample:
        """Sample `index`, augmented as `rng` decides, at input size `size_px`."""
        ...


@dataclass(frozen=True)
class Validation:
    """Scores by name, the one that ranks (smaller is better), worst samples first as uint8 RGB pictures."""

    scores: dict[str, float]
    ranking: str
    worst: list[NDArray[np.uint8]] = field(default_factory=list)


@dataclass(frozen=True)
class Deployable:
    """A module that behaves as the contract of its model file says."""

    module: nn.Module
    example: Tensor
    input_name: str
    output_names: tuple[str, ...]
    dynamic_axes: dict[int, str]


class Task(Protocol):
    """See the top of this file."""

    def network(self) -> nn.Module: ...

    def data(self, folder: Path, held_out: bool) -> TrainingData: ...

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]: ...

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> Validation: ...

    def deployable(self, network: nn.Module) -> Deployable: ...


@dataclass(frozen=True)
class Report:
    """What a progress bar wants to know after a step."""

    samples: int
    progress: float
    samples_per_s: float
    losses: dict[str, float]
    size_px: int


Request = tuple[int, int, int]
"""Index in the data, number of the sample in the run, input size."""


class Requested(Dataset[Sample]):
    """Turns requests into samples; runs in the workers."""

    def __init__(self, data: TrainingData, seed: int) -> None:
        self.data = data
        self.seed = seed

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, request: Request) -> Sample:
        index, number, size_px = request
        sample = self.data.sample(index, size_px, np.random.default_rng((self.seed, number)))
        return sample | {"index": np.int64(index)}


def collate(samples: list[Sample]) -> Batch:
    """Samples stacked into tensors; no torch arithmetic, so that forked workers stay safe."""
    return {name: torch.from_numpy(np.stack([s[name] for s in samples])) for name in samples[0]}


def start_worker(worker: int) -> None:
    """One thread a worker: the cores belong to the training step. Signals too: only that ends a worker."""
    del worker
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    assert get_worker_info() is not None


def loader(
    data: TrainingData, seed: int, requests: Iterable[list[Request]], workers: int
) -> DataLoader[Sample]:
    """Batches of requested samples, in order."""
    return DataLoader(
        Requested(data, seed),
        batch_sampler=requests,  # any iterable of lists works
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=start_worker if workers else None,
        prefetch_factor=4 if workers else None,
    )


@dataclass
class Position:
    """Where a run stands. Everything here is in the checkpoint."""

    samples: int = 0
    seconds: float = 0.0
    round: int = 0
    round_samples: int = 0
    shards: tuple[str, ...] = ()


class Run:
    """One training run in a folder: `train()` until the schedule ends or `stop()` says so."""

    def __init__(self, settings: RunSettings, task: Task, data_folder: Path, folder: Path) -> None:
        self.settings = settings
        self.task = task
        self.folder = folder
        self.position = Position()
        self._stopped = False
        self._began_s = 0.0
        torch.set_num_threads(settings.loader.threads)
        cv2.setNumThreads(0)
        self.fabric = Fabric(accelerator=settings.accelerator, devices=1, precision=settings.precision)
        self.fabric.seed_everything(settings.seed, verbose=False)
        network = task.network()
        if settings.channels_last:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(
            parameter_groups(network, settings.optim.weight_decay),
            lr=settings.optim.lr,
            betas=(0.9, settings.optim.beta2),
            fused=True,
        )
        self.network, self.optimiser = self.fabric.setup(network, optimiser)
        self.average = WeightAverage(self.network.module, settings.optim.average_decay)
        self.data = task.data(data_folder, held_out=False)
        self.held_out = task.data(data_folder, held_out=True)

    def stop(self) -> None:
        """Finish the step under way, write a checkpoint, return from `train`."""
        self._stopped = True

    @property
    def seconds(self) -> float:
        return self.position.seconds + (time.monotonic() - self._began_s if self._began_s else 0.0)

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the end, whichever of samples and minutes is further on."""
        schedule = self.settings.schedule
        by_samples = self.position.samples / schedule.samples
        by_time = self.seconds / 60 / schedule.max_minutes if schedule.max_minutes else 0.0
        return min(1.0, max(by_samples, by_time))

    def resume(self) -> bool:
        """Continue from the folder's checkpoint, if there is one."""
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return False
        state = load_checkpoint(path)
        self.network.module.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.position = Position(**state["position"])
        self.data.refresh(self.position.shards or None)
        torch.set_rng_state(state["torch_rng"])
        return True

    def save(self) -> Path:
        """Everything needed to continue exactly, written atomically."""
        position = Position(**vars(self.position))
        position.seconds = self.seconds
        return save_checkpoint(
            self.folder / CHECKPOINT,
            {
                "settings": self.settings.model_dump(mode="json"),
                "network": self.network.module.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "position": vars(position),
                "torch_rng": torch.get_rng_state(),
            },
        )

    def train(self, tell: Callable[[Report], None] | None = None) -> None:
        """Rounds until the schedule ends; `tell` hears of every tenth step."""
        self._began_s = time.monotonic()
        saved_s = checked_s = told_s = self.seconds
        means: dict[str, float] = {}
        self.network.train()
        with closing(self._batches()) as batches:
            for size_px, batch in batches:
                for name, value in self._step(batch).items():
                    means[name] = FINE_TUNED_SPEED * means.get(name, value) + (1 - FINE_TUNED_SPEED) * value
                if tell is not None and self.position.samples // self.settings.schedule.batch % 10 == 0:
                    speed = self.position.samples / max(self.seconds, 1e-3)
                    tell(Report(self.position.samples, self.progress, speed, dict(means), size_px))
                if self.seconds - told_s > 60 * self.settings.log.loss_minutes:
                    log.info("%s", self._line(means, size_px))
                    told_s = self.seconds
                if self.seconds - saved_s > 60 * self.settings.log.checkpoint_minutes:
                    self.save()
                    saved_s = self.seconds
                if self.seconds - checked_s > 60 * self.settings.log.validate_minutes:
                    self.check(means, size_px)
                    checked_s = self.seconds
        self.save()  # before the check: who stops us twice still finds this step
        self.check(means, self.settings.schedule.stages[-1].size_px)
        self.position.seconds, self._began_s = self.seconds, 0.0

    def _line(self, means: dict[str, float], size_px: int) -> str:
        """Where the run stands, in one line of a log."""
        losses = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        speed = self.position.samples / max(self.seconds, 1e-3)
        return (
            f"{self.position.samples} samples, {self.seconds / 60:.1f} min, {self.progress:.1%}, "
            f"{speed:.0f}/s, {size_px} px: {losses}"
        )

    def _batches(self) -> Generator[tuple[int, Batch], None, None]:
        """Batches with their input size, round after round; `position` keeps step with what was yielded."""
        while self.progress < 1 and not self._stopped:
            position = self.position
            if position.round_samples == 0:
                position.shards = self.data.refresh()
            batches = loader(self.data, self.settings.seed, self._requests(), self.settings.loader.workers)
            for batch in batches:
                first = next(iter(batch.values()))
                position.samples += len(first)
                position.round_samples += len(first)
                yield first.shape[1], {k: self.fabric.to_device(v) for k, v in batch.items()}
                if self.progress >= 1 or self._stopped:
                    return
            position.round += 1
            position.round_samples = 0

    def _requests(self) -> Iterator[list[Request]]:
        """What is left of this round, in its seeded order, at the input size of the moment."""
        order = self.data.order(np.random.default_rng((self.settings.seed, 1, self.position.round)))
        batch = min(self.settings.schedule.batch, len(order))
        number = self.position.samples
        start = self.position.round_samples
        for i in range(start, len(order) - batch + 1, batch):
            size_px = self._size_px()
            yield [(int(k), number + i - start + j, size_px) for j, k in enumerate(order[i : i + batch])]

    def _size_px(self) -> int:
        """Input size of the stage that progress is in."""
        done = 0.0
        for stage in self.settings.schedule.stages:
            done += stage.share
            if self.progress < done:
                return stage.size_px
        return self.settings.schedule.stages[-1].size_px

    def _step(self, batch: Batch) -> dict[str, float]:
        lr = learning_rate(self.progress, self.settings)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        parts = {k: v.mean() for k, v in self.task.losses(self.network, batch, self.progress).items()}
        total = torch.stack(list(parts.values())).sum()
        self.optimiser.zero_grad()
        self.fabric.backward(total)
        norm = self.fabric.clip_gradients(
            self.network, self.optimiser, max_norm=self.settings.optim.clip, error_if_nonfinite=False
        )
        values = {name: float(part.detach()) for name, part in parts.items()} | {
            "total": float(total.detach())
        }
        if norm is not None and torch.isfinite(norm):
            self.optimiser.step()
            self.average.update(self.network.module)
        else:
            log.warning("step skipped at sample %d: the gradient is not finite", self.position.samples)
        return values

    def check(self, means: dict[str, float], size_px: int) -> Validation:
        """Score the averaged weights on held-out samples at `size_px`; append to log.csv, draw the worst."""
        network = self.average.network
        network.eval()
        with torch.no_grad():
            result = self.task.validate(network, self._held_out_batches(size_px))
        row = {
            "samples": self.position.samples,
            "minutes": round(self.seconds / 60, 2),
            "size_px": size_px,
            "lr": learning_rate(self.progress, self.settings),
            **{f"train_{name}": value for name, value in means.items()},
            **result.scores,
        }
        append_row(self.folder / LOG, row)
        if result.worst:
            draw_sheet(self.folder / "worst.png", result.worst)
        log.info("%s", ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
        return result

    def _held_out_batches(self, size_px: int) -> Iterable[Batch]:
        """The first held-out samples, augmented the same way each time."""
        self.held_out.refresh()
        count = min(self.settings.log.validation_samples, len(self.held_out))
        batch = self.settings.schedule.batch
        requests = [
            [(k, k, size_px) for k in range(i, min(i + batch, count))] for i in range(0, count, batch)
        ]
        return loader(self.held_out, VALIDATION_SEED, requests, 0)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and batch norms."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    free = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def learning_rate(progress: float, settings: RunSettings) -> float:
    """Linear warm-up, then half a cosine down to zero at progress 1."""
    warm = settings.optim.warmup_share
    if progress < warm:
        return settings.optim.lr * (0.04 + 0.96 * progress / warm)
    return settings.optim.lr * 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))


def append_row(path: Path, row: dict[str, Any]) -> None:
    """One more line of a CSV file; the first one brings the header."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), extrasaction="ignore")
        if new:
            writer.writeheader()
        writer.writerow(row)


def draw_sheet(path: Path, tiles: list[NDArray[np.uint8]], columns: int = 8) -> None:
    """Equal RGB tiles side by side into one PNG."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    for i, tile in enumerate(tiles):
        y, x = i // columns * height, i % columns * width
        sheet[y : y + height, x : x + width] = tile
    cv2.imwrite(str(path), sheet[..., ::-1])
