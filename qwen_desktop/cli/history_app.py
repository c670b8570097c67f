"""``qwen-desktop history …`` as typer shows it. Each command's work is in a file of its own, imported when called."""

from __future__ import annotations

import typer

from qwen_desktop.cli.exchange_app import add_exchange
from qwen_desktop.cli.one_run import Guard


def history_app(guarded: Guard) -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look through your chats, and keep them safe.")
    add_exchange(app, guarded)
    return app
