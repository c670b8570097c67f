"""What is being written is kept: with its chat, over a restart, and until its message is on the disk."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt

from qwen_desktop.core.chat import Message
from qwen_desktop.core.drafts import Draft, pasted
from qwen_desktop.core.errors import Environment
from qwen_desktop.core.text import Text
from qwen_desktop.services import drafts
from qwen_desktop.ui.chat.page import ChatPage

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

ENTER = Qt.Key.Key_Return
#: As it is outside of tests.
SAVE_AFTER_S = drafts.SAVE_AFTER_S


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "SAVE_AFTER_S", 0.05)


def on_disk(ui: Ui) -> dict[str, str]:
    """The rows of drafts, as another process reads them."""
    with closing(sqlite3.connect(ui.app.paths.database_file)) as opened:
        return dict(opened.execute("SELECT conversation_id, draft FROM drafts"))


async def test_a_draft_is_on_the_disk_within_a_second_and_there_after_a_restart(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "SAVE_AFTER_S", SAVE_AFTER_S)
    ui = await make()
    await ui.say("first chat")
    first = ui.chat.current
    ui.type("for the first")
    ui.chat.new_chat()
    ui.type("for a new one")
    await ui.until(lambda: len(on_disk(ui)) == 2, 1.0)
    assert "for the first" in on_disk(ui)[first]
    again = await make()  # a second run over the same folder
    assert again.chat.pane.composer.draft.text == "for a new one"
    again.chat.open(first)
    assert again.chat.pane.composer.draft.text == "for the first"


async def test_a_draft_with_a_long_paste_comes_back_whole(make: Make) -> None:
    ui = await make()
    draft = Draft("What is this?", (pasted("line\n" * 9000),))
    ui.chat.pane.composer.take(draft)
    await ui.until(lambda: on_disk(ui), 1.0)
    again = await make()
    assert again.chat.pane.composer.draft == draft
    assert len(again.chat.pane.composer.attached.chips) == 1


async def test_what_was_typed_last_is_saved_at_the_end(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "SAVE_AFTER_S", 60)
    ui = await make()
    ui.type("the last words")
    await asyncio.sleep(0.01)
    assert not on_disk(ui)
    await ui.app.drafts.aclose()
    assert "the last words" in on_disk(ui)[""]


async def test_a_draft_goes_only_when_its_message_is_on_the_disk(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ui = await make()
    ui.type("precious")
    await ui.until(lambda: on_disk(ui))
    gate, real = asyncio.Event(), ui.app.history.add

    async def slow(*entries: Any, **more: Any) -> Any:
        await gate.wait()
        return await real(*entries, **more)

    monkeypatch.setattr(ui.app.history, "add", slow)
    ui.press(ENTER)
    assert not ui.chat.pane.composer.draft
    ui.type("since")
    await asyncio.sleep(drafts.SAVE_AFTER_S + 0.3)
    assert "precious" in on_disk(ui)[""]
    assert "since" in on_disk(ui)[""]
    gate.set()
    await ui.until(lambda: "precious" not in str(on_disk(ui)))
    assert ui.chat.pane.composer.draft.text == "since"
    await ui.until(lambda: list(on_disk(ui)) == [ui.chat.current])


async def test_a_draft_goes_with_its_chat_for_good(make: Make) -> None:
    ui = await make()
    await ui.say("first chat")
    first = ui.chat.current
    ui.type("never sent")
    await ui.until(lambda: on_disk(ui))
    ui.chat.delete()
    await ui.rest()
    assert ui.chat.current != first
    ui.window.notify.undo_last()
    await ui.rest()
    assert ui.chat.pane.composer.draft.text == "never sent"
    ui.chat.delete()
    await ui.rest()
    await make()  # the next start removes it for good
    assert first not in on_disk(ui)


async def test_a_full_disk_is_told_once_and_nothing_is_lost(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise Environment(Text("disk.full", "The disk is full."), Text("disk.full.hint", "Free some space."))

    monkeypatch.setattr(drafts, "AGAIN_S", 0.02)
    ui = await make()
    with monkeypatch.context() as broken:
        broken.setattr(drafts.drafts, "save", full)
        ui.type("words")
        await ui.until(ui.toasts)
        ui.type(" more")
        await asyncio.sleep(0.15)
        assert len(ui.toasts()) == 1
        assert "kept while the app is open" in ui.toasts()[0]
    await ui.until(lambda: "words more" in on_disk(ui).get("", ""))


async def test_a_draft_stays_where_it_was_written_while_its_chat_is_not_on_show(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui = await make()
    await ui.say("one")
    one = ui.chat.current

    async def refused(*_: object, **__: object) -> Message:
        await asyncio.sleep(0.02)
        raise Environment(Text("disk.full", "The disk is full."), Text("disk.full.hint", "Free some space."))

    monkeypatch.setattr(ui.app.history, "add", refused)
    ui.type("comes back")
    ui.press(ENTER)
    page: ChatPage = ui.chat
    page.new_chat()
    ui.type("elsewhere")
    await ui.rest()
    assert ui.chat.pane.composer.draft.text == "elsewhere"
    page.open(one)
    assert ui.chat.pane.composer.draft.text == "comes back"
