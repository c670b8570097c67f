"""``qwen-desktop assistants …`` as typer shows it. The work is in ``assistants``, imported when called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qwen_desktop.cli.one_run import Guard

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def assistants_app(guarded: Guard) -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at assistants, and move them as files.")

    @app.command("list")
    def listed(as_json: _Json = False) -> None:
        """List the assistants with their fields."""
        from qwen_desktop.cli.assistants import list_assistants  # noqa: PLC0415 - only for this command

        guarded(list_assistants, as_json=as_json)

    @app.command("import")
    def imported(
        file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that was exported.")], as_json: _Json = False
    ) -> None:
        """Add the assistants of a file; those whose names are taken get a number."""
        from qwen_desktop.cli.assistants import import_assistants  # noqa: PLC0415

        guarded(lambda run: import_assistants(run, file), as_json=as_json)

    @app.command()
    def export(
        names: Annotated[list[str], typer.Argument(metavar="NAME...", help="As in the list.")],
        out: Annotated[Path, typer.Option(metavar="FILE", help="Where they go; a file that is there is replaced.")],
    ) -> None:
        """Write assistants as one file."""
        from qwen_desktop.cli.assistants import export_assistants  # noqa: PLC0415

        guarded(lambda run: export_assistants(run, names, out))

    return app
