"""The product's own networks as the tools of a benchmark: the files that are shipped are what is scored."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headwise import plugins, weights
from headwise.boxes import Box
from headwise.camera import Camera
from headwise.detectors import Detector
from headwise.estimator import Estimate, Estimator
from headwise.evaluation.outcome import (
    Estimates,
    Image,
    Json,
    Outcome,
    Predict,
    Prediction,
    Progress,
    Protocol,
    Tools,
    silent,
)
from headwise.model_card import ModelCard, read_card
from headwise.pictures import read_picture
from headwise.rotation import Rotation

LOWEST_THRESHOLD = 0.05
"""Scores below are noise to every detector; above, a benchmark shows what another threshold would give."""

BUNDLED_DETECTOR = "headwise"


def run(
    protocol: Protocol,
    folder: Path,
    *,
    model: str | Path = "pose",
    detector: str | Path = BUNDLED_DETECTOR,
    threads: int = 1,
    runtime: str = "onnxruntime",
    progress: Progress = silent,
) -> Outcome:
    """Score a pose model (a name or an ONNX file) and a detector (a plug-in or an ONNX file) on a folder.

    runtime: of the pose model.

    The report gains `model` (None where none was run) with the crop rule, and `detector`. Raises ModelError,
    InputError and SettingsError.
    """
    found = open_detector(detector, threads) if protocol.needs_detector else None
    estimator = Estimator(model, threads=threads, runtime=runtime) if protocol.needs_poses else None
    tools = Tools(
        read=read_picture,
        predict=predict_with(estimator, settle=found is not None) if estimator is not None else None,
        estimate=estimate_with(estimator) if estimator is not None else None,
        detect=found[0] if found is not None else None,
        detector_threshold=found[1] if found is not None else 0.0,
        progress=progress,
    )
    outcome = protocol.run(folder, tools)
    names = {
        "model": _described_model(model) if protocol.needs_poses else None,
        "detector": _described_detector(detector) if protocol.needs_detector else None,
    }
    return Outcome({**outcome.report, **names}, outcome.worst, outcome.poses)


def predict_with(estimator: Estimator, *, settle: bool = False) -> Predict:
    """Poses relative to the ray through each box's centre: those of a camera far away.

    settle: the boxes are a detector's, which the product does not trust blindly (`Estimator.settled`).
    """
    look = estimator.settled if settle else estimator

    def predict(images: Sequence[Image], boxes: Sequence[Box]) -> Prediction:
        poses = [
            look(image, [box], Camera.distant(image.shape[1], image.shape[0]))[0].pose
            for image, box in zip(images, boxes, strict=True)
        ]
        return Prediction(
            Rotation(np.stack([pose.rotation.matrix for pose in poses])),
            np.array([np.nan if pose.spread_deg is None else pose.spread_deg for pose in poses]),
            np.array([np.nan if pose.face_hidden is None else pose.face_hidden for pose in poses]),
        )

    return predict


def estimate_with(estimator: Estimator) -> Estimates:
    """All that the pose network says, before a camera far away."""

    def estimate(images: Sequence[Image], boxes: Sequence[Box]) -> list[Estimate]:
        return [
            estimator(image, [box], Camera.distant(image.shape[1], image.shape[0]))[0]
            for image, box in zip(images, boxes, strict=True)
        ]

    return estimate


def open_detector(detector: str | Path, threads: int) -> tuple[Detector, float]:
    """The detector told to report scores down to LOWEST_THRESHOLD, and the threshold it has by default."""
    name, options = _plugin_of(detector)
    threshold = plugins.load("detectors", name, threads=threads, **options).threshold
    lowest = min(threshold, LOWEST_THRESHOLD)
    return plugins.load("detectors", name, threads=threads, threshold=lowest, **options), threshold


def _plugin_of(detector: str | Path) -> tuple[str, Json]:
    if Path(detector).suffix == ".onnx":
        return BUNDLED_DETECTOR, {"model": detector}
    return str(detector), {}


def _described_model(model: str | Path) -> Json:
    path = weights.find(model)
    card = read_card(path)
    crop = {"scale": card.crop.scale, "size_px": card.crop.size_px} if card.crop is not None else None
    return {**_described_file(path, card), "crop": crop}


def _described_detector(detector: str | Path) -> Json:
    name, options = _plugin_of(detector)
    if name != BUNDLED_DETECTOR:
        return {"name": name}
    path = weights.find(options.get("model", "detector"))
    return _described_file(path, read_card(path))


def _described_file(path: Path, card: ModelCard) -> Json:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        "name": card.name,
        "version": card.version,
        "created": card.created,
        "licence": card.licence,
        "sources": [f"{source.name} ({source.licence})" for source in card.sources],
        "sha256": sha256,
        "bytes": path.stat().st_size,
    }
