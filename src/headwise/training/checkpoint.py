"""Checkpoints: one file, written whole or not at all."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from headwise.errors import InputError, SettingsError

SCHEMA = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> Path:
    """Write beside, then rename: whoever stops us leaves the former file intact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save({"schema": SCHEMA} | state, part)
    part.replace(path)
    return path


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state that was saved; InputError if the file is missing or is no checkpoint of this schema."""
    if not path.is_file():
        raise InputError(f"no checkpoint {path}; a run folder holds last.ckpt and best.ckpt")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as wrong:
        raise InputError(f"{path} is no checkpoint of headwise: {wrong}") from wrong
    if state.get("schema") != SCHEMA:
        raise InputError(f"{path} has checkpoint schema {state.get('schema')}; this version reads {SCHEMA}")
    return state


def start_from(path: Path, network: nn.Module) -> str:
    """Copy another run's averaged weights and batch norm statistics into `network`, by name.

    Returns what was taken and what only one of the two has; SettingsError where shapes differ or nothing
    fits. Other buffers stay: they say what this network was made for.
    """
    given: dict[str, Tensor] = load_checkpoint(path)["average"]["network"]
    wanted = learned(network)
    taken = sorted(wanted.keys() & given.keys())
    for name in taken:
        if wanted[name].shape != given[name].shape:
            raise SettingsError(
                f"start_from = {path}: {name} is {tuple(given[name].shape)} there and "
                f"{tuple(wanted[name].shape)} here; give the network of this run the same sizes"
            )
    if not taken:
        raise SettingsError(f"start_from = {path}: no weight there has a name of this run's network")
    with torch.no_grad():
        for name in taken:
            wanted[name].copy_(given[name])
    told = [f"{path}: {len(taken)} of {len(wanted)} weights taken"]
    new, unused = wanted.keys() - given.keys(), given.keys() - network.state_dict().keys()
    told += [f"new: {', '.join(sorted(new))}"] if new else []
    told += [f"not used: {', '.join(sorted(unused))}"] if unused else []
    return "; ".join(told)


def learned(network: nn.Module) -> dict[str, Tensor]:
    """What training changes: parameters and the statistics of batch norms, by name."""
    statistics = {
        f"{module_name}.{name}" if module_name else name: value
        for module_name, module in network.named_modules()
        if isinstance(module, _BatchNorm)
        for name, value in module.named_buffers(recurse=False)
    }
    return dict(network.named_parameters()) | statistics
