"""What some runtimes need done to an ONNX graph before they take it: one shape, no rounding to int8."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from headwise.runtimes._onnx_file import ERRORS_ONLY

Constants = dict[str, NDArray[Any]]


def for_shape(model: onnx.ModelProto, shape: Sequence[int]) -> onnx.ModelProto:
    """The network for one shape of its input, with all that follows from the shape computed."""
    for axis, size in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        axis.dim_value = size
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    with tempfile.TemporaryDirectory() as scratch:
        folded = Path(scratch) / "folded.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = ERRORS_ONLY
        options.optimized_model_filepath = str(folded)
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(str(folded))


def without_rounding(model: onnx.ModelProto) -> onnx.ModelProto:
    """An int8 file in float: weights as they were rounded, activations unrounded in the ranges they had.

    A range is part of the network, for it may hold an activation function: a ReLU is one that begins at 0.
    """
    graph = model.graph
    known = constants(model)
    rounded: dict[str, tuple[str, float, float]] = {}
    nodes = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = (known[name] for name in node.input[1:3])
            most = np.iinfo(zero.dtype)
            low, high = ((end - int(zero)) * float(scale) for end in (most.min, most.max))
            rounded[node.output[0]] = node.input[0], low, high
        elif node.op_type != "DequantizeLinear":
            nodes.append(node)
        elif node.input[0] in known:
            weights = _scaled(
                known[node.input[0]], known[node.input[1]], known[node.input[2]], _axis(node, 1)
            )
            graph.initializer.append(numpy_helper.from_array(weights, node.output[0]))
        elif node.input[0] in rounded:
            source, low, high = rounded[node.input[0]]
            (name,) = node.output
            ends = [_constant(graph, f"{name}.low", low), _constant(graph, f"{name}.high", high)]
            nodes.append(helper.make_node("Clip", [source, *ends], [name]))
        else:  # bytes that were never float: a picture
            nodes += _from_bytes(graph, node, known)
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def constants(model: onnx.ModelProto) -> Constants:
    """The graph's stored arrays by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _scaled(values: NDArray[Any], scale: NDArray[Any], zero: NDArray[Any], axis: int) -> NDArray[np.float32]:
    if scale.size > 1:
        along = [-1 if place == axis else 1 for place in range(values.ndim)]
        scale, zero = scale.reshape(along), zero.reshape(along)
    return np.asarray((values.astype(np.float32) - zero.astype(np.float32)) * scale, np.float32)


def _from_bytes(graph: Any, node: Any, known: Constants) -> list[Any]:
    (name,) = node.output
    scale, zero = float(known[node.input[1]]), float(known[node.input[2]])
    factor, shift = _constant(graph, f"{name}.scale", scale), _constant(graph, f"{name}.shift", -zero * scale)
    return [
        helper.make_node("Cast", [node.input[0]], [f"{name}.float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.float", factor], [f"{name}.scaled"]),
        helper.make_node("Add", [f"{name}.scaled", shift], [name]),
    ]


def _constant(graph: Any, name: str, value: float) -> str:
    graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    return name


def _axis(node: Any, default: int) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), default)
