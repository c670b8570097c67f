"""Exports: conversations out of the history, written by the transfers worker, and as text for the clipboard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from qwen_desktop.core.chat import Conversation, Message, is_temporary, kept_id
from qwen_desktop.core.errors import AppError, Failure, UserFacing
from qwen_desktop.core.exchange import Record
from qwen_desktop.core.packed import to_json
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.history import History
from qwen_desktop.store import exporting
from qwen_desktop.store.blobs import Blobs
from qwen_desktop.store.database import Database

#: What is kept in memory only is handed to the worker in one piece, so large at most, in bytes.
_MOST_GIVEN = 40_000_000
# fmt: off
too_large = Failure(
    UserFacing, "export.memory", "",
    QT_TRANSLATE_NOOP("exports", "This is too much to be exported while the history is kept in memory only."),
    QT_TRANSLATE_NOOP("exports", "Export fewer chats at a time, or without attachments."),
)
several = Failure(
    UserFacing, "export.several", "",
    QT_TRANSLATE_NOOP("exports", "Several chats become several files, so they cannot go to standard output."),
    QT_TRANSLATE_NOOP("exports", "Name a folder or an archive (.zip), or use the format json."),
)
no_folder = Failure(
    UserFacing, "export.folder", "name", QT_TRANSLATE_NOOP("exports", "There is no folder called {name}."),
    QT_TRANSLATE_NOOP("exports", "Check its name; folders in folders are written Outer/Inner."),
)
# fmt: on


class Wanted(Struct, frozen=True):
    """What is exported, and how: conversations by their ``ids``, all in a ``folder`` (its id) and the folders in it, or
    all. ``format`` is a key of ``core.exchange.FORMATS``."""

    ids: tuple[str, ...] | None = None
    folder: str | None = None
    format: str = "md"
    thoughts: bool = False
    attachments: bool = True


class Exported(Struct, frozen=True):
    """So many conversations were written; so many attachments are not there any more."""

    conversations: int
    lost: int


class Exports:
    """Failures raise ``AppError``; nothing is left of an export that fails or is cancelled."""

    def __init__(self, db: Database, history: History, blobs: Blobs, jobs: JobWorker, paths: Paths) -> None:
        self._db = db
        self._history = history
        self._blobs = blobs
        self._jobs = jobs
        self._paths = paths

    async def export(
        self,
        wanted: Wanted,
        to: Path,
        *,
        words: Mapping[str, str] | None = None,
        progress: Callable[..., None] | None = None,
    ) -> Exported:
        """Write ``wanted`` to ``to``: a file, or, of several conversations and not as JSON, a folder, or an archive
        where its name ends with ".zip". ``words`` stand around what was said (``jobs.exports.form.Words``);
        ``progress`` gets (done, total) conversations."""
        params = {
            **await self._source(wanted.ids, wanted.folder, attachments=wanted.attachments),
            "to": str(to),
            "format": wanted.format,
            "thoughts": wanted.thoughts,
            "attachments": wanted.attachments,
            "words": dict(words or {}),
        }
        found = await self._jobs.call("history.export", params, progress=progress)
        return Exported(found["conversations"], found["lost"])

    async def count(self, wanted: Wanted) -> int:
        """How many conversations that would be."""
        temporary = [identity for identity in wanted.ids or () if is_temporary(identity)]
        there = [identity for identity in temporary if await self._history.get(identity) is not None]
        return len(there) + len(await self._db.scan(exporting.chosen, wanted.ids, wanted.folder))

    async def folder(self, name: str) -> str:
        """The id of the folder with a name or path of names. Raises ``UserFacing``."""
        found = await self._db.read(exporting.folders_named, name)
        if not found:
            raise no_folder(name)
        return found[0]

    async def copied(
        self, conversation_id: str, words: Mapping[str, str], *, thoughts: bool = False, rich: bool = False
    ) -> tuple[str, str]:
        """The branch on show as Markdown, and as HTML where ``rich``."""
        params = {**await self._source((conversation_id,), None, attachments=False), "words": dict(words)}
        del params["folder"]
        return await self._copied({**params, "thoughts": thoughts, "rich": rich})

    async def copied_message(self, message: Message, words: Mapping[str, str]) -> tuple[str, str]:
        """One message as Markdown and as HTML."""
        conversation = Conversation(message.conversation_id, "", 0.0, 0.0)
        record = to_json(Record(conversation, (), (message,)))
        given = {"records": [record], "branches": [[message.id]]}
        params = {"database": "", "blobs": "", "given": given, "words": dict(words), "rich": True}
        return await self._copied(params)

    async def _copied(self, params: dict[str, Any]) -> tuple[str, str]:
        found = await self._jobs.call("history.copy", params)
        return found["text"], found["html"]

    async def _source(self, ids: Sequence[str] | None, folder: str | None, *, attachments: bool) -> dict[str, Any]:
        """Where the job finds them: in the database's file, or here where that has not all."""
        params: dict[str, Any] = {
            "database": str(self._db.path or ""),
            "blobs": str(self._paths.blobs),
            "ids": None if ids is None else list(ids),
            "folder": folder,
        }
        temporary = ids is not None and any(map(is_temporary, ids))
        if not self._db.kept or temporary:
            params["given"] = await self._given(ids, folder, attachments=attachments)
        return params

    async def _given(self, ids: Sequence[str] | None, folder: str | None, *, attachments: bool) -> dict[str, Any]:
        chosen = tuple(ids) if ids is not None else await self._db.scan(exporting.chosen, None, folder)
        records: list[bytes] = []
        branches: list[list[str]] = []
        contents: dict[str, bytes] = {}
        kinds: dict[str, str] = {}
        for identity in chosen:
            record = await self._history.record(identity)
            if record is None:
                continue
            on_show = await self._history.tail(identity, 1 << 40)
            records.append(await asyncio.to_thread(to_json, record))
            branches.append([kept_id(message.id) for message in on_show])
            for message in record.messages if attachments else ():
                for part in message.parts:
                    if isinstance(part, ImagePart | AudioPart | FilePart) and re.fullmatch("[0-9a-f]{64}", part.sha256):
                        kinds[part.sha256] = part.media_type
            if sum(map(len, records)) > _MOST_GIVEN:
                raise too_large()
        for sha256 in kinds:
            try:
                contents[sha256] = await self._blobs.read(sha256)
            except AppError:  # the export says that it is not there any more
                continue
            if sum(map(len, records)) + sum(map(len, contents.values())) > _MOST_GIVEN:
                raise too_large()
        return {"records": records, "branches": branches, "contents": contents, "media_types": kinds}
