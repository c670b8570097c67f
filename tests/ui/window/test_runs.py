"""What is shown of an answer in the making: the same to who stays with its chat and to who comes back to it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QDialog, QLabel

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.parts import Role, TextPart, ThinkingPart, visible_text
from qwen_desktop.ui.chat.conversation_feed import ConversationFeed
from qwen_desktop.ui.chat.conversations import RUNNING_ROLE
from qwen_desktop.ui.chat.section_chrome import ProgressSection
from qwen_desktop.ui.chat.status_line import StatusLine
from qwen_desktop.ui.chat.transcript import TranscriptView
from tests import layouts
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui


async def ask(ui: Ui, count: int) -> list[str]:
    """Ask in ``count`` new chats; their ids."""
    return [(await ui.app.send(f"question {number}")).conversation_id for number in range(count)]


async def come_back(ui: Ui, conversation_id: str) -> None:
    """Go away from a chat, then open it again."""
    ui.chat.new_chat()
    await asyncio.sleep(0.02)
    opening = ui.chat.open(conversation_id)
    assert opening is not None
    await opening


def note(ui: Ui) -> str:
    """What the line under the message box says."""
    return str(ui.chat.pane.status.facts.text())


async def test_a_chat_says_how_many_it_waits_for_whenever_it_is_looked_at(make: Make) -> None:
    make.script = Script(text="word " * 4000, rate=100)
    ui = await make()
    chats = await ask(ui, 5)
    await come_back(ui, chats[4])
    assert note(ui) == "Waiting for 4 other answers to end"
    await come_back(ui, chats[1])
    assert note(ui) == "Waiting for another answer to end"
    await come_back(ui, chats[4])
    assert note(ui) == "Waiting for 4 other answers to end"
    await ui.app.chat.stop(chats[2])
    assert note(ui) == "Waiting for 3 other answers to end"
    await ui.app.chat.stop(chats[0])
    assert note(ui) == "Waiting for 2 other answers to end"
    ui.chat.new_chat()
    assert "Waiting" not in note(ui)


async def test_two_chats_are_answered_at_once_and_the_third_waits_for_one_of_them(make: Make) -> None:
    make.script = Script(text="word " * 4000, rate=100)
    make.parallel = 2
    ui = await make()
    chats = await ask(ui, 4)
    await ui.until(lambda: len({told.conversation_id for told in ui.app.deltas()}) == 2)
    tree = ui.chat.sidelist.model
    marked = [chat for chat in chats if tree.index_of(chat).data(RUNNING_ROLE)]
    assert marked == chats  # those who wait, too
    for chat in chats[:2]:
        await come_back(ui, chat)
        await ui.until(lambda: "tok/s" in note(ui))
        words = visible_text(ui.chat.pane.transcript.items[-1].message.parts)
        await ui.until(lambda before=words: visible_text(ui.chat.pane.transcript.items[-1].message.parts) > before)
    await come_back(ui, chats[2])
    assert note(ui) == "Waiting for another answer to end"
    await come_back(ui, chats[3])
    assert note(ui) == "Waiting for 2 other answers to end"
    await come_back(ui, chats[0])
    ui.key(ui.chat.pane.composer.edit, Qt.Key.Key_Escape)
    await ui.until(lambda: chats[0] not in ui.app.chat.running())
    assert ui.app.chat.running() == {*chats[1:]}
    assert [bool(tree.index_of(chat).data(RUNNING_ROLE)) for chat in chats] == [False, True, True, True]
    assert not ui.window.actions_["answer.stop"].isEnabled() and ui.window.actions_["answer.regenerate"].isEnabled()
    await come_back(ui, chats[2])
    await ui.until(lambda: "tok/s" in note(ui))
    await come_back(ui, chats[3])
    assert note(ui) == "Waiting for another answer to end"
    assert (await ui.app.history.tail(chats[0], 1))[0].status is Status.STOPPED


async def test_loading_reading_and_speed_are_said_to_who_comes_later(make: Make) -> None:
    make.load_s = 0.4
    make.script = Script(text="word " * 4000, rate=200, first_s=0.5, prompt_tokens=1500)
    ui = await make()
    (chat,) = await ask(ui, 1)
    await come_back(ui, chat)
    assert note(ui) == "Loading the model"
    await ui.until(lambda: note(ui) == "Reading the chat")
    await come_back(ui, chat)
    assert note(ui) == "Reading the chat"
    item = ui.chat.pane.transcript.items[-1]
    await ui.until(lambda: any(isinstance(section, ProgressSection) for section in item.sections))
    (progress,) = (section for section in item.sections if isinstance(section, ProgressSection))
    assert progress.text() == "Reading 1,500 of 1,500 tokens"
    await ui.until(lambda: "tok/s" in note(ui))
    await come_back(ui, chat)
    assert "tok/s" in note(ui)
    assert ui.chat.pane.status.tokens.text() != "0 of 4,096 tokens"
    ui.chat.new_chat()
    assert "tok/s" not in note(ui) and ui.chat.pane.status.tokens.text() == "0 of 4,096 tokens"
    await ui.app.stop_all()
    await come_back(ui, chat)
    assert "tok/s" not in note(ui)


async def test_a_thought_goes_on_from_the_second_it_is_at(make: Make) -> None:
    make.script = Script(text="", thinking="hm " * 8000, rate=200)
    ui = await make()
    (chat,) = await ask(ui, 1)
    await ui.until(lambda: (run := ui.app.chat.run(chat)) is not None and run.thinking_since is not None)
    ui.app.chat._answers[chat]._stands(thinking_since=time.monotonic() - 41)
    await come_back(ui, chat)
    item = ui.chat.pane.transcript.items[-1]
    await ui.until(lambda: item.part(0) is not None)
    assert layouts.thinking(item).title()[0] in ("Thinking… 41 s", "Thinking… 42 s")


def dialogs(ui: Ui) -> list[QDialog]:
    return [child for child in ui.window.findChildren(QDialog) if child.isVisible()]


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "An answer is still running"), (2, "2 answers are still running"), (5, "5 answers are still running")],
)
async def test_closing_says_how_many_answers_run(make: Make, count: int, said: str) -> None:
    make.script = Script(text="word " * 4000, rate=50)
    make.parallel = 2
    ui = await make()
    chats = await ask(ui, count)
    await ui.until(lambda: len({told.conversation_id for told in ui.app.deltas()}) == min(2, count))
    ui.window.close()
    (asked,) = dialogs(ui)
    assert said in [label.text() for label in asked.findChildren(QLabel)]
    ended: list[bool] = []
    ui.window.finished.connect(lambda: ended.append(True))
    next(b for b in asked.findChildren(QAbstractButton) if b.text() == "Stop and close").click()
    await ui.until(lambda: ended)
    await ui.app.chat.aclose()
    answers = [(await ui.app.history.tail(chat, 1))[0] for chat in chats]
    assert {answer.status for answer in answers} == {Status.STOPPED}
    assert [bool(visible_text(answer.parts)) for answer in answers] == [number < 2 for number in range(count)]


async def test_the_question_about_closing_stays_while_one_of_two_answers_ends(make: Make) -> None:
    make.script = Script(text="word " * 4000, rate=50)
    make.parallel = 2
    ui = await make()
    chats = await ask(ui, 2)
    ui.window.close()
    (asked,) = dialogs(ui)
    await ui.app.chat.stop(chats[0])
    ui.window.close()
    assert dialogs(ui) == [asked]
    next(b for b in asked.findChildren(QAbstractButton) if b.text() == "Go on").click()
    await ui.until(lambda: not dialogs(ui))
    assert ui.app.chat.running() == {chats[1]}
    ui.window.close()
    (asked,) = dialogs(ui)
    assert "An answer is still running" in [label.text() for label in asked.findChildren(QLabel)]
    asked.reject()
    await ui.until(lambda: not dialogs(ui))


class Stayer:
    """Somebody who never looks away from one chat."""

    def __init__(self, ui: Ui, conversation_id: str) -> None:
        self.transcript = TranscriptView(ui.theme, ui.window)
        self.status = StatusLine(ui.theme, ui.window)
        self.status.set_model(ui.app.models.state)
        self.feed = ConversationFeed(ui.window.ui, self.transcript, ui.window)
        self.feed.changed.connect(lambda: self.status.set_run(self.feed.run))
        self.feed.changed.connect(lambda: self.status.set_context(*self.feed.context))
        self.opening = self.feed.open(conversation_id)


def seen(of: Any) -> tuple[object, ...]:
    """What somebody sees of a chat, with all words that have come."""
    of.transcript.live._show()
    items = []
    for item in of.transcript.items:
        # What a running answer is made by is told with its end.
        message = structs.replace(item.message, provenance=None) if item.streaming else item.message
        items.append((message, item.name, item.versions, item.cut_above, item.last, item.streaming and item.run))
    return of.status.facts.text(), of.status.tokens.text(), items


def quietly(work: Awaitable[object]) -> asyncio.Task[None]:
    """What is refused (an answer runs here) is none of this test's business."""

    async def tried() -> None:
        with contextlib.suppress(AppError):
            await work

    return asyncio.ensure_future(tried())


@pytest.mark.parametrize("seed", range(6))
async def test_who_comes_back_sees_what_is_seen_by_who_stayed(
    make: Make, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    make.load_s = chance.choice((0.0, 0.05))
    make.parallel = 1 + seed % 2
    ui = await make()
    await ui.app.models.open_file(ui.app.model_file("model.gguf"))
    chats = [await ui.app.ask(f"chat {number}") for number in range(3)]
    watched = chats[0]
    tail = ui.app.history.tail

    async def slow(conversation_id: str, count: int) -> tuple[Message, ...]:
        await asyncio.sleep(chance.choice((0.0, 0.0, 0.01)))
        found = await tail(conversation_id, count)
        if chance.random() < 0.3:  # other tasks come between; what has come is told by events
            await asyncio.sleep(0)
            return await tail(conversation_id, count)
        return found

    monkeypatch.setattr(ui.app.history, "tail", slow)
    stayer = Stayer(ui, watched)
    ui.chat.open(watched)
    tasks: list[asyncio.Task[None]] = []

    async def any_of(conversation_id: str, role: Role) -> str:
        """A message of the tree, on show or not."""
        found = [m for m in await tail(conversation_id, 99) if m.role is role]
        versions = await ui.app.history.versions([m.id for m in found])
        return chance.choice([key for m in found for key in (versions[m.id].ids if m.id in versions else (m.id,))])

    compared = 0
    for turn in range(60):
        make.script = Script(
            parts=(
                *((ThinkingPart("hm " * chance.randint(1, 40)),) if chance.random() < 0.5 else ()),
                TextPart("word " * chance.randint(1, 60)),
            ),
            rate=chance.choice((0, 300, 2000)),
            first_s=chance.choice((0.0, 0.02)),
        )
        match chance.randint(0, 9):
            case 0 | 1:
                ui.chat.open(chance.choice(["", *chats]))
            case 2 | 3:
                ui.chat.open(watched)
            case 4 | 5:
                tasks.append(quietly(ui.app.send(f"more {turn}", chance.choice(chats))))
            case 6:
                tasks.append(quietly(ui.app.chat.regenerate(await any_of(watched, Role.ASSISTANT))))
            case 7:
                tasks.append(quietly(ui.app.history.select_version(await any_of(watched, Role.ASSISTANT))))
            case 8:
                tasks.append(quietly(ui.app.chat.stop(chance.choice(chats))))
            case _:
                await asyncio.sleep(chance.choice((0.0, 0.01, 0.03)))
        if ui.chat.current == watched and chance.random() < 0.7:
            await ui.until(lambda: not (ui.chat.pane.feed._loading or stayer.feed._loading))
            await ui.until(lambda: not (ui.chat.pane.feed._unasked or stayer.feed._unasked))
            if not (ui.chat.pane.feed._loading or stayer.feed._loading):
                assert seen(ui.chat.pane) == seen(stayer), f"turn {turn}"
                compared += 1
    await ui.app.stop_all()
    await asyncio.gather(*tasks)
    await ui.rest()
    ui.chat.open(watched)
    await ui.rest()
    assert seen(ui.chat.pane) == seen(stayer)
    assert [item.message for item in ui.chat.pane.transcript.items] == list(await tail(watched, 99))
    assert compared > 5
    stayer.feed.leave()
