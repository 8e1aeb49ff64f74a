"""Rotations from the numbers a network can write, and back: 6D, quaternion, Euler angles, any 3x3 matrix.

Everything is made of sums, products and elementary functions, so that every runtime has the operators and
gradients flow. The numpy twin, with checks, is `headwise.rotation`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from headwise.conventions import EulerOrder
from headwise.errors import SettingsError

TINY = 1e-12
SQUARINGS = 12  # (K + c)^4096 has one direction left where the two largest eigenvalues differ by 1 %


def unit(vector: Tensor) -> Tensor:
    """(n, k) to length 1; a zero vector stays finite."""
    return vector / (vector.square().sum(1, keepdim=True) + TINY).sqrt()


def cross(a: Tensor, b: Tensor) -> Tensor:
    """a x b of (n, 3)."""
    yzx, zxy = (torch.tensor(places, device=a.device) for places in ((1, 2, 0), (2, 0, 1)))
    return a.index_select(1, yzx) * b.index_select(1, zxy) - a.index_select(1, zxy) * b.index_select(1, yzx)


def from_6d(sixd: Tensor) -> Tensor:
    """(n, 6) to proper rotations (n, 3, 3): two vectors become the first two columns (Zhou 2019, eq. 15)."""
    first = unit(sixd[:, :3])
    second = sixd[:, 3:]
    second = unit(second - (first * second).sum(1, keepdim=True) * first)
    return torch.stack([first, second, cross(first, second)], dim=2)


def from_quaternion(wxyz: Tensor) -> Tensor:
    """(n, 4) of any length but zero, w first, to proper rotations (n, 3, 3); q and -q are the same."""
    q = unit(wxyz)
    return _from_outer(q[:, :, None] * q[:, None, :])


def from_euler(yaw_pitch_roll_rad: Tensor, order: EulerOrder) -> Tensor:
    """(n, 3) radians to rotations (n, 3, 3) in an order of `conventions`."""
    sy, sp, sr = torch.sin(yaw_pitch_roll_rad).unbind(1)
    cy, cp, cr = torch.cos(yaw_pitch_roll_rad).unbind(1)
    if order is EulerOrder.AZIMUTH:  # Ry(yaw) Rx(-pitch) Rz(roll), multiplied out
        entries = [
            *(cy * cr - sy * sp * sr, -cy * sr - sy * sp * cr, sy * cp),
            *(cp * sr, cp * cr, sp),
            *(-sy * cr - cy * sp * sr, sy * sr - cy * sp * cr, cy * cp),
        ]
    else:  # Rx(-pitch) Ry(yaw) Rz(roll)
        entries = [
            *(cy * cr, -cy * sr, sy),
            *(cp * sr - sp * sy * cr, cp * cr + sp * sy * sr, sp * cy),
            *(-sp * sr - cp * sy * cr, -sp * cr + cp * sy * sr, cp * cy),
        ]
    return torch.stack(entries, dim=1).reshape(-1, 3, 3)


def from_matrix(matrix: Tensor) -> Tensor:
    """Any (n, 3, 3) to the nearest proper rotations in the Frobenius norm (Levinson 2020), without an SVD.

    Davenport's K (1968) has the rotation's quaternion as the eigenvector of its largest eigenvalue. Squaring
    K + c again and again leaves q qᵀ alone, and a rotation is linear in that: no sign and no column is
    chosen. c makes all eigenvalues positive. Where the two largest are equal every answer is as good.
    """
    k = davenport(matrix)
    size = (matrix.square().sum((1, 2), keepdim=True) + TINY).sqrt()
    power = k / size + 3**0.5 * torch.eye(4, dtype=matrix.dtype, device=matrix.device)
    for _ in range(SQUARINGS):
        power = power / _trace(power)
        power = power @ power
    rough = _from_outer(power / _trace(power))
    return from_6d(torch.cat([rough[:, :, 0], rough[:, :, 1]], 1))  # rounding leaves it 1e-6 off


def _trace(matrix: Tensor) -> Tensor:
    """(n, 1, 1) of (n, 4, 4), added up: a diagonal is an operator that some runtimes lack."""
    return (matrix[:, 0, 0] + matrix[:, 1, 1] + matrix[:, 2, 2] + matrix[:, 3, 3])[:, None, None]


def davenport(matrix: Tensor) -> Tensor:
    """(n, 4, 4) symmetric K with qᵀ K q = tr(Rᵀ M) for every unit quaternion q (w first) of a rotation R."""
    m = matrix.unbind(1)
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(1) for row in m)
    rows = [
        [a + e + i, h - f, c - g, d - b],
        [h - f, a - e - i, b + d, c + g],
        [c - g, b + d, e - a - i, f + h],
        [d - b, c + g, f + h, i - a - e],
    ]
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def _from_outer(outer: Tensor) -> Tensor:
    """q qᵀ (n, 4, 4) to (n, 3, 3)."""
    ww, xx, yy, zz = (outer[:, i, i] for i in range(4))
    wx, wy, wz = outer[:, 0, 1], outer[:, 0, 2], outer[:, 0, 3]
    xy, xz, yz = outer[:, 1, 2], outer[:, 1, 3], outer[:, 2, 3]
    entries = [
        *(ww + xx - yy - zz, 2 * (xy - wz), 2 * (xz + wy)),
        *(2 * (xy + wz), ww - xx + yy - zz, 2 * (yz - wx)),
        *(2 * (xz - wy), 2 * (yz + wx), ww - xx - yy + zz),
    ]
    return torch.stack(entries, dim=1).reshape(-1, 3, 3)


def quaternion_of(rotation: Tensor) -> Tensor:
    """(n, 4) unit quaternion, w first, of labels (n, 3, 3): the row of 4 q qᵀ with the largest part."""
    outer = (davenport(rotation) + torch.eye(4, dtype=rotation.dtype, device=rotation.device)) / 4
    best = outer.diagonal(dim1=1, dim2=2).argmax(1)
    return unit(outer[torch.arange(len(rotation), device=rotation.device), best])


def euler_of(rotation: Tensor, order: EulerOrder) -> Tensor:
    """(n, 3) yaw, pitch, roll in radians of labels (n, 3, 3); ranges as in `EulerOrder`."""
    m = rotation
    if order is EulerOrder.AZIMUTH:
        yaw = torch.atan2(m[:, 0, 2], m[:, 2, 2])
        pitch = torch.atan2(m[:, 1, 2], torch.hypot(m[:, 0, 2], m[:, 2, 2]))
        roll = torch.atan2(m[:, 1, 0], m[:, 1, 1])
    else:
        yaw = torch.atan2(m[:, 0, 2], torch.hypot(m[:, 1, 2], m[:, 2, 2]))
        pitch = torch.atan2(m[:, 1, 2], m[:, 2, 2])
        roll = torch.atan2(-m[:, 0, 1], m[:, 0, 0])
    return torch.stack([yaw, pitch, roll], 1)


def order_named(name: str) -> EulerOrder:
    """Raises SettingsError for what is no order of `conventions`."""
    try:
        return EulerOrder(name)
    except ValueError:
        allowed = ", ".join(EulerOrder)
        raise SettingsError(f"no order of angles {name!r}; there are: {allowed}") from None
