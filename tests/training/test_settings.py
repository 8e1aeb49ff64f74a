"""The page on training names every setting, with its default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic")

from headwise.training.settings import RunSettings, Settings

PAGE = Path(__file__).resolve().parents[2] / "docs/training.md"
TABLES_OF_TABLES = {"schedule.stages", "card.sources", "task"}


def leaves(kind: type[Settings], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and defaults of all settings."""
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            yield from leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, field.default


def rows() -> dict[str, str]:
    """Default by setting, from the page's table."""
    section = PAGE.read_text(encoding="utf-8").split("\n## Settings", 1)[1].split("\n## ", 1)[0]
    found = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        names = re.findall(r"`\[?([\w.]+)\]?`", cells[1]) if len(cells) > 4 else []
        defaults = cells[2].split(", ") if names else []
        found |= dict(zip(names, defaults + [""] * len(names), strict=False))
    return found


def test_every_setting_is_on_the_page_and_no_other() -> None:
    assert set(rows()) == {name for name, _ in leaves(RunSettings)}


def test_the_defaults_on_the_page_are_true() -> None:
    written = rows()
    for name, default in leaves(RunSettings):
        if name not in TABLES_OF_TABLES and written[name]:
            assert written[name] == in_words(default), name


def in_words(value: Any) -> str:
    """As the page writes a default."""
    if isinstance(value, tuple):
        return " ".join(in_words(one) for one in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return '""' if value == "" else str(value)
