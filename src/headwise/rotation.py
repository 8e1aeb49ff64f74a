"""`Rotation`: a frozen batch of proper rotations, and every way to write one down."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.conventions import EulerOrder
from headwise.errors import RotationError

Floats = NDArray[np.float64]

ORTHONORMALITY_TOLERANCE = 1e-3
"""Largest entry of RᵀR - I that still passes for a rotation: half-precision networks stay below it."""

SINGULARITY = 1e-7
"""Below this cosine of the middle angle the outer two cannot be told apart, and roll is set to 0."""

ROUNDED = 1e-5
"""Largest entry of RᵀR - I of a rotation in single precision."""

NO_ANGLE = 1e-150
"""Radians; keeps the quotients of small angles from being 0 / 0."""

_IDENTITY = np.eye(3)
_MIRROR = np.diag([-1.0, 1.0, 1.0])
_CROSS = np.zeros((3, 9))  # from a vector to the rows of the matrix that crosses with it
_CROSS[[0, 1, 2], [7, 2, 3]], _CROSS[[0, 1, 2], [5, 6, 1]] = 1, -1


class Euler(NamedTuple):
    """Three angles in degrees, each of the batch's shape, in an order the caller chose."""

    yaw_deg: Floats
    pitch_deg: Floats
    roll_deg: Floats


@dataclass(frozen=True, eq=False)
class Rotation:
    """camera_from_head, or any other target_from_source: (*batch, 3, 3) float64, checked, read-only.

    Identity: the face looks straight into the lens. Raises RotationError for what is no proper rotation;
    `Rotation.project` finds the nearest one instead.
    """

    matrix: Floats

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.ndim < 2 or matrix.shape[-2:] != (3, 3):
            raise RotationError(f"a rotation needs an array (..., 3, 3), got shape {matrix.shape}")
        error = np.abs(np.swapaxes(matrix, -1, -2) @ matrix - _IDENTITY).max(initial=0.0)
        if not error <= ORTHONORMALITY_TOLERANCE:  # written so that nan fails
            raise RotationError(
                f"a rotation needs orthonormal columns, got an error of {error:.2g}; "
                "Rotation.project(matrix) gives the nearest rotation"
            )
        if (np.linalg.det(matrix) < 0).any():
            raise RotationError("a rotation needs determinant +1, got -1: a mirror is in it")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def trusted(cls, matrix: Floats) -> "Rotation":
        """From float64 matrices (*batch, 3, 3) that are proper rotations by how they were made: no check.

        The array becomes read-only. For arithmetic of our own, where a check costs more than the step itself.
        """
        rotation = object.__new__(cls)
        matrix.setflags(write=False)
        object.__setattr__(rotation, "matrix", matrix)
        return rotation

    @classmethod
    def identity(cls) -> "Rotation":
        return cls(np.eye(3))

    @classmethod
    def from_euler(
        cls, order: EulerOrder, *, yaw_deg: ArrayLike, pitch_deg: ArrayLike, roll_deg: ArrayLike
    ) -> "Rotation":
        """From degrees of any size; arrays broadcast to the batch. Signs and orders: `conventions`."""
        about_x = _about_axis(0, -np.asarray(pitch_deg, dtype=np.float64))
        about_y = _about_axis(1, yaw_deg)
        about_z = _about_axis(2, roll_deg)
        if EulerOrder(order) is EulerOrder.AZIMUTH:
            return cls(about_y @ about_x @ about_z)
        return cls(about_x @ about_y @ about_z)

    @classmethod
    def from_quaternion(cls, wxyz: ArrayLike) -> "Rotation":
        """From quaternions (*batch, 4) as w, x, y, z; any length but zero, q and -q are the same."""
        quaternion = np.asarray(wxyz, dtype=np.float64)
        if quaternion.ndim < 1 or quaternion.shape[-1] != 4:
            raise RotationError(f"quaternions need an array (..., 4), w first, got shape {quaternion.shape}")
        w, x, y, z = np.moveaxis(_unit(quaternion, "a quaternion"), -1, 0)
        rows = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        return cls.trusted(_matrix_of(rows))

    @classmethod
    def from_rotvec(cls, radians: ArrayLike) -> "Rotation":
        """From rotation vectors (*batch, 3): the axis times the angle in radians."""
        rotvec = np.asarray(radians, dtype=np.float64)
        if rotvec.ndim < 1 or rotvec.shape[-1] != 3:
            raise RotationError(f"rotation vectors need an array (..., 3), got shape {rotvec.shape}")
        angle = np.maximum(np.sqrt((rotvec * rotvec).sum(axis=-1)), NO_ANGLE)[..., None, None]
        cross = cross_matrix(rotvec)  # Rodrigues: 1 + sin a / a K + (1 - cos a) / a² K²
        matrix = (np.sin(angle) / angle) * cross
        matrix += (2 * (np.sin(angle / 2) / angle) ** 2) * (cross @ cross)
        matrix += _IDENTITY
        return cls.trusted(matrix)

    @classmethod
    def from_6d(cls, a: ArrayLike) -> "Rotation":
        """From (*batch, 6): Gram-Schmidt makes the first two columns of two vectors (Zhou 2019, eq. 15)."""
        vectors = np.asarray(a, dtype=np.float64)
        if vectors.ndim < 1 or vectors.shape[-1] != 6:
            raise RotationError(f"the 6D form needs an array (..., 6), got shape {vectors.shape}")
        first = _unit(vectors[..., :3], "the first vector of the 6D form")
        second = vectors[..., 3:] - first * (first * vectors[..., 3:]).sum(axis=-1, keepdims=True)
        second = _unit(second, "the second vector of the 6D form (across the first)")
        return cls.trusted(np.stack([first, second, np.cross(first, second)], axis=-1))

    @classmethod
    def project(cls, matrix: ArrayLike) -> "Rotation":
        """The nearest rotations to any matrices (*batch, 3, 3), in the Frobenius norm (SVD)."""
        matrix = np.asarray(matrix, dtype=np.float64)
        if matrix.ndim < 2 or matrix.shape[-2:] != (3, 3) or not np.isfinite(matrix).all():
            raise RotationError(f"project needs a finite array (..., 3, 3), got shape {matrix.shape}")
        off = np.swapaxes(matrix, -1, -2) @ matrix - _IDENTITY
        if np.abs(off).max(initial=0.0) < ROUNDED and (np.linalg.det(matrix) > 0).all():
            return cls.trusted(matrix - 0.5 * (matrix @ off))  # Newton's step: exact to ROUNDED²
        u, _, vt = np.linalg.svd(matrix)
        u = u.copy()
        u[..., 2] *= np.sign(np.linalg.det(u @ vt))[..., None]
        return cls.trusted(u @ vt)

    def euler(self, order: EulerOrder = EulerOrder.AZIMUTH) -> Euler:
        """Angles in degrees; at the order's singularity roll is 0. Ranges: `EulerOrder`."""
        m = self.matrix
        if EulerOrder(order) is EulerOrder.AZIMUTH:
            cosine = np.hypot(m[..., 0, 2], m[..., 2, 2])
            pitch = np.arctan2(m[..., 1, 2], cosine)
            yaw = np.arctan2(m[..., 0, 2], m[..., 2, 2])
            roll = np.arctan2(m[..., 1, 0], m[..., 1, 1])
            yaw = np.where(cosine < SINGULARITY, np.arctan2(-m[..., 2, 0], m[..., 0, 0]), yaw)
        else:
            cosine = np.hypot(m[..., 1, 2], m[..., 2, 2])
            yaw = np.arctan2(m[..., 0, 2], cosine)
            pitch = np.arctan2(m[..., 1, 2], m[..., 2, 2])
            roll = np.arctan2(-m[..., 0, 1], m[..., 0, 0])
            pitch = np.where(cosine < SINGULARITY, np.arctan2(-m[..., 2, 1], m[..., 1, 1]), pitch)
        roll = np.where(cosine < SINGULARITY, 0.0, roll)
        return Euler(np.degrees(yaw), np.degrees(pitch), np.degrees(roll))

    @property
    def quaternion(self) -> Floats:
        """(*batch, 4) as w, x, y, z, of unit length, w >= 0."""
        m = self.matrix
        xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
        wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
        ww = 1 + xx + yy + zz  # four times w squared
        if ww.min(initial=4.0) > 1:  # less than a third of a turn: nothing is lost by dividing by w
            return np.asarray(np.stack([ww, wx, wy, wz], axis=-1) / (2 * np.sqrt(ww))[..., None])
        xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
        rows = [  # 4 q qᵀ: each row is q times one of its parts; the row of the largest part loses no digits
            [ww, wx, wy, wz],
            [wx, 1 + xx - yy - zz, xy, xz],
            [wy, xy, 1 - xx + yy - zz, yz],
            [wz, xz, yz, 1 - xx - yy + zz],
        ]
        outer = _matrix_of(rows)
        best = np.diagonal(outer, axis1=-2, axis2=-1).argmax(axis=-1)
        quaternion = np.take_along_axis(outer, best[..., None, None], axis=-2)[..., 0, :]
        quaternion = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
        signed: Floats = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
        return signed

    @property
    def rotvec(self) -> Floats:
        """(*batch, 3) axis times angle in radians, angle in [0, pi]."""
        quaternion = self.quaternion
        sine = np.sqrt((quaternion[..., 1:] ** 2).sum(axis=-1, keepdims=True))
        half_angle = np.arctan2(sine, quaternion[..., :1])
        angle_over_sine = np.divide(2 * half_angle, sine, out=np.full_like(sine, 2.0), where=sine > 0)
        rotvec: Floats = quaternion[..., 1:] * angle_over_sine
        return rotvec

    @property
    def sixd(self) -> Floats:
        """(*batch, 6) the first two columns, one after the other."""
        return np.concatenate([self.matrix[..., 0], self.matrix[..., 1]], axis=-1)

    @property
    def facing(self) -> Floats:
        """(*batch, 3) unit vector along which the face looks, in the camera frame; identity: (0, 0, -1)."""
        return -self.matrix[..., 2]

    @property
    def azimuth_elevation_deg(self) -> tuple[Floats, Floats]:
        """Where the face looks, degrees: azimuth + to the image left (±180), elevation + up (±90)."""
        x, y, z = np.moveaxis(self.facing, -1, 0)
        return np.degrees(np.arctan2(-x, -z)), np.degrees(np.arctan2(-y, np.hypot(x, z)))

    @overload
    def __matmul__(self, other: "Rotation") -> "Rotation": ...
    @overload
    def __matmul__(self, other: Floats) -> Floats: ...
    def __matmul__(self, other: "Rotation | Floats") -> "Rotation | Floats":
        """c_from_a = c_from_b @ b_from_a, or point_b = b_from_a @ point_a with points (..., 3)."""
        if isinstance(other, Rotation):
            return Rotation.trusted(self.matrix @ other.matrix)
        points: Floats = np.einsum("...ij,...j->...i", self.matrix, other)
        return points

    def inverse(self) -> "Rotation":
        """source_from_target."""
        return Rotation.trusted(np.swapaxes(self.matrix, -1, -2).copy())

    def mirrored(self) -> "Rotation":
        """The pose in the picture mirrored left to right: F R F, which negates yaw and roll."""
        return Rotation.trusted(_MIRROR @ self.matrix @ _MIRROR)

    def angle_to_deg(self, other: "Rotation") -> Floats:
        """Geodesic distance in degrees, in [0, 180]; exact near both ends (atan2 form). Batches broadcast."""
        quaternion = (self.inverse() @ other).quaternion
        sine = np.linalg.norm(quaternion[..., 1:], axis=-1)
        angle_deg: Floats = np.degrees(2 * np.arctan2(sine, quaternion[..., 0]))
        return angle_deg

    def mean(self, weights: ArrayLike | None = None) -> "Rotation":
        """The batch's chordal L2 mean (Hartley 2013, section 5.3); weights have the batch's shape."""
        weights = np.ones(self.batch_shape) if weights is None else np.asarray(weights, dtype=np.float64)
        if not weights.sum() > 0:
            raise RotationError("the mean needs at least one rotation with a positive weight")
        matrices, weights = np.broadcast_arrays(self.matrix, weights[..., None, None])
        return Rotation.project((matrices * weights).reshape(-1, 3, 3).sum(axis=0))

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self.matrix.shape[:-2]

    def __len__(self) -> int:
        if not self.batch_shape:
            raise TypeError("a single Rotation has no length")
        return self.batch_shape[0]

    def __getitem__(self, index: Any) -> "Rotation":
        """Index the batch as numpy would; the 3x3 axes cannot be indexed."""
        if isinstance(index, int) and self.matrix.ndim > 2:
            return Rotation.trusted(self.matrix[index])
        rows = np.arange(int(np.prod(self.batch_shape))).reshape(self.batch_shape)[index]
        return Rotation.trusted(self.matrix.reshape(-1, 3, 3)[rows].copy())

    def __iter__(self) -> Iterator["Rotation"]:
        return (self[i] for i in range(len(self)))


def cross_matrix(vectors: Floats) -> Floats:
    """(..., 3, 3) with cross_matrix(v) @ u = v x u, of vectors (..., 3)."""
    return (vectors @ _CROSS).reshape(*vectors.shape, 3)


def _about_axis(axis: int, angle_deg: ArrayLike) -> Floats:
    """(*batch, 3, 3) right-handed turns about x (0), y (1) or z (2)."""
    radians = np.radians(np.asarray(angle_deg, dtype=np.float64))
    matrix = np.zeros((*radians.shape, 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., i, i] = matrix[..., j, j] = np.cos(radians)
    matrix[..., j, i] = np.sin(radians)
    matrix[..., i, j] = -np.sin(radians)
    return matrix


def _matrix_of(rows: list[list[Floats]]) -> Floats:
    return np.ascontiguousarray(np.moveaxis(np.array(rows), (0, 1), (-2, -1)))


def _unit(vectors: Floats, what: str) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not (np.isfinite(length) & (length > 0)).all():
        raise RotationError(f"{what} needs a finite length above zero")
    unit: Floats = vectors / length
    return unit
