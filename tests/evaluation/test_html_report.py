"""The page holds its numbers and pictures and needs nothing else."""

import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from headwise.evaluation.outcome import Outcome
from headwise.evaluation.protocols import points5, table
from headwise.pictures import read_picture
from labelled_folders import detections, tools, write_csv, write_picture, write_table

pytest.importorskip("matplotlib")
from headwise.evaluation import plots
from headwise.evaluation.html_report import WORST_SHOWN, html_report

rng = np.random.default_rng(4)
TRUTH = [tuple(row) for row in rng.uniform(-50, 50, (60, 3))]
OFF = rng.normal(0, 6, (60, 3))
EMPTY_ELEMENTS = ("meta", "br", "img")


class Page(HTMLParser):
    """Open tags, and the text of the page; a wrong nesting fails."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.cells: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in EMPTY_ELEMENTS:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.words.append(data)
        if self.open and self.open[-1] in ("th", "td", "dt"):
            self.cells.append(data)

    def svgs(self) -> list[str]:
        prefix = "data:image/svg+xml;base64,"
        return [b64decode(s[len(prefix) :]).decode() for s in self.sources if s.startswith(prefix)]


def answered(folder: Path, scale: float = 1.0, spread_deg: float = 8.0) -> Outcome:
    answers = [tuple(np.array(truth) + scale * off) for truth, off in zip(TRUTH, OFF, strict=True)]
    return table.create().run(folder, tools(answers, spread_deg=spread_deg))


def test_one_model(tmp_path: Path) -> None:
    outcome = answered(write_table(tmp_path, TRUTH))
    page = Page(html_report({"mine": outcome}, read_picture))
    text = "".join(page.words)
    assert all(source.startswith("data:image/") for source in page.sources)
    assert "script" not in page.tags
    assert "url(" not in text
    assert f"{outcome.report['mae']['mean']:.2f}" in text
    assert outcome.report["list_sha256"] in text
    assert len(page.svgs()) == 6  # over yaw, pitch and roll; calibration; cumulative; map
    assert sum(source.startswith("data:image/jpeg") for source in page.sources) == WORST_SHOWN
    assert "0 to 30" in text
    assert any("stated spread" in svg for svg in page.svgs())


def test_two_models_stand_side_by_side(tmp_path: Path) -> None:
    write_table(tmp_path, TRUTH)
    outcomes = {"first": answered(tmp_path), "<b>second": answered(tmp_path, 2)}
    page = Page(html_report(outcomes, read_picture))
    text = "".join(page.words)
    assert "first − <b>second" in text  # a name is text, not a tag
    assert "The 32 worst of first" in text
    assert len(page.svgs()) == 7  # a map for each
    assert sum("first" in svg for svg in page.svgs()) == 5  # a legend in each that shows both


def test_without_roll_and_spread_there_are_fewer_plots(tmp_path: Path) -> None:
    angles = [(yaw, pitch / 2, None) for yaw, pitch, _ in TRUTH]
    write_table(tmp_path, angles)
    answers = [(yaw + 3, pitch, 0.0) for yaw, pitch, _ in angles]
    outcome = table.create().run(tmp_path, tools(answers, spread_deg=np.nan))
    page = Page(html_report({"mine": outcome}, read_picture))
    assert len(page.svgs()) == 4
    assert "Stated spread" not in "".join(page.words)

    assert "rotation" not in page.cells  # columns and facts that say nothing are left out
    assert "by roll" not in page.cells


def test_every_fact_of_the_list_is_told(tmp_path: Path) -> None:
    outcome = answered(write_table(tmp_path, TRUTH))
    outcome.report["recordings"] = ["01", "02"]
    text = "".join(Page(html_report({"mine": outcome}, read_picture)).words)
    assert "recordings01, 02" in text


def test_nothing_found_and_nothing_readable(tmp_path: Path) -> None:
    write_table(tmp_path, TRUTH[:4])
    for path in tmp_path.glob("*.png"):
        path.write_bytes(b"no picture")
    outcome = table.create().run(tmp_path, tools(TRUTH[:4]))
    page = Page(html_report({"mine": outcome}, read_picture))
    assert not page.svgs()
    assert "000.png" in "".join(page.words)


def test_a_detector(tmp_path: Path) -> None:
    points = (30, 30, 50, 30, 40, 40, 32, 50, 48, 50)
    write_picture(tmp_path / "a.png", 0)
    write_picture(tmp_path / "b.png", 1)
    write_csv(tmp_path, points5.COLUMNS, [("a.png", *points, 1), ("b.png", *(p + 40 for p in points), 3)])
    kit = tools([(0, 0, 0)], detect=detections(((20, 20, 60, 60), 0.9)))
    page = Page(html_report({"mine": points5.create().run(tmp_path, kit)}, read_picture))
    assert "50.0\u00a0%" in "".join(page.words)
    assert len(page.svgs()) == 1


def test_plots_are_the_same_each_time(tmp_path: Path) -> None:
    poses = answered(write_table(tmp_path, TRUTH)).poses
    assert poses is not None
    assert plots.cumulative({"mine": poses}) == plots.cumulative({"mine": poses})


def test_the_map_writes_the_median_of_a_cell(tmp_path: Path) -> None:
    truth = [(2.0, 3.0, 0.0)] * 3 + [(20.0, 3.0, 0.0)]
    write_table(tmp_path, truth)
    outcome = table.create().run(tmp_path, tools([(2, 3, 4), (2, 3, 5), (2, 3, 30), (20, 3, 9)]))
    assert outcome.poses is not None
    svg = plots.error_map(outcome.poses, 10.0)
    assert svg is not None
    cells = re.findall(r">(\d+)</text>", svg.split("axes_2")[0].split("matplotlib.axis_2")[-1])
    assert {"5", "9"} <= set(cells)
    assert "30" not in cells[-2:]
