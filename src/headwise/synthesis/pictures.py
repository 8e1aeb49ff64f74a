"""Finished pictures with exact labels: crops of one head, scenes of many, and backgrounds of none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import FIVE_FROM_68, EulerOrder
from headwise.synthesis.assets import HeadAssets
from headwise.synthesis.backdrop import add_clutter, sample_backdrop
from headwise.synthesis.light import LightLibrary
from headwise.synthesis.mesh import Material, Mesh, ellipsoid, rgba
from headwise.synthesis.renderer import Lighting, Renderer
from headwise.synthesis.shot import (
    FLIP_YZ,
    M_PER_DM,
    MM_PER_DM,
    Shot,
    sample_crop_shot,
    sample_lighting,
    sample_scene_shot,
)
from headwise.synthesis.subject import Subject, sample_subject

FloatPicture = NDArray[np.floating[Any]]
POSES_PER_SEED = 3
SCENES_PER_SEED = 6
VISIBLE_WITHIN_DM = 0.12
FEWEST_VISIBLE_POINTS = 6
IGNORED_BELOW_PX = 9.0
IGNORED_BELOW_VISIBLE = 0.3
FAR_SIDE_HIDDEN_BEYOND_DEG = 55.0
SCENE_SIZES = ((384, 288), (288, 384), (320, 320), (416, 256))
SMALLEST_FACE_PX, LARGEST_FACE_SHARE = 9.0, 0.75
TILE_REACH = (2.6, 2.3, 9.0)  # in face sides: to either side, above, below


@dataclass(frozen=True)
class CropPicture:
    """One head: RGB picture, alpha mask, depth in millimetres (0: nothing), labels of a shard item."""

    picture: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    labels: dict[str, object]


@dataclass(frozen=True)
class ScenePicture:
    """A picture with any number of heads; per-head labels are arrays of equal length."""

    picture: NDArray[np.uint8]
    heads: dict[str, NDArray[np.generic]]


class Studio:
    """Makes pictures from seeds: the same seed gives the same picture."""

    def __init__(self, assets: HeadAssets, *, size_px: int = 192, supersampling: float = 1.5) -> None:
        self.assets = assets
        self.size_px = size_px
        self.renderer = Renderer(assets, supersampling=supersampling)
        self.lights = LightLibrary(assets)

    def crops(self, seed: int) -> list[CropPicture]:
        """A person in a few poses, lights and places. Poses that hide the whole head are dropped."""
        rng = np.random.default_rng(seed)
        subject = sample_subject(self.assets, rng)
        pictures = (self._crop(subject, seed, rng) for _ in range(POSES_PER_SEED))
        return [picture for picture in pictures if picture is not None]

    def _crop(self, subject: Subject, seed: int, rng: np.random.Generator) -> CropPicture | None:
        size = self.size_px
        shot = sample_crop_shot(subject.landmarks_dm, size, rng)
        lighting = sample_lighting(self.assets.environment_names, self.lights, rng)
        layer, depth_dm = self.renderer.render(subject.meshes, shot.view, lighting, subject.hair_clip)
        points = shot.project(subject.landmarks_dm)
        box = Box.from_points(points)
        in_camera = shot.in_camera_m(subject.landmarks_dm)
        visible = _visible(points, in_camera[:, 2] / M_PER_DM, depth_dm)
        hidden = shot.face_hidden(box)
        if not hidden and visible.sum() < FEWEST_VISIBLE_POINTS:
            return None
        backdrop = sample_backdrop(self.renderer, lighting, (size, size), rng)
        picture = _developed(_over(layer, backdrop.astype(np.float32)), lighting, rng)
        camera = shot.camera
        return CropPicture(
            picture=picture,
            mask=layer[..., 3],
            depth_mm=_stored_depth(depth_dm),
            labels={
                "rotation_ray": shot.ray_from_art_head(box).matrix.astype(np.float32),
                "rotation_camera": shot.camera_from_art_head.matrix.astype(np.float32),
                "translation_m": shot.position_m.astype(np.float32),
                "intrinsics": np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32),
                "points68_px": points.astype(np.float32),
                "points68_m": (subject.landmarks_dm @ FLIP_YZ * M_PER_DM).astype(np.float32),
                "visibility": visible,
                "face_hidden": np.bool_(hidden),
                "box": np.array([box.left, box.top, box.right, box.bottom], np.float32),
                "seed": np.int64(seed),
                "attributes": json.dumps(subject.attributes),
            },
        )

    def background(self, seed: int) -> NDArray[np.uint8]:
        """A picture without any head: a view or a plain wall, most of the time with clutter."""
        rng = np.random.default_rng(seed)
        lighting = sample_lighting(self.assets.environment_names, self.lights, rng)
        size = SCENE_SIZES[rng.integers(len(SCENE_SIZES))]
        return sample_backdrop(self.renderer, lighting, size, rng, clutter=0.75)

    def scenes(self, seed: int) -> list[ScenePicture]:
        """A handful of scenes that share a pool of people."""
        rng = np.random.default_rng(seed)
        people = [sample_subject(self.assets, rng) for _ in range(5)]
        return [self._scene(people, rng) for _ in range(SCENES_PER_SEED)]

    def _scene(self, people: list[Subject], rng: np.random.Generator) -> ScenePicture:
        width, height = SCENE_SIZES[rng.integers(len(SCENE_SIZES))]
        camera = Camera.from_fov(width, height, rng.uniform(28, 78))
        lighting = sample_lighting(self.assets.environment_names, self.lights, rng)
        picture = sample_backdrop(self.renderer, lighting, (width, height), rng, clutter=0.6).astype(
            np.float32
        )
        shots = _sample_places(camera, people, rng)
        layers = []
        for subject, shot in shots:
            for kind in _decoys(rng):
                decoy = sample_scene_shot(
                    camera, rng.uniform(12, 120), tuple(rng.uniform([0, 0], [width, height])), rng
                )
                picture = _over(
                    self._layer(_decoy_meshes(kind, subject, rng), decoy, lighting, subject), picture
                )
            layers.append(self._layer(subject.meshes, shot, lighting, subject))
        for layer in layers:
            picture = _over(layer, picture)
        cover = [
            _covered_by(layers[i + 1 :], shot.project(s.landmarks_dm)) for i, (s, shot) in enumerate(shots)
        ]
        developed = _developed(picture, lighting, rng)
        if rng.random() < 0.15:
            for _ in range(rng.integers(1, 3)):
                _add_foreground(developed, shots, cover, rng)
        return ScenePicture(developed, _head_labels(shots, cover, (width, height)))

    def _layer(
        self, meshes: tuple[Mesh, ...], shot: Shot, lighting: Lighting, subject: Subject
    ) -> NDArray[np.uint8]:
        """RGBA of one person over the whole picture; only the tile around the person is rendered."""
        camera = shot.camera
        canvas = np.zeros((camera.height_px, camera.width_px, 4), np.uint8)
        box = Box.from_points(shot.project(subject.landmarks_dm))
        aside, above, below = (reach * box.side for reach in TILE_REACH)
        x, y = box.center
        left, right = (int(np.clip(v, 0, camera.width_px)) for v in (x - aside, x + aside + 1))
        top, bottom = (int(np.clip(v, 0, camera.height_px)) for v in (y - above, y + below + 1))
        left, top = left // 8 * 8, top // 8 * 8
        right = min(camera.width_px, left + -(-(right - left) // 16) * 16)
        bottom = min(camera.height_px, top + -(-(bottom - top) // 16) * 16)
        if right - left < 2 or bottom - top < 2:
            return canvas
        tile_camera = Camera(
            camera.fx, camera.fy, camera.cx - left, camera.cy - top, right - left, bottom - top
        )
        view = Shot(shot.camera_from_art_head, shot.position_m, tile_camera).view
        tile, _ = self.renderer.render(meshes, view, lighting, subject.hair_clip)
        canvas[top:bottom, left:right] = tile
        return canvas


def _over(layer: NDArray[np.uint8], picture: FloatPicture) -> FloatPicture:
    """A layer (colour already times alpha) over a picture."""
    return layer[..., :3] + picture * (1 - layer[..., 3:].astype(np.float32) / 255)


def _developed(picture: FloatPicture, lighting: Lighting, rng: np.random.Generator) -> NDArray[np.uint8]:
    """White balance in part, a little blur, a little noise."""
    white = lighting.harmonics[0] + sum(light.colour * 0.5 for light in lighting.lights)
    white = np.maximum(white, 1e-3)
    gain = np.clip((white.mean() / white) ** rng.uniform(0.3, 0.9), 0.5, 2.0)
    picture = picture * (0.5 * gain + 0.5).astype(np.float32)
    if rng.random() < 0.3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.0)), np.float32)
    level = float(rng.choice([0, 1.5, 3, 6]))
    if level:
        picture = picture + rng.standard_normal(picture.shape, dtype=np.float32) * level
    return np.clip(picture, 0, 255).astype(np.uint8)


def _visible(
    points: NDArray[np.float64], depth: NDArray[np.float64], buffer: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which points lie in the picture and not behind what was drawn there."""
    height, width = buffer.shape
    column, row = np.floor(points).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    drawn = buffer[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.asarray(inside & (depth < drawn + VISIBLE_WITHIN_DM))


def _stored_depth(depth_dm: NDArray[np.float32]) -> NDArray[np.uint16]:
    millimetres = np.where(np.isfinite(depth_dm), depth_dm * MM_PER_DM, 0)
    return np.clip(millimetres[::2, ::2], 0, 65535).astype(np.uint16)


def _sample_places(
    camera: Camera, people: list[Subject], rng: np.random.Generator
) -> list[tuple[Subject, Shot]]:
    """Who stands where, farthest first. Sizes are log-uniform; groups tend to share a size."""
    count = int(rng.choice(9, p=[0.06, 0.26, 0.2, 0.15, 0.11, 0.08, 0.06, 0.04, 0.04]))
    width, height = camera.width_px, camera.height_px
    largest = LARGEST_FACE_SHARE * min(width, height)
    common = np.exp(rng.uniform(np.log(SMALLEST_FACE_PX), np.log(largest)))
    placed: list[tuple[Subject, Shot]] = []
    for _ in range(count):
        own = (
            common * np.exp(rng.normal(0, 0.35))
            if rng.random() < 0.7
            else np.exp(rng.uniform(np.log(SMALLEST_FACE_PX), np.log(largest)))
        )
        face_px = float(np.clip(own, SMALLEST_FACE_PX, largest))
        margin = 0.25 * face_px
        centre = rng.uniform([margin, margin], [width - margin, height - margin])
        if any(
            np.hypot(*(centre - shot.camera.project(shot.position_m))) < 0.8 * face_px for _, shot in placed
        ):
            continue
        subject = people[rng.integers(len(people))]
        placed.append(
            (subject, sample_scene_shot(camera, face_px, (float(centre[0]), float(centre[1])), rng))
        )
    return sorted(placed, key=lambda item: -item[1].position_m[2])


def _decoys(rng: np.random.Generator) -> list[str]:
    draw = rng.random()
    return ["torso"] if draw < 0.05 else ["ball"] if draw < 0.1 else []


def _decoy_meshes(kind: str, subject: Subject, rng: np.random.Generator) -> tuple[Mesh, ...]:
    """Clothes that nobody wears, or a ball of skin: lit like a person and no head."""
    if kind == "torso":
        clothes = tuple(
            m
            for m in subject.meshes
            if m.material.kind in ("textile", "cloth") and m.head_fraction is not None
        )
        if clothes:
            return clothes
    tone = np.array([0.55, 0.3, 0.2]) * np.exp(rng.normal(0, 0.5))
    material = Material(
        "cloth",
        tint=rgba(tone),
        tint2=rgba(tone * 0.8, 0.0),
        surface=(0.6, 0.03, 0.4, 1),
        pattern=(4, 4),
    )
    return (ellipsoid(np.zeros(3), rng.uniform([0.5, 0.6, 0.5], [1.0, 1.2, 1.0]), material, sides=24),)


def _covered_by(layers: list[NDArray[np.uint8]], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points [n] nearer layers cover."""
    covered = np.zeros(len(points), bool)
    for layer in layers:
        height, width = layer.shape[:2]
        column, row = np.floor(points).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        covered[inside] |= layer[row[inside], column[inside], 3] > 127
    return covered


def _add_foreground(
    picture: NDArray[np.uint8],
    shots: list[tuple[Subject, Shot]],
    cover: list[NDArray[np.bool_]],
    rng: np.random.Generator,
) -> None:
    """Something before the people: what it paints over no longer counts as visible."""
    before = picture.copy()
    add_clutter(picture, rng)
    changed = np.abs(picture.astype(np.int16) - before).max(2) > 12
    layer = np.zeros((*picture.shape[:2], 4), np.uint8)
    layer[..., 3] = changed * 255
    for i, (subject, shot) in enumerate(shots):
        cover[i] |= _covered_by([layer], shot.project(subject.landmarks_dm))


def _head_labels(
    shots: list[tuple[Subject, Shot]], cover: list[NDArray[np.bool_]], size: tuple[int, int]
) -> dict[str, NDArray[np.generic]]:
    width, height = size
    boxes, points5, seen5, rotations, shares, ignored = [], [], [], [], [], []
    for (subject, shot), covered in zip(shots, cover, strict=True):
        points = shot.project(subject.landmarks_dm)
        box = Box.from_points(points)
        inside = (points >= 0).all(1) & (points[:, 0] < width) & (points[:, 1] < height)
        share = float((inside & ~covered).mean())
        facing = -shot.ray_from_art_head(box).facing[2] > 0.15
        five = FIVE_FROM_68 @ points
        seen = (FIVE_FROM_68 @ (inside & ~covered) > 0.5) & facing
        turned = float(shot.ray_from_art_head(box).euler(EulerOrder.AZIMUTH).yaw_deg)
        if abs(turned) > FAR_SIDE_HIDDEN_BEYOND_DEG:
            seen[[0, 3] if turned > 0 else [1, 4]] = False
        boxes.append([box.left, box.top, box.right, box.bottom])
        points5.append(five)
        seen5.append(seen)
        rotations.append(shot.ray_from_art_head(box).matrix)
        shares.append(share)
        ignored.append(box.side < IGNORED_BELOW_PX or share < IGNORED_BELOW_VISIBLE)
    return {
        "box": np.array(boxes, np.float32).reshape(-1, 4),
        "points5_px": np.array(points5, np.float32).reshape(-1, 5, 2),
        "points5_visible": np.array(seen5, bool).reshape(-1, 5),
        "rotation_ray": np.array(rotations, np.float32).reshape(-1, 3, 3),
        "visible_fraction": np.array(shares, np.float32),
        "ignore": np.array(ignored, bool),
    }
