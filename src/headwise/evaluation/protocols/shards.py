"""Pose errors on rendered heads over the full turn: shards of `headwise synthesize crops`.

Labels are exact. Its quirks:

- Shards hold camera_from_art_head for a camera of known intrinsics. What is scored is ray_from_head for the
  ray through the centre of the 68-point box, which is what the product knows of a crop.
- The crop is the model's own, about the labelled box, without any of the training's augmentations.
- Angles are azimuth, elevation and tilt: yaw runs over +-180. Near elevation +-90 they say little; the
  geodesic is the number to look at.
- Scored are the items that a training on the same folder never sees (`annotations.rendered.held_out_items`).
  With `items` it is the first so many of the folder: right only for shards nobody trained on.
- "face_hidden" compares the model's probability with the label (the face looks more than 100 deg away) at
  0.5: share of all items that it gets right, of hidden faces that it calls hidden, of the others that it
  calls hidden.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwise.evaluation.metrics import mean_of_known
from headwise.evaluation.outcome import (
    Floats,
    Json,
    Outcome,
    Prediction,
    ScoredPoses,
    Tools,
    WorstItem,
    as_json,
)
from headwise.evaluation.pose_errors import PoseErrors, pose_scores, rotation_errors
from headwise.evaluation.rendered_heads import (
    ORDER,
    YAW_BIN_EDGES_DEG,
    Shard,
    checked_items,
    item_names,
    listing,
    read_shards,
)
from headwise.rotation import Rotation

HIDDEN_THRESHOLD = 0.5
BATCH_ITEMS = 32
WORST_SHOWN = 32


def create(*, items: int | None = None) -> "Shards":
    """items: how many from the folder's beginning; None: those that no training on it sees."""
    return Shards(checked_items("shards", items))


@dataclass(frozen=True)
class Shards:
    """The protocol."""

    items: int | None

    @property
    def needs_poses(self) -> bool:
        return True

    @property
    def needs_detector(self) -> bool:
        return False

    def run(self, folder: Path, tools: Tools) -> Outcome:
        """Score the folder's items. Raises InputError when a shard or a picture cannot be read."""
        assert tools.predict is not None, "needs_poses"
        shards = read_shards(folder, self.items)
        total = sum(len(shard) for shard in shards)
        said: list[Prediction] = []
        done = 0
        for shard in shards:
            for items in _batches(len(shard)):
                pictures = [shard.picture(item) for item in items]
                said.append(tools.predict(pictures, [shard.boxes[item] for item in items]))
                done += len(items)
                tools.progress(done, total)
        return _outcome(folder, shards, said)


def hidden_scores(probability: Floats, hidden: NDArray[np.bool_]) -> Json | None:
    """`accuracy`, `found` and `false` of (n,) probabilities at 0.5; None where the model says none."""
    known = ~np.isnan(probability)
    if not known.any():
        return None
    called, hidden = probability[known] >= HIDDEN_THRESHOLD, hidden[known]
    json: Json = as_json(
        {
            "hidden_items": int(hidden.sum()),
            "accuracy": mean_of_known(called == hidden),
            "found": mean_of_known(called[hidden]),
            "false": mean_of_known(called[~hidden]),
        }
    )
    return json


def _batches(count: int) -> Iterator[range]:
    for start in range(0, count, BATCH_ITEMS):
        yield range(start, min(start + BATCH_ITEMS, count))


def _outcome(folder: Path, shards: Sequence[Shard], said: Sequence[Prediction]) -> Outcome:
    truth = Rotation(np.concatenate([shard.truth.matrix for shard in shards]))
    found = Rotation(np.concatenate([one.rotation.matrix for one in said]))
    spread_deg = np.concatenate([one.spread_deg for one in said])
    unknown = [np.full(len(one.spread_deg), np.nan) for one in said]
    probability = np.concatenate(
        [u if one.face_hidden is None else one.face_hidden for one, u in zip(said, unknown, strict=True)]
    )
    errors = rotation_errors(truth, found, ORDER)
    names = item_names(shards)
    report: Json = {
        **listing("shards", folder, shards, missed=0),
        **pose_scores(errors, spread_deg, YAW_BIN_EDGES_DEG),
        "face_hidden": hidden_scores(probability, np.concatenate([shard.face_hidden for shard in shards])),
    }
    return Outcome(
        report, _worst(shards, names, errors), ScoredPoses(errors, spread_deg, np.arange(len(names)))
    )


def _worst(shards: Sequence[Shard], names: Sequence[str], errors: PoseErrors) -> tuple[WorstItem, ...]:
    """The largest errors, as many as are shown: their pictures ride along."""
    places = [(shard, item) for shard in shards for item in range(len(shard))]
    worst = []
    for k in np.argsort(-errors.rotation_deg, kind="stable")[:WORST_SHOWN]:
        shard, item = places[k]
        caption = f"{errors.rotation_deg[k]:.1f} deg {names[k]}"
        box = shard.boxes[item]
        worst.append(
            WorstItem(
                shard.path,
                caption,
                box,
                errors.truth[k],
                errors.found[k],
                around=1.6,
                image=shard.picture(item),
            )
        )
    return tuple(worst)
