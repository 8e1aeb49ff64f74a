"""Draws results on pictures: box, points, cube, axes with the spread as a cone, and the angles in words.

Nothing here knows a sign or an Euler order: things of the head frame go through `Rotation` and `Camera` and
are seen in perspective at the head's place. Red runs to the subject's left, green down, blue where the face
looks. Every line has a dark rim, every text a dark plate: both are legible on light and dark pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.results import Face, FrameResult, HeadPose

Image = NDArray[np.uint8]
Points = NDArray[np.float64]
Colour = tuple[int, int, int]
Plate = tuple[int, int, int, int]  # left, top, right, bottom

# Places and lengths of the head frame in metres; its origin lies about between the ears.
FACE_CENTRE_M = np.array([0.0, 0.03, -0.095])  # about the tip of the nose
FACE_SIDE_M = 0.155  # longer side of the box about the 68 points of a mean face
AXIS_M = 0.11
CUBE_CENTRE_M = np.array([0.0, 0.02, -0.015])
CUBE_HALF_M = 0.08
NEAREST_M = 0.05  # what is nearer to the lens than this is not drawn
SMALLEST_RIMMED_DOT_PX = 1.2  # radius; a rim would cover smaller dots
SMALLEST_LABELLED_PX = 36  # words about smaller faces would bury a crowd

RED: Colour = (255, 75, 75)
GREEN: Colour = (85, 215, 100)
BLUE: Colour = (70, 150, 255)
WHITE: Colour = (255, 255, 255)
RIM: Colour = (20, 20, 24)
VISIBLE: Colour = (120, 240, 255)
COVERED: Colour = (255, 140, 60)
TRACK_COLOURS: tuple[Colour, ...] = (
    (255, 200, 60),
    (90, 220, 160),
    (235, 120, 220),
    (120, 190, 255),
    (255, 140, 100),
    (190, 225, 90),
    (170, 150, 255),
    (240, 240, 240),
)
"""Of boxes and labels, in turn by track number; the first one for faces without a track."""

_AXES = ((np.array([1.0, 0, 0]), RED), (np.array([0, 1.0, 0]), GREEN), (np.array([0, 0, -1.0]), BLUE))
_SUBPIXEL_BITS = 5
_FAR_AWAY_PX = 20_000  # cv2 counts sub-pixels in 32 bits
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_PX = 22.0  # height of a capital letter at scale 1
_CONE_POINTS = 36


@dataclass(frozen=True)
class Layers:
    """What is drawn."""

    box: bool = True
    cube: bool = True
    points: bool = True
    axes: bool = True
    labels: bool = True


ALL_LAYERS = Layers()


class Drawing(Protocol):
    """`draw`, or another way to draw results: a copy of an RGB image (H, W, 3) with something drawn in."""

    def __call__(self, image: Image, result: FrameResult, *, order: EulerOrder) -> Image: ...


def draw(
    image: Image,
    result: FrameResult,
    *,
    layers: Layers = ALL_LAYERS,
    order: EulerOrder = EulerOrder.AZIMUTH,
) -> Image:
    """A copy of an RGB image (H, W, 3) with its faces drawn in, small faces first: large ones lie on top."""
    canvas = image.copy()
    for face in sorted(result.faces, key=lambda face: face.box.side):
        _draw_face(canvas, face, result.camera, layers)
    plates: list[Plate] = []
    for face in result.faces if layers.labels else ():
        if face.box.side >= SMALLEST_LABELLED_PX:
            _draw_label(canvas, face, order, plates)
    return canvas


def _draw_face(canvas: Image, face: Face, camera: Camera, layers: Layers) -> None:
    width = _line_width(face.box)
    if layers.box:
        _draw_box(canvas, face.box, _colour(face), width)
    head = None if face.pose is None else _Head.of(face, face.pose, camera)
    if layers.cube and head:
        _draw_cube(canvas, head, width)
    if layers.points and face.keypoints is not None:
        _draw_points(canvas, face)
    if layers.axes and head:
        _draw_axes(
            canvas, head, face.pose.spread_deg if face.pose else None, _line_width(face.box.scaled(1.6))
        )


@dataclass(frozen=True)
class _Head:
    """A head where it is seen: head frame to pixels and depths."""

    pose: HeadPose
    origin_camera_m: Points
    camera: Camera

    @classmethod
    def of(cls, face: Face, pose: HeadPose, camera: Camera) -> _Head:
        """At its position, or, where that is unknown, where a mean face would fill the box."""
        if pose.position_m is not None:
            return cls(pose, np.asarray(pose.position_m, dtype=np.float64), camera)
        ray = camera.ray(face.box.center)
        distance_m = FACE_SIDE_M * max(camera.fx, camera.fy) / face.box.side
        return cls(pose, ray / ray[2] * distance_m - pose.rotation @ FACE_CENTRE_M, camera)

    def place(self, points_head_m: ArrayLike) -> tuple[Points, Points] | None:
        """Pixels (n, 2) and depths (n,) of head-frame points (n, 3); None if one is too near to the lens."""
        points_camera_m = (
            self.pose.rotation @ np.asarray(points_head_m, dtype=np.float64) + self.origin_camera_m
        )
        depth_m = points_camera_m[:, 2]
        if depth_m.min() < NEAREST_M:
            return None
        return self.camera.project(points_camera_m), depth_m


def _draw_box(canvas: Image, box: Box, colour: Colour, width: int) -> None:
    """Four corners, so that the face stays free, joined by a hairline."""
    left, top, right, bottom = box
    corner = 0.22 * min(box.width, box.height)
    _lines(
        canvas,
        [[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]],
        colour,
        1,
        rim=False,
    )
    brackets = [
        [(x, y + corner * down), (x, y), (x + corner * inward, y)]
        for x, inward in ((left, 1), (right, -1))
        for y, down in ((top, 1), (bottom, -1))
    ]
    _lines(canvas, brackets, colour, width)


def _draw_cube(canvas: Image, head: _Head, width: int) -> None:
    """The four edges about the face are blue; the three that the cube itself would hide are hairlines."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    placed = head.place(CUBE_CENTRE_M + CUBE_HALF_M * corners)
    if placed is None:
        return
    points_px, depth_m = placed
    farthest = int(depth_m.argmax())
    edges = [(a, b) for a, b in combinations(range(8), 2) if np.abs(corners[a] - corners[b]).sum() == 2]
    for a, b in sorted(edges, key=lambda edge: farthest not in edge):
        colour = BLUE if corners[a, 2] < 0 and corners[b, 2] < 0 else WHITE
        edge = [[tuple(points_px[a]), tuple(points_px[b])]]
        if farthest in (a, b):
            _lines(canvas, edge, _mixed(colour, RIM, 0.4), 1, rim=False)
        else:
            _lines(canvas, edge, colour, max(1, round(width * 0.6)))


def _draw_axes(canvas: Image, head: _Head, spread_deg: float | None, width: int) -> None:
    """From the face's centre, the farthest tip first; the spread is a cone about the blue one."""
    tips = np.array([FACE_CENTRE_M + AXIS_M * direction for direction, _ in _AXES])
    placed = head.place(np.vstack([FACE_CENTRE_M, tips]))
    if placed is None:
        return
    points_px, depth_m = placed
    if spread_deg is not None:
        _draw_cone(canvas, head, spread_deg)
    for i in np.argsort(-depth_m[1:]):
        _arrow(canvas, points_px[0], points_px[1 + i], _AXES[i][1], width)


def _draw_cone(canvas: Image, head: _Head, spread_deg: float) -> None:
    turn = np.linspace(0, 2 * np.pi, _CONE_POINTS, endpoint=False)
    spread = np.radians(min(spread_deg, 85.0))
    across, along = np.sin(spread), np.cos(spread)
    rim = np.stack([across * np.cos(turn), across * np.sin(turn), np.full_like(turn, -along)], axis=1)
    placed = head.place(np.vstack([FACE_CENTRE_M, FACE_CENTRE_M + AXIS_M * rim]))
    if placed is not None:
        hull = cv2.convexHull(placed[0].astype(np.float32))[:, 0]
        _blended_fill(canvas, hull.astype(np.float64), BLUE, 0.30)
        _lines(
            canvas, [[tuple(point) for point in np.vstack([placed[0][1:], placed[0][1]])]], BLUE, 1, rim=False
        )


def _draw_points(canvas: Image, face: Face) -> None:
    """Dots from covered (orange) to visible (light blue)."""
    points_px = np.asarray(face.keypoints, dtype=np.float64)
    seen = (
        np.ones(len(points_px)) if face.keypoint_visibility is None else np.asarray(face.keypoint_visibility)
    )
    radius_px = float(np.clip(face.box.side / 90, 0.8, 6))
    order = np.argsort(seen, kind="stable")
    centres = _fixed_point(points_px[order]).tolist()
    for centre, visibility in zip(centres, np.clip(seen[order], 0, 1).tolist(), strict=True):
        if radius_px > SMALLEST_RIMMED_DOT_PX:
            _dot(canvas, centre, radius_px + 0.9, RIM)
        _dot(canvas, centre, radius_px, _mixed(COVERED, VISIBLE, visibility))


def _draw_label(canvas: Image, face: Face, order: EulerOrder, plates: list[Plate]) -> None:
    """Words on a plate near the box, which joins the plates drawn before."""
    lines = _words(face, order)
    if not lines:
        return
    scale = float(np.clip(face.box.side / 11, 11, max(12, min(canvas.shape[:2]) / 36))) / _FONT_PX
    thickness = max(1, round(scale * 1.6))
    sizes = [cv2.getTextSize(line, _FONT, scale, thickness)[0] for line in lines]
    pad, step = round(_FONT_PX * scale * 0.4), round(_FONT_PX * scale * 1.45)
    width, height = max(size[0] for size in sizes) + 2 * pad, step * len(lines) + pad
    plate = _free_plate(canvas, face.box, (width, height), plates)
    plates.append(plate)
    left, top = plate[:2]
    _darken(canvas, plate)
    for i, line in enumerate(lines):
        baseline = top + round(step * (i + 0.82)) + pad // 2
        colour = _colour(face) if i == 0 else WHITE
        cv2.putText(canvas, line, (left + pad, baseline), _FONT, scale, colour, thickness, cv2.LINE_AA)


def _words(face: Face, order: EulerOrder) -> list[str]:
    name = [] if face.track is None else [f"head {face.track}"]
    if face.pose is None:
        return name
    yaw_deg, pitch_deg, roll_deg = face.pose.rotation.euler(order)
    spread_deg = face.pose.spread_deg
    return [
        *name,
        f"yaw {_whole(float(yaw_deg))}  pitch {_whole(float(pitch_deg))}  roll {_whole(float(roll_deg))}",
        *([] if spread_deg is None else [f"spread {spread_deg:.1f} deg"]),
    ]


def _whole(angle_deg: float) -> str:
    return f"{round(angle_deg):+d}" if round(angle_deg) else "0"


def _free_plate(canvas: Image, box: Box, size_px: tuple[int, int], taken: list[Plate]) -> Plate:
    """Above the box, below, right or left of it: the first inside the picture that covers no other plate.

    Where there is none, above the box, moved into the picture.
    """
    rows, columns = canvas.shape[:2]
    width, height = size_px
    gap = _line_width(box) + 2
    left = max(0, min(round(box.left), columns - width))
    above, below = round(box.top) - gap - height, round(box.bottom) + gap
    places = [
        (left, above),
        (left, below),
        (round(box.right) + gap, round(box.top)),
        (round(box.left) - gap - width, round(box.top)),
    ]
    plates = [(x, y, x + width, y + height) for x, y in places]
    for plate in plates:
        inside = plate[0] >= 0 and plate[1] >= 0 and plate[2] <= columns and plate[3] <= rows
        if inside and not any(_overlap(plate, other) for other in taken):
            return plate
    top = max(0, min(above, rows - height))
    return left, top, left + width, top + height


def _overlap(a: Plate, b: Plate) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _darken(canvas: Image, plate: Plate) -> None:
    left, top, right, bottom = plate
    area = canvas[top:bottom, left:right]
    area[:] = (area * np.float32(0.35) + np.float32(0.65) * np.array(RIM, np.float32)).astype(np.uint8)


def _colour(face: Face) -> Colour:
    return TRACK_COLOURS[0 if face.track is None else face.track % len(TRACK_COLOURS)]


def _line_width(box: Box) -> int:
    """Of the strong lines, in pixels: grows with the face."""
    return int(np.clip(round(box.side / 70), 1, 12))


def _mixed(a: Colour, b: Colour, share_of_b: float) -> Colour:
    red, green, blue = (round(p + (q - p) * share_of_b) for p, q in zip(a, b, strict=True))
    return red, green, blue


def _fixed_point(points_px: ArrayLike) -> NDArray[np.int32]:
    """Continuous pixel coordinates to cv2's sub-pixel numbers, whose whole values are pixel centres."""
    points = np.clip(np.asarray(points_px, dtype=np.float64), -_FAR_AWAY_PX, _FAR_AWAY_PX)
    return np.rint((points - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def _lines(
    canvas: Image, lines: list[list[tuple[float, float]]], colour: Colour, width: int, *, rim: bool = True
) -> None:
    paths = [_fixed_point(line).reshape(-1, 1, 2) for line in lines]
    if rim:
        rim_width = width + max(2, round(width * 0.7))
        cv2.polylines(canvas, paths, False, RIM, rim_width, cv2.LINE_AA, _SUBPIXEL_BITS)
    cv2.polylines(canvas, paths, False, colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _blended_fill(canvas: Image, outline_px: Points, colour: Colour, opacity: float) -> None:
    region = _region(canvas, outline_px, margin_px=2)
    if region is not None:
        before = canvas[region].copy()
        cv2.fillPoly(
            canvas, [_fixed_point(outline_px).reshape(-1, 1, 2)], colour, cv2.LINE_AA, _SUBPIXEL_BITS
        )
        canvas[region] = cv2.addWeighted(canvas[region], opacity, before, 1 - opacity, 0)


def _region(canvas: Image, points_px: Points, margin_px: int) -> tuple[slice, slice] | None:
    """Rows and columns of the part of the canvas about some points; None if they lie outside it."""
    rows, columns = canvas.shape[:2]
    left, top = np.floor(points_px.min(axis=0) - margin_px).clip(0, (columns, rows)).astype(int)
    right, bottom = np.ceil(points_px.max(axis=0) + margin_px).clip(0, (columns, rows)).astype(int)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


def _dot(canvas: Image, centre: list[int], radius_px: float, colour: Colour) -> None:
    """centre: (x, y) as `_fixed_point` gives it."""
    radius = round(radius_px * (1 << _SUBPIXEL_BITS))
    cv2.circle(canvas, centre, radius, colour, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _arrow(canvas: Image, start_px: Points, tip_px: Points, colour: Colour, width: int) -> None:
    """A line with a head whose size follows the line's width; an axis seen end on is a ring with a dot."""
    along = tip_px - start_px
    length_px = float(np.linalg.norm(along))
    head_px = 3.2 * width + 2
    if length_px < head_px:
        tip = _fixed_point(tip_px).tolist()
        _dot(canvas, tip, head_px * 0.55 + 1, RIM)
        _dot(canvas, tip, head_px * 0.55, colour)
        return
    along = along / length_px
    across = np.array([-along[1], along[0]])
    neck_px = tip_px - along * head_px
    triangle = np.stack([tip_px, neck_px + across * head_px * 0.5, neck_px - across * head_px * 0.5])
    outline = [tuple(point) for point in np.vstack([triangle, triangle[:1]])]
    _lines(canvas, [[tuple(start_px), tuple(neck_px)], outline], colour, width)
    cv2.fillPoly(canvas, [_fixed_point(triangle).reshape(-1, 1, 2)], colour, cv2.LINE_AA, _SUBPIXEL_BITS)
