"""Walks through the window at random: nothing fails, nothing that was typed is lost, and what is chosen is there."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog

from qwen_desktop.core.chat import is_temporary
from qwen_desktop.core.commands import COMMANDS
from qwen_desktop.core.drafts import Draft
from qwen_desktop.ui.palette.palette import Palette
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

#: What leads out of the window, or changes all that is seen again and again.
_LEFT_OUT = {"app.quit", "view.fullscreen", "view.larger", "view.smaller", "view.normal", "help.slow"}
_KEYS = (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Tab, Qt.Key.Key_Right)


class Walk:
    """One walk; ``done`` says how it came to where it is."""

    def __init__(self, ui: Ui, seed: int) -> None:
        self.ui = ui
        self.random = random.Random(seed)
        self.done: list[str] = []
        self.typed: list[str] = []

    async def step(self) -> None:
        """Do something that a user may do now."""
        does = self.random.choice(
            (self.command, self.command, self.command, self.command, self.type, self.send, self.key, self.palette,
             self.undo, self.dialog, self.select, self.folder)
        )  # fmt: skip
        self.done.append(does.__name__)
        await does()
        if self.random.random() < 0.4:
            await asyncio.sleep(self.random.random() * 0.02)

    async def command(self) -> None:
        actions = self.ui.window.actions_
        able = [c.id for c in COMMANDS if c.id not in _LEFT_OUT and actions[c.id].isEnabled()]
        able = [name for name in able if actions[name].isVisible() and self.ui.window.can(name)]
        name = self.random.choice(able)
        self.done[-1] = name
        actions.trigger(name)

    async def type(self) -> None:
        if not is_temporary(self.ui.chat.current) and self.ui.chat.pane.composer.edit.isVisible():
            word = f"word{len(self.typed)}x"
            self.typed.append(word)
            composer = self.ui.chat.pane.composer
            composer.take(Draft(f"{composer.draft.text} {word}".strip(), composer.draft.attachments))

    async def send(self) -> None:
        if self.ui.chat.pane.composer.edit.isVisible():
            self.ui.press(Qt.Key.Key_Return)

    async def key(self) -> None:
        widget = QApplication.focusWidget()
        if widget is not None and widget is not self.ui.chat.pane.composer.edit:
            key = self.random.choice(_KEYS)
            self.done[-1] = key.name
            QTest.keyClick(widget, key)

    async def palette(self) -> None:
        palette = self.ui.window.findChild(Palette)
        if palette is None or not palette.isVisible():
            self.ui.window.actions_.trigger(self.random.choice(("chat.find", "palette.actions")))
        elif palette.field.actions_only:
            palette.leave()
        else:
            QTest.keyClicks(palette.field.edit, self.random.choice(("chat", "word", "new", "tag:")))
            await asyncio.sleep(0.02)
            QTest.keyClick(palette.field.edit, Qt.Key.Key_Down)
            if palette.place >= 0 and palette.model.rows[palette.place].kind in ("chat", "hit"):
                palette.choose()

    async def undo(self) -> None:
        self.ui.window._undo()

    async def dialog(self) -> None:
        self.close()

    async def select(self) -> None:
        view = self.ui.chat.sidelist.view
        if view.isVisible():
            view.setFocus()
            self.random.choice(
                (view.selectAll, lambda: QTest.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier))
            )()

    async def folder(self) -> None:
        model = self.ui.chat.sidelist.model
        for folder in self.random.sample(sorted(model.folders.all), min(1, len(model.folders.all))):
            index = model.folder_index(folder)
            if index.isValid() and self.ui.chat.sidelist.view.isVisible():
                self.ui.chat.sidelist.view.setFocus()
                self.ui.chat.sidelist.view.setCurrentIndex(index)
                self.ui.chat.sidelist._touched()

    def close(self) -> None:
        """Close what lies over the window."""
        while (popup := QApplication.activePopupWidget()) is not None:
            popup.close()
        for dialog in self.ui.window.findChildren(QDialog):
            if dialog.isVisible():
                dialog.reject()

    async def check(self) -> None:
        """What must be true wherever the walk has come to."""
        ui, side = self.ui, self.ui.chat.sidelist
        assert all(side.model.conversation(chat) is not None for chat in side.view.picked.chats)
        assert set(side.view.picked.folders) <= set(side.model.folders.all)
        assert side.target == "" or side.model.conversation(side.target) is not None
        current = ui.chat.current
        assert current == "" or await ui.app.history.get(current) is not None, "a chat that is gone is on show"
        assert ui.chat.pane.composer.draft == ui.app.drafts.of(current)
        kept = " ".join(unsent.draft.text + str(unsent.queue) for unsent in ui.app.drafts._unsent.values())
        said = await ui.app.db.read(
            lambda connection: " ".join(row[0] for row in connection.execute("SELECT parts FROM messages"))
        )
        assert [word for word in self.typed if word not in kept + said] == []


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_walk(make: Make, caplog: pytest.LogCaptureFixture, seed: int) -> None:
    caplog.set_level(logging.WARNING)
    make.script = Script(text="word " * 30, thinking="Hm.", rate=1500)
    ui = await make()
    for number in range(5):
        await ui.app.ask(f"chat {number}")
    work, _ = await ui.app.arranging.create_folder("Work")
    chats = [chat.id for chat in await ui.app.history.list()]
    await ui.app.arranging.move(chats[:2], work.id)
    await ui.app.arranging.tag(chats[1:3], add=("one",))
    await ui.rest()
    walk = Walk(ui, seed)
    try:
        for number in range(60):
            await walk.step()
            bad = [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
            assert not bad, bad
            if number % 20 == 19:
                walk.close()
                await ui.app.stop_all()
                await ui.rest()
                await walk.check()
    except BaseException:
        print(" > ".join(walk.done))
        raise
