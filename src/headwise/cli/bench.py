"""``headwise bench``: how fast it runs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

ROWS = {
    "threads": "threads",
    "detector_ms": "detector, ms",
    "crop_ms": "crop, ms",
    "pose_ms": "pose network, ms",
    "picture_fps": "pictures per second",
    "video_fps": "video frames per second",
}


def command(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers as JSON.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Picture of one face; without it one is drawn.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Video; without it the picture sways.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Calls of each stage; the median counts.")] = 100,
    frames: Annotated[int, typer.Option(min=1, help="Frames of the video.")] = 150,
    model: Annotated[str, typer.Option(help="Pose model: a name in the package or an ONNX file.")] = "pose",
    detector: Annotated[str, typer.Option(help="Detector: a plug-in's name or an ONNX file.")] = "headwise",
) -> None:
    """Median milliseconds of each stage and frames per second end to end, on one core and on all."""
    from headwise.evaluation import bench
    from headwise.evaluation.report import markdown_table, save_json

    material = bench.material(picture, video, frames)
    report = bench.run(material, model=model, detector=detector, calls=repeats)
    print(f"{report['cpu']}; {report['faces']} face(s) in a picture of {_size(report)}; nothing is decoded\n")
    sides = (report, report["all_threads"])
    rows = [(text, *(side[key] for side in sides)) for key, text in ROWS.items()]
    print(markdown_table(("", "one core", "all"), rows))
    if not report["faces"]:
        print("\nNo face was found in the picture: its speed is the detector's alone. Try --picture.")
    if json_file is not None:
        save_json(json_file, report)


def _size(report: dict[str, Any]) -> str:
    width, height = report["picture_px"]
    return f"{width} x {height} pixels"
