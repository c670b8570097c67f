"""``history backup`` and ``history restore``."""

from __future__ import annotations

import time
from pathlib import Path

from qwen_desktop.cli.console import exact_size
from qwen_desktop.cli.history import agreed
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.paths import absolute
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill, shown
from qwen_desktop.services.backup import Report
from qwen_desktop.store.settings_file import SettingsFile


async def back_up(run: CommandRun, path: Path) -> int:
    """Make a backup and print where it is. Raises ``AppError``; nothing is left of it then."""
    settings = SettingsFile(run.paths.settings_file)
    async with run.build(run.paths, history=True, settings_file=settings) as services:
        made = await services.backups.make(absolute(path), _progress(run))
    done = QT_TRANSLATE_NOOP("backup", "{path}: %n chat(s), {size}.")
    run.console.line(
        fill(done, {"path": shown(str(made.path), 4000), "n": made.conversations, "size": exact_size(made.size)})
    )
    if made.missing:
        missing = QT_TRANSLATE_NOOP("backup", "%n attachment(s) (was|were) not there any more, or damaged on the disk.")
        run.console.warn(fill(missing, {"n": made.missing}))
    return 0


async def restore(run: CommandRun, path: Path, *, yes: bool) -> int:
    """Restore a backup, after a question unless ``yes``. Returns 1 where it was not. Raises ``AppError``; nothing has
    changed then."""
    console = run.console
    source = absolute(path)
    question = QT_TRANSLATE_NOOP(
        "backup", "Restore the chats of {path}? Those that are there now are kept as a backup."
    )
    if not yes and not agreed(fill(question, {"path": shown(str(source), 4000)}), console):
        return 1
    async with run.services() as services:  # its history is another one, in memory
        restored, kept = await services.backups.restore(source, _progress(run))
        await services.prompt_cache.restored()
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(restored.created))
    done = QT_TRANSLATE_NOOP("backup", "Restored: %n chat(s), as of {date}.")
    console.line(fill(done, {"n": restored.conversations, "date": made}))
    if kept is not None:
        before = QT_TRANSLATE_NOOP("backup", "What was there before is kept as {path}.")
        console.line(fill(before, {"path": shown(str(kept), 4000)}))
    return 0


def _progress(run: CommandRun) -> Report:
    def report(done: int, total: int) -> None:
        if total:
            run.console.progress(fill(QT_TRANSLATE_NOOP("backup", "{percent} %"), {"percent": 100 * done // total}))

    return report
