"""`headwise train`: train a network from a TOML file and a folder of shards."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from headwise.cli import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from headwise.training.loop import Report, Run

LOG_WIDTH = 400  # of lines that go to a file


def command(
    config: Annotated[Path, typer.Argument(help="The run's settings, such as configs/pose.toml.")],
    data: Annotated[Path, typer.Option(help="Folder of shards from `headwise synthesize`.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, log.csv and pictures.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting: --set optim.lr=3e-4. May repeat.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Continue from the checkpoint in --out.")] = False,
    devices: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine, one a device: the setting devices.")
    ] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="Machines: the setting nodes.")] = None,
) -> None:
    """Train a network. Ctrl-C ends it after the step with a checkpoint (exit code 130); --resume goes on."""
    from headwise import plugins
    from headwise.errors import OutputError
    from headwise.training.loop import CHECKPOINT, Run
    from headwise.training.settings import read_settings

    console = Console(stderr=True, width=None if sys.stderr.isatty() else LOG_WIDTH)
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False, console=console)]
    )
    given = {"devices": devices, "nodes": nodes}
    counts = [f"{name}={count}" for name, count in given.items() if count is not None]
    settings = read_settings(config, (*(changes or ()), *counts))
    if (out / CHECKPOINT).exists() and not resume:
        raise OutputError(f"{out} already holds a run; continue it with --resume or name another folder")
    out.mkdir(parents=True, exist_ok=True)
    task = plugins.find("training.tasks", settings.task["name"])(settings.task_options)
    run = Run(settings, task, data, out)
    if resume:
        run.resume()
    with stopped_by_signals(run) as signals:
        if run.leads:
            train_and_show(run, console)
        else:
            logging.getLogger().setLevel(logging.WARNING)
            run.train()
    if signals and run.leads:  # the others end well, or the first would be ended with them
        console.print(f"stopped; `--resume` continues from {out / CHECKPOINT}")
        raise typer.Exit(EXIT_INTERRUPTED)


def train_and_show(run: Run, console: Console) -> None:
    """Train under a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        shown = bar.add_task("starting", total=1.0)

        def tell(report: Report) -> None:
            losses = " ".join(f"{name} {value:.3f}" for name, value in report.losses.items())
            text = f"{report.samples:,} samples {report.samples_per_s:.0f}/s {report.size_px} px  {losses}"
            bar.update(shown, completed=report.progress, description=text)

        run.train(tell)


@contextmanager
def stopped_by_signals(run: Run) -> Iterator[list[int]]:
    """Ctrl-C or kill ends the run after its step, a second one at once; gives the signals that came."""
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        if came:
            raise KeyboardInterrupt
        came.append(number)
        run.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
