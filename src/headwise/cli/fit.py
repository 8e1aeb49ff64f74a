"""``headwise fit``: a 3D head fitted to every face: its place in metres, a mesh, a check of both."""

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
    mesh: Annotated[
        Path | None, typer.Option(help="3D heads: a .glb or .obj file for one input, or a folder.")
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(help="Pictures or video with the fitted heads drawn in: a file or a folder."),
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
    """A 3D head fitted to every face: pose, place in metres with its spread, mesh with texture."""
    from headwise.fitting.heads import FittingPipeline
    from headwise.fitting.mesh_drawing import FitDrawing
    from headwise.fitting.meshes import Meshes
    from headwise.fitting.shape_model import load_shape_model
    from headwise.overlays import Overlays
    from headwise.sinks import open_table

    camera = camera_of(fov, intrinsics)
    shape = load_shape_model()
    pipeline = open_pipeline(
        fov=fov,
        threshold=threshold,
        model=model,
        detector=detector,
        threads=threads,
        runtime=runtime,
        smooth=False,
    )
    assumed = fov is None and intrinsics is None
    fitting = FittingPipeline(pipeline, shape, camera_assumed=assumed, smooth=smooth)
    sources, several = open_inputs(inputs, max_fps), False
    if overlay is not None or mesh is not None:
        sources, several = one_or_several(sources)
    sinks: list[SourceSink] = []
    if overlay is not None:
        drawn = FitDrawing(shape)
        sinks.append(Overlays(overlay, several=several, inputs=inputs, order=order, drawn=drawn))
    if mesh is not None:
        sinks.append(Meshes(mesh, shape, several=several))
    run_through(sources, fitting, camera, open_table(out, order), sinks)
