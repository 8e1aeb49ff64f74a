"""Python and the command line say the same, to the last digit."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import headwise
from headwise.cli import app
from headwise.results import FrameResult
from headwise.sources import open_sources


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(2)
    names = []
    for i in range(3):
        image = rng.integers(0, 150, (90 + 40 * i, 160, 3), np.uint8)
        image[20 + 5 * i : 60, 30:70, 0] = 255
        image[40:80, 90 + i : 140, 1] = 255
        names.append(str(tmp_path / f"{i}.png"))
        cv2.imwrite(names[-1], image)
    return names


def test_python_and_command_line_give_identical_json(
    tmp_path: Path, files: list[str], tiny_pose_model: Path, tiny_detector_model: Path
) -> None:
    pipeline = headwise.open(model=tiny_pose_model, detector=tiny_detector_model, fov_deg=70)
    from_python = [result for source in open_sources(files) for result in pipeline.run(source)]
    out = tmp_path / "out.jsonl"
    models = ["--model", str(tiny_pose_model), "--detector", str(tiny_detector_model)]
    told = CliRunner().invoke(app, ["run", *files, "--out", str(out), "--fov", "70", *models])
    assert told.exit_code == 0, told.output
    lines = out.read_text().splitlines()
    assert len(lines) == len(from_python) == 3
    for line, result in zip(lines, from_python, strict=True):
        assert json.loads(result.to_json()).items() <= json.loads(line).items()
        assert len(result.faces) == 2


def test_json_comes_back_the_same(tiny_pose_model: Path, tiny_detector_model: Path, files: list[str]) -> None:
    pipeline = headwise.open(model=tiny_pose_model, detector=tiny_detector_model)
    for source in open_sources(files):
        for result in pipeline.run(source):
            assert FrameResult.from_json(result.to_json()).to_json() == result.to_json()
