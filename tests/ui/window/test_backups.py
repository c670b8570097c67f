"""Backups from the settings: made with a name and a size, restored at the next start, refused in a sentence."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from qwen_desktop.services.backup import Backups
from qwen_desktop.store.database import Database
from qwen_desktop.ui.settings.backups import BackupsCard
from qwen_desktop.ui.widgets.dialog import Dialog

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui


async def card_of(ui: Ui) -> Any:
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    page.show_section("storage")
    await ui.rest()
    return page.sections["storage"].findChild(BackupsCard)


def press(button: Any) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


async def test_a_backup_is_made_checked_and_waits_for_the_next_start(make: Make) -> None:
    ui = await make()
    await ui.say("What is water?")
    card = await card_of(ui)
    target = ui.app.paths.data / "mine.zip"
    press(card.back_up)
    dialog = ui.window.findChild(QFileDialog)
    assert dialog is not None and dialog.defaultSuffix() == "zip"
    ui.pick(dialog, target)
    await ui.rest()
    assert target.is_file() and not card.progress.isVisible() and card.back_up.isEnabled()
    assert any("1 chat backed up as" in text for text in ui.toasts())
    await ui.say("And later?")
    later = ui.app.chat and (await ui.app.history.list())[0]

    await card_of(ui)
    card.ask(target)
    asked = ui.window.findChild(Dialog)
    assert asked is not None
    QTest.keyClick(asked, Qt.Key.Key_Return)
    await ui.until(card.waiting.isVisible)
    assert await ui.app.backups.pending() and len(await ui.app.history.tail(later.id, 10)) == 4
    press(card.keep)
    await ui.rest()
    assert not card.waiting.isVisible() and not await ui.app.backups.pending()
    card.check(target)
    await ui.until(card.waiting.isVisible)
    await ui.app.db.aclose()  # the app ends

    async def next_start() -> None:
        db = Database(ui.app.paths.database_file)
        backups = Backups(db, ui.app.paths)
        assert await backups.finish_pending()
        assert not await backups.finish_pending()
        await db.open(fallback=False)
        messages = await db.read(lambda c: c.execute("SELECT count(*) FROM messages").fetchone()[0])
        assert messages == 2
        await db.aclose()

    await next_start()
    await ui.app.db.open()  # as the test's end expects it


async def test_what_is_no_backup_is_told_where_it_was_asked(make: Make) -> None:
    ui = await make()
    card = await card_of(ui)
    wrong = ui.app.paths.data / "wrong.zip"
    wrong.write_bytes(b"PK but no zip at all")
    card.check(wrong)
    await ui.until(card.problem.isVisible)
    assert "is damaged" in card.problem.text() and not card.waiting.isVisible()
    card.make(ui.app.paths.data / "no" / "folder.zip")
    await ui.until(lambda: "damaged" not in card.problem.text() and card.problem.isVisible())
    assert card.restore.isEnabled()


async def test_a_backup_is_cancelled_and_leaves_nothing(make: Make) -> None:
    ui = await make()
    await ui.say("What is water?")
    card = await card_of(ui)
    target = ui.app.paths.data / "mine.zip"
    card.make(target)
    card._stop()
    await ui.rest()
    await asyncio.sleep(0)
    assert not target.exists() and not card.progress.isVisible() and not card.problem.isVisible()
