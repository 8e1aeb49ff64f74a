"""int8 weights and activations for an exported network (onnxruntime's static QDQ format).

Weights take 7 of the 8 bits. Processors without VNNI add two products of a byte and a weight in 16 bits
and cut the sum off: with 8 bits each such sums overflow, and a file gives other numbers there than elsewhere.
On one network that alone made 1.4 deg of rotation out of 0.8.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from headwise.runtimes.tensorrt import cast_first

BATCH = 16  # inputs in one run of the calibration, where the network takes any number
LEVELS = 256
WHOLE = 1e-6  # how near to a whole number a zero point is one


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime's quantiser has no types
    """Batches of uint8 inputs, one after the other."""

    def __init__(self, input_name: str, images: NDArray[np.uint8], batch: int) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter(
            {input_name: images[i : i + batch]} for i in range(0, len(images), batch)
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


@dataclass(frozen=True)
class Normalised:
    """The tensor `name` is (pixels - zero_point) * scale: bytes with a scale, so no rounding is needed."""

    name: str
    pixels: str
    scale: float
    zero_point: int


FULL = {"WeightSymmetric": True, "ActivationSymmetric": False}
FOR_TENSORRT = {
    "WeightSymmetric": True,
    "ActivationSymmetric": True,
    "AddQDQPairToWeight": True,  # weights stay float in the file, with their rounding behind them ...
    "QuantizeBias": False,  # ... and shifts stay float: TensorRT refuses to read them as int32
}
"""Options of the quantiser."""


def quantize(
    source: Path,
    target: Path,
    calibration: NDArray[np.uint8],
    keep_float: Sequence[str] = (),
    *,
    symmetric: bool = False,
) -> None:
    """Write `target`: int8 per channel weights, uint8 activations whose ranges the calibration inputs set.

    calibration: (n, S, S, 3) uint8, some hundreds of ordinary inputs. keep_float: which of
    `rounded_layers` are left alone. The first convolution reads the picture's own bytes where the
    normalisation allows it. symmetric: int8 activations without zero points and float pictures, which is
    what TensorRT takes; ranges that are not about zero lose up to half of their steps.
    """
    logging.getLogger("root").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(str(prepared)).graph
        batch = graph.input[0].type.tensor_type.shape.dim[0].dim_value or BATCH  # a number allows no other
        pixels = None if symmetric else normalised_pixels(graph)
        given = {} if pixels is None else {"TensorQuantOverrides": _as_override(pixels)}
        target.parent.mkdir(parents=True, exist_ok=True)
        quantize_static(
            str(prepared),
            str(target),
            Calibration(graph.input[0].name, calibration, batch),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=[name for name in nodes_to_round(graph) if name not in keep_float],
            per_channel=True,
            reduce_range=True,  # 7 bits: see the top
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=(FOR_TENSORRT if symmetric else FULL) | given,
        )
        if pixels is not None:
            model = onnx.load(str(target))
            read_bytes(model.graph, pixels)
            onnx.save(model, str(target))
        if symmetric:
            model = onnx.load(str(target))
            cast_first(model)
            onnx.save(model, str(target))


def normalised_pixels(graph: Any) -> Normalised | None:
    """What the first convolution reads, if it is the uint8 picture times a number plus a number, and the zero
    is one of the 256 values; else None.
    """
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    name = next((node.input[0] for node in graph.node if node.op_type == "Conv"), "")
    steps, at = [], name
    while at in made_by and made_by[at].op_type != "Cast":
        node = made_by[at]
        number = next((constants[i] for i in node.input if i in constants and constants[i].size == 1), None)
        if number is None or node.op_type not in ("Mul", "Div", "Add", "Sub") or node.input[0] in constants:
            return None
        steps.append((node.op_type, float(number.reshape(()))))
        at = node.input[0]
    if at not in made_by:
        return None
    scale, shift = 1.0, 0.0
    for operator, number in reversed(steps):
        factor = {"Mul": number, "Div": 1 / number}.get(operator, 1.0)
        scale, shift = scale * factor, shift * factor + {"Add": number, "Sub": -number}.get(operator, 0.0)
    zero = -shift / scale
    if scale <= 0 or abs(zero - round(zero)) > WHOLE or not 0 <= round(zero) < LEVELS:
        return None
    return Normalised(name, made_by[at].input[0], scale, round(zero))


def _as_override(pixels: Normalised) -> dict[str, Any]:
    return {
        pixels.name: [
            {
                "quant_type": QuantType.QUInt8,
                "scale": np.array(pixels.scale, np.float32),
                "zero_point": np.array(pixels.zero_point, np.uint8),
            }
        ]
    }


def read_bytes(graph: Any, pixels: Normalised) -> None:
    """Rounding the normalised picture to its own scale gives its bytes: take those, and drop the detour."""
    made_by = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in made_by:
            continue
        rounding = made_by[node.input[0]]
        if rounding.op_type == "QuantizeLinear" and rounding.input[0] == pixels.name:
            node.input[0] = pixels.pixels
    drop_unused(graph)


def drop_unused(graph: Any) -> None:
    """Remove nodes and initialisers that nothing reads."""
    outputs = {value.name for value in graph.output}
    while True:
        read = {name for node in graph.node for name in node.input} | outputs
        idle = [node for node in graph.node if not read.intersection(node.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    for tensor in [t for t in graph.initializer if t.name not in read]:
        graph.initializer.remove(tensor)


def nodes_to_round(graph: Any) -> list[str]:
    """Names of the nodes that int8 is for.

    Convolutions, linear layers before a ReLU (those that write the outputs mix numbers of different ranges),
    and ReLUs, sums and changes of size between them: else a map would be made float and rounded again at
    every step.
    """
    readers: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    rounded: set[str] = set()  # tensors
    names = []
    for node in graph.node:
        hidden = node.op_type == "Gemm" and "Relu" in readers.get(node.output[0], [])
        maps = node.input[:1] if node.op_type == "Resize" else node.input
        between = node.op_type in ("Relu", "Add", "Resize") and rounded.issuperset(maps)
        if node.op_type == "Conv" or hidden or between:
            rounded.update(node.output)
            names.append(str(node.name))
    return names


def rounded_layers(path: Path) -> list[str]:
    """Names of a file's convolutions and linear layers that `quantize` rounds, in their order."""
    graph = onnx.load(str(path)).graph
    names = set(nodes_to_round(graph))
    return [str(node.name) for node in graph.node if node.name in names and node.op_type in ("Conv", "Gemm")]


def without_rounding(int8: onnx.ModelProto, plain: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """A copy of an int8 model whose node `name` computes in float: its input is not rounded, nor its kernel.

    plain: the float32 model it was made from. ValueError if the node is in neither.
    """
    model = onnx.ModelProto()
    model.CopyFrom(int8)
    made_by = {output: node for node in model.graph.node for output in node.output}
    places = {node.name: place for place, node in enumerate(model.graph.node)}
    original = next((node for node in plain.graph.node if node.name == name), None)
    if name not in places or original is None:
        raise ValueError(f"no node {name!r} in both models")
    rounded = model.graph.node[places[name]]
    back = made_by.get(rounded.input[0])
    if back is not None and back.op_type == "DequantizeLinear" and back.input[0] in made_by:
        rounding = made_by[back.input[0]]
        if rounding.op_type == "QuantizeLinear":
            rounded.input[0] = rounding.input[0]
            if any(node.op_type == "Relu" and original.input[0] in node.output for node in plain.graph.node):
                # the quantiser dropped it: rounding to values from zero on had cut off what is below
                relu = onnx.helper.make_node("Relu", [rounding.input[0]], [f"{name}.relu"], f"{name}.relu")
                rounded.input[0] = relu.output[0]
                model.graph.node.insert(places[name], relu)
    rounded = next(node for node in model.graph.node if node.name == name)
    floats = {t.name: t for t in plain.graph.initializer}
    for place in range(1, len(original.input)):
        tensor = onnx.TensorProto()
        tensor.CopyFrom(floats[original.input[place]])
        tensor.name = f"{tensor.name}.float"
        model.graph.initializer.append(tensor)
        rounded.input[place] = tensor.name
    return model
