import csv
import json
import os
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from headwise import plugins
from headwise.conventions import EulerOrder
from headwise.errors import MissingExtra, OutputError
from headwise.results import Face, FrameResult
from headwise.sinks import COLUMNS, Sink, open_table, table
from sinks import made

ISSUE_COLUMNS = [
    "source",
    "frame",
    "time_s",
    "face",
    "track",
    "score",
    "left",
    "top",
    "right",
    "bottom",
    "yaw_deg",
    "pitch_deg",
    "roll_deg",
    "spread_deg",
    "qw",
    "qx",
    "qy",
    "qz",
    "x_m",
    "y_m",
    "z_m",
]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def write_two_frames(path: Path, order: EulerOrder = EulerOrder.AZIMUTH) -> None:
    with open_table(path, order) as sink:
        sink.write("a, b.mp4", 0, made.result(made.face(track=3), made.face(yaw_deg=-80), time_s=0.0))
        sink.write("a, b.mp4", 7, made.result(time_s=0.28))


def test_columns_are_those_of_the_issue_in_that_order() -> None:
    assert list(COLUMNS) == ISSUE_COLUMNS


def test_csv(tmp_path: Path) -> None:
    write_two_frames(tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == ",".join(ISSUE_COLUMNS)
    assert text.endswith("\n")
    first, second = rows_of(tmp_path / "out.csv")
    assert first["source"] == "a, b.mp4"
    assert (first["frame"], first["face"], first["track"], first["time_s"]) == ("0", "0", "3", "0.000000")
    assert (first["left"], first["bottom"], first["score"]) == ("40.00", "110.00", "0.9870")
    assert (first["yaw_deg"], first["pitch_deg"], first["roll_deg"]) == ("30.000", "-10.000", "5.000")
    assert (first["spread_deg"], first["x_m"], first["z_m"]) == ("3.250", "0.1000", "1.5000")
    assert sum(float(first[f"q{axis}"]) ** 2 for axis in "wxyz") == pytest.approx(1, abs=1e-5)
    assert (second["face"], second["track"], second["yaw_deg"]) == ("1", "", "-80.000")


def test_what_is_unknown_is_empty(tmp_path: Path) -> None:
    with open_table(tmp_path / "out.csv") as sink:
        sink.write("a.png", 0, made.result(made.face(position_m=None, spread_deg=None)))
        sink.write("a.png", 0, made.result(Face(made.face().box, 0.5)))
    partly, nothing = rows_of(tmp_path / "out.csv")
    assert (partly["time_s"], partly["spread_deg"], partly["x_m"]) == ("", "", "")
    assert partly["qw"] != ""
    assert (nothing["yaw_deg"], nothing["qw"], nothing["score"]) == ("", "", "0.5000")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_the_order_of_the_angles_can_be_chosen(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    write_two_frames(path, EulerOrder.LP300W)
    expected = made.face().pose.rotation.euler(EulerOrder.LP300W)
    if ending == "csv":
        row: dict[str, object] = dict(rows_of(path)[0])
    elif ending == "jsonl":
        line = json.loads(path.read_text().splitlines()[0])
        assert line["order"] == "300w-lp"
        row = line["faces"][0]["pose"]
    else:
        pq = pytest.importorskip("pyarrow.parquet")
        assert pq.read_schema(path).metadata[b"headwise.order"] == b"300w-lp"
        row = pq.read_table(path).to_pylist()[0]
    for name, angle in expected._asdict().items():
        assert float(row[name]) == pytest.approx(float(angle), abs=1e-3)


def test_jsonl_has_a_line_for_every_frame_that_reads_back_exactly(tmp_path: Path) -> None:
    write_two_frames(tmp_path / "out.jsonl")
    first, second = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["source"] == "a, b.mp4"
    assert json.loads(first)["order"] == "azimuth"
    assert (json.loads(second)["frame"], json.loads(second)["faces"]) == (7, [])
    back = FrameResult.from_json(first)
    assert (back.faces[0].pose.rotation.matrix == made.face().pose.rotation.matrix).all()
    assert back.time_s == 0.0


def test_parquet(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    write_two_frames(tmp_path / "out.parquet")
    stored = pq.read_table(tmp_path / "out.parquet")
    assert stored.column_names == ISSUE_COLUMNS
    assert [str(field.type) for field in stored.schema][:6] == [
        "string", "int64", "double", "int64", "int64", "double",
    ]  # fmt: skip
    first, second = stored.to_pylist()
    assert (first["track"], second["track"]) == (3, None)
    assert first["yaw_deg"] == pytest.approx(30)
    assert not list(tmp_path.glob("*.part"))


def test_a_parquet_without_faces_is_valid(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    open_table(tmp_path / "out.parquet").close()
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "headwise.sinks.parquet", raising=False)
    with pytest.raises(MissingExtra, match=r"headwise\[table\]"):
        open_table(tmp_path / "out.parquet")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_interrupt_leaves_a_valid_file_with_what_was_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"

    def interrupted() -> None:
        with open_table(path) as sink:
            for frame in range(5):
                sink.write("a", frame, made.result(made.face()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    if ending == "csv":
        assert len(rows_of(path)) == 5
    elif ending == "jsonl":
        assert [json.loads(line)["frame"] for line in path.read_text().splitlines()] == list(range(5))
    else:
        assert pytest.importorskip("pyarrow.parquet").read_table(path).num_rows == 5


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_lines_can_be_read_while_the_file_grows(tmp_path: Path, ending: str) -> None:
    sink = open_table(tmp_path / f"out.{ending}")
    sink.write("a", 0, made.result(made.face()))
    text = (tmp_path / f"out.{ending}").read_text()
    assert text.endswith("\n")
    assert '"a"' in text or "\na," in text
    sink.close()
    sink.close()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_what_cannot_be_written_is_known_at_once(tmp_path: Path, ending: str) -> None:
    with pytest.raises(OutputError, match=r"missing.out.* there is no folder"):
        open_table(tmp_path / "missing" / f"out.{ending}")
    folder = tmp_path / f"folder.{ending}"
    folder.mkdir()
    with pytest.raises(OutputError, match="is a directory") as caught:
        open_table(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_a_full_disk_is_an_output_error(name: str) -> None:
    def fill() -> None:
        sink: Sink = plugins.load("sinks", name, path="/dev/full")
        sink.write("a", 0, made.result(made.face()))

    with pytest.raises(OutputError, match="no space left"):
        fill()


def test_an_unknown_ending_lists_the_known_ones() -> None:
    with pytest.raises(OutputError, match=r"\.csv, \.jsonl, \.parquet, not as '\.xlsx'"):
        open_table("out.xlsx")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_names_that_are_no_unicode_cost_nothing(tmp_path: Path, ending: str) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    path = tmp_path / f"out.{ending}"
    with open_table(path) as sink:
        sink.write(name, 0, made.result(made.face()))
    if ending == "csv":
        assert rows_of(path)[0]["source"] == name
    elif ending == "jsonl":
        assert json.loads(path.read_text())["source"] == name


def printed(*frames: tuple[str, int, FrameResult], width: int = 100) -> str:
    text = StringIO()
    with table.create(console=Console(file=text, width=width)) as sink:
        for source, index, result in frames:
            sink.write(source, index, result)
    return text.getvalue()


def test_the_terminal_table_of_pictures() -> None:
    text = printed(
        ("a.png", 0, made.result(made.face(), made.face(position_m=None, spread_deg=None))),
        ("b.png", 0, made.result()),
    )
    assert "a.png   160 x 120" in text
    assert "+30.0  -10.0   +5.0" in text
    assert "±3.2" in text
    assert "1.52m" in text
    assert "no face found" in text
    assert "time_s" not in text


def test_the_terminal_table_of_a_video_counts_frames_without_a_face() -> None:
    text = printed(
        ("a.mp4", 0, made.result(made.face(track=4), time_s=0.0)),
        ("a.mp4", 1, made.result(time_s=0.5)),
        ("a.mp4", 2, made.result(made.face(track=4), time_s=1.0)),
    )
    assert "1 frame without a face" in text
    assert text.count("a.mp4") == 1
    assert text.count("+30.0") == 2
    assert "track" in text


def test_columns_stand_under_their_headings_and_lines_are_not_wrapped() -> None:
    text = printed(("a.mp4", 12, made.result(made.face(track=4), time_s=0.5)), width=20)
    heading, line = text.splitlines()[1:3]
    for word, end in (
        ("time_s", "0.50"),
        ("yaw", "+30.0"),
        ("roll", "+5.0"),
        ("score", "0.99"),
    ):
        assert heading.index(word) + len(word) == line.index(end) + len(end)
