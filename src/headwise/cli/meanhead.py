"""`headwise meanhead`: the mean 68 points of the people that the renderer draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headwise.cli._progress import count_bar
from headwise.errors import OutputError


def command(
    art: Annotated[Path, typer.Argument(help="folder of head art, with assets/geom.npz")],
    out: Annotated[Path, typer.Option(help="file to write: (68, 3) metres in the head frame, .npy")],
    people: Annotated[int, typer.Option(min=100, help="how many people to average")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="the same seed gives the same file")] = 0,
) -> None:
    """Measure the mean head, which defines the head frame and solves metric position."""
    import numpy as np

    from headwise.synthesis.assets import HeadAssets
    from headwise.synthesis.mean_head import mean_points68

    assets = HeadAssets(art)
    with count_bar("people", people) as bar:
        points = mean_points68(assets, people=people, seed=seed, progress=bar)
    try:
        with out.open("wb") as file:
            np.save(file, points.astype(np.float32))
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror}") from error
    eyes = np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0))
    typer.echo(f"{out}: mean head of {people} people, {1000 * eyes:.1f} mm between the eyes")
