"""``headwise bench``: how fast it runs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from headwise.errors import SettingsError

ROWS = {
    "threads": "threads",
    "detector_ms": "detector, a close look, ms",
    "coarse_ms": "detector, a coarse look, ms",
    "crop_ms": "crop of a face, ms",
    "pose_ms": "pose network, a face, ms",
    "fit_ms": "fit of a face, ms",
    "fit_of_many_ms": "fit of one of many faces, ms",
    "picture_fps": "pictures per second",
    "video_parts_ms": "a video frame by its parts, ms",
    "video_over_parts": "a video frame over its parts",
    "video_fps": "video frames per second",
}
BUILT_ON_FIRST_USE = ("ncnn", "tvm", "tensorrt")
"""Runtimes that compile a model for minutes: `--engines all` takes them only where they are named too."""


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
    copies: Annotated[
        int, typer.Option(min=1, help="Show the picture so many times side by side: a crowd of small faces.")
    ] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Calls of each stage; the median counts.")] = 100,
    frames: Annotated[int, typer.Option(min=1, help="Frames of the video.")] = 150,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model: a name in the package or an ONNX file. With --engines it may repeat."),
    ] = None,
    detector: Annotated[str, typer.Option(help="Detector: a plug-in's name or an ONNX file.")] = "headwise",
    engines: Annotated[
        str | None,
        typer.Option(help="Instead: networks alone, in these runtimes: all, or names with commas."),
    ] = None,
    peer: Annotated[
        list[Path] | None, typer.Option(help="With --engines: ONNX file of another project. May repeat.")
    ] = None,
    labelled: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="With --engines: folder of `evaluate table`; adds each file's error."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="With --engines: draw batch 1 on one thread.")
    ] = None,
) -> None:
    """Median milliseconds of each stage and frames per second end to end, on one core and on all."""
    if engines is not None:
        _engines(engines, model or ["pose", "detector"], peer or [], labelled, json_file, plot)
        return
    if peer or labelled or plot or len(model or []) > 1:
        raise SettingsError("--peer, --labelled, --plot and several --model go with --engines")
    from headwise.evaluation import bench
    from headwise.evaluation.report import markdown_table, save_json

    material = bench.material(picture, video, frames, copies)
    report = bench.run(material, model=(model or ["pose"])[0], detector=detector, calls=repeats)
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


def _engines(
    engines: str,
    models: list[str],
    peers: list[Path],
    labelled: Path | None,
    json_file: Path | None,
    plot: Path | None,
) -> None:
    from headwise import plugins
    from headwise.cli._progress import count_bar
    from headwise.evaluation import engine_bench
    from headwise.evaluation.engine_report import add_errors, as_markdown
    from headwise.evaluation.report import save, save_json

    known = plugins.names("runtimes")
    if engines == "all":
        runtimes = [name for name in known if name not in BUILT_ON_FIRST_USE and _is_installed(name)]
    else:
        runtimes = engines.split(",")
    for name in runtimes:
        if name not in known:
            raise SettingsError(plugins.unknown_name("runtime", name, known))
    total = engine_bench.count_turns(models, runtimes, peers, len(engine_bench.BATCHES))
    with count_bar("measuring", total) as bar:
        report = engine_bench.run(models, runtimes, peers=peers, progress=bar)
    if labelled is not None:
        add_errors(report, models, runtimes, labelled)
    print(as_markdown(report))
    if json_file is not None:
        save_json(json_file, report)
    if plot is not None:
        save(plot, plugins.import_optional("headwise.evaluation.engine_plot").speed_plot(report).encode())


def _is_installed(runtime: str) -> bool:
    from headwise import plugins
    from headwise.errors import MissingExtra

    try:
        plugins.find("runtimes", runtime)
    except MissingExtra:
        return False
    return True
