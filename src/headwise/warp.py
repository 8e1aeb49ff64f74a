"""`Warp`: one 2D similarity that moves pixels, points and head rotations together."""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor, hypot
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.conventions import EulerOrder
from headwise.errors import GeometryError
from headwise.rotation import Rotation

Picture = NDArray[Any]
"""uint8 (height, width[, channels]); cv2 gives its results no dtype."""

SIMILARITY_TOLERANCE = 1e-6
"""Largest relative departure of the 2x2 part from scale times rotation times mirror."""

SHARP_SCALE = 0.8
"""Shrinking below this is averaged over 2x2 samples: a bilinear sample alone would skip source pixels."""


class Border(StrEnum):
    """What lies beyond the picture."""

    REPLICATE = "replicate"
    BLACK = "black"


@dataclass(frozen=True, eq=False)
class Warp:
    """target_from_source: (2, 3) float64, read-only, on continuous pixel coordinates.

    Scale, rotation, shift and perhaps a mirror; GeometryError for any other affine map, since that would
    change a head into one of another shape.
    """

    matrix: NDArray[np.float64]

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (2, 3) or not np.isfinite(matrix).all():
            raise GeometryError(f"a warp needs a finite 2x3 matrix, got shape {matrix.shape}")
        (a, b, _), (c, d, _) = matrix.tolist()
        area = (a * a + b * b + c * c + d * d) / 2
        skew = max(abs(a * b + c * d), abs(a * a + c * c - area))
        if not area > 0 or skew > SIMILARITY_TOLERANCE * area:
            raise GeometryError(
                f"a warp scales, turns, shifts and mirrors, nothing else; got {matrix.tolist()}"
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def _trusted(cls, matrix: NDArray[np.float64]) -> "Warp":
        """What warps make of warps: a check would cost more than the arithmetic."""
        warp = object.__new__(cls)
        matrix.setflags(write=False)
        object.__setattr__(warp, "matrix", matrix)
        return warp

    @classmethod
    def identity(cls) -> "Warp":
        return cls(np.eye(2, 3))

    @classmethod
    def moving(cls, dx: float, dy: float) -> "Warp":
        """By dx to the right and dy down, in pixels."""
        return cls(np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]]))

    @classmethod
    def scaling(cls, factor: float, about: tuple[float, float] = (0.0, 0.0)) -> "Warp":
        """Larger by factor; the point `about` stays."""
        return cls._about(factor * np.eye(2), about)

    @classmethod
    def turning(cls, deg: float, about: tuple[float, float]) -> "Warp":
        """Clockwise on the screen; the point `about` stays."""
        c, s = np.cos(np.radians(deg)), np.sin(np.radians(deg))
        return cls._about(np.array([[c, -s], [s, c]]), about)

    @classmethod
    def mirroring(cls, width: float) -> "Warp":
        """Left to right within a picture of that width."""
        return cls(np.array([[-1.0, 0.0, width], [0.0, 1.0, 0.0]]))

    @classmethod
    def _about(cls, linear: NDArray[np.float64], fixed: tuple[float, float]) -> "Warp":
        shift = np.asarray(fixed) - linear @ np.asarray(fixed)
        return cls(np.column_stack([linear, shift]))

    @property
    def scale(self) -> float:
        """Target pixels a source pixel is wide."""
        return hypot(self.matrix[0, 0], self.matrix[1, 0])

    @property
    def mirrors(self) -> bool:
        (a, b, _), (c, d, _) = self.matrix.tolist()
        return bool(a * d < b * c)

    @property
    def rotation_deg(self) -> float:
        """Clockwise on the screen, ±180, after the mirror if there is one."""
        x, y = self.matrix[:, 0] * (-1 if self.mirrors else 1)
        return float(np.degrees(np.arctan2(y, x)))

    def __matmul__(self, other: "Warp") -> "Warp":
        """c_from_a = c_from_b @ b_from_a."""
        matrix = self.matrix[:, :2] @ other.matrix
        matrix[:, 2] += self.matrix[:, 2]
        return Warp._trusted(matrix)

    def inverse(self) -> "Warp":
        """source_from_target."""
        (a, b, x), (c, d, y) = self.matrix.tolist()
        area = a * a + c * c  # a similarity's inverse is its transpose over its scale squared
        return Warp._trusted(np.array([[a, c, -(a * x + c * y)], [b, d, -(b * x + d * y)]]) / area)

    def points(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Target points (..., 2) of source points (..., 2); left-right names: `conventions.FLIP_68`."""
        return np.asarray(xy, dtype=np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def rotation(self, source_from_head: Rotation) -> Rotation:
        """The head's rotation in the target picture: mirrored if the warp mirrors, then turned about z."""
        rotation = source_from_head.mirrored() if self.mirrors else source_from_head
        turn = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=0, pitch_deg=0, roll_deg=self.rotation_deg)
        return turn @ rotation

    def image(
        self, image: Picture, width: int, height: int, border: Border = Border.REPLICATE
    ) -> NDArray[np.uint8]:
        """The target picture (height, width[, channels]); anti-aliased when the warp shrinks."""
        source_from_target = self.inverse()
        factor = max(1, floor(1 / self.scale))
        left, right, top, bottom = source_from_target._reach(width, height, image.shape, 2 * factor)
        region = _shrink(image[top:bottom, left:right], factor, border)
        region_from_target = source_from_target.matrix - [[0, 0, left], [0, 0, top]]
        region_from_target /= factor
        if image.ndim == 3 and image.shape[2] == 3:
            return _without_alpha(_sample(_with_alpha(region), region_from_target, width, height, border))
        return _sample(region, region_from_target, width, height, border)

    def _reach(
        self, width: int, height: int, shape: tuple[int, ...], margin: int
    ) -> tuple[int, int, int, int]:
        """Left, right, top, bottom of where a picture of that size comes to lie in one of that shape."""
        (a, b, x), (c, d, y) = self.matrix.tolist()
        left, right = _span(x, a * width, b * height, shape[1], margin)
        top, bottom = _span(y, c * width, d * height, shape[0], margin)
        return left, right, top, bottom


def _span(start: float, along: float, across: float, size: int, margin: int) -> tuple[int, int]:
    """First pixel and the one after the last, with a margin, at least one pixel and within [0, size]."""
    least = start + min(along, 0.0) + min(across, 0.0)
    largest = start + max(along, 0.0) + max(across, 0.0)
    first = min(max(floor(least) - margin, 0), size - 1)
    return first, min(max(ceil(largest) + margin, first + 1), size)


def _shrink(image: Picture, factor: int, border: Border) -> Picture:
    """Means over blocks of factor x factor pixels; part blocks at the far edges are filled by the border."""
    import cv2

    if factor == 1:
        return image
    height, width = image.shape[:2]
    down, right = -height % factor, -width % factor
    if down or right:
        image = cv2.copyMakeBorder(image, 0, down, 0, right, _cv2_border(border), value=0)
    return _area_mean(image, (width + right) // factor, (height + down) // factor)


def _area_mean(image: Picture, width: int, height: int) -> NDArray[np.uint8]:
    import cv2

    mean: Any = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cast(NDArray[np.uint8], mean)


def _with_alpha(image: Picture) -> Picture:
    """A fourth channel: cv2 samples four channels 2.5 times as fast as three."""
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)


def _without_alpha(image: Picture) -> Picture:
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_RGBA2RGB)


def _sample(
    image: Picture, image_from_target: NDArray[np.float64], width: int, height: int, border: Border
) -> NDArray[np.uint8]:
    """A bilinear sample a target pixel, or the mean of 2x2 where one would skip pixels of the image."""
    import cv2

    (a, b, x), (c, d, y) = image_from_target.tolist()
    per_pixel = 1 if hypot(a, c) * SHARP_SCALE <= 1 else 2
    a, b, c, d = a / per_pixel, b / per_pixel, c / per_pixel, d / per_pixel
    # cv2 counts pixel centres as whole numbers, we put them at .5.
    sampled: Any = cv2.warpAffine(
        image,
        np.array([[a, b, x + (a + b - 1) / 2], [c, d, y + (c + d - 1) / 2]]),
        (per_pixel * width, per_pixel * height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=_cv2_border(border),
    )
    return cast(NDArray[np.uint8], sampled) if per_pixel == 1 else _area_mean(sampled, width, height)


def _cv2_border(border: Border) -> int:
    import cv2

    return cv2.BORDER_REPLICATE if Border(border) is Border.REPLICATE else cv2.BORDER_CONSTANT
