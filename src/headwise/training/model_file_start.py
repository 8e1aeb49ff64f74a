"""A model file as the beginning of a training: its int8 is undone, its batch norms are taken apart again.

An exported graph has every batch norm folded into the convolution before it. Here the folded kernel becomes a
kernel and a norm again: the norm's statistics are those of the convolution's output on given pictures, its
scale and shift restore what was folded. In eval mode the network then computes what the file does, but for
the rounding of int8; in training mode the same but for the scatter of a batch. A kernel before a norm may
have any size, and gets the one that the fresh network has there: learning rates are meant for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from headwise.errors import ModelError, SettingsError
from headwise.training.norms import norms_behind

Floats = NDArray[np.float32]
STORED_AS = (".half", "_quantized")
"""What smaller formats write behind the name of a weight."""
EXPORTED_FROM, WEIGHT = "network.", ".weight"
"""Where the exported module holds the network, and how a parameter of a layer is called."""
SMALLEST_NORM = 1e-8  # of a kernel; below, its channel is constant


@dataclass(frozen=True)
class FoldedLayer:
    """A convolution or a linear layer of a file: kernel, and bias (k,) or None."""

    weight: Floats
    bias: Floats | None


@dataclass
class OutputMoments:
    """Of a layer's output, per channel, over all that was seen."""

    count: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros(1))
    squares: Tensor = field(default_factory=lambda: torch.zeros(1))

    def add(self, output: Tensor) -> None:
        """(n, k, ...)"""
        channels = output.detach().double().transpose(0, 1).flatten(1)
        self.count += channels.shape[1]
        self.total = self.total + channels.sum(1)
        self.squares = self.squares + channels.square().sum(1)

    @property
    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        mean = self.total / self.count
        return mean.float(), (self.squares / self.count - mean.square()).clamp(min=0).float()


def start_from_model_file(path: Path, network: nn.Module, pictures: Sequence[Tensor]) -> str:
    """Give `network` the weights of a model file; `pictures`: some batches of its input.

    Returns what was taken. ModelError: the file is none. SettingsError: it is of another network.
    """
    layers = folded_layers(path)
    was_training = network.training
    network.eval()
    norms = norms_behind(network, pictures[0])
    missing = []
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        layer = layers.pop(name, None)
        if layer is None:
            missing.append(name)
        else:
            _take(f"{path}: {name}", layer, module, norms.get(name))
    if missing or layers:
        told = [f"{path} is of another network"]
        told += [f"it lacks {', '.join(missing)}"] if missing else []
        told += [f"it has besides {', '.join(sorted(layers))}"] if layers else []
        raise SettingsError(f"start_from = {'; '.join(told)}")
    fresh = {name: module for name, module in network.named_modules() if name in norms}
    _take_apart(network, {name: (fresh[name], norm) for name, norm in norms.items()}, pictures)
    network.train(was_training)
    return f"{path}: its weights were taken, and {len(norms)} batch norms were taken apart"


def folded_layers(path: Path) -> dict[str, FoldedLayer]:
    """Convolutions and linear layers by the name of their module, as float32. Raises ModelError."""
    try:
        graph = onnx.load(str(path)).graph
    except (OSError, DecodeError) as wrong:
        raise ModelError(f"{path} is no ONNX file: {wrong}") from wrong
    known = _constants(graph)
    layers = {}
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm") or node.input[1] not in known:
            continue
        name, weight = known[node.input[1]]
        if not name.endswith(WEIGHT):  # a constant of the arithmetic behind the network
            continue
        bias = known[node.input[2]][1] if len(node.input) > 2 else None
        layers[name.removeprefix(EXPORTED_FROM).removesuffix(WEIGHT)] = FoldedLayer(weight, bias)
    return layers


def _constants(graph: Any) -> dict[str, tuple[str, Floats]]:
    """By the name with which nodes read it: the parameter's own name and its values."""
    plain = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    known = {
        name: (name, values.astype(np.float32)) for name, values in plain.items() if values.dtype.kind == "f"
    }
    for node in graph.node:
        if not node.input or node.input[0] not in plain:
            continue
        name = node.input[0]
        for ending in STORED_AS:
            name = name.removesuffix(ending)
        values = plain[node.input[0]].astype(np.float32)
        if node.op_type == "Cast":
            known[node.output[0]] = (name, values)
        elif node.op_type == "DequantizeLinear":
            scale, zero = (plain[part].astype(np.float32) for part in node.input[1:3])
            ones = (1,) * (values.ndim - 1)
            known[node.output[0]] = (name, (values - zero.reshape(-1, *ones)) * scale.reshape(-1, *ones))
    return known


def _take(where: str, layer: FoldedLayer, module: nn.Conv2d | nn.Linear, norm: _BatchNorm | None) -> None:
    """Kernel and bias as they are; before a norm the bias becomes its shift, all that this norm does."""
    if tuple(layer.weight.shape) != tuple(module.weight.shape):
        raise SettingsError(
            f"start_from = {where} is {tuple(layer.weight.shape)} there and "
            f"{tuple(module.weight.shape)} here; give the network of this run the same sizes"
        )
    bias = torch.zeros(len(layer.weight)) if layer.bias is None else torch.from_numpy(layer.bias)
    with torch.no_grad():
        size = module.weight.flatten(1).norm(dim=1)
        module.weight.copy_(torch.from_numpy(layer.weight))
        if norm is None:
            if module.bias is not None:
                module.bias.copy_(bias)
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        given = module.weight.flatten(1).norm(dim=1)
        larger = torch.where(given > SMALLEST_NORM, size / given.clamp(min=SMALLEST_NORM), 1.0)
        module.weight.mul_(larger.reshape(-1, *(1,) * (module.weight.ndim - 1)))
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0)
        norm.weight.copy_((1.0 + norm.eps) ** 0.5 / larger)
        norm.bias.copy_(bias)


def _take_apart(
    network: nn.Module, pairs: dict[str, tuple[nn.Module, _BatchNorm]], pictures: Sequence[Tensor]
) -> None:
    """Statistics into the norms, and scale and shift that undo them."""
    seen = {name: OutputMoments() for name in pairs}
    with ExitStack() as hooks, torch.no_grad():
        for name, (module, _) in pairs.items():
            moments = seen[name]
            hook = module.register_forward_hook(lambda _m, _i, output, into=moments: into.add(output))
            hooks.callback(hook.remove)
        for batch in pictures:
            network(batch)
        for name, (_, norm) in pairs.items():
            mean, variance = seen[name].mean_and_variance
            gain = norm.weight / (1.0 + norm.eps) ** 0.5
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_(gain * (variance + norm.eps).sqrt())
            norm.bias.add_(gain * mean)
