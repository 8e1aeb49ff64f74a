"""Which batch norm belongs to which convolution."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from headwise.errors import SettingsError


def norms_behind(network: nn.Module, pictures: Tensor) -> dict[str, _BatchNorm]:
    """By the name of each convolution that has one: the batch norm that reads its output.

    Found by running the network on (n, ...) of its inputs. SettingsError where two norms share a convolution.
    """
    made_by: dict[int, str] = {}
    kept: list[Tensor] = []  # an output that is gone may leave its address to another
    norms: dict[str, _BatchNorm] = {}

    def remember(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            made_by[id(output)] = name
            kept.append(output)

        return hook

    def look(norm: _BatchNorm) -> Any:
        def hook(_module: nn.Module, inputs: Any) -> None:
            name = made_by.get(id(inputs[0]))
            if name is None or norms.setdefault(name, norm) is not norm:
                raise SettingsError(
                    "this needs a network with a batch norm of its own behind each convolution or none"
                )

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d):
                hooks.callback(module.register_forward_hook(remember(name)).remove)
            elif isinstance(module, _BatchNorm):
                hooks.callback(module.register_forward_pre_hook(look(module)).remove)
        network(pictures[:2])
    return norms
