"""The bench of engines: every case is measured or says why not; table and plot show them."""

import json
import sys
from dataclasses import replace

import pytest

from headwise.cli import main
from headwise.errors import SettingsError
from headwise.evaluation import engine_bench
from headwise.evaluation.engine_report import as_markdown

BATCHES = (1, 3)


@pytest.fixture(scope="module")
def report(tiny_pose_model, tiny_detector_model):
    models = [str(tiny_pose_model), str(tiny_detector_model)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_bench.os, "cpu_count", lambda: 1)
        return _measured(models, tiny_pose_model)


def _measured(models, peer):
    done: list[int] = []
    found = engine_bench.run(
        models,
        ["onnxruntime"],
        peers=[peer],
        batches=BATCHES,
        seconds=0.01,
        progress=done.append,
    )
    assert len(done) == engine_bench.count_turns(models, ["onnxruntime"], [peer], len(BATCHES))
    return found


def test_each_case_has_a_row_with_its_speed_and_memory(report):
    assert [row["batch"] for row in report["rows"]] == [*BATCHES, 1, 1], "pose, detector, peer"
    for row in report["rows"]:
        assert 0 < row["p5_ms"] <= row["median_ms"] <= row["p95_ms"]
        assert row["per_s"] == pytest.approx(1e3 * row["batch"] / row["median_ms"])
        assert 20 < row["memory_mb"] < 2000


def test_a_runtime_that_cannot_is_told_and_the_others_are_measured(tiny_pose_model, tmp_path):
    case = engine_bench.Case(str(tiny_pose_model), "onnxruntime", 1, -1)
    told, speed = engine_bench.measured_in_turns([case, replace(case, threads=1)], 0.01)
    assert isinstance(speed, engine_bench.Speed)
    assert isinstance(told, str)
    assert "threads" in told
    table = as_markdown({"cpu": "c", "cores": 2, "rows": [engine_bench._row(case, told)]})
    assert told in table


def test_the_plot_names_file_and_engine(report):
    plot = pytest.importorskip("headwise.evaluation.engine_plot", reason="plots need the extra 'report'")
    drawn = plot.speed_plot(report)
    assert drawn.startswith("<svg")
    assert "onnxruntime" in drawn
    assert "milliseconds, batch 1, one thread" in drawn


def test_the_command_writes_table_and_json(monkeypatch, capsys, tmp_path, tiny_pose_model):
    monkeypatch.setattr(engine_bench, "SECONDS", 0.01)
    monkeypatch.setattr(engine_bench, "BATCHES", (1,))
    monkeypatch.setattr(engine_bench.os, "cpu_count", lambda: 1)
    out = tmp_path / "engines.json"
    line = [
        "headwise",
        "bench",
        "--engines",
        "onnxruntime",
        "--model",
        str(tiny_pose_model),
        "--json",
        str(out),
    ]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert "onnxruntime" in capsys.readouterr().out
    assert json.loads(out.read_text())["rows"]


@pytest.mark.parametrize(
    "options", [["--engines", "tensorflow"], ["--peer", "x.onnx"], ["--model", "a", "--model", "b"]]
)
def test_what_does_not_go_together_is_said(options, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["headwise", "bench", *options])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert "--engines" in told or "runtime" in told
    assert SettingsError.__name__ not in told


def test_a_process_that_dies_is_told_and_the_others_go_on(tiny_pose_model, monkeypatch):
    case = engine_bench.Case(str(tiny_pose_model), "onnxruntime", 1, 1)
    take_turn = engine_bench._Worker.take_turn
    turns: list[int] = []

    def killed_at_the_third(worker, seconds):
        turns.append(1)
        if len(turns) == 3:
            worker._process.kill()
            worker._process.join()
        take_turn(worker, seconds)

    monkeypatch.setattr(engine_bench._Worker, "take_turn", killed_at_the_third)
    told, speed = engine_bench.measured_in_turns([case, case], 0.01)
    assert told == "the process ended with code -9"
    assert isinstance(speed, engine_bench.Speed)
