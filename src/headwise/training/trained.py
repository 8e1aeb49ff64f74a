"""What a run left behind: its averaged network, ready for a model file, its last scores, inputs to try."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise import plugins
from headwise.errors import InputError, ModelError
from headwise.model_card import ModelCard
from headwise.training.checkpoint import load_checkpoint
from headwise.training.journal import TABLE
from headwise.training.loop import BEST, CHECKPOINT, Deployable, Task
from headwise.training.settings import RunSettings, checked

OWN_COLUMNS = ("samples", "minutes", "size_px", "lr", "ranking")  # of the log, beside the task's scores
TRAINING_PREFIX = "train_"


@dataclass(frozen=True)
class Trained:
    """`scores`: held-out scores of these weights by name, empty if they were never validated."""

    settings: RunSettings
    task: Task
    deployable: Deployable
    samples: int
    scores: dict[str, float]


def read_run(folder: Path, *, best: bool = False) -> Trained:
    """The run's last weights, or the best of its validations; InputError if it has no such checkpoint."""
    state = load_checkpoint(folder / (BEST if best else CHECKPOINT))
    settings = checked(RunSettings, state["settings"])
    task: Task = plugins.find("training.tasks", settings.task["name"])(settings.task_options)
    network = task.network()
    network.load_state_dict(state["average"]["network"])
    samples = state["position"]["samples"]
    scores = scores_in(folder / TABLE, samples if best else None)
    return Trained(settings, task, task.deployable(network.eval()), samples, scores)


def task_of(card: ModelCard) -> Task:
    """The task that a model file was trained for; ModelError if its card does not say."""
    run = card.settings.get("run")
    if not isinstance(run, dict):
        raise ModelError(f"the card of {card.name!r} does not say how it was trained (settings.run)")
    settings = checked(RunSettings, run)
    task: Task = plugins.find("training.tasks", settings.task["name"])(settings.task_options)
    return task


def scores_in(path: Path, samples: int | None = None) -> dict[str, float]:
    """Of the last validation in a log, or of the last one after so many samples.

    Without what belongs to the schedule or to the training samples.
    """
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if samples is None or int(row["samples"]) == samples]
    return {
        name: float(value)
        for name, value in (rows[-1] if rows else {}).items()
        if value and name not in OWN_COLUMNS and not name.startswith(TRAINING_PREFIX)
    }


def inputs(task: Task, folder: Path, count: int, size_px: int, *, held_out: bool) -> NDArray[np.uint8]:
    """Up to `count` network inputs (n, size_px, size_px, 3), the same ones each time.

    Held-out inputs are none of those the network was trained on.
    """
    data = task.data(folder, held_out)
    data.refresh()
    if not len(data):
        raise InputError(f"{folder} holds no {'held-out' if held_out else 'training'} samples")
    taken = np.linspace(0, len(data) - 1, min(count, len(data))).astype(int).tolist()
    samples = [data.sample(i, size_px, np.random.default_rng(i)) for i in taken]
    name = next(name for name, value in samples[0].items() if getattr(value, "dtype", None) == np.uint8)
    return np.stack([sample[name] for sample in samples])
