"""From a trained module to an ONNX file whose numbers are the module's own.

The exporter knows nothing of training: the module, its example input and its names come in.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
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
    logging.getLogger("onnxscript").setLevel(logging.WARNING)
    module.eval()
    sizes = {axis: torch.export.Dim(name) for axis, name in dynamic_axes.items()}
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
    """Outputs of an ONNX file by name, one thread."""
    session = open_session(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: images}), strict=True))


def open_session(model: bytes | str) -> ort.InferenceSession:
    """onnxruntime on one thread of the processor."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def parity(module: nn.Module, model: bytes, golden: NDArray[np.uint8]) -> float:
    """Mean degrees between module and file where outputs are rotations, else the largest difference.

    Raises ModelError above PARITY_DEG, or above PARITY_SHARE of any other output's range.
    """
    with torch.no_grad():
        ours = module(torch.from_numpy(golden))
    theirs = run_file(model, golden)
    worst = 0.0
    for (name, file_value), module_value in zip(theirs.items(), ours, strict=True):
        expected = module_value.numpy()
        if expected.ndim == 3 and expected.shape[1:] == (3, 3):
            worst_deg = float(angles_deg(expected, file_value).mean())
            if not worst_deg <= PARITY_DEG:
                raise ModelError(f"the exported {name} is {worst_deg:.3g} deg off; {PARITY_DEG} is allowed")
            worst = max(worst, worst_deg)
            continue
        span = float(np.ptp(expected)) + 1.0
        share = float(np.abs(expected - file_value).max(initial=0.0)) / span
        if not share <= PARITY_SHARE:
            raise ModelError(
                f"the exported {name} differs by {share:.2g} of its range; {PARITY_SHARE} is allowed"
            )
    return worst


def angles_deg(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) geodesic degrees between two (n, 3, 3)."""
    return Rotation.project(a.astype(np.float64)).angle_to_deg(Rotation.project(b.astype(np.float64)))
