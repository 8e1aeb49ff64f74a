"""A head made of seven named points, and words for where they lie in its picture."""

from dataclasses import dataclass

import numpy as np

from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.rotation import Rotation

HEAD = {  # metres; x to the subject's left, y down, z from the face into the head
    "nose": (0.0, 0.02, -0.11),
    "subject's left eye": (0.03, -0.018, -0.075),
    "subject's right eye": (-0.03, -0.018, -0.075),
    "subject's left ear": (0.075, 0.0, 0.0),
    "subject's right ear": (-0.075, 0.0, 0.0),
    "chin": (0.0, 0.10, -0.07),
    "crown": (0.0, -0.13, 0.02),
}


@dataclass(frozen=True)
class Drawing:
    """Pixels of the named points, seen from a metre away with the head in the middle of the picture."""

    pixels: dict[str, np.ndarray]
    middle: np.ndarray

    def is_left_of_middle(self, name):
        return self.pixels[name][0] < self.middle[0] - 1

    def is_right_of_middle(self, name):
        return self.pixels[name][0] > self.middle[0] + 1

    def is_higher(self, name, than):
        return self.pixels[name][1] < self.pixels[than][1] - 1

    def is_left_of(self, name, than):
        return self.pixels[name][0] < self.pixels[than][0] - 1


def draw(order=EulerOrder.AZIMUTH, *, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0):
    """The drawn head under three angles."""
    return draw_rotated(Rotation.from_euler(order, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=roll_deg))


def draw_rotated(camera_from_head):
    """The drawn head under a rotation."""
    camera = Camera.from_fov(640, 480, 40)
    points_camera = camera_from_head @ np.array(list(HEAD.values())) + np.array([0.0, 0.0, 1.0])
    return Drawing(dict(zip(HEAD, camera.project(points_camera), strict=True)), np.array([320.0, 240.0]))
