"""``headwise run``: pictures, videos and cameras in, tables and overlays out."""

from __future__ import annotations

import sys
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from headwise.cli import EXIT_NOTHING_DONE
from headwise.cli._inputs import Run
from headwise.cli._stderr import native_noise_silenced
from headwise.conventions import DEFAULT_FOV_DEG, EulerOrder
from headwise.errors import SettingsError


def command(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Pictures, folders, patterns, videos, a camera's number, or - for a list on standard input.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Table: .csv, .jsonl or .parquet. Without it, on the terminal.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Pictures or video with the poses drawn in: a file or a folder.")
    ] = None,
    order: Annotated[EulerOrder, typer.Option(help="How the angles combine.")] = EulerOrder.AZIMUTH,
    fov: Annotated[
        float | None,
        typer.Option(
            metavar="DEG", help=f"Field of view of the longer side, degrees (default: {DEFAULT_FOV_DEG:g})"
        ),
    ] = None,
    intrinsics: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Camera: JSON or OpenCV's YAML/XML, instead of --fov.")
    ] = None,
    max_fps: Annotated[
        float | None, typer.Option(help="Leave out frames of videos beyond so many a second.")
    ] = None,
    model: Annotated[str, typer.Option(help="Pose model: a name in the package or an ONNX file.")] = "pose",
    detector: Annotated[str, typer.Option(help="Detector: its name or an ONNX file.")] = "headwise",
    threshold: Annotated[
        float | None, typer.Option(help="Smallest score of a head, 0 to 1 (default: the detector's)")
    ] = None,
    threads: Annotated[int, typer.Option(help="Cores that a network may use, 0: all.")] = 1,
    smooth: Annotated[bool, typer.Option(help="Smooth the poses of videos and cameras.")] = True,
) -> None:
    """The pose of every head in pictures, videos and cameras."""
    from headwise import pipeline as pipelines
    from headwise.camera import Camera
    from headwise.cli._progress import show_progress
    from headwise.overlays import Overlays
    from headwise.sinks import open_table
    from headwise.sources import open_sources
    from headwise.thinning import Thinning

    if fov is not None and intrinsics is not None:
        raise SettingsError("--fov and --intrinsics both describe the camera; give one of them")
    Thinning(max_fps)  # a wrong rate is told before any work
    camera = None if intrinsics is None else Camera.from_file(intrinsics)
    options: dict[str, Any] = {} if threshold is None else {"threshold": threshold}
    pipeline = pipelines.open(
        model=model,
        detector=detector,
        threads=threads,
        fov_deg=DEFAULT_FOV_DEG if fov is None else fov,
        smooth=smooth,
        **options,
    )
    sources = open_sources(inputs, stdin=sys.stdin, max_fps=max_fps)
    overlays = None
    if overlay is not None:
        beginning = list(islice(sources, 2))
        sources = chain(beginning, sources)
        overlays = Overlays(overlay, several=len(beginning) > 1, inputs=inputs, order=order)
    with native_noise_silenced(), show_progress() as progress:
        run = Run(pipeline, camera, open_table(out, order), [overlays] if overlays else [], progress)
        try:
            for source in sources:
                run.take(source)
        finally:
            run.close()
            run.summarize()
    if not run.has_written:
        raise typer.Exit(EXIT_NOTHING_DONE)
