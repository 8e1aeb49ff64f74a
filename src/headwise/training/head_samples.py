"""Labelled heads as training samples: one view of a picture, and labels that moved along with its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from headwise import plugins
from headwise.conventions import FLIP_68
from headwise.training.augmentations import view
from headwise.training.augmentations.surroundings import pasted
from headwise.training.pixels import Picture
from headwise.training.settings import Settings
from headwise.warp import Border, Warp

MIRRORED = np.array([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])  # F R F, entry by entry
ELLIPSE = np.stack([f(np.arange(64) * (2 * np.pi / 64)) for f in (np.cos, np.sin)], axis=1)


class Head(NamedTuple):
    """One labelled head; pixels are those of its own picture; NaN and None stand for what is unknown."""

    rotation: NDArray[np.float64]  # (3, 3) ray_from_head, the ray through the centre of the box
    points_px: NDArray[np.float64]  # (68, 2)
    points_depth_px: NDArray[np.float64]  # (68,) away from the lens, in pixels at the head, mean 0
    visibility: NDArray[np.float32]  # (68,) 0 or 1
    face_hidden: bool | None
    box: NDArray[np.float64]  # (4,) left, top, right, bottom of the 68 points, always known
    roll_known: bool = True  # False: only the facing direction is labelled, and the rotation has roll 0


class Heads(Protocol):
    """A data set of heads: what `create` of a file in `training/datasets` returns."""

    def __len__(self) -> int: ...

    def refresh(self, shards: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Look for new parts, or take exactly those; returns the names in use."""
        ...

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Indices of one round."""
        ...

    def picture(self, index: int) -> Picture:
        """(h, w, 3) uint8 RGB."""
        ...

    def mask(self, index: int) -> Picture | None:
        """(h, w) uint8, 255 where the head and body are; None: not known."""
        ...

    def head(self, index: int) -> Head:
        """The labels in our convention."""
        ...


class AugmentSettings(Settings):
    """Options of each augmentation plug-in."""

    view: dict[str, float] = {}
    surroundings: dict[str, float] = {}
    cover: dict[str, float] = {}
    colour: dict[str, float] = {}
    degrade: dict[str, float] = {}


@dataclass(frozen=True)
class HeadSamples:
    """Heads seen through the augmentations; held out: the crop rule alone. A `TrainingData` of the loop."""

    heads: Heads
    augment: AugmentSettings
    crop_scale: float
    held_out: bool

    def __post_init__(self) -> None:
        policies = {
            name: plugins.load("training.augmentations", name, **getattr(self.augment, name))
            for name in ("surroundings", "cover", "colour", "degrade")
        }
        policies["view"] = view.create(crop_scale=self.crop_scale, **self.augment.view)
        if self.held_out:
            policies["view"] = view.exact(crop_scale=self.crop_scale)
        object.__setattr__(self, "_policies", policies)

    def __len__(self) -> int:
        return len(self.heads)

    def refresh(self, shards: tuple[str, ...] | None = None) -> tuple[str, ...]:
        return self.heads.refresh(shards)

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        return self.heads.order(rng)

    def sample(self, index: int, size_px: int, rng: np.random.Generator) -> dict[str, Any]:
        """The crop and labels that moved along with its pixels; unknown labels are NaN.

        crop (s, s, 3) uint8; rotation (3, 3) in the crop's frame; points (68, 2) in -1..1 over the crop;
        points_depth (68,) in half crops; visibility (68,); face_hidden (); roll_known () bool.
        """
        policies: dict[str, Any] = getattr(self, "_policies")  # noqa: B009 - set in __post_init__
        head = self.heads.head(index)
        picture = self.heads.picture(index)
        warp: Warp = policies["view"].draw(outline_px(head), picture.shape[1], size_px, rng)
        crop = warp.image(picture, size_px, size_px, Border.REPLICATE)
        if not self.held_out:
            crop = self._changed(crop, index, warp, policies, rng)
        order = FLIP_68 if warp.mirrors else slice(None)
        return {
            "crop": crop,
            "rotation": turned(head.rotation, warp).astype(np.float32),
            "points": (warp.points(head.points_px)[order] * (2 / size_px) - 1).astype(np.float32),
            "points_depth": (head.points_depth_px[order] * (warp.scale * 2 / size_px)).astype(np.float32),
            "visibility": head.visibility[order],
            "face_hidden": np.float32(np.nan if head.face_hidden is None else head.face_hidden),
            "roll_known": np.bool_(head.roll_known),
        }

    def _changed(
        self, crop: Picture, index: int, warp: Warp, policies: dict[str, Any], rng: np.random.Generator
    ) -> Picture:
        size_px = crop.shape[0]

        def other() -> Picture:
            return self.heads.picture(int(rng.integers(len(self.heads))))

        behind = policies["surroundings"].draw(rng, size_px, other)
        if behind is not None:
            mask = self.heads.mask(index)
            if mask is not None:
                alpha = warp.image(mask, size_px, size_px, Border.REPLICATE)
                crop = pasted(crop, alpha, behind)
        crop = policies["cover"].draw(rng, other)(crop)
        crop = policies["colour"].draw(rng)(crop)
        changed: Picture = policies["degrade"].draw(rng)(crop)
        return changed


def outline_px(head: Head) -> NDArray[np.float64]:
    """(n, 2) points whose box is the head's: the 68, or the ellipse within the box where they are unknown.

    An ellipse, not the corners: the box of a turned picture's corners would be up to 1.4 times as wide.
    """
    if not np.isnan(head.points_px).any():
        return head.points_px
    corner, size = head.box[:2], head.box[2:] - head.box[:2]
    return np.asarray(corner + size * (ELLIPSE + 1) / 2, np.float64)


def turned(ray_from_head: NDArray[np.float64], warp: Warp) -> NDArray[np.float64]:
    """(3, 3) `Warp.rotation` without its checks, which would cost a fifth of a sample's time.

    A test holds the two together.
    """
    (a, _, _), (b, _, _) = warp.matrix.tolist()
    if warp.mirrors:
        a, b = -a, -b
        ray_from_head = ray_from_head * MIRRORED
    turn = np.array([[a, -b, 0.0], [b, a, 0.0], [0.0, 0.0, warp.scale]]) / warp.scale
    return np.asarray(turn @ ray_from_head, np.float64)
