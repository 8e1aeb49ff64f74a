"""Lens distortion: how far a real lens bends a ray away from the pinhole's place.

The model is Brown's (1966) in OpenCV's form. Slopes are x/z and y/z of a ray, r² = x² + y²:

    radial = (1 + k1 r² + k2 r⁴ + k3 r⁶) / (1 + k4 r² + k5 r⁴ + k6 r⁶)
    x' = x radial + 2 p1 x y + p2 (r² + 2 x²)
    y' = y radial + p1 (r² + 2 y²) + 2 p2 x y

Coefficients come in OpenCV's order k1 k2 p1 p2 [k3 [k4 k5 k6]]. Beyond some radius such a polynomial turns
back and would put far rays on top of near ones; there it is held at its largest value (`fold`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Coefficients = tuple[float, ...]

LENGTHS = (0, 4, 5, 8)
"""Of coefficients: none, and OpenCV's plain, usual and rational models."""

_NEWTON_STEPS = 30  # halving where Newton leaves its bracket; lenses that exist need 4 or 5
_SETTLED = 1e-12
_TANGENTIAL_STEPS = 6  # a fixed point of terms of about 1e-3: each step gains three digits
_REAL = 1e-9  # largest imaginary part of a root that counts as real


def distorted(slopes: ArrayLike, coefficients: Coefficients) -> Floats:
    """Where rays (..., 2) of the pinhole appear, as slopes (..., 2)."""
    straight: Floats = np.asarray(slopes, dtype=np.float64)
    if not any(coefficients):
        return straight
    radius = np.linalg.norm(straight, axis=-1, keepdims=True)
    held = np.minimum(radius, fold(coefficients))
    straight = straight * np.divide(held, radius, out=np.ones_like(radius), where=radius > held)
    bent: Floats = straight * _radial(held, coefficients) + _tangential(straight, coefficients)
    return bent


def undistorted(slopes: ArrayLike, coefficients: Coefficients) -> Floats:
    """The rays (..., 2) of the pinhole that appear at these slopes (..., 2): the inverse of `distorted`."""
    bent = np.asarray(slopes, dtype=np.float64)
    if not any(coefficients):
        return bent
    straight = _radially_straight(bent, coefficients)
    for _ in range(_TANGENTIAL_STEPS if any(coefficients[2:4]) else 0):
        straight = _radially_straight(bent - _tangential(straight, coefficients), coefficients)
    return straight


@cache
def fold(coefficients: Coefficients) -> float:
    """The radius, as a slope, beyond which the lens's radius would fall again; inf: it never does."""
    above, below = (np.poly1d(parts) for parts in _polynomials(coefficients))
    square = np.poly1d([2.0, 0.0])  # d/dr [r a(r²)/b(r²)] has the sign of (a + 2 u a') b - 2 u a b', u = r²
    slope = (above + square * above.deriv()) * below - square * above * below.deriv()
    turns = [float(root.real) for root in slope.roots if abs(root.imag) < _REAL and root.real > 0]
    poles = [float(root.real) for root in below.roots if abs(root.imag) < _REAL and root.real > 0]
    return float(np.sqrt(min(turns + poles, default=np.inf)))


def distorted_fold(coefficients: Coefficients) -> float:
    """The largest radius, as a slope, at which anything appears; inf: there is none."""
    end = fold(coefficients)
    return end * float(_radial(np.array(end), coefficients)) if np.isfinite(end) else np.inf


def _polynomials(coefficients: Coefficients) -> tuple[list[float], list[float]]:
    """Numerator and denominator of the radial factor in r², highest power first."""
    k1, k2, _, _, k3, k4, k5, k6 = (*coefficients, *([0.0] * (8 - len(coefficients))))
    return [k3, k2, k1, 1.0], [k6, k5, k4, 1.0]


def _radial(radius: Floats, coefficients: Coefficients) -> Floats:
    above, below = _polynomials(coefficients)
    factor: Floats = np.polyval(above, radius**2) / np.polyval(below, radius**2)
    return factor


def _tangential(slopes: Floats, coefficients: Coefficients) -> Floats:
    p1, p2 = coefficients[2:4]
    x, y = slopes[..., 0], slopes[..., 1]
    square = x * x + y * y
    return np.stack(
        [2 * p1 * x * y + p2 * (square + 2 * x * x), p1 * (square + 2 * y * y) + 2 * p2 * x * y], axis=-1
    )


def _radially_straight(bent: Floats, coefficients: Coefficients) -> Floats:
    """Newton's method on r radial(r) = |bent|, kept inside a bracket that shrinks."""
    target = np.linalg.norm(bent, axis=-1, keepdims=True)
    low, high = np.zeros_like(target), _upper_end(target, coefficients)
    radius = np.minimum(target, high)
    for _ in range(_NEWTON_STEPS):
        excess = radius * _radial(radius, coefficients) - target
        low, high = np.where(excess < 0, radius, low), np.where(excess < 0, high, radius)
        step = 1e-6 * (1 + radius)
        rise = ((radius + step) * _radial(radius + step, coefficients) - target - excess) / step
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = radius - excess / rise
        inside = (newton >= low) & (newton <= high)
        before, radius = radius, np.where(inside, newton, (low + high) / 2)
        if (np.abs(radius - before) <= _SETTLED).all():
            break
    straight: Floats = bent * np.divide(radius, target, out=np.ones_like(target), where=target > 0)
    return straight


def _upper_end(target: Floats, coefficients: Coefficients) -> Floats:
    """A radius (..., 1) at which the lens shows at least the target, or its fold."""
    end = np.full_like(target, fold(coefficients))
    if np.isfinite(end).all():
        return end
    end = np.maximum(target, 1.0)
    while (end * _radial(end, coefficients) < target).any():
        end *= 2
    return end
