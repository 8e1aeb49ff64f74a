"""Training the pose network: a crop in; rotation, spread, 68 points, visibility and face-hidden out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from headwise import plugins
from headwise.conventions import ART_HEAD_FROM_HEAD, EulerOrder
from headwise.errors import SettingsError
from headwise.rotation import Rotation
from headwise.training.datasets.crop_shards import CropShards
from headwise.training.head_samples import AugmentSettings, HeadSamples
from headwise.training.heads.pose import PoseOutput, expected_error_deg
from headwise.training.loop import Batch, Deployable, Validation
from headwise.training.losses.geodesic import angle_between
from headwise.training.losses.points import distance
from headwise.training.losses.points import negative_log_likelihood as points_likelihood
from headwise.training.losses.rotation_likelihood import negative_log_likelihood as rotation_likelihood
from headwise.training.pixels import Picture
from headwise.training.settings import Settings, checked

WORST = 32  # tiles on the sheet of worst samples
TILE_PX = 112


class NetworkSettings(Settings):
    """Backbone and head by plug-in name."""

    backbone: str = "mobilenetv4"
    head: str = "pose"
    width: float = 1.0
    last_channels: int = 960
    hidden: int = 512


class CropSettings(Settings):
    """The crop rule, which travels inside the model file."""

    scale: float = 1.2
    size_px: int = 112


class LossSettings(Settings):
    """Weights; likelihoods ramp in between two places of the schedule."""

    rotation: float = 1.0
    rotation_likelihood: float = 0.1
    points: float = 2.0
    points_likelihood: float = 0.05
    depth: float = 0.5
    visibility: float = 0.1
    face_hidden: float = 0.1
    uniform: float = 0.005
    ramp_from: float = 0.05
    ramp_to: float = 0.2


class PoseSettings(Settings):
    """The table [task] of a pose run."""

    network: NetworkSettings = NetworkSettings()
    crop: CropSettings = CropSettings()
    loss: LossSettings = LossSettings()
    augment: AugmentSettings = AugmentSettings()


class PoseNetwork(nn.Module):
    """uint8 RGB crops (n, S, S, 3) of any size S from 64 up; normalisation is inside.

    The buffer `art_head_from_head` remembers which constant its labels were made with.
    """

    art_head_from_head: Tensor

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.backbone = plugins.load(
            "training.backbones",
            settings.backbone,
            width=settings.width,
            last_channels=settings.last_channels,
        )
        self.head = plugins.load(
            "training.heads", settings.head, channels=self.backbone.channels, hidden=settings.hidden
        )
        self.register_buffer("art_head_from_head", torch.from_numpy(ART_HEAD_FROM_HEAD.copy()))

    def forward(self, crops: Tensor) -> PoseOutput:
        x = crops.permute(0, 3, 1, 2).float() * (1 / 64) - 2.0  # about -2..2
        features = self.backbone(x).mean((2, 3))
        output: PoseOutput = self.head(features)
        return output


class DeployedPose(nn.Module):
    """The interface of a pose model file: see `headwise.model_card`.

    Should `conventions.ART_HEAD_FROM_HEAD` have been measured anew since the training, the difference is put
    right here: ray_from_head = R @ trainedᵀ @ current.
    """

    correction: Tensor

    def __init__(self, network: PoseNetwork) -> None:
        super().__init__()
        self.network = network
        correction = network.art_head_from_head.double().T @ torch.from_numpy(ART_HEAD_FROM_HEAD.copy())
        self.register_buffer("correction", correction.float())

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        out: PoseOutput = self.network(crops)
        return (
            out.rotation @ self.correction,
            expected_error_deg(out.precision_factor),
            (out.points + 1) * (crops.shape[1] / 2),
            torch.sigmoid(out.visibility),
            torch.sigmoid(out.face_hidden),
        )


class PoseTask:
    """See `headwise.training.loop.Task`."""

    def __init__(self, settings: PoseSettings) -> None:
        self.settings = settings

    def network(self) -> PoseNetwork:
        return PoseNetwork(self.settings.network)

    def data(self, folder: Path, held_out: bool) -> HeadSamples:
        heads = CropShards(folder, held_out)
        return HeadSamples(heads, self.settings.augment, self.settings.crop.scale, held_out)

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        weight = self.settings.loss
        ramp = min(
            max((progress - weight.ramp_from) / max(weight.ramp_to - weight.ramp_from, 1e-6), 0.0), 1.0
        )
        out: PoseOutput = network(batch["crop"])
        likelihood = rotation_likelihood(
            out.rotation, out.precision_factor, batch["rotation"], weight.uniform
        )
        binary = functional.binary_cross_entropy_with_logits
        return {
            "rotation": weight.rotation * angle_between(out.rotation, batch["rotation"]).mean(),
            "rotation_nll": ramp * weight.rotation_likelihood * likelihood.mean(),
            "points": weight.points * distance(out.points, batch["points"]).mean(),
            "points_nll": ramp
            * weight.points_likelihood
            * points_likelihood(out.points, out.points_log_scale, batch["points"]).mean(),
            "depth": weight.depth * distance(out.points_depth, batch["points_depth"]).mean(),
            "visibility": weight.visibility * binary(out.visibility, batch["visibility"]),
            "face_hidden": weight.face_hidden * binary(out.face_hidden, batch["face_hidden"]),
        }

    def validate(self, network: nn.Module, batches: Iterable[Batch]) -> Validation:
        """Geodesic and Euler errors on the crop rule's own crops; points as a share of the box's side."""
        angles, spreads, eulers, points, crops, drawn = [], [], [], [], [], []
        for batch in batches:
            out: PoseOutput = network(batch["crop"])
            predicted = Rotation.project(out.rotation.double().numpy())
            truth = Rotation.project(batch["rotation"].double().numpy())
            angles.append(predicted.angle_to_deg(truth))
            spreads.append(expected_error_deg(out.precision_factor).numpy())
            ours, theirs = predicted.euler(EulerOrder.AZIMUTH), truth.euler(EulerOrder.AZIMUTH)
            eulers.append(np.stack([wrapped(a - b) for a, b in zip(ours, theirs, strict=True)], 1))
            error = (out.points - batch["points"]).square().sum(2).sqrt().mean(1).numpy()
            points.append(error / 2 * self.settings.crop.scale)
            crops.append(batch["crop"].numpy())
            drawn.append(out.points.numpy())
        angle, euler, spread = np.concatenate(angles), np.concatenate(eulers), np.concatenate(spreads)
        scores = {
            "geodesic_mean_deg": float(angle.mean()),
            "geodesic_median_deg": float(np.median(angle)),
            "yaw_deg": float(np.median(euler[:, 0])),
            "pitch_deg": float(np.median(euler[:, 1])),
            "roll_deg": float(np.median(euler[:, 2])),
            "points_nme": float(np.concatenate(points).mean()),
            "spread_mean_deg": float(spread.mean()),
            "spread_rank_correlation": rank_correlation(spread, angle),
        }
        worst = np.argsort(-angle)[:WORST]
        all_crops, all_points = np.concatenate(crops), np.concatenate(drawn)
        tiles = [tile(all_crops[i], all_points[i], f"{angle[i]:.0f}/{spread[i]:.0f}") for i in worst]
        return Validation(scores, "geodesic_mean_deg", tiles)

    def deployable(self, network: nn.Module) -> Deployable:
        if not isinstance(network, PoseNetwork):
            raise TypeError(f"a pose task deploys a PoseNetwork, got {type(network).__name__}")
        size_px = self.settings.crop.size_px
        return Deployable(
            DeployedPose(network).eval(),
            torch.zeros((2, size_px, size_px, 3), dtype=torch.uint8),
            "crops",
            ("rotation", "spread_deg", "keypoints", "visibility", "face_hidden"),
            {0: "n"},
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
    for x, y in ((points + 1) * (TILE_PX / 2)).tolist():
        cv2.circle(picture, (round(x), round(y)), 1, (0, 255, 0), -1)
    cv2.putText(picture, text, (2, TILE_PX - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 0), 1)
    return picture


def create(options: dict[str, Any]) -> PoseTask:
    """The task, from the table [task] without its name."""
    settings = checked(PoseSettings, options, "task")
    if settings.crop.size_px < 64:
        raise SettingsError(f"task.crop.size_px must be 64 or more, got {settings.crop.size_px}")
    return PoseTask(settings)
