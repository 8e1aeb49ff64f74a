"""Light from environment maps: nine spherical harmonics for the diffuse part, and the key light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from headwise.synthesis.assets import LUMINANCE, HeadAssets
from headwise.synthesis.mesh import FloatArray

ROWS, COLUMNS = 32, 64
KEY_LIGHT_RADIUS_DEG = 22.0
AROUND_KEY_RADIUS_DEG = 50.0
BRIGHTEST = 400.0
# Constants of the real harmonics up to degree 2, and the clamped-cosine kernel A_l
# (Ramamoorthi and Hanrahan, "An efficient representation for irradiance environment maps", 2001, eq. 8, 10).
HARMONIC = np.array(
    [0.282095, 0.488603, 0.488603, 0.488603, 1.092548, 1.092548, 0.315392, 1.092548, 0.546274]
)
COSINE_KERNEL = np.array([np.pi] + [2 * np.pi / 3] * 3 + [np.pi / 4] * 5)


@dataclass(frozen=True)
class EnvironmentLight:
    """`harmonics` [9,3] of diffuse light; key light: `direction` [3] to it, `colour` [3] (irradiance)."""

    harmonics: FloatArray
    direction: FloatArray
    colour: FloatArray


@dataclass(frozen=True)
class DirectionalLight:
    """Towards the light in eye axes [3], irradiance colour [3], shadow blur as a share of its map."""

    direction: FloatArray
    colour: FloatArray
    softness: float


def harmonic_basis(directions: FloatArray) -> FloatArray:
    """The polynomials of the nine harmonics without their constants, [n,9]."""
    x, y, z = directions.T
    return np.stack([np.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], 1)


def _sphere() -> tuple[FloatArray, FloatArray]:
    """Directions [rows*columns,3] of an equirectangular map (centre along -z) and their solid angles."""
    polar = (np.arange(ROWS) + 0.5) / ROWS * np.pi
    around = ((np.arange(COLUMNS) + 0.5) / COLUMNS - 0.5) * 2 * np.pi
    polar, around = np.meshgrid(polar, around, indexing="ij")
    direction = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), -np.sin(polar) * np.cos(around)], -1)
    weight = np.sin(polar) * (np.pi / ROWS) * (2 * np.pi / COLUMNS)
    return direction.reshape(-1, 3), weight.ravel()


DIRECTIONS, SOLID_ANGLES = _sphere()


def analyse(environment: FloatArray) -> EnvironmentLight:
    """Split a map [h,2h,3] into its brightest spot as a directional light and harmonics of the rest."""
    small = cv2.resize(np.minimum(environment, BRIGHTEST), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    radiance = small.reshape(-1, 3).astype(np.float64)
    smooth = cv2.GaussianBlur((radiance @ LUMINANCE).reshape(ROWS, COLUMNS), (0, 0), 1.2).ravel()
    brightest = DIRECTIONS[int(np.argmax(smooth * np.maximum(DIRECTIONS[:, 1] + 0.35, 0.05)))]
    cosine = DIRECTIONS @ brightest
    around = np.median(radiance[cosine > np.cos(np.radians(AROUND_KEY_RADIUS_DEG))], 0)
    near = (cosine > np.cos(np.radians(KEY_LIGHT_RADIUS_DEG)))[:, None]
    excess = np.maximum(radiance - around * 1.3, 0) * near
    colour = (excess * SOLID_ANGLES[:, None]).sum(0) / np.pi
    direction = (DIRECTIONS * (excess @ LUMINANCE)[:, None] * SOLID_ANGLES[:, None]).sum(0)
    length = float(np.linalg.norm(direction))
    if length < 1e-6:
        direction, colour = np.array([0, 1.0, 0]), colour * 0
    else:
        direction = direction / length
    rest = (radiance - excess) * SOLID_ANGLES[:, None]
    harmonics = (
        ((harmonic_basis(DIRECTIONS) * HARMONIC).T @ rest) * (COSINE_KERNEL * HARMONIC)[:, None] / np.pi
    )
    return EnvironmentLight(harmonics, direction, colour)


class LightLibrary:
    """The analysed light of every environment, computed once each."""

    def __init__(self, assets: HeadAssets) -> None:
        self._assets = assets
        self._known: dict[str, EnvironmentLight] = {}

    def __getitem__(self, name: str) -> EnvironmentLight:
        if name not in self._known:
            self._known[name] = analyse(self._assets.environment(name))
        return self._known[name]
