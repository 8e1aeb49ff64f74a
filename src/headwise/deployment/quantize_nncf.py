"""int8 by Intel's NNCF, the quantiser that belongs to OpenVINO; the file is ONNX and runs everywhere."""

from __future__ import annotations

import logging
from pathlib import Path

import nncf
import numpy as np
import onnx
from numpy.typing import NDArray

from headwise.deployment.quantize import nodes_to_round


def quantize_with_nncf(source: Path, target: Path, calibration: NDArray[np.uint8]) -> None:
    """Write `target`: the layers that `headwise.deployment.quantize` rounds, in NNCF's ranges.

    calibration: (n, H, W, 3) uint8. With all layers, the last and the arithmetic behind it too, as NNCF would
    have it, a pose network was 5 deg off. Weights have 7 bits here as well, for the same reason.
    """
    nncf.set_log_level(logging.ERROR)
    model = onnx.load(str(source))
    for place, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{place}"  # how they are told to leave a node alone
    kept = {node.name for node in model.graph.node} - set(nodes_to_round(model.graph))
    name = model.graph.input[0].name
    small = nncf.quantize(
        model,
        nncf.Dataset(calibration, lambda picture: {name: picture[None]}),
        subset_size=len(calibration),
        ignored_scope=nncf.IgnoredScope(names=sorted(kept)),
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(small, str(target))
