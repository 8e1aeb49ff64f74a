"""The mean of the 68 points over many rendered people: what metric position is solved with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.conventions import ART_HEAD_FROM_HEAD, FLIP_68
from headwise.errors import InputError

MIRROR_X = np.array([-1.0, 1.0, 1.0])


def mean_points68(folder: Path) -> NDArray[np.float64]:
    """(68, 3) metres in the head frame, left and right averaged, over every item of a folder of crop shards.

    Raises InputError where there is no crop shard.
    """
    total, count = np.zeros((68, 3)), 0
    for path in sorted(folder.glob("shard-*.npz")):
        with np.load(path, allow_pickle=False) as shard:
            if "points68_m" in shard:
                total += shard["points68_m"].astype(np.float64).sum(0)
                count += len(shard["points68_m"])
    if not count:
        raise InputError(f"no crop shards in {folder}: make some with `headwise synthesize crops`")
    mean_art_head = total / count
    symmetric = (mean_art_head + (mean_art_head * MIRROR_X)[FLIP_68]) / 2
    return np.asarray(symmetric @ ART_HEAD_FROM_HEAD)  # rows: p_head = ART_HEAD_FROM_HEADᵀ p_art_head
