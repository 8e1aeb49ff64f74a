"""`headwise export` to the files of another engine."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headwise.cli import app
from headwise.errors import SettingsError


def export(*words: object) -> Any:
    return CliRunner().invoke(app, ["export", *map(str, words)])


@pytest.mark.parametrize(
    "engine, model, files",
    [
        ("openvino", "pose", ["pose.bin", "pose.xml"]),
        ("openvino", "detector", ["detector.bin", "detector.xml"]),
        ("ncnn", "detector", ["detector-*.ncnn-96x64.bin", "detector-*.ncnn-96x64.param"]),
        ("tvm", "pose", ["pose-*.tvm-*-1x112x112x3.so"]),
    ],
)
def test_the_engines_files_are_written(engine: str, model: str, files: list[str], tmp_path: Path) -> None:
    pytest.importorskip(engine, reason=f"needs {engine}: pip install 'headwise[{engine}]'")
    done = export(model, "--to", engine, "--out", tmp_path / "new", "--size", 96, 64)
    assert done.exit_code == 0, done.output
    made = sorted((tmp_path / "new").iterdir())
    assert len(made) == len(files)
    for path, pattern in zip(made, files, strict=True):
        assert path.match(pattern)
        assert f"{path}: {path.stat().st_size / 1e6:.2f} MB" in done.output.replace("\n", "")


@pytest.mark.parametrize(
    "words, told",
    [
        (["{folder}", "--to", "openvino"], "is a folder: export it to ONNX"),
        (["detector", "--to", "ncnn", "--size", "97", "64"], "multiples of 32, got 97x64"),
        (["{folder}"], "needs the run's shards: --data"),
    ],
)
def test_what_cannot_be_written_is_said(words: list[str], told: str, tmp_path: Path) -> None:
    pytest.importorskip("ncnn", reason="needs ncnn: pip install 'headwise[ncnn]'")
    done = export(*(word.format(folder=tmp_path) for word in words), "--out", tmp_path / "new")
    assert isinstance(done.exception, SettingsError)
    assert told in str(done.exception)
    assert not (tmp_path / "new").exists()
