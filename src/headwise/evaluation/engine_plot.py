"""Speed of engines as SVG text."""

from __future__ import annotations

import matplotlib as mpl

from headwise.evaluation.engine_report import measured_rows
from headwise.evaluation.outcome import Json
from headwise.evaluation.plots import COLOURS, STYLE, new_figure, svg_text

ROW_IN = 0.28
WIDTH_IN = 6.4


@mpl.rc_context(STYLE)
def speed_plot(report: Json) -> str:
    """A bar for each file and engine: median milliseconds, batch 1, one thread, and the 95th percentile."""
    rows = [row for row in measured_rows(report) if row["batch"] == 1 and row["threads"] == 1]
    rows.sort(key=lambda row: row["median_ms"], reverse=True)
    picture, axes = new_figure((WIDTH_IN, 1.1 + ROW_IN * len(rows)))
    engines = sorted({row["runtime"] for row in rows})
    colours = [COLOURS[engines.index(row["runtime"]) % len(COLOURS)] for row in rows]
    names = [f"{row['model']}  {row['runtime']}" for row in rows]
    medians = [row["median_ms"] for row in rows]
    beyond = [max(row["p95_ms"] - row["median_ms"], 0) for row in rows]
    axes.barh(names, medians, color=colours, xerr=[[0] * len(rows), beyond], error_kw={"ecolor": "#8a8a8a"})
    for place, value in enumerate(medians):
        axes.annotate(f" {value:.2f}", (value, place), va="bottom", fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds, batch 1, one thread: median, 95th percentile")
    axes.grid(axis="y", visible=False)
    return svg_text(picture)
