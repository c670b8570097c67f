"""Answers of real models through the services: made again exactly, and going on where they were cut."""

from __future__ import annotations

from qwen_desktop.core.chat import Again, Message
from qwen_desktop.core.engine import FinishReason, ThinkingMode
from qwen_desktop.core.parts import PartBegun, ThinkingPart, visible_text
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.events import AnswerEvent, MessageChanged, RunStage
from tests.app import App, run, running_app
from tests.scripted_engine import Script, ScriptedEngine
from tests.smollm2 import model_path


def engine() -> LocalWorkerEngine:
    return LocalWorkerEngine(worker_command("engine"))


async def last(app: App, conversation_id: str) -> Message:
    return (await app.history.tail(conversation_id, 1))[0]


def test_an_answer_is_made_again_exactly_and_goes_on() -> None:
    """Sampled with a seed that was drawn, after a talk, beside what was said since; then cut, and gone on with."""

    async def main() -> None:
        async with running_app(engine) as app:
            await app.preferences.set("engine.context", 1024)
            await app.preferences.set("sampling.max_tokens", 8)
            await app.models.open_file(str(model_path()))
            chat = await app.ask("Tell me a long story about the sea.")
            await app.ask("Tell me another long story.", chat)
            while (answer := await last(app, chat)).finish_reason is not FinishReason.LENGTH:
                await app.chat.regenerate(answer.id)  # few of them end so soon
                await app.chat.idle()
            assert answer.provenance is not None
            await app.chat.run_again(answer.id)
            await app.chat.idle()
            again = await last(app, chat)
            assert again.id != answer.id and again.parts == answer.parts
            assert again.provenance is not None and again.provenance.again is not None
            assert again.provenance.again == Again(answer.id, equal=True)
            assert again.provenance.seed == answer.provenance.seed

            change = await app.chat.continue_answer(again.id)
            await app.chat.idle()
            whole = await last(app, chat)
            assert whole.id == again.id and visible_text(whole.parts).startswith(visible_text(answer.parts))
            assert whole.stats is not None and again.stats is not None
            assert whole.stats.cached_tokens == whole.stats.prompt_tokens - 1  # nothing was read twice
            assert whole.stats.completion_tokens > again.stats.completion_tokens == 8
            await change.undo()

            await app.preferences.set("engine.kv_type", "q8_0")
            await app.chat.run_again(answer.id)
            await app.chat.idle()
            other = await last(app, chat)
            assert other.provenance is not None and other.provenance.again is not None
            assert other.provenance.again.of == answer.id
            said = " ".join(text.source for text in other.provenance.again.differs)
            assert "The context has another precision." in said and "Flash attention" in said

    run(main())


def test_an_answer_goes_on_as_it_was_asked_for_and_tells_since_when_it_thinks() -> None:
    """Its prompt is the one that it had, whatever the switch says by now; the seconds of its thought add up."""
    scripts = [
        Script("", thinking="So far", reason=FinishReason.LENGTH),
        Script("", thinking=" and on", rate=20, piece=2),
    ]

    async def main() -> None:
        engine = ScriptedEngine(lambda _: scripts[min(1, len(engine.requests) - 1)])
        async with running_app(lambda: engine) as app:
            chat = (await app.send("Why?", thinking=ThinkingMode.THINK)).conversation_id
            await app.chat.idle()
            await app.history.set_thinking(chat, ThinkingMode.DIRECT)
            answer = await last(app, chat)
            app.seen.clear()
            await app.chat.continue_answer(answer.id)
            await app.until_shown(1)
            state = app.chat.run(chat)
            assert state is not None and state.stage is RunStage.SPEAKING and state.thinking_since is not None
            shown = app.events(MessageChanged)[0].message.parts[-1]
            assert isinstance(shown, ThinkingPart) and shown.seconds is None  # it thinks again
            assert not any(isinstance(told.event, PartBegun) for told in app.events(AnswerEvent))
            await app.chat.idle()
            assert engine.requests[-1].thinking is ThinkingMode.THINK and engine.requests[-1].go_on
            whole = await last(app, chat)
            assert [part.text for part in whole.parts if isinstance(part, ThinkingPart)] == ["So far and on"]
            assert isinstance(whole.parts[-1], ThinkingPart) and whole.parts[-1].seconds is not None

    run(main())
