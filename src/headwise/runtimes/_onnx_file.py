"""What every runtime asks of an ONNX file: its bytes, its card, and the names and types of its arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

import numpy as np
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
KEY_LENGTH = 12  # hexadecimal digits of a sha256 in a file name: enough to tell a folder's files apart


@dataclass(frozen=True)
class OnnxFile:
    """A checked file.

    ``label``: how messages name it. ``path``: None when bytes were given. ``shape``: of the input; a name in
    it is a size that is free. ``ranks``: numbers of axes of the outputs.
    """

    label: str
    path: Path | None
    content: bytes
    card: ModelCard
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    ranks: Mapping[str, int]
    shape: tuple[int | str, ...]

    @property
    def input_name(self) -> str:
        return next(iter(self.inputs))

    @property
    def key(self) -> str:
        """The beginning of the file's sha256, for the names of what is made from it."""
        return sha256(self.content).hexdigest()[:KEY_LENGTH]

    def taken(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The one array of a call, as it lies in memory without gaps. ModelError: the file takes another."""
        ((name, element_type),) = self.inputs.items()
        array = arrays.get(name)
        if len(arrays) != 1 or array is None or array.dtype != element_type or not self._fits(array.shape):
            came = ", ".join(f"{key} {value.dtype}{list(value.shape)}" for key, value in arrays.items())
            wanted = f"{name} {element_type}[{', '.join(map(str, self.shape))}]"
            raise ModelError(f"{self.label} takes {wanted}, got {came or 'nothing'}")
        return np.ascontiguousarray(array)

    def _fits(self, shape: Sequence[int]) -> bool:
        return len(shape) == len(self.shape) and all(
            isinstance(wanted, str) or wanted == size for wanted, size in zip(self.shape, shape, strict=True)
        )


class RowByRow(ABC):
    """A network of an engine whose programs hold one row: rows are run one after the other.

    See ``headwise.runtimes.Model``. Calls from several threads take turns.
    """

    def __init__(self, file: OnnxFile) -> None:
        self._file = file
        self._turn = Lock()
        self._takes_rows = isinstance(file.shape[0], str)
        self.card = file.card
        self.inputs = file.inputs
        self.outputs = file.outputs

    @abstractmethod
    def _run(self, row: NDArray[Any]) -> list[NDArray[Any]]:
        """The outputs for an input of one row, as the ONNX file would give them."""

    def __call__(self, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
        array = self._file.taken(arrays)
        if not len(array):
            raise ModelError(f"{self._file.label}: this runtime needs one row or more, got none")
        with self._turn:
            rows = [self._run(array[i : i + 1]) for i in range(len(array))]
        columns = map(np.concatenate, zip(*rows, strict=True)) if self._takes_rows else rows[0]
        return dict(zip(self.outputs, columns, strict=True))


def read_model(model: str | Path | bytes) -> tuple[str, bytes]:
    """How messages name the model, and its bytes. ModelError when there is no such file."""
    name = "the given bytes" if isinstance(model, bytes) else str(model)
    try:
        return name, model if isinstance(model, bytes) else Path(model).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read model file {name}: {error.strerror}") from error


def open_session(
    label: str, content: bytes, options: onnxruntime.SessionOptions
) -> tuple[onnxruntime.InferenceSession, ModelCard]:
    """The file in ONNX Runtime, and its card. ModelError when it is no model or carries none."""
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except UNREADABLE as error:
        raise ModelError(
            f"{label} is no ONNX model that ONNX Runtime can run ({first_line(error)})"
        ) from error
    try:
        return session, read_card(session)
    except ModelError as error:
        raise ModelError(f"{label}: {error}") from error


def open_file(model: str | Path | bytes) -> OnnxFile:
    """A path or its bytes, checked: it is an ONNX model, has one input and carries a card. ModelError."""
    label, content = read_model(model)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = ERRORS_ONLY
    session, card = open_session(label, content, options)
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ModelError(f"{label} has the inputs {[node.name for node in inputs]}; one is allowed")
    return OnnxFile(
        label=label,
        path=None if isinstance(model, bytes) else Path(model),
        content=content,
        card=card,
        inputs=element_types(inputs),
        outputs=element_types(session.get_outputs()),
        ranks=MappingProxyType({node.name: len(node.shape) for node in session.get_outputs()}),
        shape=tuple(size or f"axis {axis}" for axis, size in enumerate(inputs[0].shape)),
    )


def element_types(nodes: Sequence[Any]) -> Mapping[str, str]:
    """Name -> element type as numpy spells it."""
    return MappingProxyType({node.name: ELEMENT_TYPES.get(node.type, node.type) for node in nodes})


def check_threads(threads: int) -> None:
    """SettingsError for a number of cores below 0."""
    if threads < 0:
        raise SettingsError(f"threads must be 0 (all cores) or more, got {threads}")


def first_line(error: Exception) -> str:
    """What an engine's error says, in one line."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
