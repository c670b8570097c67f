"""Branches with the guide itself: edited, answered again, made again exactly, and taken back, in the real window."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from qwen_desktop.core.chat import Status
from qwen_desktop.core.parts import thinking_text
from tests.window_driver import Driver, drive, text_of


def test_an_answer_of_the_guide_is_edited_made_again_and_taken_back(qtbot: QtBot) -> None:
    async def story(app: Driver) -> None:
        await app.services.preferences.set("sampling.max_tokens", 8)
        first = await app.ask("How do I start a new chat?")
        pane: Any = app.window.chat.pane
        view, commands = pane.transcript, pane.messages
        assert view.items[-1].spoken() == ["The answer reached the longest length."]

        async def rest() -> None:
            await app.services.chat.idle()
            await app.window.operations.settle(10)

        commands.continue_chosen()
        await app.until(lambda: view.items[-1].streaming)
        await rest()
        longer = await app.last_answer()
        thought = thinking_text(longer.parts)  # it was cut in the middle of it
        assert longer.id == first.id and thought.startswith(thinking_text(first.parts)) and len(longer.parts) <= 2
        assert len(thought + text_of(longer)) > len(thinking_text(first.parts) + text_of(first))
        QTest.keyClick(app.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        await app.until(lambda: view.items[-1].message.parts == first.parts)
        await rest()

        commands.again_chosen()
        await app.until(lambda: view.items[-1].message.id != first.id)
        await rest()
        again = await app.last_answer()
        assert again.provenance is not None and again.provenance.again is not None
        assert (thinking_text(again.parts), text_of(again)) == (thinking_text(first.parts), text_of(first))
        assert again.provenance.again.equal is True
        assert "The same answer, letter for letter." in app.spoken()

        await app.services.preferences.set("sampling.max_tokens", 80)
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
