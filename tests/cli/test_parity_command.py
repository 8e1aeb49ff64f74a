"""`headwise parity`: models and runtimes compared on the heads of pictures."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from headwise.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(monkeypatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["headwise", "parity", *options])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_file_agrees_with_itself_and_not_with_another(monkeypatch, capsys, tiny_pose_model) -> None:
    assert run(monkeypatch, str(EXAMPLES / "portrait.jpg"), "--limit", "0.01") == 0
    ((model, runtime, mean, most, points, told),) = rows_of(capsys.readouterr().out)
    assert (model, runtime, told) == ("pose", "onnxruntime", "")
    assert (float(mean), float(most), float(points)) == (0, 0, 0)
    assert (
        run(monkeypatch, str(EXAMPLES / "portrait.jpg"), "--other", str(tiny_pose_model), "--limit", "1") == 2
    )
    assert "wants other crops" in capsys.readouterr().out


def test_a_runtime_that_is_unknown_is_a_row_of_its_own(monkeypatch, capsys) -> None:
    picture = str(EXAMPLES / "portrait.jpg")
    assert run(monkeypatch, picture, "--runtime", "onnxruntime", "--runtime", "onnxruntim") == 0
    good, bad = rows_of(capsys.readouterr().out)
    assert good[2] == "0.000"
    assert "did you mean 'onnxruntime'?" in bad[5]


def test_pictures_without_heads_are_an_error(monkeypatch, capsys, tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((64, 64, 3), np.uint8))
    assert run(monkeypatch, str(tmp_path / "black.png")) == 2
    assert "no head was found" in capsys.readouterr().err
