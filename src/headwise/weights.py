"""Model names and files: a bundled name or a path becomes a loaded network of a checked interface."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from headwise import plugins
from headwise.errors import ModelError
from headwise.model_card import read_card
from headwise.runtimes import Model

FOLDER = Path(__file__).parent / "models"
MANIFEST = FOLDER / "manifest.json"  # file name -> sha256, written when a model is released

# What the graph of each kind takes and gives: name -> element type. Shapes are in docs of the kinds' users.
INTERFACES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "pose": (
        {"crops": "uint8"},
        {
            "rotation": "float32",
            "spread_deg": "float32",
            "keypoints": "float32",
            "visibility": "float32",
            "face_hidden": "float32",
            "rotation_covariance": "float32",
            "keypoint_spread": "float32",
        },
    ),
    "detector": ({"image": "uint8"}, {"boxes": "float32", "scores": "float32", "points": "float32"}),
}
# Outputs that some families of pose networks lack:
OPTIONAL = {"keypoints", "visibility", "face_hidden", "rotation_covariance", "keypoint_spread"}


def names() -> tuple[str, ...]:
    """The models inside the package, by name."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.onnx")))


def find(model: str | Path) -> Path:
    """The file of a model: a bundled name ("pose") or a path.

    A bundled file is checked against its sha256.
    """
    if str(model) in names():
        return _verified(FOLDER / f"{model}.onnx")
    path = Path(model)
    if path.is_file():
        return path
    guess = difflib.get_close_matches(str(model), names(), n=1)
    hint = f"; did you mean {guess[0]!r}?" if guess else ""
    known = ", ".join(names()) or "none"
    raise ModelError(f"no model {str(model)!r}: neither a file nor a name in the package ({known}){hint}")


def open_model(model: str | Path, kind: str, *, threads: int = 1, runtime: str = "onnxruntime") -> Model:
    """Load a model of one kind ("pose" or "detector").

    Raises ModelError when it is another or a foreign one.
    """
    path = find(model)
    loaded = cast(Model, plugins.load("runtimes", runtime, model=path, threads=threads))
    if loaded.card.kind != kind:
        raise ModelError(
            f"{path} holds a model of kind {loaded.card.kind!r}; a {kind!r} model is needed here"
        )
    for side, given, needed in zip(
        ("inputs", "outputs"), (loaded.inputs, loaded.outputs), INTERFACES[kind], strict=True
    ):
        if not fits(given, needed):
            raise ModelError(f"{path}: a {kind} model has the {side} {needed}, this one has {dict(given)}")
    return loaded


def kind_of(model: str | Path) -> str:
    """ "pose" or "detector": of a name or a path. Raises ModelError."""
    return read_card(find(model)).kind


def fits(given: Mapping[str, str], needed: Mapping[str, str]) -> bool:
    """Whether everything given is known, of the right type, and nothing but `OPTIONAL` is missing."""
    return given.items() <= needed.items() and needed.keys() - given.keys() <= OPTIONAL


@cache
def mean_points_m() -> NDArray[np.float64] | None:
    """The 68 points of the mean head, (68, 3), metres, in the head frame.

    None when the package holds none.
    """
    path = FOLDER / "head68.npy"
    return np.load(path).astype(np.float64) if path.is_file() else None


def bundled(name: str) -> Path:
    """A file of the package by its full name, checked against its sha256. Raises ModelError without it."""
    path = FOLDER / name
    if not path.is_file():
        raise ModelError(f"the package holds no {name}; install headwise again")
    return _verified(path)


@cache
def _verified(path: Path) -> Path:
    wanted = json.loads(MANIFEST.read_text()).get(path.name) if MANIFEST.is_file() else None
    if wanted is not None and hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
        raise ModelError(
            f"{path} is damaged: its sha256 is not the one in {MANIFEST.name}; install headwise again"
        )
    return path
