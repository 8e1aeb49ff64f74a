"""Boxes in pictures and the few things one does with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.errors import BoxError

_LAYOUT = "boxes are (left, top, right, bottom)"


@dataclass(frozen=True)
class Box:
    """An upright rectangle in continuous pixel coordinates; it may reach beyond the picture.

    Iterates as left, top, right, bottom.
    Raises BoxError unless the four are finite with right > left and bottom > top.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        for name in ("left", "top", "right", "bottom"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if not all(map(isfinite, self)):
            raise BoxError(f"box needs finite numbers, got {tuple(self)}; {_LAYOUT}")
        if self.right <= self.left:
            raise BoxError(f"box needs right > left, got left={self.left:g} right={self.right:g}; {_LAYOUT}")
        if self.bottom <= self.top:
            raise BoxError(f"box needs bottom > top, got top={self.top:g} bottom={self.bottom:g}; {_LAYOUT}")

    @classmethod
    def from_points(cls, points: ArrayLike) -> "Box":
        """The smallest box around points (n, 2) in pixels; further columns are ignored."""
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[0] == 0 or points.shape[1] < 2:
            raise BoxError(f"a box around points needs an array (n, 2) with n > 0, got shape {points.shape}")
        return cls(*points.min(axis=0).tolist()[:2], *points.max(axis=0).tolist()[:2])

    @classmethod
    def from_center(cls, center: ArrayLike, width: float, height: float) -> "Box":
        """The box of that width and height about a centre (x, y)."""
        x, y = np.asarray(center, dtype=np.float64)
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def __iter__(self) -> Iterator[float]:
        return iter((self.left, self.top, self.right, self.bottom))

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def center(self) -> tuple[float, float]:
        """(x, y) in pixels."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def side(self) -> float:
        """The longer of width and height: what crop rules scale."""
        return max(self.width, self.height)

    def scaled(self, factor: float) -> "Box":
        """The box about the same centre with width and height times factor."""
        return Box.from_center(self.center, self.width * factor, self.height * factor)

    def shifted(self, dx: float, dy: float) -> "Box":
        """The box moved by dx to the right and dy down, in pixels."""
        return Box(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)

    def iou(self, other: "Box") -> float:
        """Area of the overlap over area of the union, in [0, 1]."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        overlap = max(across, 0.0) * max(down, 0.0)
        return overlap / (self.area + other.area - overlap)


def iou_matrix(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """(n, m) overlap over union of boxes a (n, 4) and b (m, 4)."""
    a = np.asarray(a, dtype=np.float64).reshape(-1, 4)
    b = np.asarray(b, dtype=np.float64).reshape(-1, 4)
    a, b = a.T[:, :, None], b.T[:, None, :]
    overlap = _area(np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:]))
    union = _area(a[:2], a[2:]) + _area(b[:2], b[2:]) - overlap
    iou: NDArray[np.float64] = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return iou


def _area(top_left: NDArray[np.float64], bottom_right: NDArray[np.float64]) -> NDArray[np.float64]:
    width, height = np.maximum(bottom_right - top_left, 0.0)
    return np.asarray(width * height)


def non_maximum_suppression(boxes: ArrayLike, scores: ArrayLike, iou_threshold: float) -> NDArray[np.intp]:
    """Indices of the boxes (n, 4) kept, best score first; none overlaps a better one beyond the threshold."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    waiting = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    kept = []
    while waiting.size:
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        waiting = waiting[iou_matrix(boxes[best], boxes[waiting])[0] <= iou_threshold]
    return np.array(kept, dtype=np.intp)
