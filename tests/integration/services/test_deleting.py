"""Deleting messages, showing other versions and forking, and how each is taken back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.engine import FinishReason, ThinkingMode
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import (
    TextPart,
    visible_text,
)
from qwen_desktop.services.changes import ChangeKind
from qwen_desktop.services.events import (
    ConversationRemoved,
)
from qwen_desktop.services.history import fork_title
from tests.app import run, running_app
from tests.integration.services.test_branches import last, numbered, told
from tests.scripted_engine import Script, ScriptedEngine

# Delete and switch ----------------------------------------------------------------------------------------------------


def test_a_deleted_message_takes_with_it_what_is_below_and_comes_back_whole() -> None:
    async def main() -> None:
        async with running_app(numbered) as app:
            chat = await app.ask("One")
            await app.ask("Two", chat)
            await app.chat.regenerate((await app.history.tail(chat, 9))[1].id)
            await app.chat.idle()
            question, second = await app.history.tail(chat, 9)
            (first, _) = (await app.history.versions([second.id]))[second.id].ids
            tree = await app.history.tree(chat)
            assert [node.text for node in tree] == ["One", "Answer 1.", "Two", "Answer 2.", "Answer 3."]
            change = await app.history.delete_message(second.id)
            assert change.kind is ChangeKind.DELETE and change.message_id == ""
            assert await told(app, chat) == ["One", "Answer 1.", "Two", "Answer 2."]
            deeper = await app.history.delete_message(first)
            assert await told(app, chat) == ["One"] and len(await app.history.tree(chat)) == 1
            everything = await app.history.delete_message(question.id)
            assert await told(app, chat) == [] and await app.history.tree(chat) == ()
            assert (await app.history.get(chat)).leaf_id is None  # type: ignore[union-attr]  # it is there
            with pytest.raises(UserFacing, match="above it was deleted"):
                await deeper.undo()
            with pytest.raises(UserFacing, match="does not exist any more"):
                await app.history.delete_message(first)
            await everything.undo()
            await change.undo()
            assert await told(app, chat) == ["One", "Answer 3."]
            await deeper.undo()
            assert await told(app, chat) == ["One", "Answer 1.", "Two", "Answer 2."]
            assert await app.history.tree(chat) == tree

    run(main())


def test_an_emptied_conversation_takes_a_new_first_message() -> None:
    async def main() -> None:
        async with running_app(numbered) as app:
            chat = await app.ask("One")
            question, _ = await app.history.tail(chat, 9)
            change = await app.history.delete_message(question.id)
            await app.ask("Anew", chat)
            assert await told(app, chat) == ["Anew", "Answer 2."]
            await change.undo()
            assert await told(app, chat) == ["One", "Answer 1."]
            assert (await app.history.versions([question.id]))[question.id].index == 0

    run(main())


def test_an_answer_that_is_being_written_is_stopped_where_it_is_deleted() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script("long " * 1000, rate=200))
        async with running_app(lambda: engine) as app:
            asked = await app.send("One")
            chat = asked.conversation_id
            await app.until_shown(8)
            writing = await last(app, chat)
            other = await app.history.fork(asked.id)  # not below it
            assert await told(app, other[0].id) == ["One"] and app.chat.running()
            change = await app.history.delete_message(asked.id)
            assert not app.chat.running() and await told(app, chat) == []
            late = structs.replace(writing, parts=(TextPart("late"),), status=Status.STOPPED)
            await app.history.save(late, durable=True)
            assert await app.history.tree(chat) == () and await app.history.message(writing.id) is None
            await change.undo()
            assert await last(app, chat) == late
        async with running_app(ScriptedEngine) as app:
            assert len(await app.history.tree(chat)) == 2

    run(main())


def test_what_is_sent_while_it_is_deleted_goes_with_it_or_is_refused() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script("long " * 1000, rate=100))
        async with running_app(lambda: engine) as app:
            chance, refused = random.Random(5), 0

            async def late(seconds: float, work: Coroutine[Any, Any, object]) -> object:
                await asyncio.sleep(seconds)
                return await work

            for number in range(30):
                asked = await app.send("One")
                chat = asked.conversation_id
                await app.chat.stop(chat)
                answer = await last(app, chat)
                sent, deleted = await asyncio.gather(
                    late(0.0, app.send("Two", chat, parent_id=answer.id)),
                    late(chance.uniform(0.0, 0.001 * number), app.history.delete_message(answer.id)),
                    return_exceptions=True,
                )
                refused += isinstance(sent, UserFacing)
                assert isinstance(sent, UserFacing | Message) and not isinstance(deleted, BaseException)
                await app.history.get(chat)
                assert await told(app, chat) == ["One"] and not app.chat.running()
                assert len(await app.history.tree(chat)) == 1
            assert 0 < refused < 30

    run(main())


def test_what_is_deleted_goes_at_the_next_start_and_only_that() -> None:
    async def main() -> None:
        async with running_app(numbered) as app:
            chat = await app.ask("One")
            await app.ask("Two", chat)
            _, _, second, _ = await app.history.tail(chat, 9)
            change = await app.history.delete_message(second.id)
            assert len(await app.history.recent_stats(9)) == 1
            await app.history.recover()  # as at a start
            with pytest.raises(UserFacing, match="does not exist any more"):
                await change.undo()
            left = await app.db.call(lambda c: c.execute("SELECT count(*) FROM messages").fetchone()[0])
            texts = await app.db.call(lambda c: c.execute("SELECT count(*) FROM search_texts").fetchone()[0])
            assert (left, texts) == (2, 2) and await told(app, chat) == ["One", "Answer 1."]

    run(main())


def test_a_switch_is_taken_back() -> None:
    async def main() -> None:
        async with running_app(numbered) as app:
            chat = await app.ask("One")
            first = await last(app, chat)
            await app.chat.regenerate(first.id)
            await app.chat.idle()
            second = await last(app, chat)
            change = await app.history.select_version(first.id)
            assert change.kind is ChangeKind.SWITCH and (await last(app, chat)).id == first.id
            await change.undo()
            assert (await last(app, chat)).id == second.id
            change = await app.history.select_version(first.id)
            gone = await app.history.delete_message(second.id)
            with pytest.raises(UserFacing, match="shown before was deleted"):
                await change.undo()
            await gone.undo()
            assert (await last(app, chat)).id == first.id  # it was not on show
            await change.undo()
            assert (await last(app, chat)).id == second.id

    run(main())


def test_an_undo_never_takes_later_words_along() -> None:
    async def main() -> None:
        async with running_app(numbered) as app:
            chat = await app.ask("One")
            answer = await last(app, chat)
            change = await app.chat.regenerate(answer.id)
            await app.chat.idle()
            later = await app.send("Two", chat)
            await app.chat.idle()
            with pytest.raises(UserFacing, match="gone on with this version"):
                await change.undo()
            assert await told(app, chat) == ["One", "Answer 2.", "Two", "Answer 3."]
            await app.history.delete_message(later.id)
            gone = await app.history.delete_message(answer.id)
            with pytest.raises(UserFacing, match="shown before was deleted"):
                await change.undo()
            assert await told(app, chat) == ["One", "Answer 2."]
            await gone.undo()
            await app.history.select_version(change.message_id)
            await change.undo()
            assert await told(app, chat) == ["One", "Answer 1."]

    run(main())


# Fork -----------------------------------------------------------------------------------------------------------------


def test_a_fork_is_a_conversation_of_its_own() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("Said.", thinking="Hm."))) as app:
            chat = await app.ask("One")
            await app.ask("Two", chat)
            await app.history.set_thinking(chat, ThinkingMode.THINK)
            await app.history.set_thinking_budget(chat, 99)
            branch = await app.history.tail(chat, 9)
            fork, change = await app.history.fork(branch[2].id)
            assert fork.title == "One (fork)" == str(fork_title("One")) and not fork.titled
            assert (fork.thinking, fork.thinking_budget) == (ThinkingMode.THINK, 99)
            assert change.kind is ChangeKind.FORK and change.conversation_id == fork.id
            copies = await app.history.tail(fork.id, 9)
            assert [(m.role, m.parts, m.stats) for m in copies] == [(m.role, m.parts, m.stats) for m in branch[:3]]
            assert not {m.id for m in copies} & {m.id for m in branch}
            assert [m.parent_id for m in copies] == [None, copies[0].id, copies[1].id]
            assert change.message_id == copies[-1].id == fork.leaf_id
            await app.chat.regenerate(copies[-1].id)
            await app.chat.idle()
            assert await app.history.tail(chat, 9) == branch
            assert len(await told(app, fork.id)) == 4
            with pytest.raises(UserFacing, match="has gone on since"):
                await change.undo()
            named, change = await app.history.fork(branch[0].id, " Own\n name ")
            assert named.title == "Own name" and named.titled
            await change.undo()
            assert app.events(ConversationRemoved)[-1].conversation_id == named.id
            assert {c.id for c in await app.history.list()} == {chat, fork.id}

    run(main())


def test_a_fork_of_a_running_answer_has_what_is_on_show() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("long " * 1000, rate=400))) as app:
            asked = await app.send("One")
            await app.until_shown(20)
            writing = await last(app, asked.conversation_id)
            fork, _ = await app.history.fork(writing.id)
            copy = await last(app, fork.id)
            assert (copy.status, copy.finish_reason) == (Status.STOPPED, FinishReason.CANCELLED)
            assert visible_text(copy.parts).startswith(visible_text(writing.parts))
            assert app.chat.running() == {asked.conversation_id}
            await app.chat.stop(asked.conversation_id)
            assert await last(app, fork.id) == copy
            await asyncio.sleep(0)

    run(main())
