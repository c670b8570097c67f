"""``history export`` and ``history import`` as typer shows them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from qwen_desktop.cli.one_run import Guard
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, clean

#: Written to standard output.
STDOUT = "-"


class Format(StrEnum):
    """Of an export."""

    JSON = "json"
    MD = "md"
    HTML = "html"
    PDF = "pdf"
    TXT = "txt"


class Program(StrEnum):
    """Whose conversations are found where it keeps them."""

    LM_STUDIO = "lm-studio"
    JAN = "jan"

    @property
    def called(self) -> str:
        """Its name."""
        return {Program.LM_STUDIO: "LM Studio", Program.JAN: "Jan"}[self]


def add_exchange(app: typer.Typer, guarded: Guard) -> None:
    """Add the two commands."""

    @app.command()
    def export(  # noqa: PLR0917 - typer reads options from parameters
        out: Annotated[
            str,
            typer.Option(
                metavar="PATH",
                help="The file to write; of several chats (but for json) a new folder, or an archive that ends with "
                ".zip. - is standard output, for md, html, txt and json.",
            ),
        ],
        chat: Annotated[
            str | None,
            typer.Argument(
                metavar="[ID]", help="6 characters of its id are enough; last is the one that changed last."
            ),
        ] = None,
        folder: Annotated[
            str | None, typer.Option(metavar="NAME", help="All chats of a folder and the folders in it.")
        ] = None,
        everything: Annotated[bool, typer.Option("--all", help="All chats.")] = False,
        form: Annotated[
            Format, typer.Option("--format", help="json holds everything, with all branches, and can be imported.")
        ] = Format.JSON,
        thoughts: Annotated[bool, typer.Option("--thoughts", help="With thoughts; json always has them.")] = False,
        attachments: Annotated[
            bool, typer.Option("--attachments/--no-attachments", help="With what is attached, or only its names.")
        ] = True,
    ) -> None:
        """Write chats to files. What stands at PATH is replaced only once all is written."""
        if (chat is not None) + (folder is not None) + everything != 1:
            raise typer.BadParameter(QT_TRANSLATE_NOOP("cli", "Name a chat, or a --folder, or --all."))
        if out == STDOUT and form is Format.PDF:
            raise typer.BadParameter(QT_TRANSLATE_NOOP("cli", "A PDF is no text: name a file with --out."))
        from qwen_desktop.cli.history_export import Asked  # noqa: PLC0415 - only for this command
        from qwen_desktop.cli.history_export import export as work  # noqa: PLC0415

        asked = Asked(
            out,
            None if chat is None else clean(chat),
            None if folder is None else clean(folder),
            str(form),
            thoughts=thoughts,
            attachments=attachments,
        )
        guarded(lambda run: work(run, asked))

    @app.command("import")
    def import_(
        file: Annotated[
            Path | None,
            typer.Argument(metavar="[FILE]", help="A JSON export of this app, or of another one; or a folder of such."),
        ] = None,
        program: Annotated[
            Program | None, typer.Option("--from", help="What that program keeps on this computer, instead of FILE.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ) -> None:
        """Bring chats in from a file: all of them, or, where that fails, none. Those that are there already are left
        as they are."""
        if (file is None) == (program is None):
            raise typer.BadParameter(QT_TRANSLATE_NOOP("cli", "Name a file, or a program with --from."))
        from qwen_desktop.cli.history_import import import_chats as work  # noqa: PLC0415 - only for this command

        guarded(lambda run: work(run, file, "" if program is None else program.called), as_json=as_json)
