"""Other versions of a message in the middle of a long chat: the reader stays, and what follows is that version's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scripted_engine import Script
from tests.ui.branching import all_of, branch, on_show, read, settle

if TYPE_CHECKING:
    from tests.ui.conftest import Make


@pytest.mark.parametrize("turns", [3, 25, 330])  # within the end that is read at once, some, and many pieces of it
async def test_switching_in_the_middle_keeps_the_place(make: Make, turns: int) -> None:
    ui = await make()
    chat = (await ui.app.history.create("long")).id
    above = await branch(ui, chat, None, "above", 40)
    old = await branch(ui, chat, above[-1], "old", turns)
    (version,) = await branch(ui, chat, old[0], "new", 0.5)
    await ui.app.history.select_version(old[1])
    ui.chat.open(chat)
    await ui.until(lambda: on_show(ui) == [*above, *old])
    await read(ui, old[1], 130)
    view = ui.chat.pane.transcript
    for wanted, other in ((version, old[1]), (old[1], version)) * 2:
        top = view.top_of(view.item(other))
        await ui.app.history.select_version(wanted)
        await ui.until(lambda: wanted in on_show(ui))  # noqa: B023 - at once
        await settle(ui)
        await ui.rest()
        assert on_show(ui) == await all_of(ui, chat)
        assert view.item(wanted).index == 81
        if wanted != version:  # its chat ends before the window does
            assert view.top_of(view.item(wanted)) == pytest.approx(top, abs=2)
        await read(ui, wanted, 130)


async def test_a_new_answer_in_the_middle_stays_in_view_and_the_old_one_comes_back(make: Make) -> None:
    make.script = Script(text="another answer " * 30, rate=400)
    ui = await make()
    chat = (await ui.app.history.create("long")).id
    messages = await branch(ui, chat, None, "x", 60)
    ui.chat.open(chat)
    await ui.until(lambda: len(on_show(ui)) == 120)
    await read(ui, messages[41], 200)
    view = ui.chat.pane.transcript
    view.regenerate_requested.emit(messages[41])
    await ui.until(lambda: len(on_show(ui)) == 42)
    item = view.items[-1]
    assert item.streaming and 0 <= view.top_of(item) < view.viewport().height()
    await ui.app.chat.idle()
    await ui.rest()
    assert item.source == ("another answer " * 30) and item.versions.index == 1
    await read(ui, item.message.id, 150)
    top = view.top_of(item)
    view.version_requested.emit(messages[41])
    await ui.until(lambda: len(on_show(ui)) == 120)
    await ui.rest()
    await settle(ui)
    assert view.top_of(view.item(messages[41])) == pytest.approx(top, abs=2)
    assert view.item(messages[41]).versions.index == 0 and not view._stick


async def test_words_come_into_a_branch_that_is_read_in_pieces(make: Make) -> None:
    make.script = Script(text="word " * 4000, rate=400)
    ui = await make()
    chat = (await ui.app.history.create("long")).id
    above = await branch(ui, chat, None, "above", 2)
    old = await branch(ui, chat, above[-1], "old", 210)
    await ui.app.send("goes on", chat)
    await branch(ui, chat, above[0], "new", 1)
    ui.chat.open(chat)
    await ui.until(lambda: len(on_show(ui)) == 3)
    await ui.app.history.select_version(above[1])
    await ui.until(lambda: len(on_show(ui)) == 2 * 2 + 2 * 210 + 2)
    item = ui.chat.pane.transcript.items[-1]
    before = len(item.source)
    await ui.until(lambda: len(item.source) > before + 50)
    await ui.app.stop_all()
    await ui.rest()
    assert item.message == (await ui.messages())[-1]
    assert on_show(ui) == await all_of(ui, chat) and on_show(ui)[4:-2] == old


async def test_a_first_question_asked_anew_replaces_the_whole_chat(make: Make) -> None:
    ui = await make()
    await ui.say("one")
    await ui.say("two")
    chat = ui.chat.current
    await ui.app.send("instead", chat, parent_id=None)
    await ui.until(lambda: [item.source for item in ui.chat.pane.transcript.items] == ["instead", "Hello."])
    await ui.rest()
    assert not ui.chat.pane.transcript.shown.more_above
    assert ui.chat.pane.transcript.items[0].versions is not None
