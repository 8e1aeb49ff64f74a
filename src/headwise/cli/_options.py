"""Options that commands on pictures and videos share, and what they open."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwise.conventions import DEFAULT_FOV_DEG, EulerOrder
from headwise.errors import SettingsError

if TYPE_CHECKING:
    from headwise.camera import Camera
    from headwise.pipeline import Pipeline
    from headwise.sources import Source

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Pictures, folders, patterns, videos, a camera's number, or - for a list on standard input.",
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="Table: .csv, .jsonl or .parquet. Without it, on the terminal.")
]
Order = Annotated[EulerOrder, typer.Option(help="How the angles combine.")]
Fov = Annotated[
    float | None,
    typer.Option(
        metavar="DEG", help=f"Field of view of the longer side, degrees (default: {DEFAULT_FOV_DEG:g})"
    ),
]
Intrinsics = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Camera of `headwise calibrate` or OpenCV's YAML/XML, instead of --fov."
    ),
]
MaxFps = Annotated[float | None, typer.Option(help="Leave out frames of videos beyond so many a second.")]
Model = Annotated[str, typer.Option(help="Pose model: a name in the package or an ONNX file.")]
Detector = Annotated[str, typer.Option(help="Detector: its name or an ONNX file.")]
Threshold = Annotated[
    float | None, typer.Option(help="Smallest score of a head, 0 to 1 (default: the detector's)")
]
Threads = Annotated[int, typer.Option(help="Cores that a network may use, 0: all.")]
Runtime = Annotated[
    str, typer.Option(help="What runs the networks: onnxruntime, openvino, tvm, ncnn, tensorrt.")
]
Smooth = Annotated[bool, typer.Option(help="Smooth the poses of videos and cameras.")]


def camera_of(fov: float | None, intrinsics: Path | None) -> Camera | None:
    """The camera of a file; None: of a field of view. Raises SettingsError when both are given."""
    from headwise.camera import Camera

    if fov is not None and intrinsics is not None:
        raise SettingsError("--fov and --intrinsics both describe the camera; give one of them")
    return None if intrinsics is None else Camera.from_file(intrinsics)


def open_pipeline(*, fov: float | None, threshold: float | None, **options: Any) -> Pipeline:
    """`headwise.open` with what the options say."""
    from headwise import pipeline as pipelines

    of_detector: dict[str, Any] = {} if threshold is None else {"threshold": threshold}
    return pipelines.open(fov_deg=DEFAULT_FOV_DEG if fov is None else fov, **options, **of_detector)


def open_inputs(inputs: list[str], max_fps: float | None) -> Iterator[Source]:
    """The sources. A wrong rate is told before any work."""
    from headwise.sources import open_sources
    from headwise.thinning import Thinning

    Thinning(max_fps)
    return open_sources(inputs, stdin=sys.stdin, max_fps=max_fps)


def one_or_several(sources: Iterator[Source]) -> tuple[Iterator[Source], bool]:
    """The same sources, and whether there are several: waits for the second one."""
    beginning = list(islice(sources, 2))
    return chain(beginning, sources), len(beginning) > 1
