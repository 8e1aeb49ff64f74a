"""Endless pictures for the detector: rendered scenes and compositions of cut-out heads, mixed.

Composing on the fly costs a few milliseconds and never shows the same picture twice. Decoded heads, views
and drawn things are kept in pools of which a part is replaced all the time. What a pool holds depends on the
place in the stream of pictures alone, so that a picture is the same whoever makes it and whenever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from headwise.conventions import FLIP_5
from headwise.errors import InputError
from headwise.training import sprites
from headwise.training.augmentations import colour, degrade
from headwise.training.compositions import (
    FOUND_FROM,
    IGNORED_BELOW_PX,
    IGNORED_FROM,
    MOST_HEADS,
    SMALLEST_PX,
    HeadCutout,
    HeadLabels,
    compose,
    cutout,
    head_sides,
    shuffled,
    without_head,
)
from headwise.training.sprites import Picture, Sprite
from headwise.warp import Border, Warp

HEADS_KEPT, SCENES_KEPT, VIEWS_KEPT, DRAWN_KEPT, TEXTURES_KEPT = 1000, 120, 200, 300, 100
TEXTURE_PX = 256
LASTS = 2500  # pictures for which a thing stays in its pool: about 0.15 of the draws bring in something new
TRIES = 200  # to make a thing
HELD_OUT_EACH = 20  # every 20th item of a shard is never trained on
HARD_SHARE = 0.4  # of the clutter, once there are hard negatives
HEAD_COUNTS = (
    (0, 0.12),
    (1, 0.34),
    (2, 0.16),
    (4, 0.18),
    (8, 0.12),
    (16, 0.08),
)  # at most so many, and how often
CLUTTER_SHARE, MOST_CLUTTER = 0.6, 9
OCCLUDED_SHARE, MOST_OCCLUDERS = 0.3, 3
VIEW_SHARE, COLLAGE_SHARE = 0.8, 0.12
SCENE_SCALES = (0.25, 1.6)  # of rendered scenes

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Scene:
    """``image`` uint8 RGB (h, w, 3) and the heads in it, in its pixels."""

    image: Picture
    labels: HeadLabels


class Pool(Generic[T]):
    """Things that are slow to make, kept for reuse; ``make`` may return None: not this time.

    Slot j holds what ``make`` draws from the generator seeded by (j, version); versions rise as the place in
    the stream does, not all at once.
    """

    def __init__(self, make: Callable[[Generator], T | None], capacity: int) -> None:
        self._make = make
        self._capacity = capacity
        self._kept: dict[int, tuple[int, T]] = {}

    def draw(self, rng: Generator, place: int) -> T:
        """Any of the things that are in the pool at this place of the stream."""
        slot = int(rng.integers(0, self._capacity))
        version = (place + slot * LASTS // self._capacity) // LASTS
        kept = self._kept.get(slot)
        if kept is None or kept[0] != version:
            kept = self._kept[slot] = (version, self._made(np.random.default_rng((slot, version))))
        return kept[1]

    def _made(self, rng: Generator) -> T:
        for _ in range(TRIES):
            thing = self._make(rng)
            if thing is not None:
                return thing
        raise InputError(
            f"{TRIES} crops in a row cut their heads; render them with more room around the head"
        )


class ShardFolder:
    """Random items of shards in a folder: arrays by name, and pictures by the file that holds them.

    ``names``: of the shards to take, without suffix; None: all there are.
    """

    def __init__(
        self, folder: Path, arrays: tuple[str, ...], held_out: bool, names: tuple[str, ...] | None = None
    ) -> None:
        self._arrays, self._held_out = arrays, held_out
        if names is None:
            names = tuple(sorted(path.stem for path in folder.glob("shard-*.npz")))
        read = {name: self._open(folder / f"{name}.npz") for name in names}
        # The first item is a held-out one.
        self._shards = {n: s for n, s in read.items() if len(s["image_offset"]) > 1 + (not held_out)}
        if not self._shards:
            raise InputError(f"no shards with pictures in {folder}")
        counts = np.array([len(shard["image_offset"]) - 1 for shard in self._shards.values()], float)
        self._shares = counts / counts.sum()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._shards)

    def draw(self, rng: Generator) -> Item:
        shard = self._shards[self.names[int(rng.choice(len(self._shares), p=self._shares))]]
        while True:
            index = int(rng.integers(0, len(shard["image_offset"]) - 1))
            if (index % HELD_OUT_EACH == 0) == self._held_out:
                return Item(shard, index)

    def _open(self, path: Path) -> dict[str, NDArray[Any]]:
        if not path.is_file():
            raise InputError(f"no shard {path}; the run was trained on it")
        with np.load(path, allow_pickle=False) as stored:
            missing = [name for name in ("image_offset", *self._arrays) if name not in stored]
            if missing:
                raise InputError(f"{path} has no {', '.join(missing)}")
            shard = {name: stored[name] for name in ("image_offset", *self._arrays)}
        for suffix in ("bin", "mask"):
            file = path.with_suffix(f".{suffix}")
            if file.exists() and file.stat().st_size:
                shard[suffix] = np.memmap(file, np.uint8, "r")
        return shard


@dataclass(frozen=True)
class Item:
    """One item of one shard."""

    shard: dict[str, NDArray[Any]]
    index: int

    def __getitem__(self, name: str) -> Any:
        return self.shard[name][self.index]

    def heads(self, name: str) -> NDArray[Any]:
        """The rows of a per-head array that belong to this picture."""
        start, end = self.shard["head_start"][self.index : self.index + 2]
        return self.shard[name][start:end]

    def image(self) -> Picture:
        """uint8 RGB."""
        return decoded(self._bytes("bin", "image_offset"), cv2.IMREAD_COLOR_RGB)

    def mask(self) -> Picture:
        """uint8 (h, w)."""
        return decoded(self._bytes("mask", "mask_offset"), cv2.IMREAD_GRAYSCALE)

    def _bytes(self, file: str, offsets: str) -> NDArray[np.uint8]:
        start, end = self.shard[offsets][self.index : self.index + 2]
        return np.asarray(self.shard[file][start:end])


def decoded(coded: NDArray[np.uint8], flags: int) -> Picture:
    """A picture of a shard; InputError if it is none."""
    picture: Picture | None = cv2.imdecode(coded, flags)
    if picture is None:
        raise InputError(f"{len(coded)} bytes of a shard are no picture; was its writing interrupted?")
    return picture


class SceneSource:
    """Call it with a random generator, a size and a place in the stream for a Scene; see ``create``.

    ``hard_negatives``: parts of pictures that were taken for heads; once there are some, they are clutter.
    """

    def __init__(
        self, heads: ShardFolder, scenes: ShardFolder | None, views: ShardFolder | None, scene_share: float
    ) -> None:
        self.folders = {"heads": heads, "scenes": scenes, "backgrounds": views}
        self.hard_negatives: Sequence[Sprite] = ()
        self._scenes = None if scenes is None else Pool(lambda rng: _read_scene(rng, scenes), SCENES_KEPT)
        self._scene_share = scene_share if scenes is not None else 0.0
        self._heads = Pool(lambda rng: _read_head(rng, heads), HEADS_KEPT)
        self._views = None if views is None else Pool(lambda rng: views.draw(rng).image(), VIEWS_KEPT)
        self._drawn = Pool(sprites.draw, DRAWN_KEPT)
        self._textures = Pool(lambda rng: sprites.texture(rng, TEXTURE_PX, TEXTURE_PX), TEXTURES_KEPT)
        self._colour = colour.create(tone=0.55, gray=0.1, infrared=0.04, equalise=0.03)
        self._degrade = degrade.create(
            small=0.15, smallest_px=40, blur=0.15, motion=0.05, jpeg=0.3, sharpen=0.08
        )

    def __call__(self, rng: Generator, size_px: int, place: int) -> Scene:
        """``size_px``: side of the picture, a multiple of 32; ``place``: 0 or more."""
        if self._scenes is not None and rng.random() < self._scene_share:
            scene = zoomed_scene(rng, *self._scenes.draw(rng, place), size_px)
        else:
            scene = self._composition(rng, size_px, place)
        image = self._degrade.draw(rng)(self._colour.draw(rng)(scene.image))
        return Scene(np.ascontiguousarray(image), scene.labels)

    def _composition(self, rng: Generator, size_px: int, place: int) -> Scene:
        counts, shares = zip(*HEAD_COUNTS, strict=True)
        chosen = int(rng.choice(len(counts), p=shares))
        fewest = counts[chosen - 1] + 1 if chosen else 0
        count = int(rng.integers(fewest, counts[chosen] + 1))
        heads = [self._heads.draw(rng, place) for _ in range(min(count, MOST_HEADS))]
        things = int(rng.integers(1, MOST_CLUTTER + 1) * (rng.random() < CLUTTER_SHARE))
        clutter = [self._thing(rng, place) for _ in range(things)]
        covers = int(rng.integers(1, MOST_OCCLUDERS + 1) * (rng.random() < OCCLUDED_SHARE))
        occluders = [self._drawn.draw(rng, place) for _ in range(covers)]
        sides = head_sides(rng, len(heads), size_px)
        made = compose(rng, self._background(rng, size_px, place), heads, sides, clutter, occluders)
        return Scene(made.image, made.labels)

    def _thing(self, rng: Generator, place: int) -> Sprite:
        """Something that is no head, though some of it is made of one."""
        if self.hard_negatives and rng.random() < HARD_SHARE:
            return self.hard_negatives[int(rng.integers(0, len(self.hard_negatives)))]
        kind = rng.random()
        if kind < 0.12:
            return without_head(self._heads.draw(rng, place))
        if kind < 0.18:
            return shuffled(rng, self._heads.draw(rng, place))
        return self._drawn.draw(rng, place)

    def _background(self, rng: Generator, size: int, place: int) -> Picture:
        if self._views is None or rng.random() >= VIEW_SHARE:
            return window(rng, self._textures.draw(rng, place), size)
        image = window(rng, self._views.draw(rng, place), size)
        if rng.random() < COLLAGE_SHARE:
            other, edge = window(rng, self._views.draw(rng, place), size), int(rng.uniform(0.1, 0.9) * size)
            image[edge:] = other[edge:]
        if rng.random() < COLLAGE_SHARE:
            edge = int(rng.uniform(0.1, 0.9) * size)
            image[:, edge:] = window(rng, self._views.draw(rng, place), size)[:, edge:]
        return image


def window(rng: Generator, view: Picture, size: int) -> Picture:
    """A square part of a view, mirrored or not, rarely turned by a quarter."""
    shorter = min(view.shape[:2])
    side = int(np.exp(rng.uniform(np.log(min(shorter, size * 0.4)), np.log(shorter))))
    left, top = (int(rng.integers(0, length - side + 1)) for length in (view.shape[1], view.shape[0]))
    part = view[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    image = cv2.resize(part, (size, size), interpolation=method)
    if rng.random() < 0.5:
        image = cv2.flip(image, 1)
    if rng.random() < 0.1:
        image = np.ascontiguousarray(np.rot90(image))
    return image


def zoomed_scene(rng: Generator, item: Item, image: Picture, size: int) -> Scene:
    """A square of a rendered scene, scaled so that one of its heads has a size drawn at random; mirrored or
    not.
    """
    boxes = item.heads("box").astype(np.float64)
    height, width = image.shape[:2]
    if len(boxes):
        chosen = boxes[int(rng.integers(0, len(boxes)))]
        wanted = np.exp(rng.uniform(np.log(SMALLEST_PX), np.log(size)))
        scale = float(np.clip(wanted / (chosen[2:] - chosen[:2]).max(), *SCENE_SCALES))
        about = (chosen[:2] + chosen[2:]) / 2
    else:
        scale = float(np.exp(rng.uniform(*np.log(SCENE_SCALES))))
        about = rng.uniform(0, 1, 2) * (width, height)
    scale = max(scale, size / max(width, height) * 0.8)
    place = rng.uniform(0.1, 0.9, 2) * size
    shift = place - scale * about
    for axis, length in enumerate(
        (width * scale, height * scale)
    ):  # rather the scene's inside than black beyond it
        low, high = min(0.0, size - length), max(0.0, size - length)
        shift[axis] = np.clip(shift[axis], low, high)
    warp = Warp.moving(*shift) @ Warp.scaling(scale)
    if rng.random() < 0.5:
        warp = Warp.mirroring(size) @ warp
    return Scene(warp.image(image, size, size, Border.BLACK), scene_labels(item, warp, size))


def scene_labels(item: Item, warp: Warp, size: int) -> HeadLabels:
    """Labels of a rendered scene seen through a warp without rotation."""
    stored = item.heads("box").astype(np.float64)
    if not len(stored):
        return HeadLabels.none()
    corners = np.sort(warp.points(stored.reshape(-1, 2, 2)), axis=1)
    boxes = corners.reshape(-1, 4)
    points = warp.points(item.heads("points5_px").astype(np.float64))
    visible = item.heads("points5_visible").astype(bool)
    if warp.mirrors:
        points, visible = points[:, list(FLIP_5)], visible[:, list(FLIP_5)]
    inside = (points >= 0).all(2) & (points < size).all(2)
    seen = np.clip(corners, 0, size)
    share = np.ptp(seen, axis=1).prod(1) / np.ptp(corners, axis=1).prod(1).clip(1e-6)
    share = share * item.heads("visible_fraction")
    unclear = (
        (share < FOUND_FROM) | (np.ptp(corners, axis=1).max(1) < IGNORED_BELOW_PX) | item.heads("ignore")
    )
    kept = share >= IGNORED_FROM
    return HeadLabels(
        boxes[kept].astype(np.float32),
        points[kept].astype(np.float32),
        (visible & inside)[kept],
        unclear.astype(bool)[kept],
    )


def _read_head(rng: Generator, heads: ShardFolder) -> HeadCutout | None:
    item = heads.draw(rng)
    return cutout(rng, item.image(), item.mask(), item["points68_px"], item["visibility"])


def _read_scene(rng: Generator, scenes: ShardFolder) -> tuple[Item, Picture]:
    item = scenes.draw(rng)
    return item, item.image()


def create(
    heads: str | Path,
    scenes: str | Path | None = None,
    backgrounds: str | Path | None = None,
    *,
    scene_share: float = 0.35,
    held_out: bool = False,
    shards: dict[str, tuple[str, ...]] | None = None,
) -> SceneSource:
    """``heads``: folder of crop shards; ``scenes``: of scene shards, ``scene_share`` of the pictures come
    from there;
    ``backgrounds``: of shards of views without people. ``held_out``: made of the items no other source uses.
    ``shards``: names to take, by the three folders' names here; None: all there are.
    """
    crop_arrays = ("mask_offset", "points68_px", "visibility")
    scene_arrays = ("head_start", "box", "points5_px", "points5_visible", "visible_fraction", "ignore")

    def opened(name: str, folder: str | Path | None, arrays: tuple[str, ...]) -> ShardFolder | None:
        if folder is None:
            return None
        return ShardFolder(Path(folder), arrays, held_out, None if shards is None else shards.get(name, ()))

    cropped = opened("heads", heads, crop_arrays)
    assert cropped is not None
    views = opened("backgrounds", backgrounds, ())
    return SceneSource(cropped, opened("scenes", scenes, scene_arrays), views, scene_share)
