"""Titles of conversations, written by the model that answers there when nobody wants anything else of it.

A conversation is called by its first line until then, and stays so where the model writes none. What the title is asked
with stands behind the conversation itself: little is read for it, and what the conversation has evaluated stays. A
model is never loaded for it, and whoever wants an answer ends it at once; it is written after a later answer then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from qwen_desktop.core.chat import Conversation, Message
from qwen_desktop.core.engine import ChatMessage, FinishReason, GenerateRequest, ModelInfo, Sampling, ThinkingMode
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.model_ref import GuideRef, ModelRef, with_context
from qwen_desktop.core.parts import PartEvent, PartsBuilder, Role, TextPart, visible_text
from qwen_desktop.core.titles import ASK, title_from
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.events import EventBus, MessageChanged, RunChanged, SettingsChanged
from qwen_desktop.services.history import History, first_title
from qwen_desktop.services.leases import Priority
from qwen_desktop.services.models import Models
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.services.request_messages import adapters_asked, cut_of, request_messages

log = logging.getLogger(__name__)

#: Nothing was asked for so long before a title is written, in seconds.
IDLE_S = 3.0
#: After which answers: the first, and again when it is clearer what the conversation is about.
ANSWERS = (1, 3)
#: Tokens of a title at most, and what must be free in the context for asking and answering.
_TOKENS, _ROOM = 32, 256
#: No more of a conversation is read than fits, and a long one says what it is about at its end, too.
_CHARACTERS = 200_000


class _BusyError(Exception):
    """The model is not there, or somebody else wants it."""


class Titles:
    """Writes titles once ``watch`` was called. All methods run on the event loop."""

    def __init__(
        self,
        history: History,
        engines: Engines,
        models: Models,
        preferences: Preferences,
        bus: EventBus,
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        self._history = history
        self._engines = engines
        self._models = models
        self._preferences = preferences
        self._bus = bus
        self._idle_s = idle_s
        self._others: Callable[[ModelRef], bool] = lambda _ref: False
        #: conversations that wait for a title, the newest last, with the model that answered there
        self._waiting: dict[str, ModelRef] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._work: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._leave: tuple[Callable[[], None], ...] = ()
        self._closed = False

    def gives_way_to(self, others: Callable[[ModelRef], bool]) -> None:
        """Write nothing while ``others`` says of the model that it is used without a lease."""
        self._others = others

    def watch(self) -> None:
        """From now on write titles."""
        self._leave = (
            self._bus.subscribe(MessageChanged, self._on_message),
            self._bus.subscribe(RunChanged, self._on_run),
            self._bus.subscribe(SettingsChanged, self._on_settings),
        )

    async def aclose(self) -> None:
        """Write none any more."""
        self._closed = True
        for leave in self._leave:
            leave()
        self._stop()
        self._waiting.clear()
        tasks = [*self._tasks, *((self._work,) if self._work is not None else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # When -----------------------------------------------------------------------------------------------------------

    def _on_message(self, event: MessageChanged) -> None:
        """An answer that came to its end by itself may be what a title waits for. One that was cut may go on, and is
        left alone: the worker remembers with which tokens."""
        message = event.message
        if message.role is Role.ASSISTANT and message.at_its_end and self._preferences.settings.chat.titles:
            self._begin(self._consider(message))

    async def _consider(self, message: Message) -> None:
        where = message.conversation_id
        found = await self._history.untitled(where)
        if found is None:
            return
        ref = with_context(found[0].model or self._models.ref, found[0].context)
        if message.provenance is None or message.provenance.guide or isinstance(ref, GuideRef):
            return
        tail = await self._history.tail(where, 2 * ANSWERS[-1] + 2)
        answers = [entry for entry in tail if entry.role is message.role]
        if len(answers) in ANSWERS and answers[-1].id == message.id and await self._by_itself(*found):
            self._waiting.pop(where, None)
            self._waiting[where] = ref
            self._wait()

    async def _by_itself(self, conversation: Conversation, by_model: bool) -> bool:
        """Whether its title was made from its first line, or by a model."""
        first = (await self._branch(conversation))[:1]
        return by_model or (bool(first) and conversation.title in ("", first_title(first[0].parts)))

    async def _branch(self, conversation: Conversation) -> tuple[Message, ...]:
        if conversation.leaf_id is None:
            return ()
        return (await self._history.prompt_messages(conversation.leaf_id, _CHARACTERS))[0]

    def _on_run(self, _event: RunChanged) -> None:
        """Somebody asks, or is answered: what is being written ends at once."""
        self._stop()
        self._wait()

    def _on_settings(self, event: SettingsChanged) -> None:
        if "chat.titles" in event.keys and not event.after.chat.titles:
            self._stop()
            self._waiting.clear()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._work is not None:
            self._work.cancel()

    def _wait(self) -> None:
        """Begin to count the seconds of rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._rested)

    def _rested(self) -> None:
        self._timer = None
        if not self._waiting or self._closed:
            return
        if self._engines.busy or self._work is not None or any(map(self._others, self._waiting.values())):
            self._wait()
            return
        where, ref = self._waiting.popitem()
        self._work = asyncio.get_running_loop().create_task(self._write(where, ref), name="titles.write")
        self._work.add_done_callback(lambda task: self._written(task, where, ref))

    def _written(self, task: asyncio.Task[None], where: str, ref: ModelRef) -> None:
        self._work = None
        if task.cancelled():
            self._waiting.setdefault(where, ref)  # whoever came is answered first
        elif (error := task.exception()) is not None:
            code = error.problem.what.code if isinstance(error, AppError) else type(error).__name__
            log.info("title.none code=%s", code)
        self._wait()

    # What ------------------------------------------------------------------------------------------------------------

    async def _write(self, where: str, ref: ModelRef) -> None:
        found = await self._history.untitled(where)
        if found is None:
            return
        conversation, by_model = found
        branch = await self._branch(conversation)
        if not branch or branch[-1].role is not Role.ASSISTANT or not await self._by_itself(conversation, by_model):
            return
        said = await self._asked(conversation, branch, ref)
        title = title_from(said, visible_text(branch[0].parts))
        if title and title != conversation.title:
            await self._history.title(where, conversation.title, title)

    async def _asked(self, conversation: Conversation, branch: tuple[Message, ...], ref: ModelRef) -> str:
        """What the model says, "" for nothing that is whole."""
        loaded = self._engines.loaded(ref)
        if loaded is None or not _has_room(loaded.info, branch[-1]):
            return ""
        messages = request_messages(branch, conversation.system_prompt)
        request = GenerateRequest(
            (*messages, ChatMessage(Role.USER, (TextPart(ASK),))),
            ThinkingMode.DIRECT,
            _TOKENS,
            Sampling(temperature=0.0),
            cache_key=conversation.id,
            cut_from=cut_of(branch, messages),
            loop_guard=True,
            adapters=adapters_asked(conversation.adapters, ref),  # with others nothing that was read would be of use
        )
        builder = PartsBuilder()
        with contextlib.suppress(_BusyError):
            async with (
                self._engines.lease(ref, priority=Priority.TITLE, on_load=_refuse) as engine,
                engine.generate(request) as run,
            ):
                async for event in run:
                    if self._engines.wanted:
                        raise _BusyError
                    if isinstance(event, PartEvent):
                        builder.take(event)
            if run.result.finish_reason is FinishReason.STOP:
                return visible_text(builder.parts())
        return ""

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="titles.consider")
        self._tasks.add(task)
        task.add_done_callback(self._considered)

    def _considered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.info("title.unknown kind=%s", type(task.exception()).__name__)


def _refuse(_ahead: int) -> None:
    """For a lease that would wait, or have a model loaded."""
    raise _BusyError


def _has_room(info: ModelInfo | None, answer: Message) -> bool:
    """Whether a title can be asked for without a part of the conversation being forgotten."""
    if info is None or info.local is None or not info.local.goes_back or answer.stats is None:
        return False
    return answer.context_cut is None and answer.stats.context_used + _ROOM <= info.context_size
