"""The disk fills up while an answer streams: nothing is lost, the user is told once, it is saved when it can be.

SQLite itself refuses to grow the file (``max_page_count``), with the error of a full disk.
"""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from qwen_desktop.core.chat import Status
from qwen_desktop.core.engine import FinishReason
from qwen_desktop.core.errors import Environment
from qwen_desktop.core.parts import visible_text
from qwen_desktop.services import turn
from qwen_desktop.services.events import MessageChanged, Notified
from tests.app import App, run, running_app
from tests.scripted_engine import Script, ScriptedEngine


def fill(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint")
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")


def free(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 1000000")


def told(app: App) -> list[str]:
    return [str(event.text) for event in app.events(Notified)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "AGAIN_S", 0.1)


def test_an_answer_goes_on_in_memory_and_is_saved_later() -> None:
    text = "0123456789" * 4000

    async def main() -> str:
        async with running_app(lambda: ScriptedEngine(Script(text, rate=100, piece=400))) as app:
            question = await app.send("Go")
            await app.db.call(fill)
            await app.chat.idle()
            shown = visible_text(app.shown())
            assert shown == text
            ended = app.events(MessageChanged)[-1].message
            assert ended.status is Status.DONE and visible_text(ended.parts) == text
            assert told(app) == ["The disk is full. The answer is kept in memory; free some space to have it saved."]
            # Readers see it whole although the disk has only a part.
            assert visible_text((await app.history.tail(question.conversation_id, 1))[0].parts) == text
            with pytest.raises(Environment, match="The disk is full"):
                await app.send("x" * 50_000, question.conversation_id)
            assert not app.chat.running()
            await app.db.call(free)
            await asyncio.sleep(0.5)
            assert told(app)[1:] == ["Everything is saved again."]
        async with running_app(ScriptedEngine) as app:
            saved = (await app.history.tail(question.conversation_id, 1))[0]
            assert saved.status is Status.DONE and visible_text(saved.parts) == text
        return text

    assert run(main())


def test_the_next_answer_has_read_one_that_is_not_saved_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "AGAIN_S", 60.0)
    text = "0123456789" * 4000

    async def main() -> None:
        engine = ScriptedEngine(Script(text, piece=4000))
        async with running_app(lambda: engine) as app:
            question = await app.send("Go")
            await app.db.call(fill)
            await app.chat.idle()
            await app.db.call(free)
            await app.ask("And then?", question.conversation_id)
            assert [visible_text(said.parts) for said in engine.requests[-1].messages] == ["Go", text, "And then?"]

    run(main())


def test_closing_tries_once_more() -> None:
    text = "0123456789" * 4000

    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script(text, piece=4000))) as app:
            question = await app.send("Go")
            await app.db.call(fill)
            await app.chat.idle()
            assert len(told(app)) == 1
            await app.db.call(free)
        async with running_app(ScriptedEngine) as app:
            saved = (await app.history.tail(question.conversation_id, 1))[0]
            assert visible_text(saved.parts) == text

    run(main())


def test_a_message_that_cannot_be_stored_is_not_sent() -> None:
    async def main() -> None:
        engine = ScriptedEngine()
        async with running_app(lambda: engine) as app:
            await app.db.call(fill)
            with pytest.raises(Environment) as caught:
                await app.send("x" * 100_000)
            assert caught.value.problem.sentence() == "The disk is full. Free some space, then try again."
            assert await app.history.list() == () and engine.requests == []
            await app.db.call(free)
            await app.ask("x" * 100_000)

    run(main())


def test_what_could_not_be_saved_of_an_answer_never_comes_back_over_its_undo() -> None:
    scripts = [Script("Half", reason=FinishReason.LENGTH), Script("x" * 40_000, piece=4000)]

    async def main() -> None:
        engine = ScriptedEngine(lambda _: scripts[len(engine.requests) - 1])
        async with running_app(lambda: engine) as app:
            chat = await app.ask("Go")
            before = (await app.history.tail(chat, 1))[0]
            change = await app.chat.continue_answer(before.id)
            await app.db.call(fill)
            await app.chat.idle()
            assert len(visible_text((await app.history.tail(chat, 1))[0].parts)) == 40_004
            assert "kept in memory" in told(app)[-1]
            await change.undo()
            assert (await app.history.tail(chat, 1))[0] == before
            await app.db.call(free)
            await asyncio.sleep(0.4)
            assert (await app.history.tail(chat, 1))[0] == before
        async with running_app(ScriptedEngine) as app:
            assert (await app.history.tail(chat, 1))[0] == before

    run(main())
