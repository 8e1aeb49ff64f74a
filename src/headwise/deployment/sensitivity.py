"""Which layers int8 costs most, one by one, and a file that keeps those in float."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from headwise.deployment.export import angles_deg, run_file
from headwise.deployment.quantize import quantize, rounded_layers, without_rounding

KEPT_SHARE = 0.2
"""A layer that alone brings such a share of what int8 costs is kept in float ..."""
MOST_KEPT = 2
"""... but no more than so many: each costs some hundredths of a millisecond."""

Outputs = Mapping[str, NDArray[np.float32]]
Difference = Callable[[Outputs, Outputs], float]


@dataclass(frozen=True)
class Sensitivity:
    """How far the int8 file is from the float32 one with this layer alone in float; whether it stays so."""

    layer: str
    without: float
    kept: bool


@dataclass(frozen=True)
class Sweep:
    """all_rounded: the difference with no layer kept. layers: in the network's order."""

    all_rounded: float
    layers: tuple[Sensitivity, ...]

    @property
    def kept(self) -> tuple[str, ...]:
        return tuple(one.layer for one in self.layers if one.kept)


def rotation_difference_deg(plain: Outputs, small: Outputs) -> float:
    """Mean degrees between two pose files' rotations."""
    return float(angles_deg(plain["rotation"], small["rotation"]).mean())


def score_difference(plain: Outputs, small: Outputs) -> float:
    """Mean difference of two detector files' scores at all cells, in thousandths."""
    return 1000 * float(np.abs(plain["scores"] - small["scores"]).mean())


def sweep(plain: Path, int8: Path, images: NDArray[np.uint8], difference: Difference) -> Sweep:
    """Of an int8 file and the float32 file it was made from, on some ordinary inputs (n, H, W, 3)."""
    expected = run_file(str(plain), images)
    whole, float_model = onnx.load(str(int8)), onnx.load(str(plain))
    total = difference(expected, run_file(str(int8), images))
    without = {
        name: difference(
            expected, run_file(without_rounding(whole, float_model, name).SerializeToString(), images)
        )
        for name in rounded_layers(plain)
    }
    worst = sorted(without, key=lambda name: without[name])[:MOST_KEPT]
    kept = {name for name in worst if total - without[name] >= KEPT_SHARE * total}
    return Sweep(total, tuple(Sensitivity(name, value, name in kept) for name, value in without.items()))


def quantize_with_care(
    plain: Path,
    target: Path,
    calibration: NDArray[np.uint8],
    judged: NDArray[np.uint8],
    difference: Difference,
    *,
    symmetric: bool = False,
) -> Sweep:
    """`quantize`, then once more with the layers kept in float that cost most on the judged inputs."""
    quantize(plain, target, calibration, symmetric=symmetric)
    found = sweep(plain, target, judged, difference)
    if found.kept:
        quantize(plain, target, calibration, keep_float=found.kept, symmetric=symmetric)
    return found


def as_rows(found: Sweep, most: int = 10) -> list[tuple[str, ...]]:
    """The layers that cost most: layer, difference without its rounding, what that saves, whether kept."""
    rows: list[tuple[str, ...]] = []
    for one in sorted(found.layers, key=lambda one: one.without)[:most]:
        saves = found.all_rounded - one.without
        rows.append((one.layer, f"{one.without:.3f}", f"{saves:+.3f}", "yes" if one.kept else ""))
    return rows
