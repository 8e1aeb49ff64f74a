"""ONNX Runtime on the CPU: the runtime of the base install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from headwise.errors import ModelError, SettingsError
from headwise.model_card import ModelCard, read_card

ERRORS_ONLY = (
    3  # ONNX Runtime's severity scale; its warnings speak of graph fusions, not of our users' problems
)
ELEMENT_TYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(float16)": "float16"}
UNREADABLE = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


class OnnxruntimeModel:
    """A network in ONNX Runtime; see ``headwise.runtimes.Model``. Safe to call from several threads."""

    def __init__(self, session: onnxruntime.InferenceSession, card: ModelCard) -> None:
        self._session = session
        self.card = card
        self.inputs = _element_types(session.get_inputs())
        self.outputs = _element_types(session.get_outputs())
        self._output_names = list(self.outputs)

    def __call__(self, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
        return dict(zip(self._output_names, self._session.run(self._output_names, arrays), strict=True))


def create(model: str | Path | bytes, *, threads: int = 1) -> OnnxruntimeModel:
    """Load an ONNX file (a path or its bytes) that carries a headwise card.

    ``threads``: cores one call may use; 0 means all of them. Raises ModelError.
    """
    if threads < 0:
        raise SettingsError(f"threads must be 0 (all cores) or more, got {threads}")
    name = "the given bytes" if isinstance(model, bytes) else str(model)
    try:
        content = model if isinstance(model, bytes) else Path(model).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read model file {name}: {error.strerror}") from error
    try:
        session = onnxruntime.InferenceSession(content, _options(threads), providers=["CPUExecutionProvider"])
    except UNREADABLE as error:
        cause = str(error).splitlines()[0]
        raise ModelError(f"{name} is no ONNX model that ONNX Runtime can run ({cause})") from error
    try:
        card = read_card(session)
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error
    return OnnxruntimeModel(session, card)


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    # Two networks take turns: workers of the one that waits must not burn the cores of the one that runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Not "session.set_denormal_as_zero": it would change the arithmetic of the caller's whole thread.
    return options


def _element_types(nodes: Sequence[Any]) -> Mapping[str, str]:
    return MappingProxyType({node.name: ELEMENT_TYPES.get(node.type, node.type) for node in nodes})
