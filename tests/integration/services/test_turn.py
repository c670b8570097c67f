"""Turns of several parts and of several generations, messages sent as parts, and where they go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Message, Status, new_id
from qwen_desktop.core.engine import FinishReason, GenerateRequest, LiveFigures, ThinkingMode
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.parts import (
    FilePart,
    ImagePart,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    visible_text,
)
from qwen_desktop.core.text import Text
from qwen_desktop.services.events import AnswerEvent, BranchChanged, MessageAdded
from tests import random_messages
from tests.app import App, run, running_app
from tests.scripted_engine import Script, ScriptedEngine

CALL = ToolCallPart("1", "look_up", '{"word": "sea"}')
RESULT = ToolResultPart("1", "Water.")
DIRTY = ToolResultPart("1", "Wa\x00ter.")
FIRST = Script(parts=(ThinkingPart("Which word?"), TextPart("I look it up."), CALL))
THEN = Script(parts=(ThinkingPart("So."), TextPart("It is water.")))


def tool_script(request: GenerateRequest) -> Script:
    return THEN if request.messages[-1].role is Role.TOOL else FIRST


async def look_up(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return (DIRTY,) if isinstance(parts[-1], ToolCallPart) else ()


def test_an_answer_with_a_tool_is_two_generations_and_one_message() -> None:
    async def main() -> None:
        engine = ScriptedEngine(tool_script)
        async with running_app(lambda: engine) as app:
            app.chat._go_on = look_up
            question = await app.send("What is the sea?")
            await app.chat.ended(question.conversation_id)
            stored, answer = await app.history.tail(question.conversation_id, 9)
            assert stored == question and answer.status is Status.DONE
            kinds = [ThinkingPart, TextPart, ToolCallPart, ToolResultPart, ThinkingPart, TextPart]
            assert [type(part) for part in answer.parts] == kinds
            assert answer.parts[2:4] == (CALL, RESULT)
            assert visible_text(answer.parts) == "I look it up.\n\nIt is water."
            assert app.shown() == answer.parts
            thought = [part for part in answer.parts if isinstance(part, ThinkingPart)]
            assert [part.tokens for part in thought] == [3, 1] and all(part.seconds is not None for part in thought)
            assert answer.stats is not None and (answer.stats.thinking_tokens, answer.stats.completion_tokens) == (
                4,
                15,
            )
            first, second = engine.requests
            assert [m.role for m in second.messages] == [Role.USER, Role.ASSISTANT, Role.TOOL]
            assert second.messages[:1] == first.messages
            assert second.messages[1].parts == answer.parts[:3] and second.messages[2].parts == (RESULT,)
            # the model reads it the same way when the talk goes on
            await app.ask("And a lake?", question.conversation_id)
            roles = [m.role for m in engine.requests[2].messages]
            assert roles == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT, Role.USER]

    run(main())


def test_how_the_engine_stepped_in_is_stored_with_the_answer() -> None:
    scripts = {
        Role.USER: structs.replace(FIRST, budget_spent=True),
        Role.TOOL: structs.replace(THEN, stopped_loop=True),
    }

    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(lambda request: scripts[request.messages[-1].role])) as app:
            app.chat._go_on = look_up
            question = await app.send("What is the sea?")
            await app.chat.ended(question.conversation_id)
            made = (await app.history.tail(question.conversation_id, 1))[0].provenance
            assert made is not None and made.budget_spent and made.stopped_loop
            assert made.settings["thinking_budget"] is None and made.settings["loop_guard"] is True

    run(main())


def test_others_may_use_the_engine_while_a_tool_waits_for_approval() -> None:
    async def main() -> None:
        approved = asyncio.Event()

        async def ask_first(parts: tuple[Part, ...]) -> tuple[Part, ...]:
            if isinstance(parts[-1], ToolCallPart):
                await approved.wait()
            return await look_up(parts)

        def script(request: GenerateRequest) -> Script:
            return Script("Soon.") if visible_text(request.messages[-1].parts) == "Other" else tool_script(request)

        async with running_app(lambda: ScriptedEngine(script)) as app:
            app.chat._go_on = ask_first
            question = await app.send("What is the sea?")
            other = await app.send("Other")
            await app.chat.ended(other.conversation_id)
            assert app.chat.running() == {question.conversation_id}
            approved.set()
            await app.chat.idle()
            answer = (await app.history.tail(question.conversation_id, 1))[0]
            assert answer.status is Status.DONE and answer.parts[-1] == TextPart("It is water.")

    run(main())


@pytest.mark.parametrize("how", ["stop", "fail"])
def test_an_answer_that_breaks_off_keeps_how_full_the_context_was(how: str) -> None:
    async def main() -> None:
        script = Script("word " * 100, rate=400, piece=5, fail_after=45, deaf=True)
        if how == "fail":
            script = structs.replace(script, error=Environment(Text("x", "The engine has died.")))
        async with running_app(lambda: ScriptedEngine(script)) as app:
            told = asyncio.Event()

            def figures(said: AnswerEvent) -> None:
                if isinstance(said.event, LiveFigures):
                    told.set()

            app.bus.subscribe(AnswerEvent, figures)
            question = await app.send("Count")
            await told.wait()
            if how == "fail":
                with pytest.raises(Environment, match="has died"):
                    await app.chat.ended(question.conversation_id)
            else:
                app.chat._answers[question.conversation_id].leave()
                await app.chat.ended(question.conversation_id)
            (answer,) = await app.history.tail(question.conversation_id, 1)
            assert answer.status is (Status.FAILED if how == "fail" else Status.STOPPED)
            assert answer.stats is not None and answer.stats.context_size == 4096
            assert answer.stats.context_used == 10 + (40 if how == "fail" else 20)
            assert answer.stats.decode_tokens_per_s == 0, "it would be that of a part"

    run(main())


@pytest.mark.parametrize("how", ["stop", "close", "fail"])
def test_a_turn_that_ends_while_its_tool_works_keeps_what_was_said(how: str) -> None:
    async def main() -> None:
        called = asyncio.Event()

        async def works(_: tuple[Part, ...]) -> tuple[Part, ...]:
            called.set()
            if how == "fail":
                raise Environment(Text("tool", "The tool has failed."))
            await asyncio.sleep(60)
            return (RESULT,)

        async with running_app(lambda: ScriptedEngine(FIRST)) as app:
            app.chat._go_on = works
            question = await app.send("What is the sea?")
            if how == "fail":
                with pytest.raises(Environment, match="The tool has failed"):
                    await app.chat.ended(question.conversation_id)
            else:
                await called.wait()
                await (app.chat.aclose() if how == "close" else app.chat.stop(question.conversation_id))
            answer = (await app.history.tail(question.conversation_id, 1))[0]
            assert answer.status is (Status.FAILED if how == "fail" else Status.STOPPED)
            assert answer.parts[-1] == CALL and app.shown() == answer.parts

    run(main())


def test_a_stopped_generation_is_not_gone_on_from() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("word " * 400, rate=100))) as app:
            asked: list[tuple[Part, ...]] = []

            async def go_on(parts: tuple[Part, ...]) -> tuple[Part, ...]:
                asked.append(parts)
                return ()

            app.chat._go_on = go_on
            begun = asyncio.Event()
            app.bus.subscribe(AnswerEvent, lambda _: begun.set())
            question = await app.send("Go")
            await begun.wait()
            await app.chat.stop(question.conversation_id)
            answer = (await app.history.tail(question.conversation_id, 1))[0]
            assert answer.finish_reason is FinishReason.CANCELLED and not asked

    run(main())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_is_shown_and_stored_alike(seed: int) -> None:
    chance = random.Random(seed)

    def script(_: GenerateRequest) -> Script:
        parts = [p for p in random_messages.parts(chance) if not isinstance(p, ToolResultPart)] or [TextPart("Yes.")]
        error = Environment(Text("died", "It died.")) if chance.random() < 0.3 else None
        return Script(parts=tuple(parts), piece=chance.randint(1, 9), error=error, fail_after=chance.randint(0, 20))

    async def go_on(_: tuple[Part, ...]) -> tuple[Part, ...]:
        return (RESULT,) if chance.random() < 0.5 else ()

    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(script)) as app:
            app.chat._go_on = go_on
            questions = [await app.send(f"Question {number}") for number in range(3)]
            for question in chance.sample(questions, 1):
                await asyncio.sleep(chance.random() * 0.02)
                await app.chat.stop(question.conversation_id)
            await app.chat.idle()
            for question in questions:
                answer = (await app.history.tail(question.conversation_id, 1))[0]
                assert app.shown(question.conversation_id) == answer.parts
                assert answer.status is not Status.STREAMING

    run(main())


# Where a message goes -------------------------------------------------------------------------------------------------


async def send(app: App, *parts: Part, conversation_id: str = "", **more: object) -> str:
    where = conversation_id or new_id()
    await app.chat.send(
        parts,
        conversation_id=where,
        new=not conversation_id,
        thinking=ThinkingMode.AUTO,
        **more,  # type: ignore[arg-type]
    )
    await app.chat.idle()
    return where


async def said(app: App, conversation_id: str) -> list[str]:
    return [visible_text(message.parts) for message in await app.history.tail(conversation_id, 99)]


def test_a_message_may_go_on_from_any_other_and_from_the_very_beginning() -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            chat = await app.ask("One")
            await app.ask("Two", chat)
            first = (await app.history.tail(chat, 9))[1]
            app.seen.clear()
            await send(app, TextPart("Two again"), conversation_id=chat, parent_id=first.id)
            assert await said(app, chat) == ["One", "Hello.", "Two again", "Hello."]
            assert [event.conversation_id for event in app.events(BranchChanged)] == [chat]
            assert not app.events(MessageAdded)
            await send(app, TextPart("Anew"), conversation_id=chat, parent_id=None)
            assert await said(app, chat) == ["Anew", "Hello."]
            leaf = (await app.history.tail(chat, 1))[0]
            app.seen.clear()
            await send(app, TextPart("More"), conversation_id=chat, parent_id=leaf.id)
            assert await said(app, chat) == ["Anew", "Hello.", "More", "Hello."]
            assert len(app.events(MessageAdded)) == 2 and not app.events(BranchChanged)

    run(main())


def test_what_cannot_be_sent_is_a_sentence_and_changes_nothing() -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            chat, other = await app.ask("One"), await app.ask("Other")
            foreign = (await app.history.tail(other, 1))[0].id
            refused = (
                ((TextPart(" "), TextPart("\n")), {}, "The message is empty."),
                ((), {}, "The message is empty."),
                ((TextPart("x" * 5_000_000), TextPart("y" * 5_000_000)), {}, "The message is longer than"),
                ((TextPart("x"), ThinkingPart("hm")), {}, "A message can hold text, pictures, sound and files only."),
                ((FilePart("ab" * 32, "text/plain", "x.txt", text="y" * 8_000_001),), {}, "The message is longer than"),
                ((TextPart("x"),), {"parent_id": foreign}, "The message to go on from is not in this chat."),
                ((TextPart("x"),), {"parent_id": "nobody"}, "The message to go on from is not in this chat."),
            )
            for parts, more, sentence in refused:
                with pytest.raises(UserFacing) as caught:
                    await send(app, *parts, conversation_id=chat, **more)
                assert str(caught.value.problem.what).startswith(sentence)
            with pytest.raises(UserFacing, match="does not exist any more"):
                await send(app, TextPart("x"), conversation_id=new_id())
            assert await said(app, chat) == ["One", "Hello."] and not app.chat.running()

    run(main())


def test_attachments_go_with_the_words_or_alone_and_their_names_are_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            stored: list[tuple[Part, ...]] = []

            async def add(entries: Sequence[Message], **_: object) -> None:
                stored.append(entries[0].parts)
                raise UserFacing(Text("x", "An attachment is not there any more."))  # the store knows

            monkeypatch.setattr(app.history, "add", add)
            sent, clean = (ImagePart("ab" * 32, "image/png", name=f"sea{sign}.png") for sign in ("\udcff", "\ufffd"))
            for parts in ((sent,), (sent, TextPart(" What\r\nis this?\n"), TextPart(""))):
                with pytest.raises(UserFacing, match="not there any more"):
                    await send(app, *parts)
            assert stored == [(clean,), (clean, TextPart(" What\nis this?"))]
            assert not app.chat.running()

    run(main())


def test_new_chats_at_once_do_not_mix() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(lambda r: Script(visible_text(r.messages[-1].parts)))) as app:
            chats = [new_id() for _ in range(6)]
            await asyncio.gather(
                *(
                    app.chat.send((TextPart(chat),), conversation_id=chat, new=True, thinking=ThinkingMode.AUTO)
                    for chat in chats
                )
            )
            await app.chat.idle()
            for chat in chats:
                assert await said(app, chat) == [chat, chat]
                assert visible_text(app.shown(chat)) == chat

    run(main())
