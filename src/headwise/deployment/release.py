"""A finished model file takes its place; in the package's own folder its sha256 is noted beside it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from headwise import weights
from headwise.errors import ModelError, OutputError
from headwise.model_card import ModelCard


def is_release(target: Path) -> bool:
    """Whether the file would become a model of the package."""
    return target.resolve().parent == weights.FOLDER.resolve()


def place(made: Path, target: Path, card: ModelCard) -> None:
    """Move a whole file to its name, over a former one; note it in the manifest if it is a release.

    A release must name its sources (ModelError). OutputError if the folder cannot be written.
    """
    if is_release(target) and not card.sources:
        raise ModelError(
            f"{target.name} would be released without sources; --card takes a TOML file with [[card.sources]]"
        )
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, part)
        part.replace(target)
    except OSError as wrong:
        raise OutputError(f"cannot write {target}: {wrong.strerror}") from wrong
    if is_release(target):
        note(target)


def note(path: Path) -> None:
    """The file's sha256 into the manifest that `headwise.weights` checks."""
    manifest = weights.MANIFEST
    known: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
    known[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    part = manifest.with_suffix(".part")
    part.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")
    part.replace(manifest)
