"""``qwen-desktop history …`` as typer shows it. Each command's work is in a file of its own, imported when called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qwen_desktop.cli.exchange_app import add_exchange
from qwen_desktop.cli.one_run import Guard
from qwen_desktop.core.text import clean

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Chat = Annotated[
    str, typer.Argument(metavar="ID", help="6 characters of its id are enough; last is the one that changed last.")
]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def history_app(guarded: Guard) -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look through your chats, and keep them safe.")

    @app.command("list")
    def list_(as_json: _Json = False) -> None:
        """List the chats: pinned first, then the newest."""
        from qwen_desktop.cli.history import list_chats  # noqa: PLC0415 - only for this command

        guarded(list_chats, as_json=as_json)

    @app.command()
    def show(chat: _Chat, as_json: _Json = False) -> None:
        """Print a chat: the branch that the window shows."""
        from qwen_desktop.cli.history import show as work  # noqa: PLC0415

        guarded(lambda run: work(run, clean(chat)), as_json=as_json)

    @app.command()
    def delete(chat: _Chat, yes: _Yes = False) -> None:
        """Delete a chat. It goes for good when the window starts the next time."""
        from qwen_desktop.cli.history import delete as work  # noqa: PLC0415

        guarded(lambda run: work(run, clean(chat), yes=yes))

    @app.command()
    def search(
        query: Annotated[
            str,
            typer.Argument(
                metavar="QUERY",
                help='Words, "phrases", -without, and folder: tag: model: before: after: has:code has:file has:image.',
            ),
        ],
        limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Show so many hits at most.")] = 20,
        as_json: _Json = False,
    ) -> None:
        """Search titles and messages, in attached files too."""
        from qwen_desktop.cli.history import search as work  # noqa: PLC0415

        guarded(lambda run: work(run, clean(query), limit), as_json=as_json)

    @app.command()
    def backup(path: Annotated[Path, typer.Argument(metavar="PATH", help="The file to make, or a folder.")]) -> None:
        """Put all chats, with what is attached, into one file. The window may be open meanwhile."""
        from qwen_desktop.cli.history_backup import back_up  # noqa: PLC0415

        guarded(lambda run: back_up(run, path))

    @app.command()
    def restore(path: Annotated[Path, typer.Argument(metavar="PATH", help="A backup.")], yes: _Yes = False) -> None:
        """Restore the chats of a backup. Those that are there now are kept as a backup of their own."""
        from qwen_desktop.cli.history_backup import restore as work  # noqa: PLC0415

        guarded(lambda run: work(run, path, yes=yes))

    add_exchange(app, guarded)
    return app
