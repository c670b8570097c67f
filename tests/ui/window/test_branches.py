"""What is done with messages in the window: answered again, continued, deleted, forked, and taken back."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu

from qwen_desktop.core.chat import Message, Status, new_id
from qwen_desktop.core.engine import FinishReason, Sampling
from qwen_desktop.core.parts import TextPart, ThinkingPart
from qwen_desktop.ui.chat.list_view import Picked
from qwen_desktop.ui.widgets.dialog import Dialog
from tests.scripted_engine import Script
from tests.ui.branching import all_of, branch, on_show, read, settle
from tests.ui.messages import ALT, CTRL, MADE, answer, box, choose, click, entries, menu_of, talk, texts, top, view

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui


# The reader's place ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [20, 39])
@pytest.mark.parametrize("what", ["edit", "regenerate", "delete", "switch", "continue"])
async def test_the_message_acted_on_stays_where_it_is(make: Make, what: str, where: int) -> None:
    make.script = Script(text="another answer " * 4, rate=400)
    ui = await make()
    chat, ids = await talk(ui)
    if what in ("regenerate", "continue") and where % 2 == 0:
        where -= 1
    acted = ids[where]
    entry = await ui.app.history.message(acted)
    assert entry is not None
    if what == "switch":
        fresh = structs.replace(entry, id=new_id(), parts=(TextPart("another version"),))
        await ui.app.history.add((fresh,), announce=False)
        await ui.app.history.select_version(acted)
        await settle(ui)
    if what == "continue":
        await ui.app.history.save(structs.replace(entry, status=Status.STOPPED), durable=False)
        ui.chat.open("")
        await ui.rest()
        ui.chat.open(chat)
        await ui.until(lambda: on_show(ui) == ids)
        await settle(ui)
    await read(ui, acted, 140)
    held = top(ui, acted)  # not 140 where the chat ends before that
    above = {key: top(ui, key) for key in on_show(ui)[:where] if view(ui).item(key) in view(ui).visible_items()}
    assert above
    commands = ui.chat.pane.messages
    if what == "edit":
        commands.edit(acted)
        if where != 39:  # there the box is higher than the room that is left for it
            assert top(ui, acted) == pytest.approx(held, abs=1)
        above = {key: place + top(ui, acted) - held for key, place in above.items()}
        held = top(ui, acted)
        QTest.keyClicks(box(ui, acted).edit, "!")
        box(ui, acted).save.click()
    elif what == "switch":
        commands.select(fresh.id)
    elif what == "continue":
        commands.go_on(acted)
    else:
        getattr(commands, what)(acted)
    for _ in range(2):  # at once, and when all has ended
        await ui.until(lambda: on_show(ui) != ids or what == "continue")
        await settle(ui)
        seen = on_show(ui)
        # A new last answer that is higher than the old one moves up, so that its end is in view.
        moved = top(ui, seen[where]) - held if where == 39 and what in ("edit", "regenerate") else 0.0
        assert moved == 0 or (-40 < moved < 0 and view(ui).scroll_value == view(ui)._end())
        if what != "delete":
            assert top(ui, seen[where]) == pytest.approx(held + moved, abs=1)
        for key, place in above.items():
            assert top(ui, key) == pytest.approx(place + moved, abs=1)
        await ui.rest()
    commands.undo()
    await ui.rest()
    await settle(ui)
    assert on_show(ui) == ids
    assert {key: top(ui, key) for key in (*above, acted)} == pytest.approx({**above, acted: held}, abs=1)


async def test_an_answer_made_again_at_the_end_is_followed_once_it_fills_the_window(make: Make) -> None:
    make.script = Script(text="another line\n\n" * 60, rate=2000)
    ui = await make()
    _, ids = await talk(ui, 10)
    assert view(ui)._stick
    begun = top(ui, ids[-1])
    ui.key(ui.window, Qt.Key.Key_R, CTRL)
    await ui.until(lambda: on_show(ui) != ids)
    assert begun - 40 < top(ui, on_show(ui)[-1]) <= begun  # all of it is in view
    await ui.rest()
    await settle(ui)
    last = view(ui).items[-1]
    assert last.height > view(ui).viewport().height()
    assert view(ui).top_of(last) + last.height <= view(ui).viewport().height()


async def test_room_that_keeps_a_place_goes_when_one_scrolls_up(make: Make) -> None:
    ui = await make()
    _, ids = await talk(ui)
    await read(ui, ids[20], 50)
    ui.chat.pane.messages.delete(ids[20])
    await ui.rest()
    bar = view(ui).verticalScrollBar()
    assert bar.value() == bar.maximum() > view(ui)._end()
    before = bar.maximum()
    view(ui).scroll_by(-60)
    assert bar.maximum() <= before - 60
    view(ui).scroll_by(-2000)
    await settle(ui)
    assert bar.maximum() == view(ui)._end()


async def test_what_is_done_while_an_answer_is_written_moves_nothing(make: Make) -> None:
    """Deleting it, going to another version and coming back by undo: the question above stays where it is."""
    make.script = Script(text="words that come " * 2000, rate=400)
    ui = await make()
    _, ids = await talk(ui, 12)
    await read(ui, ids[15], 200)
    ui.chat.pane.messages.regenerate(ids[15])
    await ui.until(lambda: len(on_show(ui)) == 16 and view(ui).items[-1].source)
    running = on_show(ui)[15]
    question = top(ui, ids[14])
    ui.chat.pane.messages.select(ids[15])
    await ui.until(lambda: on_show(ui) == ids)
    await settle(ui)
    assert top(ui, ids[14]) == pytest.approx(question, abs=1) and ui.app.chat.running()
    ui.key(ui.window, Qt.Key.Key_Z, CTRL)
    await ui.until(lambda: on_show(ui)[-1] == running)
    await settle(ui)
    before = len(view(ui).items[-1].source)
    await ui.until(lambda: len(view(ui).items[-1].source) > before)
    assert top(ui, ids[14]) == pytest.approx(question, abs=1) and ui.app.chat.running()
    ui.chat.pane.messages.delete(running)
    await ui.until(lambda: on_show(ui) == ids)
    await settle(ui)
    assert top(ui, ids[14]) == pytest.approx(question, abs=1) and not ui.app.chat.running()
    ui.key(ui.window, Qt.Key.Key_Z, CTRL)
    await ui.until(lambda: on_show(ui)[-1] == running)
    await settle(ui)
    assert top(ui, ids[14]) == pytest.approx(question, abs=1)
    assert view(ui).items[-1].spoken() == ["Stopped"]


async def test_an_edit_outlives_an_answer_that_is_written_below_it(make: Make) -> None:
    make.script = Script(text="a paragraph\n\n" * 100, rate=4000)
    ui = await make()
    chat, ids = await talk(ui, 2)
    await ui.app.send("runs", chat)
    await ui.until(lambda: len(on_show(ui)) == 6)
    ui.chat.pane.messages.edit(ids[2])
    edit = box(ui, ids[2]).edit
    place = edit.mapTo(ui.window, QPoint(0, 0))
    for letter in " and more":
        QTest.keyClicks(edit, letter)
        await asyncio.sleep(0.01)
    await ui.rest()
    await settle(ui)
    assert edit.toPlainText().endswith(" and more") and edit.hasFocus()
    assert edit.mapTo(ui.window, QPoint(0, 0)) == place
    view(ui).scroll_to_end()
    await settle(ui)
    ui.chat.pane.messages.edit(ids[2])
    assert edit.isVisible() and edit.toPlainText().endswith(" and more")


# Deleting, forking, undoing -------------------------------------------------------------------------------------------


async def test_a_deleted_message_comes_back_from_its_toast(make: Make) -> None:
    ui = await make()
    _, ids = await talk(ui, 1)
    ui.chat.pane.messages.delete(ids[0])
    await ui.until(lambda: not on_show(ui))
    assert ui.chat.pane.empty.isVisible() and ui.toasts() == ["The message is deleted."]
    ui.window.notify.toasts.shown[0].act()
    await ui.until(lambda: on_show(ui) == ids)
    await ui.rest()
    assert ui.chat.pane.messages.undoable is None


async def test_a_chat_that_is_emptied_while_it_is_read_is_shown_empty(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui = await make()
    chat = (await ui.app.history.create("long")).id
    ids = await branch(ui, chat, None, "x", 60)
    real, asked = ui.app.history.before, asyncio.Event()

    async def slow(message_id: str, count: int) -> tuple[Message, ...]:
        asked.set()
        found = await real(message_id, count)
        await ui.until(lambda: not on_show(ui))
        return found

    monkeypatch.setattr(ui.app.history, "before", slow)
    ui.chat.open(chat)
    await asked.wait()
    monkeypatch.undo()
    await ui.app.history.delete_message(ids[0])
    await ui.rest()
    assert not on_show(ui) and ui.chat.pane.empty.isVisible()
    assert not ui.toasts() and not ui.window.findChildren(Dialog)


async def test_the_newest_of_all_is_undone_first(make: Make) -> None:
    ui = await make()
    gone = await ui.app.history.create("another")
    chat, ids = await talk(ui, 2)
    ui.chat.pane.messages.delete(ids[2])
    await ui.until(lambda: on_show(ui) == ids[:2])
    ui.chat.sidelist.hold(Picked((gone.id,)))
    ui.chat.delete()
    await ui.until(lambda: await_none(ui, gone.id))
    ui.key(ui.window, Qt.Key.Key_Z, CTRL)
    await ui.until(lambda: not await_none(ui, gone.id))
    await ui.rest()
    ui.chat.open(chat)
    await ui.until(lambda: on_show(ui) == ids[:2])
    ui.key(ui.window, Qt.Key.Key_Z, CTRL)
    await ui.until(lambda: on_show(ui) == ids)


def await_none(ui: Ui, chat: str) -> bool:
    """Whether a chat is out of the list."""
    return ui.chat.sidelist.model.conversation(chat) is None


async def test_a_fork_is_a_chat_of_its_own(make: Make) -> None:
    ui = await make()
    chat, ids = await talk(ui, 3)
    view(ui).setFocus()
    ui.chat.pane.messages.fork(ids[2])
    await ui.until(lambda: ui.chat.current != chat and len(on_show(ui)) == 3)
    assert texts(ui)[2].startswith("x 2") and ui.chat.header.title.text() == "a chat (fork)"
    assert ui.toasts() == ["“a chat (fork)” is a new chat from here on."]
    assert ui.chat.pane.composer.edit.hasFocus()
    ui.key(ui.window, Qt.Key.Key_Z, CTRL)
    await ui.until(lambda: ui.chat.current == chat and on_show(ui) == ids)
    await ui.rest()
    assert [entry.id for entry in await ui.app.history.list()] == [chat]


async def test_a_fork_that_is_undone_from_a_third_chat_leaves_that_on_show(make: Make) -> None:
    ui = await make()
    chat, ids = await talk(ui, 2)
    third = (await ui.app.history.create("third")).id
    ui.chat.pane.messages.fork(ids[1])
    await ui.until(lambda: ui.chat.current != chat)
    fork = ui.chat.current
    ui.chat.open(third)
    ui.window.notify.toasts.shown[-1].act()
    await ui.until(lambda: await_none(ui, fork))
    await ui.rest()
    assert ui.chat.current == third


async def test_a_fork_that_has_gone_on_stays_on_show(make: Make) -> None:
    ui = await make()
    chat, ids = await talk(ui, 2)
    ui.chat.pane.messages.fork(ids[1])
    await ui.until(lambda: ui.chat.current != chat and len(on_show(ui)) == 2)
    await ui.say("goes on")
    fork, seen = ui.chat.current, on_show(ui)
    ui.key(ui.window, Qt.Key.Key_Z, CTRL)
    await ui.rest()
    assert ui.chat.current == fork and on_show(ui) == seen
    assert "The new chat has gone on" in ui.toasts()[-1]


async def do_something(ui: Ui, chance: random.Random, chat: str, words: str) -> None:
    """One of all that can be done with the messages on show."""
    items, commands, panel = view(ui).items, ui.chat.pane.messages, ui.chat.pane.versions
    some = chance.choice(items).message.id if items else ""
    others = [key for item in items if item.versions is not None for key in item.versions.ids]
    what = chance.choice(("edit", "regenerate", "delete", "switch", "undo", "twice", "panel", "away", "say"))
    if what == "edit" and some:
        commands.edit(some)
        box(ui, some).edit.setPlainText(words)
        box(ui, some).save.click()
    elif what == "regenerate" and some:
        commands.regenerate(some)
    elif what == "delete" and len(items) > 3:
        commands.delete(some)
    elif what == "switch" and others:
        commands.select(chance.choice(others))
    elif what in ("undo", "twice"):
        commands.undo()
        if what == "twice":
            commands.undo()
    elif what == "panel":
        panel.toggle()
        if panel.isVisible() and panel.model.rows:
            panel.chosen.emit(chance.choice(panel.model.rows).node.id)
    elif what == "away":
        ui.chat.open("")
        ui.chat.open(chat)
    elif what == "say":
        await ui.app.send(words, chat)


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_is_done_the_window_shows_the_branch_that_is_stored(make: Make, seed: int) -> None:
    chance = random.Random(seed)
    make.script = Script(text="an answer with some words", rate=2000)
    ui = await make()
    chat, _ = await talk(ui, 3)
    panel = ui.chat.pane.versions
    for step in range(30):
        await do_something(ui, chance, chat, f"words {step}")
        if chance.random() < 0.2:
            await asyncio.sleep(0.005)
            await ui.app.stop_all()
        await ui.rest()
        await ui.until(lambda: not ui.chat.pane.feed._loading)
        await settle(ui)
        stored = await all_of(ui, chat)
        assert on_show(ui) == stored, step
        versions = await ui.app.history.versions(stored)
        assert {item.message.id: item.versions for item in view(ui).items if item.versions} == versions, step
        if panel.isVisible():
            assert {row.node.id for row in panel.model.rows if row.shown} == set(stored), step
            listed = sorted(row.node.id for row in panel.model.rows)
            assert listed == sorted(node.id for node in await ui.app.history.tree(chat)), step


# Continuing, and what is noted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said", "label"),
    [
        ({"status": Status.STOPPED}, "Stopped", "Continue"),
        ({"finish_reason": FinishReason.LENGTH}, "The answer reached the longest length.", "Continue"),
        (
            {"provenance": structs.replace(MADE, stopped_loop=True)},
            "The model repeated itself and was stopped.",
            "Go on anyway",
        ),
    ],
)
async def test_an_answer_that_ended_early_goes_on(
    make: Make, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], said: str, label: str
) -> None:
    ui = await make()
    made = await answer(ui, "Half", **more)
    asked: list[tuple[str, bool | None]] = []
    real = ui.app.chat.continue_answer

    async def seen(message_id: str, *, loop_guard: bool | None = None) -> Any:
        asked.append((message_id, loop_guard))
        return await real(message_id, loop_guard=loop_guard)

    monkeypatch.setattr(ui.app.chat, "continue_answer", seen)
    item = view(ui).item(made)
    assert item.spoken() == [said]
    assert next(t for t in item.targets() if t.action in ("continue", "go_on")).label == label
    click(ui, made, "go_on" if label == "Go on anyway" else "continue")
    await ui.rest()
    assert asked == [(made, False if label == "Go on anyway" else None)]
    assert on_show(ui)[1] == made and view(ui).item(made).source.startswith("Half")
    assert len(view(ui).item(made).source) > len("Half")


async def test_the_row_and_the_menu_have_what_there_is_to_do(make: Make) -> None:
    ui = await make()
    made = await answer(ui, ThinkingPart("Hm.", 1.0, 2), "Because.", status=Status.STOPPED)
    item = view(ui).item(made)
    assert [t.label for t in item.targets() if t.key.startswith("actions.")] == [
        "Copy answer", "Regenerate answer", "Edit message", "Fork from here", "More actions",
    ]  # fmt: skip
    menu = await menu_of(ui, made)
    assert entries(menu) == [
        "Copy message", "Copy as Markdown", "Copy as rich text", "Copy with thoughts", "Edit message",
        "Regenerate answer", "Regenerate with…", "Continue answer", "Fork from here", "Show versions", "Delete message",
    ]  # fmt: skip
    choose(menu, "Copy with thoughts")
    await ui.until(lambda: "Hm." in QGuiApplication.clipboard().text())
    assert QGuiApplication.clipboard().text() == "Thoughts:\nHm.\n\nAnswer:\nBecause."
    click(ui, made, "copy")
    await ui.until(lambda: QGuiApplication.clipboard().text() == "Because.")
    for thoughts in (False, True):
        ui.window.actions_.trigger("chat.copy_thoughts" if thoughts else "chat.copy")
        await ui.rest()
        assert ("Thoughts:\nHm." in QGuiApplication.clipboard().text()) is thoughts
    menu = await menu_of(ui, on_show(ui)[0])
    assert entries(menu) == ["Copy message", "Edit message", "Fork from here", "Show versions", "Delete message"]
    choose(menu, "Delete message")
    await ui.until(lambda: not on_show(ui))


async def test_an_answer_is_made_again_in_another_way(make: Make) -> None:
    ui = await make(storage__recent_models=("/models/another.gguf",))
    made = await answer(ui, "Because.", provenance=structs.replace(MADE, sampling=Sampling(temperature=0.6)))
    menu = await menu_of(ui, made)
    ways = next(action.menu() for action in menu.actions() if action.menu() is not None)
    assert isinstance(ways, QMenu)
    assert entries(ways)[:2] == ["another", "The guide"]
    assert entries(ways)[-2:] == ["A little more random (temperature 0.9)", "More exact (temperature 0.3)"]
    choose(ways, "More exact (temperature 0.3)")
    menu.close()
    await ui.rest()
    last = (await ui.messages())[-1]
    assert last.id != made and last.provenance is not None and last.provenance.sampling.temperature == 0.3
    menu = await menu_of(ui, last.id)
    assert "Undo regenerate" in entries(menu)
    choose(menu, "Undo regenerate")
    await ui.until(lambda: on_show(ui)[-1] == made)
    await ui.rest()
    ui.window.activateWindow()  # offscreen a menu leaves no window active
    ui.chat.pane.setFocus()
    await ui.until(ui.chat.pane.composer.edit.hasFocus)
    ui.key(ui.window, Qt.Key.Key_R, CTRL)
    await ui.rest()
    ui.key(ui.chat.pane.composer.edit, Qt.Key.Key_Left, ALT)
    await ui.until(lambda: on_show(ui)[-1] == made)
    ui.key(ui.chat.pane.composer.edit, Qt.Key.Key_Right, ALT)
    await ui.until(lambda: on_show(ui)[-1] != made)


@pytest.mark.parametrize(("made_at", "offered"), [(0.0, "A little more random"), (1.5, "More exact")])
async def test_only_what_is_so_is_called_more_random_or_more_exact(make: Make, made_at: float, offered: str) -> None:
    ui = await make()
    made = await answer(ui, "Because.", provenance=structs.replace(MADE, sampling=Sampling(temperature=made_at)))
    menu = await menu_of(ui, made)
    ways = next(action.menu() for action in menu.actions() if action.menu() is not None)
    assert isinstance(ways, QMenu)
    assert [entry.partition(" (")[0] for entry in entries(ways) if "temperature" in entry] == [offered]
    menu.close()
