"""The statistical 3D head: a mean, modes of identity and modes of expression, linear in both.

    head = mean + sum_k identity_k * mode_k + sum_k expression_k * mode_k            metres, head frame

after Blanz and Vetter, "A Morphable Model for the Synthesis of 3D Faces" (1999), eq. 2 and 4, with a second
basis for expressions as in Cao et al., "FaceWarehouse" (2014). The modes are scaled so that every coefficient
has variance 1 over people: its prior is the standard normal distribution. The same coefficients move the
68 iBUG points and the dense surface. The package's model is built by `headwise shape-model build`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headwise import weights
from headwise.errors import GeometryError, ModelError, OutputError

Floats = NDArray[np.float64]
FILE = "head_shape.npz"
MOST_IDENTITY_MODES, MOST_EXPRESSION_MODES = 50, 20


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """Metres in the head frame (`conventions`); modes are per one standard deviation, strongest first.

    points_m (68, 3), identity_points (Ki, 68, 3), expression_points (Ke, 68, 3): the 68 iBUG points.
    vertices_m (V, 3), identity_vertices (Ki, V, 3), expression_vertices (Ke, V, 3): the surface.
    triangles (T, 3) int32, counter-clockwise seen from outside. uv (V, 2) in 0..1 on a texture picture: u
    runs to the right from the back of the head over the subject's right side, the face at 0.5 and the left
    side to the back again; v runs down from the crown. The column of vertices at the back is there twice, at
    u 0 and u 1, and the crown once for every column.
    Raises ModelError for arrays that do not fit together.
    """

    points_m: Floats
    identity_points: Floats
    expression_points: Floats
    vertices_m: Floats
    identity_vertices: Floats
    expression_vertices: Floats
    triangles: NDArray[np.int32]
    uv: Floats

    def __post_init__(self) -> None:
        for field in fields(self):
            kind = np.int32 if field.name == "triangles" else np.float64
            value = np.array(getattr(self, field.name), kind)
            value.setflags(write=False)
            object.__setattr__(self, field.name, value)
        vertices, identity, expression = len(self.vertices_m), self.identity_count, self.expression_count
        wanted = {
            "points_m": (68, 3),
            "identity_points": (identity, 68, 3),
            "expression_points": (expression, 68, 3),
            "vertices_m": (vertices, 3),
            "identity_vertices": (identity, vertices, 3),
            "expression_vertices": (expression, vertices, 3),
            "triangles": (len(self.triangles), 3),
            "uv": (vertices, 2),
        }
        for name, shape in wanted.items():
            value = getattr(self, name)
            if value.shape != shape:
                raise ModelError(f"a shape model's {name} needs shape {shape}, got {value.shape}")
            if not np.isfinite(value).all():
                raise ModelError(f"a shape model's {name} needs finite numbers, got some that are not")
        if self.triangles.size and not 0 <= self.triangles.min() <= self.triangles.max() < vertices:
            raise ModelError(f"a shape model's triangles need vertices 0 to {vertices - 1}, got others")

    @property
    def identity_count(self) -> int:
        return len(self.identity_points)

    @property
    def expression_count(self) -> int:
        return len(self.expression_points)

    def points(self, identity: ArrayLike, expression: ArrayLike) -> Floats:
        """The 68 points (..., 68, 3) of coefficients (..., Ki) and (..., Ke); leading axes broadcast.

        Raises GeometryError for another number of coefficients.
        """
        return self._shaped(
            self.points_m, (self.identity_points, identity), (self.expression_points, expression)
        )

    def vertices(self, identity: ArrayLike, expression: ArrayLike) -> Floats:
        """The surface (..., V, 3) of coefficients (..., Ki) and (..., Ke); leading axes broadcast.

        Raises GeometryError for another number of coefficients.
        """
        return self._shaped(
            self.vertices_m, (self.identity_vertices, identity), (self.expression_vertices, expression)
        )

    @staticmethod
    def _shaped(mean: Floats, *bases: tuple[Floats, ArrayLike]) -> Floats:
        shaped = mean
        for modes, given in bases:
            coefficients = np.asarray(given, np.float64)
            if coefficients.shape[-1:] != (len(modes),):
                raise GeometryError(
                    f"the shape model needs (..., {len(modes)}) coefficients, got shape {coefficients.shape}"
                )
            moved = coefficients @ modes.reshape(len(modes), -1)
            shaped = shaped + moved.reshape(*coefficients.shape[:-1], *mean.shape)
        return np.asarray(shaped)


def load_shape_model(path: str | Path | None = None) -> ShapeModel:
    """The package's shape model, or that of a file of `headwise shape-model build`; read once.

    Raises ModelError for a missing, damaged or foreign file.
    """
    return _loaded(Path(path) if path is not None else None)


@cache
def _loaded(path: Path | None) -> ShapeModel:
    file = weights.bundled(FILE) if path is None else path
    try:
        with np.load(file, allow_pickle=False) as data:
            arrays: dict[str, Any] = {field.name: data[field.name] for field in fields(ShapeModel)}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as wrong:
        raise ModelError(
            f"{file} holds no shape model ({wrong}); `headwise shape-model build` makes one"
        ) from wrong
    return ShapeModel(**arrays)


def save_shape_model(model: ShapeModel, path: Path) -> None:
    """Write a model as .npz: modes and means as float16, so lengths round to 0.06 mm or better.

    Raises OutputError where that fails.
    """
    small = np.uint16 if len(model.vertices_m) <= np.iinfo(np.uint16).max else np.int32
    arrays = {
        field.name: getattr(model, field.name).astype(small if field.name == "triangles" else np.float16)
        for field in fields(model)
    }
    try:
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)
    except OSError as wrong:
        raise OutputError(f"cannot write {path}: {wrong.strerror}") from wrong
