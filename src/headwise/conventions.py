"""Frames, signs, units and point orders. Every other file takes them from here.

**Pictures** are uint8 RGB arrays (height, width, 3). Pixel coordinates are continuous: the picture spans
[0, width] x [0, height] and the centre of the pixel in column j, row i is (j + .5, i + .5).
Boxes are (left, top, right, bottom) in that frame.

**Camera frame** (OpenCV's): x right, y down, z forward, metres.
**Head frame**: at zero pose parallel to the camera frame, that is x to the subject's left, y down,
z from the face into the head. Its origin lies between the ears (`EYES_MIDPOINT_HEAD_M`).
A pose is the rotation `camera_from_head`; at identity the face looks straight into the lens.

**Angles** are degrees in every name that ends in `_deg` and radians nowhere a user can see.

    yaw   + turns the nose to the left of the picture    (the subject's own right)
    pitch + looks up
    roll  + tilts the head clockwise on the screen

**Euler orders**: see `EulerOrder`. No other file spells an order of axes.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class EulerOrder(StrEnum):
    """How three angles make one rotation. The signs are the same in both; they differ when angles combine."""

    AZIMUTH = "azimuth"
    """Ry(yaw) · Rx(-pitch) · Rz(roll), the default: azimuth and elevation of the facing direction, then tilt.

    yaw and roll run over ±180, pitch over ±90; singular where the face looks straight up or down.
    """

    LP300W = "300w-lp"
    """Rx(-pitch) · Ry(yaw) · Rz(roll), the order of the 300W-LP, AFLW2000-3D and BIWI protocols.

    pitch and roll run over ±180, yaw over ±90; singular at full profile.
    """


DEFAULT_FOV_DEG = 60.0
"""Field of view of the picture's longer side when nothing is known about the camera."""

EYES_MIDPOINT_HEAD_M: NDArray[np.float64] = np.array([0.0, -0.018, -0.075])
"""(3,) midpoint of the eye centres in the head frame, metres: the origin is 75 mm behind, 18 mm below it."""

ART_TILT_DEG = 3.4
"""Tilt in pitch between the mean drawn head's upright posture and the labels' zero pose: 3.6, the mean error
of the first released network against the AFLW2000-3D labels of 171 photographs (reports/README.md), and 0.3
that the mean of today's drawn heads leans against the mean of those."""

_c, _s = np.cos(np.radians(ART_TILT_DEG)), np.sin(np.radians(ART_TILT_DEG))
ART_HEAD_FROM_HEAD: NDArray[np.float64] = np.array([[1.0, 0.0, 0.0], [0.0, _c, -_s], [0.0, _s, _c]])
"""(3, 3) camera_from_head = camera_from_art_head @ ART_HEAD_FROM_HEAD for the mean drawn head, whose upright
posture is not exactly the zero pose of the field's labels. Of one person: `annotations.rendered`."""

_MIRRORED_68 = (
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *range(27, 31),  # bridge of the nose
    *range(35, 30, -1),  # nostrils
    *(45, 44, 43, 42, 47, 46),  # eye at the image left of a frontal face
    *(39, 38, 37, 36, 41, 40),  # the other eye
    *range(54, 47, -1),  # upper outer lip
    *range(59, 54, -1),  # lower outer lip
    *range(64, 59, -1),  # upper inner lip
    *range(67, 64, -1),  # lower inner lip
)
FLIP_68: NDArray[np.intp] = np.array(_MIRRORED_68)
"""(68,) iBUG points of a mirrored picture: `mirrored_points = x_mirrored(points)[FLIP_68]`."""

FLIP_5 = (1, 0, 2, 4, 3)
"""The same for the five points left eye, right eye, nose, left mouth corner, right mouth corner."""


def _five_from_68() -> NDArray[np.float64]:
    weights = np.zeros((5, 68))
    weights[0, 36:42] = weights[1, 42:48] = 1 / 6
    weights[2, 30] = weights[3, 48] = weights[4, 54] = 1
    return weights


FIVE_FROM_68: NDArray[np.float64] = _five_from_68()
"""(5, 68) weights: `points5 = FIVE_FROM_68 @ points68`. Left is the image left of a frontal face."""

for _constant in (EYES_MIDPOINT_HEAD_M, ART_HEAD_FROM_HEAD, FLIP_68, FIVE_FROM_68):
    _constant.setflags(write=False)
