"""Rotations of the fit alone, from labelled points and no picture: an npz with ids, points68_px (n, 68, 2 or
3), yaw_pitch_roll_deg (n, 3) and, where there are, points68_reannotated_px (n, 68, 2).

Quirks of this benchmark, all of them:

- Only x and y of the points are read. A third column, as in AFLW2000-3D, is what the labels were made with.
- The labels were fitted under weak perspective, so the camera is `Camera.distant`.
- Angles are in the 300W-LP order; items with one beyond 99 deg are outside the protocol ("excluded").
- points68_px of AFLW2000-3D are the projected points of the face model whose pose is the label: the score is
  how well our head stands in for that model, and circular. The re-annotated points (Bulat and Tzimiropoulos
  2017) are not that model's; against them the labels, some of which are known to be wrong, count as errors
  too. Items whose points and label are more than 15 deg apart are listed under "suspects", with both.
- A labelled point counts for itself: 68 of them are 68 independent ones.
- A fit that answers "unknown" counts as missed, as a face that is not found does elsewhere.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.errors import BoxError, InputError
from headwise.evaluation.labels import list_sha256
from headwise.evaluation.outcome import Floats, Json, Outcome, ScoredPoses, Tools, as_json
from headwise.evaluation.pose_errors import PoseErrors, mae_with_missed, pose_errors, pose_scores
from headwise.evaluation.pose_scoring import LARGEST_ANGLE_DEG, ORDER
from headwise.fitting.observation import Observation
from headwise.fitting.shape_model import ShapeModel, load_shape_model
from headwise.fitting.solve import FitSettings, HeadFit, fit_heads
from headwise.rotation import Rotation

POINTS, REANNOTATED, ANGLES, IDS = (
    "points68_px",
    "points68_reannotated_px",
    "yaw_pitch_roll_deg",
    "ids",
)
SETTINGS = FitSettings(independent_points=68.0)
PICTURE_PX = 450
"""Side of the pictures of AFLW2000-3D; of a camera this far away it says nothing but the number's scale."""
SPREAD_OF_BOX = 0.015
"""Of the box's side: how far a labelled point may lie off, one standard deviation."""
SUSPECT_DEG = 15.0
BATCH_ITEMS = 64


@dataclass(frozen=True, eq=False)
class Labels:
    """A file's items: ids, angles (n, 3) and every set of points (n, 68, 2) by its name."""

    ids: tuple[str, ...]
    angles_deg: Floats
    points_px: dict[str, Floats]

    def rows(self, rows: NDArray[np.intp]) -> "Labels":
        return Labels(
            tuple(np.array(self.ids)[rows]),
            self.angles_deg[rows],
            {name: points[rows] for name, points in self.points_px.items()},
        )


def create() -> "Points68":
    """No options."""
    return Points68()


class Points68:
    """The protocol."""

    needs_poses = False
    needs_detector = False

    def run(self, folder: Path, tools: Tools) -> Outcome:
        """Score a file. Raises InputError when it is unusable."""
        listed = read_labels(folder)
        kept = np.flatnonzero((np.abs(listed.angles_deg) <= LARGEST_ANGLE_DEG).all(axis=1))
        labels = listed.rows(kept)
        if not labels.ids:
            raise InputError(f"{folder}: all {len(listed.ids)} items lie outside the protocol's angles")
        shape = load_shape_model()
        total = len(labels.ids) * len(labels.points_px)
        scores: dict[str, Json] = {}
        poses: dict[str, ScoredPoses] = {}
        for done, (name, points_px) in enumerate(labels.points_px.items()):
            poses[name] = _fitted(points_px, labels.angles_deg, shape, tools, done * len(labels.ids), total)
            scores[name] = _scores(poses[name], labels)
        report: Json = {
            "protocol": "points68",
            "list": folder.resolve().stem,
            "list_sha256": list_sha256(labels.ids),
            "labels_sha256": hashlib.sha256(folder.read_bytes()).hexdigest(),
            "order": str(ORDER),
            "boxes": "none, points given",
            "listed": len(listed.ids),
            "excluded": len(listed.ids) - len(labels.ids),
            "items": len(labels.ids),
            "unreadable": [],
            **scores[POINTS],
            "reannotated": scores.get(REANNOTATED),
        }
        return Outcome(report, poses=poses[POINTS])


def read_labels(path: Path) -> Labels:
    """Every item of a file, in or out of the protocol. Raises InputError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (IDS, ANGLES, POINTS, REANNOTATED) if name in file}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as an npz ({error})") from error
    missing = [name for name in (IDS, ANGLES, POINTS) if name not in arrays]
    if missing:
        raise InputError(f"{path}: no {', '.join(missing)}; points68 needs {IDS}, {ANGLES} and {POINTS}")
    n = len(arrays[IDS])
    points = {name: arrays[name] for name in (POINTS, REANNOTATED) if name in arrays}
    for name, found in points.items():
        if found.shape not in ((n, 68, 2), (n, 68, 3)):
            raise InputError(f"{path}: {name} of {n} items needs shape ({n}, 68, 2 or 3), got {found.shape}")
    if arrays[ANGLES].shape != (n, 3) or not np.isfinite(arrays[ANGLES]).all():
        raise InputError(f"{path}: {ANGLES} needs ({n}, 3) finite degrees, got {arrays[ANGLES].shape}")
    return Labels(
        tuple(str(one) for one in arrays[IDS]),
        arrays[ANGLES].astype(np.float64),
        {name: found[:, :, :2].astype(np.float64) for name, found in points.items()},
    )


def _fitted(
    points_px: Floats, angles_deg: Floats, shape: ShapeModel, tools: Tools, done: int, total: int
) -> ScoredPoses:
    """What the fit finds, and where."""
    matrices, spreads, index = [], [], []
    for first in range(0, len(points_px), BATCH_ITEMS):
        some = points_px[first : first + BATCH_ITEMS]
        spread = np.tile(np.array([SPREAD_OF_BOX * _side(one) for one in some])[:, None], 68)
        observation = Observation(some, spread, Camera.distant(PICTURE_PX, PICTURE_PX))
        for place, found in enumerate(fit_heads(observation, shape, SETTINGS), start=first):
            if isinstance(found, HeadFit):
                matrices.append(found.rotation.matrix)
                spreads.append(found.spread_deg)
                index.append(place)
        tools.progress(done + first + len(some), total)
    rotation = Rotation(np.reshape(matrices, (-1, 3, 3)))
    errors = pose_errors(angles_deg[np.array(index, int)], rotation, ORDER)
    return ScoredPoses(errors, np.array(spreads), np.array(index, np.int64))


def _side(points_px: Floats) -> float:
    """Of the box of the points that are numbers; NaN without one, which makes them unseen."""
    try:
        return Box.from_points(points_px[np.isfinite(points_px).all(axis=1)]).side
    except BoxError:
        return np.nan


def _scores(poses: ScoredPoses, labels: Labels) -> Json:
    found = np.zeros(len(labels.ids), bool)
    found[poses.index] = True
    return {
        "missed": int((~found).sum()),
        **pose_scores(poses.errors, poses.spread_deg),
        "mae_with_missed": mae_with_missed(poses.errors, labels.angles_deg[~found]),
        "suspects": _suspects(poses, labels),
    }


def _suspects(poses: ScoredPoses, labels: Labels) -> list[Json]:
    """Items whose points and label are too far apart for both to be right, the farthest first."""
    errors: PoseErrors = poses.errors
    far = [k for k in np.argsort(-errors.rotation_deg, kind="stable") if errors.rotation_deg[k] > SUSPECT_DEG]
    return [
        {
            "id": labels.ids[poses.index[k]],
            "rotation_deg": as_json(errors.rotation_deg[k]),
            "label_deg": as_json(errors.truth_deg[k]),
            "points_deg": as_json(errors.truth_deg[k] + errors.difference_deg[k]),
        }
        for k in far
    ]
