"""Branches with the guide itself: edited, answered again, made again exactly, and taken back, in the real window."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from qwen_desktop.core.chat import Status
from tests.window_driver import Driver, drive, text_of


def test_an_answer_of_the_guide_is_edited_made_again_and_taken_back(qtbot: QtBot) -> None:
    async def story(app: Driver) -> None:
        await app.services.preferences.set("sampling.max_tokens", 40)
        first = await app.ask("How do I start a new chat?")
        pane: Any = app.window.chat.pane
        view, commands = pane.transcript, pane.messages

        async def rest() -> None:
            await app.services.chat.idle()
            await app.window.operations.settle(10)

        commands.again_chosen()
        await app.until(lambda: view.items[-1].message.id != first.id)
        await rest()
        again = await app.last_answer()
        assert again.provenance is not None and again.provenance.again is not None
        assert text_of(again) == text_of(first) and again.provenance.again.equal is True
        assert "The same answer, letter for letter." in app.spoken()

        question = view.items[0].message.id
        QTest.keyClick(pane.composer.edit, Qt.Key.Key_Up)
        edit = app.window.focusWidget()
        assert edit is not pane.composer.edit
        QTest.keyClicks(edit, " And where is it kept?")
        QTest.keyClick(edit, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
        await app.until(lambda: view.items[0].message.id != question and len(view.items) == 2)
        await rest()
        edited = await app.last_answer()
        assert edited.status is Status.DONE and text_of(edited).strip()
        pane.versions.toggle()
        await app.until(lambda: len(pane.versions.model.rows) == 5)
        commands.undo()
        await app.until(lambda: view.items[-1].message.id == again.id)
        await app.until(lambda: len(pane.versions.model.rows) == 3)
        commands.undo()
        await app.until(lambda: view.items[-1].message.id == first.id)
        await rest()

    drive(story)
