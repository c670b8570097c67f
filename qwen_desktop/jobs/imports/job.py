"""The job "history.import": a file's conversations into the history, all of them or none.

It writes on a connection of its own, in transactions of some milliseconds with as much time between them, so that what
the user sends meanwhile is not held up. What is attached lies in a staging folder until its conversation comes in; a
folder that a killed import leaves is removed before the next one, and at the window's start (``clean``).
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import msgspec

from qwen_desktop.core.assistants import MOST_CONTEXT
from qwen_desktop.core.chat import (
    LONGEST_MESSAGE,
    NO_BUDGET,
    Conversation,
    Message,
    adapters_of_a_file,
    leads_elsewhere,
)
from qwen_desktop.core.engine import Sampling
from qwen_desktop.core.errors import AppError, disk_full, error_of, os_problem
from qwen_desktop.core.exchange import Imported, ImportedConversation, Source
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.core.parts import length
from qwen_desktop.core.settings import setting
from qwen_desktop.core.tags import ordered
from qwen_desktop.core.text import shown
from qwen_desktop.jobs.imports.forms import form_of
from qwen_desktop.store import blobs as kept_blobs
from qwen_desktop.store import importing
from qwen_desktop.store.connection import Connection, connect
from qwen_desktop.store.failures import app_error

log = logging.getLogger(__name__)

#: What one transaction adds at most: messages, and characters of them.
_MESSAGES, _CHARACTERS = 30, 100_000
#: Between two transactions as long as the last one took, but not less or more than this, in seconds.
_SHORTEST_S, _LONGEST_S = 0.002, 0.1
_REPORT_S = 0.05
#: So much stays free on the disk, in bytes: what was staged can only be taken back where there is room to write that.
_SPARE = 30_000_000
_LOCK = "lock"
#: Longest title and name of a folder, in characters, so many tags, and folders in each other.
_LONGEST_TITLE, _LONGEST_FOLDER, _MOST_TAGS, _DEEPEST = 1_000, 80, 100, 64


def import_file(*, path: str, database: str, blobs: str, staging: str, report: Callable[..., Any]) -> dict[str, Any]:
    """Import the file or folder ``path`` into ``database`` and return an ``Imported``. ``blobs`` is where attachments
    lie, ``staging`` a folder on the same disk. Raises ``AppError``; nothing has come in then."""
    source_path = Path(path)
    try:
        form = form_of(source_path)
        source = Source(source_path, _size(source_path), _Progress(report))
        with _staging(Path(staging)) as (folder, alone), contextlib.closing(connect(Path(database))) as connection:
            while alone and importing.discard_left(connection):
                time.sleep(_SHORTEST_S)
            importer = _Importer(connection, Path(blobs), folder)
            importer.run(form.reader().read(source, folder))
    except sqlite3.Error as error:
        raise app_error(error, Path(database)) from error
    except OSError as error:
        raise error_of(os_problem(error)) from error
    found = msgspec.structs.replace(
        importer.found, form=form.program, skipped=source.skipped, reasons=tuple(source.reasons)
    )
    log.info("import.done form=%s conversations=%d skipped=%d", form.module, found.conversations, found.skipped)
    result: dict[str, Any] = msgspec.to_builtins(found)
    return result


def clean(staging: Path) -> bool:
    """Remove the folders that killed imports left. False where an import runs, perhaps in another process."""
    alone = True
    for folder in staging.iterdir() if staging.is_dir() else ():
        try:
            with filelock.FileLock(folder / _LOCK, timeout=0):
                pass
        except filelock.Timeout:
            alone = False
            continue
        except OSError:
            continue
        shutil.rmtree(folder, ignore_errors=True)
    return alone


@contextlib.contextmanager
def _staging(root: Path) -> Iterator[tuple[Path, bool]]:
    """A folder of this import's own, and whether no other one runs."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    alone = clean(root)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        with filelock.FileLock(folder / _LOCK):
            yield folder, alone
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _size(path: Path) -> int:
    return sum(1 for each in path.rglob("*") if each.is_file()) if path.is_dir() else path.stat().st_size


def _path(names: Sequence[str]) -> tuple[str, ...]:
    """A path of folders as they can be made by hand, and no deeper than one is read."""
    tidy = (" ".join(shown(name, 4 * _LONGEST_FOLDER).split())[:_LONGEST_FOLDER].rstrip() for name in names)
    return tuple(filter(None, tidy))[:_DEEPEST]


def _bounded(given: Conversation, folder_id: str) -> Conversation:
    """A conversation of any file as one can be here: nothing that holds up the list, nothing that an engine refuses,
    and no model or adapter in a network that would be asked for it."""
    sampling, model = given.sampling, given.model
    if sampling is not None:
        values = {name: getattr(sampling, name) for name in Sampling.__struct_fields__}
        own = {name: value for name, value in values.items() if value is not None and _allowed(name, value)}
        sampling = Sampling(**own)
    if isinstance(model, FileRef):
        numbers = [value for value in msgspec.structs.astuple(model.options) if isinstance(value, int)]
        if leads_elsewhere(model.path) or any(abs(value) >= 1 << 31 for value in numbers):
            model = None
    return msgspec.structs.replace(
        given,
        folder_id=folder_id,
        title=given.title[:_LONGEST_TITLE],
        tags=ordered(given.tags)[:_MOST_TAGS],
        system_prompt=given.system_prompt[:LONGEST_MESSAGE],
        sampling=sampling,
        model=model,
        adapters=adapters_of_a_file(given.adapters),
        context=given.context if 0 < (given.context or 0) <= MOST_CONTEXT else None,
        thinking_budget=given.thinking_budget if NO_BUDGET <= (given.thinking_budget or 0) <= MOST_CONTEXT else None,
    )


def _unled(message: Message) -> Message:
    """A message that cannot be made again with an adapter in a network, which would be asked for it."""
    made = message.provenance
    if made is None or made.recipe is None or not any(leads_elsewhere(each.path) for each in made.recipe.adapters):
        return message
    return msgspec.structs.replace(message, provenance=msgspec.structs.replace(made, recipe=None))


def _allowed(name: str, value: float) -> bool:
    entry = setting(f"sampling.{name}")
    return (entry.minimum or 0) <= value <= (entry.maximum or 0)


class _Progress:
    def __init__(self, report: Callable[..., Any]) -> None:
        self._report = report
        self._told = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= _REPORT_S:
            self._told = now
            self._report(done, total)


class _Importer:
    """Stages what a reader gives and publishes it at the end."""

    def __init__(self, connection: Connection, blobs: Path, staging: Path) -> None:
        self._connection = connection
        self._blobs = blobs
        self._staging = staging
        self._mark = importing.new_mark()
        self._pending: list[tuple[Conversation | None, tuple[Message, ...]]] = []
        self._pending_ids: set[str] = set()
        self._weight = 0.0
        self._folders: dict[tuple[str, ...], tuple[str, bool]] = {}
        self._ids: list[str] = []
        self._adopted: set[str] = set()
        self.found = Imported()

    def run(self, entries: Iterator[ImportedConversation]) -> None:
        """Bring all in. Nothing is there of them where this raises."""
        try:
            for entry in entries:
                self._take(entry)
            self._flush()
            importing.publish(self._connection, self._mark, self._folders, len(self._ids))
        except BaseException:
            self._discard()
            raise
        self.found = msgspec.structs.replace(self.found, ids=tuple(self._ids))

    def _take(self, entry: ImportedConversation) -> None:
        if entry.conversation.id in self._pending_ids or not self._pending_ids.isdisjoint(m.id for m in entry.messages):
            self._flush()  # the file has it twice
        fitted = importing.fit(self._connection, entry, self._mark)
        found = self.found
        if fitted.entry is None:
            self.found = msgspec.structs.replace(found, already=found.already + 1)
            return
        entry = fitted.entry
        for blob in entry.blobs:
            if blob.sha256 not in self._adopted:
                kept_blobs.adopt(self._connection, self._blobs, self._staging / blob.sha256, blob.media_type)
                self._adopted.add(blob.sha256)
        self._ids.append(entry.conversation.id)
        self.found = msgspec.structs.replace(
            found,
            conversations=found.conversations + 1,
            messages=found.messages + len(entry.messages),
            copies=found.copies + fitted.copy,
        )
        self._stage(entry)

    def _stage(self, entry: ImportedConversation) -> None:
        """In pieces: a conversation of 10,000 messages is many transactions."""
        place = importing.folder(self._connection, _path(entry.folder), self._folders)
        head: Conversation | None = _bounded(entry.conversation, place)
        piece: list[Message] = []
        self._pending_ids.add(entry.conversation.id)
        for message in entry.messages:
            piece.append(_unled(message))
            self._pending_ids.add(message.id)
            self._weight += 1 / _MESSAGES + length(message.parts) / _CHARACTERS
            if self._weight >= 1:
                self._pending.append((head, tuple(piece)))
                head, piece = None, []
                self._flush()
        if head is not None or piece:
            self._pending.append((head, tuple(piece)))

    def _flush(self) -> None:
        if self._pending:
            if shutil.disk_usage(self._staging).free < _SPARE:
                raise disk_full()
            began = time.monotonic()
            importing.stage(self._connection, self._mark, self._pending)
            self._pending = []
            took = time.monotonic() - began
            time.sleep(min(max(_SHORTEST_S, took), _LONGEST_S))
        self._pending_ids.clear()
        self._weight = 0.0

    def _discard(self) -> None:
        """Take back what was staged; what cannot be taken back now goes at the next start."""
        try:
            while importing.discard(self._connection, self._mark):
                time.sleep(_SHORTEST_S)
        except (sqlite3.Error, AppError) as error:
            log.warning("import.left kind=%s", type(error).__name__)
