"""The art a head is made of: one folder, read once.

The folder (option ``--assets``) must hold::

    assets/geom.npz       base mesh and everything fitted to it (keys below)
    assets/tex/*.webp     skin_*_h / skin_*_b (head and body), *_eye, eyebrow*, eyelashes*, hair_*, cloth_*,
                          fedora_*, teeth, tongue
    assets/lm68.npy       int [68]: base-mesh vertex of every iBUG landmark
    hdri/*.hdr            equirectangular environment maps, 2:1, linear RGBE

``geom.npz``: ``V`` [n,3] rest shape in decimetres, ``hfrac`` [n] share with which a vertex follows the head
(1) or the torso (0), ``ao`` [n] ambient occlusion, ``body_v``/``body_uv``/``body_tri`` the drawn skin,
``joint-*`` vertex ids of joints, ``t_names``/``t_ptr``/``t_idx``/``t_q``/``t_s`` shape targets as quantised
sparse offsets, and for every fitted piece (hair, clothes, eyes, ...) ``P|name|idx``, ``w``, ``off``, ``sv``,
``sd`` (barycentric fit with scaled offsets), ``rmap``, ``uv``, ``tri`` and optionally ``del`` (skin vertices
it covers).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.errors import InputError, MissingExtra
from headwise.synthesis.mesh import FloatArray, IntArray, Topology

OPPOSITES = (
    ("incr", "decr"),
    ("up", "down"),
    ("out", "in"),
    ("forward", "backward"),
    ("convex", "concave"),
    ("uncompress", "compress"),
)
LUMINANCE = np.array([0.3, 0.59, 0.11])
ENVIRONMENT_HEIGHT_PX = 512


LIP_EDGE_DM = 0.02  # width of the soft edge of the lips
ON_THE_LID = {1329: 47, 4199: 3009}
"""Vertices named as inner points of the lower lids (40 and 47), 30 mm behind the eye, and those on
the rim of the lid, where the points belong."""


@dataclass(frozen=True)
class Target:
    """A sparse shape offset: `offsets_dm` [k,3] at base vertices `index` [k], applied with a weight."""

    index: IntArray
    offsets_dm: FloatArray


@dataclass(frozen=True)
class Piece:
    """Something fitted to the base mesh: each point follows three base vertices plus a scaled offset."""

    index: IntArray
    weight: FloatArray
    offset: FloatArray
    scale_vertices: IntArray
    scale_dm: FloatArray
    seam_map: IntArray
    uv: FloatArray
    triangles: IntArray
    covered: IntArray | None
    topology: Topology
    head_fraction: FloatArray

    def fit(self, vertices: FloatArray) -> FloatArray:
        """Points [k,3] of the piece on a body shape [n,3]."""
        spans = [abs(vertices[a, k] - vertices[b, k]) for k, (a, b) in enumerate(self.scale_vertices)]
        scale = np.asarray(spans, np.float32) / self.scale_dm
        blended = (vertices[self.index] * self.weight[..., None]).sum(1)
        return np.asarray(blended + self.offset * scale, np.float32)


class HeadAssets:
    """The asset folder, decoded lazily: geometry now, textures and maps when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        geometry = folder / "assets" / "geom.npz"
        if not geometry.is_file():
            raise InputError(
                f"no head art in {folder}: expected {geometry.relative_to(folder)}, assets/tex, hdri"
            )
        with np.load(geometry, allow_pickle=True) as data:
            self._data: dict[str, NDArray[Any]] = {key: data[key] for key in data.files}
        self.rest: FloatArray = self._data["V"].astype(np.float32)
        self.head_fraction: FloatArray = self._data["hfrac"].astype(np.float32)
        self.occlusion: FloatArray = self._data["ao"].astype(np.float32)
        named: IntArray = np.load(folder / "assets" / "lm68.npy")
        self.landmarks: IntArray = np.array([ON_THE_LID.get(vertex, vertex) for vertex in named.tolist()])
        self.skin_vertices: IntArray = self._data["body_v"]
        self.skin_uv: FloatArray = self._data["body_uv"]
        self.skin_triangles: IntArray = self._data["body_tri"]
        self.base = Topology.of(self.skin_vertices[self.skin_triangles], len(self.rest))
        self.targets = self._read_targets()
        self.target_pairs = self._pair_targets()
        self.pieces = self._read_pieces()
        self.body = np.unique(self.base.triangles)

    def joint(self, name: str, vertices: FloatArray) -> FloatArray:
        """Position [3] of a joint: the mean of its marker vertices."""
        return np.asarray(vertices[self._data[f"joint-{name}"]].mean(0))

    def names(self, prefix: str) -> list[str]:
        """Names of pieces that start with `prefix`, e.g. ``hair/``."""
        return sorted(name for name in self.pieces if name.startswith(prefix))

    def texture(self, name: str) -> NDArray[np.uint8]:
        """RGBA picture of one texture."""
        try:
            from PIL import Image
        except ImportError as error:
            raise MissingExtra("synthesis needs Pillow: pip install 'headwise[synth]'") from error
        return np.asarray(Image.open(self.texture_path(name)).convert("RGBA"))

    def texture_path(self, name: str) -> Path:
        return self.folder / "assets" / "tex" / f"{name}.webp"

    @cached_property
    def skins(self) -> list[str]:
        """Names of the skins, e.g. ``young_lightskinned_female2``."""
        return sorted(p.name[5:-7] for p in (self.folder / "assets" / "tex").glob("skin_*_h.webp"))

    @cached_property
    def environment_names(self) -> list[str]:
        names = sorted(p.stem for p in (self.folder / "hdri").glob("*.hdr"))
        if not names:
            raise InputError(f"no environment maps in {self.folder / 'hdri'}: at least one *.hdr is needed")
        return names

    def environment(self, name: str) -> FloatArray:
        """Linear RGB map [h,2h,3] of mean 1; broken pixels mended, brightness capped for float16."""
        picture = cv2.imread(str(self.folder / "hdri" / f"{name}.hdr"), cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise InputError(f"cannot read environment map {name}.hdr")
        height = min(ENVIRONMENT_HEIGHT_PX, picture.shape[0])
        light = cv2.resize(picture[..., ::-1], (2 * height, height), interpolation=cv2.INTER_AREA)
        light = np.maximum(np.nan_to_num(light.astype(np.float32), posinf=6e4), 0)
        return np.asarray(light / max(float(light.mean()), 1e-4), np.float32)

    @cached_property
    def hair_luminance(self) -> dict[str, float]:
        """Mean brightness (display-referred, 0..1) of each hair texture where it is opaque."""
        found = {}
        for name in self.names("hair/"):
            picture = self.texture(texture_of(name)).astype(np.float32) / 255
            found[name] = float((picture[..., :3] @ LUMINANCE)[picture[..., 3] > 0.5].mean())
        return found

    @cached_property
    def beard_mask(self) -> FloatArray:
        """Weight [n] of beard growth on the rest shape: chin and cheeks without the lips, and sideburns."""
        x, y, z = self.rest.T
        top = np.clip((6.93 - 0.18 * np.maximum(0, 0.55 - np.abs(x)) / 0.55 - y) / 0.15, 0, 1)
        sides = np.clip((7.15 - y) / 0.15, 0, 1) * np.clip((np.abs(x) - 0.66) / 0.08, 0, 1)
        sides = (
            sides
            * np.clip((z - 0.35) / 0.15, 0, 1)
            * np.clip((0.95 - z) / 0.2, 0, 1)
            * np.clip((y - 6) / 0.3, 0, 1)
        )
        lower = np.clip((y - 5.95) / 0.3, 0, 1) * np.clip((z - 0.45) / 0.25, 0, 1) * top
        mask = np.maximum(lower, sides)
        mask[(np.abs(x) < 0.33) & (y > 6.52) & (y < 6.75) & (z > 1.35)] = 0
        return np.asarray(mask * (self.head_fraction > 0.75), np.float32)

    @cached_property
    def scalp_mask(self) -> FloatArray:
        """Weight [n] of cropped hair on the rest shape: hairline, behind the ears, down to the nape."""
        x, y, z = self.rest.T
        hairline = 7.98 - 0.35 * np.clip((np.abs(x) - 0.45) / 0.3, 0, 1)
        line = np.where(z > 0.55, hairline, np.where(z > 0.1, 7.25, 6.65))
        mask = np.clip((y - line) / 0.12, 0, 1)
        ears = (np.abs(x) > 0.74) & (y < 7.45) & (z < 0.75) & (z > -0.05)
        mask[ears] = 0
        return np.asarray(mask * (self.head_fraction > 0.9), np.float32)

    @cached_property
    def lips_mask(self) -> FloatArray:
        """Weight [n] of the lips on the rest shape: within the outer lip points, soft over 2 mm."""
        points = self.rest[self.landmarks[48:60]]
        outline = np.ascontiguousarray(points[:, :2], np.float32)
        x, y, z = self.rest.T
        (left, low), (right, high) = outline.min(0) - LIP_EDGE_DM, outline.max(0) + LIP_EDGE_DM
        near = (x > left) & (x < right) & (y > low) & (y < high) & (z > points[:, 2].min() - 0.2)
        mask = np.zeros(len(self.rest), np.float32)
        for i in np.flatnonzero(near):
            inside_dm = cv2.pointPolygonTest(outline, (float(x[i]), float(y[i])), True)
            mask[i] = np.clip(inside_dm / LIP_EDGE_DM + 0.5, 0, 1)
        return mask

    @cached_property
    def lids_mask(self) -> FloatArray:
        """Weight [n] of the skin about the eyes on the rest shape, fading from the lids to the brow."""
        mask = np.zeros(len(self.rest), np.float32)
        for eye in (slice(36, 42), slice(42, 48)):
            points = self.rest[self.landmarks[eye]]
            centre, half_width = points.mean(0), np.ptp(points[:, 0]) / 2
            across, up, depth = ((self.rest - centre) / half_width).T
            distance = np.hypot(across, np.where(up > 0, 0.9, 1.4) * up)
            mask = np.maximum(mask, np.clip(1.9 - distance, 0, 1) * (np.abs(depth) < 1.5))
        return np.asarray(mask * (1 - self.lips_mask), np.float32)

    @cached_property
    def inner_mouth(self) -> FloatArray:
        """Weight [n] of the mouth's inside, drawn in a little lest it pokes through the skin."""
        x, y, z = self.rest.T
        body = np.zeros(len(self.rest), bool)
        body[self.body] = True
        inside = body & (np.abs(x) < 0.55) & (y > 6.1) & (y < 7.0) & (z > 0.4) & (z < 1.42)
        return np.asarray(np.clip((0.16 - self.occlusion) / 0.12, 0, 1) * inside, np.float32)

    def _read_targets(self) -> dict[str, Target]:
        data = self._data
        targets = {}
        for i, name in enumerate(data["t_names"]):
            start, stop = data["t_ptr"][i : i + 2]
            offsets = data["t_q"][start:stop].astype(np.float32) * data["t_s"][i]
            targets[str(name)] = Target(data["t_idx"][start:stop].astype(np.int64), offsets)
        return targets

    def _pair_targets(self) -> dict[str, tuple[str, str]]:
        pairs = {}
        for name in self.targets:
            for positive, negative in OPPOSITES:
                stem = name.removesuffix(f"-{positive}")
                opposite = f"{stem}-{negative}"
                if stem != name and opposite in self.targets:
                    pairs[stem] = (name, opposite)
        return pairs

    def _read_pieces(self) -> dict[str, Piece]:
        fields: dict[str, dict[str, NDArray[Any]]] = {}
        for key, value in self._data.items():
            if key.startswith("P|"):
                _, name, field = key.split("|")
                fields.setdefault(name, {})[field] = value
        return {name: self._piece(parts) for name, parts in fields.items()}

    def _piece(self, parts: dict[str, NDArray[Any]]) -> Piece:
        index, weight, seam = parts["idx"], parts["w"].astype(np.float32), parts["rmap"]
        triangles = parts["tri"].astype(np.int32)
        share = (self.head_fraction[index] * np.abs(weight)).sum(1) / np.abs(weight).sum(1)
        return Piece(
            index=index,
            weight=weight,
            offset=parts["off"].astype(np.float32),
            scale_vertices=parts["sv"],
            scale_dm=parts["sd"].astype(np.float32),
            seam_map=seam,
            uv=parts["uv"].astype(np.float32),
            triangles=triangles,
            covered=parts.get("del"),
            topology=Topology.of(seam[triangles], len(index)),
            head_fraction=share.astype(np.float32),
        )


def texture_of(piece: str) -> str:
    """Texture name of a hair, clothes, brow or lash piece."""
    kind, name = piece.split("/")
    return {"hair": f"hair_{name}", "clothes": f"cloth_{name}"}.get(kind, name)
