"""Which data sets of heads a run draws from, and how often from each: the table [task.data]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from headwise import plugins
from headwise.errors import SettingsError
from headwise.training.head_samples import Head, Heads
from headwise.training.pixels import Picture
from headwise.training.settings import Settings


class MixedSet(Settings):
    """One set of a mixture. folder: its own, or one within that of --data; weight: against the others'."""

    name: str
    folder: str = "."
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    options: dict[str, Any] = {}


class DataSettings(Settings):
    """A file of training/datasets and its options, or `mix`: several of them."""

    name: str = "crop_shards"
    options: dict[str, Any] = {}
    mix: tuple[MixedSet, ...] = ()


def open_heads(settings: DataSettings, folder: Path, held_out: bool) -> Heads:
    """The set in `folder` (what --data says), or the mixture. Raises SettingsError, InputError."""
    if not settings.mix:
        return _open(settings.name, folder, held_out, settings.options)
    if settings.options or "name" in settings.model_fields_set:
        raise SettingsError("task.data: name and options of a mixture stand in each [[task.data.mix]]")
    sets = [_open(one.name, folder / one.folder, held_out, one.options) for one in settings.mix]
    return Mixture(sets, [one.weight for one in settings.mix], held_out)


def _open(name: str, folder: Path, held_out: bool, options: dict[str, Any]) -> Heads:
    clash = sorted({"folder", "held_out"} & set(options))
    if clash:
        raise SettingsError(f"task.data: {clash[0]} is no option of {name}; the run sets it")
    heads: Heads = plugins.load("training.datasets", name, folder=folder, held_out=held_out, **options)
    return heads


class Mixture:
    """Several sets as one; see `headwise.training.head_samples.Heads`.

    A round goes once through the set that is largest for its weight, and as often through the others as their
    weights ask: each pass over a set is a fresh permutation of it, so that none of its items comes twice
    before all have come once. Held out, the indices themselves are mingled: the first ones have the sets in
    the proportion of their weights, for as long as they last.
    """

    def __init__(self, sets: Sequence[Heads], weights: Sequence[float], held_out: bool = False) -> None:
        self.sets = tuple(sets)
        self.shares = np.asarray(weights, np.float64) / np.sum(weights)
        self.held_out = held_out
        self._places = np.zeros((0, 2), np.int64)

    def refresh(self, shards: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Of each set; the names carry the number of their set. Raises InputError."""
        names: list[str] = []
        for number, one in enumerate(self.sets):
            prefix = f"{number}:"
            mine = None
            if shards is not None:
                mine = tuple(name.removeprefix(prefix) for name in shards if name.startswith(prefix))
            names += [prefix + name for name in one.refresh(mine)]
        sizes = [len(one) for one in self.sets]
        places = [np.stack([np.full(n, i), np.arange(n)], axis=1) for i, n in enumerate(sizes)]
        self._places = np.concatenate(places).astype(np.int64)
        if self.held_out:
            turns = [(np.arange(n) + 0.5) / share for n, share in zip(sizes, self.shares, strict=True)]
            self._places = self._places[np.argsort(np.concatenate(turns), kind="stable")]
        return tuple(names)

    def __len__(self) -> int:
        return len(self._places)

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Indices of one round, the sets mingled."""
        sizes = np.array([len(one) for one in self.sets])
        counts = np.rint(np.max(sizes / self.shares) * self.shares).astype(np.int64)
        starts = np.cumsum(sizes) - sizes
        drawn = [
            start + _passes(rng, int(size), int(count))
            for start, size, count in zip(starts, sizes, counts, strict=True)
        ]
        return rng.permutation(np.concatenate(drawn))

    def picture(self, index: int) -> Picture:
        """(h, w, 3) uint8 RGB."""
        one, item = self._find(index)
        return one.picture(item)

    def mask(self, index: int) -> Picture | None:
        """(h, w) uint8; None where the set has none."""
        one, item = self._find(index)
        return one.mask(item)

    def head(self, index: int) -> Head:
        """The labels in our convention."""
        one, item = self._find(index)
        return one.head(item)

    def _find(self, index: int) -> tuple[Heads, int]:
        number, item = self._places[index].tolist()
        return self.sets[number], item


def _passes(rng: np.random.Generator, size: int, count: int) -> NDArray[np.int64]:
    """`count` of `size` things: whole permutations one after the other, the last one cut."""
    rounds = -(-count // size)
    return np.concatenate([rng.permutation(size) for _ in range(rounds)])[:count]
