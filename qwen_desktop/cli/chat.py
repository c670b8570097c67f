"""``qwen-desktop chat``: one question, its answer streamed to stdout, and how it ended as the exit code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from qwen_desktop.cli import continued
from qwen_desktop.cli.answer_form import read_form
from qwen_desktop.cli.assistants import assisted
from qwen_desktop.cli.chat_adapters import adapter_json, keep_adapters, read_adapters
from qwen_desktop.cli.chat_files import Files
from qwen_desktop.cli.console import Console
from qwen_desktop.cli.interrupt import Interrupt
from qwen_desktop.cli.one_run import Build, OneRunSettings
from qwen_desktop.core.chat import Message, Setup, new_id
from qwen_desktop.core.engine import ContextCut, FinishReason, PromptProgress, Stats, ThinkingMode, UsedAdapter
from qwen_desktop.core.model_ref import with_context
from qwen_desktop.core.packed import to_json
from qwen_desktop.core.parts import (
    Part,
    PartBegun,
    PartDelta,
    PartEvent,
    PartsBuilder,
    PartWasThinking,
    TextPart,
    ThinkingPart,
    thinking_text,
    visible_text,
)
from qwen_desktop.core.paths import Paths, absolute
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill, shown
from qwen_desktop.services.events import (
    AnswerEvent,
    EngineChanged,
    MessageAdded,
    MessageChanged,
    ModelChanged,
    ModelState,
    ModelStatus,
    Notified,
)

#: Exit codes besides 2 for usage.
DONE, FAILED = 0, 1

#: The figures that ``--json`` prints.
FIGURES = (
    "prompt_tokens", "cached_tokens", "restored_tokens", "evaluated_tokens", "completion_tokens", "thinking_tokens",
    "ttft_s", "prompt_tokens_per_s", "decode_tokens_per_s", "load_s", "memory_bytes", "cpu",
    "drafted_tokens", "accepted_tokens",
)  # fmt: skip


class Question(Struct, frozen=True):
    """What was asked on the command line. None means: as the settings say. ``model`` is a file, or what an installed
    model is called by. ``schema`` and ``grammar`` are files that say what the answer must look like. ``go_on`` names
    the stored conversation that it is asked in; its own model and mode hold where nothing else is said. ``assistant``
    is one by its name, ``fields`` are what its fields are filled with, ``name=value`` each. ``files`` are attached;
    with ``parts`` those that are too long are cut down to what the question is about. ``lora`` are adapters, each as
    ``PATH`` or ``PATH:SCALE``, "" for none."""

    prompt: str
    model: str | None = None
    system: str | None = None
    thinking: ThinkingMode | None = None
    thinking_budget: int | None = None
    loop_guard: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    schema: str | None = None
    grammar: str | None = None
    go_on: str | None = None
    assistant: str | None = None
    fields: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    parts: bool = False
    lora: tuple[str, ...] = ()
    save: bool = False
    json: bool = False

    @property
    def kept(self) -> bool:
        """Whether question and answer go to the history."""
        return self.save or self.go_on is not None

    def settings(self) -> dict[str, Any]:
        """The settings that hold for this run instead of the file's."""
        wanted = {
            "engine.model": str(absolute(self.model)) if self.model is not None and is_place(self.model) else None,
            "chat.system_prompt": self.system,
            "chat.thinking_budget": self.thinking_budget,
            "chat.loop_guard": self.loop_guard,
            "sampling.max_tokens": self.max_tokens,
            "sampling.temperature": self.temperature,
            "sampling.seed": self.seed,
        }
        return {key: value for key, value in wanted.items() if value is not None}


def is_place(model: str) -> bool:
    """Whether a file is meant: one that is there, or what can be no name."""
    try:
        return not model or model.startswith(("~", ".")) or Path(model).is_absolute() or Path(model).is_file()
    except (OSError, ValueError):
        return False


class _Telling:
    """Prints what comes of the answer, and keeps it for ``--json``."""

    def __init__(self, question: Question, console: Console) -> None:
        self.message: Message | None = None  # as it ended
        self.state: ModelState | None = None
        self.conversation_id = ""  # of a chat that is in the history
        self.files: Files | None = None
        self._question = question
        self._console = console
        self._parts = PartsBuilder()
        self._kind: type[object] = TextPart  # of the part that comes now

    @property
    def stats(self) -> Stats:
        """The answer's figures; those of one that failed early are zero."""
        return (self.message.stats if self.message is not None else None) or Stats()

    @property
    def budget_spent(self) -> bool:
        """Whether its thought was closed because it was long enough."""
        made = self.message.provenance if self.message is not None else None
        return made is not None and made.budget_spent

    @property
    def stopped_loop(self) -> bool:
        """Whether its thought was closed, or it ended, because it repeated itself."""
        made = self.message.provenance if self.message is not None else None
        return made is not None and made.stopped_loop

    @property
    def adapters(self) -> tuple[UsedAdapter, ...]:
        """What the answer was made with."""
        made = self.message.provenance if self.message is not None else None
        return made.adapters if made is not None else ()

    def as_json(self, reason: FinishReason) -> str:
        """The object that ``--json`` prints."""
        figures = structs.asdict(self.stats)
        local = self.state.info.local if self.state is not None and self.state.info is not None else None
        if local is not None:  # an answer that failed early has no figures of its own
            for name in ("load_s", "memory_bytes"):
                figures[name] = figures[name] or getattr(local, name)
        figures["cpu"] = local.cpu if local is not None else ""
        shown: dict[str, Any] = {
            "text": visible_text(self._parts.parts()),
            "thinking": thinking_text(self._parts.parts()),
            "finish_reason": str(reason),
            "model": self.state.name if self.state is not None else "",
            "budget_spent": self.budget_spent,
            "stopped_loop": self.stopped_loop,
            **({"files": self.files.as_json()} if self.files is not None else {}),
            **({"adapters": [adapter_json(each) for each in self.adapters]} if self.adapters else {}),
            **({"conversation": self.conversation_id} if self.conversation_id else {}),
            "stats": {name: figures[name] for name in FIGURES},
        }
        return to_json(shown).decode()

    def on_model(self, state: ModelState) -> None:
        if state == self.state:
            return
        self.state = state
        if state.status is ModelStatus.LOADING:
            self._console.loading(state.name, state.fraction)
        elif state.status is ModelStatus.READY and state.guide:
            self._console.note(
                QT_TRANSLATE_NOOP(
                    "cli", "(The built-in guide answers; name a model with --model to talk about anything.)"
                )
            )

    def on_answer(self, told: AnswerEvent) -> None:
        match told.event:
            case PromptProgress(done, total, seconds_left):
                self._console.reading(done, total, seconds_left)
            case ContextCut(_, dropped):
                template = QT_TRANSLATE_NOOP("cli", "The context was full: %n earlier message(s) (was|were) left out.")
                self._console.note(fill(template, {"n": dropped}))
            case event if isinstance(event, PartEvent):
                self._parts.take(event)
                if not self._question.json:
                    self._print(event)

    def _print(self, event: PartEvent) -> None:
        match event:
            case PartBegun(_, part):
                self._kind = type(part)
                if self._kind is TextPart and visible_text(self._parts.parts()):
                    self._console.answer("\n\n")  # an earlier text stands there
            case PartDelta(_, text) if self._kind is ThinkingPart:
                self._console.thinking(text)
            case PartDelta(_, text) if self._kind is TextPart:
                self._console.answer(text)
            case PartWasThinking():  # what is out cannot be taken back, so it is told
                self._console.warn(
                    QT_TRANSLATE_NOOP("cli", "(What stands above is the model's thinking; the answer follows.)")
                )
            case _:
                pass


async def ask(question: Question, paths: Paths, build: Build, console: Console) -> int:
    """Ask, print, and return the exit code. Failures are raised once all that came is printed."""
    telling = _Telling(question, console)
    error: BaseException | None = None
    with Interrupt() as interrupt:
        try:
            await _work(question, paths, build, console, telling, interrupt)
        except (Exception, asyncio.CancelledError) as failure:
            error = failure
    reason = telling.message.finish_reason if telling.message is not None else None
    if isinstance(error, asyncio.CancelledError):
        reason = FinishReason.CANCELLED
    if interrupt.ended(error):
        error = None
    console.end()
    if question.json:
        console.line(telling.as_json(reason or FinishReason.ERROR))
    if error is not None:
        raise error  # the caller's guard says it in one sentence
    if interrupt.pressed:
        return interrupt.code
    if telling.budget_spent:
        console.note(QT_TRANSLATE_NOOP("cli", "The thinking budget was spent, so the thought was closed."))
    for each in telling.adapters:
        if each.idle:
            template = QT_TRANSLATE_NOOP(
                "cli", "The adapter {name} changed nothing: the chat lacks the words that activate it."
            )
            console.note(fill(template, {"name": shown(each.name)}))
    if telling.stopped_loop:
        console.note(
            QT_TRANSLATE_NOOP("cli", "It began to repeat itself and was stopped (--no-loop-guard lets it go on).")
        )
    if reason is FinishReason.LENGTH:
        template = QT_TRANSLATE_NOOP("cli", "The answer ends here: its limit of %n token(s) was reached.")
        console.note(fill(template, {"n": telling.stats.completion_tokens}))
    return DONE


async def _work(  # noqa: PLR0917 - what one run needs
    question: Question,
    paths: Paths,
    build: Build,
    console: Console,
    telling: _Telling,
    interrupt: Interrupt,
) -> None:
    form = read_form(question.schema, question.grammar)
    lora = read_adapters(question.lora) if question.lora else None
    wanted = question.settings()
    settings = OneRunSettings(paths.settings_file, wanted)
    async with build(paths, history=question.kept, settings_file=settings) as services:
        for problem in services.preferences.problems:
            console.warn(problem.sentence())
        for found in services.history.problems:
            console.warn(found.sentence())
        before = await continued.find(services.history, question.go_on) if question.go_on is not None else None
        begun = await assisted(services, question, console) if question.assistant is not None else None
        telling.conversation_id = before.id if before is not None else ""
        own = before.model if before is not None and question.model is None else None  # else the one that is chosen
        own = begun.model if begun is not None else own
        telling.state = services.models.state_of(own)
        conversation_id = telling.conversation_id or new_id()

        async def stop() -> None:
            await services.chat.stop(conversation_id)

        def on_answer(told: AnswerEvent) -> None:
            telling.on_answer(told)
            if console.lost and not (question.kept or stopping):  # nobody reads it any more, or nobody can
                stopping.append(asyncio.create_task(stop()))

        def on_end(event: MessageChanged) -> None:
            telling.message = event.message

        def on_stored(event: MessageAdded) -> None:
            telling.conversation_id = event.message.conversation_id if question.kept else ""

        stopping: list[asyncio.Task[None]] = []
        services.bus.subscribe(MessageAdded, on_stored)
        for kind in (ModelChanged, EngineChanged):
            services.bus.subscribe(kind, lambda _: telling.on_model(services.models.state_of(own)))
        services.bus.subscribe(AnswerEvent, on_answer)
        services.bus.subscribe(MessageChanged, on_end)
        services.bus.subscribe(
            Notified, lambda event: console.warn(" ".join(map(str, filter(None, (event.text, event.hint)))))
        )
        if question.model is not None and "engine.model" not in wanted:
            await services.library.scan()
            await services.models.open_file(services.library.named(question.model).path, remember=False)
        files: tuple[Part, ...] = ()
        if question.files:
            telling.files = Files(services, console)
            await telling.files.read(question.files)
            context = begun.context if begun is not None else before.context if before is not None else None
            ref = with_context(own or services.models.ref, context)
            usual = services.preferences.settings.chat.system_prompt
            prompt = (begun.system_prompt if begun is not None else "") or usual
            await telling.files.fit(ref, before, question.prompt, prompt=prompt, pick=question.parts)
            files = telling.files.parts
        mode = before.thinking if before is not None else services.preferences.settings.chat.thinking
        mode = (begun.thinking if begun is not None else None) or mode
        budget = question.thinking_budget if before is not None else None  # else the settings of this run
        await keep_adapters(services.history, before, lora, own or services.models.ref)
        await services.chat.send(
            (*files, TextPart(question.prompt)),
            conversation_id=conversation_id,
            new=before is None,
            thinking=question.thinking or ThinkingMode(mode),
            model=own or services.models.ref if before is not None else own,
            grammar=form,
            thinking_budget=begun.thinking_budget if begun is not None else budget,
            begun=begun,
            setup=Setup(adapters=lora),
        )
        interrupt.stop_with(stop)
        await services.chat.ended(conversation_id)
