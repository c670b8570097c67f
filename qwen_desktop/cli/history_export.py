"""``qwen-desktop history export``."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from msgspec import Struct

from qwen_desktop.cli.continued import find
from qwen_desktop.cli.exchange_app import STDOUT
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.exchange import FORMATS
from qwen_desktop.core.paths import absolute
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill, shown
from qwen_desktop.services.exports import Wanted, several
from qwen_desktop.store.settings_file import SettingsFile


class Asked(Struct, frozen=True):
    """What stood on the command line; without ``chat`` and ``folder`` all chats."""

    out: str
    chat: str | None
    folder: str | None
    format: str
    thoughts: bool
    attachments: bool


async def export(run: CommandRun, asked: Asked) -> int:
    """Write the files and say so. Raises ``AppError``; nothing is left of them then."""
    settings = SettingsFile(run.paths.settings_file)
    async with run.build(run.paths, history=True, settings_file=settings) as services:
        ids = None if asked.chat is None else ((await find(services.history, asked.chat)).id,)
        folder = None if asked.folder is None else await services.exports.folder(asked.folder)
        wanted = Wanted(ids, folder, asked.format, thoughts=asked.thoughts, attachments=asked.attachments)

        def progress(done: int, total: int) -> None:
            template = QT_TRANSLATE_NOOP("exports", "{done} of {total} chats")
            run.console.progress(fill(template, {"done": done, "total": total}))

        if asked.out == STDOUT:
            if asked.format != "json" and await services.exports.count(wanted) > 1:
                raise several()
            with tempfile.TemporaryDirectory() as work:
                place = Path(work) / f"out{FORMATS[asked.format]}"
                # Names of files beside it would lead nowhere.
                whole = Wanted(
                    ids,
                    folder,
                    asked.format,
                    thoughts=asked.thoughts,
                    attachments=asked.attachments and asked.format in ("json", "html"),
                )
                await services.exports.export(whole, place, progress=progress)
                await asyncio.to_thread(_print, place)
            return 0
        place = absolute(asked.out)
        made = await services.exports.export(wanted, place, progress=progress)
    done = QT_TRANSLATE_NOOP("exports", "{path}: %n chat(s).")
    run.console.line(fill(done, {"path": shown(str(place), 4000), "n": made.conversations}))
    if made.lost:
        lost = QT_TRANSLATE_NOOP("exports", "%n attachment(s) (is|are) not there any more.")
        run.console.warn(fill(lost, {"n": made.lost}))
    return 0


def _print(place: Path) -> None:
    sys.stdout.flush()
    with place.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
    sys.stdout.buffer.flush()
