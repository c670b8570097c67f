"""``qwen-desktop chat``: one question, its answer streamed to stdout, and how it ended as the exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from qwen_desktop.cli.console import Console
from qwen_desktop.cli.interrupt import Interrupt
from qwen_desktop.cli.one_run import Build, OneRunSettings
from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.engine import (
    ChatMessage,
    ContextCut,
    FinishReason,
    GenerateRequest,
    ModelInfo,
    PromptProgress,
    Stats,
    TextDelta,
    TextWasThinking,
    ThinkingDelta,
    ThinkingMode,
)
from qwen_desktop.core.errors import Problem, problem_of
from qwen_desktop.core.packed import to_json
from qwen_desktop.core.parts import Role, TextPart, thinking_text, visible_text
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.settings import Settings
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill
from qwen_desktop.services.events import (
    AnswerCut,
    AnswerDelta,
    AnswerPrompt,
    AnswerWasThinking,
    ModelChanged,
    ModelStatus,
    Notified,
)
from qwen_desktop.services.prompt import asked_sampling

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services

#: Exit codes besides 2 for usage.
DONE, FAILED = 0, 1

#: The figures that ``--json`` prints.
FIGURES = (
    "prompt_tokens", "cached_tokens", "completion_tokens", "thinking_tokens", "ttft_s", "prompt_tokens_per_s",
    "decode_tokens_per_s", "load_s", "memory_bytes", "cpu",
)  # fmt: skip


class Question(Struct, frozen=True):
    """What was asked on the command line. None means: as the settings say."""

    prompt: str
    model: str | None = None
    system: str | None = None
    thinking: ThinkingMode | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    save: bool = False
    json: bool = False

    def settings(self) -> dict[str, Any]:
        """The settings that hold for this run instead of the file's."""
        wanted = {
            "engine.model": self.model,
            "chat.system_prompt": self.system,
            "sampling.max_tokens": self.max_tokens,
            "sampling.temperature": self.temperature,
            "sampling.seed": self.seed,
        }
        return {key: value for key, value in wanted.items() if value is not None}


class Answer:
    """What has come so far, and how it ended."""

    def __init__(self) -> None:
        self.text = ""
        self.thinking = ""
        self.finish_reason: FinishReason | None = None
        self.stats = Stats()
        self.model = ""
        self.problem: Problem | None = None
        self.info: ModelInfo | None = None

    def as_json(self) -> str:
        """The object that ``--json`` prints."""
        figures = structs.asdict(self.stats)
        local = self.info.local if self.info is not None else None
        if local is not None:  # an answer that failed early has no figures of its own
            for name in ("load_s", "memory_bytes"):
                figures[name] = figures[name] or getattr(local, name)
        figures["cpu"] = local.cpu if local is not None else ""
        shown: dict[str, Any] = {
            "text": self.text,
            "thinking": self.thinking,
            "finish_reason": str(self.finish_reason or FinishReason.ERROR),
            "model": self.model,
            "stats": {name: figures[name] for name in FIGURES},
        }
        return to_json(shown).decode()


async def ask(question: Question, paths: Paths, build: Build, console: Console) -> int:
    """Ask, print, and return the exit code. Failures are printed as one sentence, never raised."""
    answer = Answer()
    work = asyncio.create_task(
        _work(question, paths, build=build, console=console, answer=answer, interrupt=lambda: interrupt)
    )
    interrupt = Interrupt(work)
    try:
        await asyncio.wait({work})
    finally:
        interrupt.restore()
    error = None if work.cancelled() else work.exception()
    if interrupt.ended(error):
        error = None
    if work.cancelled():
        answer.finish_reason = FinishReason.CANCELLED
    elif error is not None:
        answer.finish_reason = FinishReason.ERROR
        answer.problem = problem_of(error)
    console.end()
    if question.json:
        console.line(answer.as_json())
    if error is not None:
        raise error  # the caller's guard says it in one sentence
    if answer.problem is not None:
        console.warn(answer.problem.sentence())
        return FAILED
    if interrupt.pressed:
        return interrupt.code
    if answer.finish_reason is FinishReason.LENGTH:
        template = QT_TRANSLATE_NOOP("cli", "The answer ends here: its limit of {tokens} tokens was reached.")
        console.note(fill(template, {"tokens": answer.stats.completion_tokens}))
    return DONE


async def _work(
    question: Question,
    paths: Paths,
    *,
    build: Build,
    console: Console,
    answer: Answer,
    interrupt: Callable[[], Interrupt],
) -> None:
    settings = OneRunSettings(paths.settings_file, question.settings())
    async with build(paths, history=question.save, settings_file=settings) as services:
        for problem in services.preferences.problems:
            console.warn(str(problem))
        for found in services.history.problems if question.save else ():
            console.warn(found.sentence())
        _listen(services, console, answer)
        answer.model = services.models.state.name
        if question.save:
            await _saved(question, services, console, answer, interrupt())
        else:
            await _unsaved(question, services, console, answer, interrupt())


def _listen(services: Services, console: Console, answer: Answer) -> None:
    def on_model(event: ModelChanged) -> None:
        answer.model, answer.info = event.state.name, event.state.info
        if event.state.status is ModelStatus.LOADING:
            console.loading(event.state.name, event.state.fraction)
        elif event.state.status is ModelStatus.READY and event.state.guide:
            console.note(
                QT_TRANSLATE_NOOP(
                    "cli", "(The built-in guide answers; name a model with --model to talk about anything.)"
                )
            )

    services.bus.subscribe(ModelChanged, on_model)
    services.bus.subscribe(
        Notified, lambda event: console.warn(" ".join(map(str, filter(None, (event.text, event.hint)))))
    )


async def _unsaved(
    question: Question, services: Services, console: Console, answer: Answer, interrupt: Interrupt
) -> None:
    settings = services.preferences.settings
    ref = services.models.ref
    async with services.engines.lease(ref) as engine:
        async with engine.generate(_request(question, settings)) as run:
            interrupt.stop_with(run.stop)
            async for event in run:
                console.check()  # nobody reads it any more, or nobody can
                match event:
                    case TextDelta(text=text):
                        answer.text += text
                        _show(console, question, text=text)
                    case ThinkingDelta(text=text):
                        answer.thinking += text
                        _show(console, question, thinking=text)
                    case TextWasThinking():
                        _turn(console, question, answer)
                    case PromptProgress(done=done, total=total, seconds_left=left):
                        console.reading(done, total, left)
                    case ContextCut(dropped=dropped):
                        _tell_cut(console, dropped)
                    case _:
                        pass
        result = run.result
        answer.text, answer.thinking = result.text, result.thinking
        answer.finish_reason, answer.stats = result.finish_reason, result.stats


def _request(question: Question, settings: Settings) -> GenerateRequest:
    system = settings.chat.system_prompt
    messages = [ChatMessage(Role.SYSTEM, (TextPart(system),))] if system.strip() else []
    messages.append(ChatMessage(Role.USER, (TextPart(question.prompt),)))
    return GenerateRequest(
        messages=tuple(messages),
        thinking=question.thinking or ThinkingMode(settings.chat.thinking),
        max_tokens=settings.sampling.max_tokens,
        sampling=asked_sampling(settings.sampling),
    )


async def _saved(
    question: Question, services: Services, console: Console, answer: Answer, interrupt: Interrupt
) -> None:
    def on_delta(event: AnswerDelta) -> None:
        answer.text += event.text
        answer.thinking += event.thinking
        _show(console, question, text=event.text, thinking=event.thinking)

    services.bus.subscribe(AnswerDelta, on_delta)
    services.bus.subscribe(AnswerWasThinking, lambda _: _turn(console, question, answer))
    services.bus.subscribe(AnswerPrompt, lambda event: console.reading(event.done, event.total, event.seconds_left))
    services.bus.subscribe(AnswerCut, lambda event: _tell_cut(console, event.dropped))
    mode = question.thinking or ThinkingMode(services.preferences.settings.chat.thinking)
    asked = await services.chat.send(question.prompt, conversation_id=None, thinking=mode)

    async def stop() -> None:
        await services.chat.stop(asked.conversation_id)

    interrupt.stop_with(stop)
    await services.chat.idle()
    _take_stored((await services.history.tail(asked.conversation_id, 1))[-1], answer)


def _take_stored(stored: Message, answer: Answer) -> None:
    answer.text, answer.thinking = visible_text(stored.parts), thinking_text(stored.parts)
    answer.stats = stored.stats or answer.stats
    answer.finish_reason = stored.finish_reason
    if stored.status is Status.FAILED:
        answer.finish_reason, answer.problem = FinishReason.ERROR, stored.problem


def _show(console: Console, question: Question, *, text: str = "", thinking: str = "") -> None:
    if not question.json:
        console.thinking(thinking)
        console.answer(text)


def _turn(console: Console, question: Question, answer: Answer) -> None:
    """What was printed as the answer is thinking: it cannot be taken back from the output, so it is told."""
    answer.thinking, answer.text = answer.thinking + answer.text.strip(), ""
    if not question.json:
        console.warn(QT_TRANSLATE_NOOP("cli", "(What stands above is the model's thinking; the answer follows.)"))


def _tell_cut(console: Console, dropped: int) -> None:
    template = QT_TRANSLATE_NOOP("cli", "The context was full: {count} earlier messages were left out.")
    console.note(fill(template, {"count": dropped}))
