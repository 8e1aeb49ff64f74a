"""Tencent's ncnn, which runs on phones: the network as a pair of files that apps for Android and iOS load.

pnnx translates the ONNX file once; the pair is kept for the next start. A pair holds one shape of the input:
crops are run one by one, and each size of a picture is translated when it first comes. Everything is computed
in float: what an int8 file rounds is taken unrounded here.
"""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ncnn
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from headwise.errors import ModelError
from headwise.plugins import import_optional
from headwise.runtimes._onnx_file import OnnxFile, RowByRow, check_threads, open_file
from headwise.runtimes._onnx_graph import constants, for_shape, without_rounding

PIXELS = "in0"
"""The input of a translated network: float (3, height, width), red, green, blue, 0..255."""
PLANES_FROM_ROWS, ROWS_FROM_PLANES = [0, 3, 1, 2], [0, 2, 3, 1]
log = logging.getLogger(__name__)


class NcnnModel(RowByRow):
    """A network in ncnn."""

    def __init__(self, file: OnnxFile, folder: Path | None, threads: int) -> None:
        super().__init__(file)
        self._folder = folder
        self._threads = threads
        self._networks: dict[tuple[int, int], ncnn.Net] = {}

    def _run(self, row: NDArray[np.uint8]) -> list[NDArray[Any]]:
        picture = row[0]
        height, width = picture.shape[:2]
        if (height, width) not in self._networks:
            network = _opened(self._file, height, width, self._folder, self._threads)
            self._networks[height, width] = network
        extractor = self._networks[height, width].create_extractor()
        extractor.input(PIXELS, ncnn.Mat.from_pixels(picture, ncnn.Mat.PixelType.PIXEL_RGB, width, height))
        said = []
        for place, (name, rank) in enumerate(self._file.ranks.items()):
            failed, values = extractor.extract(f"out{place}")
            if failed:
                raise ModelError(f"{self._file.label}: ncnn cannot compute {name}")
            array = np.array(values, np.float32)  # of one number it is an array too, and has no axis of rows
            said.append(array[None] if array.ndim < rank else array)
        return said


def create(model: str | Path | bytes, *, threads: int = 1, cache: Path | None = None) -> NcnnModel:
    """Load an ONNX file (a path or its bytes) that carries a headwise card.

    ``threads``: cores one call may use; 0 means all of them. ``cache``: the folder of translated files; None
    is that of the file. Raises ModelError, also where a picture of a new size comes; MissingExtra where a
    file has to be translated and pnnx is not installed.
    """
    check_threads(threads)
    file = open_file(model)
    folder = cache or (file.path.parent if file.path is not None else None)
    network = NcnnModel(file, folder, threads)
    sizes = [size for size in file.shape[1:] if isinstance(size, int)]
    if len(sizes) == len(file.shape) - 1:
        network(**{file.input_name: np.zeros((1, *sizes), np.uint8)})
    return network


def file_stem(file: OnnxFile, height: int, width: int) -> str:
    """What a translated pair is called, without its endings: by its model, its contents and the picture."""
    stem = "model" if file.path is None else file.path.stem
    return f"{stem}-{file.key}.ncnn-{width}x{height}"


def write(file: OnnxFile, folder: Path, height: int, width: int) -> tuple[Path, Path]:
    """The pair (.param, .bin) for pictures of that size, in a folder; weights in half precision.

    Raises ModelError where pnnx cannot translate the network, MissingExtra without pnnx.
    """
    pnnx = import_optional("pnnx")
    stem = file_stem(file, height, width)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        plain = Path(scratch) / "model.onnx"
        onnx.save(_plain(file, height, width), str(plain))
        command = [pnnx.EXEC_PATH, plain.name, f"inputshape=[1,3,{height},{width}]f32"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        graph, weights = (plain.with_suffix(f".ncnn{ending}") for ending in (".param", ".bin"))
        if not graph.is_file() or not weights.is_file():
            told = (done.stderr or done.stdout).strip().splitlines()
            raise ModelError(
                f"{file.label}: pnnx cannot translate this model ({told[-1] if told else 'silent'})"
            )
        if unknown := _unknown_layers(graph):
            raise ModelError(f"{file.label}: ncnn has no {', '.join(sorted(unknown))}")
        return graph.replace(folder / f"{stem}.param"), weights.replace(folder / f"{stem}.bin")


def _opened(file: OnnxFile, height: int, width: int, folder: Path | None, threads: int) -> ncnn.Net:
    """The network for one size: the kept pair, else a new one, which is kept where that can be done."""
    if folder is None:
        with tempfile.TemporaryDirectory() as scratch:
            return _load(*write(file, Path(scratch), height, width), threads)
    stem = file_stem(file, height, width)
    graph, weights = folder / f"{stem}.param", folder / f"{stem}.bin"
    if not (graph.is_file() and weights.is_file()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write(file, folder, height, width)
        except OSError as error:
            log.warning("%s is not kept (%s): it is translated at every start", graph, error.strerror)
            return _opened(file, height, width, None, threads)
    return _load(graph, weights, threads)


def _load(graph: Path, weights: Path, threads: int) -> ncnn.Net:
    network = ncnn.Net()
    network.opt.num_threads = threads or os.cpu_count() or 1
    network.opt.use_vulkan_compute = False
    if network.load_param(str(graph)) or network.load_model(str(weights)):
        raise ModelError(f"ncnn cannot load {graph} and {weights.name}; remove both to have them made again")
    return network


def _unknown_layers(graph: Path) -> set[str]:
    """What pnnx left as it was: operators with a dot in their name are PyTorch's."""
    kinds = {line.split()[0] for line in graph.read_text(encoding="utf-8").splitlines() if line.strip()}
    return {kind for kind in kinds if "." in kind}


def _plain(file: OnnxFile, height: int, width: int) -> onnx.ModelProto:
    """The network for one picture as `PIXELS` says, of operators that pnnx gets right."""
    model = for_shape(without_rounding(onnx.load_from_string(file.content)), (1, height, width, 3))
    shapes = _shapes(model)
    known = constants(model)
    graph, picture = model.graph, model.graph.input[0]
    planes = f"{picture.name}.planes"
    same: dict[str, str] = {}  # what a node would make of the picture, and where that is already
    nodes = [helper.make_node("Transpose", [planes], [picture.name], perm=ROWS_FROM_PLANES)]
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
        if node.op_type == "Cast" and node.input[0] == picture.name:
            same[node.output[0]] = picture.name
        elif node.op_type == "Transpose" and node.input[0] == picture.name and _makes_planes(node):
            same[node.output[0]] = planes
        elif node.op_type == "Gather" and node.input[1] in known:
            nodes.append(_chosen(graph, node, known[node.input[1]], shapes[node.input[0]]))
        else:
            nodes.append(node)
    if not any(picture.name in node.input for node in nodes):
        del nodes[0]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    picture.CopyFrom(helper.make_tensor_value_info(planes, TensorProto.FLOAT, (1, 3, height, width)))
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    return model


def _makes_planes(transpose: Any) -> bool:
    return [list(attribute.ints) for attribute in transpose.attribute] == [PLANES_FROM_ROWS]


def _chosen(graph: Any, node: Any, index: NDArray[Any], shape: Sequence[int]) -> Any:
    """A Gather along the last axis as a product with zeros and ones, one that drops an axis as that.

    The axis of the single picture stays: ncnn counts none.
    """
    (attribute,) = node.attribute or (helper.make_attribute("axis", 0),)
    axis = attribute.i % len(shape)
    name = f"{node.output[0]}.chosen"
    if index.ndim == 1 and axis == len(shape) - 1:
        chosen: NDArray[Any] = np.eye(shape[axis], dtype=np.float32)[:, index]
        graph.initializer.append(numpy_helper.from_array(chosen, name))
        return helper.make_node("MatMul", [node.input[0], name], list(node.output))
    if index.ndim == 0 and shape[axis] == 1:
        if axis == 0:
            return helper.make_node("Identity", [node.input[0]], list(node.output))
        graph.initializer.append(numpy_helper.from_array(np.array([axis]), name))
        return helper.make_node("Squeeze", [node.input[0], name], list(node.output))
    return node


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.value_info, *graph.output, *graph.input)
    return {value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in values}
