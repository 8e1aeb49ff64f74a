"""Parts of pictures that the detector took for heads, cut out to be shown again as clutter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from headwise.boxes import iou_matrix, non_maximum_suppression
from headwise.training.heads.detector import RawDetections
from headwise.training.sprites import Picture, Sprite

KEPT = 300  # cut-outs; the oldest go first
SIDE_PX = 96  # of a cut-out
CONTEXT = 1.4  # side of a cut-out over the longer side of the false box
SURE = 0.25  # score from which a false box is worth learning from
MOST_IN_PICTURE = 3
OVERLAP = 0.4
FADE = 0.12  # of a cut-out's side: its alpha falls to 0 in so much


class HardNegatives:
    """The newest KEPT cut-outs, uint8 RGB (SIDE_PX, SIDE_PX, 3)."""

    def __init__(self) -> None:
        self.pictures: NDArray[np.uint8] = np.zeros((0, SIDE_PX, SIDE_PX, 3), np.uint8)

    def add(self, fresh: Sequence[Picture]) -> None:
        """Older ones make room."""
        if len(fresh):
            self.pictures = np.concatenate([self.pictures, np.stack(fresh)])[-KEPT:]

    def sprites(self) -> list[Sprite]:
        """With soft edges, so that the edge is not what tells them from heads."""
        places = (np.arange(SIDE_PX) + 0.5) / SIDE_PX
        edge = np.clip(np.minimum(places, 1 - places) / FADE, 0, 1)
        alpha = (255 * edge[:, None] * edge[None, :]).astype(np.uint8)
        return [Sprite.of(np.dstack([picture, alpha])) for picture in self.pictures]

    def state_dict(self) -> dict[str, Any]:
        return {"pictures": torch.from_numpy(self.pictures)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.pictures = state["pictures"].numpy()


def taken_for_heads(network: nn.Module, picture: Picture, heads: NDArray[Any]) -> list[Picture]:
    """Cut-outs about the surest detections of one picture that touch no box of ``heads`` (m, 4).

    ``network``: gives `RawDetections`; ``picture``: uint8 RGB, any size.
    """
    padded = padded_to(picture, 32)
    device = next(network.parameters()).device
    raw: RawDetections = network(torch.from_numpy(padded)[None].to(device))
    scores = raw.logits[0].float().sigmoid().cpu().numpy()
    sure = np.flatnonzero(scores >= SURE)
    boxes = raw.boxes[0].float().cpu().numpy()[sure]
    kept = non_maximum_suppression(boxes, scores[sure], OVERLAP)
    boxes = boxes[kept][: 4 * MOST_IN_PICTURE]
    windows = np.array([window_about(box, picture) for box in boxes.tolist()], float).reshape(-1, 4)
    free = np.ones(len(windows), bool)
    if len(heads) and len(windows):
        free = iou_matrix(windows, np.asarray(heads, float)).max(1) == 0
    whole = (windows[:, 2:] - windows[:, :2]).min(1, initial=SIDE_PX) >= 8
    cut = [cut_out(picture, window) for window in windows[free & whole].astype(int).tolist()]
    return cut[:MOST_IN_PICTURE]


def window_about(box: Sequence[float], picture: Picture) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels: a square about a box, as far as the picture goes."""
    height, width = picture.shape[:2]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = CONTEXT * max(box[2] - box[0], box[3] - box[1]) / 2
    left, right = np.clip([x - half, x + half], 0, width).round().astype(int).tolist()
    top, bottom = np.clip([y - half, y + half], 0, height).round().astype(int).tolist()
    return left, top, right, bottom


def cut_out(picture: Picture, window: Sequence[int]) -> Picture:
    """The window, (SIDE_PX, SIDE_PX, 3)."""
    left, top, right, bottom = window
    part: Picture = cv2.resize(
        picture[top:bottom, left:right], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA
    )
    return part


def padded_to(picture: Picture, multiple: int) -> Picture:
    """Grey to the right and below, so that both sides are multiples."""
    below, right = -picture.shape[0] % multiple, -picture.shape[1] % multiple
    padded: Picture = cv2.copyMakeBorder(
        picture, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(114, 114, 114)
    )
    return padded
