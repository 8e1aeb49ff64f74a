"""How a subject is seen: pose, camera and light, each drawn at random and returned as something certain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.rotation import Rotation
from headwise.synthesis.assets import LUMINANCE
from headwise.synthesis.light import DirectionalLight, LightLibrary, harmonic_basis
from headwise.synthesis.mesh import FloatArray, about_x, about_y
from headwise.synthesis.renderer import Lighting, View

# Eye axes (x right, y up, z to the viewer) and camera axes (x right, y down, z forward) differ by this turn.
FLIP_YZ = np.diag([1.0, -1.0, -1.0])
MM_PER_DM, M_PER_DM = 100.0, 0.1
FACE_SPAN_DM = 1.45
CLOSEST_DM = 3.2
# A face counts as hidden when it looks this far away from the viewer: neither eye can be seen from there.
FACE_HIDDEN_BEYOND_DEG = 100.0
MEAN_EXPOSURE, EXPOSURE_SPREAD = 1.0, 0.35
TEST_NORMALS = np.array([[0, 0, 1], [0.6, 0.2, 0.77], [-0.6, 0.2, 0.77], [0, 0.6, 0.8]])


@dataclass(frozen=True)
class Shot:
    """One subject before one camera: `camera_from_art_head` and the head's origin in metres."""

    camera_from_art_head: Rotation
    position_m: NDArray[np.float64]
    camera: Camera

    @property
    def view(self) -> View:
        """The same for the renderer, in its axes and decimetres."""
        rotation = FLIP_YZ @ self.camera_from_art_head.matrix @ FLIP_YZ
        camera = self.camera
        return View(
            rotation,
            FLIP_YZ @ self.position_m / M_PER_DM,
            camera.fx,
            (camera.cx, camera.cy),
            camera.width_px,
            camera.height_px,
        )

    def in_camera_m(self, points_dm: FloatArray) -> NDArray[np.float64]:
        """Points [n,3] of the head (art axes) in the camera frame, metres."""
        points = points_dm @ FLIP_YZ * M_PER_DM
        return np.asarray(points @ self.camera_from_art_head.matrix.T + self.position_m)

    def project(self, points_dm: FloatArray) -> NDArray[np.float64]:
        """Points [n,3] of the head in the picture [n,2]."""
        return np.asarray(self.camera.project(self.in_camera_m(points_dm)))

    def ray_from_art_head(self, box: Box) -> Rotation:
        """The rotation relative to the ray through the box's centre: what a crop of that box shows."""
        return self.camera.camera_from_ray(box.center).inverse() @ self.camera_from_art_head

    def face_hidden(self, box: Box) -> bool:
        """Whether the face looks away from the viewer."""
        towards_viewer = -self.ray_from_art_head(box).facing[..., 2]
        return bool(towards_viewer < np.cos(np.radians(FACE_HIDDEN_BEYOND_DEG)))


def sample_pose(rng: np.random.Generator) -> Rotation:
    """A head's rotation against the viewing ray: mostly faces, all the way round for one in five."""
    draw = rng.random()
    if draw < 0.5:
        yaw = float(np.clip(rng.normal(0, 28), -110, 110))
    elif draw < 0.8:
        yaw = rng.uniform(-100, 100)
    else:
        yaw = rng.uniform(-180, 180)
    if rng.random() < 0.75:
        pitch = float(np.clip(rng.normal(-2, 20), -80, 80))
    else:
        pitch = rng.uniform(-75, 75)
    roll = float(np.clip(rng.normal(0, 14), -50, 50)) if rng.random() < 0.9 else rng.uniform(-90, 90)
    return Rotation.from_euler(EulerOrder.AZIMUTH, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)


def sample_crop_shot(landmarks_dm: FloatArray, size_px: int, rng: np.random.Generator) -> Shot:
    """A tight picture: the 68 points' box fills 37-53 % of its side.

    The camera stands 0.4 to 4.9 m away (half of them beyond 1.4 m, as photographers and room cameras do): a
    network that takes faces for nearer than they are reads turns too small (reports/runs.md, "Distance").
    """
    ray_from_head = sample_pose(rng)
    box_px = size_px / rng.uniform(1.9, 2.7)
    field = np.radians(np.exp(rng.uniform(np.log(4), np.log(45))))
    off_axis = np.radians(rng.uniform(-22, 22, 2)) if rng.random() < 0.7 else np.zeros(2)
    window_dm = FACE_SPAN_DM * size_px / box_px
    distance_dm = max(window_dm / (2 * np.tan(field / 2)), CLOSEST_DM)
    direction = np.array([np.tan(off_axis[0]), np.tan(off_axis[1]), 1.0])
    direction /= np.linalg.norm(direction)
    unit_camera = Camera(1.0, 1.0, 0.0, 0.0, size_px, size_px)
    camera_from_ray = unit_camera.camera_from_ray(direction[:2] / direction[2])
    shot = Shot(camera_from_ray @ ray_from_head, direction * distance_dm * M_PER_DM, unit_camera)
    plain = Box.from_points(shot.project(landmarks_dm))
    focal = box_px / plain.side
    centre = size_px / 2 + rng.uniform(-0.06, 0.06, 2) * size_px - focal * np.array(plain.center)
    camera = Camera(focal, focal, float(centre[0]), float(centre[1]), size_px, size_px)
    return replace(shot, camera=camera)


def sample_scene_shot(
    camera: Camera, face_px: float, center: tuple[float, float], rng: np.random.Generator
) -> Shot:
    """A head of a given size at a given place in a picture of a given camera."""
    depth_dm = max(camera.fx * FACE_SPAN_DM / face_px, CLOSEST_DM)
    x, y = (center[0] - camera.cx) / camera.fx, (center[1] - camera.cy) / camera.fy
    camera_from_ray = camera.camera_from_ray(np.array(center))
    position = np.array([x, y, 1.0]) * depth_dm * M_PER_DM
    return Shot(camera_from_ray @ sample_pose(rng), position, camera)


def sample_lighting(names: list[str], lights: LightLibrary, rng: np.random.Generator) -> Lighting:
    """An environment turned at random, its key light, sometimes a second light, a fitting exposure."""
    name = str(rng.choice(names))
    environment = lights[name]
    tilt, turn = rng.normal(0, 0.12), rng.uniform(-np.pi, np.pi)
    environment_from_eye = about_x(tilt) @ about_y(turn)
    key = DirectionalLight(
        environment_from_eye.T @ environment.direction, environment.colour.copy(), rng.uniform(0.6, 3) / 512
    )
    second = DirectionalLight(np.array([0, 1.0, 0]), np.zeros(3), 0.001)
    if rng.random() < 0.4:
        towards = np.array([rng.normal(0, 0.7), rng.normal(0.5, 0.4), rng.uniform(-0.2, 1)])
        warmth = rng.uniform(-1, 1)
        colour = np.array([1 + 0.25 * warmth, 1, 1 - 0.3 * warmth]) * rng.uniform(0.2, 1.2)
        second = DirectionalLight(towards / np.linalg.norm(towards), colour, rng.uniform(0.8, 4) / 512)
    irradiance = (harmonic_basis(TEST_NORMALS @ environment_from_eye.T)) @ environment.harmonics
    for light in (key, second):
        irradiance = irradiance + np.maximum(TEST_NORMALS @ light.direction, 0)[:, None] * light.colour
    brightness = float((irradiance @ LUMINANCE).mean())
    exposure = MEAN_EXPOSURE / max(brightness, 1e-3) * float(np.exp(rng.normal(0, EXPOSURE_SPREAD)))
    return Lighting(name, environment_from_eye, environment.harmonics, (key, second), exposure)
