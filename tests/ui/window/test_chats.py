"""The list of chats and the chat on show."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QContextMenuEvent, QDesktopServices, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit

from qwen_desktop.core.chat import Message, new_id
from qwen_desktop.core.engine import ContextCut, ThinkingMode
from qwen_desktop.core.parts import Role, TextPart, ToolResultPart, markdown_text, visible_text
from qwen_desktop.services.events import ModelStatus
from qwen_desktop.ui.chat.conversations import ConversationTree
from qwen_desktop.ui.chat.section_thinking import ThinkingSection
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.dialog import ReadOnlyText
from qwen_desktop.ui.widgets.labels import Paragraph
from tests import layouts, random_messages
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

DAY = 86_400


async def fill(ui: Ui, *titles: str) -> list[str]:
    """Add chats, the first one newest; their ids."""
    made = [(await ui.app.history.create(title)).id for title in reversed(titles)]
    return made[::-1]


def rows(model: ConversationTree) -> list[str]:
    """Headings and titles from top to bottom."""
    found = []
    for group in range(model.rowCount()):
        heading = model.index(group, 0)
        found += [str(heading.data())]
        found += [str(model.index(row, 0, heading).data()) for row in range(model.rowCount(heading))]
    return found


async def test_chats_stand_in_groups_by_day(make: Make) -> None:
    ui = await make()
    noon = time.mktime((*time.localtime()[:3], 12, 0, 0, 0, 0, -1))
    model = ConversationTree(clock=lambda: noon)
    for title, days in (("today", 0.1), ("yesterday", 1), ("last week", 5), ("long ago", 40)):
        ui.app.history._clock = lambda d=days: noon - d * DAY  # type: ignore[misc] # a clock of the test's own
        model.put(await ui.app.history.create(title))
    assert rows(model) == [
        *("Today", "today"),
        *("Yesterday", "yesterday"),
        *("Previous 7 days", "last week"),
        *("Older", "long ago"),
    ]


async def test_delete_and_undo(make: Make) -> None:
    ui = await make()
    first, second = await fill(ui, "one", "two")
    ui.chat.open(first)
    ui.chat.sidelist.view.setFocus()
    ui.key(ui.chat.sidelist.view, Qt.Key.Key_Delete)
    await ui.rest()
    assert rows(ui.chat.sidelist.model) == ["Today", "two"]
    assert ui.chat.current == second
    assert ui.toasts() == ["“one” is deleted."]
    ui.key(ui.chat.sidelist.view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    await ui.rest()
    assert ui.chat.current == first
    assert rows(ui.chat.sidelist.model) == ["Today", "one", "two"]


async def test_undo_in_the_message_box_is_the_boxs_while_it_has_something_to_undo(make: Make) -> None:
    ui = await make()
    (first,) = await fill(ui, "one")
    ui.chat.open(first)
    ui.chat.delete()
    await ui.rest()
    ui.chat.pane.setFocus()
    ui.type("abc")
    ui.key(ui.chat.pane.composer.edit, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    await ui.rest()
    assert ui.chat.pane.composer.draft.text == ""
    assert rows(ui.chat.sidelist.model) == []
    ui.key(ui.chat.pane.composer.edit, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    await ui.rest()
    assert rows(ui.chat.sidelist.model) == ["Today", "one"]


async def test_rename_in_place(make: Make) -> None:
    ui = await make()
    (first,) = await fill(ui, "old")
    ui.chat.open(first)
    ui.key(ui.window, Qt.Key.Key_F2)
    field = ui.chat.sidelist.view.findChild(QLineEdit, "rename")
    assert field is not None
    field.setText("new title")
    QTest.keyClick(field, Qt.Key.Key_Return)
    await ui.rest()
    assert ui.chat.header.title.text() == "new title"
    found = await ui.app.history.get(first)
    assert found is not None
    assert found.title == "new title"


async def test_a_new_chat_takes_its_title_from_the_first_message(make: Make) -> None:
    ui = await make()
    await ui.say("How are eigenvalues found?")
    assert ui.chat.header.title.text() == "How are eigenvalues found?"
    assert rows(ui.chat.sidelist.model) == ["Today", "How are eigenvalues found?"]
    assert ui.chat.sidelist.target == ui.chat.current


async def test_next_and_previous_walk_through_the_list(make: Make) -> None:
    ui = await make()
    first, second, third = await fill(ui, "1", "2", "3")
    ui.chat.open(first)
    ui.window.actions_.trigger("chat.next")
    assert ui.chat.current == second
    ui.window.actions_.trigger("chat.next")
    ui.window.actions_.trigger("chat.next")
    assert ui.chat.current == third
    ui.window.actions_.trigger("chat.previous")
    assert ui.chat.current == second


async def test_a_long_chat_opens_at_its_end_and_fills_up_behind(make: Make) -> None:
    ui = await make()
    conversation = await _long(ui, 300)
    ui.chat.open("")
    task = ui.chat.pane.feed.open(conversation)
    await task
    assert len(ui.chat.pane.transcript.items) == 30
    await ui.until(lambda: len(ui.chat.pane.transcript.items) == 600)
    assert ui.chat.pane.transcript.items[0].source == "question 0"


async def test_an_answer_goes_on_while_another_chat_is_on_show(make: Make) -> None:
    make.script = Script(text="word " * 60, rate=200)
    ui = await make()
    ui.type("go on")
    ui.press(Qt.Key.Key_Return)
    await ui.until(lambda: ui.chat.current)
    first = ui.chat.current
    ui.chat.new_chat()
    assert not ui.window.actions_["answer.stop"].isEnabled()
    await asyncio.sleep(0.1)
    ui.chat.open(first)
    await ui.until(lambda: not ui.chat.pane.feed._loading)
    await ui.rest()
    last = layouts.last_answer(ui.chat.pane.transcript)
    assert layouts.message_text(ui.chat.pane.transcript, last).strip() == ("word " * 60).strip()


async def test_words_that_come_while_a_chat_is_being_opened_are_shown(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui = await make()
    await ui.say("one")
    chat, read, tail = ui.chat.current, asyncio.Event(), ui.app.history.tail

    async def slow(conversation_id: str, count: int) -> tuple[Message, ...]:
        await read.wait()
        return await tail(conversation_id, count)

    monkeypatch.setattr(ui.app.history, "tail", slow)
    make.script = Script(text="It is 4. " * 3000, rate=200)
    ui.chat.open("")
    ui.chat.open(chat)
    await ui.app.send("two", chat)
    await ui.until(lambda: len(ui.app.deltas()) > 10)
    read.set()
    await ui.until(
        lambda: "It is 4. " in ui.chat.pane.transcript.items[-1].source if ui.chat.pane.transcript.items else False
    )
    assert ui.chat.pane.transcript.items[-1].streaming
    await ui.app.stop_all()
    await ui.rest()
    assert [item.source for item in ui.chat.pane.transcript.items] == [
        markdown_text(m.parts) for m in await ui.messages()
    ]


async def test_an_answer_that_ends_between_reading_and_showing_its_chat_has_ended(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui = await make()
    make.script = Script(text="word " * 4000, rate=200)
    asked = await ui.app.send("question")
    await ui.until(lambda: len(ui.app.deltas()) > 10)
    read, go_on, tail = asyncio.Event(), asyncio.Event(), ui.app.history.tail

    async def slow(conversation_id: str, count: int) -> tuple[Message, ...]:
        found = await tail(conversation_id, count)
        read.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(ui.app.history, "tail", slow)
    ui.chat.open("")
    ui.chat.open(asked.conversation_id)
    await read.wait()
    await ui.app.stop_all()
    go_on.set()
    await ui.rest()
    last = ui.chat.pane.transcript.items[-1]
    assert not last.streaming
    assert last.source == markdown_text((await tail(asked.conversation_id, 1))[0].parts)


async def test_an_answer_that_ends_while_its_chat_is_being_opened_leaves_no_speed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui = await make()
    await ui.say("one")
    chat, read, tail = ui.chat.current, asyncio.Event(), ui.app.history.tail

    async def slow(conversation_id: str, count: int) -> tuple[Message, ...]:
        await read.wait()
        return await tail(conversation_id, count)

    monkeypatch.setattr(ui.app.history, "tail", slow)
    ui.chat.open("")
    ui.chat.open(chat)
    await ui.app.ask("two", chat)
    read.set()
    await ui.rest()
    assert len(ui.chat.pane.transcript.items) == 4 and not ui.chat.pane.transcript.items[-1].streaming
    assert "tok/s" not in ui.chat.pane.status.facts.text()


async def test_regenerate_and_choose_a_version(make: Make) -> None:
    make.script = Script(text="first answer")
    ui = await make()
    await ui.say("question")
    first = layouts.last_answer(ui.chat.pane.transcript)
    make.script = Script(text="second answer")
    ui.key(ui.window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    await ui.rest()
    await ui.until(lambda: layouts.last_answer(ui.chat.pane.transcript) not in (None, first))
    await ui.rest()
    assert (
        layouts.message_text(ui.chat.pane.transcript, layouts.last_answer(ui.chat.pane.transcript)) == "second answer"
    )
    ui.chat.pane.transcript.version_requested.emit(first)
    await ui.rest()
    assert layouts.message_text(ui.chat.pane.transcript, layouts.last_answer(ui.chat.pane.transcript)) == "first answer"


async def test_copying_the_answer_and_the_chat(make: Make) -> None:
    make.script = Script(text="the answer", thinking="secret thought")
    ui = await make()
    await ui.say("the question")
    ui.window.actions_.trigger("answer.copy")
    assert QGuiApplication.clipboard().text() == "the answer"
    ui.window.actions_.trigger("chat.copy")
    await ui.rest()
    copied = QGuiApplication.clipboard().text()
    assert "the question" in copied
    assert "the answer" in copied
    assert "secret thought" not in copied


async def test_text_that_turns_out_to_be_thinking_folds_away(make: Make) -> None:
    ui = await make()
    # Long enough for a busy machine to see both; the rest of the answer is not waited for.
    make.script = Script(text="It is 4. " * 3000, thinking="Two and two, hm. " * 40, unopened=True, rate=200)
    ui.type("2+2?")
    ui.key(ui.chat.pane.composer.edit, Qt.Key.Key_Return)
    transcript = ui.chat.pane.transcript
    await ui.until(lambda: len(transcript.items) == 2 and "Two and two" in transcript.items[-1].source)
    item = transcript.items[-1]
    await ui.until(lambda: isinstance(item.part(0), ThinkingSection) and bool(item.source))
    assert item.streaming and "Two and two" not in item.source
    assert item.part(0).part.text == ("Two and two, hm. " * 40).strip() and item.thinks is None
    await ui.app.stop_all()
    await ui.rest()
    text = layouts.message_text(transcript, item.message.id)
    assert text and ("It is 4. " * 3000).startswith(text)


@pytest.mark.parametrize("seed", range(4))
async def test_parts_stand_in_the_order_in_which_they_came(make: Make, seed: int) -> None:
    chance = random.Random(seed)
    ui = await make()
    for number in range(3):
        parts = [part for part in random_messages.parts(chance) if not isinstance(part, ToolResultPart)]
        make.script = Script(
            parts=(*parts, TextPart("The end.")), piece=chance.randint(1, 9), rate=chance.choice((0, 800))
        )
        await ui.say(f"question {number}")
        answer = (await ui.messages())[-1]
        assert [type(part) for part in answer.parts] == [type(part) for part in make.script.parts]
        item = ui.chat.pane.transcript.items[-1]
        assert item.message == answer and item.source == markdown_text(answer.parts)
        await ui.until(lambda: item.ready)  # noqa: B023 - at once
        assert item.projection() == layouts.message_text(ui.chat.pane.transcript, answer.id)
        assert item.projection().endswith("The end.")


async def test_a_new_chat_is_none_of_anybody_elses(make: Make) -> None:
    ui = await make()
    ui.type("mine")
    others = [await ui.app.send(f"not mine {number}") for number in range(2)]
    assert ui.chat.current == "" and not ui.chat.pane.transcript.items
    ui.press(Qt.Key.Key_Return)
    others.append(await ui.app.send("not mine either"))
    await ui.rest()
    assert ui.chat.current not in ("", *(other.conversation_id for other in others))
    assert [visible_text(m.parts) for m in await ui.messages()] == ["mine", "Hello."]
    assert ui.chat.header.title.text() == "mine"
    for other in others:
        texts = [visible_text(m.parts) for m in await ui.app.history.tail(other.conversation_id, 9)]
        assert texts == [visible_text(other.parts), "Hello."]


async def test_a_message_from_elsewhere_that_goes_on_from_an_earlier_one_is_shown(make: Make) -> None:
    ui = await make()
    await ui.say("one")
    answer = (await ui.messages())[-1]
    await ui.say("two")
    await ui.app.send("two again", ui.chat.current, parent_id=answer.id)
    await ui.rest()
    await ui.until(
        lambda: [i.source for i in ui.chat.pane.transcript.items] == ["one", "Hello.", "two again", "Hello."]
    )


async def test_the_thinking_switch_belongs_to_the_chat(make: Make) -> None:
    ui = await make()
    await ui.app.models.open_file(ui.app.model_file("model.gguf"))
    assert ui.chat.pane.composer.thinking.isVisible()
    await ui.say("hello")
    ui.window.actions_.trigger("thinking.cycle")
    await ui.rest()
    first = ui.chat.current
    found = await ui.app.history.get(first)
    assert found is not None
    assert found.thinking is ThinkingMode.THINK
    ui.chat.new_chat()
    assert ui.chat.pane.composer.thinking.value == "auto"
    ui.chat.open(first)
    assert ui.chat.pane.composer.thinking.value == "think"


async def test_the_guide_is_labelled_as_the_guide(make: Make) -> None:
    ui = await make()
    assert ui.chat.header.chip.isVisible()
    assert ui.chat.header.chip.text() == "Built-in guide"
    assert ui.chat.pane.composer.edit.placeholderText() == "Ask the guide: how do I start a new chat?"
    await ui.app.models.open_file(ui.app.model_file("model.gguf"))
    assert not ui.chat.header.chip.isVisible()
    assert ui.chat.pane.composer.edit.placeholderText() == f"Ask {ui.app.models.state.name}"


async def test_loading_shows_in_the_composer_and_typing_goes_on(make: Make) -> None:
    make.load_s = 0.8
    ui = await make()
    ui.chat.open_model(ui.app.model_file("big.gguf"))
    await ui.until(ui.chat.pane.composer.loading.isVisible)
    assert not ui.chat.pane.composer.model.isVisible()
    ui.type("meanwhile")
    await ui.until(lambda: ui.app.models.state.status is ModelStatus.READY)
    assert not ui.chat.pane.composer.loading.isVisible()
    assert ui.chat.pane.composer.model.isVisible()
    assert ui.chat.pane.composer.draft.text == "meanwhile"


async def test_the_status_line_shows_the_context_and_warns(make: Make) -> None:
    make.context = 1000
    make.script = Script(text="word", prompt_tokens=850, cut=ContextCut("x", 0))
    ui = await make()
    await ui.say("hello")
    status = ui.chat.pane.status
    assert status.ring.role == "accent"
    status.set_context(850, 1000)
    assert status.ring.role == "warn"
    assert status.tokens.text() == "850 of 1,000 tokens"
    status.set_context(960, 1000)
    assert status.ring.role == "bad"
    assert "Q8_0" in status.facts.text()
    assert "flash attention off" in status.facts.text()


async def test_a_link_is_opened_only_after_asking(make: Make) -> None:
    ui = await make()
    dialog = ui.window.notify.link("https://example.org/page")
    assert dialog.isVisible()
    buttons = [b.text() for b in dialog.findChildren(type(dialog.add_button("x")))]
    assert {"Open", "Copy", "Cancel"} <= set(buttons)
    dialog.close()
    refused = ui.window.notify.link("file:///etc/passwd")
    assert "Open" not in [b.text() for b in refused.findChildren(type(refused.add_button("x")))]
    refused.close()


@pytest.mark.parametrize(
    ("url", "host", "said"),
    [
        ("https://bank.com@evil.org/login", "evil.org", "(bank.com) is not where it leads"),
        ("https://xn--80ak6aa92e.com", "xn--80ak6aa92e.com", "letters of another alphabet"),
        ("https://x.org/\u202egnp.exe", "x.org", "signs that cannot be seen"),
    ],
)
async def test_a_link_that_deceives_says_where_it_leads(make: Make, url: str, host: str, said: str) -> None:
    ui = await make()
    dialog = ui.window.notify.link(url)
    texts = [label.text() for label in dialog.findChildren(Paragraph)]
    assert host in texts
    assert any(said in text for text in texts)
    assert "\u202e" not in dialog.findChild(ReadOnlyText).toPlainText()
    buttons = {button.text(): button for button in dialog.findChildren(TextButton)}
    assert buttons["Cancel"].isDefault() and not buttons["Open"].isDefault(), "Enter opens nothing"
    dialog.close()


@pytest.mark.parametrize("name", ["attach", "ATTACHMENT", "at%74ach"])
async def test_a_link_attaches_no_file_to_a_mail(make: Make, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()) or True)
    ui = await make()
    dialog = ui.window.notify.link(f"mailto:a@example.org?subject=Hello%20you&{name}=/etc/passwd&body=x%26y")
    assert "passwd" not in dialog.findChild(ReadOnlyText).toPlainText()
    {button.text(): button for button in dialog.findChildren(TextButton)}["Open"].click()
    assert opened == ["mailto:a@example.org?subject=Hello you&body=x%26y"]


async def test_a_table_and_code_are_saved_as_files(make: Make, tmp_path: Path) -> None:
    ui = await make()
    conversation = await ui.app.history.create("with a table")
    text = "| a | b |\n|---|---|\n| é | =1 |\n\n    x = 'é'"
    message = Message(new_id(), conversation.id, None, Role.ASSISTANT, (TextPart(text),), 0.0)
    await ui.app.history.add((message,), announce=False)
    ui.chat.open(conversation.id)
    view = ui.chat.pane.transcript
    await ui.until(lambda: view.items and view.items[0].ready)

    async def save(action: str, path: Path) -> list[str]:
        before = len(ui.toasts())
        target = next(each for each in view.items[0].targets() if each.action == action)
        view.activated.emit(view.items[0], target)
        (dialog,) = ui.window.findChildren(QFileDialog)
        assert dialog.isVisible()
        if path.name.startswith("folder"):  # which Qt's own dialog would open
            dialog.selectedUrls = lambda: [QUrl.fromLocalFile(str(path))]
            dialog.done(QFileDialog.DialogCode.Accepted)
        else:
            ui.pick(dialog, path)
        await ui.until(lambda: len(ui.toasts()) > before and not ui.window.findChildren(QFileDialog))
        return ui.toasts()

    assert "Saved as t.csv." in await save("table_csv", tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == "\ufeffa,b\r\né,'=1\r\n".encode()
    assert "Saved as code.py." in await save("code_save", tmp_path / "code.py")
    assert (tmp_path / "code.py").read_text(encoding="utf-8") == "x = 'é'\n"
    (tmp_path / "folder.py").mkdir()
    said = (await save("code_save", tmp_path / "folder.py"))[-1]
    assert "folder.py" in said and "Errno" not in said
    assert list((tmp_path / "folder.py").iterdir()) == []


async def _long(ui: Ui, turns: int) -> str:
    """A chat of ``turns`` questions and answers, put straight into the history."""
    conversation = await ui.app.history.create("long")
    parent: str | None = None
    for turn in range(turns):
        pair = []
        for role, text in ((Role.USER, f"question {turn}"), (Role.ASSISTANT, f"answer {turn}")):
            message = Message(new_id(), conversation.id, parent, role, (TextPart(text),), float(turn))
            parent = message.id
            pair.append(message)
        await ui.app.history.add(tuple(pair), announce=False)
    assert visible_text((await ui.app.history.tail(conversation.id, 1))[0].parts) == f"answer {turns - 1}"
    return conversation.id


async def test_a_running_answer_carries_the_name_of_its_model(make: Make) -> None:
    make.load_s = 0.6
    ui = await make()
    ui.type("hello")
    ui.press(Qt.Key.Key_Return)
    await ui.until(lambda: ui.app.chat.running() and layouts.last_answer(ui.chat.pane.transcript))
    assert ui.app.models.state.status is not ModelStatus.READY
    item = ui.chat.pane.transcript.items[-1]
    assert item.message.provenance is not None
    assert item.message.provenance.guide
    await ui.rest()


async def test_the_menu_of_another_chat_works_while_a_new_one_is_on_show(make: Make) -> None:
    ui = await make()
    await ui.say("First")
    ui.chat.new_chat()
    actions = [ui.window.actions_[name] for name in ("chat.rename", "chat.delete", "chat.copy")]
    assert not any(action.isEnabled() for action in actions)
    sidelist = ui.chat.sidelist
    (chat,) = sidelist.model.ids()
    place = sidelist.view.visualRect(sidelist.model.index_of(chat)).center()
    shown = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, sidelist.view.viewport().mapToGlobal(place))
    QApplication.sendEvent(sidelist.view.viewport(), shown)
    assert all(action.isEnabled() for action in actions)
    menu = QApplication.activePopupWidget()
    QTest.keyClick(menu, Qt.Key.Key_Escape)
    await ui.until(lambda: not any(action.isEnabled() for action in actions))
    QApplication.sendEvent(sidelist.view.viewport(), shown)
    QTest.mouseClick(menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(actions[1]).center())
    await ui.until(lambda: sidelist.model.ids() == [])
    assert ui.chat.current == "", "the new chat stays on show"
