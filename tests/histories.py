"""Random histories for exports and imports: trees with branches, attachments, thoughts, folders and odd texts."""

from __future__ import annotations

import asyncio
import functools
import random
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, cast

from msgspec import structs

from qwen_desktop.core.chat import Again, Conversation, Message, Provenance, Status
from qwen_desktop.core.engine import Adapter, FinishReason, Recipe, Sampling, Stats, ThinkingMode
from qwen_desktop.core.errors import disk_full
from qwen_desktop.core.model_ref import FileRef, GuideRef
from qwen_desktop.core.parts import (
    FilePart,
    ImagePart,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from qwen_desktop.core.paths import Paths
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.exports import Exports
from qwen_desktop.services.history import History
from qwen_desktop.services.imports import Imports
from qwen_desktop.store import conversations, messages
from qwen_desktop.store.blobs import Blobs
from qwen_desktop.store.connection import transaction
from qwen_desktop.store.database import Database
from tests.inline_jobs import InlineJobs
from tests.random_messages import prose

P = ParamSpec("P")

ODD = "\x7f\x85\u2028\u202e\ufffe\U0010ffff\ud7ff\\u0000 \u0301é \"'</script>&amp;\t\r\n\x01"


class Place:
    """A data folder with its history, open."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths(root, root, root / "cache", root / "logs", root / "run", root / "resources", portable=True)
        self.db = Database(self.paths.database_file)
        self.bus = EventBus()
        self.history = History(self.db, self.bus)
        self.blobs = Blobs(self.db, self.paths.blobs)
        jobs = cast("JobWorker", InlineJobs())
        self.exports = Exports(self.db, self.history, self.blobs, jobs, self.paths)
        self.imports = Imports(self.db, self.bus, jobs, self.paths)

    async def __aenter__(self) -> Place:
        await self.db.open(fallback=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.db.aclose()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the file has."""
        with sqlite3.connect(self.paths.database_file) as connection:
            return connection.execute(query).fetchall()


async def fill(place: Place, seed: int, chats: int = 4) -> list[str]:
    """Add some random conversations and return their ids."""
    chance = random.Random(seed)
    blobs = [await place.blobs.add(chance.randbytes(chance.randint(1, 3000)), "image/png") for _ in range(2)]
    made = [_conversation(chance, number, blobs) for number in range(chats)]
    await place.db.call(_store, made, chance.random() < 0.9)
    return [entry.id for entry, _ in made]


def _store(connection: sqlite3.Connection, made: list[tuple[Conversation, list[Message]]], folders: bool) -> None:
    with transaction(connection, durable=False):
        if folders:
            connection.execute("INSERT INTO folders VALUES ('f1', 'Work', ''), ('f2', 'Ideas/“x”', 'f1')")
        for entry, entries in made:
            conversations.insert(connection, entry)
            for message in entries:
                messages.insert(connection, message)


def _conversation(chance: random.Random, number: int, blobs: list[str]) -> tuple[Conversation, list[Message]]:
    identity = f"{chance.getrandbits(128):032x}"
    entries: list[Message] = []
    for count in range(chance.randint(0, 12)):
        parent = chance.choice(entries) if entries and chance.random() < 0.95 else None
        if parent is not None and parent.role is Role.USER:
            entries.append(_answer(chance, identity, count, parent, entries))
        else:
            entries.append(_question(chance, identity, count, parent, blobs))
    parents = {message.parent_id for message in entries}
    leaves = [message.id for message in entries if message.id not in parents]
    entry = Conversation(
        identity,
        chance.choice(("", "Heaps", ODD.replace("\x00", ""), "con", prose(chance, 5))),
        chance.uniform(0, 2e9),
        chance.uniform(0, 2e9),
        leaf_id=chance.choice(leaves) if leaves else None,
        titled=chance.random() < 0.5,
        thinking=chance.choice(list(ThinkingMode)),
        system_prompt=chance.choice(("", "Be brief.", ODD)),
        pinned=chance.random() < 0.3,
        model=chance.choice((None, GuideRef(), FileRef("/models/ä\udce4.gguf"))),
        thinking_budget=chance.choice((None, -1, 512)),
        folder_id=chance.choice(("", "f1", "f2")),
        tags=chance.choice(((), ("a", "ü/x"))),
        archived=chance.random() < 0.2,
        assistant_id=chance.choice(("", "coder")),
        sampling=chance.choice((None, Sampling())),
        context=chance.choice((None, 8192)),
        adapters=chance.choice(((), (Adapter("/a/ä\udce4.gguf", 0.5), Adapter("/a/b.gguf", sha256="0f" * 32)))),
    )
    return entry, entries


def _question(
    chance: random.Random, conversation: str, number: int, parent: Message | None, blobs: list[str]
) -> Message:
    parts: list[Part] = [TextPart(chance.choice((prose(chance, 20), ODD)))]
    if chance.random() < 0.3:
        parts.insert(0, ImagePart(chance.choice(blobs), "image/png", 3, 4, "nul.png"))
    if chance.random() < 0.3:
        parts.append(FilePart(chance.choice(blobs), "text/plain", "../../x?.txt", 5, "text", 2, False))
    identity = f"{conversation[:20]}{number:04d}"
    return Message(identity, conversation, parent.id if parent else None, Role.USER, tuple(parts), 1e9 + number / 3)


def _answer(chance: random.Random, conversation: str, number: int, parent: Message, entries: list[Message]) -> Message:
    recipe = Recipe("a", "b", "c", "e", "native", "f16", 0, 0, 1.0, Sampling(), cut_from=entries[0].id)
    made = Provenance(
        "/models/ä\udce4.gguf", "Qwen3 4B", "s", "t", Sampling(), chance.getrandbits(32), ThinkingMode.THINK, "e",
        settings={"context": 4096, "x": [1, None, 0.1]},
        recipe=recipe if chance.random() < 0.5 else None,
        again=Again(chance.choice(entries).id, None) if chance.random() < 0.3 else None,
    )  # fmt: skip
    parts: list[Part] = [TextPart(prose(chance, chance.randint(1, 60)))]
    if chance.random() < 0.5:
        parts.insert(0, ThinkingPart(ODD + prose(chance, 9), chance.random() * 9, 12))
    if chance.random() < 0.2:
        parts += [ToolCallPart("1", "look", '{"a": 1}'), ToolResultPart("1", "````\n", failed=True)]
    entry = Message(
        f"{conversation[:20]}{number:04d}", conversation, parent.id, Role.ASSISTANT, tuple(parts), 1e9 + number / 3,
        Status.DONE, FinishReason.STOP, made, Stats(1, 2, 3, ttft_s=0.1, decode_tokens_per_s=1.0 / 3),
        context_cut=entries[0].id if chance.random() < 0.3 else None,
    )  # fmt: skip
    if chance.random() < 0.2:
        entry = structs.replace(
            entry, status=Status.FAILED, finish_reason=FinishReason.ERROR, problem=disk_full().problem
        )
    return entry


def ran(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a coroutine, run."""

    @functools.wraps(test)
    def whole(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return whole
