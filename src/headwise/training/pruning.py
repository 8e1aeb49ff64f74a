"""A trained network made smaller: whole channels are removed, so that every runtime has less to compute.

How much a channel is worth: what the loss would gain without it, to first order, is the sum of its values
times their gradients over the map; squared and averaged over training samples (Molchanov et al. 2019,
"Importance Estimation for Neural Network Pruning", arXiv:1906.10771). Channels go in blocks of eight, as
SIMD kernels like it, over all layers, those first that are worth least for the multiply-adds they cost; and
in rounds, because what a channel is worth depends on the others. After each round the batch norms see what
is left. A network that was narrowed is described by the sizes of its layers, which are settings of its run:
it is resumed, exported and fine-tuned like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import prune as torch_prune

from headwise.errors import SettingsError
from headwise.training.channel_groups import ChannelGroup, channel_groups, remove_channels
from headwise.training.layer_sizes import Sizes, is_depthwise, layer_sizes, multiply_adds
from headwise.training.loop import Batch, Task, loader
from headwise.training.settings import RunSettings, apply_change, checked

CHANNEL_STEP = 8  # what is left of a layer's channels is a multiple of this, and never less
ROUNDS = 10  # of removing a part of the share
BATCHES, BATCH = 24, 16  # training samples that judge channels and set the statistics of batch norms
SMALLEST_SHARE, LARGEST_SHARE = 0.05, 0.9  # of the multiply-adds; beyond, a smaller design is better
FINE_TUNING_LR = 0.3  # of the training's: what is left has learned already
FINE_TUNING_WARMUP = 0.02  # of the schedule


@dataclass(frozen=True)
class Block:
    """Channels of one group that would go next: what they are worth for each multiply-add that goes."""

    group: str
    channels: tuple[int, ...]
    worth: float
    saved: int


def prune(
    task: Task,
    network: nn.Module,
    batches: Sequence[Batch],
    share: float,
    tell: Callable[[float], None] = lambda _: None,
) -> None:
    """Remove channels until this share of the multiply-adds is gone. In place.

    batches: training samples; `tell` hears of the share that is gone after each round. SettingsError if the
    share is out of range or more than can go.
    """
    if not SMALLEST_SHARE <= share <= LARGEST_SHARE:
        raise SettingsError(f"share must be {SMALLEST_SHARE:g} to {LARGEST_SHARE:g}, got {share:g}")
    network.eval()
    pictures = _pictures(batches[0])[:2]
    total = sum(multiply_adds(network, pictures).values())
    for step in range(1, ROUNDS + 1):
        groups = channel_groups(network, pictures)
        costs = Costs(network, pictures)
        worth = channel_worth(task, network, groups, batches)
        removed = cheapest(groups, costs, worth, round(total * (1 - share * step / ROUNDS)))
        remove_channels(network, removed, pictures)
        refresh_norms(network, batches)
        tell(1 - sum(multiply_adds(network, pictures).values()) / total)


class Costs:
    """Multiply-adds of a network whose layers get narrower."""

    def __init__(self, network: nn.Module, pictures: Tensor) -> None:
        self._sizes = layer_sizes(network)
        self._layers = multiply_adds(network, pictures)
        self._depthwise = {name for name, layer in network.named_modules() if is_depthwise(layer)}

    @property
    def total(self) -> int:
        return sum(self._layers.values())

    def without(self, group: ChannelGroup, channels: int) -> int:
        """What would be saved with so many channels less."""
        narrower = self._narrower(group, channels)
        return sum(self._layers[name] - self._cost(name, narrower[name]) for name in narrower)

    def remove(self, group: ChannelGroup, channels: int) -> None:
        """From now on they are gone."""
        for name, size in self._narrower(group, channels).items():
            self._layers[name] = self._cost(name, size)
            self._sizes[name] = size

    def left(self, group: ChannelGroup) -> int:
        """Channels of the group."""
        return self._sizes[group.name][1]

    def _narrower(self, group: ChannelGroup, channels: int) -> Sizes:
        sizes: Sizes = {}
        for name in (*group.makers, *group.readers):
            inputs, outputs = sizes.get(name, self._sizes[name])
            if name in group.readers:
                inputs -= channels
            if name in group.makers:
                outputs -= channels
            sizes[name] = (inputs, outputs)
        return sizes

    def _cost(self, name: str, size: tuple[int, int]) -> int:
        before = self._sizes[name]
        if name in self._depthwise:
            return self._layers[name] * size[1] // before[1]
        return self._layers[name] * size[0] * size[1] // (before[0] * before[1])


def cheapest(
    groups: Sequence[ChannelGroup], costs: Costs, worth: Mapping[str, Tensor], most: int
) -> dict[str, list[int]]:
    """Which channels to remove, by group, so that the network costs `most` multiply-adds or a little less.

    SettingsError if nothing more can go before that.
    """
    removed: dict[str, list[int]] = {group.name: [] for group in groups}
    while costs.total > most:
        found = (_next_block(group, costs, worth, removed) for group in groups)
        blocks = [block for block in found if block is not None]
        if not blocks:
            raise SettingsError(
                f"with {CHANNEL_STEP} channels in each layer that can be pruned the network still has "
                f"{costs.total:,} multiply-adds and {most:,} were asked for; lower the share"
            )
        block = min(blocks, key=lambda block: block.worth / block.saved)
        costs.remove(next(group for group in groups if group.name == block.group), len(block.channels))
        removed[block.group].extend(block.channels)
    return removed


def _next_block(
    group: ChannelGroup, costs: Costs, worth: Mapping[str, Tensor], removed: Mapping[str, Sequence[int]]
) -> Block | None:
    """The least of its channels, as many as leave a multiple of eight; None where eight or fewer are left."""
    left = costs.left(group)
    count = left % CHANNEL_STEP or CHANNEL_STEP
    if left - count < CHANNEL_STEP:
        return None
    order = worth[group.name].argsort().tolist()
    gone = len(removed[group.name])
    channels = tuple(order[gone : gone + count])
    least = float(worth[group.name][list(channels)].sum())
    return Block(group.name, channels, least, costs.without(group, count))


def channel_worth(
    task: Task, network: nn.Module, groups: Iterable[ChannelGroup], batches: Iterable[Batch]
) -> dict[str, Tensor]:
    """(channels,) for each group, by name: see the top of this file."""
    groups = list(groups)
    seen: dict[str, Tensor] = {}
    worth = {group.name: torch.zeros(group.channels) for group in groups}

    def watch(name: str) -> Any:
        def hook(_layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
            seen[name] = inputs[0].view_as(inputs[0])  # its gradient is this reader's alone
            seen[name].retain_grad()
            return (seen[name],)

        return hook

    with ExitStack() as hooks:
        for name in {reader for group in groups for reader in group.readers}:
            hooks.callback(network.get_submodule(name).register_forward_pre_hook(watch(name)).remove)
        for batch in batches:
            parts = task.losses(network, batch, 1.0)
            total = torch.stack([part.mean() for part in parts.values()]).sum()
            total.backward()  # type: ignore[no-untyped-call]  # torch has no types there
            for group in groups:
                lost = torch.stack([_per_channel(seen[name]) for name in group.readers]).sum(0)
                worth[group.name] += lost.square().mean(0)
    network.zero_grad()
    return worth


def _per_channel(values: Tensor) -> Tensor:
    """(n, channels, ...) times its gradient, summed over the map."""
    assert values.grad is not None
    return (values.detach() * values.grad).flatten(1).reshape(*values.shape[:2], -1).sum(2)


def refresh_norms(network: nn.Module, batches: Sequence[Batch]) -> None:
    """Statistics of batch norms as the plain mean over these samples; the network is left in eval mode."""
    norms = [module for module in network.eval().modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the plain mean
        norm.train()
    with torch.no_grad():
        for batch in batches:
            network(_pictures(batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def zero_smallest(network: nn.Module, share: float) -> None:
    """Unstructured pruning, to compare with: this share of all weights, the smallest, become zero. In place.

    The network keeps its shape, and no ordinary runtime computes it faster.
    """
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    torch_prune.global_unstructured(
        [(layer, "weight") for layer in layers], torch_prune.L1Unstructured, amount=share
    )
    for layer in layers:
        torch_prune.remove(layer, "weight")  # type: ignore[no-untyped-call]  # nor there


def training_batches(task: Task, folder: Path, settings: RunSettings) -> list[Batch]:
    """Some batches as the training sees them, the same ones each time."""
    data = task.data(folder, held_out=False)
    data.refresh()
    order = data.order(np.random.default_rng(settings.seed))
    size_px = settings.schedule.stages[-1].size_px
    numbers = range(min(len(order), BATCHES * BATCH))
    requests = [
        [(int(order[k]), k, size_px) for k in numbers[start : start + BATCH]] for start in numbers[::BATCH]
    ]
    return list(loader(data, settings.seed, requests, 0))


def narrowed_settings(
    settings: RunSettings, before: Sizes, after: Sizes, samples: int, changes: Sequence[str] = ()
) -> RunSettings:
    """Of the run that fine-tunes a pruned network for so many samples: before, after: sizes of its layers.

    Its schedule has the last input size alone; one process, the others of a training know nothing of this.
    """
    narrower = {name: size for name, size in after.items() if size != before[name]}
    values = settings.model_dump(mode="json")
    values["task"]["narrowed"] = values["task"].get("narrowed", {}) | narrower
    last = values["schedule"]["stages"][-1] | {"share": 1.0}
    values["schedule"] |= {"samples": samples, "max_minutes": 0.0, "stages": [last]}
    values["optim"] |= {
        "lr": FINE_TUNING_LR * settings.optim.lr,
        "warmup_share": FINE_TUNING_WARMUP,
        "curve": "cosine",
    }
    values |= {"start_from": "", "devices": 1, "nodes": 1}
    for change in changes:
        apply_change(values, change)
    return checked(RunSettings, values)


def _pictures(batch: Batch) -> Tensor:
    return next(iter(batch.values()))
