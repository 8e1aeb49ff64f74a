"""Attention on a feature map: which channels, then which places (CBAM, Woo et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SQUEEZE = 16  # the paper's reduction ratio
KERNEL = 7  # of the convolution that weighs the places


class Attention(nn.Module):
    """(n, channels, h, w) times a weight 0..1 for each channel (eq. 2) and then for each place (eq. 3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(8, channels // SQUEEZE)
        self.channel = nn.Sequential(nn.Linear(channels, narrow), nn.ReLU(), nn.Linear(narrow, channels))
        self.place = nn.Conv2d(2, 1, KERNEL, padding=KERNEL // 2)

    def forward(self, feature_map: Tensor) -> Tensor:
        pooled = self.channel(feature_map.mean((2, 3))) + self.channel(feature_map.amax((2, 3)))
        feature_map = feature_map * torch.sigmoid(pooled)[:, :, None, None]
        summary = torch.cat([feature_map.mean(1, keepdim=True), feature_map.amax(1, keepdim=True)], 1)
        return feature_map * torch.sigmoid(self.place(summary))
