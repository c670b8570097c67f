"""The bar that finds in the chat on show, and chats opened where a search has found something."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog

from qwen_desktop.core.chat import Message, new_id
from qwen_desktop.core.parts import FilePart, Role, TextPart
from qwen_desktop.store import conversations, messages
from qwen_desktop.store.connection import transaction
from qwen_desktop.ui.chat.attached_text import AttachedText
from qwen_desktop.ui.palette.palette import Palette
from tests.inline_jobs import InlineJobs
from tests.scripted_engine import Script
from tests.ui.branching import branch, on_show
from tests.ui.messages import CTRL, talk, view

if TYPE_CHECKING:
    import sqlite3

    from tests.ui.conftest import Make, Ui

SHIFT = Qt.KeyboardModifier.ShiftModifier


async def opened(make: Make) -> Ui:
    """A window whose texts are read as in the job worker."""

    async def prepare(app: Any) -> None:
        app.jobs = InlineJobs()

    return await make(prepare=prepare)


def find(ui: Ui, text: str = "") -> Any:
    """The bar, opened by its key, with this typed."""
    ui.key(ui.window.focusWidget() or ui.window, Qt.Key.Key_F, CTRL)
    bar = ui.chat.pane.find_bar
    assert bar.isVisible() and bar.field.hasFocus()
    QTest.keyClicks(bar.field, text)
    return bar


def marked(ui: Ui, message_id: str) -> list[tuple[str, str]]:
    """What is marked in a message, and how."""
    item = view(ui).item(message_id)
    text = view(ui).texts.known(item) or ""
    return [(text[start:end], role) for start, end, role in view(ui).matches.get(message_id, ())]


def current_is_seen(ui: Ui) -> bool:
    finder = ui.chat.pane.find_bar.finder
    here = finder.current
    item = view(ui).item(here.message_id) if here is not None else None
    if item is None or not item.ready:
        return False
    section = next(s for s in reversed(item.sections) if s.length and s.start <= here.start)
    top, bottom = section.band(here.start - section.start, here.end - section.start)
    y = view(ui).top_of(item) + section.y
    return bool(y + top >= 0 and y + bottom <= view(ui).viewport().height())


async def test_the_bar_counts_goes_on_and_closes_where_the_reader_is(make: Make) -> None:
    ui = await opened(make)
    _, ids = await talk(ui, 20)
    before = view(ui).top_of(view(ui).items[-1])
    bar = find(ui, "x 3")
    await ui.until(lambda: bar.count.text().endswith("of 11"))
    await ui.until(lambda: current_is_seen(ui))
    assert before != view(ui).top_of(view(ui).items[-1])
    numbers = [bar.finder.number]
    for key, held in ((Qt.Key.Key_Return, ()), (Qt.Key.Key_Return, (SHIFT,)), (Qt.Key.Key_F3, ()),
                      (Qt.Key.Key_G, (CTRL,)), (Qt.Key.Key_F3, (SHIFT,)), (Qt.Key.Key_G, (CTRL, SHIFT))):  # fmt: skip
        ui.key(bar.field, key, *held)
        await ui.until(lambda: current_is_seen(ui))
        numbers.append(bar.finder.number)
    assert [(b - a) % 11 for a, b in pairwise(numbers)] == [1, 10, 1, 1, 10, 10]
    shown = bar.finder.current.message_id
    place = (
        view(ui).top_of(view(ui).item(shown))
        + view(ui).viewport().mapTo(ui.window, view(ui).viewport().rect().topLeft()).y()
    )
    ui.key(bar.field, Qt.Key.Key_Escape)
    assert bar.isHidden() and not view(ui).matches and ui.chat.pane.composer.edit.hasFocus()
    after = (
        view(ui).top_of(view(ui).item(shown))
        + view(ui).viewport().mapTo(ui.window, view(ui).viewport().rect().topLeft()).y()
    )
    assert abs(after - place) <= 2, "what is read stays where it is"
    ui.key(ui.window, Qt.Key.Key_F3)
    assert bar.isVisible() and bar.field.text() == "x 3"
    assert len(ids) == 40


async def test_nothing_found_is_said_and_capitals_count_where_asked(make: Make) -> None:
    ui = await opened(make)
    await talk(ui, 3)
    bar = find(ui, "zebra")
    await ui.until(lambda: bar.count.text() == "Not found")
    assert not bar.next.isEnabled()
    bar.field.clear()
    assert bar.count.text() == ""
    QTest.keyClicks(bar.field, "WORDS")
    await ui.until(lambda: bar.finder.total > 0)
    bar.case.click()
    await ui.until(lambda: bar.count.text() == "Not found")


async def test_the_header_opens_it_and_a_new_chat_has_none(make: Make) -> None:
    ui = await opened(make)
    assert not ui.chat.header.find_button.isVisible()
    ui.key(ui.window, Qt.Key.Key_F, CTRL)
    assert ui.chat.pane.find_bar.isHidden(), "there is nothing to find in"
    await talk(ui, 3)
    ui.chat.header.find_button.click()
    bar = ui.chat.pane.find_bar
    assert bar.isVisible() and "Ctrl+F" in ui.chat.header.find_button.toolTip()
    QTest.keyClicks(bar.field, "words")
    await ui.until(lambda: bar.finder.total)
    other, _ = await talk(ui, 2)
    assert bar.isVisible() and ui.chat.current == other
    await ui.until(lambda: bar.finder.whole)
    assert view(ui).matches.keys() <= set(on_show(ui))
    ui.chat.new_chat()
    assert bar.isHidden()


async def test_it_goes_on_while_an_answer_grows(make: Make) -> None:
    make.script = Script(text="needle and " * 200, rate=400)
    ui = await opened(make)
    ui.type("where is the needle?")
    ui.press(Qt.Key.Key_Return)
    await ui.until(lambda: ui.app.deltas() and ui.chat.current)
    bar = find(ui, "needle")
    await ui.until(lambda: bar.finder.total > 1)
    early = bar.finder.total
    await ui.until(lambda: bar.finder.total == 201)
    assert early < 201
    await ui.until(lambda: bar.count.text().endswith("of 201"))


# Hits that are opened -------------------------------------------------------------------------------------------------


async def open_hit(ui: Ui, text: str, title: str) -> None:
    """Find something with the palette and open the first hit with this title."""
    ui.window.actions_.trigger("chat.find")
    palette = ui.window.findChild(Palette)
    assert isinstance(palette, Palette)
    QTest.keyClicks(palette.field.edit, text)
    await ui.until(lambda: not palette._waits)
    number = next(n for n, row in enumerate(palette.model.rows) if row.kind == "hit" and row.title == title)
    palette.point(number)
    QTest.keyClick(palette.field.edit, Qt.Key.Key_Return)
    await ui.rest()


async def test_a_hit_opens_marked_and_in_view(make: Make) -> None:
    ui = await opened(make)
    chat = (await ui.app.history.create("far away")).id
    ids = await branch(ui, chat, None, "x", 60)
    entry = Message(new_id(), chat, ids[-1], Role.USER, (TextPart("word " * 900 + "a zebra " + "word " * 900),), 1.0)
    await ui.app.history.add((entry,))
    below = await branch(ui, chat, entry.id, "y", 60)
    await open_hit(ui, "zebra", "far away")
    assert ui.chat.current == chat
    await ui.until(lambda: current_is_seen(ui))
    assert marked(ui, entry.id) == [("zebra", "current_match")]
    view(ui).scroll_by(20)
    await ui.rest()
    assert marked(ui, entry.id)
    view(ui).scroll_to_end()
    await ui.until(lambda: not view(ui).matches)
    assert on_show(ui)[-1] == below[-1]


async def test_a_hit_on_another_branch_switches_to_it_and_back(make: Make) -> None:
    ui = await opened(make)
    chat, ids = await talk(ui, 4)
    parent = ids[2]
    other = Message(new_id(), chat, ids[1], Role.USER, (TextPart("a zebra on another branch"),), 1.0)
    await ui.app.db.call(_put, other)
    assert parent in on_show(ui)
    await ui.app.history.rename(chat, "branches")
    ui.chat.open("")
    await open_hit(ui, "zebra", "branches")
    await ui.until(lambda: on_show(ui) == [*ids[:2], other.id] and current_is_seen(ui))
    assert marked(ui, other.id) == [("zebra", "current_match")]
    ui.key(ui.chat.pane.composer.edit, Qt.Key.Key_Z, CTRL)
    await ui.until(lambda: on_show(ui) == ids)


def _put(connection: sqlite3.Connection, *entries: Message) -> None:
    """Put messages into the history; the last of many is the end of the branch on show."""
    with transaction(connection, durable=False):
        for entry in entries:
            messages.insert(connection, entry)
        if len(entries) > 1:
            conversations.touch(connection, entries[-1].conversation_id, 1.0, entries[-1].id, None)


async def test_a_hit_in_a_file_opens_its_text_at_the_place(make: Make) -> None:
    ui = await opened(make)
    chat = (await ui.app.history.create("with a file")).id
    text = "\r\n".join(f"𝕩 line {n}" for n in range(3000)) + "\nthe zebra stands here\n" + "more\n" * 500 + "zebras\n"
    file = FilePart("", "text/plain", "zoo.txt", 9, text)
    await ui.app.history.add((Message(new_id(), chat, None, Role.USER, (file, TextPart("read it")), 1.0),))
    await open_hit(ui, "zebra", "with a file · zoo.txt")
    await ui.until(lambda: ui.window.findChild(AttachedText) is not None)
    dialog = ui.window.findChild(AttachedText)
    assert isinstance(dialog, QDialog)
    await ui.until(lambda: len(dialog.view.extraSelections()) == 2)
    words = [each.cursor.selectedText() for each in dialog.view.extraSelections()]
    assert words == ["zebra", "zebra"]
    assert dialog.view.viewport().rect().contains(dialog.view.cursorRect())
    assert dialog.view.textCursor().block().text() == "the zebra stands here"
    QTest.keyClick(dialog, Qt.Key.Key_F3)
    assert dialog.view.textCursor().block().text() == "zebras"
    assert dialog.view.viewport().rect().contains(dialog.view.cursorRect())
    dialog.reject()


async def test_a_hit_whose_message_is_gone_says_so(make: Make) -> None:
    ui = await opened(make)
    chat, ids = await talk(ui, 2)
    ui.chat.open("")
    await ui.app.history.delete_message(ids[2])
    ui.chat.open_at(chat, ids[2], "words")
    await ui.until(ui.toasts)
    await ui.app.history.delete(chat)
    ui.chat.open_at(chat, ids[0], "words")
    await ui.until(lambda: "This chat does not exist any more. Start a new chat." in ui.toasts())


async def test_the_first_of_ten_thousand_messages(make: Make) -> None:
    ui = await opened(make)
    chat = (await ui.app.history.create("long")).id
    made: list[Message] = []
    for number in range(10_000):
        role, text = (Role.ASSISTANT, "**words**") if number % 2 else (Role.USER, "words")
        text = f"{text} of message {number}" if number != 3 else "the zebra"
        parent = made[-1].id if made else None
        made.append(Message(new_id(), chat, parent, role, (TextPart(text),), float(number)))
    await ui.app.db.call(_put, *made)
    ui.chat.open_at(chat, made[3].id, "zebra")
    await ui.until(lambda: current_is_seen(ui), 20)
    assert marked(ui, made[3].id) == [("zebra", "current_match")]
    bar = find(ui, "words of message 9999")
    await ui.until(lambda: bar.finder.whole and bar.finder.total == 1, 20)
    await ui.until(lambda: current_is_seen(ui))
    assert bar.finder.current.message_id == made[9999].id
