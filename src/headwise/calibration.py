"""The user's own camera from pictures of a chessboard (Zhang 2000, as OpenCV implements it).

board = Board.from_text("9x6", square_mm=25)
corners = [found for picture in pictures if (found := find_corners(picture, board)) is not None]
calibration = calibrate(corners, board, width_px, height_px)
write_camera("camera.json", calibration)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.camera import Camera
from headwise.errors import CameraError, InputError, OutputError, SettingsError

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]

FEWEST_VIEWS = 5
"""Three would solve the equations; with fewer than five one bad picture decides."""
MOST_VIEWS = 60
"""More of them take minutes and say nothing new."""
OUTLIER = 3.0
"""A view whose error is so many times the median is blurred or misread, and leaves ..."""
HARMLESS_PX = 0.5
"""... unless it is below this."""
LARGEST_FOCAL_SPREAD = 0.03
"""Standard deviation over focal length beyond which the pictures do not determine the camera."""
LEAST_TILT_DEG = 5.0
"""Boards that are all parallel within this say nothing about the focal length, nor does its spread then."""
LARGEST_ERROR = 0.002
"""Root mean square of the corners' errors over the longer side: above, it is no pinhole with such a lens."""
DETECTION_PX = 1280
"""Pictures with a longer side are searched shrunk to this one; corners are refined in the original."""
REFINED_SHARE = 0.3
"""Half-width of the window in which a corner is refined, in distances between corners: one corner each."""

_SEARCHES = (cv2.CALIB_CB_EXHAUSTIVE, cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_NORMALIZE_IMAGE)
_REFINE_UNTIL = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 1e-3)
_FIT_UNTIL = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-9)
_NO_K3 = cv2.CALIB_FIX_K3
_ONLY_K1 = _NO_K3 | cv2.CALIB_FIX_K2 | cv2.CALIB_ZERO_TANGENT_DIST
_LENSES = ((_ONLY_K1, 1), (_NO_K3, 4), (0, 5))  # flags and how many coefficients are free


@dataclass(frozen=True)
class Board:
    """A chessboard by its INNER corners, where four squares meet, as OpenCV counts.

    Nine squares by six have 8x5. Raises SettingsError.
    """

    columns: int
    rows: int
    square_m: float

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < 3:
            raise SettingsError(
                f"a chessboard needs at least 3x3 inner corners, got {self.columns}x{self.rows}; "
                "count the places where four squares meet, not the squares"
            )
        if not 0 < self.square_m < float("inf"):
            raise SettingsError(f"a chessboard's squares are longer than 0, got {self.square_m * 1000:g} mm")

    @classmethod
    def from_text(cls, text: str, square_mm: float) -> Board:
        """From "9x6" and the side of a square in millimetres."""
        columns, _, rows = text.lower().partition("x")
        if not (columns.strip().isdecimal() and rows.strip().isdecimal()):
            raise SettingsError(f"a chessboard is given by its inner corners, such as 9x6; got {text!r}")
        return cls(int(columns), int(rows), square_mm / 1000)

    @property
    def points_m(self) -> NDArray[np.float32]:
        """(columns * rows, 3) corners on the board, row by row."""
        grid = np.mgrid[0 : self.columns, 0 : self.rows].T.reshape(-1, 2)
        return np.column_stack([grid * self.square_m, np.zeros(len(grid))]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Calibration:
    """A camera and how well the pictures determine it.

    error_px: root mean square over all corners. focal_spread_px: one standard deviation of fx and fy.
    coverage: share of the picture's area inside the hull of all corners. used: which of the given views,
    in their order. distances_m: (used,) from the lens to the middle of each board.
    """

    camera: Camera
    board: Board
    error_px: float
    focal_spread_px: tuple[float, float]
    coverage: float
    used: tuple[int, ...]
    distances_m: Floats


def find_corners(image: Image, board: Board) -> Floats | None:
    """(columns * rows, 2) continuous pixels, row by row; None where the board is not wholly seen.

    image: (H, W, 3) uint8 RGB.
    """
    gray: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    shrink = min(1.0, DETECTION_PX / max(gray.shape))
    small = (
        gray if shrink == 1 else cv2.resize(gray, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    )
    for flags in _SEARCHES:
        found, corners = cv2.findChessboardCornersSB(small, (board.columns, board.rows), flags=flags)
        if found:
            break
    else:
        return None
    corners_px: Floats = corners.reshape(-1, 2).astype(np.float64) + 0.5  # versions of cv2 differ in shape
    corners_px *= np.array(gray.shape[::-1]) / np.array(small.shape[::-1])
    return _refined(gray, corners_px, board)


def _refined(gray: Image, corners_px: Floats, board: Board) -> Floats:
    grid = corners_px.reshape(board.rows, board.columns, 2)
    steps = [np.linalg.norm(np.diff(grid, axis=axis), axis=-1).min() for axis in (0, 1)]
    half = max(2, int(min(steps) * REFINED_SHARE))
    start = np.ascontiguousarray((corners_px - 0.5)[:, None], np.float32)
    refined: Any = cv2.cornerSubPix(gray, start, (half, half), (-1, -1), _REFINE_UNTIL)
    return refined.reshape(-1, 2).astype(np.float64) + 0.5  # type: ignore[no-any-return]


def most_different(views: Sequence[Floats], count: int = MOST_VIEWS) -> list[int]:
    """Indices, in order, of at most `count` views (n, 2), each as far as can be from those taken before.

    The distance of two views is that of their corners: where the board is and how it leans both count.
    """
    if len(views) <= count:
        return list(range(len(views)))
    flat = np.stack([view.ravel() for view in views])
    taken = [0]
    nearest = np.linalg.norm(flat - flat[0], axis=1)
    while len(taken) < count:
        taken.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(flat - flat[taken[-1]], axis=1))
    return sorted(taken)


def calibrate(views: Sequence[Floats], board: Board, width_px: int, height_px: int) -> Calibration:
    """Focal lengths, principal point and lens of the camera that took these views, each (corners, 2) pixels.

    Of one, four or five lens coefficients the number is taken that the Bayesian information criterion
    (Schwarz 1978) prefers: a few pictures do not invent a lens. Views with an error far above the others'
    leave. Raises InputError where the views do not determine a camera.
    """
    _check_count(len(views))
    used = list(range(len(views)))
    fitted = _best_lens([views[i] for i in used], board, width_px, height_px)
    bound_px = max(OUTLIER * fitted.middle_px, HARMLESS_PX)
    kept = [i for i, error in zip(used, fitted.errors_px, strict=True) if error <= bound_px]
    if len(kept) < len(used):
        used = kept
        _check_count(len(used))
        fitted = _best_lens([views[i] for i in used], board, width_px, height_px)
    camera = fitted.camera(width_px, height_px)
    spread_px = max(fitted.focal_spread_px)
    if fitted.largest_tilt_deg < LEAST_TILT_DEG:
        raise InputError(
            "the board is parallel to itself in all pictures, which leaves the focal length open; "
            "tilt it by 20 to 45 degrees, to every side"
        )
    if spread_px > LARGEST_FOCAL_SPREAD * max(camera.fx, camera.fy):
        raise InputError(
            f"these pictures leave the focal length open: {camera.fx:.0f} ± {spread_px:.0f} "
            "pixels; tilt the board by 20 to 45 degrees, to every side, near and far"
        )
    if fitted.rms_px > LARGEST_ERROR * max(width_px, height_px):
        raise InputError(
            f"no camera with such a lens explains these pictures: the corners are off by {fitted.rms_px:.2f} "
            "pixels; is the board flat, its inner corners counted rightly, the lens no fisheye?"
        )
    hull = cv2.convexHull(np.concatenate([views[i] for i in used]).astype(np.float32))
    return Calibration(
        camera,
        board,
        fitted.rms_px,
        fitted.focal_spread_px,
        float(cv2.contourArea(hull)) / (width_px * height_px),
        tuple(used),
        fitted.distances_m,
    )


def write_camera(path: str | Path, calibration: Calibration) -> None:
    """The camera file that `Camera.from_file` and `--intrinsics` read. Raises OutputError."""
    path = Path(path)
    facts = {
        "width": calibration.camera.width_px,
        "height": calibration.camera.height_px,
        "error_px": round(calibration.error_px, 4),
        "focal_spread_px": [round(value, 4) for value in calibration.focal_spread_px],
        "coverage": round(calibration.coverage, 3),
        "views": len(calibration.used),
        "board": asdict(calibration.board),
    }
    camera = {name: value for name, value in asdict(calibration.camera).items() if not name.endswith("_px")}
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(camera | facts, indent=2) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _check_count(count: int) -> None:
    if count < FEWEST_VIEWS:
        raise InputError(
            f"the whole board was found in {count} of the pictures, at least {FEWEST_VIEWS} are needed, "
            "15 are good; check the number of inner corners, sharpness and light"
        )


@dataclass(frozen=True, eq=False)
class _Fitted:
    """What OpenCV finds of one set of views with one lens."""

    rms_px: float
    K: Floats
    distortion: tuple[float, ...]
    focal_spread_px: tuple[float, float]
    errors_px: Floats  # (views,)
    distances_m: Floats
    normals: Floats  # (views, 3) of the boards, camera frame

    @property
    def middle_px(self) -> float:
        return float(np.median(self.errors_px))

    @property
    def largest_tilt_deg(self) -> float:
        """Between two boards."""
        return float(np.degrees(np.arccos(np.clip(self.normals @ self.normals.T, -1, 1).min())))

    def camera(self, width_px: int, height_px: int) -> Camera:
        """OpenCV counts pixel centres as whole numbers, we put them at halves."""
        K = self.K
        return Camera(
            K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5, width_px, height_px, distortion=self.distortion
        )


def _best_lens(views: Sequence[Floats], board: Board, width_px: int, height_px: int) -> _Fitted:
    """The lowest information criterion among the lenses that fold no picture."""
    numbers = 2 * sum(len(view) for view in views)
    best: tuple[float, _Fitted] | None = None
    why: Exception | None = None
    for flags, free in _LENSES:
        try:
            fitted = _fit(views, board, width_px, height_px, flags)
            fitted.camera(width_px, height_px)
        except (cv2.error, CameraError) as failed:
            why = failed
            continue
        criterion = numbers * np.log(max(fitted.rms_px, 1e-9) ** 2) + free * np.log(numbers)
        if best is None or criterion < best[0]:
            best = criterion, fitted
    if best is None:
        raise InputError(
            "these pictures determine no camera: the board was held the same way in all of them, or "
            "something else was taken for it; tilt and move it more"
        ) from why
    return best[1]


def _fit(views: Sequence[Floats], board: Board, width_px: int, height_px: int, flags: int) -> _Fitted:
    nothing: Any = None  # is known of the camera beforehand
    found: Any = cv2.calibrateCameraExtended(
        [board.points_m] * len(views),
        [(view - 0.5).astype(np.float32)[:, None] for view in views],
        (width_px, height_px),
        nothing,
        nothing,
        flags=flags,
        criteria=_FIT_UNTIL,
    )
    rms_px, K, distortion, turns, shifts, spreads, _, errors_px = found
    if not (np.isfinite(rms_px) and np.isfinite(K).all() and np.isfinite(distortion).all()):
        raise CameraError("no finite camera")
    middle = board.points_m.mean(axis=0)
    rotations = np.stack([cv2.Rodrigues(turn)[0] for turn in turns])
    places = rotations @ middle + np.stack(shifts).reshape(-1, 3)
    return _Fitted(
        float(rms_px),
        K,
        tuple(distortion.ravel()[:5].tolist()),
        (float(spreads[0, 0]), float(spreads[1, 0])),
        errors_px[:, 0],
        np.linalg.norm(places, axis=1),
        rotations[:, :, 2],
    )
