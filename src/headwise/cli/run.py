"""``headwise run``: pictures, videos and cameras in, tables and overlays out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headwise.cli._inputs import SourceSink, run_through
from headwise.cli._options import (
    Detector,
    Fov,
    Inputs,
    Intrinsics,
    MaxFps,
    Model,
    Order,
    Out,
    Runtime,
    Smooth,
    Threads,
    Threshold,
    camera_of,
    one_or_several,
    open_inputs,
    open_pipeline,
)
from headwise.conventions import EulerOrder


def command(
    inputs: Inputs,
    out: Out = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Pictures or video with the poses drawn in: a file or a folder.")
    ] = None,
    order: Order = EulerOrder.AZIMUTH,
    fov: Fov = None,
    intrinsics: Intrinsics = None,
    max_fps: MaxFps = None,
    model: Model = "pose",
    detector: Detector = "headwise",
    threshold: Threshold = None,
    threads: Threads = 1,
    runtime: Runtime = "onnxruntime",
    smooth: Smooth = True,
) -> None:
    """The pose of every head in pictures, videos and cameras."""
    from headwise.overlays import Overlays
    from headwise.sinks import open_table

    camera = camera_of(fov, intrinsics)
    pipeline = open_pipeline(
        fov=fov,
        threshold=threshold,
        model=model,
        detector=detector,
        threads=threads,
        runtime=runtime,
        smooth=smooth,
    )
    sources = open_inputs(inputs, max_fps)
    overlays: list[SourceSink] = []
    if overlay is not None:
        sources, several = one_or_several(sources)
        overlays.append(Overlays(overlay, several=several, inputs=inputs, order=order))
    run_through(sources, pipeline, camera, open_table(out, order), overlays)
