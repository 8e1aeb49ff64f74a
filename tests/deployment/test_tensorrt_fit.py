"""What TensorRT asks of a file, checked without it: operators, free sizes, symmetric int8."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from headwise import plugins, weights  # noqa: E402
from headwise.errors import ModelError  # noqa: E402
from headwise.runtimes._onnx_file import open_file  # noqa: E402
from headwise.runtimes.tensorrt import FREE_AXES, fitting, profile, trtexec_line  # noqa: E402

# Those of our files that the support matrix of TensorRT's ONNX parser marks with Y:
# https://github.com/onnx/onnx-tensorrt/blob/main/docs/operators.md (read in its edition for TensorRT 8.5,
# operator sets to 17; that for TensorRT 10.0 says sets 9 to 20).
OPERATORS = (
    "Add Cast Clip Concat ConstantOfShape Conv DequantizeLinear Div Exp Expand EyeLike Gather "
    "Gemm MatMul Max Min Mul Neg Pow QuantizeLinear Range Reciprocal ReduceMean ReduceSum Relu "
    "Reshape Resize Shape Sigmoid Slice Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze"
)
SUPPORTED = frozenset(OPERATORS.split())
# The same matrix: how Resize may be set.
RESIZE = {
    "mode": {b"nearest", b"linear"},
    "coordinate_transformation_mode": {
        b"half_pixel",
        b"pytorch_half_pixel",
        b"tf_half_pixel_for_nn",
        b"asymmetric",
        b"align_corners",
    },
    "nearest_mode": {b"floor", b"ceil", b"round_prefer_floor", b"round_prefer_ceil"},
}
NEWEST_OPSET = 20
SIZE = 16
BUNDLED = [pytest.param(weights.FOLDER / f"{name}.onnx", id=name) for name in weights.names()]


def zero_points(model: Any) -> Iterator[tuple[Any, np.ndarray]]:
    """Every rounding or its reverse, and the zero point it has."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            yield node, onnx.numpy_helper.to_array(constants[node.input[2]])


def kernels(model: Any) -> set[str]:
    """What the roundings of weights read: constants."""
    return {tensor.name for tensor in model.graph.initializer}


@pytest.mark.parametrize("path", BUNDLED)
def test_every_operator_of_the_package_is_known_to_tensorrt(path: Path) -> None:
    model = onnx.load(str(path))
    assert {node.op_type for node in model.graph.node} <= SUPPORTED
    assert {node.domain for node in model.graph.node} == {""}
    assert next(one.version for one in model.opset_import if one.domain == "") <= NEWEST_OPSET
    for node in model.graph.node:
        if node.op_type == "Resize":
            settings = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            assert all(settings[name] in allowed for name, allowed in RESIZE.items())


@pytest.mark.parametrize("path", BUNDLED)
def test_sizes_are_free_where_engines_have_a_range(path: Path) -> None:
    file = open_file(path)
    free = {axis for axis, size in enumerate(file.shape) if isinstance(size, str)}
    assert free == set(FREE_AXES[file.card.kind])
    smallest, usual, largest = profile(file)
    assert all(low <= mid <= high for low, mid, high in zip(smallest, usual, largest, strict=True))
    assert trtexec_line(path).startswith(f"trtexec --onnx={path} --minShapes=")


@pytest.mark.parametrize("path", BUNDLED)
def test_weights_of_the_package_are_symmetric_and_its_activations_are_refused(path: Path) -> None:
    model = onnx.load(str(path))
    constants = kernels(model)
    of_weights = [zero for node, zero in zero_points(model) if node.input[0] in constants]
    if not of_weights:
        pytest.skip("this file is not int8")
    assert not any(zero.any() for zero in of_weights)
    with pytest.raises(ModelError, match="`headwise quantize --symmetric` makes such a file") as caught:
        fitting(open_file(path))
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def symmetric(tmp_path_factory: pytest.TempPathFactory, tiny_pose_model: Path) -> tuple[Path, Path, Any]:
    """A small network in float, the same in symmetric int8, and the pictures that set its ranges."""
    from headwise.deployment.quantize import quantize

    folder = tmp_path_factory.mktemp("symmetric")
    plain, made = folder / "plain.onnx", folder / "symmetric.onnx"
    rng = np.random.default_rng(0)
    text = f"""
    <ir_version: 8, opset_import: ["": 17]>
    net (uint8[n, {SIZE}, {SIZE}, 3] crops) => (float[n, 8, {SIZE}, {SIZE}] spread_deg)
    {{
      planes = Transpose <perm = [0, 3, 1, 2]> (crops)
      floats = Cast <to = 1> (planes)
      scaled = Mul (floats, scale)
      shifted = Sub (scaled, shift)
      first = Conv <pads = [1, 1, 1, 1]> (shifted, first_kernel, first_shift)
      kept = Relu (first)
      spread_deg = Conv <pads = [1, 1, 1, 1]> (kept, second_kernel, second_shift)
    }}
    """
    model = onnx.parser.parse_model(text)
    for node in model.graph.node:
        node.name = node.output[0]
    constants = {
        "scale": np.float32(1 / 64),
        "shift": np.float32(2),
        "first_kernel": rng.normal(size=(8, 3, 3, 3)),
        "first_shift": rng.normal(size=8),
        "second_kernel": rng.normal(size=(8, 8, 3, 3)),
        "second_shift": rng.normal(size=8),
    }
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()
    )
    model.metadata_props.extend(onnx.load(str(tiny_pose_model)).metadata_props)
    onnx.save(model, str(plain))
    pictures = rng.integers(0, 256, (32, SIZE, SIZE, 3), np.uint8)
    quantize(plain, made, pictures, symmetric=True)
    copy = onnx.load(str(made))
    if not copy.metadata_props or all(one.key != "headwise.card" for one in copy.metadata_props):
        copy.metadata_props.extend(model.metadata_props)
        onnx.save(copy, str(made))
    return plain, made, pictures


def test_a_symmetric_file_has_no_zero_points_and_float_shifts(symmetric: tuple[Path, Path, Any]) -> None:
    model = onnx.load(str(symmetric[1]))
    found = list(zero_points(model))
    assert len(found) >= 8, "two layers: each reads rounded pictures and rounded weights"
    assert all(zero.dtype == np.int8 and not zero.any() for _, zero in found)
    rounded = {node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    backs = [node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert set(backs) <= rounded, "weights are float with their rounding behind them"
    assert {node.op_type for node in model.graph.node} <= SUPPORTED


def test_a_symmetric_file_makes_bytes_float_before_anything_else(symmetric: tuple[Path, Path, Any]) -> None:
    model = onnx.load(str(symmetric[1]))
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node if "crops" in node.input] == ["Cast"]
    fitting(open_file(symmetric[1]))
    assert "--int8" in trtexec_line(symmetric[1]).split()


def test_a_symmetric_file_says_nearly_what_the_float_file_says(symmetric: tuple[Path, Path, Any]) -> None:
    plain, made, pictures = symmetric
    expected, said = (
        plugins.load("runtimes", "onnxruntime", model=path)(crops=pictures)["spread_deg"]
        for path in (plain, made)
    )
    off = np.abs(expected - said).mean() / expected.std()
    assert 0 < off < 0.05
