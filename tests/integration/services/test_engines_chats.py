"""Which model answers in which chat, and what is said while it waits: chats over the registry with scripted engines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Conversation, Status
from qwen_desktop.core.engine import GenerateRequest
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.core.parts import Role
from qwen_desktop.services.events import (
    MessageAdded,
    ModelStatus,
)
from tests.app import App
from tests.engine_holders import Holder, answer_to, made_by, on, say, until
from tests.scripted_engine import Script
from tests.small_computer import Computer


def test_a_queued_answer_is_made_by_the_model_that_it_was_asked_of() -> None:
    computer = Computer(1000, script=Script("abcd" * 10, rate=200))

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        await app.models.open_file(a.path)
        first = await app.send("One")
        queued = await app.send("Two")
        await app.models.open_file(b.path)
        third = await app.send("Three")
        await app.chat.idle()
        answers = [await answer_to(app, question) for question in (first, queued, third)]
        assert [made_by(answer) for answer in answers] == ["a-600.gguf", "a-600.gguf", "b-600.gguf"]
        assert {answer.status for answer in answers} == {Status.DONE}
        assert Path(app.models.state.path).name == "b-600.gguf"
        assert computer.most == 0

    on(computer, test)


def test_a_conversation_is_answered_by_its_own_model(monkeypatch: pytest.MonkeyPatch) -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        own, chosen = FileRef(app.model_file("own-1.gguf")), FileRef(app.model_file("chosen-1.gguf"))
        await app.models.open_file(chosen.path)
        question = await app.send("One")
        await app.chat.idle()
        get = app.history.get

        async def with_model(conversation_id: str) -> Conversation | None:
            found = await get(conversation_id)
            return structs.replace(found, model=own) if found is not None else None

        monkeypatch.setattr(app.history, "get", with_model)
        await app.send("Two", question.conversation_id)
        (expected,) = [e.message for e in app.events(MessageAdded) if e.message.role is Role.ASSISTANT][1:]
        assert expected.provenance is not None and expected.provenance.model_name == "own-1"
        await app.chat.idle()
        answer = await answer_to(app, question)
        assert made_by(answer) == "own-1.gguf" and answer.status is Status.DONE
        await app.chat.regenerate(answer.id)
        await app.chat.idle()
        assert made_by(await answer_to(app, question)) == "own-1.gguf"
        assert app.models.state.path == chosen.path and app.models.state.status is ModelStatus.READY

    on(computer, test)


def test_a_conversation_that_begins_with_a_model_keeps_it() -> None:
    computer = Computer(1000)

    async def test(app: App) -> None:
        own, chosen = FileRef(app.model_file("own-1.gguf")), FileRef(app.model_file("chosen-1.gguf"))
        await app.models.open_file(chosen.path)
        question = await app.send("One", model=own)
        await app.chat.idle()
        await app.chat.regenerate((await answer_to(app, question)).id)
        await app.chat.idle()
        assert made_by(await answer_to(app, question)) == "own-1.gguf"
        kept = await app.history.get(question.conversation_id)
        assert kept is not None and kept.model == own
        assert app.models.state_of(own).path == own.path and app.models.state_of(own).status is ModelStatus.READY
        assert app.models.state_of(None) == app.models.state_of(chosen) == app.models.state

    on(computer, test)


def test_an_answer_that_waits_for_the_memory_of_another_says_so() -> None:
    computer = Computer(1000, load_s=0.01)

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        first = Holder(app, a)
        await first.has.wait()
        await say(app, b)
        await until(lambda: "queued 1" in app.stages())
        await first.end()
        await app.chat.idle()
        assert app.stages()[-3:] == ["queued 1", "loading", "reading"]

    on(computer, test)


def test_a_second_model_asked_for_while_the_first_loads() -> None:
    computer = Computer(1000, load_s=0.05)

    async def test(app: App) -> None:
        a, b = FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))
        first = await say(app, a)
        await asyncio.sleep(0.01)
        second = await say(app, b)
        await app.chat.idle()
        assert [made_by(await answer_to(app, q)) for q in (first, second)] == ["a-600.gguf", "b-600.gguf"]
        assert [len(engine.loads) for engine in computer.made] == [1, 1] and computer.most == 0

    on(computer, test)


def test_what_was_asked_of_a_file_that_is_loading_is_answered_by_it_whatever_is_chosen_then() -> None:
    computer = Computer(1000, load_s=0.05)

    async def test(app: App) -> None:
        slow, other = app.model_file("slow-1.gguf"), app.model_file("other-1.gguf")
        opening = asyncio.create_task(app.models.open_file(slow))
        await asyncio.sleep(0.01)
        question = await app.send("To the slow one")
        await until(app.stages)
        assert set(app.stages()) == {"loading"}  # it waits for nobody's answer
        await app.models.open_file(other)
        await opening
        await app.chat.idle()
        answer = await answer_to(app, question)
        assert made_by(answer) == "slow-1.gguf" and answer.status is Status.DONE
        assert app.models.state.path == other and app.models.state.status is ModelStatus.READY
        assert [len(engine.loads) for engine in computer.made] == [1, 1]

    on(computer, test)


@pytest.mark.parametrize("total", [1000, 2000])
def test_six_conversations_over_two_models(total: int) -> None:
    asked: list[GenerateRequest] = []

    def script(request: GenerateRequest) -> Script:
        asked.append(request)
        return Script("abcd" * 5, rate=500)

    computer = Computer(total)
    computer.script = script  # type: ignore[assignment]

    async def test(app: App) -> None:
        refs = [FileRef(app.model_file("a-600.gguf")), FileRef(app.model_file("b-600.gguf"))]
        questions = [await say(app, refs[number % 2], f"Question {number}") for number in range(6)]
        await app.chat.idle()
        answers = [await answer_to(app, question) for question in questions]
        assert {answer.status for answer in answers} == {Status.DONE}
        assert [made_by(answer) for answer in answers] == ["a-600.gguf", "b-600.gguf"] * 3
        told = [request.messages[-1].parts[0].text for request in asked]  # type: ignore[union-attr]
        if total == 1000:  # one at a time, in the order in which they were asked
            assert told == [f"Question {number}" for number in range(6)] and computer.most == 0
        else:
            assert [len(engine.loads) for engine in computer.made] == [1, 1]

    on(computer, test)
