"""`headwise data`: which data sets are read, and whether a copy of one is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwise.errors import OutputError, SettingsError

if TYPE_CHECKING:
    from headwise.annotations.sets import DataCheck, Progress

EXIT_INCOMPLETE, EXIT_UNUSABLE = 1, 2
SHOWN = 20  # lines of one kind; --broken writes them all


def command(
    action: Annotated[str, typer.Argument(help="list, or check NAME PATH.")],
    name: Annotated[str | None, typer.Argument(help="check: the data set, see `headwise data list`.")] = None,
    path: Annotated[
        Path | None, typer.Argument(help="check: its folder, zip or tar, as it was downloaded.")
    ] = None,
    broken: Annotated[
        Path | None, typer.Option(metavar="FILE", help="check: write the names of broken items, one a line.")
    ] = None,
) -> None:
    """Say which data sets are read, or check a copy: exit code 0 complete, 1 incomplete, 2 unusable."""
    if action == "list":
        _list()
    elif action == "check":
        if name is None or path is None:
            raise SettingsError("headwise data check needs the name of a data set and the path of its copy")
        _check(name, path, broken)
    else:
        raise SettingsError(f"headwise data knows no {action!r}; there are: list, check")


def _list() -> None:
    from headwise.annotations import catalogue

    for name in catalogue.NAMES:
        facts = catalogue.facts(name)
        items = "" if facts.items is None else f", {facts.items} items"
        print(f"{name}: {facts.title}{items}")
        for label in ("download", "licence", "address", "citation"):
            if getattr(facts, label) != "-":
                print(f"    {label:<9} {getattr(facts, label)}")


def _check(name: str, path: Path, broken: Path | None) -> None:
    from headwise.annotations import catalogue

    with _progress_bar() as progress:
        checked = catalogue.check(name, path, progress)
    print("\n".join(_lines(checked)))
    if broken is not None:
        _write(broken, checked)
    if not checked.complete:
        raise typer.Exit(EXIT_INCOMPLETE if checked.usable else EXIT_UNUSABLE)


def _lines(checked: DataCheck) -> Iterator[str]:
    facts = checked.facts
    for part in checked.parts:
        expected = "" if part.expected is None else f" of {part.expected}"
        yield f"{part.name}: {part.found}{expected}"
    yield f"items: {checked.found}" + ("" if facts.items is None else f" of {facts.items}")
    if checked.as_published is not None:
        yield f"archive: {'as' if checked.as_published else 'not as'} published (sha256 {facts.sha256})"
    yield from _listed("broken", checked.broken)
    yield from _listed("missing", checked.lacking)
    if checked.complete:
        yield f"{facts.title} is complete"
    else:
        state = "incomplete" if checked.usable else "unusable"
        source = "" if facts.address == "-" else f"; to be had at {facts.address} ({facts.download})"
        yield f"{facts.title} is {state}{source}"


def _listed(kind: str, names: tuple[str, ...]) -> Iterator[str]:
    yield from (f"{kind}: {name}" for name in names[:SHOWN])
    if len(names) > SHOWN:
        yield f"{kind}: ... and {len(names) - SHOWN} more"


def _write(path: Path, checked: DataCheck) -> None:
    try:
        path.write_text("".join(f"{name}\n" for name in checked.broken_names), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checking", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
