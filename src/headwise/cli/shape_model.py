"""`headwise shape-model`: build the statistical 3D head, show what is in one, check it on unseen people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwise.cli._progress import count_bar
from headwise.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headwise.fitting.shape_model import ShapeModel

SHOWN = 10  # modes


def command(
    action: Annotated[str, typer.Argument(help="build ART, check ART, or show.")],
    art: Annotated[
        Path | None, typer.Argument(help="build, check: folder of head art, with assets/geom.npz.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="build: the .npz to write.")] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="check, show: a model file; the package's otherwise.")
    ] = None,
    people: Annotated[int, typer.Option(min=100, help="build: how many people to learn from.")] = 2500,
    heads: Annotated[int, typer.Option(min=2, help="check: how many unseen people.")] = 200,
    network: Annotated[
        str | None, typer.Option(help="check: also on rendered pictures, with this pose model (say: pose).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="build: the same seed gives the same file.")] = 0,
) -> None:
    """The statistical 3D head that `headwise fit` uses: build it from head art, check it, show it."""
    if action == "show":
        from headwise.fitting.shape_model import load_shape_model

        typer.echo("\n".join(_facts(load_shape_model(model))))
    elif action not in ("build", "check"):
        raise SettingsError(f"headwise shape-model knows no {action!r}; there are: build, check, show")
    elif art is None:
        raise SettingsError(f"headwise shape-model {action} needs the folder of the head art")
    elif action == "build":
        if out is None:
            raise SettingsError("headwise shape-model build needs --out, the file to write")
        _build(art, out, people, seed)
    else:
        _check(art, model, heads, network)


def _build(art: Path, out: Path, people: int, seed: int) -> None:
    from headwise.deployment import release
    from headwise.fitting.shape_model import save_shape_model
    from headwise.synthesis.assets import HeadAssets
    from headwise.synthesis.shape_model import build_shape_model

    assets = HeadAssets(art)
    with count_bar("people", people) as bar:
        model = build_shape_model(assets, people=people, seed=seed, progress=bar)
    save_shape_model(model, out)
    if release.is_release(out):
        release.note(out)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.2f} MB from {people} people")


def _check(art: Path, file: Path | None, heads: int, network: str | None) -> None:
    from headwise.fitting.shape_model import load_shape_model
    from headwise.synthesis.assets import HeadAssets
    from headwise.synthesis.shape_check import Unseen

    unseen = Unseen(HeadAssets(art), load_shape_model(file))
    ways: dict[str, Iterator[Any]] = {
        "the mean head": unseen.mean_heads(heads),
        "the model's nearest head": unseen.nearest_heads(heads),
        "fit to true points with 1 % noise": unseen.fits_to_noisy_points(heads),
    }
    if network is not None:
        from headwise.estimator import Estimator

        ways["fit to rendered pictures"] = unseen.fits_to_pictures(heads, Estimator(network))
    typer.echo("| mm, medians | heads | missed | 68 points | face | face, size free | worst face | head |")
    typer.echo("|---|---|---|---|---|---|---|---|")
    for name, said in ways.items():
        with count_bar(name, heads) as bar:
            e = unseen.errors(_counted(said, bar))
        lengths = (e.points_mm, e.face_mm, e.face_sized_mm, e.face_worst_mm, e.head_mm)
        cells = " | ".join(f"{length:.2f}" for length in lengths)
        typer.echo(f"| {name} | {e.heads} | {e.missed} | {cells} |")


def _counted(items: Iterator[Any], done: Callable[[int], None]) -> Iterator[Any]:
    for item in items:
        yield item
        done(1)


def _facts(model: ShapeModel) -> list[str]:
    """What is in a model, in lines."""
    import numpy as np

    def rms_mm(modes: NDArray[Any]) -> list[str]:
        return [f"{1000 * float((mode**2).sum(1).mean()) ** 0.5:.1f}" for mode in modes[:SHOWN]]

    span = 1000 * np.ptp(model.vertices_m, axis=0)
    eyes = 1000 * float(np.linalg.norm(model.points_m[36:42].mean(0) - model.points_m[42:48].mean(0)))
    return [
        f"surface: {len(model.vertices_m)} vertices, {len(model.triangles)} triangles",
        f"mean head: {span[0]:.0f} x {span[1]:.0f} x {span[2]:.0f} mm, {eyes:.1f} mm between the eyes",
        f"identity: {model.identity_count} modes; the 68 points move by (mm, one standard deviation, rms) "
        + " ".join(rms_mm(model.identity_points)),
        f"expression: {model.expression_count} modes; " + " ".join(rms_mm(model.expression_points)),
    ]
