"""`headwise synthesize`: render heads of known pose into shards."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from headwise.errors import SettingsError


def command(
    mode: Annotated[
        str, typer.Argument(help="crops (one head each), scenes (0 to 8 heads) or backgrounds (none)")
    ],
    out: Annotated[Path, typer.Option(help="folder for the shards; an unfinished one is continued")],
    assets: Annotated[Path, typer.Option(help="folder of head art: assets/geom.npz, assets/tex, hdri")],
    pictures: Annotated[
        int, typer.Option(min=1, help="about how many pictures the folder shall hold")
    ] = 3000,
    size: Annotated[int, typer.Option(min=64, max=1024, help="side of crops in pixels")] = 192,
    seed: Annotated[int, typer.Option(min=0, help="first seed; the same seed gives the same picture")] = 0,
    processes: Annotated[int, typer.Option(min=0, help="processes; 0: one a core")] = 0,
) -> None:
    """Render heads of exactly known pose, for training: resumable shards of pictures and labels."""
    from headwise.synthesis.writer import Mode, ShardSettings, shard_count, synthesize

    if mode not in set(Mode):
        raise SettingsError(f"no mode {mode!r}: allowed are {', '.join(Mode)}")
    settings = ShardSettings(Mode(mode), size_px=size, first_seed=seed)
    shards = shard_count(settings, pictures)
    columns = (
        TextColumn("rendering {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(mode, total=pictures)
        started = time.perf_counter()
        made = synthesize(
            assets,
            out,
            settings,
            shards=shards,
            processes=processes or os.cpu_count() or 1,
            progress=lambda count: bar.advance(task, count),
        )
    rate = made / (time.perf_counter() - started)
    typer.echo(f"{made} new pictures in {out}, {rate:.1f} a second")
