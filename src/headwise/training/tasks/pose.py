"""Training a pose network: a crop in; rotation and spread out, and points where its head has them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headwise import plugins
from headwise.conventions import ART_HEAD_FROM_HEAD, EulerOrder
from headwise.errors import SettingsError
from headwise.rotation import Rotation
from headwise.training.answer import Answer, Head
from headwise.training.head_samples import AugmentSettings, HeadSamples
from headwise.training.known import roll_completed
from headwise.training.layer_sizes import narrow
from headwise.training.loop import Batch, Deployable, Validation
from headwise.training.mixing import DataSettings, open_heads
from headwise.training.pixels import Picture
from headwise.training.settings import Settings, checked

WORST = 32  # tiles on the sheet of worst samples
TILE_PX = 112
CHECKED_CHANNELS = 8  # of a head that is made to see whether its options are right


class NetworkSettings(Settings):
    """Backbone and head by plug-in name; options of theirs that are common enough to be named here."""

    backbone: str = "mobilenetv4"
    head: str = "pose"
    width: float | None = None
    last_channels: int | None = None
    hidden: int | None = None


class CropSettings(Settings):
    """The crop rule, which travels inside the model file."""

    scale: float = 1.2
    size_px: int = 112


class PoseSettings(Settings):
    """The table [task] of a pose run. backbone, head: the plug-ins' own options. loss: the head's weights.

    narrowed: inputs and outputs of layers of which `headwise prune` removed some, by name.
    """

    network: NetworkSettings = NetworkSettings()
    backbone: dict[str, Any] = {}
    head: dict[str, Any] = {}
    loss: dict[str, float] = {}
    crop: CropSettings = CropSettings()
    augment: AugmentSettings = AugmentSettings()
    data: DataSettings = DataSettings()
    narrowed: dict[str, tuple[int, int]] = {}

    @property
    def backbone_options(self) -> dict[str, Any]:
        """Those of [task.network] that were given, and those of [task.backbone]."""
        named = {"width": self.network.width, "last_channels": self.network.last_channels}
        return {name: value for name, value in named.items() if value is not None} | self.backbone

    @property
    def head_options(self) -> dict[str, Any]:
        """Those of [task.network] that were given, those of [task.head], and the weights."""
        hidden = {} if self.network.hidden is None else {"hidden": self.network.hidden}
        return hidden | self.head | ({"loss": self.loss} if self.loss else {})


class PoseNetwork(nn.Module):
    """uint8 RGB crops (n, S, S, 3) of any size S from 64 up to its head's output; normalisation is inside.

    The buffer `art_head_from_head` remembers which constant its labels were made with. Should
    `conventions.ART_HEAD_FROM_HEAD` have been measured anew since, the network stays in its own head frame.
    """

    art_head_from_head: Tensor

    def __init__(self, settings: PoseSettings) -> None:
        super().__init__()
        self.backbone = plugins.load(
            "training.backbones", settings.network.backbone, **settings.backbone_options
        )
        self.head = plugins.load(
            "training.heads", settings.network.head, channels=self.backbone.channels, **settings.head_options
        )
        self.register_buffer("art_head_from_head", torch.from_numpy(ART_HEAD_FROM_HEAD.copy()))
        narrow(self, settings.narrowed)

    def forward(self, crops: Tensor) -> Any:
        # Contiguous: else all that follows would be channels last, whatever the run's setting.
        x = crops.permute(0, 3, 1, 2).contiguous().float() * (1 / 64) - 2.0  # about -2..2
        return self.head(self.backbone(x), crops.shape[1])

    def frame_correction(self) -> Tensor | None:
        """(3, 3): today's rotation = this network's @ correction. None where both are the same."""
        trained = self.art_head_from_head.double()
        correction = trained.T @ torch.from_numpy(ART_HEAD_FROM_HEAD.copy()).to(trained)
        return None if torch.allclose(correction, torch.eye(3).to(trained), atol=1e-9) else correction.float()


class DeployedPose(nn.Module):
    """The interface of a pose model file: see `headwise.model_card`. What the head does not say is left out.

    Rotations are in today's head frame: ray_from_head = R @ trainedᵀ @ current.
    """

    correction: Tensor | None

    def __init__(self, network: PoseNetwork) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("correction", network.frame_correction())

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        return tuple(value for value in self.outputs(crops).values() if value is not None)

    def outputs(self, crops: Tensor) -> dict[str, Tensor | None]:
        """By the names in the model file; None for what the head does not say."""
        answer: Answer = self.network.head.answer(self.network(crops))
        half_side = crops.shape[1] / 2
        return {
            "rotation": answer.rotation if self.correction is None else answer.rotation @ self.correction,
            "spread_deg": answer.spread_deg,
            "keypoints": None if answer.points is None else (answer.points + 1) * half_side,
            "visibility": answer.visibility,
            "face_hidden": answer.face_hidden,
            "rotation_covariance": self._covariance(answer),
            "keypoint_spread": None if answer.points_spread is None else answer.points_spread * half_side,
        }

    def _covariance(self, answer: Answer) -> Tensor | None:
        """rad², in the head frame of today."""
        if answer.covariance is None or self.correction is None:
            return answer.covariance
        return self.correction.T @ answer.covariance @ self.correction


class PoseTask:
    """See `headwise.training.loop.Task`."""

    def __init__(self, settings: PoseSettings) -> None:
        self.settings = settings

    def network(self) -> PoseNetwork:
        return PoseNetwork(self.settings)

    def data(self, folder: Path, held_out: bool) -> HeadSamples:
        heads = open_heads(self.settings.data, folder, held_out)
        return HeadSamples(heads, self.settings.augment, self.settings.crop.scale, held_out)

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        head, batch = cast(Head, network.head), in_frame_of(network, batch)
        output = network(batch["crop"])
        if not batch["roll_known"].all():
            predicted = head.answer(output).rotation
            batch = batch | {"rotation": roll_completed(batch["rotation"], predicted, batch["roll_known"])}
        return head.losses(output, batch, progress)

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> Validation:
        """Geodesic and Euler errors on the crop rule's own crops; points as a share of the box's side.

        A head without a rotation label takes no part; where roll is unknown it is free.
        """
        seen: list[Seen] = []
        for batch in batches:
            given = cast(Head, network.head).answer(network(batch["crop"]))
            answer = Answer._make(None if values is None else values.cpu() for values in given)
            told = {name: values.cpu() for name, values in in_frame_of(network, batch).items()}
            seen.append(looked_at(answer, told, self.settings.crop.scale))
        angle, euler, spread, points_nme = (
            np.concatenate([getattr(s, name) for s in seen])
            for name in ("angle_deg", "euler_deg", "spread_deg", "points_nme")
        )
        scores = {
            "geodesic_mean_deg": float(angle.mean()),
            "geodesic_median_deg": float(np.median(angle)),
            "yaw_deg": float(np.median(euler[:, 0])),
            "pitch_deg": float(np.median(euler[:, 1])),
            "roll_deg": float(np.median(euler[:, 2])),
            "spread_mean_deg": float(spread.mean()),
            "spread_rank_correlation": rank_correlation(spread, angle),
        }
        if np.isfinite(points_nme).any():
            scores["points_nme"] = float(np.nanmean(points_nme))
        crops, points = (np.concatenate([getattr(s, name) for s in seen]) for name in ("crops", "points"))
        worst = np.argsort(-angle)[:WORST]
        tiles = [tile(crops[i], points[i], f"{angle[i]:.0f}/{spread[i]:.0f}") for i in worst]
        return Validation(scores, "geodesic_mean_deg", tiles)

    def deployable(self, network: nn.Module) -> Deployable:
        if not isinstance(network, PoseNetwork):
            raise TypeError(f"a pose task deploys a PoseNetwork, got {type(network).__name__}")
        size_px = self.settings.crop.size_px
        module = DeployedPose(network).eval()
        example = torch.zeros((2, size_px, size_px, 3), dtype=torch.uint8)
        with torch.no_grad():
            names = tuple(name for name, value in module.outputs(example).items() if value is not None)
        return Deployable(module, example, "crops", names, {0: "n"})


def in_frame_of(network: nn.Module, batch: Batch) -> Batch:
    """The batch with its rotations, made with the constants of today, in the network's own head frame."""
    correction = cast(PoseNetwork, network).frame_correction()
    return batch if correction is None else batch | {"rotation": batch["rotation"] @ correction.T}


class Seen(NamedTuple):
    """A validated batch, without the heads whose rotation is unknown; NaN points: none, or none labelled."""

    angle_deg: NDArray[np.float64]  # (n,)
    euler_deg: NDArray[np.float64]  # (n, 3)
    spread_deg: NDArray[np.float64]  # (n,)
    points_nme: NDArray[np.float64]  # (n,)
    crops: NDArray[np.uint8]  # (n, s, s, 3)
    points: NDArray[np.float64]  # (n, 68, 2)


def looked_at(answer: Answer, batch: Batch, crop_scale: float) -> Seen:
    """Errors of one batch."""
    rows = ~batch["rotation"].isnan().any(2).any(1)
    found = answer.rotation[rows]
    labels = roll_completed(batch["rotation"][rows], found, batch["roll_known"][rows])
    predicted = Rotation.project(found.double().numpy())
    truth = Rotation.project(labels.double().numpy())
    ours, theirs = predicted.euler(EulerOrder.AZIMUTH), truth.euler(EulerOrder.AZIMUTH)
    points = torch.full_like(batch["points"], torch.nan) if answer.points is None else answer.points
    apart = (points - batch["points"])[rows].square().sum(2).sqrt().mean(1)
    return Seen(
        predicted.angle_to_deg(truth),
        np.stack([wrapped(a - b) for a, b in zip(ours, theirs, strict=True)], 1),
        answer.spread_deg[rows].double().numpy(),
        apart.double().numpy() / 2 * crop_scale,
        batch["crop"][rows].numpy(),
        points[rows].double().numpy(),
    )


def wrapped(difference_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute difference of angles, 0..180."""
    return np.abs((difference_deg + 180) % 360 - 180)


def rank_correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Spearman's: 1 where the spread orders the errors perfectly."""
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1]) if len(a) > 1 else 0.0


def tile(crop: Picture, points: NDArray[Any], text: str) -> Picture:
    """The crop with the network's points and a line of text."""
    picture = np.ascontiguousarray(cv2.resize(crop, (TILE_PX, TILE_PX)), np.uint8)
    for x, y in ((points + 1) * (TILE_PX / 2))[np.isfinite(points).all(1)].tolist():
        cv2.circle(picture, (round(x), round(y)), 1, (0, 255, 0), -1)
    cv2.putText(picture, text, (2, TILE_PX - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 0), 1)
    return picture


def create(options: dict[str, Any]) -> PoseTask:
    """The task, from the table [task] without its name."""
    settings = checked(PoseSettings, options, "task")
    if settings.crop.size_px < 64:
        raise SettingsError(f"task.crop.size_px must be 64 or more, got {settings.crop.size_px}")
    plugins.load("training.heads", settings.network.head, channels=CHECKED_CHANNELS, **settings.head_options)
    return PoseTask(settings)
