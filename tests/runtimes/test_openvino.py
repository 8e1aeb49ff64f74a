"""The OpenVINO plug-in: ONNX Runtime's numbers in float and int8, clear words for wrong files."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openvino", reason="needs openvino: pip install 'headwise[openvino]'")
onnx = pytest.importorskip("onnx")

from headwise import plugins, weights  # noqa: E402
from headwise.errors import ModelError, SettingsError  # noqa: E402
from headwise.runtimes import Model, openvino  # noqa: E402


def load(model: object, runtime: str = "openvino", **options: object) -> Model:
    loaded: Model = plugins.load("runtimes", runtime, model=model, **options)
    return loaded


def crops(count: int, size_px: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size_px, size_px, 3), np.uint8)


@pytest.mark.parametrize("count", [1, 3])
def test_says_what_onnx_runtime_says(tiny_pose_model: Path, count: int) -> None:
    ours, theirs = load(tiny_pose_model), load(tiny_pose_model.read_bytes(), "onnxruntime")
    assert ours.card == theirs.card
    assert (dict(ours.inputs), dict(ours.outputs)) == (dict(theirs.inputs), dict(theirs.outputs))
    said, expected = ours(crops=crops(count)), theirs(crops=crops(count))
    assert list(said) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(said[name], value, rtol=1e-4, atol=1e-3, err_msg=name)


def test_a_detector_takes_pictures_of_any_size(tiny_detector_model: Path) -> None:
    ours, theirs = load(tiny_detector_model), load(tiny_detector_model, "onnxruntime")
    for height, width in ((64, 96), (32, 160)):
        image = np.zeros((1, height, width, 3), np.uint8)
        image[:, 8:24, 10:26] = 255
        said, expected = ours(image=image), theirs(image=image)
        np.testing.assert_allclose(said["boxes"], expected["boxes"], atol=1e-2)


def test_a_result_is_not_changed_by_the_next_call(tiny_pose_model: Path) -> None:
    model = load(tiny_pose_model, threads=0)
    first = model(crops=crops(1))["keypoints"]
    before = first.copy()
    model(crops=np.zeros((1, 32, 32, 3), np.uint8))
    np.testing.assert_array_equal(first, before)


@pytest.mark.skipif("pose" not in weights.names(), reason="the package holds no pose network")
def test_the_int8_network_of_the_package_gives_the_same_poses() -> None:
    path = weights.find("pose")
    size_px = load(path, "onnxruntime").card.crop.size_px
    smooth = np.stack([np.full((size_px, size_px, 3), shade, np.uint8) for shade in (60, 120, 180)])
    ours, theirs = (load(path, runtime)(crops=smooth)["rotation"] for runtime in ("openvino", "onnxruntime"))
    # rounding may fall to the other side at single places, so int8 networks agree to some degrees only
    apart_deg = np.degrees(np.arccos(np.clip((np.einsum("nij,nij->n", ours, theirs) - 1) / 2, -1, 1)))
    assert apart_deg.max() < 10


def test_int8_sums_are_exact_or_computed_in_float(tmp_path: Path, tiny_pose_model: Path) -> None:
    """Two products of 255 and 127 exceed 16 bits; the sum must be right on every processor."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "scale": np.float32(1),
        "zero": np.uint8(0),
        "weights": np.full((32, 48, 1, 1), 127, np.int8),
        "weight_scales": np.ones(32, np.float32),
        "weight_zeros": np.zeros(32, np.int8),
    }
    nodes = [
        helper.make_node("Transpose", ["crops"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["floats"] * 16, ["many"], axis=1),
        helper.make_node("QuantizeLinear", ["many", "scale", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["pixels"]),
        helper.make_node(
            "DequantizeLinear", ["weights", "weight_scales", "weight_zeros"], ["kernel"], axis=0
        ),
        helper.make_node("Conv", ["pixels", "kernel"], ["sums"]),
        helper.make_node("ReduceMax", ["sums"], ["spread_deg"], axes=[1, 2, 3], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", 32, 32, 3])],
        [helper.make_tensor_value_info("spread_deg", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made.metadata_props.extend(onnx.load(str(tiny_pose_model)).metadata_props)
    onnx.save(made, str(tmp_path / "sums.onnx"))
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    assert load(tmp_path / "sums.onnx")(crops=white)["spread_deg"] == pytest.approx(255 * 127 * 48)


def test_the_processor_is_asked_once() -> None:
    assert openvino._cuts_sums_off() in (True, False)
    assert openvino._cuts_sums_off.cache_info().currsize == 1


@pytest.mark.parametrize("content", [b"", b"GIF89a no model"])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "wrong.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"wrong\.onnx is no ONNX model") as caught:
        load(tmp_path / "wrong.onnx")
    assert "\n" not in str(caught.value)


def test_what_openvino_refuses_is_said_in_one_line(
    tiny_pose_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("Exception from src/a.cpp:1:\nException from src/b.cpp:2:\nno such operator\n\n")

    monkeypatch.setattr(openvino.openvino.Core, "compile_model", refuse)
    with pytest.raises(ModelError, match=r"OpenVINO cannot run this model \(no such operator\)$"):
        load(tiny_pose_model)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"crop": crops(1)},
        {"crops": crops(1, 16)},
        {"crops": crops(1).astype(np.float32)},
        {"crops": crops(1)[0]},
    ],
)
def test_other_arrays_are_refused(tiny_pose_model: Path, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(ModelError, match=r"takes crops uint8\[n, 32, 32, 3\], got ") as caught:
        load(tiny_pose_model)(**arrays)
    assert "\n" not in str(caught.value)


def test_threads_must_not_be_negative(tiny_pose_model: Path) -> None:
    with pytest.raises(SettingsError, match="threads"):
        load(tiny_pose_model, threads=-1)
