"""Export and import: the dialogs, their progress, what came of it, and the share button of the header."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_desktop.core.exchange import Imported
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.services.exports import Wanted
from qwen_desktop.ui.export_dialog import ExportDialog, saved
from qwen_desktop.ui.import_dialog import ChatsImportDialog
from tests.shots import seeds
from tests.shots.parts import show_chat
from tests.shots.settings_states import page
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_FILE = Path("/home/ada/conversations.json")
_SAVED = QT_TRANSLATE_NOOP("ExportDialog", "Saved as {name}.")
_REASON = QT_TRANSLATE_NOOP("imports", "Chat {number} of the file is damaged.")


async def _exporting(stage: Stage, count: int, name: str) -> ExportDialog:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    dialog = ExportDialog(stage.window.ui, stage.window, Wanted(), count, name)
    dialog.open()
    return dialog


@state("exchange-export")
async def export(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    stage.command("chat.export")


@state("exchange-export-many")
async def export_many(stage: Stage) -> None:
    dialog = await _exporting(stage, 1312, "Chats")
    dialog.format.setCurrentIndex(1)


@state("exchange-export-json")
async def export_json(stage: Stage) -> None:
    dialog = await _exporting(stage, 1312, "Chats")
    dialog.format.setCurrentIndex(4)


@state("exchange-export-progress")
async def export_progress(stage: Stage) -> None:
    dialog = await _exporting(stage, 1312, "Chats")
    dialog.form.setEnabled(False)
    dialog.go_button.setEnabled(False)
    dialog.state.show()
    dialog.meter.show()
    dialog._tell(418, 1312)
    dialog.adjustSize()


@state("exchange-exported")
async def exported(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    saved(stage.window.ui, Path("/home/ada/Merge files by heap.html"), str(_SAVED))


async def _importing(stage: Stage) -> Any:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    return ChatsImportDialog(stage.window.ui, stage.window, _FILE)


@state("exchange-import-offer")
async def import_offer(stage: Stage) -> None:
    (await _importing(stage)).offer()


@state("exchange-import-progress")
async def import_progress(stage: Stage) -> None:
    dialog = await _importing(stage)
    dialog.meter.show_share(0.4)
    dialog.open()


@state("exchange-import-result")
async def import_result(stage: Stage) -> None:
    dialog = await _importing(stage)
    dialog.show_result(Imported("ChatGPT", 1312, 18_403, ids=("a",)))
    dialog.open()


@state("exchange-import-skipped")
async def import_skipped(stage: Stage) -> None:
    dialog = await _importing(stage)
    reasons = tuple(Text("x", _REASON, {"number": number}) for number in (4, 88, 912))
    dialog.show_result(Imported("ChatGPT", 1309, 18_377, 12, 3, 3, reasons, ("a",)))
    dialog.open()


@state("exchange-settings")
async def settings(stage: Stage) -> None:
    await page(stage, "storage")
