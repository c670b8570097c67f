"""Asking and answering over a real database, with a scripted engine."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator
from itertools import groupby, pairwise

import pytest

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.engine import ContextCut, FinishReason, GenerateRequest, ThinkingMode
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.parts import Role, TextPart, ThinkingPart, thinking_text, visible_text
from qwen_desktop.core.text import Text
from qwen_desktop.services.events import (
    AnswerEvent,
    BranchChanged,
    ConversationChanged,
    ConversationRemoved,
    MessageAdded,
    MessageChanged,
    RunChanged,
    RunStage,
    RunState,
)
from tests.app import run, running_app
from tests.scripted_engine import Script, ScriptedEngine, ScriptedRun


def died() -> Environment:
    return Environment(Text("engine.died", "The engine was killed."), Text("engine.died.hint", "Send it again."))


def test_an_answer_is_shown_stored_and_knows_what_made_it() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script("Hello you.", thinking="They greet me."))
        async with running_app(lambda: engine) as app:
            await app.preferences.set("sampling.seed", 42)
            question = await app.send("Hi", thinking=ThinkingMode.THINK)
            await app.chat.idle()
            user, answer = await app.history.tail(question.conversation_id, 10)
            assert (user.role, visible_text(user.parts)) == (Role.USER, "Hi")
            assert answer.status is Status.DONE and answer.finish_reason is FinishReason.STOP
            assert visible_text(answer.parts) == "Hello you."
            assert isinstance(answer.parts[0], ThinkingPart) and answer.parts[0].tokens == 4
            assert thinking_text(answer.parts) == "They greet me."
            assert answer.stats is not None and answer.stats.completion_tokens == 7
            made_by = answer.provenance
            assert made_by is not None and made_by.guide and made_by.seed == 42
            assert made_by.thinking is ThinkingMode.THINK
            assert (made_by.model_sha256, made_by.template_sha256, made_by.engine) == (
                "ab" * 32,
                "cd" * 32,
                "scripted 1",
            )
            assert made_by.settings["context"] == 4096
            assert visible_text(app.shown()) == "Hello you."
            assert [
                type(e) for e in app.seen if isinstance(e, ConversationChanged | MessageAdded | MessageChanged)
            ] == [
                ConversationChanged,
                MessageAdded,
                MessageAdded,
                MessageChanged,
            ]
            assert app.events(MessageChanged)[-1].message == answer

    run(main())


def test_text_that_turns_out_to_be_thinking_is_kept_as_such() -> None:
    script = Script(text="It is 4.", thinking="Two and two, hm. ", unopened=True)

    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(script)) as app:
            question = await app.send("2+2?")
            await app.chat.idle()
            _, answer = await app.history.tail(question.conversation_id, 10)
            assert [type(part) for part in answer.parts] == [ThinkingPart, TextPart]
            assert thinking_text(answer.parts) == "Two and two, hm." and visible_text(answer.parts) == "It is 4."
            assert answer.parts[0].tokens == 5 and answer.parts[0].seconds is not None
            assert app.shown() == answer.parts

    run(main())


def test_the_title_comes_from_the_first_line_and_stays() -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            long = "\n  Why does the sea look blue although water in a glass has no colour at all?\nAnd the sky?"
            first = await app.ask(long)
            found = await app.history.get(first)
            assert found is not None
            assert found.title == "Why does the sea look blue although water in a glass has no…"
            await app.ask("Another question", first)
            again = await app.history.get(first)
            assert again is not None and again.title == found.title
            await app.history.rename(first, "  Blue \n sea ")
            renamed = await app.history.get(first)
            assert renamed is not None and renamed.title == "Blue sea" and renamed.titled

    run(main())


@pytest.mark.parametrize("text", ["", "   ", "\n\t\n", "\x00", "\x00 \n"])
def test_an_empty_message_is_refused_and_leaves_nothing(text: str) -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            with pytest.raises(UserFacing) as caught:
                await app.send(text)
            assert str(caught.value.problem.what) == "The message is empty."
            assert await app.history.list() == ()
            assert not app.chat.running()

    run(main())


def test_surrogates_and_nul_are_cleaned_at_the_door() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script("broken \ud83d text\x00 end", piece=100))
        async with running_app(lambda: engine) as app:
            conversation = await app.ask("a\x00b \udcff \U0001f600")
            user, answer = await app.history.tail(conversation, 2)
            assert visible_text(user.parts) == "ab \ufffd \U0001f600"
            assert visible_text(answer.parts) == "broken \ufffd text end"
            await app.history.rename(conversation, "x\ud800y")
            found = await app.history.get(conversation)
            assert found is not None and found.title == "x\ufffdy"

    run(main())


def test_one_answer_at_a_time_in_a_conversation() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("long " * 100, rate=50))) as app:
            question = await app.send("One")
            with pytest.raises(UserFacing) as caught:
                await app.send("Two", question.conversation_id)
            assert str(caught.value.problem.what) == "An answer is still running in this chat."
            with pytest.raises(UserFacing):
                await app.chat.regenerate(question.id)
            assert app.chat.running() == {question.conversation_id}
            assert len(await app.history.tail(question.conversation_id, 10)) == 2

    run(main())


def test_a_second_message_that_takes_a_chat_for_new_goes_on_in_it() -> None:
    """Who sends before the window has heard that the chat is stored."""

    async def main() -> None:
        engine = ScriptedEngine(Script("One."))
        async with running_app(lambda: engine) as app:
            for text in ("First", "Second"):
                parts, mode = (TextPart(text),), ThinkingMode.AUTO
                await app.chat.send(parts, conversation_id="c", thinking=mode, new=True)
                await app.chat.idle()
            told = [visible_text(message.parts) for message in await app.history.tail("c", 10)]
            assert told == ["First", "One.", "Second", "One."]

    run(main())


def test_where_an_answer_stands_is_told_and_can_be_asked() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script("word " * 30, "hm " * 30, rate=2000), load_s=0.02)
        async with running_app(lambda: engine) as app:
            asked: list[RunState | None] = []
            app.bus.subscribe(RunChanged, lambda event: asked.append(app.chat.run(event.conversation_id)))
            chats = [(await app.send(f"Q{n}")).conversation_id for n in range(3)]
            await app.chat.idle()
            assert asked == [event.run for event in app.events(RunChanged)]
            for chat in chats:
                first, *told, last = [e.run for e in app.events(RunChanged) if e.conversation_id == chat]
                assert first is last is app.chat.run(chat) is None
                runs = [run for run in told if run is not None]
                assert runs == told and all(a != b for a, b in pairwise(runs))
                # How many must end is known when the model is loaded: who waits for that may have to wait for more.
                loaded = [RunStage.LOADING if run.stage is RunStage.QUEUED else run.stage for run in runs]
                order = [list(RunStage).index(stage) for stage in loaded]
                assert order == sorted(order) and runs[-1].stage is RunStage.SPEAKING
                thinks = [run.thinking_since is not None for run in runs]
                assert [key for key, _ in groupby(thinks)] == [False, True, False]
                assert runs[-1].figures is not None and runs[-1].figures.completion_tokens >= 60

    run(main())


def test_answers_of_two_conversations_take_turns() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script("word " * 5, rate=100))
        most = 0

        def watch(_: AnswerEvent) -> None:
            nonlocal most
            most = max(most, engine.running)

        async with running_app(lambda: engine) as app:
            app.bus.subscribe(AnswerEvent, watch)
            asked = [await app.send(f"Q{n}") for n in range(3)]
            await asyncio.sleep(0.01)
            assert app.chat.running() == {m.conversation_id for m in asked}
            assert [stage for stage in app.stages() if "queued" in stage] == ["queued 1", "queued 2"]
            await app.chat.idle()
            assert app.stages().count("queued 1") == 2  # of the last one, too, once the first had ended
            assert most == 1
            order = [e.message.conversation_id for e in app.events(MessageChanged)]
            assert order == [m.conversation_id for m in asked]

    run(main())


def test_stop_keeps_what_was_shown() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("abcd" * 200, rate=100))) as app:
            question = await app.send("Go")
            await asyncio.sleep(0.15)
            await app.chat.stop(question.conversation_id)
            assert not app.chat.running()
            shown = visible_text(app.shown())
            answer = (await app.history.tail(question.conversation_id, 1))[0]
            assert answer.status is Status.STOPPED and answer.finish_reason is FinishReason.CANCELLED
            assert 4 <= len(shown) < 800 and visible_text(answer.parts) == shown

    run(main())


def test_a_sender_that_goes_away_and_a_stop_that_comes_too_early() -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            sending = asyncio.create_task(app.send("Hi"))
            await asyncio.sleep(0)
            sending.cancel()
            ended = asyncio.Event()
            app.bus.subscribe(MessageChanged, lambda _: ended.set())
            await ended.wait()
            (conversation,) = await app.history.list()
            assert (await app.history.tail(conversation.id, 1))[0].status is Status.DONE
            again = asyncio.create_task(app.send("Again", conversation.id))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert app.chat.running() == {conversation.id}
            await app.history.delete(conversation.id)  # stops the answer that is only just being stored
            assert not app.chat.running()
            await again
        async with running_app(ScriptedEngine) as app:
            late = asyncio.create_task(app.send("Late"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await app.chat.aclose()
            assert late.done()
            answer = (await app.history.tail((await late).conversation_id, 1))[0]
            assert answer.status is Status.STOPPED

    run(main())


def test_a_sender_that_goes_away_is_not_told_of_a_failure() -> None:
    """The loop's handler would show it as a fault of ours."""
    reported: list[dict[str, object]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
        async with running_app(ScriptedEngine) as app:
            sending = asyncio.create_task(app.send("Hi", "no such chat"))
            await asyncio.sleep(0)  # it has begun
            sending.cancel()
            await asyncio.wait({sending})
            assert sending.cancelled()
            await asyncio.wait({task for task in asyncio.all_tasks() if task.get_name() == "chat.send"})
        gc.collect()

    run(main())
    assert reported == []


def test_stop_at_once_while_queued_and_while_loading() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script("abcd" * 50, rate=100), load_s=0.5)
        async with running_app(lambda: engine) as app:
            first = await app.send("First")
            await app.chat.stop(first.conversation_id)  # before its task took a step
            loading = await app.send("Loading")
            queued = await app.send("Queued")
            await asyncio.sleep(0.05)
            await app.chat.stop(queued.conversation_id)
            await app.chat.stop(loading.conversation_id)
            assert not app.chat.running()
            for question in (first, loading, queued):
                answer = (await app.history.tail(question.conversation_id, 1))[0]
                assert answer.status is Status.STOPPED and answer.parts == ()
            after = await app.ask("And now?")
            assert (await app.history.tail(after, 1))[0].status is Status.DONE
            assert len(engine.loads) == 1  # the load went on meanwhile

    run(main())


def test_a_deaf_engine_is_left_after_two_seconds() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("abcd" * 4000, rate=50, deaf=True))) as app:
            question = await app.send("Go")
            await asyncio.sleep(0.1)
            started = time.monotonic()
            await app.chat.stop(question.conversation_id)
            assert time.monotonic() - started < 3
            answer = (await app.history.tail(question.conversation_id, 1))[0]
            assert answer.status is Status.STOPPED and visible_text(answer.parts).startswith("abcd")

    run(main())


def test_a_crash_leaves_a_card_with_the_partial_text_and_the_next_send_works() -> None:
    def script(request: GenerateRequest) -> Script:
        asked = visible_text(request.messages[-1].parts)
        crash = Script("partial text and more", error=died(), fail_after=3)
        return crash if asked.endswith("crash") else Script("Fine.")

    async def main() -> None:
        engine = ScriptedEngine(script)
        async with running_app(lambda: engine) as app:
            conversation = await app.ask("crash")
        async with running_app(lambda: engine) as app:  # after a restart too
            failed = (await app.history.tail(conversation, 1))[0]
            assert failed.status is Status.FAILED and visible_text(failed.parts) == "partial text"
            assert failed.problem is not None and failed.problem.sentence() == "The engine was killed. Send it again."
            assert failed.problem.action == "retry"
            await app.ask("Better", conversation)
            last = (await app.history.tail(conversation, 1))[0]
            assert last.status is Status.DONE
            sent = engine.requests[-1].messages
            assert [m.role for m in sent] == [Role.USER]  # the failed answer is not sent, roles alternate
            assert sent[0].parts == (TextPart("crash\n\nBetter"),)

    run(main())


@pytest.mark.expects_errors
def test_a_bug_of_ours_is_a_card_too_and_the_log_has_no_chat_text(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        secret = ValueError("my secret question")
        async with running_app(lambda: ScriptedEngine(Script("x", error=secret))) as app:
            conversation = await app.ask("my secret question")
            failed = (await app.history.tail(conversation, 1))[0]
            assert failed.status is Status.FAILED and failed.problem is not None
            assert failed.problem.kind == "bug" and failed.problem.action == "retry"
            assert "Traceback" not in failed.problem.details and "secret" not in failed.problem.details

    run(main())
    assert "answer.bug kind=ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_regenerate_makes_versions_that_can_be_walked() -> None:
    count = 0

    def script(_: GenerateRequest) -> Script:
        nonlocal count
        count += 1
        return Script(f"Answer {count}.")

    async def main() -> None:
        engine = ScriptedEngine(script)
        async with running_app(lambda: engine) as app:
            conversation = await app.ask("Question")
            await app.ask("Follow up", conversation)
            first = (await app.history.tail(conversation, 3))[0]
            app.seen.clear()
            await app.chat.regenerate(first.id)
            assert [e.conversation_id for e in app.events(BranchChanged)] == [conversation]
            await app.chat.idle()
            branch = await app.history.tail(conversation, 10)
            assert [visible_text(m.parts) for m in branch] == ["Question", "Answer 3."]
            assert len(engine.requests[-1].messages) == 1
            second = branch[-1]
            found = await app.history.versions([m.id for m in branch])
            assert found == {second.id: found[second.id]}
            assert found[second.id].ids == (first.id, second.id) and found[second.id].index == 1
            await app.history.select_version(first.id)
            back = await app.history.tail(conversation, 10)
            assert [visible_text(m.parts) for m in back] == ["Question", "Answer 1.", "Follow up", "Answer 2."]
            assert (await app.history.versions([first.id]))[first.id].index == 0
            assert await app.history.before(back[2].id, 1) == (back[1],)

    run(main())


def test_retry_under_a_question_that_never_got_an_answer() -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            conversation = await app.ask("Question")
            question = (await app.history.tail(conversation, 2))[0]
            await app.chat.regenerate(question.id)
            await app.chat.idle()
            assert [m.role for m in await app.history.tail(conversation, 9)] == [Role.USER, Role.ASSISTANT]

    run(main())


def test_the_cut_is_told_kept_and_given_to_the_next_request() -> None:
    cut_id = ""

    def script(request: GenerateRequest) -> Script:
        nonlocal cut_id
        if len(request.messages) == 3:
            cut_id = request.messages[2].id
            return Script("Cut.", cut=ContextCut(cut_id, 2))
        return Script("Fine.")

    async def main() -> None:
        engine = ScriptedEngine(script)
        async with running_app(lambda: engine) as app:
            conversation = await app.ask("One")
            await app.ask("Two", conversation)
            assert [e.event for e in app.events(AnswerEvent) if isinstance(e.event, ContextCut)] == [
                ContextCut(cut_id, 2)
            ]
            assert (await app.history.tail(conversation, 1))[0].context_cut == cut_id
            assert [r.cut_from for r in engine.requests] == [None, None]
            await app.ask("Three", conversation)
            assert engine.requests[-1].cut_from == cut_id

    run(main())


def test_a_chat_far_longer_than_the_context_is_not_carried_whole_and_that_is_told() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script("y" * 400, piece=400), context=512)
        async with running_app(lambda: engine) as app:
            conversation = await app.ask("first " + "x" * 5000)
            for number in range(210):
                entry = Message(
                    f"u{number}", conversation, await leaf(app, conversation), Role.USER, (TextPart("q"),), 1.0
                )
                reply = Message(f"a{number}", conversation, entry.id, Role.ASSISTANT, (TextPart("z" * 100),), 1.0)
                await app.history.add((entry, reply), announce=False)
            await app.ask("Last", conversation)
            sent = engine.requests[-1].messages
            assert 100 < len(sent) < 300 and sent[0].role is Role.USER
            told = [e.event for e in app.events(AnswerEvent) if isinstance(e.event, ContextCut)][-1]
            assert told.first_kept_id == sent[0].id and told.dropped + len(sent) >= 421

    async def leaf(app: object, conversation: str) -> str | None:
        found = await app.history.get(conversation)  # type: ignore[attr-defined] # an App
        return found.leaf_id  # type: ignore[no-any-return] # of a Conversation

    run(main())


def test_the_system_prompt_is_kept_with_the_conversation() -> None:
    async def main() -> None:
        engine = ScriptedEngine()
        async with running_app(lambda: engine) as app:
            await app.preferences.set("chat.system_prompt", "Be brief.")
            conversation = await app.ask("One")
            await app.preferences.set("chat.system_prompt", "Be long.")
            await app.ask("Two", conversation)
            first = engine.requests[-1].messages[0]
            assert first.role is Role.SYSTEM and first.parts == (TextPart("Be brief."),)
            assert [m.role for m in engine.requests[-1].messages[1:]] == [Role.USER, Role.ASSISTANT, Role.USER]

    run(main())


def test_what_the_settings_ask_for_is_handed_on_as_it_is() -> None:
    """Whether a model heeds it is decided in the engine (``sampling_defaults.decide``), for every face alike."""

    async def main() -> None:
        engine = ScriptedEngine()
        async with running_app(lambda: engine) as app:
            await app.preferences.change({"sampling.temperature": 1.5, "sampling.seed": 3, "sampling.max_tokens": 9})
            await app.ask("To the guide")
            assert engine.requests[-1].sampling.temperature == 1.5 and engine.requests[-1].sampling.seed == 3
            assert engine.requests[-1].max_tokens == 9
            await app.models.open_file(app.model_file("some.gguf"))
            await app.ask("To a model")
            assert engine.requests[-1].sampling.temperature == 1.5 and engine.requests[-1].sampling.seed == 3

    run(main())


def test_readers_see_the_running_answer_whole_at_every_moment() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("abcdefgh" * 100, rate=200))) as app:
            question = await app.send("Go")
            for _ in range(5):
                await asyncio.sleep(0.05)
                branch = await app.history.tail(question.conversation_id, 5)
                shown = visible_text(app.shown())
                assert visible_text(branch[-1].parts) == shown

    run(main())


def test_deleting_a_conversation_stops_its_answer_and_can_be_undone() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("abcd" * 500, rate=100))) as app:
            question = await app.send("Go")
            await asyncio.sleep(0.1)
            await app.history.delete(question.conversation_id)
            assert not app.chat.running()
            assert await app.history.list() == () and len(app.events(ConversationRemoved)) == 1
            with pytest.raises(UserFacing):
                await app.send("More", question.conversation_id)
            await app.history.undo_delete(question.conversation_id)
            assert [c.id for c in await app.history.list()] == [question.conversation_id]
            answer = (await app.history.tail(question.conversation_id, 1))[0]
            assert answer.status is Status.STOPPED and visible_text(answer.parts)
            await app.history.delete(question.conversation_id)
        async with running_app(ScriptedEngine) as app:  # a start removes it for good
            with pytest.raises(UserFacing):
                await app.history.undo_delete(question.conversation_id)
            assert await app.history.message(question.id) is None

    run(main())


class Clinging(ScriptedEngine):
    """An engine whose runs cannot even be left, as when its process hangs."""

    @contextlib.asynccontextmanager
    async def generate(self, request: GenerateRequest) -> AsyncIterator[ScriptedRun]:
        async with super().generate(request) as answer:
            try:
                yield answer
            finally:
                await asyncio.sleep(5)


@pytest.mark.parametrize("kind", ["obedient", "deaf", "clinging"])
def test_closing_stops_saves_and_refuses_in_a_second_and_a_half(kind: str) -> None:
    async def main() -> str:
        script = Script("abcd" * 5000, rate=100, deaf=kind != "obedient")
        engine = Clinging(script) if kind == "clinging" else ScriptedEngine(script)
        async with running_app(lambda: engine) as app:
            question = await app.send("Go")
            await app.send("Waits")
            await asyncio.sleep(0.1)
            started = time.monotonic()
            await app.chat.aclose()
            assert time.monotonic() - started < 1.5
            with pytest.raises(UserFacing):
                await app.send("Late")
            shown = visible_text(app.shown())
        async with running_app(ScriptedEngine) as app:
            answer = (await app.history.tail(question.conversation_id, 1))[0]
            assert answer.status is Status.STOPPED and visible_text(answer.parts) == shown
        return shown

    assert run(main())


def test_plain_text_is_what_one_copies() -> None:
    async def main() -> None:
        async with running_app(lambda: ScriptedEngine(Script("    An **answer**.", thinking="Hm."))) as app:
            await app.models.open_file(app.model_file("small.gguf"))
            conversation = await app.ask("A question")
            assert await app.history.plain_text(conversation) == "You:\nA question\n\nsmall:\n    An **answer**."

    run(main())
