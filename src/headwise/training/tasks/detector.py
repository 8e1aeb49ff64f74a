"""Training the detector: a picture in; boxes, scores and five points of the heads in it out."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from headwise import plugins
from headwise.boxes import iou_matrix, non_maximum_suppression
from headwise.errors import SettingsError
from headwise.training.datasets import scenes
from headwise.training.datasets.scenes import SceneSource, window
from headwise.training.hard_negatives import HardNegatives, taken_for_heads
from headwise.training.heads.detector import DecodedDetector, DetectorNetwork, RawDetections
from headwise.training.loop import Batch, Deployable, Sample, Validation
from headwise.training.losses.detection import HeadTargets, detection_loss
from headwise.training.settings import Settings, checked
from headwise.training.sprites import Picture

HEADS_IN_SAMPLE = 16  # labels are padded to so many heads
STUDIED = 300  # pictures that are searched for false alarms before a round
STUDIED_PX = 256
PADDING, PRESENT, IGNORED = 0, 1, 2
LOWEST_SCORE = 0.05  # of detections that are scored
NMS_OVERLAP = 0.4
FOUND_OVERLAP = 0.5
FALSE_ALARMS = 0.1  # per picture, at which the recall is read off
WORST, TILE_PX = 32, 160
NO_HEADS = np.zeros((0, 4))

log = logging.getLogger(__name__)


class NetworkSettings(Settings):
    """Backbone by plug-in name with its options, and channels of the pyramid and towers."""

    backbone: str = "bottleneck_pyramid"
    stem: int = 24
    channels: tuple[int, int, int, int] = (48, 96, 128, 128)
    blocks: tuple[int, int, int, int] = (2, 2, 2, 1)
    pyramid_channels: int = 48


class DataSettings(Settings):
    """Folders inside the data folder ("": none), and the share of rendered scenes among the pictures.

    `round_pictures`: the source is endless; a round is when the loop looks for new shards.
    `hard_negatives`: what the network takes for heads before a round is shown again as clutter.
    """

    crops: str = "crops"
    scenes: str = "scenes"
    backgrounds: str = "backgrounds"
    scene_share: float = 0.35
    round_pictures: int = Field(default=50_000, gt=0)
    hard_negatives: bool = False


class LossSettings(Settings):
    """Weights of the three parts."""

    score: float = 1.0
    box: float = 2.0
    points: float = 1.0


class DetectorSettings(Settings):
    """The table [task] of a detector run."""

    network: NetworkSettings = NetworkSettings()
    data: DataSettings = DataSettings()
    loss: LossSettings = LossSettings()


@dataclass
class DetectorData:
    """Pictures without end; a sample depends on its index, its generator and the shards alone.

    An index is a place in the stream: it says what the pools of the source hold.
    """

    folder: Path
    settings: DataSettings
    held_out: bool
    source: SceneSource | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.settings.round_pictures

    def refresh(self, shards: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Names are such as heads/shard-00000, scenes/shard-00000, backgrounds/shard-00000."""
        folders = {
            "heads": self.settings.crops,
            "scenes": self.settings.scenes,
            "backgrounds": self.settings.backgrounds,
        }
        given = {name: self.folder / folder for name, folder in folders.items() if folder}
        wanted = None if shards is None else by_folder(shards)
        self.source = scenes.create(
            **given, scene_share=self.settings.scene_share, held_out=self.held_out, shards=wanted
        )
        read = {name: folder.names for name, folder in self.source.folders.items() if folder is not None}
        return tuple(f"{name}/{shard}" for name, names in read.items() for shard in names)

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """A stretch of the stream."""
        return int(rng.integers(1 << 40)) + np.arange(self.settings.round_pictures)

    def sample(self, index: int, size_px: int, rng: np.random.Generator) -> Sample:
        """A picture and its heads, padded; ``state`` tells heads, heads to ignore and padding apart."""
        scene = self._ready()(rng, size_px, index)
        labels = scene.labels
        count = min(len(labels.boxes), HEADS_IN_SAMPLE)
        sample = {
            "image": scene.image,
            "boxes": np.zeros((HEADS_IN_SAMPLE, 4), np.float32),
            "points": np.zeros((HEADS_IN_SAMPLE, 5, 2), np.float32),
            "points_visible": np.zeros((HEADS_IN_SAMPLE, 5), bool),
            "state": np.full(HEADS_IN_SAMPLE, PADDING, np.int64),
        }
        sample["boxes"][:count] = labels.boxes[:count]
        sample["points"][:count] = labels.points[:count]
        sample["points_visible"][:count] = labels.points_visible[:count]
        sample["state"][:count] = np.where(labels.ignored[:count], IGNORED, PRESENT)
        return sample

    def _ready(self) -> SceneSource:
        if self.source is None:
            self.refresh()
        assert self.source is not None
        return self.source


@dataclass
class LearningDetectorData(DetectorData):
    """Hard negatives besides: see `headwise.training.loop.LearningData`."""

    found: HardNegatives = field(default_factory=HardNegatives)

    def refresh(self, shards: tuple[str, ...] | None = None) -> tuple[str, ...]:
        names = super().refresh(shards)
        self._ready().hard_negatives = self.found.sprites()
        return names

    def study(self, network: nn.Module, rng: np.random.Generator) -> None:
        """Search views without people, and rendered scenes beside their heads, for false alarms."""
        folders = self._ready().folders
        views, rendered = folders["backgrounds"], folders["scenes"]
        if views is None and rendered is None:
            raise SettingsError("task.data.hard_negatives needs the folder backgrounds or scenes")
        fresh: list[Picture] = []
        for number in range(STUDIED):
            if views is not None and (rendered is None or number % 2):
                fresh += taken_for_heads(network, window(rng, views.draw(rng).image(), STUDIED_PX), NO_HEADS)
            elif rendered is not None:
                item = rendered.draw(rng)
                fresh += taken_for_heads(network, item.image(), item.heads("box"))
        log.info("%d false alarms in %d pictures", len(fresh), STUDIED)
        self.found.add(fresh)
        self._ready().hard_negatives = self.found.sprites()

    def state_dict(self) -> dict[str, Any]:
        return self.found.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.found.load_state_dict(state)
        self._ready().hard_negatives = self.found.sprites()


def by_folder(shards: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """heads/a, heads/b -> heads: (a, b)."""
    pairs = [name.split("/") for name in shards]
    return {folder: tuple(name for of, name in pairs if of == folder) for folder, _ in pairs}


class DetectorTask:
    """See `headwise.training.loop.Task`."""

    def __init__(self, settings: DetectorSettings) -> None:
        self.settings = settings

    def network(self) -> DetectorNetwork:
        options = self.settings.network
        backbone = plugins.load(
            "training.backbones",
            options.backbone,
            stem=options.stem,
            channels=options.channels,
            blocks=options.blocks,
        )
        network: DetectorNetwork = plugins.load(
            "training.heads", "detector", backbone=backbone, channels=options.pyramid_channels
        )
        return network

    def data(self, folder: Path, held_out: bool) -> DetectorData:
        learns = self.settings.data.hard_negatives and not held_out
        return (LearningDetectorData if learns else DetectorData)(folder, self.settings.data, held_out)

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        del progress
        loss = detection_loss(network(batch["image"]), targets(batch))
        weight = self.settings.loss
        return {
            "score": weight.score * loss.score,
            "box": weight.box * loss.box,
            "points": weight.points * loss.points,
        }

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> Validation:
        """Average precision and recall on held-out pictures, points as a share of the box's side."""
        outcomes = []
        for batch in batches:
            raw = RawDetections(*(values.cpu() for values in network(batch["image"])))
            told = {name: values.cpu() for name, values in batch.items()}
            outcomes += [outcome(told, raw, picture) for picture in range(len(batch["image"]))]
        return Validation(scores_of(outcomes), "one_minus_ap", worst_tiles(outcomes))

    def deployable(self, network: nn.Module) -> Deployable:
        assert isinstance(network, DetectorNetwork)
        return Deployable(
            DecodedDetector(network).eval(),
            torch.zeros((1, 256, 320, 3), dtype=torch.uint8),
            "image",
            ("boxes", "scores", "points"),
            {1: "height", 2: "width"},
        )


def targets(batch: Batch) -> HeadTargets:
    """The labels of a batch as the loss takes them."""
    return HeadTargets(
        boxes=batch["boxes"],
        points=batch["points"],
        points_visible=batch["points_visible"],
        present=batch["state"] == PRESENT,
        ignored=batch["state"] == IGNORED,
    )


@dataclass(frozen=True, eq=False)
class Outcome:
    """One held-out picture: k detections by falling score and what became of them.

    ``hits`` (k,): 1 found a head, 0 false, -1 counts neither way; ``missed``: heads not found at any score.
    """

    image: Picture
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    hits: NDArray[np.int64]
    point_errors: list[float]
    heads: int
    truth: NDArray[np.float32]


def outcome(batch: Batch, raw: RawDetections, picture: int) -> Outcome:
    """Each detection takes the free head it overlaps most, best score first."""
    scores = raw.logits[picture].float().sigmoid().numpy()
    boxes, points = raw.boxes[picture].numpy(), raw.points[picture].numpy()
    chosen = np.flatnonzero(scores >= LOWEST_SCORE)
    chosen = chosen[non_maximum_suppression(boxes[chosen], scores[chosen], NMS_OVERLAP)]
    state = batch["state"][picture].numpy()
    truth = batch["boxes"][picture].numpy()
    overlap = iou_matrix(boxes[chosen], truth)
    free = state == PRESENT
    hits, errors = np.zeros(len(chosen), np.int64), []
    for i in range(len(chosen)):
        best = int(np.argmax(np.where(free, overlap[i], 0)))
        if free[best] and overlap[i, best] >= FOUND_OVERLAP:
            free[best] = False
            hits[i] = 1
            shown = batch["points_visible"][picture, best].numpy()
            distance = np.linalg.norm(points[chosen[i]] - batch["points"][picture, best].numpy(), axis=1)
            side = (truth[best, 2:] - truth[best, :2]).max()
            errors += (distance[shown] / side).tolist()
        elif (overlap[i] * (state != PADDING)).max(initial=0) >= FOUND_OVERLAP / 2:
            hits[i] = -1 if (overlap[i] * (state == IGNORED)).max(initial=0) >= FOUND_OVERLAP / 2 else 0
    found = batch["image"][picture].numpy()
    heads = int((state == PRESENT).sum())
    return Outcome(found, boxes[chosen], scores[chosen], hits, errors, heads, truth[state == PRESENT])


def scores_of(outcomes: list[Outcome]) -> dict[str, float]:
    """Average precision (area under the curve of recall and precision), recall at FALSE_ALARMS a picture,
    points.
    """
    scores = np.concatenate([o.scores for o in outcomes])
    hits = np.concatenate([o.hits for o in outcomes])
    heads = max(1, sum(o.heads for o in outcomes))
    order = np.argsort(-scores)
    order = order[hits[order] >= 0]
    right = np.cumsum(hits[order] == 1)
    wrong = np.cumsum(hits[order] == 0)
    recall, precision = right / heads, right / np.maximum(right + wrong, 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    ap = float((np.diff(recall, prepend=0.0) * precision).sum())
    allowed = np.flatnonzero(wrong <= FALSE_ALARMS * len(outcomes))
    last = int(allowed[-1]) if len(allowed) else -1
    errors = [e for o in outcomes for e in o.point_errors]
    return {
        "one_minus_ap": 1 - ap,
        "recall": float(recall[last]) if last >= 0 else 0.0,
        "threshold": float(scores[order][last]) if last >= 0 else 1.0,
        "points_nme": float(np.mean(errors)) if errors else 1.0,
    }


def worst_tiles(outcomes: list[Outcome]) -> list[Picture]:
    """Pictures with the surest false alarms or most missed heads: truth green, found red."""
    badness = [
        float((o.scores * (o.hits == 0)).max(initial=0))
        + (o.heads - int((o.hits == 1).sum())) / max(1, o.heads)
        for o in outcomes
    ]
    return [tile(outcomes[i]) for i in np.argsort(badness)[::-1][:WORST]]


def tile(shown: Outcome) -> Picture:
    """The picture with its boxes and the detections above a half of the surest one."""
    picture = np.ascontiguousarray(shown.image)
    for box in shown.truth.round().astype(int).tolist():
        cv2.rectangle(picture, box[:2], box[2:], (0, 255, 0), 1)
    for box, score in zip(shown.boxes.round().astype(int).tolist(), shown.scores.tolist(), strict=True):
        if score >= 0.3:
            cv2.rectangle(picture, box[:2], box[2:], (255, 0, 0), 1)
            cv2.putText(picture, f"{score:.2f}", box[:2], cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 0), 1)
    return np.asarray(cv2.resize(picture, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def create(options: dict[str, Any]) -> DetectorTask:
    """The task, from the table [task] without its name."""
    return DetectorTask(checked(DetectorSettings, options, "task"))
