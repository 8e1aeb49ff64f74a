"""OpenVINO on the CPU.

Its int8 kernels add pairs of products in 16 bits on processors without VNNI, and large sums are cut off: the
network then gives another answer. Where that happens, int8 files are computed in float: activations are
rounded as the file says, sums are exact.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as operators
from openvino.passes import ConstantFolding, Manager

from headwise.errors import ModelError
from headwise.runtimes._onnx_file import OnnxFile, check_threads, first_line, open_file

MOST = (255, 127)  # largest int8 activation and weight; two products of them exceed 16 bits
CHANNELS = 32  # of the convolution that asks for the kernels' sums: as many as they work on at once
HEADER = "Exception from "  # OpenVINO puts the places in its source first; the cause is in the last line


class OpenvinoModel:
    """A network in OpenVINO; see ``headwise.runtimes.Model``. Calls from several threads take turns."""

    def __init__(self, compiled: openvino.CompiledModel, file: OnnxFile) -> None:
        self._request = compiled.create_infer_request()
        self._file = file
        self._turn = Lock()
        self.card = file.card
        self.inputs = file.inputs
        self.outputs = file.outputs

    def __call__(self, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
        array = self._file.taken(arrays)
        with self._turn:
            self._request.infer({self._file.input_name: array}, share_inputs=True)
            return {name: self._request.get_tensor(name).data.copy() for name in self.outputs}


def create(model: str | Path | bytes, *, threads: int = 1) -> OpenvinoModel:
    """Load an ONNX file (a path or its bytes) that carries a headwise card: float32, half or int8.

    ``threads``: cores one call may use; 0 means all of them. Raises ModelError.
    """
    check_threads(threads)
    file = open_file(model)
    core = openvino.Core()
    try:
        network = core.read_model(io.BytesIO(file.content))
        if _cuts_sums_off():
            _unpack_weights(network)
        compiled = core.compile_model(network, "CPU", _settings(threads))
    except RuntimeError as error:
        raise ModelError(f"{file.label}: OpenVINO cannot run this model ({_cause(error)})") from error
    return OpenvinoModel(compiled, file)


def write(file: OnnxFile, folder: Path) -> tuple[Path, ...]:
    """OpenVINO's own pair (.xml, .bin) in a folder, for other programs, with the free sizes of the ONNX file.

    Raises ModelError.
    """
    stem = "model" if file.path is None else file.path.stem
    graph = folder / f"{stem}.xml"
    try:
        openvino.save_model(
            openvino.Core().read_model(io.BytesIO(file.content)), graph, compress_to_fp16=False
        )
    except RuntimeError as error:
        raise ModelError(f"{file.label}: OpenVINO cannot read this model ({_cause(error)})") from error
    return graph, graph.with_suffix(".bin")


def _settings(threads: int) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,  # 0: all
        # Else processors with bfloat16 or float16 would round, and the numbers would be another model's.
        "INFERENCE_PRECISION_HINT": "f32",
        # Else every process of a machine would sit on the same first cores.
        "ENABLE_CPU_PINNING": False,
    }


@cache
def _cuts_sums_off() -> bool:
    """Whether this processor's int8 kernels give another sum than the numbers have."""
    pixels = operators.parameter([1, CHANNELS, 1, 1], np.float32)
    ends = [np.float32(0), np.float32(MOST[0])]
    rounded = operators.fake_quantize(pixels, *ends, *ends, levels=256)
    weights = operators.constant(np.full((CHANNELS, CHANNELS, 1, 1), MOST[1], np.int8))
    scale = operators.constant(np.ones((CHANNELS, 1, 1, 1), np.float32))
    kernel = operators.multiply(operators.convert(weights, "f32"), scale)
    summed = operators.convolution(rounded, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    asked = openvino.Core().compile_model(openvino.Model([summed], [pixels]), "CPU", _settings(1))
    (said,) = asked([np.full((1, CHANNELS, 1, 1), MOST[0], np.float32)]).values()
    return bool(said.max() < CHANNELS * MOST[0] * MOST[1])


def _unpack_weights(network: openvino.Model) -> None:
    """int8 kernels become float32 ones, so that convolutions with them are computed in float."""
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(network)


def _cause(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    causes = [line for line in lines if line and not line.startswith(HEADER)]
    return causes[-1] if causes else first_line(error)
