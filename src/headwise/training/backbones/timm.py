"""Any convolutional backbone of timm by its name (PyTorch Image Models, Wightman), up to its last map.

Needs the extra `timm`. With a torch for the CPU: `pip install --no-deps timm torchvision`, so that pip does
not bring another torch along; `training/torchvision_import` mends what is left.
"""

from __future__ import annotations

from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from headwise.errors import SettingsError
from headwise.plugins import import_optional
from headwise.training.torchvision_import import imported_torchvision

STRIDE = 32  # of the maps that the heads of the pose network expect
TRIED_PX = 64  # the smallest crop


class Timm(nn.Module):
    """Feature extractor: normalised (n, 3, H, W) in, (n, channels, H/32, W/32) out."""

    def __init__(self, body: nn.Module, channels: int) -> None:
        super().__init__()
        self.body = body
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        last: Tensor = self.body(x)[-1]
        return last


def create(*, model: str, pretrained: bool = False) -> Timm:
    """model: a name of `timm.list_models()`, such as "efficientnet_b0". pretrained: fetch timm's weights.

    Raises MissingExtra without timm, SettingsError for an unknown name and for a model that gives no maps at
    1/32 of crops of any size (most transformers).
    """
    with suppress(ModuleNotFoundError):  # of torchvision; a user should rather hear that timm is missing
        imported_torchvision()
    timm = import_optional("timm")
    known = timm.list_models()
    if model.partition(".")[0] not in known:  # what follows a dot names pretrained weights
        guess = ", ".join(get_close_matches(model, known, n=3)) or "none"
        raise SettingsError(f"no model of timm {model!r}; near it: {guess}; timm.list_models() has all")
    try:
        body: nn.Module = timm.create_model(model, pretrained=pretrained, features_only=True)
        facts: Any = body.feature_info
        channels, stride = facts.channels()[-1], facts.reduction()[-1]
        with torch.no_grad():
            shape = tuple(body.eval()(torch.zeros(1, 3, TRIED_PX, TRIED_PX))[-1].shape)
    except (RuntimeError, AssertionError, NotImplementedError) as wrong:
        raise SettingsError(f"timm's {model} gives no maps of crops of {TRIED_PX} px: {wrong}") from wrong
    if stride != STRIDE or shape != (1, channels, TRIED_PX // STRIDE, TRIED_PX // STRIDE):
        raise SettingsError(f"timm's {model} gives maps of shape {shape}; heads need 1/{STRIDE} of the crop")
    return Timm(body.train(), channels)
