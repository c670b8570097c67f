"""The list of chats: what it shows is what a list built anew would show, and what a view holds on to stays."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication, QLineEdit

from qwen_desktop.core.chat import Conversation
from qwen_desktop.ui.chat.conversations import ID_ROLE, ConversationTree
from qwen_desktop.ui.chat.list_homes import ROWS
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

DAY = 86_400.0
NOON = 1_700_000_000.0


def tree(model: ConversationTree, parent: QModelIndex | None = None) -> list[object]:
    """All that is shown, from top to bottom, with what stands below it."""
    above = parent if parent is not None else QModelIndex()
    found: list[object] = []
    for row in range(model.rowCount(above)):
        index = model.index(row, 0, above)
        found.append((index.data(), index.data(ID_ROLE), tree(model, index)))
    return found


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def some_chat(chance: random.Random, clock: Clock) -> Conversation:
    ago = chance.choice([0.0, 0.0, DAY * chance.random() * 9, DAY * 30])
    title = chance.choice(["alpha", "beta", "Alpha Beta", ""])
    return Conversation(f"c{chance.randrange(40)}", title, 0.0, clock.now - ago, pinned=chance.random() < 0.2)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_a_list_built_anew_shows_and_indexes_follow_their_chats(qapp: QApplication, seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    model = ConversationTree(clock)
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal, model)
    resets: list[int] = []
    model.modelReset.connect(lambda: resets.append(1))
    chats: dict[str, Conversation] = {}
    held: dict[str, QPersistentModelIndex] = {}
    for step in range(150):
        match chance.choice(["put", "put", "put", "put", "remove", "clock", "running"]):
            case "put":
                chat = some_chat(chance, clock)
                chats[chat.id] = chat
                model.put(chat)
            case "remove":
                gone = f"c{chance.randrange(40)}"
                chats.pop(gone, None)
                model.remove(gone)
            case "clock":
                clock.now += chance.choice([1.0, 600.0, DAY, -DAY, 3 * DAY, -5 * DAY])
                model.regroup()
            case "running":
                model.set_running(frozenset(chance.sample(sorted(chats), min(3, len(chats)))))
        anew = ConversationTree(clock)
        anew.set_all(chats.values())
        assert tree(model) == tree(anew), step
        shown = set(model.ids())
        assert {chat for chat, index in held.items() if index.isValid()} == held.keys() & shown, step
        assert all(held[chat].data(ID_ROLE) == chat for chat in held.keys() & shown), step
        held = {chat: QPersistentModelIndex(model.index_of(chat)) for chat in shown}
    assert resets == []


def editor(ui: Ui) -> QLineEdit | None:
    found: QLineEdit | None = ui.chat.sidelist.view.findChild(QLineEdit, "rename")
    return found


@pytest.mark.parametrize("seed", range(4))
def test_of_many_the_newest_are_rows_and_the_others_come_when_asked_for(qapp: QApplication, seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    model = ConversationTree(clock)
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal, model)
    titles = ["alpha", "beta", "Alpha Beta"]

    def chat(number: int) -> Conversation:
        ago = chance.random() * 90 * DAY
        return Conversation(f"c{number}", chance.choice(titles), 0.0, clock.now - ago, pinned=chance.random() < 0.01)

    chats = {made.id: made for made in map(chat, range(chance.choice((ROWS, ROWS + 1, 4 * ROWS))))}
    model.set_all(chats.values())
    for _ in range(60):
        match chance.choice(["put", "put", "remove", "clear", "more", "reveal"]):
            case "put":
                made = chat(chance.randrange(5 * ROWS))
                chats[made.id] = made
                model.put(made)
            case "remove":
                gone = f"c{chance.randrange(5 * ROWS)}"
                chats.pop(gone, None)
                model.remove(gone)
            case "clear":
                for gone in model.ids()[: chance.randrange(ROWS // 3)]:
                    del chats[gone]
                    model.remove(gone)
            case "more":
                before = len(model.ids())
                assert model.show_more() == (len(model.ids()) > before)
            case "reveal":
                some = chance.choice([*sorted(chats), "gone"])
                model.reveal(some)
                assert model.index_of(some).isValid() == (some in chats)
        pinned = {c.id for c in chats.values() if c.pinned}
        shown = model.ids()
        loose = sorted((c for c in chats.values() if not c.pinned), key=lambda c: -c.updated)
        rows = len(shown) - len(pinned)
        assert set(shown[: len(pinned)]) == pinned
        assert [chats[name].updated for name in shown[len(pinned) :]] == [c.updated for c in loose[:rows]]
        assert len(shown) >= min(len(chats), ROWS // 2)
    while model.show_more():
        pass
    assert sorted(model.ids()) == sorted(chats)


async def test_the_end_of_a_long_list_of_chats_is_reached(make: Make) -> None:
    ui = await make()
    side = ui.chat.sidelist
    side.model.set_all(Conversation(f"c{n}", f"chat {n}", 0.0, NOON - n) for n in range(3 * ROWS))
    bar = side.view.verticalScrollBar()
    await asyncio.sleep(0.02)
    for _ in range(20):
        bar.setValue(bar.maximum())
        await asyncio.sleep(0.005)
    assert len(side.model.ids()) == 3 * ROWS
    assert side.view.visualRect(side.model.index_of(f"c{3 * ROWS - 1}")).bottom() <= side.view.viewport().height()
    side.model.set_all(Conversation(f"c{n}", f"chat {n}", 0.0, NOON - n) for n in range(3 * ROWS))
    assert side.neighbour(f"c{ROWS - 1}", 1) == f"c{ROWS}"
    side.choose(f"c{2 * ROWS}")
    assert side.view.currentIndex().data(ID_ROLE) == f"c{2 * ROWS}"
    side.choose(f"c{3 * ROWS - 9}")  # what was found and opened is chosen, however old it is
    assert side.view.currentIndex().data(ID_ROLE) == f"c{3 * ROWS - 9}"


async def test_a_rename_in_place_outlives_answers_in_other_chats_and_the_next_day(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui = await make()
    older = await ui.app.ask("older")
    newest = await ui.app.ask("newest")
    await ui.app.ask("mine")
    ui.chat.open(newest)
    await ui.rest()
    ui.key(ui.window, Qt.Key.Key_F2)
    field = editor(ui)
    assert field is not None
    QTest.keyClicks(field, "what I ty")
    await ui.app.ask("again", older)  # it moves up, over the one that is being renamed
    await ui.app.ask("and here", newest)  # that one moves too
    await ui.rest()
    model = ui.chat.sidelist.model
    monkeypatch.setattr(model, "_clock", lambda: time.time() + DAY)
    model.regroup()
    await asyncio.sleep(0.02)
    assert model.index(0, 0).data() == "Yesterday"
    assert editor(ui) is field and field.hasFocus()
    QTest.keyClicks(field, "ped")
    place = ui.chat.sidelist.view.visualRect(model.index_of(newest))
    assert field.geometry().top() == place.top()
    QTest.keyClick(field, Qt.Key.Key_Return)
    await ui.rest()
    found = await ui.app.history.get(newest)
    assert found is not None and found.title == "what I typed"


async def test_what_is_chosen_and_where_it_is_scrolled_to_stay(make: Make) -> None:
    ui = await make()
    made = [await ui.app.history.create(f"chat {n}") for n in range(60)]
    ui.chat.open(made[30].id)
    await ui.rest()
    side = ui.chat.sidelist
    bar = side.view.verticalScrollBar()
    bar.setValue(bar.maximum() // 3)
    before = bar.value()
    assert before
    side.model.put(structs.replace(made[30], title="another title"))
    side.model.put(structs.replace(made[5], updated=time.time() + 5))
    side.model.regroup()
    await asyncio.sleep(0.02)
    assert side.model.index(0, 0, side.model.index(0, 0)).data(ID_ROLE) == made[5].id
    assert bar.value() == before
    for index in (side.view.currentIndex(), *side.view.selectedIndexes()):
        assert index.data(ID_ROLE) == made[30].id


async def test_the_keyboard_steps_over_headings(make: Make) -> None:
    ui = await make()
    now = time.time()
    for number, days in enumerate((0, 0, 3, 40)):
        ui.app.history._clock = lambda d=days, n=number: now - d * DAY - n  # type: ignore[misc] # a clock of its own
        await ui.app.history.create(f"chat {number}")
    side = ui.chat.sidelist
    ui.chat.open(side.model.ids()[0])
    await ui.rest()
    side.view.setFocus()
    seen = []
    for _ in range(4):
        seen.append(ui.chat.header.title.text())
        ui.key(side.view, Qt.Key.Key_Down)
    assert seen == ["chat 0", "chat 1", "chat 2", "chat 3"]
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Minus, Qt.Key.Key_Right):  # a group does not close
        ui.key(side.view, key)
    assert side.view.indexBelow(side.model.index(0, 0)).data(ID_ROLE) == side.model.ids()[0]
    ui.key(side.view, Qt.Key.Key_Home)
    assert ui.chat.current == side.model.ids()[0]
    ui.key(side.view, Qt.Key.Key_End)
    assert ui.chat.current == side.model.ids()[-1]


async def test_a_screen_reader_finds_the_headings_the_chats_and_the_chosen_one(make: Make) -> None:
    ui = await make()
    now = time.time()
    made = []
    for days in (40, 0):
        ui.app.history._clock = lambda d=days: now - d * DAY  # type: ignore[misc] # a clock of its own
        made.append(await ui.app.history.create(f"chat of {days} days ago"))
    ui.chat.open(made[0].id)
    await ui.rest()
    top = QAccessible.queryAccessibleInterface(ui.chat.sidelist.view)
    assert top.role() is QAccessible.Role.Tree
    children = [child for number in range(top.childCount()) if (child := top.child(number)) is not None]
    rows = [child for child in children if child.role() is QAccessible.Role.TreeItem]

    def said(row: QAccessibleInterface) -> tuple[str, str]:
        return row.text(QAccessible.Text.Name), row.text(QAccessible.Text.Description)

    assert [said(row) for row in rows] == [
        ("Today", "Heading"),
        ("chat of 0 days ago", "Chat"),
        ("Older", "Heading"),
        ("chat of 40 days ago", "Chat"),
    ]
    assert [bool(row.state().selected) for row in rows] == [False, False, False, True]
    assert [bool(row.state().selectable) for row in rows] == [False, True, False, True]


async def test_a_dot_stands_at_a_chat_in_which_an_answer_runs(make: Make) -> None:
    make.script = Script(text="word " * 400, rate=50)
    ui = await make()
    (await ui.app.history.create("quiet"))
    await ui.app.send("runs")
    await ui.until(ui.app.chat.running)
    await asyncio.sleep(0.05)
    view, accent = ui.chat.sidelist.view, ui.theme.color("accent").rgb()

    def dotted(chat: str) -> bool:
        row = view.visualRect(ui.chat.sidelist.model.index_of(chat))
        picture = view.viewport().grab(row).toImage()
        return any(picture.pixel(picture.width() - 17, y) == accent for y in range(picture.height()))

    assert [dotted(chat) for chat in ui.chat.sidelist.model.ids()] == [True, False]
