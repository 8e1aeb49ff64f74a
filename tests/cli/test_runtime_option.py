"""Another runtime for both networks: from Python and from the commands the same numbers."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import headwise
from headwise import plugins, weights
from headwise.cli import app
from headwise.errors import SettingsError


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:80, 40:80] = 255
    assert cv2.imwrite(str(tmp_path / "blob.png"), image)
    return tmp_path / "blob.png"


def test_python_gives_both_networks_the_runtime(
    picture: Path, tiny_pose_model: Path, tiny_detector_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="needs openvino: pip install 'headwise[openvino]'")
    opened = []
    load = plugins.load

    def noted(folder: str, name: str, /, **options: object) -> object:
        opened.extend([name] if folder == "runtimes" else [])
        return load(folder, name, **options)

    monkeypatch.setattr(weights.plugins, "load", noted)
    ours, theirs = (
        headwise.open(model=tiny_pose_model, detector=tiny_detector_model, runtime=runtime)
        for runtime in ("openvino", "onnxruntime")
    )
    assert opened == ["openvino"] * 2 + ["onnxruntime"] * 2
    image = cv2.imread(str(picture))
    (said,), (expected,) = ours(image).faces[:1], theirs(image).faces[:1]
    assert said.pose.yaw_deg == pytest.approx(expected.pose.yaw_deg, abs=1e-3)
    np.testing.assert_allclose(said.keypoints, expected.keypoints, atol=1e-2)


@pytest.mark.parametrize("command", ["run", "fit"])
def test_the_commands_say_the_same_with_another_runtime(
    command: str, picture: Path, tmp_path: Path, tiny_pose_model: Path, tiny_detector_model: Path
) -> None:
    pytest.importorskip("openvino", reason="needs openvino: pip install 'headwise[openvino]'")
    models = ["--model", str(tiny_pose_model), "--detector", str(tiny_detector_model)]
    rows = {}
    for runtime in ("openvino", "onnxruntime"):
        out = tmp_path / f"{runtime}.csv"
        words = [command, str(picture), "--out", str(out), "--runtime", runtime, *models]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        with out.open(newline="") as file:
            rows[runtime] = list(csv.DictReader(file))
    assert len(rows["openvino"]) == len(rows["onnxruntime"]) > 0
    for ours, theirs in zip(rows["openvino"], rows["onnxruntime"], strict=True):
        for column in ("left", "bottom", "yaw_deg", "z_m"):
            if theirs[column]:
                assert float(ours[column]) == pytest.approx(float(theirs[column]), rel=0.01, abs=0.01)


def test_a_wrong_runtime_gets_the_list(tiny_pose_model: Path, tiny_detector_model: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"no runtimes plug-in 'openvin'; did you mean 'openvino'\? there are: ncnn, "
    ):
        headwise.open(model=tiny_pose_model, detector=tiny_detector_model, runtime="openvin")
