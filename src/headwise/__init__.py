"""Yaw, pitch and roll of every head in a picture or a video: start with `headwise.open()`."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwise.boxes import Box
    from headwise.camera import Camera
    from headwise.conventions import EulerOrder
    from headwise.errors import HeadwiseError
    from headwise.pipeline import Pipeline, open, poses
    from headwise.results import Face, FrameResult, HeadPose
    from headwise.rotation import Rotation

__version__ = "0.1.0"
__all__ = [
    "Box",
    "Camera",
    "EulerOrder",
    "Face",
    "FrameResult",
    "HeadPose",
    "HeadwiseError",
    "Pipeline",
    "Rotation",
    "open",
    "poses",
]

_HOME = {
    "Box": "boxes",
    "Camera": "camera",
    "EulerOrder": "conventions",
    "Face": "results",
    "FrameResult": "results",
    "HeadPose": "results",
    "HeadwiseError": "errors",
    "Pipeline": "pipeline",
    "Rotation": "rotation",
    "open": "pipeline",
    "poses": "pipeline",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562), so that `import headwise` stays cheap."""
    if name not in _HOME:
        raise AttributeError(f"module 'headwise' has no attribute {name!r}")
    value = getattr(import_module(f"headwise.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
