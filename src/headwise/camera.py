"""`Camera`: a pinhole and its lens, and the step between the frame a crop knows and the camera's."""

import json
from dataclasses import dataclass, replace
from math import isfinite, radians, tan
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise import lens
from headwise.conventions import DEFAULT_FOV_DEG
from headwise.errors import CameraError, InputError
from headwise.rotation import Rotation

DISTANT_FOV_DEG = 0.01
"""So narrow that all rays are parallel: labels made under weak perspective know no other camera."""

HALF_TURN_ABOUT_Z = np.array([-1.0, -1.0, 1.0])
"""Times the columns of a matrix."""


@dataclass(frozen=True)
class Camera:
    """Focal lengths and principal point in continuous pixels, for pictures of one size.

    distortion: the lens's coefficients in OpenCV's order (see `lens`); none: a pinhole. Pixels are those of
    the picture as it is; `ray`, `slopes` and `project` go through the lens.
    Raises CameraError unless focal lengths and sizes are positive, everything is finite, and the lens shows
    no two rays at one place of the picture.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width_px: int
    height_px: int
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "distortion", tuple(float(value) for value in self.distortion))
        if not (all(map(isfinite, (self.fx, self.fy, self.cx, self.cy))) and self.fx > 0 and self.fy > 0):
            raise CameraError(
                f"a camera needs finite numbers with fx > 0 and fy > 0, got fx={self.fx:g} fy={self.fy:g} "
                f"cx={self.cx:g} cy={self.cy:g}; all are pixels"
            )
        if self.width_px < 1 or self.height_px < 1:
            raise CameraError(f"a camera needs a picture size above 0, got {self.width_px}x{self.height_px}")
        self._check_lens()

    def _check_lens(self) -> None:
        if len(self.distortion) not in lens.LENGTHS or not all(map(isfinite, self.distortion)):
            raise CameraError(
                f"a lens has the finite coefficients k1 k2 p1 p2 [k3 [k4 k5 k6]], "
                f"got {len(self.distortion)}: {' '.join(f'{value:g}' for value in self.distortion)}"
            )
        if not any(self.distortion):
            return
        corners = np.array([[x, y] for x in (0, self.width_px) for y in (0, self.height_px)], np.float64)
        reach = np.linalg.norm((corners - (self.cx, self.cy)) / (self.fx, self.fy), axis=1).max()
        if reach > lens.distorted_fold(self.distortion):
            raise CameraError(
                f"this lens's distortion ({' '.join(f'{value:g}' for value in self.distortion)}) folds the "
                "picture before its corners; calibrate again with the board in the corners too"
            )

    @classmethod
    def from_fov(cls, width_px: int, height_px: int, fov_deg: float = DEFAULT_FOV_DEG) -> "Camera":
        """Square pixels, principal point in the middle, fov_deg over the LONGER side."""
        if not 0 < fov_deg < 180:
            raise CameraError(f"a field of view lies between 0 and 180 degrees, got {fov_deg:g}")
        focal_px = max(width_px, height_px) / 2 / tan(radians(fov_deg) / 2)
        return cls(focal_px, focal_px, width_px / 2, height_px / 2, width_px, height_px)

    @classmethod
    def distant(cls, width_px: int, height_px: int) -> "Camera":
        """Practically orthographic: every ray runs along z to within 0.01 deg."""
        return cls.from_fov(width_px, height_px, DISTANT_FOV_DEG)

    @classmethod
    def from_file(cls, path: str | Path) -> "Camera":
        """From JSON {"fx", "fy", "cx", "cy", "width", "height"[, "distortion"]}, as `headwise calibrate`
        writes it, or from OpenCV's YAML/XML calibration file.

        OpenCV counts pixel centres as whole numbers; its principal point is shifted by half a pixel here.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"no camera file {path}")
        values = _from_json(path) if path.suffix.lower() == ".json" else _from_opencv(path)
        fx, fy, cx, cy, width, height, *distortion = values
        try:
            return cls(fx, fy, cx, cy, int(width), int(height), tuple(distortion))
        except CameraError as wrong:
            raise CameraError(f"camera file {path}: {wrong}") from wrong

    def pinhole(self) -> "Camera":
        """The same camera with a perfect lens: it sees `undistorted(points)`."""
        return replace(self, distortion=()) if self.distortion else self

    def undistorted(self, points_px: ArrayLike) -> NDArray[np.float64]:
        """Where the pinhole sees what this camera sees at pixels (..., 2)."""
        return self.slopes(points_px) * (self.fx, self.fy) + (self.cx, self.cy)

    def slopes(self, points_px: ArrayLike) -> NDArray[np.float64]:
        """(..., 2) x/z and y/z of the rays through pixels (..., 2), in the camera frame."""
        bent = (np.asarray(points_px, dtype=np.float64) - (self.cx, self.cy)) / (self.fx, self.fy)
        return lens.undistorted(bent, self.distortion)

    def ray(self, points_px: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) unit vectors from the lens through pixels (..., 2), in the camera frame."""
        slopes = self.slopes(points_px)
        rays = np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1)
        unit: NDArray[np.float64] = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        return unit

    def project(self, points_camera: ArrayLike) -> NDArray[np.float64]:
        """(..., 2) pixels of points (..., 3) in the camera frame; nan for points not in front of the lens."""
        x, y, z = np.moveaxis(np.asarray(points_camera, dtype=np.float64), -1, 0)
        z = np.where(z > 0, z, np.nan)
        bent = lens.distorted(np.stack([x / z, y / z], axis=-1), self.distortion)
        return bent * (self.fx, self.fy) + (self.cx, self.cy)

    def camera_from_ray(self, point_px: ArrayLike) -> Rotation:
        """The smallest rotation that takes +z onto the ray through pixels (..., 2).

        camera_from_head = camera.camera_from_ray(box.center) @ crop_from_head
        """
        slopes = self.slopes(point_px)
        length = np.sqrt(1 + (slopes * slopes).sum(axis=-1, keepdims=True))
        # Half a turn about z, then half a turn about what lies midway between z and the ray.
        midway = np.concatenate([slopes, 1 + length], axis=-1)
        about_midway = midway[..., :, None] * (midway / (length * (1 + length)))[..., None, :] - np.eye(3)
        return Rotation.trusted(about_midway * HALF_TURN_ABOUT_Z)


def _from_json(path: Path) -> tuple[float, ...]:
    keys = ("fx", "fy", "cx", "cy", "width", "height")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return (*(float(values[key]) for key in keys), *map(float, values.get("distortion", ())))
    except (ValueError, TypeError, KeyError) as wrong:
        raise InputError(
            f"camera file {path} needs JSON with the numbers {', '.join(keys)}, and for a lens a list "
            f"distortion: {wrong!r}"
        ) from wrong


def _from_opencv(path: Path) -> tuple[float, ...]:
    import cv2

    try:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
        K = storage.getNode("camera_matrix").mat()
        lens_node = storage.getNode("distortion_coefficients")
        coefficients = None if lens_node.empty() else lens_node.mat()
        width, height = (storage.getNode(name).real() for name in ("image_width", "image_height"))
    except (cv2.error, SystemError) as wrong:  # which of the two depends on the version of cv2
        raise InputError(f"camera file {path} is no JSON and no OpenCV YAML or XML") from wrong
    if K is None or K.shape != (3, 3):
        raise InputError(f"camera file {path} needs a 3x3 camera_matrix, image_width and image_height")
    distortion = [] if coefficients is None else coefficients.ravel().tolist()
    return K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5, width, height, *_without_tail(distortion)


def _without_tail(coefficients: list[float]) -> list[float]:
    """OpenCV may write 12 or 14 coefficients of which the last ones are not used."""
    known = max(lens.LENGTHS)
    return coefficients[:known] if not any(coefficients[known:]) else coefficients
