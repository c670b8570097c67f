"""Moving the models folder, also to another drive, so that nothing is lost wherever it is interrupted.

A journal says how far it is. First every file is put into the new place (linked where that is possible, else copied
and verified) while the old one stays whole; then the app's setting is switched; only then are the old files deleted,
each one only while its new one is there. Where a drive can neither link nor hold two copies, files are renamed, and
the journal brings the rest after them or takes them back. Only our own files go: what other programs keep in the
folder stays. Runs in the transfers worker.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, structs

from qwen_desktop.core.files import flush_folder, read_file, write_atomic
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.hub import library_errors as errors
from qwen_desktop.hub.copying import CopyMeter, check_space, copy_file, has_size, sha256_of
from qwen_desktop.hub.installed import COPYING
from qwen_desktop.hub.inventory import LibraryEntries
from qwen_desktop.hub.manifest import find_manifests

Report = Callable[..., Any]
Phase = Literal["copying", "copied", "switched", "undoing"]
#: "": not begun. "there": lay in the target before. The others say how it got, or is getting, there.
How = Literal["", "there", "link", "copy", "rename"]
#: After the first round what came meanwhile follows; a download that is still written to never comes to an end.
_ROUNDS = 3
_UNFINISHED = (".gguf.part", ".gguf.journal")


class MoveFile(Struct, frozen=True):
    """One file by its path from the folder; bytes and modification time (ns) as it was in the old place."""

    path: str
    size_bytes: int
    mtime_ns: int
    how: How = ""
    done: bool = False


class Move(Struct, frozen=True):
    """The journal of a move."""

    source: str
    target: str
    phase: Phase = "copying"
    files: tuple[MoveFile, ...] = ()


def read_move(journal: Path) -> Move | None:
    """The move that was under way, or None. A damaged journal counts as none: the old folder is whole then, since
    nothing is deleted without a journal that says so."""
    try:
        return from_json(read_file(journal), Move)
    except (OSError, ValueError):
        return None


def write_move(journal: Path, move: Move) -> None:
    """Write the journal, atomically and flushed."""
    write_atomic(journal, to_json(move))


# The three jobs ------------------------------------------------------------------------------------------------------


def move(source: str, target: str, journal: str, report: Report) -> int:
    """The job ``library.move``: put every file of ours into ``target`` too, or go on with that, and return how many.

    Raises ``AppError`` and ``OSError``; what has arrived stays for going on, until ``undo``.
    """
    place = Path(journal)
    under_way = read_move(place)
    if under_way is not None and (under_way.source, under_way.target) != (source, target):
        raise errors.moving_already()
    if under_way is not None and under_way.phase != "copying":
        return len(under_way.files)
    old, new = Path(source), Path(target)
    _check(old, new)
    linked = _same_drive(old, new)
    state = under_way or Move(source, target)
    for _ in range(_ROUNDS):
        state = structs.replace(state, files=_plan(old, new, state))
        waiting = [number for number, file in enumerate(state.files) if not file.done]
        if not waiting:
            break
        if not linked:
            check_space(new, sum(f.size_bytes for f in state.files if not f.done and not (new / f.path).exists()))
        write_move(place, state)
        total = sum(f.size_bytes for f in state.files)
        meter = CopyMeter(report, total * 2, sum(f.size_bytes * 2 for f in state.files if f.done))
        for number in waiting:
            file, before = state.files[number], meter.done
            meter.add(0)
            for step in _bring(old, new, file, linked=linked, meter=meter):
                state = structs.replace(state, files=(*state.files[:number], step, *state.files[number + 1 :]))
                write_move(place, state)
            meter.done = before + file.size_bytes * 2
    write_move(place, structs.replace(state, phase="copied"))
    return len(state.files)


def finish(journal: str, report: Report) -> int:
    """The job ``library.move_finish``, once the setting names the new folder: delete the old files whose new ones are
    there. Returns how many are left (in use, perhaps): then the journal stays for the next start."""
    place = Path(journal)
    state = read_move(place)
    if state is None:
        return 0
    write_move(place, structs.replace(state, phase="switched"))
    old, new = Path(state.source), Path(state.target)
    left = 0
    for number, file in enumerate(state.files):
        report(number, len(state.files))
        was, now = old / file.path, new / file.path
        try:
            if not was.exists():
                continue
            same = now.exists() and now.samefile(was)
            if same and was.stat().st_nlink < 2:
                continue  # one file under one name: the folder is the old one, spelled in another way
            if not same and not has_size(now, file.size_bytes):
                left += 1
            elif same or _unchanged(was, file):  # else somebody wrote to it meanwhile: it is not what was copied
                was.unlink()
        except OSError:
            left += 1
    _remove_empty(old, state.files)
    with contextlib.suppress(OSError):
        old.rmdir()
    if not left:
        place.unlink(missing_ok=True)
    return left


def undo(journal: str) -> None:
    """The job ``library.move_undo``: take back a move that was not switched yet. The old folder is whole again."""
    place = Path(journal)
    state = read_move(place)
    if state is None or state.phase == "switched":
        return
    write_move(place, structs.replace(state, phase="undoing"))
    old, new = Path(state.source), Path(state.target)
    for file in state.files:
        was, now = old / file.path, new / file.path
        with contextlib.suppress(OSError):
            now.with_name(now.name + COPYING).unlink(missing_ok=True)
        if file.how in ("", "there") or not now.exists():
            continue
        if was.exists():
            with contextlib.suppress(OSError):  # a copy too many harms nobody
                now.unlink()
        else:
            was.parent.mkdir(parents=True, exist_ok=True)
            now.replace(was)
    _remove_empty(new, state.files)
    place.unlink(missing_ok=True)


def rehomed(entries: LibraryEntries, source: str, target: str) -> LibraryEntries:
    """The library's notes with the models of ``source`` in ``target``."""
    moved: LibraryEntries = {}
    for entry in entries.values():
        found = structs.replace(entry, folder=target) if entry.owned and entry.folder == source else entry
        moved[found.path] = found
    return moved


def moved_path(path: str, state: Move) -> str:
    """Where a file of the old folder is now; any other path stays."""
    try:
        inside = Path(path).relative_to(state.source).as_posix()
    except ValueError:
        return path
    return str(Path(state.target, inside)) if any(f.path == inside for f in state.files) else path


# Inside --------------------------------------------------------------------------------------------------------------


def _check(old: Path, new: Path) -> None:
    """Refuse a target that is no folder of its own, or that cannot be written. Raises ``AppError``, ``OSError``."""
    first, second = Path(os.path.realpath(old)), Path(os.path.realpath(new))
    if not new.is_absolute() or first == second or first in second.parents or second in first.parents:
        raise errors.bad_target(str(old), str(new))
    # Names do not tell all: macOS keeps other capitals, and a folder may be mounted twice.
    if any(_same(old, place) for place in (new, *new.parents)) or any(_same(new, place) for place in old.parents):
        raise errors.bad_target(str(old), str(new))
    new.mkdir(parents=True, exist_ok=True)
    probe = new / ".qwen-desktop-write-test"
    probe.write_bytes(b"")
    probe.unlink()


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False


def _plan(old: Path, new: Path, state: Move) -> tuple[MoveFile, ...]:
    """Our files, manifests last, with what has been done. A file that has gone meanwhile is left out, unless it is in
    the new place already."""
    known = {file.path: file for file in state.files}
    files = dict(known)
    for inside in _ours(old):
        status = (old / inside).stat()
        found = MoveFile(inside, status.st_size, status.st_mtime_ns)
        before = known.get(inside, MoveFile(inside, -1, 0))
        if (before.size_bytes, before.mtime_ns) != (found.size_bytes, found.mtime_ns):
            files[inside] = structs.replace(found, how=before.how)
    here = [
        structs.replace(f, done=f.done and (new / f.path).exists())
        for f in files.values()
        if (old / f.path).exists() or (new / f.path).exists()
    ]
    return tuple(sorted(here, key=lambda f: (f.path.endswith(".json"), f.path)))


def _ours(old: Path) -> Iterator[str]:
    """What manifests list, the manifests, and unfinished downloads with the parts of theirs that are whole."""
    seen: set[Path] = set()
    for path, manifest in find_manifests(old) if old.is_dir() else ():
        seen.add(path)
        seen |= {path.parent / file.path for file in (*manifest.files, *manifest.mmproj)}
    for depth in ("*", "*/*", "*/*/*", "*/*/*/*"):
        unfinished = [p for p in old.glob(depth) if p.name.lower().endswith(_UNFINISHED)]
        seen |= {p for path in unfinished for p in (path, *path.parent.glob("*.gguf"))}
    for path in sorted(seen):
        if path.is_file():
            yield path.relative_to(old).as_posix()


def _bring(old: Path, new: Path, file: MoveFile, *, linked: bool, meter: CopyMeter) -> Iterator[MoveFile]:
    """Put one file into the new place; yields what to note before and after each step that changes something."""
    was, now = old / file.path, new / file.path
    now.with_name(now.name + COPYING).unlink(missing_ok=True)  # of a copy that was interrupted
    if now.exists():
        if not was.exists():  # renamed before the journal could say so
            yield structs.replace(file, how=file.how or "rename", done=True)
            return
        if now.samefile(was) or _equal(was, now, meter):
            yield structs.replace(file, how=file.how or "there", done=True)
            return
        if file.how in ("", "there"):
            raise errors.target_taken(now.name)
        now.unlink()  # an older state of this very file, from the interrupted start
    now.parent.mkdir(parents=True, exist_ok=True)
    if linked:
        yield structs.replace(file, how="link")
        with contextlib.suppress(OSError):
            os.link(was, now)
            flush_folder(now.parent)
            yield structs.replace(file, how="link", done=True)
            return
        free = shutil.disk_usage(now.parent).free
        if file.size_bytes > free // 2:
            yield structs.replace(file, how="rename")
            was.replace(now)
            flush_folder(now.parent)
            flush_folder(was.parent)
            yield structs.replace(file, how="rename", done=True)
            return
    yield structs.replace(file, how="copy")
    copy_file(was, now, meter)
    yield structs.replace(file, how="copy", done=True)


def _equal(was: Path, now: Path, meter: CopyMeter) -> bool:
    done = meter.done
    same = has_size(now, was.stat().st_size) and sha256_of(was, meter.add) == sha256_of(now, meter.add)
    meter.done = done
    return same


def _same_drive(old: Path, new: Path) -> bool:
    return old.is_dir() and old.stat().st_dev == new.stat().st_dev


def _unchanged(path: Path, file: MoveFile) -> bool:
    status = path.stat()
    return (status.st_size, status.st_mtime_ns) == (file.size_bytes, file.mtime_ns)


def _remove_empty(root: Path, files: tuple[MoveFile, ...]) -> None:
    """Remove the folders of ``files`` under ``root`` that have become empty."""
    folders = {folder for file in files for folder in (root / file.path).parents if root in folder.parents}
    for folder in sorted(folders, key=lambda f: len(f.parts), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()
