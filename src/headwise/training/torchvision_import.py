"""`import torchvision` where its compiled operators do not fit the torch that is installed.

A torchvision built for another torch (the CUDA wheel beside a CPU torch is the common case) cannot load its
extension. It then warns and goes on, but fails in its last step, which describes the operator
`torchvision::nms` that the extension would have declared: "operator torchvision::nms does not exist".
Declaring the two operators it may ask for is enough for the import. They still cannot be called; a backbone
calls neither.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from types import ModuleType

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def imported_torchvision() -> ModuleType:
    """torchvision, mended if it needs it. ModuleNotFoundError where it is not installed."""
    try:
        return import_module("torchvision")
    except RuntimeError as wrong:
        if "torchvision::" not in str(wrong):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left behind
    declared_operators()
    return import_module("torchvision")


@cache
def declared_operators() -> torch.library.Library:
    """The declarations, which live as long as this object."""
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    return library
