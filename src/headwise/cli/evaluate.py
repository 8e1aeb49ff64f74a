"""``headwise evaluate``: the shipped files, or any others, scored on labelled pictures."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
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
    model: Annotated[
        list[str] | None,
        typer.Option(help="Pose model: a name in the package or an ONNX file. May repeat: side by side."),
    ] = None,
    detector: Annotated[str, typer.Option(help="Detector: a plug-in's name or an ONNX file.")] = "headwise",
    threads: Annotated[int, typer.Option(help="Cores for one network; 0 means all.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers as JSON.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with tables, plots, worst pictures.")
    ] = None,
    worst: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a contact sheet of the 32 worst items.")
    ] = None,
) -> None:
    """Score poses or the detector on labelled pictures and print a Markdown report."""
    from headwise import plugins
    from headwise.evaluation import product
    from headwise.evaluation.comparison import comparison, names_of
    from headwise.evaluation.report import as_markdown, compared_as_markdown, save_json

    named: dict[str, Any] = {"boxes": boxes, "perturb": perturb or None}
    options = _options(changes or []) | {name: value for name, value in named.items() if value is not None}
    loaded = plugins.load("evaluation.protocols", protocol, **options)
    models = model or ["pose"]
    if len(models) > 1 and not loaded.needs_poses:
        raise SettingsError(f"{protocol} runs no pose model; several --model have nothing to compare there")
    pages = plugins.import_optional("headwise.evaluation.html_report") if html is not None else None
    outcomes: dict[str, Outcome] = {}
    for name, file in zip(names_of(models), models, strict=True):
        with _progress_bar(name) as progress:
            outcomes[name] = product.run(
                loaded, folder, model=file, detector=detector, threads=threads, progress=progress
            )
    if len(models) == 1:
        report = outcomes[names_of(models)[0]].report
        print(as_markdown(report))
    else:
        report = comparison(outcomes)
        print(compared_as_markdown(report))
    if json_file is not None:
        save_json(json_file, report)
    if html is not None and pages is not None:
        _save_page(html, outcomes, pages)
    if worst is not None:
        _save_worst(worst, outcomes)


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
def _progress_bar(name: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"scoring {name}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _save_page(path: Path, outcomes: dict[str, Outcome], pages: ModuleType) -> None:
    from headwise.evaluation.report import save
    from headwise.pictures import read_picture

    save(path, pages.html_report(outcomes, read_picture).encode())


def _save_worst(folder: Path, outcomes: dict[str, Outcome]) -> None:
    """One sheet for each model; with one model its name is left out of the file's."""
    from headwise.evaluation.contact_sheet import contact_sheet, save_png
    from headwise.pictures import read_picture

    for name, outcome in outcomes.items():
        stem = f"{outcome.report['protocol']}-{outcome.report['list']}"
        whose = f"-{Path(name).stem}" if len(outcomes) > 1 else ""
        save_png(folder / f"{stem}{whose}.png", contact_sheet(outcome.worst, read_picture))
