"""What headwise says about a picture, and its JSON form."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.boxes import Box
from headwise.camera import Camera
from headwise.conventions import EulerOrder
from headwise.errors import InputError
from headwise.rotation import Rotation

SCHEMA = 1
"""Number of the JSON layout: raised when a field changes its meaning or goes away."""

Floats = NDArray[np.float64] | NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Detection:
    """A face a detector found, score in 0..1. points5: (5, 2) pixels of eyes, nose, mouth corners."""

    box: Box
    score: float
    points5: Floats | None = None


@dataclass(frozen=True, eq=False)
class HeadPose:
    """The pose of one head in the camera frame. None means unknown, never failed.

    rotation: camera_from_head, a single one. position_m: (3,) the head's origin in the camera frame, metres.
    spread_deg: expected angular error. face_hidden: probability in 0..1 that the face is turned away.
    rotation_covariance: (3, 3) rad², of the rotation vector from this rotation to the true one, head frame.
    position_spread_m: (3,) one standard deviation along each axis of the camera frame.
    """

    rotation: Rotation
    position_m: Floats | None = None
    spread_deg: float | None = None
    face_hidden: float | None = None
    rotation_covariance: Floats | None = None
    position_spread_m: Floats | None = None

    @property
    def yaw_deg(self) -> float:
        """+ turns the nose to the image left; ±180. Default order; others: `rotation.euler(order)`."""
        return float(self.rotation.euler(EulerOrder.AZIMUTH).yaw_deg)

    @property
    def pitch_deg(self) -> float:
        """+ looks up; ±90, default Euler order."""
        return float(self.rotation.euler(EulerOrder.AZIMUTH).pitch_deg)

    @property
    def roll_deg(self) -> float:
        """+ is clockwise on the screen; ±180, default Euler order."""
        return float(self.rotation.euler(EulerOrder.AZIMUTH).roll_deg)


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a picture.

    box: about the 68 points. score: the detector's, 0..1. keypoints: (68, 2) picture pixels, iBUG order.
    keypoint_visibility: (68,) in 0..1. track: the same number for the same head through a video.
    keypoint_spread_px: (68,) one standard deviation of each point along an axis.
    """

    box: Box
    score: float
    keypoints: Floats | None = None
    keypoint_visibility: Floats | None = None
    pose: HeadPose | None = None
    track: int | None = None
    keypoint_spread_px: Floats | None = None


@dataclass(frozen=True, eq=False)
class FrameResult:
    """All faces of one picture; time_s since the video's start, None for a picture; the pose model's name."""

    faces: tuple[Face, ...]
    width_px: int
    height_px: int
    time_s: float | None
    camera: Camera
    model: str

    def to_json(self) -> str:
        """One line of JSON, exact: `FrameResult.from_json` gives the same numbers back."""
        return json.dumps(
            {
                "schema": SCHEMA,
                "model": self.model,
                "width_px": self.width_px,
                "height_px": self.height_px,
                "time_s": self.time_s,
                "camera": asdict(self.camera),
                "faces": [_face_to_plain(face) for face in self.faces],
            },
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> "FrameResult":
        """Raises InputError for what is no FrameResult, and for another schema number."""
        try:
            plain = json.loads(text)
            schema = plain["schema"]
            if schema == SCHEMA:
                return cls(
                    faces=tuple(_face_from_plain(face) for face in plain["faces"]),
                    width_px=plain["width_px"],
                    height_px=plain["height_px"],
                    time_s=plain["time_s"],
                    camera=Camera(**plain["camera"]),
                    model=plain["model"],
                )
        except (ValueError, TypeError, KeyError) as wrong:
            raise InputError(f"this JSON is no headwise result: {wrong!r}") from wrong
        raise InputError(f"this result has schema {schema!r}, this headwise reads schema {SCHEMA}")


def _face_to_plain(face: Face) -> dict[str, Any]:
    return {
        "track": face.track,
        "score": float(face.score),
        "box": asdict(face.box),
        "pose": None if face.pose is None else _pose_to_plain(face.pose),
        "keypoints": _list_or_none(face.keypoints),
        "keypoint_visibility": _list_or_none(face.keypoint_visibility),
        "keypoint_spread_px": _list_or_none(face.keypoint_spread_px),
    }


def _pose_to_plain(pose: HeadPose) -> dict[str, Any]:
    return {
        "yaw_deg": pose.yaw_deg,
        "pitch_deg": pose.pitch_deg,
        "roll_deg": pose.roll_deg,
        "spread_deg": _float_or_none(pose.spread_deg),
        "face_hidden": _float_or_none(pose.face_hidden),
        "rotation_covariance": _list_or_none(pose.rotation_covariance),
        "position_m": _list_or_none(pose.position_m),
        "position_spread_m": _list_or_none(pose.position_spread_m),
        "rotation": pose.rotation.matrix.tolist(),
    }


def _face_from_plain(plain: dict[str, Any]) -> Face:
    return Face(
        box=Box(**plain["box"]),
        score=plain["score"],
        keypoints=_array_or_none(plain["keypoints"]),
        keypoint_visibility=_array_or_none(plain["keypoint_visibility"]),
        pose=None if plain["pose"] is None else _pose_from_plain(plain["pose"]),
        track=plain["track"],
        keypoint_spread_px=_array_or_none(plain.get("keypoint_spread_px")),
    )


def _pose_from_plain(plain: dict[str, Any]) -> HeadPose:
    """The angles are a view of the rotation and are not read back."""
    return HeadPose(
        rotation=Rotation(np.array(plain["rotation"])),
        position_m=_array_or_none(plain["position_m"]),
        spread_deg=plain["spread_deg"],
        face_hidden=plain["face_hidden"],
        rotation_covariance=_array_or_none(plain.get("rotation_covariance")),
        position_spread_m=_array_or_none(plain.get("position_spread_m")),
    )


def _list_or_none(values: Floats | None) -> list[Any] | None:
    return None if values is None else np.asarray(values).tolist()


def _float_or_none(value: float | None) -> float | None:
    return None if value is None else float(value)


def _array_or_none(values: list[Any] | None) -> NDArray[np.float64] | None:
    return None if values is None else np.array(values, dtype=np.float64)
