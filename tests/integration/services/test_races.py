"""What comes between whichever steps: several who ask at once, undo beside what goes on, disks that refuse."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.engine import FinishReason
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.parts import TextPart, visible_text
from qwen_desktop.core.text import Text
from qwen_desktop.services import turn
from qwen_desktop.services.events import MessageChanged, Notified
from tests.app import App, run, running_app
from tests.races import several, slow
from tests.scripted_engine import Script, ScriptedEngine


@pytest.mark.parametrize(("seed", "full"), [(1, 0.0), (2, 0.1)])
def test_several_who_ask_at_once(seed: int, full: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "AGAIN_S", 0.05)
    several(seed, rounds=1, full=full)


# Answers that go on ---------------------------------------------------------------------------------------------------


async def cut(app: App) -> Message:
    """A cut answer."""
    return (await app.history.tail(await app.ask("One"), 1))[0]


@pytest.mark.parametrize("moment", range(6))
def test_an_undo_beside_a_second_going_on(moment: int) -> None:
    """Either it is refused, or what goes on then goes on from what there was before."""

    async def main() -> None:
        scripts = [Script(word, reason=FinishReason.LENGTH) for word in ("a", "b", "c")]
        engine = ScriptedEngine(lambda _: scripts[len(engine.requests) - 1])
        async with running_app(lambda: engine) as app:
            answer = await cut(app)
            first = await app.chat.continue_answer(answer.id)
            await app.chat.idle()
            slow(app, lambda: 0.004)
            second = asyncio.create_task(app.chat.continue_answer(answer.id))
            await asyncio.sleep(0.003 * moment)
            undone = True
            try:
                await first.undo()
            except UserFacing:
                undone = False
            with contextlib.suppress(UserFacing):
                await second
            await app.chat.idle()
            ended = await app.history.message(answer.id)
            assert ended is not None
            assert visible_text(ended.parts) == ("a" if undone else "ab") + ("c" if len(engine.requests) == 3 else "")
            assert undone or len(engine.requests) == 3
            assert app.events(MessageChanged)[-1].message == ended

    run(main())


def test_what_the_disk_did_not_take_is_not_saved_over_what_was_put_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer went on while the disk was full, and is taken back while that is being saved at last."""
    monkeypatch.setattr(turn, "AGAIN_S", 60.0)

    async def main() -> None:
        scripts = [Script("a", reason=FinishReason.LENGTH), Script("b" * 40_000, piece=1000)]
        engine = ScriptedEngine(lambda _: scripts[len(engine.requests) - 1])
        async with running_app(lambda: engine) as app:
            answer = await cut(app)
            change = await app.chat.continue_answer(answer.id)
            await app.db.call(lambda c: c.execute("PRAGMA max_page_count = 1").fetchone())
            await app.chat.idle()
            await app.db.call(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
            slow(app, lambda: 0.02)
            undo = asyncio.create_task(change.undo())
            await asyncio.sleep(0.03)
            await app.chat._saver._save_kept()
            await undo
            assert await app.history.message(answer.id) == answer
            assert [str(event.text) for event in app.events(Notified)][-1] == "Everything is saved again."
        async with running_app(lambda: engine) as app:
            assert await app.history.message(answer.id) == answer

    run(main())


def test_two_answers_that_the_disk_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once, and once that all is saved."""
    monkeypatch.setattr(turn, "AGAIN_S", 0.05)
    monkeypatch.setattr(turn, "EVERY_S", 0.02)

    async def main() -> None:
        engine = ScriptedEngine(Script("b" * 40_000, rate=300, piece=400), parallel=2)
        async with running_app(lambda: engine) as app:
            chats = [(await app.send(text)).conversation_id for text in ("One", "Two")]
            full: set[str] = set()
            told = app.history.save

            async def save(entry: Message, *, durable: bool) -> bool:
                if entry.conversation_id in full:
                    raise Environment(Text("disk.full", "The disk is full."), None)  # type: ignore[arg-type]
                return await told(entry, durable=durable)

            monkeypatch.setattr(app.history, "save", save)
            await app.until_shown(800)
            full.add(chats[1])
            await asyncio.sleep(0.3)
            full.add(chats[0])
            await app.chat.idle()
            assert len(app.events(Notified)) == 1
            full.discard(chats[1])
            await asyncio.sleep(0.2)
            assert len(app.events(Notified)) == 1
            full.clear()
            await asyncio.sleep(0.2)
            assert [str(event.text) for event in app.events(Notified)][1:] == ["Everything is saved again."]
        async with running_app(lambda: engine) as app:
            for chat in chats:
                (answer,) = await app.history.tail(chat, 1)
                assert answer.status is Status.DONE and len(visible_text(answer.parts)) == 40_000

    run(main())


def test_a_damaged_answer_is_not_written_over() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("a", reason=FinishReason.LENGTH))) as app:
            answer = await cut(app)
            await app.db.call(lambda c: c.execute("UPDATE messages SET parts = '[{' WHERE role = 'assistant'").rowcount)
            with pytest.raises(Exception, match="damaged on the disk"):
                await app.chat.continue_answer(answer.id)
            assert await app.db.call(lambda c: c.execute("SELECT parts FROM messages").fetchall()[1][0]) == "[{"
            await app.chat.regenerate(answer.id)
            await app.chat.idle()

    run(main())


def test_a_fork_that_has_gone_on_is_not_taken_back() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("a", reason=FinishReason.LENGTH))) as app:
            answer = await cut(app)
            for kind in ("go on", "edit one and delete another"):
                fork, change = await app.history.fork(answer.id)
                (copy,) = await app.history.tail(fork.id, 1)
                if kind == "go on":
                    await app.chat.continue_answer(copy.id)
                    await app.chat.idle()
                else:
                    await app.chat.edit(copy.id, (TextPart("My own words"),))
                    await app.history.delete_message(copy.id)
                with pytest.raises(UserFacing, match="has gone on"):
                    await change.undo()
            assert len(await app.history.list()) == 3

    run(main())
