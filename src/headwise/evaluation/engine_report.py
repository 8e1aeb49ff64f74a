"""The table of `headwise.evaluation.engine_bench`, and what each file is worth on labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as every
from pathlib import Path

from headwise import plugins, weights
from headwise.evaluation import product
from headwise.evaluation.outcome import Json
from headwise.evaluation.report import markdown_table

COLUMNS = ("file", "precision", "MB", "engine", "batch", "threads", "median ms", "5th", "95th", "a second")
MEMORY, ERROR = "peak MB", "MAE, deg"


def add_errors(report: Json, models: Sequence[str], runtimes: Sequence[str], folder: Path) -> None:
    """Into each row of a pose model `mae_deg` and `geodesic_deg`: of this file in this engine on a folder of
    `evaluate table`, boxes given.
    """
    table = plugins.load("evaluation.protocols", "table")
    for model, runtime in every(models, runtimes):
        name = weights.find(model).name
        rows = [row for row in measured_rows(report) if (row["model"], row["runtime"]) == (name, runtime)]
        if rows and weights.kind_of(model) == "pose":
            scores = product.run(table, folder, model=model, runtime=runtime).report
            for row in rows:
                row |= {"mae_deg": scores["mae"]["mean"], "geodesic_deg": scores["geodesic"]["mean"]}
    report["labelled"] = folder.resolve().name


def measured_rows(report: Json) -> list[Json]:
    """Those that did not fail."""
    return [row for row in report["rows"] if "failed" not in row]


def as_markdown(report: Json) -> str:
    """The machine, a table, and what could not be measured."""
    rows = [_cells(row) for row in measured_rows(report)]
    failed = [row for row in report["rows"] if "failed" in row]
    reasons = sorted({f"{row['model']} in {row['runtime']}: {row['failed']}" for row in failed})
    lines = [f"{report['cpu']}, {report['cores']} cores", "", markdown_table((*COLUMNS, MEMORY, ERROR), rows)]
    return "\n".join([*lines, *([""] if reasons else []), *reasons])


def _cells(row: Json) -> tuple[object, ...]:
    return (
        row["model"],
        row["precision"] or "",
        f"{row['bytes'] / 1e6:.2f}",
        row["runtime"],
        row["batch"],
        row["threads"],
        f"{row['median_ms']:.2f}",
        f"{row['p5_ms']:.2f}",
        f"{row['p95_ms']:.2f}",
        f"{row['per_s']:.0f}",
        f"{row['memory_mb']:.0f}",
        f"{row['mae_deg']:.2f}" if "mae_deg" in row else "",
    )
