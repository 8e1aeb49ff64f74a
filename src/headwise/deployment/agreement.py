"""How far a smaller model file is from the float32 one, and how far it may be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import iou_matrix, non_maximum_suppression
from headwise.deployment.export import angles_deg
from headwise.errors import ModelError

Outputs = Mapping[str, NDArray[np.float32]]
"""Of one file: name -> (n, ...), one row an input."""

LIMITS = {
    "rotation_deg": 1.0,  # independent of an error of 4 deg it would add 3 % to that
    "points_share": 0.02,  # of the crop's side: a point moves by its own uncertainty
    "unmatched_share": 0.05,  # of the detections of both files together
    "score_difference": 0.05,
    "box_gap": 0.1,
}
"""Largest mean differences of a file that is written without --force."""
MATCHING_OVERLAP = 0.5
NMS_OVERLAP = 0.4  # the product's default


def pose_differences(plain: Outputs, small: Outputs, size_px: int) -> dict[str, float]:
    """Mean degrees between the rotations; mean distance of the points, if any, in sides of the crop."""
    differences = {"rotation_deg": float(angles_deg(plain["rotation"], small["rotation"]).mean())}
    if "keypoints" in plain:
        apart_px = np.linalg.norm(plain["keypoints"] - small["keypoints"], axis=2)
        differences["points_share"] = float(apart_px.mean()) / size_px
    return differences


def detector_differences(plain: Outputs, small: Outputs, threshold: float) -> dict[str, float]:
    """Detections that only one file has, as a share; of the others mean score difference and 1 - overlap.

    ModelError when the float32 file finds nothing at this threshold: there is nothing to compare.
    """
    found, score_differences, gaps = 0, [0.0], [0.0]
    for i in range(len(plain["scores"])):
        ours, theirs = (detections(outputs, i, threshold) for outputs in (plain, small))
        found += len(ours[0]) + len(theirs[0])
        overlap = iou_matrix(ours[0], theirs[0])
        while overlap.size and overlap.max() >= MATCHING_OVERLAP:
            a, b = np.unravel_index(int(overlap.argmax()), overlap.shape)
            gaps.append(1 - float(overlap[a, b]))
            score_differences.append(abs(float(ours[1][a] - theirs[1][b])))
            overlap[a], overlap[:, b] = 0, 0
    if not found:
        raise ModelError(f"the detector finds nothing at the threshold {threshold:g}; choose a lower one")
    matched = len(gaps) - 1
    return {
        "unmatched_share": 1 - 2 * matched / found,
        "score_difference": sum(score_differences) / max(1, matched),
        "box_gap": sum(gaps) / max(1, matched),
    }


def detections(
    outputs: Outputs, picture: int, threshold: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes (k, 4) and scores (k,) that the product would report."""
    boxes, scores = outputs["boxes"][picture], outputs["scores"][picture]
    sure = np.flatnonzero(scores >= threshold)
    kept = sure[non_maximum_suppression(boxes[sure], scores[sure], NMS_OVERLAP)]
    return boxes[kept], scores[kept]


def require(differences: Mapping[str, float]) -> None:
    """ModelError names the first difference above its limit."""
    for name, value in differences.items():
        if not value <= LIMITS[name]:
            raise ModelError(
                f"{name} is {value:.3g} from the float32 file on held-out pictures, {LIMITS[name]:g} is "
                "allowed; not written without --force"
            )
