"""ONNX Runtime on the CPU: the runtime of the base install."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from headwise.model_card import ModelCard
from headwise.runtimes._onnx_file import (
    ERRORS_ONLY,
    check_threads,
    element_types,
    open_session,
    read_model,
)


class OnnxruntimeModel:
    """A network in ONNX Runtime; see ``headwise.runtimes.Model``. Safe to call from several threads."""

    def __init__(self, session: onnxruntime.InferenceSession, card: ModelCard) -> None:
        self._session = session
        self.card = card
        self.inputs = element_types(session.get_inputs())
        self.outputs = element_types(session.get_outputs())
        self._output_names = list(self.outputs)

    def __call__(self, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
        return dict(zip(self._output_names, self._session.run(self._output_names, arrays), strict=True))


def create(model: str | Path | bytes, *, threads: int = 1) -> OnnxruntimeModel:
    """Load an ONNX file (a path or its bytes) that carries a headwise card.

    ``threads``: cores one call may use; 0 means all of them. Raises ModelError.
    """
    check_threads(threads)
    label, content = read_model(model)
    return OnnxruntimeModel(*open_session(label, content, _options(threads)))


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
