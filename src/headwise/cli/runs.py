"""`headwise runs`: training runs in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folders: Annotated[list[Path], typer.Argument(help="Folders of runs of `headwise train`.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the table as JSON, one object a run.")
    ] = None,
) -> None:
    """Print a Markdown table of training runs: network, data, cost, scores."""
    from headwise.evaluation.outcome import as_json
    from headwise.evaluation.report import markdown_table, save_json
    from headwise.training.run_table import columns_and_cells, read_run_row

    rows = [read_run_row(folder) for folder in folders]
    print(markdown_table(*columns_and_cells(rows)))
    if json_file is not None:
        save_json(json_file, {"runs": as_json(rows)})
