"""`headwise train`: train a network from a TOML file and a folder of shards."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

LOG_WIDTH = 400  # of lines that go to a file


def command(
    config: Annotated[Path, typer.Argument(help="The run's settings, such as configs/pose.toml.")],
    data: Annotated[Path, typer.Option(help="Folder of shards from `headwise synthesize`.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, log.csv and worst.png.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting: --set optim.lr=3e-4. May repeat.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Continue from the checkpoint in --out.")] = False,
) -> None:
    """Train a network. Ctrl-C finishes the step, leaves a checkpoint, and --resume continues from it."""
    from headwise import plugins
    from headwise.errors import OutputError
    from headwise.training.loop import CHECKPOINT, Report, Run
    from headwise.training.settings import read_settings

    console = Console(stderr=True, width=None if sys.stderr.isatty() else LOG_WIDTH)
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False, console=console)]
    )
    settings = read_settings(config, tuple(changes or ()))
    if (out / CHECKPOINT).exists() and not resume:
        raise OutputError(f"{out} already holds a run; continue it with --resume or name another folder")
    out.mkdir(parents=True, exist_ok=True)
    task = plugins.find("training.tasks", settings.task["name"])(
        {key: value for key, value in settings.task.items() if key != "name"}
    )
    run = Run(settings, task, data, out)
    if resume:
        run.resume()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        run.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        shown = bar.add_task("starting", total=1.0)

        def tell(report: Report) -> None:
            losses = " ".join(f"{name} {value:.3f}" for name, value in report.losses.items())
            text = f"{report.samples:,} samples {report.samples_per_s:.0f}/s {report.size_px} px  {losses}"
            bar.update(shown, completed=report.progress, description=text)

        run.train(tell)
