"""Runs become rows, from what the loop leaves behind."""

import json
import sys
from pathlib import Path

import pytest

from headwise.cli import main
from headwise.errors import InputError
from headwise.training.run_table import columns_and_cells, read_run_row

SETTINGS = {
    "name": "hopenet",
    "task": {
        "name": "pose",
        "network": {"backbone": "resnet", "head": "hopenet"},
        "crop": {"scale": 1.2, "size_px": 112},
        "data": {"mix": [{"name": "crop_shards"}, {"name": "w300lp"}]},
    },
    "schedule": {"stages": [{"size_px": 72, "share": 0.5}, {"size_px": 96, "share": 0.5}]},
}
LOG = """samples,minutes,size_px,ranking,geodesic_mean_deg
64,1.5,72,geodesic_mean_deg,9
128,3.25,96,geodesic_mean_deg,10
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "long"
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps({"settings": SETTINGS, "parameters": 11_200_000}))
    (folder / "log.csv").write_text(LOG)
    return folder


def test_a_run_says_what_it_was_and_cost(run: Path) -> None:
    row = read_run_row(run)
    assert (row.folder, row.name, row.backbone, row.head) == ("long", "hopenet", "resnet", "hopenet")
    assert row.data == "crop_shards + w300lp"
    assert (row.samples, row.minutes, row.size_px, row.parameters) == (128, 3.25, 112, 11_200_000)
    assert (row.ranking, row.validation, row.best) == ("geodesic_mean_deg", 10, 9)


def test_scores_measured_elsewhere_become_columns(run: Path) -> None:
    report = {"mae": {"yaw": 1, "mean": 2.5}, "geodesic": {"mean": 4.5, "median": 4}}
    (run / "scores.json").write_text(
        json.dumps({"photos": report, "speed": {"ms": 0.9, "cpu": "x"}, "mb": 3})
    )
    assert read_run_row(run).measured == {"photos MAE": 2.5, "photos rotation": 4.5, "speed ms": 0.9, "mb": 3}


def test_a_log_of_former_times_is_ranked_by_its_score(run: Path) -> None:
    (run / "log.csv").write_text("samples,minutes,one_minus_ap\n64,1,0.4\n128,2,0.3\n")
    row = read_run_row(run)
    assert (row.ranking, row.best) == ("one_minus_ap", 0.3)


def test_columns_nobody_fills_are_left_out(run: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    plain = SETTINGS | {"task": {"name": "toy"}}
    (begun / "settings.json").write_text(json.dumps({"settings": plain, "parameters": 5}))
    columns, cells = columns_and_cells([read_run_row(begun)])
    assert columns == ["run", "settings", "input", "M parameters"]
    assert cells == [["begun", "hopenet", 96, 5e-6]]
    columns, cells = columns_and_cells([read_run_row(run), read_run_row(begun)])
    assert cells[1][columns.index("backbone")] is None


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run"):
        read_run_row(tmp_path)


def test_settings_that_are_no_json(run: Path) -> None:
    (run / "settings.json").write_text("{")
    with pytest.raises(InputError, match=r"settings.json: cannot be read as JSON"):
        read_run_row(run)


def test_the_loop_leaves_what_is_read(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("lightning_fabric")
    from toy_task import run_in

    run_in(tmp_path).train()
    row = read_run_row(tmp_path)
    assert (row.name, row.samples, row.size_px, row.parameters) == ("toy", 48, 32, 41)
    assert row.ranking == "error"
    (tmp_path / "settings.json").unlink()
    assert read_run_row(tmp_path) == row  # from the checkpoint


def test_the_command_prints_and_writes(run: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    out = tmp_path / "runs.json"
    monkeypatch.setattr(sys, "argv", ["headwise", "runs", str(run), "--json", str(out)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert "| long | hopenet  | resnet   | hopenet |" in capsys.readouterr().out
    assert json.loads(out.read_text())["runs"][0]["parameters"] == 11_200_000
