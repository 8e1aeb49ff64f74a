"""Channels that can only be removed together, found by torch-pruning in one pass through the network.

A residual stream joins the outputs of all convolutions that add to it, a depthwise convolution its inputs to
its outputs; a norm goes with the convolution before it, and whoever reads loses the same inputs (Fang et al.
2023, "DepGraph", arXiv:2301.12900). Groups that reach an output of the network, or whose channels are joined,
split or reshaped on their way, are left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from headwise import plugins
from headwise.errors import SettingsError
from headwise.training.layer_sizes import is_depthwise

AGREEMENT = 1e-3  # of the largest output: how far a network without channels may be from one ignoring them


@dataclass(frozen=True)
class ChannelGroup:
    """Channel c of all these layers is one thing. makers: whose outputs they are, depthwise ones among them.

    readers: dense layers whose inputs they are. Names within the network; the first maker names the group.
    """

    channels: int
    makers: tuple[str, ...]
    readers: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.makers[0]


def channel_groups(network: nn.Module, pictures: Tensor) -> list[ChannelGroup]:
    """Those of a network in eval mode whose channels may be removed; pictures: some of its inputs (n, ...).

    SettingsError if there are none.
    """
    names = {module: name for name, module in network.named_modules()}
    graph = _graph(network, pictures)
    found = (_followed(graph, group, names) for group in _every_group(graph))
    groups = [group for group in found if group is not None]
    if not groups:
        raise SettingsError("no channels of this network can be removed: all of them reach its outputs")
    return groups


def remove_channels(network: nn.Module, removed: Mapping[str, Sequence[int]], pictures: Tensor) -> None:
    """Take channels, by the name of their group, out of all layers they belong to. In place.

    SettingsError if the network then answers otherwise than one whose readers ignore these channels: it does
    something with them that was not followed.
    """
    if not any(removed.values()):
        return
    ignoring = copy.deepcopy(network)
    groups = {group.name: group for group in channel_groups(network, pictures)}
    with torch.no_grad():
        for name, channels in removed.items():
            for reader in groups[name].readers:
                ignoring.get_parameter(f"{reader}.weight")[:, list(channels)] = 0
    graph = _graph(network, pictures)
    modules = dict(network.named_modules())
    for name, channels in removed.items():
        layer = modules[name]
        graph.get_pruning_group(
            layer, graph.get_pruner_of_module(layer).prune_out_channels, sorted(channels)
        ).prune()
    with torch.no_grad():
        pairs = zip(_tensors(ignoring(pictures)), _tensors(network(pictures)), strict=True)
        for expected, got in pairs:
            if expected.shape != got.shape or not _agree(expected, got):
                raise SettingsError("this network does something with its channels that cannot be followed")


def _graph(network: nn.Module, pictures: Tensor) -> Any:
    torch_pruning = plugins.import_optional("torch_pruning")
    with torch.enable_grad():
        return torch_pruning.DependencyGraph().build_dependency(network.eval(), example_inputs=(pictures,))


def _every_group(graph: Any) -> Iterable[Any]:
    return graph.get_all_groups(ignored_layers=[], root_module_types=[nn.Conv2d, nn.Linear])  # type: ignore[no-any-return]  # no types there


def _followed(graph: Any, group: Any, names: Mapping[nn.Module, str]) -> ChannelGroup | None:
    """torch-pruning's group in our words; None if it is to be left alone."""
    kinds = plugins.import_optional("torch_pruning.ops").OPTYPE
    channels = len(group[0].idxs)
    makers, readers = [], []
    for dependency, indices in group:
        node, layer = dependency.target, dependency.target.module
        if [int(index) for index in indices] != list(range(channels)):
            return None
        dense = isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
        if dense and graph.is_in_channel_pruning_fn(dependency.handler):
            readers.append(names[layer])
        elif not node.outputs:
            return None  # it is an output of the network
        elif dense or is_depthwise(layer):
            makers.append(names[layer])
        elif node.type not in (kinds.BN, kinds.ELEMENTWISE):
            return None
    return ChannelGroup(channels, tuple(dict.fromkeys(makers)), tuple(dict.fromkeys(readers)))


def _tensors(output: Any) -> list[Tensor]:
    """All tensors in tuples, lists and dicts."""
    if isinstance(output, Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output
    return [tensor for value in values or () for tensor in _tensors(value)]


def _agree(expected: Tensor, got: Tensor) -> bool:
    off = (expected - got).abs().max()
    return bool(off <= AGREEMENT * (1 + expected.abs().max()))
