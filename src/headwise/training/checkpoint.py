"""Checkpoints: one file, written whole or not at all."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from headwise.errors import InputError

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
        raise InputError(f"no checkpoint {path}; a run folder holds last.ckpt")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as wrong:
        raise InputError(f"{path} is no checkpoint of headwise: {wrong}") from wrong
    if state.get("schema") != SCHEMA:
        raise InputError(f"{path} has checkpoint schema {state.get('schema')}; this version reads {SCHEMA}")
    return state
