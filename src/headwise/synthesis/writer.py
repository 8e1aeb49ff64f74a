"""Shards of rendered pictures: written whole or not at all, one process a core, resumed where they stopped.

A folder holds ``shard-00000.npz`` with the labels and, beside it, ``.bin`` (JPEG pictures end to end),
``.mask`` and ``.depth`` (PNG, crops only); ``*_offset`` arrays [N+1] in the npz say where each begins.
``shards.json`` records what the folder was made with; a folder is only ever continued with the same settings.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.errors import InputError, OutputError, SettingsError
from headwise.synthesis.assets import HeadAssets
from headwise.synthesis.pictures import POSES_PER_SEED, SCENES_PER_SEED, CropPicture, ScenePicture, Studio

JPEG_QUALITY = 92
FORMAT = 1
# Seeds of different modes never meet, so that no scene repeats a person of the crops.
SEED_STRIDE = {"crops": 0, "scenes": 1_000_000_000, "backgrounds": 2_000_000_000}


class Mode(StrEnum):
    """What a folder of shards holds."""

    CROPS = "crops"
    SCENES = "scenes"
    BACKGROUNDS = "backgrounds"


@dataclass(frozen=True)
class ShardSettings:
    """What a folder of shards is made with. A shard takes `seeds_per_shard` seeds of a few pictures each."""

    mode: Mode
    size_px: int = 192
    supersampling: float = 1.5
    seeds_per_shard: int = 100
    first_seed: int = 0


def shard_count(settings: ShardSettings, pictures: int) -> int:
    """How many shards hold about that many pictures."""
    per_seed = {Mode.CROPS: POSES_PER_SEED, Mode.SCENES: SCENES_PER_SEED, Mode.BACKGROUNDS: 1}[settings.mode]
    return -(-pictures // (per_seed * settings.seeds_per_shard))


def synthesize(
    assets_folder: Path,
    out: Path,
    settings: ShardSettings,
    *,
    shards: int,
    processes: int,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Fill `out` with shards 0 .. shards-1, skipping those that stand; returns the number of new pictures.

    `progress` is called with the count of pictures just made. An interrupt leaves every finished shard and no
    other. Raises OutputError if the folder cannot be written, SettingsError if it was made with other
    settings.
    """
    _check_assets(assets_folder)
    _open_folder(out, settings)
    missing = [index for index in range(shards) if not (out / f"shard-{index:05d}.npz").exists()]
    if not missing:
        return 0
    context = multiprocessing.get_context("spawn")
    made: Any = context.Queue()
    chunks = [missing[i::processes] for i in range(processes) if missing[i::processes]]
    workers = [
        context.Process(target=_work, args=(assets_folder, out, settings, chunk, made), daemon=True)
        for chunk in chunks
    ]
    for worker in workers:
        worker.start()
    total = 0
    try:
        running = len(workers)
        while running:
            try:
                count = made.get(timeout=2)
            except queue.Empty:
                if not any(worker.is_alive() for worker in workers):
                    break
                continue
            if isinstance(count, str):
                raise OutputError(f"rendering stopped: {count}")
            if count is None:
                running -= 1
            else:
                total += count
                progress(count)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()
    return total


def _work(assets_folder: Path, out: Path, settings: ShardSettings, shards: list[int], made: Any) -> None:
    # One thread a process: the software renderer and OpenCV would otherwise fight over the cores.
    os.environ |= {"LP_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    cv2.setNumThreads(1)
    try:
        studio = Studio(
            HeadAssets(assets_folder), size_px=settings.size_px, supersampling=settings.supersampling
        )
        for index in shards:
            write_shard(studio, out, settings, index, progress=made.put)
        made.put(None)
    except KeyboardInterrupt:
        pass
    except Exception as error:  # noqa: BLE001  the parent reports it: a traceback here would be lost
        made.put(f"{type(error).__name__}: {error}")


def write_shard(
    studio: Studio,
    out: Path,
    settings: ShardSettings,
    index: int,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Render one shard and put it in place in one move."""
    first = SEED_STRIDE[settings.mode] + settings.first_seed + index * settings.seeds_per_shard
    seeds = range(first, first + settings.seeds_per_shard)
    if settings.mode is Mode.CROPS:
        arrays, blobs = _pack_crops(_counted((p for s in seeds for p in studio.crops(s)), progress))
    elif settings.mode is Mode.SCENES:
        arrays, blobs = _pack_scenes(_counted((p for s in seeds for p in studio.scenes(s)), progress))
    else:
        arrays, blobs = _pack_backgrounds(_counted((studio.background(s) for s in seeds), progress))
    stem = out / f"shard-{index:05d}"
    for suffix, content in blobs.items():
        _replace(stem.with_suffix(suffix), lambda path, content=content: path.write_bytes(content))  # type: ignore[misc]
    _replace(stem.with_suffix(".npz"), lambda path: _save(path, arrays))


def _counted(pictures: Iterator[Any], progress: Callable[[int], None]) -> Iterator[Any]:
    for picture in pictures:
        yield picture
        progress(1)


def _pack_crops(pictures: Iterator[CropPicture]) -> tuple[dict[str, Any], dict[str, bytes]]:
    encoded: dict[str, list[bytes]] = {"image": [], "mask": [], "depth": []}
    labels: list[dict[str, object]] = []
    for item in pictures:
        encoded["image"].append(_jpeg(item.picture))
        encoded["mask"].append(_png(item.mask))
        encoded["depth"].append(_png(item.depth_mm))
        labels.append(item.labels)
    arrays: dict[str, Any] = {key: np.array([label[key] for label in labels]) for key in labels[0]}
    arrays |= {f"{name}_offset": _offsets(parts) for name, parts in encoded.items()}
    blobs = {
        suffix: b"".join(encoded[name])
        for name, suffix in (("image", ".bin"), ("mask", ".mask"), ("depth", ".depth"))
    }
    return arrays, blobs


def _pack_scenes(pictures: Iterator[ScenePicture]) -> tuple[dict[str, Any], dict[str, bytes]]:
    encoded, heads, counts, sizes = [], [], [], []
    for item in pictures:
        encoded.append(_jpeg(item.picture))
        heads.append(item.heads)
        counts.append(len(item.heads["box"]))
        sizes.append(item.picture.shape[1::-1])
    width, height = np.array(sizes, np.int32).T
    arrays: dict[str, Any] = {key: np.concatenate([h[key] for h in heads]) for key in heads[0]}
    arrays |= {
        "head_start": np.cumsum([0, *counts]),
        "width": width,
        "height": height,
        "image_offset": _offsets(encoded),
    }
    return arrays, {".bin": b"".join(encoded)}


def _pack_backgrounds(pictures: Iterator[NDArray[np.uint8]]) -> tuple[dict[str, Any], dict[str, bytes]]:
    encoded, sizes = [], []
    for picture in pictures:
        encoded.append(_jpeg(picture))
        sizes.append(picture.shape[1::-1])
    width, height = np.array(sizes, np.int32).T
    return {"image_offset": _offsets(encoded), "width": width, "height": height}, {".bin": b"".join(encoded)}


def _offsets(parts: list[bytes]) -> NDArray[np.int64]:
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].data)


def _png(picture: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].data)


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    write(temporary)
    temporary.replace(path)


def _check_assets(folder: Path) -> None:
    """What is missing there is told before any work."""
    assets = HeadAssets(folder)
    if not assets.environment_names or not assets.skins:
        raise InputError(f"no skins in {folder / 'assets' / 'tex'}: skin_*_h.webp and skin_*_b.webp needed")


def _open_folder(out: Path, settings: ShardSettings) -> None:
    record = {"format": FORMAT, **asdict(settings)}
    path = out / "shards.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if path.exists():
            known = json.loads(path.read_text())
            if known != record:
                differing = sorted(key for key in record if known.get(key) != record[key])
                raise SettingsError(
                    f"{out} was made with other settings ({', '.join(differing)}): "
                    "choose another --out or the same settings"
                )
        else:
            path.write_text(json.dumps(record, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"cannot write shards to {out}: {error.strerror}") from error
