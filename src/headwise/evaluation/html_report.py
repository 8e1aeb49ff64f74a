"""A run as one HTML file that needs nothing else: no network, no script, pictures and plots inside.

Numbers come from the same reports that `--json` writes; nothing is computed here but plots.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

from headwise.conventions import EulerOrder
from headwise.evaluation import plots
from headwise.evaluation.comparison import comparison
from headwise.evaluation.contact_sheet import tile
from headwise.evaluation.outcome import Image, Json, Outcome, Read, ScoredPoses, WorstItem
from headwise.evaluation.pose_errors import euler_deg, facing_angles_deg
from headwise.evaluation.report import UNKNOWN
from headwise.rotation import Rotation

TEMPLATE = "report.html.j2"
WORST_SHOWN = 32
JPEG_QUALITY = 82
FACTS = {
    "items": "items scored",
    "listed": "items listed",
    "excluded": "outside the protocol",
    "order": "Euler order",
    "list_sha256": "SHA-256 of the list",
    "labels_sha256": "SHA-256 of the labels",
}
"""Keys of a report whose names want more words."""
SCORES = (
    "unreadable",
    "maev",
    "mean_rotation_offset",
    "recall",
    "recall_profile",
    "false_per_image",
    "threshold",
)
"""Plain values of a report that are shown elsewhere."""
NO_BREAK_SPACE = "\u00a0"


@dataclass(frozen=True)
class Figure:
    """A plot with the words below it."""

    svg: str
    caption: str

    @property
    def source(self) -> str:
        """For the `src` of an image: an image keeps the ids of one SVG from those of the next."""
        return data_url("image/svg+xml", self.svg.encode())


@dataclass(frozen=True)
class Picture:
    """One of the worst items: drawn, and in numbers."""

    source: str
    title: str
    labelled: str
    said: str


@dataclass(frozen=True)
class Table:
    """Cells are text, ready to show."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def html_report(outcomes: Mapping[str, Outcome], read: Read) -> str:
    """The page of one run, or of several models on the same items; `read` fetches the worst pictures."""
    reports = {name: outcome.report for name, outcome in outcomes.items()}
    first = next(iter(reports.values()))
    poses = {name: outcome.poses for name, outcome in outcomes.items() if outcome.poses is not None}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page: str = environment.get_template(TEMPLATE).render(
        title=f"{first['protocol']}: {first['list']}",
        models=[(name, report.get("model") or report.get("detector")) for name, report in reports.items()],
        headlines=pose_headlines(outcomes) if poses else [recall_headline(reports)],
        facts=facts(first),
        cards=[(name, card_facts(report)) for name, report in reports.items()],
        figures=pose_figures(poses, reports) if poses else [recall_figure(reports)],
        maps=error_maps(poses),
        tables=bin_tables(reports) if poses else [],
        has_poses=bool(poses),
        worst=[(name, worst_pictures(outcome, read)) for name, outcome in outcomes.items()],
        unreadable=first["unreadable"],
    )
    return page


def pose_headlines(outcomes: Mapping[str, Outcome]) -> list[Table]:
    """MAE and rotation errors of each model, calibration, differences between models."""
    reports = {name: outcome.report for name, outcome in outcomes.items()}
    tables = [
        Table(
            "Mean absolute error of the angles, degrees",
            ("model", "yaw", "pitch", "roll", "mean", "95 % interval", "found"),
            [
                (
                    name,
                    *(number(r["mae"][angle]) for angle in ("yaw", "pitch", "roll", "mean")),
                    interval(r["interval95"]["mae"]),
                    f"{r['items'] - r['missed']} of {r['items']}",
                )
                for name, r in reports.items()
            ],
        ),
        Table(
            "Angle between the rotations, degrees",
            ("model", "mean", "95 % interval", "median", "95th percentile", "MAEV"),
            [
                (
                    name,
                    number(r["geodesic"]["mean"]),
                    interval(r["interval95"]["geodesic"]),
                    *(number(r["geodesic"][key]) for key in ("median", "p95")),
                    number(r["maev"]),
                )
                for name, r in reports.items()
                if r["geodesic"]["mean"] is not None
            ],
        ),
        Table(
            "Angle between the facing directions; signed mean errors, degrees",
            ("model", "mean", "median", "95th percentile", "bias yaw", "bias pitch", "bias roll"),
            [
                (
                    name,
                    *(number(r["facing"][key]) for key in ("mean", "median", "p95")),
                    *(signed(r["bias"][angle]) for angle in ("yaw", "pitch", "roll")),
                )
                for name, r in reports.items()
            ],
        ),
        *other_tables(reports),
        *calibration_tables(reports),
        *hidden_tables(reports),
    ]
    if len(outcomes) > 1:
        tables.append(difference_table(comparison(outcomes)["differences"]))
    return [known_columns(table) for table in tables if table.rows]


def known_columns(table: Table) -> Table:
    """Without the columns that say nothing in any row; the first one names the rows and stays."""
    kept = [i for i in range(len(table.columns)) if i == 0 or any(row[i] != UNKNOWN for row in table.rows)]
    rows = [[row[i] for i in kept] for row in table.rows]
    return Table(table.heading, [table.columns[i] for i in kept], rows)


def other_tables(reports: Mapping[str, Json]) -> list[Table]:
    """Scores under other rules: missed faces, the mean offset taken out, moved boxes."""
    rows = []
    for name, r in reports.items():
        aligned, moved = r.get("aligned"), r.get("perturbed")
        rows.append(
            (
                name,
                number(r["mae_with_missed"]["mean"] if "mae_with_missed" in r else None),
                number(aligned["mae"]["mean"] if aligned else None),
                number(aligned["geodesic"]["mean"] if aligned else None),
                signed(moved["mean_cost"] if moved else None),
                signed(moved["worst_cost"] if moved else None),
            )
        )
    columns = ("model", "MAE, missed as errors", "MAE, mean offset taken out", "rotation, likewise",
               "cost of moved boxes", "of the worst")  # fmt: skip
    heading = "Under other rules, degrees"
    return [Table(heading, columns, rows)]


def calibration_tables(reports: Mapping[str, Json]) -> list[Table]:
    """How far each model's stated spread can be trusted."""
    stated = {name: r["calibration"] for name, r in reports.items() if r["calibration"] is not None}
    keys = ("mean_spread_deg", "mean_error_deg", "ratio", "calibration_error_deg", "rank_correlation")
    rows = [
        (
            name,
            *(number(c[key]) for key in keys),
            percent(c["within_1_spread"]),
            percent(c["within_2_spreads"]),
        )
        for name, c in stated.items()
    ]
    columns = ("model", "spread", "error", "error / spread", "calibration error", "rank correlation",
               "within 1 spread", "within 2")  # fmt: skip
    return [Table("Stated spread against measured error, degrees", columns, rows)] if rows else []


def hidden_tables(reports: Mapping[str, Json]) -> list[Table]:
    """Faces that look away, where the protocol labels them."""
    rows = [
        (name, percent(h["accuracy"]), percent(h["found"]), percent(h["false"]), str(h["hidden_items"]))
        for name, h in ((name, r.get("face_hidden")) for name, r in reports.items())
        if h is not None
    ]
    columns = ("model", "right", "hidden ones found", "others called hidden", "hidden items")
    return [Table("Face hidden", columns, rows)] if rows else []


def difference_table(differences: Sequence[Json]) -> Table:
    """Each pair of models; an interval without zero is a difference that the list of items can show."""
    rows = [
        (
            f"{one['first']} − {one['second']}",
            str(one["items"]),
            signed(one["mae"]["difference"]),
            interval(one["mae"], signed),
            signed(one["geodesic"]["difference"]),
            interval(one["geodesic"], signed),
        )
        for one in differences
    ]
    columns = ("models", "items", "mean MAE", "95 % interval", "rotation", "95 % interval")
    return Table(
        "Differences on the items both found, degrees (below zero: the first is better)", columns, rows
    )


def recall_headline(reports: Mapping[str, Json]) -> Table:
    """A detector's numbers at its own threshold."""
    rows = [
        (
            report["detector"]["name"] if report.get("detector") else name,
            percent(report["recall"]),
            percent(report["recall_profile"]),
            number(report["false_per_image"]),
            number(report["threshold"]),
        )
        for name, report in reports.items()
    ]
    columns = ("detector", "faces found", "profiles found", "extra boxes per picture", "threshold")
    return Table("Faces found", columns, rows)


def recall_figure(reports: Mapping[str, Json]) -> Figure:
    """A detector's trade."""
    return Figure(
        plots.recall_curve(reports), "Faces found over extra boxes, at score thresholds 0.05 to 0.95."
    )


def pose_figures(poses: Mapping[str, ScoredPoses], reports: Mapping[str, Json]) -> list[Figure]:
    """Every plot that the run has the numbers for."""
    if not any(len(one.index) for one in poses.values()):
        return []
    made = [
        (
            plots.error_over_angle(poses, column),
            f"Error over the labelled {angle}: median and quartiles of groups of items"
            + (", and the single items." if len(poses) == 1 else "."),
        )
        for column, angle in enumerate(plots.ANGLES)
    ]
    made += [
        (plots.cumulative(poses), "Share of the found items whose error is at most so large."),
        (
            plots.calibration(poses, reports),
            "Stated spread and measured error, means of bins of equal size by spread, with standard errors. "
            "Above the line the model is surer than it should be.",
        ),
    ]
    return [Figure(svg, caption) for svg, caption in made if svg is not None]


def error_maps(poses: Mapping[str, ScoredPoses]) -> list[Figure]:
    """Where in yaw and pitch each model errs."""
    highest_deg = plots.map_scale_deg(poses)
    made = [(name, plots.error_map(one, highest_deg)) for name, one in poses.items()]
    of = {name: f" of {name}" if len(poses) > 1 else "" for name in poses}
    return [
        Figure(svg, f"Median error{of[name]} by labelled yaw and pitch; the number stands in its cell.")
        for name, svg in made
        if svg is not None
    ]


def bin_tables(reports: Mapping[str, Json]) -> list[Table]:
    """By yaw, pitch and roll: all numbers of one model, or the mean errors of several side by side."""
    headings = {"by_yaw": "yaw from zero", "by_pitch": "pitch", "by_roll": "roll"}
    made = one_models_bins if len(reports) == 1 else side_by_side_bins
    return [
        known_columns(made(heading, {name: report[key] for name, report in reports.items()}))
        for key, heading in headings.items()
        if any(report[key] for report in reports.values())
    ]


def one_models_bins(heading: str, bins: Mapping[str, Sequence[Json]]) -> Table:
    """All numbers of each bin."""
    (one,) = bins.values()
    rows = [
        (
            bin_name(row),
            str(row["items"]),
            *(number(row["mae"][angle]) for angle in ("yaw", "pitch", "roll", "mean")),
            number(row["geodesic"]),
            *(signed(row["bias"][angle]) for angle in ("yaw", "pitch", "roll")),
        )
        for row in one
    ]
    columns = (heading, "items", "MAE yaw", "pitch", "roll", "mean", "rotation", "bias yaw", "pitch", "roll")
    return Table(f"By {heading}, degrees", columns, rows)


def side_by_side_bins(heading: str, bins: Mapping[str, Sequence[Json]]) -> Table:
    """Mean MAE and rotation error of each model in each bin."""
    cells: dict[str, dict[str, Json]] = {}
    for name, rows in bins.items():
        for row in rows:
            cells.setdefault(bin_name(row), {})[name] = row
    made = []
    for label, by_model in cells.items():
        of = [by_model.get(name) for name in bins]
        numbers = [
            (number(one["mae"]["mean"]), number(one["geodesic"])) if one else (UNKNOWN,) * 2 for one in of
        ]
        most = max(one["items"] for one in by_model.values())
        made.append((label, str(most), *(cell for pair in zip(*numbers, strict=True) for cell in pair)))
    columns = (heading, "items", *(f"MAE {name}" for name in bins), *(f"rotation {name}" for name in bins))
    return Table(f"By {heading}, degrees", columns, made)


def worst_pictures(outcome: Outcome, read: Read) -> list[Picture]:
    """The first items of `worst`, drawn."""
    order = outcome.poses.errors.order if outcome.poses is not None else EulerOrder.AZIMUTH
    return [
        Picture(
            data_url("image/jpeg", jpeg(tile(item, read))),
            item.caption,
            angles(item, item.truth, order),
            angles(item, item.found, order),
        )
        for item in outcome.worst[:WORST_SHOWN]
    ]


def angles(item: WorstItem, rotation: Rotation | None, order: EulerOrder) -> str:
    """Yaw, pitch, roll of one rotation in the scored order; empty without one."""
    if rotation is None:
        return ""
    one = Rotation(rotation.matrix[None])
    values = (facing_angles_deg(one) if item.facing_only else euler_deg(one, order))[0]
    return ", ".join(f"{round(value)}" for value in values[~np.isnan(values)]).replace("-", "−")


def facts(report: Json) -> list[tuple[str, str]]:
    """What was scored, for a list of terms: every plain value that is no score, and lists of such."""
    made = []
    for key, value in report.items():
        values = value if isinstance(value, list) else [value]
        if key not in SCORES and values and all(isinstance(one, str | int | float) for one in values):
            made.append((FACTS.get(key, key.replace("_", " ")), ", ".join(map(str, values))))
    return made


def card_facts(report: Json) -> list[tuple[str, str]]:
    """What the scored files say of themselves."""
    made = []
    for kind in ("model", "detector"):
        card = report.get(kind)
        if not card:
            continue
        made.append((kind, f"{card['name']} {card.get('version', '')}".strip()))
        if card.get("crop"):
            made.append(("crop", f"{card['crop']['scale']:g} box sides to {card['crop']['size_px']} px"))
        if "bytes" in card:
            made.append(("file", f"{card['bytes'] / 1e6:.2f} MB, {card['licence']}, {card['created']}"))
            made.append(("SHA-256", card["sha256"]))
        if card.get("sources"):
            made.append(("made from", "; ".join(card["sources"])))
    return made


def data_url(kind: str, content: bytes) -> str:
    """Content as the `src` of an image."""
    return f"data:{kind};base64,{b64encode(content).decode()}"


def jpeg(image: Image) -> bytes:
    """An RGB picture as a JPEG file."""
    encoded: Any = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return bytes(encoded.tobytes())


def bin_name(row: Json) -> str:
    """Such as "−30 to 0"."""
    return f"{row['from_deg']:g} to {row['to_deg']:g}".replace("-", "−")


def number(value: float | None) -> str:
    """Two digits: what the lists of this field can tell apart."""
    return UNKNOWN if value is None else f"{value:.2f}"


def signed(value: float | None) -> str:
    """With + or a true minus."""
    return UNKNOWN if value is None else f"{value:+.2f}".replace("-", "−")


def percent(value: float | None) -> str:
    """Of a share in 0..1."""
    return UNKNOWN if value is None else f"{100 * value:.1f}{NO_BREAK_SPACE}%"


def interval(one: Json, shown: Callable[[float | None], str] = number) -> str:
    """`low` to `high` on one line."""
    if one["low"] is None:
        return UNKNOWN
    return f"{shown(one['low'])} to {shown(one['high'])}".replace(" ", NO_BREAK_SPACE)
