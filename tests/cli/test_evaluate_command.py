"""`headwise evaluate` from the command line, with networks small enough to know their answers."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from headwise.cli import main
from headwise.evaluation.protocols import points5
from labelled_folders import HEADER, write_csv
from tiny_models import YAW_DEG

BLOB = (24, 24, 56, 56)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of a bright square that looks 20 and 25 deg to the image left, as labelled."""
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[BLOB[1] : BLOB[3], BLOB[0] : BLOB[2]] = 255
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    rows = [("a.png", YAW_DEG, 0, 0, *BLOB), ("b.png", YAW_DEG + 5, 0, 0, *BLOB)]
    write_csv(tmp_path, HEADER, rows)
    return tmp_path


def headwise(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["headwise", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("boxes", ["given", "detected"])
def test_table_scores_a_file_and_says_which(
    monkeypatch, capsys, tmp_path, folder, tiny_pose_model, tiny_detector_model, boxes
) -> None:
    out = tmp_path / "made" / "scores.json"
    models = ("--model", tiny_pose_model, "--detector", tiny_detector_model)
    assert headwise(monkeypatch, "evaluate", "table", folder, "--boxes", boxes, *models, "--json", out) == 0
    report = json.loads(out.read_text())
    assert report["mae"]["yaw"] == pytest.approx(2.5, abs=1e-3)
    assert report["mae"]["roll"] == pytest.approx(0, abs=1e-3)
    assert (report["items"], report["missed"], report["boxes"]) == (2, 0, boxes)
    assert report["model"]["name"] == "tiny-pose"
    assert report["model"]["crop"] == {"scale": 1.3, "size_px": 32}
    assert len(report["model"]["sha256"]) == 64
    assert (report["detector"] is None) == (boxes == "given")
    assert "2 items" in capsys.readouterr().out


def test_perturb_and_worst(monkeypatch, tmp_path, folder, tiny_pose_model) -> None:
    out, worst = tmp_path / "scores.json", tmp_path / "worst"
    arguments = ("--model", tiny_pose_model, "--perturb", "--json", out, "--worst", worst)
    assert headwise(monkeypatch, "evaluate", "table", folder, *arguments) == 0
    assert json.loads(out.read_text())["perturbed"]["mean_cost"] == pytest.approx(0, abs=1e-3)
    assert [path.name for path in worst.iterdir()] == [f"table-{folder.name}.png"]


def test_two_models_in_one_report(monkeypatch, capsys, tmp_path, folder, tiny_pose_model) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(tiny_pose_model.read_bytes())
    out, page, worst = tmp_path / "scores.json", tmp_path / "report.html", tmp_path / "worst"
    models = ("--model", tiny_pose_model, "--model", other)
    written = ("--json", out, "--html", page, "--worst", worst)
    assert headwise(monkeypatch, "evaluate", "table", folder, *models, *written) == 0
    report = json.loads(out.read_text())
    assert list(report["models"]) == ["tiny-pose", "other"]
    assert report["models"]["other"]["items"] == 2
    assert report["differences"][0]["mae"] == {"difference": 0, "low": 0, "high": 0}
    assert "| tiny-pose - other | 2 " in capsys.readouterr().out
    assert "<!doctype html>" in page.read_text(encoding="utf-8")
    assert sorted(path.name for path in worst.iterdir()) == [
        f"table-{folder.name}-other.png",
        f"table-{folder.name}-tiny-pose.png",
    ]


def test_set_reaches_the_protocol(monkeypatch, tmp_path, folder, tiny_pose_model) -> None:
    out = tmp_path / "scores.json"
    arguments = ("--model", tiny_pose_model, "--set", "perturb=true", "--json", out)
    assert headwise(monkeypatch, "evaluate", "table", folder, *arguments) == 0
    assert "perturbed" in json.loads(out.read_text())


def test_a_page_without_its_packages_names_the_extra(monkeypatch, capsys, folder, tiny_pose_model) -> None:
    monkeypatch.delitem(sys.modules, "headwise.evaluation.html_report", raising=False)
    monkeypatch.delitem(sys.modules, "headwise.evaluation.plots", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    arguments = ("--model", tiny_pose_model, "--html", folder / "page.html")
    assert headwise(monkeypatch, "evaluate", "table", folder, *arguments) == 2
    assert "pip install 'headwise[report]'" in capsys.readouterr().err


def test_points5_scores_a_detector(monkeypatch, tmp_path, folder, tiny_detector_model) -> None:
    points = (30, 30, 50, 30, 40, 40, 32, 50, 48, 50)
    write_csv(folder, points5.COLUMNS, [("a.png", *points, 1), ("b.png", *(p + 40 for p in points), 3)])
    out = tmp_path / "scores.json"
    arguments = ("--detector", tiny_detector_model, "--json", out)
    assert headwise(monkeypatch, "evaluate", "points5", folder, *arguments) == 0
    report = json.loads(out.read_text())
    assert (report["recall"], report["recall_profile"], report["false_per_image"]) == (0.5, 1, 0.5)
    assert report["threshold"] == 0.5
    assert report["detector"]["name"] == "tiny-detector"
    assert report["model"] is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("tabel", "."), "did you mean 'table'"),
        (("table", "nowhere"), "labels.csv: cannot read the list"),
        (("table", "FOLDER", "--boxes", "drawn"), "no boxes 'drawn'; there are: given, detected"),
        (("points5", "FOLDER", "--boxes", "given"), "points5"),
        (("table", "FOLDER", "--model", "nothing.onnx"), "no model 'nothing.onnx'"),
        (("points5", "FOLDER", "--model", "pose"), "several --model have nothing to compare"),
        (("table", "FOLDER", "--set", "boxes"), "--set needs key=value, got 'boxes'"),
        (("table", "FOLDER", "--set", "boxs=given"), "the options are table(*, boxes"),
        (("table", "FOLDER", "--json", "FOLDER/a.png/x.json"), "a.png/x.json: cannot be written"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    monkeypatch, capsys, folder, tiny_pose_model, tiny_detector_model, arguments, message
) -> None:
    models = ("--model", tiny_pose_model, "--detector", tiny_detector_model)
    given = [argument.replace("FOLDER", str(folder)) for argument in arguments]
    assert headwise(monkeypatch, "evaluate", *models, *given) == 2
    printed = capsys.readouterr().err.strip()
    assert message in printed
    assert printed.count("\n") == 0
