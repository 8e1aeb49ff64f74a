"""What a question to the page is made of; asked.js reads it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box


def picture(image: NDArray[np.uint8], boxes: Sequence[Box] = ()) -> dict[str, Any]:
    """An RGB picture (height, width, 3) as a browser has it, and boxes whose crops are wanted."""
    height, width = image.shape[:2]
    opaque = np.full((height, width, 1), 255, np.uint8)
    rgba = to_base64(np.concatenate([image, opaque], axis=2))
    return {"width": width, "height": height, "rgba": rgba, "boxes": [asdict(box) for box in boxes]}


def to_base64(array: NDArray[np.uint8]) -> str:
    """Bytes as JSON carries them."""
    return base64.b64encode(array.tobytes()).decode()


def from_base64(text: str, *shape: int) -> NDArray[np.uint8]:
    """The way back; read-only."""
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)
