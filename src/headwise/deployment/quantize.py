"""int8 weights and activations for an exported network (onnxruntime's static QDQ format)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

BATCH = 16  # inputs in one run of the calibration, where the network takes any number
QUANTISED_OPERATORS = ("Conv",)
"""Convolutions alone: the fully connected layers that write the outputs stay in float."""


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime's quantiser has no types
    """Batches of uint8 inputs, one after the other."""

    def __init__(self, input_name: str, images: NDArray[np.uint8], batch: int) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter(
            {input_name: images[i : i + batch]} for i in range(0, len(images), batch)
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def quantize(
    source: Path, target: Path, calibration: NDArray[np.uint8], keep_float: Sequence[str] = ()
) -> None:
    """Write `target`: int8 per channel weights, uint8 activations whose ranges the calibration inputs set.

    calibration: (n, S, S, 3) uint8, some hundreds of ordinary inputs. keep_float: names of nodes left alone.
    """
    logging.getLogger("root").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        taken = onnx.load(str(prepared)).graph.input[0]
        batch = taken.type.tensor_type.shape.dim[0].dim_value or BATCH  # a number is the only size allowed
        target.parent.mkdir(parents=True, exist_ok=True)
        quantize_static(
            str(prepared),
            str(target),
            Calibration(taken.name, calibration, batch),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED_OPERATORS),
            nodes_to_exclude=list(keep_float),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
        )


def first_convolution(path: Path) -> str:
    """Name of the node that reads the normalised picture: the one most often worth keeping in float."""
    for node in onnx.load(str(path)).graph.node:
        if node.op_type == "Conv":
            return str(node.name)
    return ""
