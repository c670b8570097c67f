"""The palette over the window: what is typed is looked for in titles, messages and actions, by keyboard and mouse."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest

from qwen_desktop.core.chat import Message, Names, new_id
from qwen_desktop.core.commands import COMMANDS
from qwen_desktop.core.errors import Environment
from qwen_desktop.core.parts import FilePart, Role, TextPart
from qwen_desktop.core.queries import Found, Hit, parse
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.store import conversations
from qwen_desktop.ui import icons
from qwen_desktop.ui.palette.completing import completions
from qwen_desktop.ui.palette.palette import Palette
from qwen_desktop.ui.palette.rows import Row
from tests.ui.messages import MADE

if TYPE_CHECKING:
    import sqlite3

    from tests.ui.conftest import Make, Ui

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


async def chat(ui: Ui, title: str, *said: str | FilePart, **values: str) -> tuple[str, list[str]]:
    """A chat with these messages: its id, and theirs."""
    made = (await ui.app.history.create(title)).id
    ids: list[str] = []
    for number, each in enumerate(said):
        part = TextPart(each) if isinstance(each, str) else each
        role = Role.ASSISTANT if number % 2 else Role.USER
        parent = ids[-1] if ids else None
        entry = Message(new_id(), made, parent, role, (part,), 1.0 + number, provenance=MADE if number % 2 else None)
        await ui.app.history.add((entry,))
        ids.append(entry.id)
    for column, value in values.items():
        await ui.app.db.call(_set, made, column, value)
    return made, ids


def _set(connection: sqlite3.Connection, chat_id: str, column: str, value: str) -> None:
    connection.execute(f"UPDATE conversations SET {column} = ? WHERE id = ?", (value, chat_id))  # noqa: S608 - a name
    connection.commit()


def _folder(connection: sqlite3.Connection, key: str, name: str) -> None:
    connection.execute("INSERT INTO folders (id, name) VALUES (?, ?)", (key, name))
    connection.commit()


def opened(ui: Ui, *modifiers: Qt.KeyboardModifier, key: Qt.Key = Qt.Key.Key_K) -> Palette:
    """The palette, opened by its key."""
    ui.key(ui.window.focusWidget() or ui.window, key, *(modifiers or (CTRL,)))
    found = ui.window.findChild(Palette)
    assert isinstance(found, Palette)
    assert found.isVisible() and found.field.edit.hasFocus()
    return found


async def typed(ui: Ui, palette: Palette, text: str) -> list[Row]:
    """What stands there once the answer has come."""
    QTest.keyClicks(palette.field.edit, text)
    await ui.until(lambda: not palette._waits)
    await ui.rest()
    return list(palette.model.rows)


def titles(palette: Palette, kind: str = "") -> list[str]:
    return [row.title for row in palette.model.rows if not kind or row.kind == kind]


def current(palette: Palette) -> Row:
    return palette.model.rows[palette.place]


def press(palette: Palette, *keys: Qt.Key) -> None:
    for key in keys:
        QTest.keyClick(palette.field.edit, key)


async def test_titles_messages_and_actions_stand_in_groups(make: Make) -> None:
    ui = await make()
    await chat(ui, "Heap merge", "nothing here", "or here")
    await chat(ui, "Sorting", "How do I do a heap merge?", "With heapq.")
    palette = opened(ui)
    rows = await typed(ui, palette, "heap me")
    assert titles(palette, "heading") == ["Chats", "Messages", "Actions"]
    assert titles(palette, "chat") == ["Heap merge"]
    hit = next(row for row in rows if row.kind == "hit")
    assert hit.title == "Sorting"
    assert "".join(hit.snippet[start:end] for start, end in hit.marks) == "heap me"
    new = next(row for row in rows if row.kind == "new")
    assert (new.title, new.note) == ("New chat", "with “heap me”")
    assert palette.count.text() == "1 message in 2 chats"
    assert current(palette).title == "Heap merge"


async def test_enter_opens_and_escape_gives_the_keyboard_back(make: Make) -> None:
    ui = await make()
    first, _ = await chat(ui, "first words", "one")
    await chat(ui, "second words", "two")
    ui.chat.sidelist.view.setFocus()
    palette = opened(ui)
    press(palette, Qt.Key.Key_Escape)
    assert not palette.isVisible() and ui.chat.sidelist.view.hasFocus()
    palette = opened(ui)
    QTest.keyClicks(palette.field.edit, "first words")
    press(palette, Qt.Key.Key_Return)  # before there is an answer: it means what is typed
    await ui.until(lambda: ui.chat.current == first)
    assert not palette.isVisible()
    palette = opened(ui)
    assert palette.field.query == "" and palette.count.text() == ""
    ui.key(palette.field.edit, Qt.Key.Key_K, CTRL)
    assert not palette.isVisible()


async def test_the_keys_of_the_list(make: Make) -> None:
    ui = await make()
    palette = opened(ui, CTRL, SHIFT, key=Qt.Key.Key_P)
    takes = [row for row in palette.model.rows if row.takes]
    assert current(palette) is takes[0]
    press(palette, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Up)
    assert current(palette) is takes[1]
    press(palette, Qt.Key.Key_End)
    assert current(palette) is takes[-1]
    press(palette, Qt.Key.Key_Down)
    assert current(palette) is takes[0]
    press(palette, Qt.Key.Key_Up)
    assert current(palette) is takes[-1]
    press(palette, Qt.Key.Key_Home)
    assert current(palette) is takes[0]
    press(palette, Qt.Key.Key_PageDown)
    page = takes.index(current(palette))
    assert 3 < page < len(takes) - 1
    assert palette.view.viewport().rect().contains(palette.view.visualRect(palette.view.currentIndex()))
    press(palette, Qt.Key.Key_PageUp)
    assert current(palette) is takes[0]


async def test_every_action_that_can_be_done_now_is_there_with_its_key_and_does_it(make: Make) -> None:
    ui = await make()
    palette = opened(ui, CTRL, SHIFT, key=Qt.Key.Key_P)
    shown = titles(palette, "action")
    actions = ui.window.actions_
    given = [c.id for c in COMMANDS if c.menu and actions[c.id].isEnabled() and actions[c.id].isVisible()]
    can = {actions[name].text() for name in given if ui.window.can(name)}
    assert can - {"Search", "All actions"} <= set(shown)
    assert "Delete chat" not in shown, "there is no chat"
    assert next(row.keys for row in palette.model.rows if row.title == "Settings") == "Ctrl ,"
    QTest.keyClicks(palette.field.edit, "keyboa")
    assert titles(palette, "action") == ["Keyboard shortcuts"]
    palette.field.edit.clear()
    QTest.keyClicks(palette.field.edit, "settings")
    press(palette, Qt.Key.Key_Return)
    assert ui.window.pages.shows("view.settings")


async def test_actions_and_search_are_one_surface(make: Make) -> None:
    ui = await make()
    palette = opened(ui)
    ui.key(palette.field.edit, Qt.Key.Key_P, CTRL, SHIFT)
    assert palette.isVisible() and palette.field.actions_only
    press(palette, Qt.Key.Key_Backspace)
    assert not palette.field.actions_only and "Actions" in titles(palette, "heading")
    QTest.keyClicks(palette.field.edit, ">set")
    assert palette.field.actions_only and titles(palette, "action")[0] == "Settings"


async def test_a_prefix_becomes_a_chip_that_backspace_takes_out(make: Make) -> None:
    ui = await make()
    await ui.app.db.call(_folder, "w", "Big Work")
    await chat(ui, "inside", "the needle", folder_id="w")
    await chat(ui, "outside", "a needle")
    palette = opened(ui)
    await ui.rest()
    await typed(ui, palette, "fo")
    assert titles(palette, "completion") == ["folder:"]
    press(palette, Qt.Key.Key_Tab)
    assert palette.field.edit.text() == "folder:"
    assert titles(palette, "completion") == ["folder: Big Work"]
    press(palette, Qt.Key.Key_Return)
    assert [chip.shown for chip in palette.field.chips] == ["folder: Big Work"]
    assert palette.field.edit.text() == ""
    await typed(ui, palette, "needle")
    assert titles(palette, "hit") == ["inside"]
    assert palette.field.query == 'folder:"Big Work" needle'
    for _ in "needle":
        press(palette, Qt.Key.Key_Backspace)
    press(palette, Qt.Key.Key_Backspace)
    assert palette.field.chips == []
    await typed(ui, palette, "needle")
    assert sorted(titles(palette, "hit")) == ["inside", "outside"]


def test_what_a_search_can_go_on_with() -> None:
    names = Names({"w": "Work", "p": "Private work"}, ("draft", "done"), ("Qwen3 4B",))

    def texts(text: str) -> list[str]:
        return [each.text for each in completions(text, len(text), names)]

    assert texts("folder:wo") == ["folder:Work", 'folder:"Private work"']
    assert texts("merge tag:d") == ["tag:draft", "tag:done"]
    assert texts("model:") == ['model:"Qwen3 4B"']
    assert texts("has:") == ["has:code", "has:file", "has:image"]
    assert texts("be") == ["before:"] and texts("x ha") == ["has:"]
    assert texts("b") == [] and texts("") == [] and texts("folder:Nobody") == []
    for text in ("folder:", 'folder:"a b', "tag:x has:", "::", '"', "a:b:c"):
        for cursor in range(len(text) + 1):
            for each in completions(text, cursor, names):
                assert 0 <= each.start <= each.end <= len(text)
                done = parse(text[: each.start] + each.text + " ")
                assert done.filters


async def test_an_old_answer_never_comes_instead_of_a_newer(make: Make) -> None:
    ui = await make()
    made = await ui.app.history.create("a chat")
    gates: dict[str, asyncio.Event] = {}

    class Slow:
        """Answers when it is told to."""

        async def find(self, query: Any, limit: int = 50) -> Found:
            gate = gates[query.text] = asyncio.Event()
            await gate.wait()
            hit = Hit(made, "m", Role.USER, "a chat", f"about {query.text}", (), 1.0)
            return Found((hit,), 1, 1)

    ui.app.search = Slow()  # type: ignore[assignment]
    palette = opened(ui)
    QTest.keyClicks(palette.field.edit, "ab")
    await ui.until(lambda: {"a", "ab"} <= gates.keys())
    gates["ab"].set()
    await ui.until(lambda: titles(palette, "hit"))
    gates["a"].set()
    await ui.rest()
    assert [row.snippet for row in palette.model.rows if row.kind == "hit"] == ["about ab"]
    QTest.keyClicks(palette.field.edit, "c")
    await ui.until(lambda: "abc" in gates)
    assert [row.snippet for row in palette.model.rows if row.kind == "hit"] == ["about ab"], "nothing flickers"
    await asyncio.sleep(0.2)
    assert next(row for row in palette.model.rows if row.kind == "new").note == "with “abc”", "actions do not wait"
    press(palette, Qt.Key.Key_Escape)
    gates["abc"].set()
    await ui.rest()
    assert not palette.isVisible()


async def test_what_goes_wrong_and_what_is_still_prepared_is_said(make: Make) -> None:
    ui = await make()

    class Broken:
        async def find(self, _query: Any, limit: int = 50) -> Found:
            raise Environment(Text("x", QT_TRANSLATE_NOOP("tests", "The disk cannot be read.")))

    class Preparing:
        async def find(self, _query: Any, limit: int = 50) -> Found:
            return Found(preparing=True)

    ui.app.search = Broken()  # type: ignore[assignment]
    palette = opened(ui)
    await typed(ui, palette, "x")
    assert titles(palette, "note") == ["The disk cannot be read."]
    ui.app.search = Preparing()  # type: ignore[assignment]
    await typed(ui, palette, "y")
    assert "still being prepared" in titles(palette, "note")[0] and "still being prepared" in palette.count.text()
    assert ui.toasts() == []


async def test_nothing_found_says_what_to_do(make: Make) -> None:
    ui = await make()
    await chat(ui, "a chat", "words")
    palette = opened(ui)
    await typed(ui, palette, "zebra")
    assert titles(palette, "note") == ["Nothing is found. Check how it is spelled, or use fewer words."]
    assert current(palette).kind == "new"
    press(palette, Qt.Key.Key_Return)
    assert ui.chat.current == "" and ui.chat.pane.composer.draft.text == "zebra"
    assert ui.chat.pane.composer.edit.hasFocus()


async def test_recent_chats_stand_there_before_anything_is_typed(make: Make) -> None:
    ui = await make()
    for number in range(9):
        await chat(ui, f"chat {number}", "words")
    away, _ = await chat(ui, "put away", "words", archived="1")
    here, _ = await chat(ui, "here", "words")
    ui.chat.open(here)
    await ui.rest()
    palette = opened(ui)
    await ui.rest()
    assert titles(palette, "chat") == [f"chat {number}" for number in range(8, 2, -1)]
    press(palette, Qt.Key.Key_Return)
    await ui.rest()
    assert ui.chat.pane.title == "chat 8"
    palette = opened(ui)
    rows = await typed(ui, palette, "put away")
    assert "archive" in next(row.note for row in rows if row.kind == "chat")
    press(palette, Qt.Key.Key_Return)
    await ui.until(lambda: ui.chat.current == away)


async def test_the_mouse_points_chooses_and_leaves(make: Make) -> None:
    ui = await make()
    palette = opened(ui)
    row = next(n for n, each in enumerate(palette.model.rows) if each.title == "Models")
    place = palette.view.visualRect(palette.model.index(row)).center()
    QTest.mouseMove(palette.view.viewport(), place - QPoint(9, 0))
    QTest.mouseMove(palette.view.viewport(), place)
    assert current(palette).title == "Models"
    QTest.mouseClick(palette.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert ui.window.pages.shows("view.models") and not palette.isVisible()
    palette = opened(ui)
    QTest.mouseClick(palette, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert not palette.isVisible()


async def test_the_button_of_the_list_opens_it_and_a_page_closes_it(make: Make) -> None:
    ui = await make()
    QTest.mouseClick(ui.chat.sidelist.search, Qt.MouseButton.LeftButton)
    palette = ui.window.findChild(Palette)
    assert isinstance(palette, Palette) and palette.isVisible()
    ui.key(palette.field.edit, Qt.Key.Key_2, CTRL)
    assert ui.window.pages.shows("view.models") and not palette.isVisible()


@pytest.mark.parametrize("size", [(900, 560), (1280, 820), (2560, 1300)])
@pytest.mark.parametrize("text_size", [100, 200])
async def test_it_stays_inside_the_window(make: Make, size: tuple[int, int], text_size: int) -> None:
    ui = await make(size=size, appearance__text_size=text_size)
    for number in range(30):
        await chat(ui, f"needle {number}", "a needle " + "and more words " * 40)
    palette = opened(ui)
    await typed(ui, palette, "needle")
    inside: QRect = ui.window.rect()
    assert inside.contains(palette.frame.geometry())
    assert palette.frame.width() <= ui.theme.grown(680) + 20
    ui.window.resize(size[0], size[1] - 60)
    await ui.rest()
    assert ui.window.rect().contains(palette.frame.geometry())
    press(palette, Qt.Key.Key_End)
    assert palette.view.viewport().rect().contains(palette.view.visualRect(palette.view.currentIndex()))


async def test_a_screen_reader_hears_rows_and_counts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ui = await make()
    await chat(ui, "a needle", "the needle")
    said: list[str] = []
    monkeypatch.setattr(QAccessible, "isActive", lambda: True)
    monkeypatch.setattr(QAccessible, "updateAccessibility", lambda event: said.append(event.message()))
    palette = opened(ui)
    assert palette.field.edit.accessibleName() == "Search chats, messages and actions"
    assert palette.view.accessibleName() == "Results"
    await typed(ui, palette, "needle")
    press(palette, Qt.Key.Key_Down)
    assert any("the needle" in each for each in said)
    await ui.until(lambda: "1 message in 1 chat" in said)


async def test_names_are_those_of_living_chats(make: Make) -> None:
    ui = await make()
    await chat(ui, "one", "q", "a", tags='["b", "A"]')
    gone, _ = await chat(ui, "two", "q", tags='["gone"]')
    await ui.app.history.delete(gone)
    await ui.app.db.call(_folder, "f", "Work")
    names = await ui.app.history.names()
    assert names == Names({"f": "Work"}, ("A", "b"), ("Qwen3 4B",))
    assert [each.title for each in await ui.app.db.read(conversations.recent, 5)] == ["one"]


async def test_each_action_has_its_icon_and_they_are_counted(make: Make) -> None:
    ui = await make()
    await ui.say("Hello")
    for action in COMMANDS:
        ui.window.actions_[action.id].setEnabled(True)
    palette = opened(ui, CTRL, SHIFT, key=Qt.Key.Key_P)
    rows = [row for row in palette.model.rows if row.kind == "action"]
    assert len(rows) > 40
    assert [row.what for row in rows if not row.icon] == []
    assert all(icons._source(row.icon) for row in rows)
    assert palette.count.text().startswith(f"{len(rows)} ")
