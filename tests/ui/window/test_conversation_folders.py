"""The list's model with folders, pins and the archive: in any order of changes it is what one built anew is."""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec import structs
from PySide6.QtCore import QModelIndex, QPersistentModelIndex
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.chat import Conversation, Folder
from qwen_desktop.ui.chat import list_homes
from qwen_desktop.ui.chat.conversations import ID_ROLE, ConversationTree
from qwen_desktop.ui.chat.list_nodes import ARCHIVE, LOOSE, PINNED, Kind
from tests.app import run
from tests.ui.window.test_conversation_tree import DAY, NOON, Clock

IDS = [f"f{number}" for number in range(6)]


def tree(model: ConversationTree, parent: QModelIndex | None = None) -> list[Any]:
    """All that is shown, from top to bottom, with what stands below it."""
    above = parent if parent is not None else QModelIndex()
    indexes = [model.index(row, 0, above) for row in range(model.rowCount(above))]
    return [(*model.row(index), tree(model, index)) for index in indexes]


def some_chat(chance: random.Random, count: int = 40) -> Conversation:
    return Conversation(
        f"c{chance.randrange(count)}",
        chance.choice(["alpha", "beta"]),
        0.0,
        NOON - chance.choice([0.0, DAY * chance.random() * 9, DAY * 30]),
        pinned=chance.random() < 0.1,
        folder_id=chance.choice(["", "", *IDS, "unknown"]),
        archived=chance.random() < 0.1,
        tags=("a",) if chance.random() < 0.2 else (),
    )


def some_folders(chance: random.Random) -> list[Folder]:
    """Some of six folders, in each other as it comes: in themselves and in ones that are not there, too."""
    found = chance.sample(IDS, chance.randint(0, 6))
    return [Folder(each, chance.choice("abAB"), chance.choice(["", "", *IDS, "unknown"])) for each in found]


def one_other(chance: random.Random, folders: list[Folder]) -> list[Folder]:
    """One folder came, went, moved or was renamed."""
    folders = list(folders)
    place = chance.randrange(len(folders)) if folders else None
    fresh = [each for each in IDS if each not in {folder.id for folder in folders}]
    if place is None or (fresh and chance.random() < 0.4):
        return [*folders, Folder(chance.choice(fresh), "new", chance.choice(["", *IDS]))]
    match chance.choice(["goes", "moves", "name"]):
        case "goes":
            del folders[place]
        case "moves":
            folders[place] = structs.replace(folders[place], parent_id=chance.choice(["", *IDS]))
        case _:
            folders[place] = structs.replace(folders[place], name=chance.choice("abAB"))
    return folders


@pytest.mark.parametrize("seed", range(8))
def test_it_is_what_a_list_built_anew_shows_and_indexes_follow(qapp: QApplication, seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    model = ConversationTree(clock)
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal, model)
    resets: list[int] = []
    model.modelReset.connect(lambda: resets.append(1))
    chats: dict[str, Conversation] = {}
    folders: list[Folder] = []
    held: dict[str, QPersistentModelIndex] = {}
    for step in range(150):
        match chance.choice(
            ["put", "put", "put", "put", "remove", "folder", "folder", "folders", "open", "open", "clock"]
        ):
            case "put":
                chat = some_chat(chance)
                chats[chat.id] = chat
                model.put(chat)
            case "remove":
                gone = f"c{chance.randrange(40)}"
                chats.pop(gone, None)
                model.remove(gone)
            case "folder":
                folders = one_other(chance, folders)
                model.set_folders(folders)
            case "folders":
                folders = some_folders(chance)
                model.set_folders(folders)
            case "open":
                each = chance.choice([*IDS, ARCHIVE])
                model.set_open(each, each not in model.opened)
            case "clock":
                clock.now += chance.choice([1.0, DAY, -DAY, 3 * DAY])
                model.regroup()
        anew = ConversationTree(clock)
        anew.opened = model.opened
        anew.set_all(chats.values(), folders)
        assert tree(model) == tree(anew), step
        shown = set(model.ids())
        assert all(held[chat].data(ID_ROLE) == chat for chat in held.keys() & shown if held[chat].isValid()), step
        held = {chat: QPersistentModelIndex(model.index_of(chat)) for chat in shown}
        assert all(model.folder_index(each).isValid() for each in model.folders.inside.get("", ())), (
            "all on top are seen"
        )
    assert resets == []


@pytest.mark.parametrize("seed", range(4))
def test_of_a_long_folder_the_newest_are_rows_and_the_last_row_gives_more(
    qapp: QApplication, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 12
    monkeypatch.setattr(list_homes, "ROWS", rows)
    chance, clock = random.Random(seed), Clock()
    model = ConversationTree(clock)
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal, model)
    many = 3 * rows
    model.set_all((), [Folder("f0", "long"), Folder("f1", "inner", "f0")])
    model.set_open("f0", True)
    assert [row[0] for row in tree(model)[0][-1]] == [Kind.FOLDER], "a folder in it is not nothing"
    for number in range(many):
        model.put(Conversation(f"c{number}", "x", 0.0, NOON - chance.random() * DAY, folder_id="f0"))
        assert len(model.ids()) <= 2 * rows
    top = model.folder_index("f0")
    row = model.row(top)
    assert (row.chats, row.open) == (many, True)
    last = model.row(model.index(model.rowCount(top) - 1, 0, top))
    assert last.kind is Kind.MORE and last.chats == many - len(model.ids())
    shown = model.ids()
    assert (
        model.show_more("f0")
        and model.ids()[: len(shown)] == shown
        and len(model.ids()) == len(shown) + min(rows, last.chats)
    )
    while model.show_more("f0"):
        pass
    assert len(model.ids()) == many
    for number in range(many):
        model.put(Conversation(f"c{number}", "x", 0.0, NOON - chance.random(), folder_id=""))
        assert len(model.ids()) <= many + rows
    assert [row[0] for row in tree(model)[0][-1][0][-1]] == [Kind.FOLDER]
    model.set_open("f1", True)
    assert model.row(model.index(0, 0, model.folder_index("f1"))).kind is Kind.NOTE
    model.put(Conversation("c0", "x", 0.0, NOON, folder_id="f1"))
    assert model.row(model.index(0, 0, model.folder_index("f1"))).kind is Kind.CHAT


def test_a_chat_is_shown_once_and_revealed_where_it_lies(qapp: QApplication) -> None:
    model = ConversationTree(Clock())
    chats = [
        Conversation("loose", "x", 0.0, NOON),
        Conversation("deep", "x", 0.0, NOON, folder_id="f1", tags=("tax",)),
        Conversation("pinned", "x", 0.0, NOON, folder_id="f1", pinned=True),
        Conversation("old", "x", 0.0, NOON, folder_id="f1", archived=True, pinned=True),
    ]
    model.set_all(chats, [Folder("f0", "Work"), Folder("f1", "2026", "f0")])
    assert model.ids() == ["pinned", "loose"]
    assert [model.home(each) for each in ("loose", "deep", "pinned", "old")] == [LOOSE, "f1", PINNED, ARCHIVE]
    closed = model.folder_index("f0")
    assert closed.data(11) == "Work, folder, 1 chat, closed"  # Qt.AccessibleTextRole
    model.reveal("deep")
    assert model.opened == {"f0", "f1"} and model.index_of("deep").isValid()
    assert closed.data(11) == "Work, folder, 1 chat, open"
    assert model.index_of("deep").data(11) == "x, Tags: tax"
    assert "Work / 2026" in model.index_of("pinned").data(11)
    model.reveal("old")
    assert not model.index_of("old").isValid(), "the archive stays closed"
    model.set_open(ARCHIVE, True)
    assert model.ids() == ["pinned", "deep", "loose", "old"]


def test_a_long_history_comes_in_turns_and_what_happens_meanwhile_counts(qapp: QApplication) -> None:
    model = ConversationTree(Clock())
    folders = [Folder(f"f{number}", f"folder {number}") for number in range(20)]
    chats = [
        Conversation(
            f"c{n}", "x", 0.0, NOON - n, folder_id=f"f{n % 40}" if n % 3 else "", pinned=n < 5, archived=n % 50 == 9
        )
        for n in range(3000)
    ]
    later = structs.replace(chats[2900], title="later", updated=NOON + 5, folder_id="")

    async def main() -> None:
        loading = model.load(chats, folders)
        loading.send(None)
        model.put(later)
        model.remove("c2800")
        model.remove("c7")
        try:
            while True:
                loading.send(None)
        except StopIteration:
            pass

    run(main())
    anew = ConversationTree(Clock())
    wanted = {chat.id: chat for chat in chats if chat.id not in ("c2800", "c7")} | {later.id: later}
    anew.set_all(wanted.values(), folders)
    for each in (model, anew):
        for folder in folders:
            each.set_open(folder.id, True)
        each.set_open(ARCHIVE, True)
        while each.show_more():
            pass
    assert [row[:4] for row in _flat(tree(model))] == [row[:4] for row in _flat(tree(anew))]


def _flat(rows: list[Any]) -> list[Any]:
    return [each for row in rows for each in (row, *_flat(row[-1]))]
