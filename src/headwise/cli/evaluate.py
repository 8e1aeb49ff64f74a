"""``headwise evaluate``: the shipped files, or any others, scored on labelled pictures."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwise.errors import SettingsError

if TYPE_CHECKING:
    from headwise.evaluation.outcome import Outcome, Progress


def command(
    protocol: Annotated[
        str, typer.Argument(help="What to measure: a file of evaluation/protocols, such as table or points5.")
    ],
    folder: Annotated[Path, typer.Argument(help="The benchmark's folder, as its protocol wants it.")],
    boxes: Annotated[
        str | None, typer.Option(help="table: 'given' boxes (default) or 'detected' ones.")
    ] = None,
    perturb: Annotated[
        bool, typer.Option("--perturb", help="table: also score moved and scaled boxes.")
    ] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option of the protocol. May repeat."),
    ] = None,
    model: Annotated[str, typer.Option(help="Pose model: a name in the package or an ONNX file.")] = "pose",
    detector: Annotated[str, typer.Option(help="Detector: a plug-in's name or an ONNX file.")] = "headwise",
    threads: Annotated[int, typer.Option(help="Cores for one network; 0 means all.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers as JSON.")
    ] = None,
    worst: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a contact sheet of the 32 worst items.")
    ] = None,
) -> None:
    """Score poses or the detector on labelled pictures and print a Markdown report."""
    from headwise import plugins
    from headwise.evaluation import product
    from headwise.evaluation.report import as_markdown, save_json

    chosen: dict[str, Any] = {**_options(changes or []), "boxes": boxes, "perturb": perturb or None}
    options = {name: value for name, value in chosen.items() if value is not None}
    loaded = plugins.load("evaluation.protocols", protocol, **options)
    with _progress_bar() as progress:
        outcome = product.run(
            loaded, folder, model=model, detector=detector, threads=threads, progress=progress
        )
    print(as_markdown(outcome.report))
    if json_file is not None:
        save_json(json_file, outcome.report)
    if worst is not None:
        _save_worst(worst, outcome)


def _options(changes: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE pairs; values are TOML, or text when they are not."""
    options: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f"--set needs key=value, got {change!r}; for example items=500")
        try:
            options[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            options[name.strip()] = text
    return options


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("scoring", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _save_worst(folder: Path, outcome: Outcome) -> None:
    from headwise.evaluation.contact_sheet import contact_sheet, save_png
    from headwise.pictures import read_picture

    name = f"{outcome.report['protocol']}-{outcome.report['list']}.png"
    save_png(folder / name, contact_sheet(outcome.worst, read_picture))
