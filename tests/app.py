"""The services joined for tests as ``bootstrap`` joins them, with a scripted engine and everything published kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

from msgspec import Struct

from qwen_desktop.core.chat import Message, new_id
from qwen_desktop.core.engine import LocalEngine, ThinkingMode
from qwen_desktop.core.parts import Part, PartDelta, PartEvent, PartsBuilder, TextPart
from qwen_desktop.core.paths import Paths, find_paths
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services import events
from qwen_desktop.services.adapters import AdapterFiles
from qwen_desktop.services.arranging import Arranging
from qwen_desktop.services.assistants import Assistants
from qwen_desktop.services.attachments import Attachments
from qwen_desktop.services.backup import Backups
from qwen_desktop.services.chat import Chat
from qwen_desktop.services.drafts import Drafts
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.events import AnswerEvent, EventBus, RunChanged, RunStage
from qwen_desktop.services.exports import Exports
from qwen_desktop.services.history import History
from qwen_desktop.services.imports import Imports
from qwen_desktop.services.models import FileCheck, ModelFile, Models
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.services.prompt_cache import PromptCache
from qwen_desktop.services.prompt_queue import PromptQueue
from qwen_desktop.services.prompt_templates import PromptTemplates
from qwen_desktop.services.search import Search
from qwen_desktop.services.token_counts import TokenCounts
from qwen_desktop.store.blobs import Blobs
from qwen_desktop.store.database import Database, TemporaryDatabase
from qwen_desktop.store.settings_file import SettingsFile
from tests.inline_jobs import InlineJobs

T = TypeVar("T")
E = TypeVar("E")

ALL_EVENTS: tuple[type[Struct], ...] = tuple(
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and kind.__module__ == events.__name__
)


class App:
    """The joined services; ``seen`` is every published event in order."""

    def __init__(
        self, paths: Paths, db: Database, factory: Callable[[], LocalEngine], check: FileCheck, **engines: Any
    ) -> None:
        self.paths = paths
        self.db = db
        self.bus = EventBus()
        self.seen: list[Any] = []
        for kind in ALL_EVENTS:
            self.bus.subscribe(kind, self.seen.append)
        self.preferences = Preferences(SettingsFile(paths.settings_file), self.bus)
        self.prompt_cache = PromptCache(self.preferences, self.bus, paths)
        engines.setdefault("kept", self.prompt_cache.filled)
        self.engines = Engines(factory, self.preferences, self.bus, paths, **engines)
        self.prompt_cache.tells(self.engines)
        self.models = Models(self.engines, self.preferences, self.bus, paths, check=check)
        self.temporary = TemporaryDatabase()
        self.history = History(db, self.bus, temporary=self.temporary)
        self.history.on_purge(self.prompt_cache.forget)
        self.search = Search(db, self.bus)
        self.backups = Backups(db, paths)
        self.arranging = Arranging(db, self.bus, self.history)
        self.blobs = Blobs(db, paths.blobs, temporary=self.temporary)
        self.library: Any = None
        self.catalogue: Any = None
        self.assistants = Assistants(
            db,
            self.bus,
            installed=lambda: self.library.models() if self.library is not None else (),
            catalogued=lambda name: self.catalogue.find(name) if self.catalogue is not None else None,
        )
        self.chat = Chat(self.history, self.engines, self.models, self.preferences, self.bus)
        self.drafts = Drafts(db, self.bus)
        self.prompt_templates = PromptTemplates(db, self.bus)
        self.queue = PromptQueue(self.drafts, self.chat, self.history, self.bus)
        self.exports = Exports(db, self.history, self.blobs, cast("JobWorker", InlineJobs()), paths)
        self.imports = Imports(db, self.bus, cast("JobWorker", InlineJobs()), paths)
        #: reads files in a process of its own, as in the app; started with the first one
        self.reader = JobWorker(worker_command("jobs"))
        self.adapters = AdapterFiles(self.reader)
        self.attachments = Attachments(self.reader, self.blobs, self.drafts, self.bus)
        self.tokens = TokenCounts(self.engines, self.history, self.preferences)

    def events(self, kind: type[E]) -> list[E]:
        """The published events of one type."""
        return [event for event in self.seen if isinstance(event, kind)]

    def model_file(self, name: str) -> str:
        """A file that passes for a model, by its path."""
        path = self.paths.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"GGUF")
        return str(path)

    async def ask(self, text: str, conversation_id: str | None = None) -> str:
        """Send, wait for the answer, and return the conversation's id."""
        message = await self.send(text, conversation_id)
        await self.chat.idle()
        return message.conversation_id

    async def send(
        self, text: str, conversation_id: str | None = None, thinking: ThinkingMode = ThinkingMode.AUTO, **more: Any
    ) -> Message:
        """Send a text, in a new conversation where none is named."""
        where = conversation_id or new_id()
        new = conversation_id is None
        return await self.chat.send((TextPart(text),), conversation_id=where, new=new, thinking=thinking, **more)

    async def until_shown(self, characters: int) -> None:
        """Wait until somebody who follows the events has seen so much text of an answer, thinking included."""
        enough, seen = asyncio.Event(), 0

        def more(told: AnswerEvent) -> None:
            nonlocal seen
            seen += len(told.event.text) if isinstance(told.event, PartDelta) else 0
            if seen >= characters:
                enough.set()

        for told in self.deltas():
            more(told)
        forget = self.bus.subscribe(AnswerEvent, more)
        await enough.wait()
        forget()

    async def stop_all(self) -> None:
        """End all answers."""
        await asyncio.gather(*map(self.chat.stop, self.chat.running()))

    def deltas(self) -> list[AnswerEvent]:
        """What was told of answers' words."""
        return [told for told in self.events(AnswerEvent) if isinstance(told.event, PartDelta)]

    def stages(self) -> list[str]:
        """Where answers waited, in the order of the telling: "queued 2", "loading", "reading"."""
        last: dict[str, str] = {}
        told: list[str] = []
        for run in (event.run for event in self.events(RunChanged)):
            if run is None or run.stage in (RunStage.STARTING, RunStage.SPEAKING):
                continue
            stage = f"queued {run.ahead}" if run.stage is RunStage.QUEUED else str(run.stage)
            if last.get(run.message_id) != stage:
                told.append(stage)
            last[run.message_id] = stage
        return told

    def shown(self, conversation_id: str = "") -> tuple[Part, ...]:
        """The answer as somebody sees it who follows the events, of this conversation or of the only one."""
        builder = PartsBuilder()
        for told in self.events(AnswerEvent):
            if isinstance(told.event, PartEvent) and conversation_id in ("", told.conversation_id):
                builder.take(told.event)
        return builder.parts()


async def any_file(path: Path) -> ModelFile:
    """A check that likes every file."""
    return ModelFile(path.stem, 1_000_000)


@contextlib.asynccontextmanager
async def running_app(
    factory: Callable[[], LocalEngine], *, check: FileCheck = any_file, **engines: Any
) -> AsyncIterator[App]:
    """The services over the test's own data folder, opened as at a start and closed as at the end. ``engines`` are
    further arguments of ``Engines``."""
    paths = find_paths()
    db = Database(paths.database_file)
    await db.open()
    app = App(paths, db, factory, check, **engines)
    await app.history.recover()
    await app.drafts.load()
    await app.assistants.load()
    try:
        yield app
    finally:
        await app.attachments.aclose()
        await app.reader.aclose()
        await app.queue.aclose()
        await app.chat.aclose()
        await app.drafts.aclose()
        await app.models.aclose()
        await app.engines.aclose()
        await app.prompt_cache.aclose()
        await app.temporary.aclose()
        await db.aclose()


def run(main: Coroutine[Any, Any, T], *, seconds: float = 20) -> T:
    """Run a test's coroutine, 20 s at most."""

    async def bounded() -> T:
        return await asyncio.wait_for(main, seconds)

    return asyncio.run(bounded())
