"""Labels of 3DDFA's authors (Zhu et al., CVPR 2016), which 300W-LP and AFLW2000-3D share.

A morphable model was fitted to each face under weak perspective, so a rotation is relative to the ray through
the face. `Pose_Para` holds pitch, yaw, roll in radians (order `EulerOrder.LP300W`, signs as ours), then
translation and scale. Points count pixels as MATLAB does: the first pixel's centre is 1; ours is 0.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.annotations.matlab import array

MATLAB_SHIFT_PX = 0.5

Floats = NDArray[np.float64]


def angles_deg(values: dict[str, Any], name: str) -> tuple[float, float, float]:
    """Yaw, pitch, roll. Raises InputError."""
    pitch, yaw, roll = np.degrees(array(values, "Pose_Para", (1, 7), name)[0, :3]).tolist()
    return yaw, pitch, roll


def points_px(points: Floats) -> Floats:
    """(68, 2) ours of (68, 2 or more) MATLAB points."""
    return np.asarray(points[:, :2] - MATLAB_SHIFT_PX)


def points_depth_px(toward_viewer_px: Floats) -> Floats:
    """(68,) away from the lens, mean 0: their third coordinate grows toward the viewer."""
    return np.asarray(toward_viewer_px.mean() - toward_viewer_px)
