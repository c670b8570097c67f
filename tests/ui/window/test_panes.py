"""Two conversations side by side in one window: what is done in one does nothing to the other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QHBoxLayout, QWidget

from qwen_desktop.core.chat import Message, new_id
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.core.parts import Role, TextPart, visible_text
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.history import History
from qwen_desktop.store.database import Database
from qwen_desktop.ui.chat.pane import ConversationPane
from tests import layouts
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui


def side_by_side(ui: Ui) -> tuple[ConversationPane, ConversationPane]:
    both = QWidget()
    row = QHBoxLayout(both)
    left, right = (ConversationPane(ui.window.ui, parent=both) for _ in range(2))
    row.addWidget(left)
    row.addWidget(right)
    ui.window.pages.addWidget(both)
    ui.window.pages.setCurrentWidget(both)
    return left, right


def say(pane: ConversationPane, text: str) -> None:
    pane.setFocus()
    QTest.keyClicks(pane.composer.edit, text)
    QTest.keyClick(pane.composer.edit, Qt.Key.Key_Return)


def said(pane: ConversationPane) -> list[str]:
    return [layouts.message_text(pane.transcript, item.message.id) for item in pane.transcript.items]


def entries(pane: ConversationPane) -> Iterator[QAction]:
    return (action for action in pane.model_menu.actions() if not action.isSeparator())


async def test_both_are_answered_at_the_same_time_each_in_its_own_conversation(make: Make) -> None:
    make.script = Script(text="word " * 30, rate=200)
    ui = await make()
    left, right = side_by_side(ui)
    say(left, "to the left")
    say(right, "to the right")
    await ui.until(lambda: left.feed.running and right.feed.running)
    assert left.composer.button.icon_name == right.composer.button.icon_name == "stop"
    QTest.keyClicks(right.composer.edit, "next")
    await ui.rest()
    answer = ("word " * 30).strip()
    assert [text.strip() for text in said(left)] == ["to the left", answer]
    assert [text.strip() for text in said(right)] == ["to the right", answer]
    assert left.title == "to the left" and right.title == "to the right"
    assert left.composer.draft.text == "" and right.composer.draft.text == "next"
    assert ui.chat.current == "" and ui.chat.header.title.text() == "New chat"


async def test_stopping_one_lets_the_other_go_on_and_the_windows_commands_mean_the_pages_own(make: Make) -> None:
    make.script = Script(text="word " * 400, rate=50)
    ui = await make()
    left, right = side_by_side(ui)
    say(left, "one")
    say(right, "two")
    await ui.until(lambda: left.feed.running and right.feed.running)
    assert not ui.window.actions_["answer.stop"].isEnabled()
    assert not ui.window.actions_["chat.rename"].isEnabled()
    left.composer.button.click()
    await ui.until(lambda: not left.feed.running)
    assert ui.app.chat.running() == {right.current}
    assert left.composer.button.icon_name == "arrow-up" and right.composer.button.icon_name == "stop"
    await ui.app.stop_all()


async def test_the_same_conversation_in_both_has_two_drafts_and_shows_each_answer_twice(make: Make) -> None:
    ui = await make()
    left, right = side_by_side(ui)
    say(left, "one")
    await ui.rest()
    await right.open(await ui.app.history.get(left.current))
    QTest.keyClicks(left.composer.edit, "mine")
    say(right, "two")
    await ui.rest()
    assert said(left) == said(right) == ["one", "Hello.", "two", "Hello."]
    assert left.composer.draft.text == "mine" and right.composer.draft.text == ""


async def test_each_has_its_own_model_and_keeps_it_with_its_conversation(make: Make) -> None:
    ui = await make()
    paths = [ui.app.model_file(name) for name in ("chosen.gguf", "other.gguf")]
    for path in reversed(paths):
        await ui.app.models.open_file(path)
    left, right = side_by_side(ui)
    right.setup.set_model(FileRef(paths[1]))
    assert left.composer.model.name == "chosen" and right.composer.model.name == "other"
    for pane, ticks in ((left, [False, True, False]), (right, [False, False, True])):
        pane.choose_model()
        assert [entry.isChecked() for entry in entries(pane)][:3] == ticks
        pane.model_menu.close()
    say(left, "one")
    say(right, "two")
    await ui.rest()
    for pane, path in zip((left, right), paths, strict=True):
        answer = (await ui.app.history.tail(pane.current, 1))[0]
        assert answer.provenance is not None and answer.provenance.model_path == path
    mine = right.current
    right.open(None)
    assert right.composer.model.name == "other"
    right.open(await ui.app.history.get(left.current))
    assert right.composer.model.name == "chosen"
    right.open(await ui.app.history.get(mine))
    assert right.composer.model.name == "other"
    right.setup.set_model(None)
    await ui.rest()
    assert right.composer.model.name == "chosen"
    told: list[tuple[str, str]] = []
    left.model_chosen.connect(lambda path: told.append(("left", path)))
    right.model_chosen.connect(lambda path: told.append(("right", path)))
    right.choose_model()
    next(entries(right)).trigger()
    assert told == [("right", "")]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_done_in_one_the_other_stays_as_it_is(make: Make, seed: int) -> None:
    chance = random.Random(seed)
    ui = await make()
    paths = [ui.app.model_file(f"model{number}.gguf") for number in range(3)]
    await ui.app.models.open_file(paths[0])
    panes = side_by_side(ui)
    mine: tuple[list[str], list[str]] = ([], [])

    def state(pane: ConversationPane) -> tuple[object, ...]:
        messages = [item.message.id for item in pane.transcript.items]
        facts = (pane.composer.thinking.value, pane.composer.model.name, pane.status.facts.text())
        return pane.current, pane.title, pane.composer.draft, messages, facts, pane.feed.running

    for step in range(14):
        side = chance.randrange(2)
        pane, other = panes[side], panes[1 - side]
        before = state(other)
        match chance.choice(["type", "say", "open", "new", "think", "model", "rename", "regenerate"]):
            case "type":
                pane.setFocus()
                QTest.keyClicks(pane.composer.edit, chance.choice("abc"))
            case "say":
                say(pane, f"{side} {step}")
                await ui.rest()
                mine[side].append(pane.current)
            case "open" if mine[side]:
                pane.open(await ui.app.history.get(chance.choice(mine[side])))
            case "new":
                pane.open(None)
            case "think":
                pane.setup.cycle_thinking()
            case "model":
                pane.setup.set_model(chance.choice([None, FileRef(chance.choice(paths))]))
            case "rename" if pane.current:
                await ui.app.history.rename(pane.current, f"title {step}")
            case "regenerate":
                pane.messages.do("answer.regenerate")
        await ui.rest()
        assert state(other) == before, step
    for pane in panes:
        texts = [visible_text(m.parts) for m in await ui.app.history.tail(pane.current, 99)] if pane.current else []
        assert said(pane) == texts


async def test_what_is_stored_for_one_is_not_old_news_by_what_is_stored_for_the_other(make: Make) -> None:
    ui = await make()
    await ui.app.models.open_file(ui.app.model_file("model.gguf"))
    left, right = side_by_side(ui)
    for pane in (left, right):
        say(pane, "hello")
    await ui.rest()
    left.setup.cycle_thinking()
    right.setup.cycle_thinking()
    right.setup.cycle_thinking()
    await asyncio.sleep(0)
    await ui.rest()
    for pane, mode in ((left, ThinkingMode.THINK), (right, ThinkingMode.DIRECT)):
        found = await ui.app.history.get(pane.current)
        assert found is not None and found.thinking is mode
        assert pane.composer.thinking.value == mode.value
        assert not ui.window.operations.pending(pane.setup._thinking_wish)


async def test_what_another_program_said_meanwhile_is_on_show_with_the_next_message(make: Make) -> None:
    """As ``chat --continue`` does: the window hears nothing of it, and goes on from it."""
    make.script = Script(text="word")
    ui = await make()
    pane, _ = side_by_side(ui)
    say(pane, "one")
    await ui.until(lambda: len(said(pane)) == 2 and not pane.running)
    other = Database(ui.window.ui.services.paths.database_file)
    await other.open()
    question = Message(new_id(), pane.current, pane.transcript.items[-1].message.id, Role.USER, (TextPart("two"),), 1.0)
    answer = Message(new_id(), pane.current, question.id, Role.ASSISTANT, (TextPart("Two."),), 1.0)
    await History(other, EventBus()).add((question, answer))
    await other.aclose()
    say(pane, "three")
    await ui.until(lambda: len(said(pane)) == 6 and not pane.running)
    assert [visible_text(item.message.parts) for item in pane.transcript.items[2:5]] == ["two", "Two.", "three"]
