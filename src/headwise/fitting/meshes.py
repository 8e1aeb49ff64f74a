"""Meshes of the heads that come by: a sink that collects pictures of every head and writes its file.

Of a picture each head gets a mesh with its expression. Of a video or camera each head that is followed gets
one mesh from its best frames, which lie in bins of yaw so that all sides that were shown count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.errors import OutputError
from headwise.fitting.heads import FittedResult
from headwise.fitting.mesh import HeadMesh, View, head_mesh
from headwise.fitting.mesh_files import ENDINGS, check_mesh_path, write_mesh
from headwise.fitting.observation import Observation
from headwise.fitting.shape_model import ShapeModel
from headwise.fitting.solve import HeadFit
from headwise.fitting.track import fit_track
from headwise.overlays import FreeNames
from headwise.results import Face, FrameResult
from headwise.rotation import Rotation
from headwise.sources import Source

Image = NDArray[np.uint8]

YAW_BIN_DEG = 20.0
"""A head in a video keeps its best frame of each so wide bin: at most 18 small pictures."""
TEXTURE_PX = 1024
SMALLEST_PX = 40.0
"""Box side of a head below which its texture would be a smear."""
DOUBTED = 2.0
"""A frame whose rotation is so many times as uncertain as the best one's is left out: one turned wrongly
would paint the face on the back of the head."""
FEWEST_FRAMES = 5
"""A head that was followed for less is no head of its own: a shadow, a poster, a false alarm."""


@dataclass(frozen=True, eq=False)
class _Shot:
    """A head in one frame and how good it is to look at."""

    view: View
    fit: HeadFit
    observation: Observation
    quality: float

    @property
    def frontality(self) -> float:
        """1 where the face looks into the lens, 0 in profile and beyond."""
        toward = -self.fit.position_m / np.linalg.norm(self.fit.position_m)
        return max(float(self.fit.rotation.facing @ toward), 0.0) ** 2


@dataclass(eq=False)
class _Head:
    """What was seen of one head until now. area_px: over all frames; the largest head is the first."""

    shots: dict[int, _Shot] = field(default_factory=dict)
    frames: int = 0
    area_px: float = 0.0

    def take(self, shot: _Shot, yaw_bin: int, area_px: float) -> None:
        self.frames += 1
        self.area_px += area_px
        if yaw_bin not in self.shots or shot.quality > self.shots[yaw_bin].quality:
            self.shots[yaw_bin] = shot


class Meshes:
    """A sink that writes a mesh for every head of a source when it is closed; call `start` before each.

    path: a .glb or .obj file for a single source, else a folder, made if missing, with .glb files. The
    largest head gets the name itself, the others `-2`, `-3`, ... Raises OutputError at once for what cannot
    be written, MissingExtra for GLB without trimesh.
    """

    def __init__(self, path: str | Path, shape: ShapeModel, *, several: bool = False) -> None:
        self._path = Path(path)
        self._shape = shape
        self._is_file = self._path.suffix.lower() in ENDINGS and not self._path.is_dir()
        if self._is_file and several:
            raise OutputError(f"{path}: several inputs need a folder for their meshes, not one file")
        if self._path.suffix and not self._is_file and not self._path.is_dir():
            raise OutputError(f"{path}: meshes are written as {' and '.join(ENDINGS)}, or into a folder")
        if not self._is_file:
            try:
                self._path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
        check_mesh_path(self._path if self._is_file else self._path / "head.glb")
        self._names = FreeNames()
        self._target: Path | None = None
        self._is_stream = False
        self._heads: dict[int, _Head] = {}

    def start(self, source: Source) -> None:
        """Write the heads of the last source, then collect those of this one. Raises OutputError."""
        self.close()
        ending = self._path.suffix if self._is_file else ENDINGS[0]
        self._target = self._path if self._is_file else self._path / self._names.take(source.name, ending)
        self._is_stream = source.is_stream

    def write(
        self,
        source_name: str,
        frame_index: int,  # noqa: ARG002 - a head knows no frame numbers
        result: FrameResult,
        image: Image | None = None,
    ) -> None:
        if image is None or not isinstance(result, FittedResult):
            raise OutputError(f"{self._path}: a mesh of {source_name} needs its image and its fits")
        if result.observation is None:
            raise OutputError(f"{self._path}: a mesh of {source_name} needs what it was fitted to")
        for number, (face, fit) in enumerate(zip(result.faces, result.fits, strict=True)):
            key = face.track if self._is_stream else number
            if key is None or not isinstance(fit, HeadFit) or face.box.side < SMALLEST_PX:
                continue
            shot = self._shot(image, result, face, fit, result.observation[number : number + 1])
            if shot is not None:
                yaw_deg = float(fit.rotation.azimuth_elevation_deg[0])
                head = self._heads.setdefault(key, _Head())
                head.take(shot, round(yaw_deg / YAW_BIN_DEG), face.box.area)

    def _shot(
        self, image: Image, result: FittedResult, face: Face, fit: HeadFit, observation: Observation
    ) -> _Shot | None:
        view = View(image, result.camera, fit.rotation, fit.position_m, fit.expression)
        surface = fit.rotation @ self._shape.vertices(fit.identity, fit.expression) + fit.position_m
        part = view.around(result.camera.project(surface)) if surface[:, 2].min() > 0 else None
        if part is None:
            return None
        quality = _sharpness(part.image) * face.box.side / fit.spread_deg
        return _Shot(part.copied(), fit, observation, quality)

    def close(self) -> None:
        """Write what was collected. Raises OutputError."""
        target, self._target = self._target, None
        heads, self._heads = self._heads, {}
        if target is None:
            return
        enough = [head for head in heads.values() if not self._is_stream or head.frames >= FEWEST_FRAMES]
        for number, head in enumerate(sorted(enough, key=lambda head: -head.area_px), start=1):
            name = target if number == 1 else target.with_stem(f"{target.stem}-{number}")
            write_mesh(name, mesh_of(list(head.shots.values()), self._shape))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def mesh_of(shots: Sequence[_Shot], shape: ShapeModel) -> HeadMesh:
    """One frame: as it is. Several: fitted again together, with one identity and a resting face."""
    if len(shots) == 1:
        (shot,) = shots
        return head_mesh(shape, shot.fit.identity, shot.fit.expression, [shot.view], TEXTURE_PX)
    bound_deg = DOUBTED * min(shot.fit.spread_deg for shot in shots)
    sure = [shot for shot in shots if shot.fit.spread_deg <= bound_deg]
    best_first = sorted(sure, key=lambda shot: -shot.quality * shot.frontality)
    together = fit_track(_joined([shot.observation for shot in best_first]), shape)
    views = [
        replace(shot.view, rotation=fit.rotation, position_m=fit.position_m, expression=fit.expression)
        for shot, fit in zip(best_first, together.frames, strict=True)
        if isinstance(fit, HeadFit)
    ]
    return head_mesh(shape, together.identity, np.zeros(shape.expression_count), views, TEXTURE_PX)


def _joined(observations: Sequence[Observation]) -> Observation:
    """Of one head in several frames of one camera, all with the network's rotation."""
    rotations = [one.rotation.matrix for one in observations if one.rotation is not None]
    covariances = [one.rotation_covariance for one in observations if one.rotation_covariance is not None]
    return Observation(
        np.concatenate([one.points_px for one in observations]),
        np.concatenate([one.spread_px for one in observations]),
        observations[0].camera,
        Rotation(np.concatenate(rotations)),
        np.concatenate(covariances),
    )


def _sharpness(image: Image) -> float:
    """Standard deviation of the picture's Laplacian: a blurred frame has little."""
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std()) + 1e-3
