"""What is attached to messages (pictures, sound, documents): files named by their SHA-256, each content once.

Messages name them by their hash; ``message_blobs`` holds who names what and is written together with the message. A
file goes only when nothing names it, also no draft and no deleted conversation that can still be brought back, and when
it was not asked for in the last day: what is attached to a draft just now is named by nothing yet.

Whatever is killed when, and however many processes do this: a row that is ``whole`` has its file, and only those can
be named; a file without a row is never touched (it may belong to a history that was set aside). So a row comes before
its file and becomes ``whole`` after it, and on the way out it ends being ``whole`` before the file goes, and goes last.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from qwen_desktop.core.chat import Message, is_temporary
from qwen_desktop.core.errors import Environment, UserFacing, error_of, os_problem
from qwen_desktop.core.files import flush_folder, read_file, temporary_prefix, write_atomic
from qwen_desktop.core.parts import LARGEST_ATTACHMENT, AudioPart, FilePart, ImagePart, Part, blobs_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.store.connection import transaction
from qwen_desktop.store.database import Database, TemporaryDatabase

log = logging.getLogger(__name__)

#: What nothing names is kept so long after it was added last, in seconds.
GRACE_S = 24 * 3600.0
#: Adding is begun so often at most.
ATTEMPTS = 3

_UNUSED = (
    "wanted_until < ? AND NOT EXISTS (SELECT 1 FROM message_blobs u WHERE u.sha256 = blobs.sha256) "
    "AND NOT EXISTS (SELECT 1 FROM drafts d WHERE instr(d.draft, blobs.sha256) > 0)"
)


class Blobs:
    """The attachments of a history, in ``folder``. Where the history lives in memory, new ones do too, and those of
    temporary conversations always do, which live in ``temporary``."""

    def __init__(
        self,
        db: Database,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        temporary: TemporaryDatabase | None = None,
    ) -> None:
        self._db = db
        self._temporary = temporary or TemporaryDatabase()
        self._folder = folder
        self._clock = clock
        self._memory: dict[str, bytes] = {}

    async def add(self, data: bytes, media_type: str, *, conversation_id: str = "") -> str:
        """Keep ``data`` and return its hash, by which the parts of a message name it: one of ``conversation_id``, where
        that is a temporary one, in memory only.

        A message must do so within a day. Raises ``UserFacing`` when it is too large, ``AppError`` for what the disk
        does.
        """
        if len(data) > LARGEST_ATTACHMENT:
            raise _too_large()
        sha256 = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        row = (sha256, len(data), media_type)
        db = self._temporary if is_temporary(conversation_id) else self._db
        if not db.kept:
            self._memory[sha256] = data
            await db.call(_record, *row, self._clock(), whole=True)
            return sha256
        for _ in range(ATTEMPTS):
            await self._db.call(_record, *row, self._clock())
            try:
                await asyncio.to_thread(_write, self._folder, sha256, data)
            except OSError as error:
                raise error_of(os_problem(error)) from error
            if await self._db.call(_finish, self._folder, sha256):
                return sha256
        raise _missing()

    async def read(self, sha256: str) -> bytes:
        """The content. Raises ``Environment`` when it is not there any more, or not what it was."""
        if sha256 in self._memory:
            return self._memory[sha256]
        if re.fullmatch("[0-9a-f]{64}", sha256) is None:
            raise _missing()
        try:
            data, good = await asyncio.to_thread(_checked, self._folder / sha256)
        except FileNotFoundError as error:
            raise _missing() from error
        except OSError as error:
            raise error_of(os_problem(error)) from error
        if not good:
            raise _damaged()
        return data

    async def keep(self, conversation_id: str, parts: Sequence[Part] = ()) -> None:
        """Bring what a temporary conversation names to the disk, before it is kept there itself; and what ``parts``
        name, which are written in it and not sent."""
        unsent = [
            (part.sha256, part.media_type) for part in parts if isinstance(part, ImagePart | AudioPart | FilePart)
        ]
        for sha256, media_type in (*await self._temporary.call(_named, conversation_id), *unsent):
            if sha256 in self._memory:
                await self.add(self._memory[sha256], media_type)

    def file(self, sha256: str) -> Path | None:
        """Where the content lies on the disk; None where it does not. For readers in other processes."""
        known = sha256 not in self._memory and re.fullmatch("[0-9a-f]{64}", sha256) is not None
        return self._folder / sha256 if known else None

    async def clean(self) -> int:
        """Remove what nothing names and return how much that was. Not for commands, nor for a history in memory, which
        does not know what the one on the disk names."""
        if not self._db.kept:
            return 0
        now = self._clock()
        gone = 0
        for sha256 in await self._db.scan(_unused, now):
            gone += await self._db.call(_remove, self._folder, sha256, now)
        if gone:
            log.info("blobs.removed count=%d", gone)
        return gone


def adopt(connection: sqlite3.Connection, folder: Path, file: Path, media_type: str) -> None:
    """Keep ``file``, which is on the disk and whole and has its hash for a name, moving it into ``folder``: as ``add``,
    for an import in its own process. Raises ``OSError``, and ``UserFacing`` where it cannot be kept."""
    now = time.time()
    for _ in range(ATTEMPTS):
        size = (file if file.exists() else folder / file.name).stat().st_size
        _record(connection, file.name, size, media_type, now)
        if file.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.replace(folder / file.name)
            flush_folder(folder)
        if _finish(connection, folder, file.name):
            return
    raise _missing()


def kept(folder: Path, sha256: str) -> bytes | None:
    """The content of an attachment for an export; None when it is not there any more, or not what it was. Raises
    ``OSError`` for anything else."""
    if re.fullmatch("[0-9a-f]{64}", sha256) is None:
        return None
    try:
        data, good = _checked(folder / sha256)
    except FileNotFoundError:
        return None
    return data if good else None


def refer(connection: sqlite3.Connection, entry: Message, *, must_be_there: bool = False) -> None:
    """Note what a message names, inside the transaction that writes it. Raises ``UserFacing`` for what is not there if
    it must be; an answer is written all the same."""
    connection.execute("DELETE FROM message_blobs WHERE message_id = ?", (entry.id,))
    for sha256, name in blobs_of(entry.parts).items():
        noted = connection.execute(
            "INSERT INTO message_blobs SELECT ?, sha256 FROM blobs WHERE sha256 = ? AND whole = 1", (entry.id, sha256)
        )
        if noted.rowcount == 0:
            if must_be_there:
                raise UserFacing(_missing_text(name), _ATTACH_AGAIN)
            log.warning("blob.unknown")


def _named(connection: sqlite3.Connection, conversation_id: str) -> list[tuple[str, str]]:
    """The hashes and media types of what the messages of a conversation name."""
    return connection.execute(
        "SELECT DISTINCT b.sha256, b.media_type FROM message_blobs u JOIN messages m ON m.id = u.message_id "
        "JOIN blobs b ON b.sha256 = u.sha256 WHERE m.conversation_id = ?",
        (conversation_id,),
    ).fetchall()


def _record(
    connection: sqlite3.Connection, sha256: str, size: int, media_type: str, now: float, *, whole: bool = False
) -> None:
    with transaction(connection, durable=True):
        connection.execute(
            "INSERT INTO blobs (sha256, size, media_type, created, wanted_until, whole) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (sha256) DO UPDATE SET wanted_until = max(wanted_until, excluded.wanted_until), "
            "whole = max(whole, excluded.whole)",
            (sha256, size, media_type, now, now + GRACE_S, whole),
        )


def _finish(connection: sqlite3.Connection, folder: Path, sha256: str) -> bool:
    """The file has been written. False when both were removed meanwhile: the clock was set, or the computer slept for
    a day."""
    with transaction(connection, durable=True):
        found = connection.execute("UPDATE blobs SET whole = 1 WHERE sha256 = ?", (sha256,)).rowcount > 0
        if found and not (folder / sha256).exists():  # another process adds it just now
            connection.execute("UPDATE blobs SET whole = 0 WHERE sha256 = ?", (sha256,))
            return False
    return found


def _unused(connection: sqlite3.Connection, now: float) -> list[str]:
    return [row[0] for row in connection.execute(f"SELECT sha256 FROM blobs WHERE {_UNUSED}", (now,))]  # noqa: S608


def _remove(connection: sqlite3.Connection, folder: Path, sha256: str, now: float) -> bool:
    """Remove one if it is still unused. False when it is not, or when its file cannot be removed now."""
    chosen = f"WHERE sha256 = ? AND {_UNUSED}"
    with transaction(connection, durable=True):  # from here on nothing can name it
        connection.execute(f"UPDATE blobs SET whole = 0 {chosen}", (sha256, now))  # noqa: S608 - constants
    try:
        with transaction(connection, durable=True):
            found = connection.execute(f"DELETE FROM blobs {chosen} AND whole = 0", (sha256, now))  # noqa: S608
            if found.rowcount > 0:  # who adds it again waits for this transaction before writing the file
                for file in (folder / sha256, *folder.glob(f"{temporary_prefix(sha256)}*")):
                    file.unlink(missing_ok=True)
    except OSError as error:  # in use, perhaps: it is tried again after the next start
        log.warning("blob.kept code=%s", os_problem(error).what.code)
        return False
    return found.rowcount > 0


def _write(folder: Path, sha256: str, data: bytes) -> None:
    place = folder / sha256
    with contextlib.suppress(OSError):  # not there, or not to be read: written anew
        if _checked(place)[1]:
            return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(place, data)


def _checked(place: Path) -> tuple[bytes, bool]:
    """A file's content, and whether it is what its name says. Raises ``OSError``."""
    data = read_file(place, LARGEST_ATTACHMENT + 1)
    return data, hashlib.sha256(data).hexdigest() == place.name


_ATTACH_AGAIN = Text("blob.missing.hint", QT_TRANSLATE_NOOP("errors", "Attach the file again."))


def _missing_text(name: str) -> Text:
    if name:
        source = QT_TRANSLATE_NOOP("errors", "The attachment {name} is not there any more.")
        return Text("blob.missing.named", source, {"name": name})
    return Text("blob.missing", QT_TRANSLATE_NOOP("errors", "An attachment is not there any more."))


def _missing() -> Environment:
    return Environment(_missing_text(""), _ATTACH_AGAIN)


def _damaged() -> Environment:
    what = Text("blob.damaged", QT_TRANSLATE_NOOP("errors", "An attachment is damaged on the disk."))
    return Environment(what, _ATTACH_AGAIN)


def _too_large() -> UserFacing:
    return UserFacing(
        Text(
            "blob.too_large",
            QT_TRANSLATE_NOOP("errors", "An attachment may have {most} MB at most."),
            {"most": LARGEST_ATTACHMENT // 1_000_000},
        ),
        Text("blob.too_large.hint", QT_TRANSLATE_NOOP("errors", "Choose a smaller file.")),
    )
