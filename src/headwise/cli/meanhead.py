"""`headwise meanhead`: the mean 68 points of rendered people, with which metric position is solved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headwise.errors import OutputError


def command(
    shards: Annotated[Path, typer.Argument(help="folder of crop shards, from `headwise synthesize crops`")],
    out: Annotated[Path, typer.Option(help="file to write: (68, 3) metres in the head frame, .npy")],
) -> None:
    """Measure the mean head of a folder of shards."""
    import numpy as np

    from headwise.synthesis.mean_head import mean_points68

    points = mean_points68(shards)
    try:
        with out.open("wb") as file:
            np.save(file, points.astype(np.float32))
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror}") from error
    eyes = np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0))
    typer.echo(f"{out}: mean head, {1000 * eyes:.1f} mm between the eyes")
