"""TensorRT 10 on an NVIDIA GPU: an engine built from the ONNX file once and kept for the next start.

Written against the documented interface and tried with a stand-in only: it has not been run on a GPU.

TensorRT takes float32 and half files, and int8 files whose rounding is symmetric (``headwise quantize
--symmetric``). An engine fits one GPU and one TensorRT: its name says both.
"""

from __future__ import annotations

import logging
import shlex
import weakref
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.errors import ModelError
from headwise.model_card import ModelCard
from headwise.plugins import import_optional, missing_extra
from headwise.runtimes._onnx_file import OnnxFile, check_threads, open_file

Sizes = tuple[int, int, int]
"""The smallest, the usual and the largest size of an axis."""

FREE_AXES: dict[str, dict[int, Sizes]] = {
    "pose": {0: (1, 1, 32)},  # crops in one call
    "detector": {1: (32, 480, 1280), 2: (32, 640, 1280)},  # height and width of the picture, pixels
}
"""By the kind of a model: the axes of its input that may have any size, and what engines are built for."""
WORKSPACE_BYTES = 1 << 28  # what the builder may use of the GPU's memory for itself
GPU = 0
log = logging.getLogger(__name__)


class TensorrtModel:
    """A network in TensorRT; see ``headwise.runtimes.Model``. Calls from several threads take turns."""

    def __init__(self, engine: Any, file: OnnxFile, packages: _Packages) -> None:
        self._packages = packages
        self._engine = engine
        self._context = engine.create_execution_context()
        self._stream = packages.cuda("cudaStreamCreate")
        self._memory = _Memory(packages)
        self._file = file
        self._turn = Lock()
        self.card: ModelCard = file.card
        self.inputs: Mapping[str, str] = file.inputs
        self.outputs: Mapping[str, str] = file.outputs

    def __call__(self, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
        array = self._file.taken(arrays)
        with self._turn:
            self._send(array)
            said = {name: self._place(name) for name in self.outputs}
            if not self._context.execute_async_v3(stream_handle=int(self._stream)):
                raise ModelError(f"{self._file.label}: TensorRT failed on an input of shape {array.shape}")
            for name, value in said.items():
                self._copy(value, self._memory.address(name), back=True)
            self._packages.cuda("cudaStreamSynchronize", self._stream)
        return said

    def _send(self, array: NDArray[Any]) -> None:
        name = self._file.input_name
        if not self._context.set_input_shape(name, array.shape):
            allowed = {axis: (low, high) for axis, (low, _, high) in _free_axes(self._file).items()}
            raise ModelError(
                f"{self._file.label}: the engine is for sizes {allowed} (axis: smallest and largest), "
                f"got {array.shape}"
            )
        self._context.set_tensor_address(name, self._memory.hold(name, array.nbytes))
        self._copy(array, self._memory.address(name), back=False)

    def _place(self, name: str) -> NDArray[Any]:
        """An array for an output of the shape that follows from the input's, and memory for it on the GPU."""
        shape = tuple(self._context.get_tensor_shape(name))
        value = np.empty(shape, self.outputs[name])
        self._context.set_tensor_address(name, self._memory.hold(name, value.nbytes))
        return value

    def _copy(self, array: NDArray[Any], address: int, *, back: bool) -> None:
        kinds = self._packages.runtime.cudaMemcpyKind
        host = array.ctypes.data
        target, source = (host, address) if back else (address, host)
        kind = kinds.cudaMemcpyDeviceToHost if back else kinds.cudaMemcpyHostToDevice
        self._packages.cuda("cudaMemcpyAsync", target, source, array.nbytes, kind, self._stream)


def create(
    model: str | Path | bytes, *, threads: int = 1, fp16: bool = False, cache: Path | None = None
) -> TensorrtModel:
    """Load an ONNX file (a path or its bytes) that carries a headwise card; the first time takes minutes.

    ``threads``: has no effect, the GPU computes. ``fp16``: float layers may be computed in half precision.
    ``cache``: the folder of engines; None is that of the file. An engine is machine code that is run: the
    folder must be as trusted as the program. Raises ModelError, and MissingExtra without TensorRT.
    """
    check_threads(threads)
    file = open_file(model)
    packages = _Packages()
    folder = cache or (file.path.parent if file.path is not None else None)
    kept = None if folder is None else folder / packages.engine_name(file, fp16)
    plan = kept.read_bytes() if kept is not None and kept.is_file() else None
    if plan is None:
        timings = None if folder is None else folder / packages.timings_name()
        plan = _build(file, packages, fp16, timings)
        _keep(kept, plan)
    engine = packages.reader.deserialize_cuda_engine(plan)
    if engine is None:
        raise ModelError(f"{kept or file.label}: TensorRT cannot read this engine; delete it and start again")
    return TensorrtModel(engine, file, packages)


def write(file: OnnxFile, folder: Path) -> tuple[Path, ...]:
    """The engine for this machine's GPU in a folder, for all sizes of `FREE_AXES`.

    Raises ModelError, and MissingExtra without TensorRT.
    """
    packages = _Packages()
    engine = folder / packages.engine_name(file, False)
    engine.write_bytes(_build(file, packages, False, folder / packages.timings_name()))
    return (engine,)


def trtexec_line(model: str | Path, *, fp16: bool = False) -> str:
    """The command that builds the same engine with NVIDIA's own tool, beside the model. Raises ModelError.

    Its parser reads the file as it is, so it should be one of ``headwise quantize --symmetric``.
    """
    file = open_file(model)
    path = Path(model)
    words = ["trtexec", f"--onnx={path}"]
    for option, place in (("minShapes", 0), ("optShapes", 1), ("maxShapes", 2)):
        if _free_axes(file):
            size = "x".join(map(str, profile(file)[place]))
            words.append(f"--{option}={file.input_name}:{size}")
    words += ["--fp16"] if fp16 else []
    words += ["--int8"] if _is_rounded(_graph(file)) else []
    words += [
        f"--timingCacheFile={path.with_suffix('.timing')}",
        f"--saveEngine={path.with_suffix('.engine')}",
    ]
    return shlex.join(words)


def profile(file: OnnxFile) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The smallest, usual and largest shape of the input. ModelError for a free axis that has no sizes."""
    sizes = _free_axes(file)
    smallest, usual, largest = (
        tuple(sizes[axis][place] if axis in sizes else int(size) for axis, size in enumerate(file.shape))
        for place in range(3)
    )
    return smallest, usual, largest


def _free_axes(file: OnnxFile) -> dict[int, Sizes]:
    known = FREE_AXES[file.card.kind]
    free = [axis for axis, size in enumerate(file.shape) if isinstance(size, str)]
    for axis in free:
        if axis not in known:
            raise ModelError(
                f"{file.label}: axis {axis} of {list(file.shape)} is free; TensorRT engines of a "
                f"{file.card.kind} model have free axes {list(known)} only"
            )
    return {axis: known[axis] for axis in free}


def fitting(file: OnnxFile) -> bytes:
    """The file as TensorRT takes it: bytes become float before anything else is done with them.

    ModelError for int8 with zero points: TensorRT knows none.
    """
    model = _graph(file)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    numpy_of = import_optional("onnx.numpy_helper").to_array
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        zero = numpy_of(constants[node.input[2]]) if node.input[2] in constants else None
        if zero is None or zero.dtype != np.int8 or zero.any():
            raise ModelError(
                f"{file.label}: {node.name} rounds with a zero point or to another type than int8, TensorRT "
                "knows symmetric int8 only; `headwise quantize --symmetric` makes such a file"
            )
    cast_first(model)
    content: bytes = model.SerializeToString()
    return content


def cast_first(model: Any) -> None:
    """Swap a Transpose of the picture's bytes with the Cast after it: TensorRT does nothing else to bytes.

    model: an onnx.ModelProto, changed in place.
    """
    graph = model.graph
    readers: dict[str, list[int]] = {}
    for place, node in enumerate(graph.node):
        for name in node.input:
            readers.setdefault(name, []).append(place)
    for place in readers.get(graph.input[0].name, []):
        after = readers.get(graph.node[place].output[0], [])
        kinds = [graph.node[i].op_type for i in (place, *after)]
        if kinds == ["Transpose", "Cast"]:
            _swap(graph.node[place], graph.node[after[0]])
    del graph.value_info[:]  # what they say of the tensor between the two is no longer so


def _swap(turn: Any, cast: Any) -> None:
    pixels, between, planes = turn.input[0], turn.output[0], cast.output[0]
    turned = type(turn)()
    turned.CopyFrom(turn)
    turn.CopyFrom(cast)
    cast.CopyFrom(turned)
    turn.input[0], turn.output[0] = pixels, between
    cast.input[0], cast.output[0] = between, planes


def _graph(file: OnnxFile) -> Any:
    return import_optional("onnx").load_from_string(file.content)


def _is_rounded(model: Any) -> bool:
    return any(node.op_type == "QuantizeLinear" for node in model.graph.node)


def _build(file: OnnxFile, packages: _Packages, fp16: bool, timings: Path | None) -> bytes:
    """The serialised engine. What the builder measured of the GPU's kernels is kept in `timings`."""
    trt, content = packages.trt, fitting(file)
    builder = trt.Builder(packages.log)
    network = builder.create_network()
    parser = trt.OnnxParser(network, packages.log)
    if not parser.parse(content):
        causes = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        cause = causes[0].splitlines()[0] if causes else "no cause is given"
        raise ModelError(f"{file.label}: TensorRT cannot read this model ({cause})")
    settings = builder.create_builder_config()
    settings.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if fp16:
        settings.set_flag(trt.BuilderFlag.FP16)
    if _is_rounded(_graph(file)):
        settings.set_flag(trt.BuilderFlag.INT8)
    if _free_axes(file):
        shapes = builder.create_optimization_profile()
        shapes.set_shape(file.input_name, *profile(file))
        settings.add_optimization_profile(shapes)
    known = timings.read_bytes() if timings is not None and timings.is_file() else b""
    settings.set_timing_cache(settings.create_timing_cache(known), ignore_mismatch=False)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise ModelError(f"{file.label}: TensorRT cannot build an engine of this model; its log says why")
    _keep(timings, bytes(settings.get_timing_cache().serialize()))
    return bytes(plan)


def _keep(path: Path | None, content: bytes) -> None:
    """Write a whole file, or say in the log that it could not be written."""
    if path is None:
        return
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        log.warning("%s is not kept (%s): it is made at every start", path, error.strerror)


class _Packages:
    """TensorRT and CUDA's runtime, with the objects of them that live as long as the engine."""

    def __init__(self) -> None:
        try:
            self.trt: Any = import_module("tensorrt")
            self.runtime: Any = import_module("cuda.bindings.runtime")
        except ModuleNotFoundError as missing:
            told = missing_extra("the runtime tensorrt", missing)
            if told is None:
                raise
            raise told from missing
        self.log = _logger(self.trt)
        self.reader = self.trt.Runtime(self.log)

    def cuda(self, function: str, *arguments: Any) -> Any:
        """Call a function of CUDA's runtime; its error code becomes a ModelError."""
        code, *values = getattr(self.runtime, function)(*arguments)
        if code != self.runtime.cudaError_t.cudaSuccess:
            text = self.runtime.cudaGetErrorString(code)[1].decode()
            raise ModelError(f"the GPU cannot be used: {function} says {text!r}")
        return values[0] if values else None

    def engine_name(self, file: OnnxFile, fp16: bool) -> str:
        """By the model, its contents, TensorRT and GPU."""
        stem = "model" if file.path is None else file.path.stem
        return f"{stem}-{file.key}{'-fp16' if fp16 else ''}.{self._here()}.engine"

    def timings_name(self) -> str:
        return f"{self._here()}.timing"

    def _here(self) -> str:
        name = self.cuda("cudaGetDeviceProperties", GPU).name.decode().rstrip("\0")
        return f"tensorrt-{self.trt.__version__}-{'-'.join(name.split())}"


class _Memory:
    """One block of the GPU's memory for each name, as large as was ever asked for."""

    def __init__(self, packages: _Packages) -> None:
        self._packages = packages
        self._blocks: dict[str, tuple[int, int]] = {}
        weakref.finalize(self, _free, packages, self._blocks)

    def hold(self, name: str, size: int) -> int:
        address, room = self._blocks.get(name, (0, 0))
        if size > room:
            if address:
                self._packages.cuda("cudaFree", address)
            address = int(self._packages.cuda("cudaMalloc", size))
            self._blocks[name] = (address, size)
        return address

    def address(self, name: str) -> int:
        return self._blocks[name][0]


def _free(packages: _Packages, blocks: dict[str, tuple[int, int]]) -> None:
    for address, _ in blocks.values():
        packages.runtime.cudaFree(address)


def _logger(trt: Any) -> Any:
    """TensorRT's messages in Python's log."""
    levels = {
        trt.ILogger.Severity.INTERNAL_ERROR: logging.CRITICAL,
        trt.ILogger.Severity.ERROR: logging.ERROR,
        trt.ILogger.Severity.WARNING: logging.WARNING,
    }

    class Logger(trt.ILogger):  # type: ignore[misc]  # TensorRT has no types here
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            log.log(levels.get(severity, logging.DEBUG), "%s", message)

    return Logger()
