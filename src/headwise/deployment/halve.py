"""Weights stored as float16 and cast back by the graph: half the file, the same float32 arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST = 1024  # numbers; smaller tensors are left as they are


def store_halved(source: Path, target: Path) -> None:
    """Write `target` with large float32 initialisers as float16 and a Cast behind each.

    Runtimes fold the casts when they load, so the speed stays; weights lose 3 decimal digits of 7.
    """
    model = onnx.load(str(source))
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST:
            continue
        name = tensor.name
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for place, cast in enumerate(casts):
        model.graph.node.insert(place, cast)
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(target))
