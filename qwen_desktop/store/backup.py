"""A backup of the history: one file, made while the app runs and writes, and the way back, all or nothing.

It is a zip of ``manifest.json`` (its form, and each file's size and SHA-256), ``history.sqlite3`` (made by SQLite's
backup, of one moment, without what was deleted and without what can be made again: texts and index of the search), and
``blobs/``, what is attached to messages, by hash. It gets its name only when it is whole and on the disk.

A restore checks everything first, in a folder of its own (``prepare``), and trusts nothing in it: sizes, sums, the
form of each table. Then (``finish``) the attachments come to where there are such already, and one transaction of
SQLite has the database be the other one: whenever that is killed, there is the old history or the new one. What was
there before is a backup in ``backups/``. A restore that was ``prepared`` for the next start is carried out once: the
database has its number (``application_id``) when it has been.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import random
import re
import shutil
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct

from qwen_desktop.core.errors import Cancelled, Environment, Failure, UserFacing, disk_full
from qwen_desktop.core.files import flush_folder, open_file, write_atomic
from qwen_desktop.core.parts import LARGEST_ATTACHMENT
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, shown
from qwen_desktop.store import blobs, branches, conversations, migrations, search
from qwen_desktop.store.connection import create

if TYPE_CHECKING:
    import zipfile

#: The form of the file; one with a larger number is from a newer version of the app.
FORMAT, FORM = "qwen-desktop-backup", 1
#: How names of backups end.
SUFFIX = ".backup.zip"
#: So many backups of what was there before a restore are kept.
KEPT = 3
_MANIFEST, _DATABASE, _BLOBS = "manifest.json", "history.sqlite3", "blobs/"
#: No manifest is longer, in bytes.
_LONGEST_MANIFEST = 256_000_000
#: So many bytes are copied at a time, and pages of a database.
_CHUNK, _PAGES = 1 << 20, 1_000
#: So much must be free beside what is written, in bytes.
_SPARE = 50_000_000
#: A command that ends just now is waited for so long, in seconds.
_PATIENCE_S = 1.0
#: How folders begin in which is worked.
_COPYING, _UNPACKING = ".backup-", ".restore-"
_READY, _PREPARED = "ready.json", "restore"

#: ``done`` and all bytes. It may raise to end the work.
Progress = Callable[[int, int], None]

# fmt: off
damaged = Failure(
    UserFacing, "backup.damaged", "path", QT_TRANSLATE_NOOP("backup", "The backup {path} is damaged."),
    QT_TRANSLATE_NOOP("backup", "Nothing was changed. Choose another backup, or copy this one again."),
)
_no_backup = Failure(
    UserFacing, "backup.none", "path", QT_TRANSLATE_NOOP("backup", "{path} is no backup of Qwen Desktop."),
    QT_TRANSLATE_NOOP("backup", "Choose a file that was made with Back up."),
)
_encrypted = Failure(
    UserFacing, "backup.encrypted", "path", QT_TRANSLATE_NOOP("backup", "The file {path} is encrypted."),
    QT_TRANSLATE_NOOP("backup", "Unpack it with its password and pack it again without one."),
)
_newer = Failure(
    UserFacing, "backup.newer", "path",
    QT_TRANSLATE_NOOP("backup", "The backup {path} was made by a newer version of Qwen Desktop."),
    QT_TRANSLATE_NOOP("backup", "Update the app, then restore it."),
)
given_up = Failure(Cancelled, "backup.cancelled", "", QT_TRANSLATE_NOOP("backup", "It was cancelled."))
in_use = Failure(
    UserFacing, "backup.in_use", "",
    QT_TRANSLATE_NOOP("backup", "The chats are in use: a window of Qwen Desktop is open, or a command runs."),
    QT_TRANSLATE_NOOP("backup", "Close it, then restore again; or restore in the window, under Settings, Storage."),
)
_unreadable = Failure(
    Environment, "backup.unreadable", "",
    QT_TRANSLATE_NOOP("backup", "The chats that are there now cannot be read, so they cannot be kept."),
    QT_TRANSLATE_NOOP("backup", "Start the app once: it puts a damaged history aside. Then restore again."),
)
_there = Failure(
    UserFacing, "backup.there", "path", QT_TRANSLATE_NOOP("backup", "There is a file {path} already."),
    QT_TRANSLATE_NOOP("backup", "Choose another name, or remove the file first."),
)
_no_folder = Failure(
    UserFacing, "backup.no_folder", "path", QT_TRANSLATE_NOOP("backup", "The folder {path} does not exist."),
    QT_TRANSLATE_NOOP("backup", "Make it first, or choose another place."),
)
_inside = Failure(
    UserFacing, "backup.inside", "path",
    QT_TRANSLATE_NOOP("backup", "A backup cannot take the place of {path}, which belongs to the app."),
    QT_TRANSLATE_NOOP("backup", "Choose another place."),
)
# fmt: on


class _File(Struct, frozen=True):
    size: int
    sha256: str


class Manifest(Struct, frozen=True):
    """What a backup says of itself. ``database_version`` is the form of its database, ``created`` when it was made, in
    seconds since the epoch; ``blobs`` are sizes by hash."""

    format: str
    form: int
    app: str
    created: float
    database_version: int
    database: _File
    blobs: dict[str, int]
    conversations: int = 0
    messages: int = 0


class Made(Struct, frozen=True):
    """A backup that was made: its place and size, what it holds, and how many attachments were ``missing``."""

    path: Path
    size: int
    conversations: int
    messages: int
    missing: int


class Place(Struct, frozen=True):
    """Where a history lies."""

    data: Path
    database: Path
    blobs: Path


# Making one -----------------------------------------------------------------------------------------------------------


def default_name(now: float) -> str:
    """What a backup of this moment is called."""
    return time.strftime(f"Qwen Desktop %Y-%m-%d %H.%M{SUFFIX}", time.localtime(now))


def make(
    source: sqlite3.Connection,
    place: Place,
    target: Path,
    *,
    app: str,
    now: float,
    progress: Progress,
    replace: bool = False,
) -> Made:
    """Write what ``source`` sees to ``target``, a file or a folder for one. Others may write meanwhile. A file that is
    there stays, unless ``replace``. Raises ``UserFacing``, ``OSError``, ``sqlite3.Error`` and what ``progress`` raises;
    then nothing is left of it."""
    if target.is_dir():
        target /= default_name(now)
    if target.resolve().name.startswith(place.database.name) and target.resolve().parent == place.data.resolve():
        raise _inside(shown(str(target)))
    if target.exists() and not replace:
        raise _there(shown(str(target)))
    if not target.parent.is_dir():
        raise _no_folder(shown(str(target.parent)))
    partial = target.with_name(f".{target.name[:60]}.{os.getpid()}.partial")
    _tidy(place, now)
    with tempfile.TemporaryDirectory(prefix=_COPYING, dir=place.data) as folder:
        copy = Path(folder, _DATABASE)
        held = _copied(source, copy, progress)
        try:
            with _named(target, partial), partial.open("xb") as file:
                missing, manifest = _write(file, copy, held, place, app=app, now=now, progress=progress)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
    flush_folder(target.parent)
    return Made(target, target.stat().st_size, manifest.conversations, manifest.messages, missing)


@contextlib.contextmanager
def _named(target: Path, partial: Path) -> Iterator[None]:
    """Failures name the file that was asked for: of the other one nobody knows."""
    try:
        yield
    except OSError as error:
        if error.filename in (None, str(partial)):
            error.filename = str(target)
        raise


class _Held(Struct, frozen=True):
    blobs: dict[str, int]
    version: int
    conversations: int
    messages: int


def _copied(source: sqlite3.Connection, copy: Path, progress: Progress) -> _Held:
    """A database of one moment, without what was deleted or can be made again."""

    def pages(_status: int, left: int, total: int) -> None:
        progress(total - left, 2 * total)  # the other half is the packing

    create(copy)
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as opened:
        # With a rollback journal a long read would keep others from writing; SQLite then begins anew where they do.
        own = not source.in_transaction and source.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        if own:
            source.execute("BEGIN")
        try:
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on it is one moment
            source.backup(opened, pages=_PAGES, progress=pages, sleep=0.01)
        finally:
            if own:
                source.rollback()
        opened.execute("PRAGMA journal_mode = DELETE")
        opened.execute("PRAGMA foreign_keys = ON")
        conversations.purge(opened, staged=True)
        branches.purge(opened)
        search.forget(opened)
        opened.execute(
            "DELETE FROM blobs WHERE NOT EXISTS (SELECT 1 FROM message_blobs u WHERE u.sha256 = blobs.sha256) "
            "AND NOT EXISTS (SELECT 1 FROM drafts d WHERE instr(d.draft, blobs.sha256) > 0)"
        )
        opened.execute("PRAGMA application_id = 0")
        opened.execute("VACUUM")
        return _Held(
            dict(opened.execute("SELECT sha256, size FROM blobs WHERE whole = 1 ORDER BY sha256")),
            migrations.version(opened),
            opened.execute("SELECT count(*) FROM conversations").fetchone()[0],
            opened.execute("SELECT count(*) FROM messages").fetchone()[0],
        )


def _write(
    file: BinaryIO, copy: Path, held: _Held, place: Place, *, app: str, now: float, progress: Progress
) -> tuple[int, Manifest]:
    import zipfile  # noqa: PLC0415 - hardly ever, and it takes a while

    size = copy.stat().st_size
    total = size + sum(held.blobs.values())
    done = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:

        def put(source: Path, name: str, compression: int) -> str:
            nonlocal done
            entry = zipfile.ZipInfo(name, time.localtime(max(now, 315_600_000))[:6])
            entry.compress_type, entry.external_attr = compression, 0o600 << 16
            digest = hashlib.sha256()
            with source.open("rb") as reading, archive.open(entry, "w", force_zip64=True) as writing:
                while chunk := reading.read(_CHUNK):
                    digest.update(chunk)
                    writing.write(chunk)
                    done += len(chunk)
                    progress(total + done, 2 * total)
            return digest.hexdigest()

        packed = {}
        missing = 0
        for sha256, length in held.blobs.items():
            if _is_whole(place.blobs / sha256):
                put(place.blobs / sha256, f"{_BLOBS}{sha256}", zipfile.ZIP_STORED)
                packed[sha256] = length
            else:
                missing += 1
        if missing:  # what names them stays, and says that they are missing
            with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as opened:
                gone = [(sha256,) for sha256 in held.blobs if sha256 not in packed]
                opened.executemany("UPDATE blobs SET whole = 0 WHERE sha256 = ?", gone)
        database = put(copy, _DATABASE, zipfile.ZIP_DEFLATED)
        manifest = Manifest(
            FORMAT, FORM, app, now, held.version, _File(copy.stat().st_size, database), packed,
            held.conversations, held.messages,
        )  # fmt: skip
        archive.writestr(_MANIFEST, msgspec.json.encode(manifest))
    return missing, manifest


def _is_whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == path.name
    except OSError:
        return False


# Checking one ---------------------------------------------------------------------------------------------------------


class Prepared(Struct, frozen=True):
    """A backup that was checked: ``folder`` has its database, in this version's form, and the attachments that were
    missing. ``number`` is what the database is known by once it has been restored."""

    folder: Path
    number: int
    created: float
    conversations: int
    messages: int


def prepare(source: Path, place: Place, *, now: float, progress: Progress, pending: bool = False) -> Prepared:
    """Check a backup and unpack it beside the history. ``pending``: it is restored when the window starts next. Raises
    ``AppError``, ``OSError`` and what ``progress`` raises; nothing has changed then."""
    place.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    _tidy(place, now)
    folder = Path(tempfile.mkdtemp(prefix=_UNPACKING, dir=place.data))
    try:
        manifest = _unpack(source, folder, place, progress)
        _check_database(source, folder / _DATABASE, manifest)
        number = random.SystemRandom().randrange(1, 2**31)
        _with_number(folder / _DATABASE, number)
        prepared = Prepared(folder, number, manifest.created, manifest.conversations, manifest.messages)
        _flush(folder)
        if pending:
            forget_pending(place)
            write_atomic(folder / _READY, msgspec.json.encode({"number": number}))
            prepared = msgspec.structs.replace(prepared, folder=folder.replace(place.data / _PREPARED))
            flush_folder(place.data)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return prepared


def _tidy(place: Place, now: float) -> None:
    """Remove what processes left that were killed: nobody works for a day."""
    for prefix in (_COPYING, _UNPACKING):
        for left in place.data.glob(f"{prefix}*"):
            with contextlib.suppress(OSError):
                if now - left.stat().st_mtime > blobs.GRACE_S:
                    shutil.rmtree(left, ignore_errors=True)


def _unpack(source: Path, folder: Path, place: Place, progress: Progress) -> Manifest:
    import zipfile  # noqa: PLC0415

    told = shown(str(source))
    with open_file(source) as file:
        if file.peek(2)[:2] != b"PK":  # type: ignore[attr-defined] # it is buffered
            raise _no_backup(told)
        try:
            with zipfile.ZipFile(file) as archive:
                manifest = _manifest(archive, told)
                _fits(manifest, place)
                total = manifest.database.size + sum(manifest.blobs.values())
                done = 0
                for name, size, sha256 in (
                    (_DATABASE, manifest.database.size, manifest.database.sha256),
                    *((f"{_BLOBS}{sha256}", size, sha256) for sha256, size in manifest.blobs.items()),
                ):
                    target = folder / Path(name).name
                    digest, got = hashlib.sha256(), 0
                    with archive.open(name) as reading, target.open("xb") as writing:
                        target.chmod(0o600)
                        while chunk := reading.read(_CHUNK):
                            got += len(chunk)
                            if got > size:
                                raise damaged(told)
                            digest.update(chunk)
                            writing.write(chunk)
                            done += len(chunk)
                            progress(done, total)
                    if got != size or digest.hexdigest() != sha256:
                        raise damaged(told)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, KeyError) as error:
            raise damaged(told) from error
        except RuntimeError as error:  # a password is asked for
            raise _encrypted(told) from error
        except Exception as error:
            nowhere = isinstance(error, OSError) and error.errno == errno.EINVAL  # a place before the file's beginning
            if nowhere or type(error).__module__ in ("zlib", "lzma"):
                raise damaged(told) from error
            raise
    return manifest


def _manifest(archive: zipfile.ZipFile, told: str) -> Manifest:
    entries = {entry.filename: entry for entry in archive.infolist()}
    if any(entry.flag_bits & 1 for entry in entries.values()):
        raise _encrypted(told)
    first = entries.get(_MANIFEST)
    if first is None:
        raise _no_backup(told)
    if first.file_size > _LONGEST_MANIFEST:
        raise damaged(told)
    with archive.open(first) as file:
        data = file.read(_LONGEST_MANIFEST + 1)
    try:
        head = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(told) from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise _no_backup(told)
    if not isinstance(head.get("form"), int) or not isinstance(head.get("database_version"), int):
        raise damaged(told)
    if head["form"] > FORM or head["database_version"] > len(migrations.MIGRATIONS):
        raise _newer(told)
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, ValueError) as error:
        raise damaged(told) from error
    sizes = {_DATABASE: manifest.database.size, **{f"{_BLOBS}{sha}": size for sha, size in manifest.blobs.items()}}
    good = all(name in entries and entries[name].file_size == size for name, size in sizes.items())
    named = all(
        re.fullmatch("[0-9a-f]{64}", sha) and 0 <= size <= LARGEST_ATTACHMENT for sha, size in manifest.blobs.items()
    )
    if not good or not named or len(entries) != len(sizes) + 1:
        raise damaged(told)
    return manifest


def _fits(manifest: Manifest, place: Place) -> None:
    wanted = 3 * manifest.database.size + 2 * sum(manifest.blobs.values()) + _SPARE
    if shutil.disk_usage(place.data).free < wanted:
        raise disk_full()


def _check_database(source: Path, path: Path, manifest: Manifest) -> None:
    """Whether it is sound and has the tables of its version, and nothing else that SQLite would carry out; then bring
    it to this version's form."""
    told = shown(str(source))
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as opened:
            opened.execute("PRAGMA trusted_schema = OFF")
            opened.execute("PRAGMA cell_size_check = ON")
            version = migrations.version(opened)
            if version != manifest.database_version or version < 1 or _tables(opened) != _tables_of(version):
                raise damaged(told)
            if opened.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise damaged(told)
            if opened.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise damaged(told)
            if not _is_of_its_types(opened):
                raise damaged(told)
            opened.execute("PRAGMA journal_mode = DELETE")
            opened.execute("PRAGMA foreign_keys = ON")
            migrations.migrate(opened, None, backups=0)
            search.forget(opened)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            raise
        raise damaged(told) from error


def _tables(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """All that the database is made of, without the index of the search, which is made anew."""
    found = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master")
    made = {(kind, name, table, " ".join(sql.split())) for kind, name, table, sql in found}
    return {row for row in made if not row[1].startswith("sqlite_") and not search.is_index(row[0], row[1], row[3])}


def _is_of_its_types(connection: sqlite3.Connection) -> bool:
    """Whether each value is of the type that its column says, and all text is text: SQLite takes anything anywhere,
    who reads it here does not. What the search makes anew is left out."""
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        if table.startswith(("sqlite_", "search_")):
            continue
        for _, name, kind, needed, _, key in connection.execute(f"PRAGMA table_info({table})").fetchall():
            empty = "" if needed or key else f" AND {name} IS NOT NULL"
            wrong = f"SELECT 1 FROM {table} WHERE typeof({name}) <> ?{empty} LIMIT 1"  # noqa: S608 - names of ours
            if connection.execute(wrong, (kind.lower(),)).fetchone() is not None:
                return False
        try:
            deque(connection.execute(f"SELECT * FROM {table}"), maxlen=0)  # noqa: S608 - as above
        except sqlite3.OperationalError as error:
            if "UTF-8" not in str(error):
                raise
            return False
    return True


def _tables_of(version: int) -> set[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        migrations.migrate(opened, None, backups=0, migrations=migrations.MIGRATIONS[:version])
        return _tables(opened)


def _with_number(path: Path, number: int) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as opened:
        opened.execute(f"PRAGMA application_id = {number}")


def _flush(folder: Path) -> None:
    for file in folder.iterdir():
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())
    flush_folder(folder)


# Carrying it out ------------------------------------------------------------------------------------------------------


def is_pending(place: Place) -> bool:
    """Whether a restore waits for the window's start."""
    return (place.data / _PREPARED / _READY).exists()


def forget_pending(place: Place) -> None:
    """Give up a restore that waits, and what is left of one."""
    waiting = place.data / _PREPARED
    with contextlib.suppress(FileNotFoundError):
        (waiting / _READY).unlink()
    shutil.rmtree(waiting, ignore_errors=True)


def finish_pending(place: Place, *, app: str, now: float) -> bool:
    """Carry a restore out that waits for the window's start; False where none does. Raises as ``finish``, and the
    restore waits on."""
    waiting = place.data / _PREPARED
    try:
        number = msgspec.json.decode((waiting / _READY).read_bytes(), type=dict[str, int])["number"]
    except FileNotFoundError:
        return False
    except (msgspec.MsgspecError, KeyError):
        forget_pending(place)
        return False
    finish(Prepared(waiting, number, 0.0, 0, 0), place, app=app, now=now, progress=lambda _done, _total: None)
    return True


def finish(prepared: Prepared, place: Place, *, app: str, now: float, progress: Progress) -> Path | None:
    """Have the prepared history in place of the one that is there, and return where that is kept, None where there was
    none. Raises ``UserFacing`` where it is in use, ``AppError``, ``OSError``; nothing has changed then."""
    kept: Path | None = None
    with _alone(place) as live:
        if live.execute("PRAGMA application_id").fetchone()[0] != prepared.number:  # else it was, and then killed
            if migrations.version(live) > 0:
                kept = _keep(live, place, app=app, now=now, progress=progress)
            _take_attachments(prepared, live, place, now)
            with contextlib.closing(sqlite3.connect(prepared.folder / _DATABASE, isolation_level=None)) as source:
                live.execute("PRAGMA synchronous = FULL")
                source.backup(live, pages=_PAGES, progress=lambda _status, left, total: progress(total - left, total))
            live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with contextlib.suppress(FileNotFoundError):
        (prepared.folder / _READY).unlink()
    shutil.rmtree(prepared.folder, ignore_errors=True)
    return kept


def discard(prepared: Prepared) -> None:
    """Remove what was unpacked."""
    shutil.rmtree(prepared.folder, ignore_errors=True)


@contextlib.contextmanager
def _alone(place: Place) -> Iterator[sqlite3.Connection]:
    """The history's database, which nobody else has open. Raises ``UserFacing`` where somebody has."""
    create(place.database)
    with contextlib.closing(sqlite3.connect(place.database, timeout=_PATIENCE_S, isolation_level=None)) as opened:
        try:
            # With a write-ahead log whoever has the file open holds it, and is noticed here.
            opened.execute("PRAGMA locking_mode = EXCLUSIVE")
            opened.execute("BEGIN EXCLUSIVE")
            opened.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise in_use() from error
            raise
        except sqlite3.DatabaseError as error:
            raise _unreadable() from error
        yield opened


def _keep(live: sqlite3.Connection, place: Place, *, app: str, now: float, progress: Progress) -> Path:
    folder = place.data / "backups"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / time.strftime(f"before-restore.%Y%m%d-%H%M%S{SUFFIX}", time.gmtime(now))
    try:
        if migrations.version(live) < len(migrations.MIGRATIONS):
            migrations.migrate(live, place.database, backups=KEPT)
        made = make(live, place, target, app=app, now=now, progress=progress, replace=True)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise _unreadable() from error
        raise
    kept = sorted(folder.glob(f"before-restore.*{SUFFIX}"))
    for old in kept[:-KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return made.path


def _take_attachments(prepared: Prepared, live: sqlite3.Connection, place: Place, now: float) -> None:
    """Have the files in place, and rows for all that lie there, so that what is named by nothing goes in time: in the
    database that is there until they are, in the new one for those that only the old one names."""
    place.blobs.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = {
        file.name: file.stat().st_size for file in prepared.folder.iterdir() if re.fullmatch("[0-9a-f]{64}", file.name)
    }
    there = {file.name for file in place.blobs.iterdir()}
    row = (
        "INSERT OR IGNORE INTO blobs (sha256, size, media_type, created, wanted_until, whole) VALUES (?, ?, ?, ?, ?, ?)"
    )
    missing = [sha256 for sha256 in new if sha256 not in there or not _is_whole(place.blobs / sha256)]
    if migrations.version(live) > 0:
        live.execute("BEGIN IMMEDIATE")
        live.executemany(row, [(sha, new[sha], "", now, now + blobs.GRACE_S, 0) for sha in missing])
        live.execute("COMMIT")
        old = live.execute("SELECT sha256, size, media_type, created, ?, whole FROM blobs", (now + blobs.GRACE_S,))
        with contextlib.closing(sqlite3.connect(prepared.folder / _DATABASE, isolation_level=None)) as opened:
            opened.execute("BEGIN IMMEDIATE")
            opened.executemany(row, old.fetchall())
            opened.execute("COMMIT")
    for sha256 in missing:
        partial = place.blobs / f".{sha256}.{os.getpid()}.restore"
        shutil.copyfile(prepared.folder / sha256, partial)
        partial.chmod(0o600)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(place.blobs / sha256)
    flush_folder(place.blobs)
