"""Layers by size: how many inputs and outputs each has, what it costs, and how one is made narrower."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from headwise.errors import SettingsError

Sizes: TypeAlias = dict[str, tuple[int, int]]
"""Inputs and outputs of layers, by name."""


def layer_sizes(network: nn.Module) -> Sizes:
    """Of convolutions, linear layers and batch norms."""
    return {name: _size(layer) for name, layer in _sized_layers(network)}


def multiply_adds(network: nn.Module, pictures: Tensor) -> dict[str, int]:
    """Of convolutions and linear layers for one of the pictures (n, ...), by name.

    SettingsError where a layer runs twice: what belongs to it is then more than its own sizes say.
    """
    counts: dict[str, int] = {}

    def count(name: str) -> Any:
        def hook(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
            if name in counts:
                raise SettingsError(f"layer {name} runs more than once a picture, which cannot be followed")
            counts[name] = output[0].numel() * cast(Tensor, layer.weight)[0].numel()

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for name, layer in _sized_layers(network):
            if not isinstance(layer, _BatchNorm):
                hooks.callback(layer.register_forward_hook(count(name)).remove)
        network(pictures[:1])
    return counts


def is_depthwise(layer: nn.Module) -> bool:
    """Whether each channel of a convolution has a kernel of its own and no other input."""
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels == layer.out_channels


def narrow(network: nn.Module, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Leave each named layer its first inputs and outputs, so many. In place.

    SettingsError for a name or a size that the network does not have.
    """
    layers = dict(_sized_layers(network))
    for name, (inputs, outputs) in sizes.items():
        layer = layers.get(name)
        if layer is None:
            raise SettingsError(f"narrowed: the network has no layer {name!r} with channels")
        most = _size(layer)
        if not (0 < inputs <= most[0] and 0 < outputs <= most[1]):
            raise SettingsError(f"narrowed: {name} has {most} inputs and outputs, got {(inputs, outputs)}")
        if isinstance(layer, _BatchNorm):
            _narrow_norm(layer, outputs)
        elif isinstance(layer, nn.Conv2d):
            _narrow_convolution(layer, inputs, outputs)
        elif isinstance(layer, nn.Linear):
            _narrow_weights(layer, inputs, outputs)
            layer.in_features, layer.out_features = inputs, outputs


def _sized_layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    return (
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear | _BatchNorm)
    )


def _size(layer: nn.Module) -> tuple[int, int]:
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels, layer.out_channels
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    channels = cast(_BatchNorm, layer).num_features
    return channels, channels


def _narrow_convolution(layer: nn.Conv2d, inputs: int, outputs: int) -> None:
    if is_depthwise(layer):
        _narrow_weights(layer, 1, outputs)
        layer.groups = outputs
    else:
        _narrow_weights(layer, inputs, outputs)
    layer.in_channels, layer.out_channels = inputs, outputs


def _narrow_weights(layer: nn.Conv2d | nn.Linear, inputs: int, outputs: int) -> None:
    layer.weight = nn.Parameter(layer.weight.detach()[:outputs, :inputs].clone())
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias.detach()[:outputs].clone())


def _narrow_norm(norm: _BatchNorm, channels: int) -> None:
    for parameter in ("weight", "bias"):
        values = getattr(norm, parameter)
        if values is not None:
            setattr(norm, parameter, nn.Parameter(values.detach()[:channels].clone()))
    for statistic in ("running_mean", "running_var"):
        values = getattr(norm, statistic)
        if values is not None:
            setattr(norm, statistic, values[:channels].clone())
    norm.num_features = channels
