"""Names and files of models, and the check of their interface."""

import json
from pathlib import Path

import pytest

from headwise import weights
from headwise.errors import ModelError


def test_a_path_is_found_and_loaded(tiny_pose_model: Path) -> None:
    assert weights.find(tiny_pose_model) == tiny_pose_model
    assert weights.open_model(tiny_pose_model, "pose").card.kind == "pose"


def test_an_unknown_name_lists_the_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pose.onnx").write_bytes(b"")
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    with pytest.raises(ModelError, match=r"no model 'poes'.*\(pose\).*did you mean 'pose'"):
        weights.find("poes")


def test_the_other_kind_is_refused(tiny_pose_model: Path, tiny_detector_model: Path) -> None:
    with pytest.raises(ModelError, match="kind 'pose'; a 'detector' model is needed"):
        weights.open_model(tiny_pose_model, "detector")
    with pytest.raises(ModelError, match="kind 'detector'; a 'pose' model is needed"):
        weights.open_model(tiny_detector_model, "pose")


def test_another_interface_is_refused(tmp_path: Path, tiny_pose_model: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(tiny_pose_model))
    del model.graph.output[1]
    onnx.save(model, str(tmp_path / "less.onnx"))
    with pytest.raises(ModelError, match=r"less\.onnx: a pose model has the outputs .*spread_deg"):
        weights.open_model(tmp_path / "less.onnx", "pose")


def test_a_damaged_bundled_file_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_pose_model: Path
) -> None:
    (tmp_path / "odd.onnx").write_bytes(tiny_pose_model.read_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps({"odd.onnx": "0" * 64}))
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    monkeypatch.setattr(weights, "MANIFEST", tmp_path / "manifest.json")
    with pytest.raises(ModelError, match="damaged"):
        weights.find("odd")


@pytest.mark.parametrize("name", weights.names())
def test_the_bundled_models_load(name: str) -> None:
    weights.open_model(name, "detector" if name.startswith("detector") else "pose")
