"""The command line: one file per command, each with a function ``command``. A coat of paint, no logic.

A command's file is imported when it is called, so that one command's imports cost the others nothing.
Exit codes: 0 something was done, 2 nothing could be done (one line on standard error says why), 130 Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import typer
from typer.core import TyperGroup

from headwise.cli._stderr import complain
from headwise.errors import HeadwiseError
from headwise.plugins import missing_extra

EXIT_NOTHING_DONE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, what shells expect


class _Commands(TyperGroup):
    """The files of this folder."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class calls it so
        return sorted(m.name.replace("_", "-") for m in iter_modules(__path__) if not m.name.startswith("_"))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.list_commands(ctx):
            return None
        app = typer.Typer(add_completion=False)
        app.command(name=cmd_name)(import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command)
        return typer.main.get_command(app)


app = typer.Typer(cls=_Commands, add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def _headwise(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version.")
) -> None:
    """Yaw, pitch and roll of every head in a picture or a video."""
    if version:
        import headwise

        print(headwise.__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """The program ``headwise``."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # kill ends as Ctrl-C does: with valid files
    try:
        app(standalone_mode=True)
    except HeadwiseError as error:
        complain(error)
        sys.exit(EXIT_NOTHING_DONE)
    except ModuleNotFoundError as missing:
        told = missing_extra("this command", missing)
        if told is None:
            raise
        complain(told)
        sys.exit(EXIT_NOTHING_DONE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
