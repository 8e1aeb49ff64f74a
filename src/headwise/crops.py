"""The only crop in the product: what a pose network sees of a head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.errors import InputError, SettingsError
from headwise.warp import Border, Warp


@dataclass(frozen=True)
class CropRule:
    """A square about the 68-point box's centre: `scale` times its longer side becomes `size_px` pixels."""

    scale: float = 1.2
    size_px: int = 112

    def __post_init__(self) -> None:
        if not 0 < self.scale < float("inf") or self.size_px < 1:
            raise SettingsError(
                f"a crop rule needs scale and size_px above 0, got {self.scale:g} and {self.size_px}"
            )

    def warp(self, box: Box) -> Warp:
        """crop_from_image."""
        factor = self.size_px / (self.scale * box.side)
        x, y = box.center
        middle = self.size_px / 2
        return Warp(np.array([[factor, 0.0, middle - factor * x], [0.0, factor, middle - factor * y]]))


def cut(image: NDArray[np.uint8], box: Box, rule: CropRule) -> tuple[NDArray[np.uint8], Warp]:
    """The crop (size_px, size_px, 3) of an RGB picture (height, width, 3), and crop_from_image.

    Beyond the picture its edge is repeated. Raises InputError for anything but uint8 RGB.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(f"a picture is a uint8 array (height, width, 3), got {image.dtype} {image.shape}")
    warp = rule.warp(box)
    return warp.image(image, rule.size_px, rule.size_px, Border.REPLICATE), warp
