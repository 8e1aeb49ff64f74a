"""Plots of pose errors as SVG text: readable at the width of a phone, in print, and without colour.

Errors are rotation errors, or angles between facing directions where no roll is labelled; all degrees.
"""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headwise.evaluation.outcome import Floats, Json, ScoredPoses

Models = Mapping[str, ScoredPoses]

ANGLES = ("yaw", "pitch", "roll")
SIZE_IN = (4.6, 3.1)
SQUARE_IN = (4.6, 3.9)
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00")
"""Okabe and Ito (2008): told apart by every kind of colour vision."""
MARKERS = "osD^vP"
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
INK = "#1a1a1a"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9.5,
    "axes.edgecolor": "#8a8a8a",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.7,
    "svg.fonttype": "none",
    "svg.hashsalt": "headwise",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

FEWEST_IN_GROUP, MOST_GROUPS = 20, 18
MOST_DOTS = 1500
QUARTILES = (25, 50, 75)
SHARES = np.linspace(0, 1, 201)
MAP_CELL_DEG, WIDE_MAP_CELL_DEG = 15.0, 30.0
WIDE_YAW_DEG = 100.0
LARGEST_LABELLED_MAP = 180
"""Cells with an item above which a map shows colours alone."""


@mpl.rc_context(STYLE)
def error_over_angle(models: Models, column: int) -> str | None:
    """Median and quartiles over labelled yaw (0), pitch (1) or roll (2); None where it is not labelled."""
    figure, axes = new_figure(SIZE_IN)
    drawn = False
    for number, (name, poses) in enumerate(models.items()):
        angle, error = _known(poses.errors.truth_deg[:, column], poses.errors.best_known_deg)
        if not len(angle):
            continue
        drawn = True
        if len(models) == 1:
            _dots(axes, angle, error)
        middle, low, median, high = _grouped_quartiles(angle, error)
        axes.fill_between(middle, low, high, color=COLOURS[number], alpha=0.16, linewidth=0)
        axes.plot(middle, median, label=name, marker=MARKERS[number], markersize=3.5, **_line(number))
    if not drawn:
        return None
    axes.set(xlabel=f"labelled {ANGLES[column]}, degrees", ylabel="error, degrees")
    axes.set_ylim(0, _top_deg(models))
    _legend(axes, models, loc="upper center")
    return svg_text(figure)


@mpl.rc_context(STYLE)
def error_map(poses: ScoredPoses, highest_deg: float) -> str | None:
    """Median error in cells of labelled yaw and pitch; the colours reach from 0 to `highest_deg`."""
    truth, error = poses.errors.truth_deg, poses.errors.best_known_deg
    if not len(error):
        return None
    cell = WIDE_MAP_CELL_DEG if np.abs(truth[:, 0]).max() > WIDE_YAW_DEG else MAP_CELL_DEG
    x_edges, y_edges = (_edges(truth[:, column], cell) for column in (0, 1))
    x, y = (np.digitize(truth[:, c], edges) - 1 for c, edges in ((0, x_edges), (1, y_edges)))
    medians = np.full((len(y_edges) - 1, len(x_edges) - 1), np.nan)
    for row, column in set(zip(y.tolist(), x.tolist(), strict=True)):
        medians[row, column] = np.median(error[(y == row) & (x == column)])
    figure, axes = new_figure(SIZE_IN)
    axes.grid(False)
    shown = axes.pcolormesh(x_edges, y_edges, medians, cmap="YlOrBr", vmin=0, vmax=highest_deg)
    if np.isfinite(medians).sum() <= LARGEST_LABELLED_MAP:
        _write_cells(axes, x_edges, y_edges, medians, highest_deg)
    axes.set(xlabel="labelled yaw, degrees", ylabel="labelled pitch, degrees")
    figure.colorbar(shown, ax=axes, label="median error, degrees", pad=0.02)
    return svg_text(figure)


def map_scale_deg(models: Models) -> float:
    """One colour scale for the maps of all models: the largest 90th percentile."""
    tops = [
        np.percentile(p.errors.best_known_deg, 90) for p in models.values() if len(p.errors.best_known_deg)
    ]
    return float(max(tops, default=1.0))


@mpl.rc_context(STYLE)
def calibration(models: Models, reports: Mapping[str, Json]) -> str | None:
    """Measured error over stated spread in bins of equal size, with the diagonal; None without spreads.

    The bars are the standard errors of the means.
    """
    figure, axes = new_figure(SQUARE_IN)
    top = 0.0
    for number, name in enumerate(models):
        stated = reports[name]["calibration"]
        if stated is None:
            continue
        keys = ("mean_spread_deg", "mean_error_deg", "standard_error_deg")
        spread, error, off = np.array([[one[key] for key in keys] for one in stated["bins"]]).T
        top = max(top, spread.max(), (error + off).max())
        axes.errorbar(spread, error, off, label=name, marker=MARKERS[number], elinewidth=1, **_line(number))
    if top == 0.0:
        return None
    top *= 1.12
    axes.plot((0, top), (0, top), color="#8a8a8a", linewidth=1, zorder=1)
    axes.text(0.96 * top, 0.965 * top, "error = spread", rotation=45, rotation_mode="anchor",
              ha="right", va="bottom", color="#6a6a6a", fontsize=8)  # fmt: skip
    axes.set(xlim=(0, top), ylim=(0, top), aspect="equal")
    axes.set(xlabel="stated spread, degrees", ylabel="measured error, degrees")
    _legend(axes, models, loc="upper left")
    return svg_text(figure)


@mpl.rc_context(STYLE)
def cumulative(models: Models) -> str:
    """Share of the found items whose error is at most so large."""
    figure, axes = new_figure(SIZE_IN)
    right = 1.0
    for number, (name, poses) in enumerate(models.items()):
        error = poses.errors.best_known_deg
        if not len(error):
            continue
        quantiles = np.quantile(error, SHARES)
        right = max(right, float(np.percentile(error, 98)))
        axes.plot(quantiles, 100 * SHARES, label=name, **_line(number))
    axes.set(xlim=(0, right), ylim=(0, 100), xlabel="error, degrees", ylabel="items within, per cent")
    _legend(axes, models, loc="lower right")
    return svg_text(figure)


@mpl.rc_context(STYLE)
def recall_curve(reports: Mapping[str, Json]) -> str:
    """Recall over extra boxes per picture, of a detector at all thresholds."""
    figure, axes = new_figure(SIZE_IN)
    for number, (name, report) in enumerate(reports.items()):
        curve = [[one["false_per_image"], one["recall"]] for one in report["by_threshold"]]
        extra, recall = np.array(curve, float).T
        axes.plot(extra, 100 * recall, label=name, marker=MARKERS[number], markersize=3, **_line(number))
    axes.set(xlabel="extra boxes per picture", ylabel="faces found, per cent")
    _legend(axes, reports, loc="lower right")
    return svg_text(figure)


def new_figure(size_in: tuple[float, float]) -> tuple[Figure, Axes]:
    """An empty figure of that size."""
    figure = Figure(figsize=size_in, layout="constrained")
    return figure, figure.add_subplot()


def svg_text(figure: Figure) -> str:
    """From its tag on, the same each time."""
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, dpi=150)
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _line(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}


def _legend(axes: Axes, models: Mapping[str, object], loc: Any) -> None:
    if len(models) > 1:
        axes.legend(loc=loc, ncols=2 if loc == "upper center" else 1)


def _dots(axes: Axes, x: Floats, y: Floats) -> None:
    """The single items; of many a regular choice. Pixels: thousands of SVG circles are slow to show."""
    step = -(-len(x) // MOST_DOTS)
    axes.plot(
        x[::step], y[::step], ".", color="#9a9a9a", markersize=2.5, alpha=0.6, zorder=1, rasterized=True
    )


def _grouped_quartiles(angle: Floats, error: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """(groups,) mean angle and quartiles of the error, in groups along the angle.

    One for each angle if there are few different ones, else of equal size.
    """
    values = np.unique(angle)
    groups = int(np.clip(len(angle) // FEWEST_IN_GROUP, 1, MOST_GROUPS))
    if len(values) <= MOST_GROUPS:
        members = [np.flatnonzero(angle == value) for value in values]
    else:
        members = np.array_split(np.argsort(angle, kind="stable"), groups)
    middle = np.array([angle[one].mean() for one in members])
    low, median, high = np.array([np.percentile(error[one], QUARTILES) for one in members]).T
    return middle, low, median, high


def _top_deg(models: Models) -> float:
    """One vertical scale for yaw, pitch and roll: the 95th percentile with some air."""
    errors = [poses.errors.best_known_deg for poses in models.values() if len(poses.spread_deg)]
    return float(max(1.2 * np.percentile(error, 95) for error in errors))


def _known(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    known = ~np.isnan(x) & ~np.isnan(y)
    return x[known], y[known]


def _edges(angle_deg: Floats, cell_deg: float) -> Floats:
    """Of cells about the multiples of `cell_deg`: labels like to stand there."""
    first, last = np.floor(np.array([angle_deg.min(), angle_deg.max()]) / cell_deg + 0.5)
    return (np.arange(first, last + 2) - 0.5) * cell_deg


def _write_cells(
    axes: Axes, x_edges: Floats, y_edges: Floats, medians: NDArray[np.float64], highest_deg: float
) -> None:
    middles: Sequence[Floats] = [(edges[:-1] + edges[1:]) / 2 for edges in (x_edges, y_edges)]
    for row, y in enumerate(middles[1]):
        for column, x in enumerate(middles[0]):
            value = medians[row, column]
            if np.isfinite(value):
                colour = "white" if value > 0.7 * highest_deg else INK
                axes.text(x, y, f"{value:.0f}", ha="center", va="center", fontsize=7, color=colour)
