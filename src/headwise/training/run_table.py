"""Training runs side by side: what each was, what it cost, how it scored.

A run's folder says it in settings.json and log.csv; a folder without settings.json is read from its
checkpoint, which needs torch. Scores measured elsewhere, such as on photographs, are taken from scores.json
in the folder: an object, benchmark -> a report of `headwise evaluate --json`, or numbers by name.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwise import plugins
from headwise.errors import InputError
from headwise.training.journal import SETTINGS, TABLE

SCORES = "scores.json"
CHECKPOINT = "last.ckpt"
FORMER_RANKINGS = ("geodesic_mean_deg", "one_minus_ap")
"""What ranked the checkpoints of runs whose log does not say it yet."""


@dataclass(frozen=True)
class RunRow:
    """One run. None: not known.

    minutes: of training, validations included. size_px: side of the network's input at the end. validation:
    the last score that ranks checkpoints, best: the smallest of them, ranking: its name. measured: from
    scores.json, by column.
    """

    folder: str
    name: str
    backbone: str | None
    head: str | None
    data: str | None
    samples: int | None
    minutes: float | None
    size_px: int | None
    parameters: int | None
    ranking: str | None
    validation: float | None
    best: float | None
    measured: Mapping[str, float | None]


def read_run_row(folder: Path) -> RunRow:
    """What a run's folder says. Raises InputError for a folder without a run, MissingExtra without torch."""
    settings, parameters = _settings(folder)
    rows = _log(folder / TABLE)
    last = rows[-1] if rows else {}
    ranking = _ranking(last)
    scores = [float(row[ranking]) for row in rows if row.get(ranking)] if ranking is not None else []
    task = settings["task"]
    network = task.get("network", {})
    return RunRow(
        folder=folder.resolve().name,
        name=settings["name"],
        backbone=network.get("backbone"),
        head=network.get("head"),
        data=_data_names(task.get("data")),
        samples=int(last["samples"]) if last else None,
        minutes=float(last["minutes"]) if last else None,
        size_px=task.get("crop", {}).get("size_px", settings["schedule"]["stages"][-1]["size_px"]),
        parameters=parameters,
        ranking=ranking,
        validation=scores[-1] if scores else None,
        best=min(scores, default=None),
        measured=_measured(folder / SCORES),
    )


def columns_and_cells(rows: Sequence[RunRow]) -> tuple[list[str], list[list[object]]]:
    """A table without the columns that no run has anything for; parameters in millions."""
    measured = list(dict.fromkeys(name for row in rows for name in row.measured))
    columns: dict[str, Sequence[object]] = {
        "run": [row.folder for row in rows],
        "settings": [row.name for row in rows],
        "backbone": [row.backbone for row in rows],
        "head": [row.head for row in rows],
        "data": [row.data for row in rows],
        "samples": [row.samples for row in rows],
        "minutes": [row.minutes for row in rows],
        "input": [row.size_px for row in rows],
        "M parameters": [None if row.parameters is None else row.parameters / 1e6 for row in rows],
        "ranked by": [row.ranking for row in rows],
        "validation": [row.validation for row in rows],
        "best": [row.best for row in rows],
    }
    columns |= {name: [row.measured.get(name) for row in rows] for name in measured}
    kept = {name: values for name, values in columns.items() if any(v is not None for v in values)}
    return list(kept), [list(cells) for cells in zip(*kept.values(), strict=True)]


def _settings(folder: Path) -> tuple[dict[str, Any], int | None]:
    """The resolved settings and the number of trained parameters."""
    if (folder / SETTINGS).is_file():
        facts = _json(folder / SETTINGS)
        return facts["settings"], facts["parameters"]
    if not (folder / CHECKPOINT).is_file():
        raise InputError(f"{folder}: no run; a run of `headwise train` leaves {SETTINGS} and {CHECKPOINT}")
    state = plugins.import_optional("headwise.training.checkpoint").load_checkpoint(folder / CHECKPOINT)
    moments = [one["exp_avg"].numel() for one in state["optimiser"]["state"].values()]
    return state["settings"], sum(moments) or None


def _log(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _ranking(row: Mapping[str, str]) -> str | None:
    """The name of the score that ranks checkpoints."""
    return row.get("ranking") or next((name for name in FORMER_RANKINGS if name in row), None)


def _data_names(data: Mapping[str, Any] | None) -> str | None:
    """The data sets that the table [task.data] names, joined by +."""
    if data is None:
        return None
    mixed = [one["name"] for one in data.get("mix", [])]
    return " + ".join(mixed) if mixed else data.get("name")


def _measured(path: Path) -> dict[str, float | None]:
    """Of an evaluation its mean MAE and mean rotation error; of anything else every number."""
    if not path.is_file():
        return {}
    columns: dict[str, float | None] = {}
    for benchmark, scores in _json(path).items():
        if not isinstance(scores, dict):
            columns[benchmark] = scores
        elif isinstance(scores.get("mae"), dict):
            columns[f"{benchmark} MAE"] = scores["mae"]["mean"]
            columns[f"{benchmark} rotation"] = scores.get("geodesic", {}).get("mean")
        else:
            columns |= {f"{benchmark} {k}": v for k, v in scores.items() if isinstance(v, int | float)}
    return columns


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as wrong:
        raise InputError(f"{path}: cannot be read as JSON ({wrong})") from wrong
    if not isinstance(values, dict):
        raise InputError(f"{path}: needs a JSON object, got {values!r:.40}")
    return values
