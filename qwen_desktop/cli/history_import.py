"""``qwen-desktop history import``.

The JSON object of ``--json``: ``form`` (whose file it is), ``conversations`` and ``messages`` that came in, ``already``
(conversations that were there), ``copies`` (of those that came in, beside one that differs), ``skipped`` and
``reasons`` (sentences), ``ids`` (of the new conversations).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.exchange import Imported
from qwen_desktop.core.paths import absolute
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill
from qwen_desktop.store.settings_file import SettingsFile

# fmt: off
_nowhere = Failure(
    UserFacing, "import.nowhere", "program",
    QT_TRANSLATE_NOOP("imports", "{program} keeps no chats on this computer, or not where it usually does."),
    QT_TRANSLATE_NOOP("imports", "Name the folder of its chats instead."),
)
# fmt: on


async def import_chats(run: CommandRun, file: Path | None, program: str) -> int:
    """Import ``file``, or what ``program`` keeps here, and say what came of it. Raises ``AppError``; nothing has come
    in then."""
    settings = SettingsFile(run.paths.settings_file)
    async with run.build(run.paths, history=True, settings_file=settings) as services:

        def progress(done: int, total: int) -> None:
            share = 100 * done // max(1, total)
            run.console.progress(fill(QT_TRANSLATE_NOOP("imports", "{percent} %"), {"percent": share}))

        if file is None:
            places = {place.program: Path(place.path) for place in await services.imports.places()}
            if program not in places:
                raise _nowhere(program)
            file = places[program]
        found = await services.imports.run(absolute(file), progress=progress)
    if run.as_json:
        told = msgspec.to_builtins(found)
        run.console.object({**told, "reasons": [str(reason) for reason in found.reasons]})
        return 0
    for line in sentences(found):
        run.console.line(line)
    for reason in found.reasons:
        run.console.warn(str(reason))
    return 0


def sentences(found: Imported) -> list[str]:
    """What came of it, in English."""
    came = QT_TRANSLATE_NOOP("imports", "%n chat(s) came in from {form}")
    with_messages = QT_TRANSLATE_NOOP("imports", "%n message(s)")
    lines = [
        f"{fill(came, {'n': found.conversations, 'form': found.form})} ({fill(with_messages, {'n': found.messages})})."
    ]
    for count, source in (
        (found.already, QT_TRANSLATE_NOOP("imports", "%n chat(s) (was|were) there already.")),
        (found.copies, QT_TRANSLATE_NOOP("imports", "%n chat(s) came in as a copy, since the one here differs.")),
        (found.skipped, QT_TRANSLATE_NOOP("imports", "%n item(s) could not be read.")),
    ):
        if count:
            lines.append(fill(source, {"n": count}))
    return lines
