"""From a trained module to an ONNX file whose numbers are the module's own.

The exporter knows nothing of training: the module, its example input and its names come in.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headwise.errors import ModelError
from headwise.rotation import Rotation

PARITY_DEG = 0.05  # a file whose rotations differ more than this on average is not written
PARITY_WORST_DEG = 0.5  # nor one with a single rotation that differs more
PARITY_SHARE = 1e-3  # the same for outputs that are no rotations, as a share of their range
OPSET = 18


def export_onnx(
    module: nn.Module,
    example: Tensor,
    input_name: str,
    output_names: Sequence[str],
    dynamic_axes: dict[int, str],
    path: Path,
    golden: NDArray[np.uint8],
) -> float:
    """Write `path` if it agrees with the module on the golden inputs; returns the difference of `parity`.

    dynamic_axes names the axes of the input that may have any size. ModelError when the file disagrees.
    """
    module.eval()
    sizes = {axis: torch.export.Dim(name) for axis, name in dynamic_axes.items()}
    with quiet_exporter():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[input_name],
            output_names=list(output_names),
            dynamic_shapes=(sizes,),
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ModelError(f"the exporter returned nothing for {path}")
    model = program.model_proto
    strip_notes(model)
    difference = parity(module, model.SerializeToString(), golden)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return difference


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without the exporter's own notes on its dependencies, which say nothing about our network."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "torch.onnx")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def strip_notes(model: onnx.ModelProto) -> None:
    """Remove what the exporter writes about itself: stack traces with the paths of this machine."""
    for node in [*model.graph.node, *(n for f in model.functions for n in f.node)]:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        del value.metadata_props[:]
        value.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]


def run_file(model: bytes | str, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Outputs of an ONNX file by name, one thread, one row an image.

    A file that takes one picture at a time is run on each, and what it gives is stacked.
    """
    session = open_session(model)
    names = [output.name for output in session.get_outputs()]
    name = session.get_inputs()[0].name
    if takes_batches(session):
        return dict(zip(names, session.run(names, {name: images}), strict=True))
    rows = [session.run(names, {name: image[None]}) for image in images]
    return {name: np.stack(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def takes_batches(session: ort.InferenceSession) -> bool:
    """Whether the first axis of the input is free; a number there is the only size allowed."""
    return not isinstance(session.get_inputs()[0].shape[0], int)


def open_session(model: bytes | str) -> ort.InferenceSession:
    """onnxruntime on one thread of the processor."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def parity(module: nn.Module, model: bytes, golden: NDArray[np.uint8]) -> float:
    """Mean degrees between module and file where outputs are rotations, else the largest difference.

    Raises ModelError above PARITY_DEG in the mean, above PARITY_WORST_DEG for any input, or above
    PARITY_SHARE of any other output's range.
    """
    theirs = run_file(model, golden)
    ours = run_module(module, golden, takes_batches(open_session(model)))
    worst = 0.0
    for (name, file_value), expected in zip(theirs.items(), ours, strict=True):
        if name == "rotation":
            off_deg = angles_deg(expected, file_value)
            mean_deg, worst_deg = float(off_deg.mean()), float(off_deg.max())
            if not (mean_deg <= PARITY_DEG and worst_deg <= PARITY_WORST_DEG):
                raise ModelError(
                    f"the exported {name} is {mean_deg:.3g} deg off in the mean and {worst_deg:.3g} at most; "
                    f"{PARITY_DEG} and {PARITY_WORST_DEG} are allowed"
                )
            worst = max(worst, mean_deg)
            continue
        span = float(np.ptp(expected)) + 1.0
        share = float(np.abs(expected - file_value).max(initial=0.0)) / span
        if not share <= PARITY_SHARE:
            raise ModelError(
                f"the exported {name} differs by {share:.2g} of its range; {PARITY_SHARE} is allowed"
            )
    return worst


def run_module(module: nn.Module, images: NDArray[np.uint8], batches: bool) -> list[NDArray[np.float32]]:
    """Outputs of the module in order, one row an image; without `batches` it sees one image at a time."""
    with torch.no_grad():
        if batches:
            return [value.numpy() for value in module(torch.from_numpy(images))]
        rows = [module(torch.from_numpy(image[None])) for image in images]
    return [np.stack([value.numpy() for value in values]) for values in zip(*rows, strict=True)]


def angles_deg(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) geodesic degrees between two (n, 3, 3)."""
    return Rotation.project(a.astype(np.float64)).angle_to_deg(Rotation.project(b.astype(np.float64)))
