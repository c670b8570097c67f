"""Answers of real models through the services: made again exactly, and going on where they were cut."""

from __future__ import annotations

from qwen_desktop.core.chat import Again, Message
from qwen_desktop.core.engine import FinishReason
from qwen_desktop.core.parts import visible_text
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests.app import App, run, running_app
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
            await app.preferences.set("sampling.max_tokens", 16)
            await app.models.open_file(str(model_path()))
            chat = await app.ask("Name a fruit and say why you like it.")
            await app.ask("And another one?", chat)
            answer = await last(app, chat)
            assert answer.provenance is not None and answer.finish_reason is FinishReason.LENGTH
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
            assert whole.stats.completion_tokens > again.stats.completion_tokens == 16
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
