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
                              checkpoints (smaller is better) and pictures of the worst samples; network and
                              batches are on the device of the training
    deployable(network)       `Deployable`: the module with the inputs and outputs of the model file

The loop owns the rest: order of samples, workers, devices, optimiser, schedule, weight average, checkpoints,
log.

Randomness: sample number k of a run always gets the generator seeded by (seed, k), whoever draws it. A run is
a chain of rounds; a round goes once through the shards that were there when it began, in an order seeded by
(seed, round). The checkpoint holds the shard names and the place in the round, so that resuming continues
with exactly the sample that would have come next. torch's own generator is seeded anew for each step.

Schedule: progress = max(samples / schedule.samples, minutes / schedule.max_minutes), so the learning rate
always falls to zero before the deadline. Input sizes (`schedule.stages`) follow the same progress. Time used
before an interruption counts.

Devices: each has its process, which takes its share of every batch; gradients are averaged, so that the
samples of a step are the same for any number of devices. After each step all agree on the clock and on
whether to go on. The first one alone validates and writes.

Data that learn from the network (`LearningData`) look at the averaged one before each round but the first.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

from headwise import weights
from headwise.errors import InputError, SettingsError
from headwise.training.average import WeightAverage
from headwise.training.checkpoint import load_checkpoint, save_checkpoint, start_from
from headwise.training.int8_simulation import simulate_int8
from headwise.training.journal import BATCH_TILES, Journal
from headwise.training.mining import LossHistory
from headwise.training.schedule import input_size_px, learning_rate
from headwise.training.settings import RunSettings

Batch = dict[str, Tensor]
Sample = dict[str, Any]
"""Arrays (or numpy scalars) by name."""

log = logging.getLogger(__name__)

CHECKPOINT, BEST = "last.ckpt", "best.ckpt"
VALIDATION_SEED = 0
ORDINARY_BATCHES, ORDINARY_BATCH = 24, 32  # pictures for the statistics of batch norms
MEANS_MEMORY = 0.98  # weight of the past in the shown running means


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


@runtime_checkable
class LearningData(Protocol):
    """Training data that look at what the network gets wrong. What they keep is part of the checkpoint."""

    def study(self, network: nn.Module, rng: np.random.Generator) -> None:
        """Before each round but the first, with the averaged network in eval mode, on its device."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and texts."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


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
    best_score: float | None = None
    checks_without_gain: int = 0


class Run:
    """One training run in a folder: `train()` until the schedule ends or `stop()` says so.

    With several devices the program is started again for each further one, with the same arguments, and gets
    here as well; `leads` is true in the first alone.
    """

    def __init__(self, settings: RunSettings, task: Task, data_folder: Path, folder: Path) -> None:
        self.settings = settings
        self.task = task
        self.folder = folder
        self.position = Position()
        self._stopped = False  # this process was told to stop
        self._ending = False  # all processes know that one was
        self._rounds = False  # the network computes as its int8 file will
        self._began_s = 0.0
        if settings.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)
            torch.backends.cudnn.benchmark = False
        self.fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            strategy="ddp" if settings.devices * settings.nodes > 1 else "auto",
            precision=settings.precision,
        )
        self.fabric.launch()
        torch.set_num_threads(settings.loader.threads)
        cv2.setNumThreads(0)
        self.fabric.seed_everything(settings.seed, verbose=False)
        self.data = task.data(data_folder, held_out=False)
        self.held_out = task.data(data_folder, held_out=True)
        network = task.network()
        if settings.start_from and not (folder / CHECKPOINT).is_file():
            self._begin(network, settings.start_from)
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
        self.history = LossHistory(settings.mining) if settings.mining.share else None
        self.journal = Journal(folder, tensorboard=settings.log.tensorboard) if self.leads else None

    @property
    def leads(self) -> bool:
        """True in the process that writes files and shows progress."""
        return bool(self.fabric.is_global_zero)

    def _begin(self, network: nn.Module, start: str) -> None:
        """The weights of a checkpoint, or of a model file by its name or path."""
        if start in weights.names() or start.endswith(".onnx"):
            from headwise.training.model_file_start import start_from_model_file

            taken = start_from_model_file(weights.find(start), network, self._ordinary_pictures())
        else:
            taken = start_from(Path(start), network)
        if self.leads:
            log.info("%s", taken)

    def _ordinary_pictures(self) -> list[Tensor]:
        """Some batches of inputs as the training sees them."""
        self.data.refresh()
        order, size_px = self.data.order(self._round_rng()), self.settings.schedule.stages[-1].size_px
        drawn, pictures = Requested(self.data, self.settings.seed), []
        for start in range(0, ORDINARY_BATCHES * ORDINARY_BATCH, ORDINARY_BATCH):
            places = range(start, start + ORDINARY_BATCH)
            samples = [drawn[int(order[k % len(order)]), k, size_px] for k in places]
            pictures.append(next(iter(collate(samples).values())))
        return pictures

    def stop(self) -> None:
        """Finish the step under way, write a checkpoint, return from `train`; on all devices."""
        self._stopped = True

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the end, whichever of samples and minutes is further on."""
        return self._progress_at(self.position.samples)

    def _progress_at(self, samples: int) -> float:
        schedule = self.settings.schedule
        by_samples = samples / schedule.samples
        minutes = self.position.seconds / 60
        by_time = minutes / schedule.max_minutes if schedule.max_minutes else 0.0
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
        if self.history is not None and "mining" in state:
            self.history.load_state_dict(state["mining"])
        if isinstance(self.data, LearningData) and "data" in state:
            self.data.load_state_dict(state["data"])
        return True

    def begin_with(self, weights: dict[str, Tensor]) -> None:
        """These weights of the network, and nothing trained yet: checkpoint and settings are written."""
        self.network.module.load_state_dict(weights)
        self.average.network.load_state_dict(weights)
        self._write_settings()
        self.save()

    def _write_settings(self) -> None:
        if self.journal is not None:
            parameters = sum(parameter.numel() for parameter in self.network.parameters())
            self.journal.settings(self.settings.model_dump(mode="json"), parameters)

    def save(self, name: str = CHECKPOINT) -> None:
        """Everything needed to continue exactly, written atomically."""
        if not self.leads:
            return
        state = {
            "settings": self.settings.model_dump(mode="json"),
            "network": self.network.module.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "position": vars(self.position),
        }
        if self.history is not None:
            state["mining"] = self.history.state_dict()
        if isinstance(self.data, LearningData):
            state["data"] = self.data.state_dict()
        save_checkpoint(self.folder / name, state)

    def train(self, tell: Callable[[Report], None] | None = None) -> None:
        """Rounds until the schedule ends; `tell` hears of every tenth step."""
        self._began_s = time.monotonic() - self.position.seconds
        self._agree()
        self._write_settings()
        due = Due(self.position.seconds)
        settings = self.settings.log
        means: dict[str, float] = {}
        self.network.train()
        with closing(self._batches()) as batches:
            for size_px, batch in batches:
                self._show(batch)
                self._turn_to_int8(batch)
                for name, value in self._step(batch).items():
                    means[name] = MEANS_MEMORY * means.get(name, value) + (1 - MEANS_MEMORY) * value
                self._agree()
                now_s = self.position.seconds
                if tell is not None and self.position.samples // self.settings.schedule.batch % 10 == 0:
                    speed = self.position.samples / max(now_s, 1e-3)
                    tell(Report(self.position.samples, self.progress, speed, dict(means), size_px))
                if self.journal is not None and due("losses", settings.loss_minutes, now_s):
                    self.journal.line(self._line(means, size_px), self.position.samples, means)
                if due("checkpoint", settings.checkpoint_minutes, now_s):
                    self.save()
                if due("validation", settings.validate_minutes, now_s):
                    self.check(means, size_px)
                    self._lose_patience()
                    self._agree()
        self.save()  # before the check: who stops us twice still finds this step
        self.check(means, self.settings.schedule.stages[-1].size_px)
        if self.journal is not None:
            self.journal.close()
        self.fabric.barrier()

    def _turn_to_int8(self, batch: Batch) -> None:
        """Once the place `int8_from` of the schedule is reached, the network and its average round."""
        place = self.settings.int8_from
        if self._rounds or place >= 1 or self.progress < place:
            return
        self._rounds = True
        pictures = next(iter(batch.values()))
        for network in (self.network.module, self.average.network):
            simulate_int8(network, pictures)
        if self.leads:
            log.info("from here on the network rounds as its int8 file will")

    def _agree(self) -> None:
        """One clock, the first device's, and one will: all stop when one was told to."""
        seconds, stop = time.monotonic() - self._began_s, self._stopped
        if self.fabric.world_size > 1:
            mine = [round(seconds * 1000) if self.leads else 0, int(stop)]
            told = self.fabric.all_reduce(torch.tensor(mine, device=self.fabric.device), reduce_op="sum")
            seconds, stop = told[0].item() / 1000, bool(told[1].item())
        self.position.seconds, self._ending = seconds, stop

    def _line(self, means: dict[str, float], size_px: int) -> str:
        """Where the run stands, in one line of a log."""
        losses = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        position = self.position
        return (
            f"{position.samples} samples, {position.seconds / 60:.1f} min, {self.progress:.1%}, "
            f"{position.samples / max(position.seconds, 1e-3):.0f}/s, {size_px} px: {losses}"
        )

    def _batches(self) -> Generator[tuple[int, Batch], None, None]:
        """This device's share of batch after batch, with the input size, round after round.

        `position` keeps step with what was yielded.
        """
        position = self.position
        while self.progress < 1 and not self._ending:
            order = self._order() if position.round_samples else self._begin_round()
            requests, workers = self._requests(order), self.settings.loader.workers
            for batch in loader(self.data, self.settings.seed, requests, workers):
                first = next(iter(batch.values()))
                position.samples += len(first) * self.fabric.world_size
                position.round_samples += len(first) * self.fabric.world_size
                yield first.shape[1], {k: self.fabric.to_device(v) for k, v in batch.items()}
                if self.progress >= 1 or self._ending:
                    return
            position.round += 1
            position.round_samples = 0

    def _begin_round(self) -> NDArray[np.int64]:
        """The shards there are by now, and an order for them."""
        self.position.shards = self.data.refresh()
        if isinstance(self.data, LearningData) and self.position.round:
            self._let_learn(self.data)
        if self.history is None:
            return self._order()
        rng = self._round_rng()
        plain = self.data.order(rng)
        return self.history.begin_round(plain, len(self.data), self.position.shards, rng)

    def _order(self) -> NDArray[np.int64]:
        """Of the round under way."""
        return self.data.order(self._round_rng()) if self.history is None else self.history.order

    def _round_rng(self) -> np.random.Generator:
        return np.random.default_rng((self.settings.seed, 1, self.position.round))

    def _let_learn(self, data: LearningData) -> None:
        """On the first device; the others are told what it learned."""
        if self.leads:
            network = self.average.network.eval()
            with torch.no_grad():
                data.study(network, np.random.default_rng((self.settings.seed, 3, self.position.round)))
        if self.fabric.world_size > 1:
            data.load_state_dict(self.fabric.broadcast(data.state_dict()))

    def _requests(self, order: NDArray[np.int64]) -> Iterator[list[Request]]:
        """This device's share of what is left of the round; each batch at the input size of its place."""
        devices = self.fabric.world_size
        batch = min(self.settings.schedule.batch, len(order) // devices * devices)
        if not batch:
            raise InputError(f"{len(order)} training samples are too few for {devices} devices")
        start, number = self.position.round_samples, self.position.samples
        for i in range(start, len(order) - batch + 1, batch):
            size_px = input_size_px(self._progress_at(number + i - start), self.settings.schedule)
            places = range(i + self.fabric.global_rank, i + batch, devices)
            yield [(int(order[place]), number + place - start, size_px) for place in places]

    def _step(self, batch: Batch) -> dict[str, float]:
        lr = learning_rate(self.progress, self.settings)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        seed = np.random.SeedSequence((self.settings.seed, 2, self.position.samples, self.fabric.global_rank))
        torch.manual_seed(int(seed.generate_state(1)[0]))
        given = self.task.losses(self.network, batch, self.progress)
        if self.history is not None:
            self._remember(self.history, batch["index"], given)
        parts = {name: part.mean() for name, part in given.items()}
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

    def _remember(self, history: LossHistory, indices: Tensor, parts: dict[str, Tensor]) -> None:
        """The losses of the samples of all devices."""
        each = [part.detach().float() for part in parts.values() if part.ndim]
        if not each:
            raise SettingsError("[mining] needs losses per sample, and this task's are means; set share = 0")
        history.remember(self._of_all(indices), self._of_all(torch.stack(each).sum(0)))

    def _of_all(self, values: Tensor) -> NDArray[Any]:
        """(n,) of this device -> (devices * n,)."""
        if self.fabric.world_size == 1:
            return np.asarray(values.cpu())
        shape = (self.fabric.world_size, len(values))
        blocks = torch.zeros(shape, dtype=values.dtype, device=values.device)
        blocks[self.fabric.global_rank] = values
        every: Any = self.fabric.all_reduce(blocks, reduce_op="sum")
        return np.asarray(every.flatten().cpu())

    def check(self, means: dict[str, float], size_px: int) -> None:
        """Score the averaged weights on held-out samples at `size_px`; log them, keep the best weights."""
        if self.journal is None:
            return
        network = self.average.network
        network.eval()
        with torch.no_grad():
            result = self.task.validate(network, self._held_out_batches(size_px))
        row = {
            "samples": self.position.samples,
            "minutes": round(self.position.seconds / 60, 2),
            "size_px": size_px,
            "lr": learning_rate(self.progress, self.settings),
            **{f"train_{name}": value for name, value in means.items()},
            **result.scores,
            "ranking": result.ranking,
        }
        self.journal.row(row)
        if result.worst:
            self.journal.pictures("worst", result.worst, self.position.samples)
        self._keep_best(result.scores[result.ranking])

    def _keep_best(self, score: float) -> None:
        best = self.position.best_score
        if best is None or score < best:
            self.position.best_score, self.position.checks_without_gain = score, 0
            self.save(BEST)
            self.save()  # so that a run that is continued knows the best score
        else:
            self.position.checks_without_gain += 1

    def _lose_patience(self) -> None:
        patience = self.settings.log.patience
        if patience and self.position.checks_without_gain >= patience:
            log.info("no gain in %d validations: the run ends", self.position.checks_without_gain)
            self.stop()

    def _show(self, batch: Batch) -> None:
        """The first batch of a run as the network sees it."""
        if self.journal is None or (self.folder / "batch.png").exists():
            return
        pictures = next(value for value in batch.values() if value.dtype == torch.uint8)
        self.journal.pictures("batch", list(pictures[:BATCH_TILES].cpu().numpy()), self.position.samples)

    def _held_out_batches(self, size_px: int) -> Iterable[Batch]:
        """See `held_out_batches`; on the network's device."""
        for given in held_out_batches(self.held_out, self.settings, size_px):
            yield {name: self.fabric.to_device(value) for name, value in given.items()}


def held_out_batches(data: TrainingData, settings: RunSettings, size_px: int) -> Iterable[Batch]:
    """The first held-out samples, augmented the same way each time."""
    data.refresh()
    count = min(settings.log.validation_samples, len(data))
    batch = settings.schedule.batch
    requests = [[(k, k, size_px) for k in range(i, min(i + batch, count))] for i in range(0, count, batch)]
    yield from loader(data, VALIDATION_SEED, requests, 0)


class Due:
    """Tells when something that happens every so many minutes is due again."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self._last_s: dict[str, float] = {}

    def __call__(self, what: str, minutes: float, now_s: float) -> bool:
        due = now_s - self._last_s.get(what, self._began_s) > 60 * minutes
        if due:
            self._last_s[what] = now_s
        return due


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and batch norms."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    free = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
