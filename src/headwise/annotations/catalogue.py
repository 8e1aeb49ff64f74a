"""The data sets by name."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from headwise.annotations.sets import DataCheck, Progress, SetFacts
from headwise.errors import SettingsError
from headwise.plugins import import_optional, unknown_name

NAMES = ("aflw2000", "biwi", "labels_csv", "pointing04", "w300lp")
"""Files of this folder with FACTS, open_set and check."""


def facts(name: str) -> SetFacts:
    """What is published about a set. Raises SettingsError, MissingExtra."""
    found: SetFacts = _module(name).FACTS
    return found


def check(name: str, path: Path, progress: Progress) -> DataCheck:
    """What of a set lies at `path`. Raises SettingsError, MissingExtra, and InputError when nothing does."""
    found: DataCheck = _module(name).check(path, progress)
    return found


def _module(name: str) -> ModuleType:
    if name not in NAMES:
        raise SettingsError(unknown_name("data set", name, NAMES))
    return import_optional(f"headwise.annotations.{name}")
