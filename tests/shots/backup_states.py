"""Backups in the settings: one is being made, one waits for the next start, one is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_desktop.store import backup
from qwen_desktop.ui.settings.backups import BackupsCard
from tests.shots.settings_states import page
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage


async def _card(stage: Stage) -> Any:
    shown = await page(stage, "storage")
    return shown.sections["storage"].findChild(BackupsCard)


@state("settings-backing-up")
async def backing_up(stage: Stage) -> None:
    card = await _card(stage)
    card._doing = card.tr("Backing up")
    card._report(41, 100)
    card.progress.show()
    card.back_up.setEnabled(False)
    card.restore.setEnabled(False)
    await stage.still()


@state("settings-backup-made")
async def made(stage: Stage) -> None:
    card = await _card(stage)
    card.make(stage.services.paths.data / "Qwen Desktop 2026-03-10 14.05.backup.zip")
    await stage.rest()


@state("settings-restore-ask")
async def ask(stage: Stage) -> None:
    card = await _card(stage)
    card.ask(Path("/home/me/Qwen Desktop 2026-03-10 14.05.backup.zip"))
    await stage.dialog()


@state("settings-backup-waits")
async def waits(stage: Stage) -> None:
    card = await _card(stage)
    target = stage.services.paths.data / "one.backup.zip"
    await stage.services.backups.make(target)
    card.check(target)
    await stage.rest()


@state("settings-backup-refused")
async def refused(stage: Stage) -> None:
    card = await _card(stage)
    card._failed(backup.damaged("/home/me/Qwen Desktop 2026-03-10 14.05.backup.zip"))
    await stage.rest()
