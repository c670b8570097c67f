"""Versions of messages and answers that go on, and how each change is taken back: real database, scripted engine."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from qwen_desktop.core.chat import NO_BUDGET, Message, Status
from qwen_desktop.core.engine import FinishReason, GenerateRequest, Grammar, Recipe, Sampling, ThinkingMode
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.core.parts import (
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    thinking_text,
    visible_text,
)
from qwen_desktop.core.text import Text
from qwen_desktop.services.changes import ChangeKind
from qwen_desktop.services.events import (
    BranchChanged,
    ConversationChanged,
    MessageChanged,
    RunChanged,
)
from tests.app import App, run, running_app
from tests.scripted_engine import Script, ScriptedEngine

RECIPE = Recipe(
    "ab" * 32, "cd" * 32, "ef" * 32, "scripted 1", "native", "f16", 0, 0, 1.0, Sampling(temperature=0.5, seed=9),
    thinking=ThinkingMode.THINK, thinking_budget=77, max_tokens=55, loop_guard=True, threads=2,
)  # fmt: skip

BROKE = Environment(Text("engine.died", "The engine was killed."), None)  # type: ignore[arg-type]  # the engine's own


def numbered() -> ScriptedEngine:
    """Each answer says which one it is."""
    count = 0

    def script(_: GenerateRequest) -> Script:
        nonlocal count
        count += 1
        return Script(f"Answer {count}.", piece=100)

    return ScriptedEngine(script)


async def told(app: App, conversation: str) -> list[str]:
    """What is on show, as texts."""
    return [visible_text(entry.parts) for entry in await app.history.tail(conversation, 99)]


async def last(app: App, conversation: str) -> Message:
    return (await app.history.tail(conversation, 1))[0]


# Edit -----------------------------------------------------------------------------------------------------------------


def test_an_edited_question_is_a_version_with_its_own_answer() -> None:
    async def main() -> None:
        async with running_app(numbered) as app:
            chat = await app.ask("One")
            await app.ask("Two", chat)
            first, _, second, _ = await app.history.tail(chat, 9)
            app.seen.clear()
            change = await app.chat.edit(second.id, (TextPart("  Two, better\n"),))
            assert (change.kind, change.conversation_id) == (ChangeKind.EDIT, chat)
            assert {type(e) for e in app.seen} >= {BranchChanged, ConversationChanged}
            await app.chat.idle()
            assert await told(app, chat) == ["One", "Answer 1.", "  Two, better", "Answer 3."]
            versions = await app.history.versions([change.message_id])
            assert versions[change.message_id].ids == (second.id, change.message_id)
            await change.undo()
            assert await told(app, chat) == ["One", "Answer 1.", "Two", "Answer 2."]
            assert await app.history.versions([second.id]) == {}
            assert await app.history.message(change.message_id) is None
            await change.undo()  # once is enough
            assert await told(app, chat) == ["One", "Answer 1.", "Two", "Answer 2."]
            begun = await app.chat.edit(first.id, (TextPart("Uno"),))
            await app.chat.idle()
            assert await told(app, chat) == ["Uno", "Answer 4."]
            await begun.undo()
            assert await told(app, chat) == ["One", "Answer 1.", "Two", "Answer 2."]

    run(main())


def test_an_edited_answer_stands_as_it_is_and_is_what_the_model_reads() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script("Said.", thinking="Hm.", recipe=RECIPE, budget_spent=True, stopped_loop=True))
        async with running_app(lambda: engine) as app:
            chat = await app.ask("One")
            answer = await last(app, chat)
            app.seen.clear()
            change = await app.chat.edit(answer.id, (*answer.parts[:1], TextPart("Said \x00better.")))
            assert not app.chat.running() and app.events(RunChanged)[-1].run is None
            assert len(engine.requests) == 1
            edited = await last(app, chat)
            assert (edited.id, edited.status, edited.parent_id) == (change.message_id, Status.DONE, answer.parent_id)
            assert (visible_text(edited.parts), thinking_text(edited.parts)) == ("Said better.", "Hm.")
            made, before = edited.provenance, answer.provenance
            assert made is not None and made.edited and made.recipe is None and edited.stats is None
            assert before is not None and before.recipe is not None and made.model_name == before.model_name
            assert not (made.budget_spent or made.stopped_loop)
            await app.ask("Two", chat)
            assert visible_text(engine.requests[-1].messages[1].parts) == "Said better."
            with pytest.raises(UserFacing, match="gone on with this version"):
                await change.undo()
            assert len(await told(app, chat)) == 4
            with pytest.raises(UserFacing, match="The message is empty"):
                await app.chat.edit(answer.id, (TextPart(" \n"),))
            assert await app.history.select_version(answer.id) and await told(app, chat) == ["One", "Said."]

    run(main())


def test_an_edit_while_the_disk_is_full_says_so_and_changes_nothing() -> None:
    def full(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    async def main() -> None:
        async with running_app(numbered) as app:
            chat = await app.ask("One")
            question, answer = await app.history.tail(chat, 9)
            tree = await app.history.tree(chat)
            await app.db.call(full)
            for entry in (question, answer):
                with pytest.raises(Environment, match="The disk is full"):
                    await app.chat.edit(entry.id, (TextPart("x" * 100_000),))
            with pytest.raises(Environment, match="The disk is full"):
                await app.history.fork(answer.id, "y" * 100_000)
            assert not app.chat.running()
            assert await app.history.tree(chat) == tree and len(await app.history.list()) == 1
            await app.db.call(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchall())
            await app.chat.edit(answer.id, (TextPart("x" * 100_000),))
            assert len(await app.history.tree(chat)) == 3

    run(main())


# Regenerate and run again ---------------------------------------------------------------------------------------------


def test_a_version_by_another_model_with_other_values() -> None:
    async def main() -> None:
        engines: list[ScriptedEngine] = []

        def make() -> ScriptedEngine:
            engines.append(ScriptedEngine())
            return engines[-1]

        async with running_app(make) as app:
            chat = await app.ask("One")
            await app.preferences.set("sampling.top_p", 0.9)
            answer = await last(app, chat)
            other = FileRef(app.model_file("other.gguf"))
            change = await app.chat.regenerate(
                answer.id,
                model=other,
                thinking=ThinkingMode.DIRECT,
                thinking_budget=NO_BUDGET,
                sampling=Sampling(temperature=1.5, seed=3),
            )
            await app.chat.idle()
            made = (await last(app, chat)).provenance
            assert change.kind is ChangeKind.REGENERATE and made is not None and made.model_path == other.path
            (request,) = engines[-1].requests
            assert (request.thinking, request.thinking_budget) == (ThinkingMode.DIRECT, None)
            assert (request.sampling.temperature, request.sampling.top_p, request.sampling.seed) == (1.5, 0.9, 3)
            assert (await app.history.get(chat)).model is None  # type: ignore[union-attr]  # it is there
            await change.undo()
            assert (await last(app, chat)).id == answer.id

    run(main())


def test_an_answer_goes_on_by_the_model_that_began_it_while_that_is_there() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("One", reason=FinishReason.LENGTH))) as app:
            chat = await app.ask("One")
            other = FileRef(app.model_file("other.gguf"))
            await app.chat.regenerate((await last(app, chat)).id, model=other)
            await app.chat.idle()
            for there in (True, False):
                if not there:
                    await asyncio.to_thread(Path(other.path).unlink)
                await app.chat.continue_answer((await last(app, chat)).id)
                await app.chat.idle()
                ended = await last(app, chat)
                assert ended.status is Status.DONE and ended.provenance is not None
                assert (ended.provenance.model_path == other.path) == there

    run(main())


def test_a_budget_of_the_conversations_own() -> None:
    async def main() -> None:
        engine = ScriptedEngine()
        async with running_app(lambda: engine) as app:
            await app.preferences.set("chat.thinking_budget", 512)
            asked = await app.send("One", thinking_budget=2048)
            await app.chat.idle()
            chat = asked.conversation_id
            for own, given in ((None, 512), (NO_BUDGET, None), (64, 64), (0, 0)):
                await app.history.set_thinking_budget(chat, own)
                assert app.events(ConversationChanged)[-1].conversation.thinking_budget == own
                await app.ask("More", chat)
                assert engine.requests[-1].thinking_budget == given
            assert engine.requests[0].thinking_budget == 2048
            await app.chat.regenerate((await last(app, chat)).id, thinking_budget=8)
            await app.chat.idle()
            assert engine.requests[-1].thinking_budget == 8

    run(main())


@pytest.mark.parametrize("same", [True, False])
def test_an_answer_that_is_made_again_says_whether_it_is_equal(same: bool) -> None:
    differs = (Text("again.threads", "Another number of threads."),)  # type: ignore[arg-type]  # the engine's own

    def script(request: GenerateRequest) -> Script:
        again = request.again is not None and not same
        return Script(
            "Said.",
            thinking="Other." if again else "Hm.",
            recipe=RECIPE,
            differs=differs if again else (),
            first_s=0.05,
        )

    async def main() -> None:
        engine = ScriptedEngine(script)
        async with running_app(lambda: engine) as app:
            chat = await app.ask("One")
            answer = await last(app, chat)
            await app.preferences.set("sampling.temperature", 1.0)
            change = await app.chat.run_again(answer.id)
            running = await last(app, chat)
            assert running.provenance is not None and running.provenance.again is not None
            assert (running.provenance.again.of, running.provenance.again.equal) == (answer.id, None)
            await app.chat.idle()
            request, version = engine.requests[-1], await last(app, chat)
            assert request.again == RECIPE and request.sampling == RECIPE.sampling
            assert (request.max_tokens, request.thinking_budget, request.loop_guard) == (55, 77, True)
            assert request.messages == engine.requests[0].messages
            again = version.provenance.again if version.provenance is not None else None
            assert again is not None and again.of == answer.id and again.equal is same
            assert [str(text) for text in again.differs] == ([] if same else ["Another number of threads."])
            assert version.provenance is not None and version.provenance.thinking is ThinkingMode.THINK
            assert change.kind is ChangeKind.AGAIN and change.message_id == version.id
            await change.undo()
            assert (await last(app, chat)).id == answer.id

    run(main())


def test_a_stopped_answer_is_equal_as_far_as_it_came() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script("0123456789" * 40, rate=200, recipe=RECIPE))
        async with running_app(lambda: engine) as app:
            asked = await app.send("One")
            await app.until_shown(20)
            await app.chat.stop(asked.conversation_id)
            answer = await last(app, asked.conversation_id)
            again = await app.chat.run_again(answer.id)
            await app.chat.idle()
            made = (await app.history.message(again.message_id)).provenance  # type: ignore[union-attr]  # it is there
            assert made is not None and made.again is not None and made.again.equal is True
            stopped = await app.chat.run_again(answer.id)
            await app.chat.stop(asked.conversation_id)
            made = (await app.history.message(stopped.message_id)).provenance  # type: ignore[union-attr]  # the same
            assert made is not None and made.again is not None and made.again.equal is None

    run(main())


def test_without_a_recipe_nothing_is_run_again() -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            chat = await app.ask("One")
            question, answer = await app.history.tail(chat, 9)
            with pytest.raises(UserFacing, match="not known well enough"):
                await app.chat.run_again(answer.id)
            with pytest.raises(UserFacing, match="not an answer"):
                await app.chat.run_again(question.id)
            for ask in (app.chat.run_again, app.chat.regenerate, app.chat.continue_answer, app.history.delete_message):
                with pytest.raises(UserFacing, match="does not exist any more"):
                    await ask("unknown")  # type: ignore[operator]  # methods of different kinds
            assert len(await app.history.tree(chat)) == 2 and not app.chat.running()

    run(main())


# Go on ----------------------------------------------------------------------------------------------------------------


def test_a_cut_answer_goes_on_in_place() -> None:
    scripts = [
        Script("Half a sen", thinking="Hm.", reason=FinishReason.LENGTH, recipe=RECIPE, budget_spent=True),
        Script("tence.", recipe=RECIPE),
    ]

    async def main() -> None:
        engine = ScriptedEngine(lambda _: scripts[len(engine.requests) - 1])
        async with running_app(lambda: engine) as app:
            chat = await app.ask("One")
            before = await last(app, chat)
            assert before.stats is not None and before.provenance is not None and before.provenance.recipe is not None
            app.seen.clear()
            change = await app.chat.continue_answer(before.id)
            assert app.events(MessageChanged)[0].message.status is Status.STREAMING
            await app.chat.idle()
            request = engine.requests[-1]
            assert request.go_on and request.messages[-1].parts == before.parts
            after = await last(app, chat)
            assert after.id == before.id == change.message_id and change.kind is ChangeKind.CONTINUE
            assert visible_text(after.parts) == "Half a sentence." and thinking_text(after.parts) == "Hm."
            assert after.finish_reason is FinishReason.STOP and after.status is Status.DONE
            assert after.stats is not None
            assert after.stats.completion_tokens == before.stats.completion_tokens + 2
            assert after.provenance is not None and after.provenance.budget_spent and after.provenance.recipe is None
            assert app.events(MessageChanged)[-1].message == after
            with pytest.raises(UserFacing, match="come to its end"):
                await app.chat.continue_answer(before.id)
            with pytest.raises(UserFacing, match="not known well enough"):
                await app.chat.run_again(before.id)
            await change.undo()
            assert await last(app, chat) == before
            assert app.events(MessageChanged)[-1].message == before

    run(main())


def test_an_answer_keeps_to_its_form_however_often_it_goes_on() -> None:
    """Unless a person changed its words."""
    form = Grammar("json_schema", '{"type": "array"}')

    async def main() -> None:
        engine = ScriptedEngine(lambda _: Script("[1,", reason=FinishReason.LENGTH, recipe=RECIPE))
        async with running_app(lambda: engine) as app:
            chat = (await app.send("One", grammar=form)).conversation_id
            await app.chat.idle()
        async with running_app(lambda: engine) as app:
            for _ in range(2):
                await app.chat.continue_answer((await last(app, chat)).id)
                await app.chat.idle()
            edited = await app.chat.edit((await last(app, chat)).id, (TextPart("It is [1,"),))
            await app.chat.continue_answer(edited.message_id)
            await app.chat.idle()
        assert [request.grammar for request in engine.requests] == [form, form, form, None]

    run(main())


def test_going_on_anyway_lets_an_answer_repeat_itself() -> None:
    scripts = [Script("la la", stopped_loop=True), Script(" la", reason=FinishReason.LENGTH)]

    async def main() -> None:
        engine = ScriptedEngine(lambda _: scripts[len(engine.requests) - 1])
        async with running_app(lambda: engine) as app:
            await app.preferences.set("chat.loop_guard", True)
            chat = await app.ask("One")
            answer = await last(app, chat)
            assert answer.provenance is not None and answer.provenance.stopped_loop
            await app.chat.continue_answer(answer.id, loop_guard=False)
            await app.chat.idle()
            assert [request.loop_guard for request in engine.requests] == [True, False]
            after = await last(app, chat)
            assert visible_text(after.parts) == "la la la"
            assert after.provenance is not None and not after.provenance.stopped_loop

    run(main())


def test_stopped_failed_and_edited_answers_go_on() -> None:
    broken = Script("Fails now", error=BROKE, fail_after=1)

    async def main() -> None:
        script = Script("word " * 100, thinking="thought " * 100, rate=100)
        engine = ScriptedEngine(lambda _: script)
        async with running_app(lambda: engine) as app:
            asked = await app.send("One")
            chat = asked.conversation_id
            await app.until_shown(12)
            await app.chat.stop(chat)
            stopped = await last(app, chat)
            assert stopped.status is Status.STOPPED and isinstance(stopped.parts[-1], ThinkingPart)
            script = Script("Done.", thinking="so.")
            await app.chat.continue_answer(stopped.id)
            await app.chat.idle()
            after = await last(app, chat)
            assert thinking_text(after.parts) == thinking_text(stopped.parts) + "so."
            assert [type(part) for part in after.parts] == [ThinkingPart, TextPart]
            edited = await app.chat.edit(after.id, (TextPart("From here"),))
            script = broken
            failing = await app.chat.continue_answer(edited.message_id)
            await app.chat.idle()
            failed = await last(app, chat)
            assert failed.status is Status.FAILED and visible_text(failed.parts) == "From hereFail"
            script = Script(" on.")
            again = await app.chat.continue_answer(failed.id)
            await app.chat.idle()
            whole = await last(app, chat)
            assert visible_text(whole.parts) == "From hereFail on." and whole.problem is None
            assert whole.provenance is not None and whole.provenance.edited
            with pytest.raises(UserFacing, match="has changed since"):
                await failing.undo()
            await again.undo()
            assert await last(app, chat) == failed
            await failing.undo()
            assert visible_text((await last(app, chat)).parts) == "From here"

    run(main())


def test_an_undo_leaves_a_later_change_alone_that_still_runs() -> None:
    async def main() -> None:
        script = Script("One", reason=FinishReason.LENGTH)
        engine = ScriptedEngine(lambda _: script)
        async with running_app(lambda: engine) as app:
            chat = await app.ask("One")
            answer = await last(app, chat)
            first = await app.chat.continue_answer(answer.id)
            await app.chat.idle()
            script = Script(" more" * 1000, rate=20, first_s=0.1)
            second = await app.chat.continue_answer(answer.id)
            for _ in range(2):  # before its first word, and behind it
                with pytest.raises(UserFacing, match="has changed since"):
                    await first.undo()
                assert app.chat.running()
                await app.until_shown(8)
            await second.undo()
            await first.undo()
            assert await last(app, chat) == answer

    run(main())


def test_what_tools_gave_back_stays_where_it_was_when_an_answer_goes_on() -> None:
    call, result = ToolCallPart("1", "look_up", "{}"), ToolResultPart("1", "Water.")
    scripts = [
        Script(parts=(TextPart("Wait."), call), recipe=RECIPE),
        Script("Water", reason=FinishReason.LENGTH, recipe=RECIPE),
        Script(" it is.", recipe=RECIPE),
    ]

    async def look_up(parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return (result,) if parts[-1] == call else ()

    async def main() -> None:
        engine = ScriptedEngine(lambda _: scripts[len(engine.requests) - 1])
        async with running_app(lambda: engine) as app:
            app.chat._go_on = look_up
            chat = await app.ask("What is it?")
            answer = await last(app, chat)
            assert answer.parts == (TextPart("Wait."), call, result, TextPart("Water"))
            with pytest.raises(UserFacing, match="not known well enough"):
                await app.chat.run_again(answer.id)
            await app.chat.continue_answer(answer.id)
            await app.chat.idle()
            assert [request.go_on for request in engine.requests] == [False, False, True]
            assert engine.requests[-1].messages[-1].parts == (TextPart("Water"),)
            assert (await last(app, chat)).parts == (TextPart("Wait."), call, result, TextPart("Water it is."))

    run(main())


def test_an_answer_that_failed_before_its_first_word_is_asked_for_in_place() -> None:
    scripts = [Script(error=BROKE), Script("Fine.")]

    async def main() -> None:
        engine = ScriptedEngine(lambda _: scripts[len(engine.requests) - 1])
        async with running_app(lambda: engine) as app:
            chat = await app.ask("One")
            failed = await last(app, chat)
            assert failed.status is Status.FAILED and not failed.parts
            await app.chat.continue_answer(failed.id)
            await app.chat.idle()
            assert not engine.requests[-1].go_on and engine.requests[-1].messages[-1].role is Role.USER
            after = await last(app, chat)
            assert (after.id, visible_text(after.parts), after.status) == (failed.id, "Fine.", Status.DONE)

    run(main())


def test_what_runs_because_of_a_change_is_stopped_by_its_undo() -> None:
    async def main() -> None:
        script = Script("Quick.", reason=FinishReason.LENGTH, recipe=RECIPE)
        engine = ScriptedEngine(lambda _: script)
        async with running_app(lambda: engine) as app:
            chat = await app.ask("One")
            question, answer = await app.history.tail(chat, 9)
            script = Script("long " * 1000, rate=100)
            for ask in (
                app.chat.regenerate(answer.id),
                app.chat.edit(question.id, (TextPart("Other"),)),
                app.chat.run_again(answer.id),
                app.chat.continue_answer(answer.id),
            ):
                change = await ask
                app.seen.clear()
                await app.until_shown(8)
                for busy in (
                    app.chat.regenerate(answer.id),
                    app.chat.edit(answer.id, (TextPart("x"),)),
                    app.chat.run_again(answer.id),
                    app.chat.continue_answer(answer.id),
                    app.send("More", chat),
                ):
                    with pytest.raises(UserFacing, match="still running"):
                        await busy
                await change.undo()
                assert not app.chat.running()
                assert await app.history.tail(chat, 9) == (question, answer)

    run(main())
