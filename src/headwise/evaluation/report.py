"""The JSON of a run, in a file and as Markdown: readable in a terminal, in reports/ and in a pull request."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from headwise.errors import OutputError
from headwise.evaluation.outcome import Json

UNKNOWN = "-"


def as_markdown(report: Json) -> str:
    """A report of any protocol; unknown numbers are a dash."""
    return _detector_report(report) if "by_threshold" in report else _pose_report(report)


def compared_as_markdown(compared: Json) -> str:
    """What `comparison` gives, as tables with one row a model."""
    reports: dict[str, Json] = compared["models"]
    first = next(iter(reports.values()))
    rows = [
        (name, *_angles(r["mae"]), r["geodesic"]["mean"], r["geodesic"]["median"], r["geodesic"]["p95"],
         r["facing"]["mean"], r["maev"], _spread_ratio(r), r["missed"])
        for name, r in reports.items()
    ]  # fmt: skip
    columns = ("model", "yaw", "pitch", "roll", "MAE", "rotation", "median", "p95", "facing", "MAEV",
               "error / spread", "missed")  # fmt: skip
    differences = [
        (f"{d['first']} - {d['second']}", d["items"], *_difference(d["mae"]), *_difference(d["geodesic"]))
        for d in compared["differences"]
    ]
    sides = {"by_yaw": "yaw from zero", "by_pitch": "pitch", "by_roll": "roll"}
    parts = [
        f"**{first['protocol']}** on {first['list']} ({first['list_sha256'][:12]})",
        _facts({**first, "missed": None}),
        markdown_table(columns, rows),
        markdown_table(("difference", "items", "MAE", "from", "to", "rotation", "from", "to"), differences),
        "Below zero the first is better; from .. to holds 95 % of resampled lists.",
        *(_compared_bins(heading, key, reports) for key, heading in sides.items()),
        *_unreadable_lines(first),
    ]
    return "\n\n".join(parts)


def save_json(path: Path, report: Json) -> None:
    """Write the numbers, making the folder if need be. Raises OutputError."""
    save(path, (json.dumps(report, indent=1, allow_nan=False) + "\n").encode())


def save(path: Path, content: bytes) -> None:
    """Write a file, making its folder if need be. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns padded to one width, so that the source is as readable as what it renders to."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def _pose_report(report: Json) -> str:
    angle_rows = [("MAE", *_angles(report["mae"])), ("bias", *_angles({**report["bias"], "mean": None}))]
    if "mae_with_missed" in report:
        angle_rows.append(("MAE, missed as errors", *_angles(report["mae_with_missed"])))
    spreads = [("rotation", report["geodesic"]), ("facing direction", report["facing"])]
    sides = {"by_yaw": "yaw from zero", "by_pitch": "pitch", "by_roll": "roll"}
    parts = [
        _head(report),
        _facts(report),
        markdown_table(("degrees", "yaw", "pitch", "roll", "mean"), angle_rows),
        markdown_table(
            ("error, degrees", "mean", "median", "p95"),
            [(n, s["mean"], s["median"], s["p95"]) for n, s in spreads],
        ),
        _interval_line(report),
        *(_bin_table(heading, report[key]) for key, heading in sides.items() if report[key]),
        *_aligned_lines(report),
        *_hidden_lines(report),
        *_calibration_lines(report),
        *_perturbed_lines(report),
        *_ways_lines(report),
        *_position_lines(report),
        *_unreadable_lines(report),
    ]
    return "\n\n".join(parts)


def _ways_lines(report: Json) -> list[str]:
    """Of a run that answered in several ways, and of points labelled twice."""
    if report.get("reannotated"):
        again = report["reannotated"]
        rows = [(*_angles(one["mae"]), one["geodesic"]["mean"], one["missed"]) for one in (report, again)]
        named = [(name, *row) for name, row in zip(("official", "re-annotated"), rows, strict=True)]
        return [markdown_table(("points", "yaw", "pitch", "roll", "MAE", "rotation", "missed"), named)]
    return [compared_as_markdown(report["ways"])] if "ways" in report else []


def _position_lines(report: Json) -> list[str]:
    """Distances, and what their error is made of."""
    if "position" not in report:
        return []
    place, columns = report["position"], ("median", "p90", "bias")
    ways = [
        (name.replace("_", " "), way["items"], *(way[key] for key in columns), way["across_mm"])
        for name, way in (*place["ways"].items(), ("fit, face hidden", place["hidden"]))
    ]
    parts = [(name, *(part[key] for key in columns)) for name, part in place["split"].items()]
    spread = place["spread"]
    return [
        markdown_table(("distance error, %", "heads", *columns, "across, mm"), ways),
        markdown_table(("the fit's, in parts, %", *columns), parts),
        f"Stated spread of the distance {_cell(spread['mean_percent'])} %; within one spread "
        f"{_cell(spread['within_one'])}, within two {_cell(spread['within_two'])} of the errors",
    ]


def _facts(report: Json) -> str:
    outside = f" ({report['excluded']} outside the protocol)" if "excluded" in report else ""
    missed = "" if report["missed"] is None else f"{report['missed']} missed, "
    return (
        f"{report['items']} items{outside}, {missed}"
        f"{len(report['unreadable'])} unreadable; order {report['order']}; boxes {report['boxes']}"
    )


def _bin_table(heading: str, bins: Sequence[Json]) -> str:
    rows = [
        (f"{one['from_deg']:g} to {one['to_deg']:g}", one["items"], *_angles(one["mae"]), one["geodesic"])
        for one in bins
    ]
    return markdown_table((heading, "items", "yaw", "pitch", "roll", "mean", "rotation"), rows)


def _interval_line(report: Json) -> str:
    mae, geodesic = report["interval95"]["mae"], report["interval95"]["geodesic"]
    return (
        f"MAEV {_cell(report['maev'])}; 95 % of resampled lists: mean MAE {_cell(mae['low'])} to "
        f"{_cell(mae['high'])}, rotation {_cell(geodesic['low'])} to {_cell(geodesic['high'])}"
    )


def _spread_ratio(report: Json) -> float | None:
    return None if report["calibration"] is None else report["calibration"]["ratio"]


def _difference(one: Json) -> tuple[float | None, ...]:
    return one["difference"], one["low"], one["high"]


def _compared_bins(heading: str, key: str, reports: Mapping[str, Json]) -> str:
    """Mean MAE of each model in each bin; without one a dash."""
    bins = {(one["from_deg"], one["to_deg"]): one for report in reports.values() for one in report[key]}
    rows = []
    for low, high in sorted(bins):
        of = [[one for one in r[key] if one["from_deg"] == low] for r in reports.values()]
        rows.append((f"{low:g} to {high:g}", *(one[0]["mae"]["mean"] if one else None for one in of)))
    return markdown_table((f"MAE by {heading}", *reports), rows)


def _hidden_lines(report: Json) -> list[str]:
    if report.get("face_hidden") is None:
        return []
    hidden = report["face_hidden"]
    return [
        f"Face hidden: {_cell(hidden['accuracy'])} right; of {hidden['hidden_items']} hidden faces "
        f"{_cell(hidden['found'])} called hidden, of the others {_cell(hidden['false'])}"
    ]


def _detector_report(report: Json) -> str:
    keys = ("recall", "recall_profile", "false_per_image")
    curve = [(f"{one['threshold']:.2f}", *(one[key] for key in keys)) for one in report["by_threshold"]]
    parts = [
        _head(report),
        f"{report['items']} items ({report['profiles']} profiles), {report['missed']} missed, "
        f"{len(report['unreadable'])} unreadable; score threshold {report['threshold']:g}",
        markdown_table(
            ("recall", "recall, profiles", "extra boxes per picture"), [[report[key] for key in keys]]
        ),
        markdown_table(("threshold", "recall", "recall, profiles", "extra boxes per picture"), curve),
        *_unreadable_lines(report),
    ]
    return "\n\n".join(parts)


def _head(report: Json) -> str:
    models = [f"{kind} {report[kind]['name']}" for kind in ("model", "detector") if report.get(kind)]
    scored = f"**{report['protocol']}** on {report['list']} ({report['list_sha256'][:12]})"
    return f"{scored}: {', '.join(models)}" if models else scored


def _aligned_lines(report: Json) -> list[str]:
    if report["aligned"] is None:
        return []
    offset = ", ".join(_cell(value) for value in report["mean_rotation_offset"])
    aligned = report["aligned"]
    return [
        f"Mean rotation offset ({offset}) deg about the head's x, y, z. With it taken out (not comparable "
        f"with plain numbers): mean MAE {_cell(aligned['mae']['mean'])}, "
        f"rotation {_cell(aligned['geodesic']['mean'])}"
    ]


def _calibration_lines(report: Json) -> list[str]:
    spread = report["calibration"]
    if spread is None:
        return []
    bins = [(one["items"], one["mean_spread_deg"], one["mean_error_deg"]) for one in spread["bins"]]
    return [
        f"Stated spread {_cell(spread['mean_spread_deg'])}, error {_cell(spread['mean_error_deg'])} deg, "
        f"rank correlation {_cell(spread['rank_correlation'])}; within one spread "
        f"{_cell(spread['within_1_spread'])}, within two {_cell(spread['within_2_spreads'])} of the errors; "
        f"calibration error {_cell(spread['calibration_error_deg'])} deg",
        markdown_table(("items", "stated spread", "error"), bins),
    ]


def _perturbed_lines(report: Json) -> list[str]:
    if "perturbed" not in report:
        return []
    moved = report["perturbed"]
    rows = [(name, one["mae_mean"], one["cost"]) for name, one in moved["sets"].items()]
    rows.append(("mean", None, moved["mean_cost"]))
    return [markdown_table(("moved boxes", "mean MAE", "cost"), rows)]


def _unreadable_lines(report: Json) -> list[str]:
    return (
        ["\n".join(f"unreadable: {message}" for message in report["unreadable"])]
        if report["unreadable"]
        else []
    )


def _angles(means: Json) -> tuple[float | None, ...]:
    return means["yaw"], means["pitch"], means["roll"], means["mean"]


def _cell(value: object) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:.3f}" if isinstance(value, float) else str(value)
