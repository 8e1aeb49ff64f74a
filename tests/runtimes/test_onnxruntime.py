"""The ONNX Runtime plug-in: named arrays in and out, and clear words for files that are no models."""

from pathlib import Path

import numpy as np
import pytest

from headwise import plugins, weights
from headwise.boxes import Box
from headwise.crops import cut
from headwise.errors import ModelError, SettingsError
from headwise.pictures import read_picture
from headwise.rotation import Rotation
from headwise.weights import INTERFACES

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(model: object, **options: object):
    return plugins.load("runtimes", "onnxruntime", model=model, **options)


def test_runs_named_arrays_and_knows_its_card(tiny_pose_model: Path) -> None:
    model = load(tiny_pose_model)
    said = model(crops=np.zeros((3, 32, 32, 3), np.uint8))
    assert model.card.name == "tiny-pose"
    assert dict(model.inputs) == {"crops": "uint8"}
    assert set(said) == set(model.outputs) == set(INTERFACES["pose"][1])
    assert said["rotation"].shape == (3, 3, 3)
    assert said["keypoints"].shape == (3, 68, 2)


def test_bytes_and_path_are_the_same_model(tiny_pose_model: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    from_path, from_bytes = load(tiny_pose_model), load(tiny_pose_model.read_bytes(), threads=2)
    np.testing.assert_array_equal(from_path(crops=crops)["keypoints"], from_bytes(crops=crops)["keypoints"])


@pytest.mark.parametrize("content", [b"", b"GIF89a no model", b"\x08\x07\x12"])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"wrong\.onnx is no ONNX model") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_cut_off_model_is_an_error(tmp_path: Path, tiny_pose_model: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(tiny_pose_model.read_bytes()[:-200])
    with pytest.raises(ModelError, match=r"cut\.onnx"):
        load(path)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx"):
        load(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="cannot read"):
        load(tmp_path)


def test_a_foreign_model_has_no_card(tmp_path: Path, tiny_pose_model: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(tiny_pose_model))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "foreign.onnx"))
    with pytest.raises(ModelError, match=r"foreign\.onnx.*headwise\.card"):
        load(tmp_path / "foreign.onnx")


def test_threads_must_not_be_negative(tiny_pose_model: Path) -> None:
    with pytest.raises(SettingsError, match="threads"):
        load(tiny_pose_model, threads=-1)


def test_a_loaded_network_leaves_the_callers_arithmetic_alone(tiny_pose_model: Path) -> None:
    load(tiny_pose_model)
    assert float(np.float64(2.0**-1022) / 4) > 0  # denormal numbers are still numbers


@pytest.mark.parametrize("form", ["int8", "float32"])
def test_a_crop_says_the_same_in_any_batch(form: str) -> None:
    picture = read_picture(EXAMPLES / "portrait.jpg")
    rng = np.random.default_rng(0)
    moves = rng.uniform(-20, 20, (33, 2))
    boxes = [Box(230.0, 209.0, 394.0, 369.0).shifted(*move) for move in moves.tolist()]
    network = weights.open_model("pose", "pose")
    if form == "float32":
        onnx = pytest.importorskip("onnx")
        from headwise.runtimes._onnx_graph import without_rounding

        network = load(without_rounding(onnx.load(str(weights.find("pose")))).SerializeToString())
    crops = np.stack([cut(picture, box, network.card.crop)[0] for box in boxes])
    together = network(crops=crops)
    for i in range(len(crops)):
        alone = network(crops=crops[i : i + 1])
        apart_deg = Rotation.project(alone["rotation"][0].astype(float)).angle_to_deg(
            Rotation.project(together["rotation"][i].astype(float))
        )
        assert apart_deg < 0.01
        np.testing.assert_allclose(alone["keypoints"][0], together["keypoints"][i], atol=1e-2)
