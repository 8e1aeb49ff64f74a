"""`Warp`: one 2D similarity that moves pixels, points and head rotations together."""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.conventions import EulerOrder
from headwise.errors import GeometryError
from headwise.rotation import Rotation

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
        gram = matrix[:, :2].T @ matrix[:, :2]
        area = np.trace(gram) / 2
        if not area > 0 or np.abs(gram - area * np.eye(2)).max() > SIMILARITY_TOLERANCE * area:
            raise GeometryError(
                f"a warp scales, turns, shifts and mirrors, nothing else; got {matrix.tolist()}"
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

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
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    @property
    def mirrors(self) -> bool:
        return bool(np.linalg.det(self.matrix[:, :2]) < 0)

    @property
    def rotation_deg(self) -> float:
        """Clockwise on the screen, ±180, after the mirror if there is one."""
        x, y = self.matrix[:, 0] * (-1 if self.mirrors else 1)
        return float(np.degrees(np.arctan2(y, x)))

    def __matmul__(self, other: "Warp") -> "Warp":
        """c_from_a = c_from_b @ b_from_a."""
        return Warp(self.matrix @ np.vstack([other.matrix, [0.0, 0.0, 1.0]]))

    def inverse(self) -> "Warp":
        """source_from_target."""
        linear = np.linalg.inv(self.matrix[:, :2])
        return Warp(np.column_stack([linear, -linear @ self.matrix[:, 2]]))

    def points(self, xy: ArrayLike) -> NDArray[np.float64]:
        """(..., 2) target points of source points (..., 2). Renaming left and right points is `conventions.FLIP_68`."""
        return np.asarray(xy, dtype=np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def rotation(self, source_from_head: Rotation) -> Rotation:
        """The head's rotation as the target picture shows it: mirrored if the warp mirrors, then turned about z."""
        rotation = source_from_head.mirrored() if self.mirrors else source_from_head
        turn = Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=0, pitch_deg=0, roll_deg=self.rotation_deg)
        return turn @ rotation

    def image(
        self, image: NDArray[np.uint8], width: int, height: int, border: Border = Border.REPLICATE
    ) -> NDArray[np.uint8]:
        """The target picture (height, width[, channels]) of a source picture; anti-aliased when it shrinks."""
        region, region_from_source = self._needed_region(image, width, height, border)
        warp = self @ region_from_source.inverse()
        if warp.scale >= SHARP_SCALE:
            return _sample(region, warp, width, height, border)
        import cv2

        doubled = _sample(region, Warp.scaling(2) @ warp, 2 * width, 2 * height, border)
        halved: NDArray[np.uint8] = cv2.resize(doubled, (width, height), interpolation=cv2.INTER_AREA)
        return halved

    def _needed_region(
        self, image: NDArray[np.uint8], width: int, height: int, border: Border
    ) -> tuple[NDArray[np.uint8], "Warp"]:
        """The part of the source the target shows, area-averaged by the whole factor that fits, and region_from_source."""
        corners = self.inverse().points([(0, 0), (width, 0), (width, height), (0, height)])
        factor = max(1, floor(1 / self.scale))
        spans = []
        for axis, size in ((0, image.shape[1]), (1, image.shape[0])):
            first = min(max(floor(corners[:, axis].min()) - 2 * factor, 0), size - 1)
            last = min(max(ceil(corners[:, axis].max()) + 2 * factor, first + 1), size)
            spans.append((first, last))
        (left, right), (top, bottom) = spans
        region = image[top:bottom, left:right]
        if factor > 1:
            region = _shrink(region, factor, border)
        return region, Warp.scaling(1 / factor) @ Warp.moving(-left, -top)


def _shrink(image: NDArray[np.uint8], factor: int, border: Border) -> NDArray[np.uint8]:
    """Means over blocks of factor x factor pixels; a part block at the right or bottom is filled up by the border."""
    import cv2

    height, width = image.shape[:2]
    down, right = -height % factor, -width % factor
    if down or right:
        image = cv2.copyMakeBorder(image, 0, down, 0, right, _cv2_border(border), value=0)  # type: ignore[assignment, call-overload]
    size = ((width + right) // factor, (height + down) // factor)
    shrunk: NDArray[np.uint8] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return shrunk


def _sample(
    image: NDArray[np.uint8], warp: Warp, width: int, height: int, border: Border
) -> NDArray[np.uint8]:
    """One bilinear sample a target pixel. cv2 counts pixel centres as whole numbers, we put them at .5."""
    import cv2

    source_from_target = (Warp.moving(-0.5, -0.5) @ warp.inverse() @ Warp.moving(0.5, 0.5)).matrix
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    sampled: NDArray[np.uint8] = cv2.warpAffine(
        image, source_from_target, (width, height), flags=flags, borderMode=_cv2_border(border)
    )
    return sampled


def _cv2_border(border: Border) -> int:
    import cv2

    return cv2.BORDER_REPLICATE if Border(border) is Border.REPLICATE else cv2.BORDER_CONSTANT
