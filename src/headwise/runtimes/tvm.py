"""Apache TVM on the CPU: the network compiled to a library of machine code, kept for the next start.

A library holds one shape of the input: crops are run one by one, and each size of a picture is compiled when
it first comes. It is compiled for the processor at hand and without tuning.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tvm
from numpy.typing import NDArray
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx
from tvm.target import codegen

from headwise.errors import ModelError
from headwise.native_noise import native_noise_silenced
from headwise.runtimes._onnx_file import OnnxFile, RowByRow, check_threads, first_line, open_file
from headwise.runtimes._onnx_graph import for_shape

Run = Callable[[NDArray[Any]], list[NDArray[Any]]]

BIG_CORES = 1  # TVM's number for "the fast cores first"
log = logging.getLogger(__name__)


class TvmModel(RowByRow):
    """A network in TVM."""

    def __init__(self, file: OnnxFile, folder: Path | None) -> None:
        super().__init__(file)
        self._folder = folder
        self._runs: dict[tuple[int, ...], Run] = {}

    def _run(self, row: NDArray[Any]) -> list[NDArray[Any]]:
        if row.shape not in self._runs:
            self._runs[row.shape] = _prepared(self._file, row.shape, self._folder)
        return self._runs[row.shape](row)


def create(model: str | Path | bytes, *, threads: int = 1, cache: Path | None = None) -> TvmModel:
    """Load an ONNX file (a path or its bytes) that carries a headwise card.

    ``threads``: cores one call may use, of all of a process's TVM models; 0 means all of them. ``cache``: the
    folder of compiled libraries; None is that of the file. A library is machine code that is run: the folder
    must be as trusted as the program. Raises ModelError, also where a picture of a new size comes.
    """
    check_threads(threads)
    file = open_file(model)
    folder = cache or (file.path.parent if file.path is not None else None)
    # TVM would bind the caller's own thread, and whatever it starts later, to one core
    os.environ.setdefault("TVM_BIND_THREADS", "0")
    tvm.get_global_func("runtime.config_threadpool")(BIG_CORES, threads)
    network = TvmModel(file, folder)
    sizes = [size for size in file.shape[1:] if isinstance(size, int)]
    if len(sizes) == len(file.shape) - 1:
        network(**{file.input_name: np.zeros((1, *sizes), file.inputs[file.input_name])})
    return network


def write(file: OnnxFile, folder: Path, height: int, width: int) -> tuple[Path, ...]:
    """The library for one picture of that size, in a folder. Raises ModelError."""
    shape = (1, height, width, 3)
    return (_compile(file, shape, folder / library_name(file, shape)),)


def library_name(file: OnnxFile, shape: tuple[int, ...]) -> str:
    """What a compiled library is called: by its model, its contents, TVM, processor and shape."""
    stem = "model" if file.path is None else file.path.stem
    size = "x".join(map(str, shape))
    return f"{stem}-{file.key}.tvm-{tvm.__version__}-{codegen.llvm_get_system_cpu()}-{size}.so"


def _prepared(file: OnnxFile, shape: tuple[int, ...], folder: Path | None) -> Run:
    """The network for one shape: the kept library, else a new one, which is kept where that can be done."""
    if folder is None:
        with tempfile.TemporaryDirectory() as scratch:
            return _load(_compile(file, shape, Path(scratch) / library_name(file, shape)))
    kept = folder / library_name(file, shape)
    if kept.is_file():
        return _load(kept)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            return _load(_compile(file, shape, Path(scratch) / kept.name).replace(kept))
    except OSError as error:
        log.warning("%s is not kept (%s): it is compiled at every start", kept, error.strerror)
        return _prepared(file, shape, None)


def _load(library: Path) -> Run:
    machine = relax.VirtualMachine(tvm.runtime.load_module(str(library)), tvm.cpu())
    main = machine["main"]

    def run(array: NDArray[Any]) -> list[NDArray[Any]]:
        return [value.numpy() for value in main(tvm.runtime.tensor(array))]

    return run


def _compile(file: OnnxFile, shape: tuple[int, ...], target: Path) -> Path:
    """Write the library `target`. ModelError where TVM cannot import or compile the network."""
    log.warning("compiling %s for %s in TVM, which takes a while", file.label, " x ".join(map(str, shape)))
    with quiet_compiler():
        try:
            module = from_onnx(
                for_shape(onnx.load_from_string(file.content), shape), keep_params_in_input=False
            )
            processor = tvm.target.Target({"kind": "llvm", "mcpu": codegen.llvm_get_system_cpu()})
            tvm.compile(module, target=processor).export_library(str(target))
        except Exception as error:  # TVM raises a dozen unrelated types
            cause = first_line(error)
            raise ModelError(f"{file.label}: TVM cannot compile this model ({cause})") from error
    return target


@contextmanager
def quiet_compiler() -> Iterator[None]:
    """Without the importer's notes on operators that it checks again itself, and the compiler's hundreds of
    lines on indices that are constants.
    """
    with warnings.catch_warnings(), native_noise_silenced():
        warnings.simplefilter("ignore")
        yield
