"""What other programs and folders already hold: found, looked into with bounds, offered for linking.

A damaged GGUF is shown with what is wrong with it; what is no GGUF, no model to chat with, a companion or an
unfinished download is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from qwen_desktop.core.errors import AppError, Cancelled, problem_of
from qwen_desktop.core.files import read_file
from qwen_desktop.core.gguf import Kind, NotChat, read_header
from qwen_desktop.core.models import ImportCandidate
from qwen_desktop.core.text import shown as shown_name
from qwen_desktop.hub.companions import facts, find_model, fits
from qwen_desktop.hub.installed import new_entry, shown, with_mmproj
from qwen_desktop.hub.inventory import LibraryEntry
from qwen_desktop.hub.names import quant_of, split_of
from qwen_desktop.hub.other_apps import FINDERS, FoundFile, Surroundings, gguf_files

Report = Callable[..., Any]
#: More are not shown: nobody reads such a list, and each costs up to a tenth of a second.
_MOST = 500


def find(
    *,
    home: str,
    environ: Mapping[str, str],
    system: str,
    known: list[str],
    folder: str,
    report: Report = lambda _done, _total: None,
) -> list[dict[str, Any]]:
    """The job ``library.find_importable``: ``ImportCandidate`` of everything found, as plain data.

    ``known`` are paths that the library has, ``folder`` is our models folder: GGUFs that somebody put there by hand
    are offered too.
    """
    around = Surroundings(Path(home), environ, system)
    every: list[FoundFile] = []
    for finder in FINDERS.values():
        every += finder(around)
        report(0, 0)
    have = {os.path.realpath(path) for path in known}
    ours = [path for path in gguf_files(Path(folder)) if os.path.realpath(path) not in have]
    every += (FoundFile(path, "file") for path in ours if not any(path.parent.glob("*.gguf.part")))
    return [msgspec.to_builtins(candidate) for candidate in candidates(every, known, report)]


def candidates(
    every: Iterable[FoundFile], known: Iterable[str], report: Report = lambda _done, _total: None
) -> list[ImportCandidate]:
    """Each file once (several programs may share one), companions and later parts left out."""
    have = {os.path.realpath(path) for path in known}
    unique: dict[str, FoundFile] = {}
    for found in every:
        unique.setdefault(os.path.realpath(found.path), found)
    offered: list[ImportCandidate] = []
    for number, found in enumerate(list(unique.values())[:_MOST]):
        report(number, len(unique))
        if (candidate := _candidate(found, have)) is not None:
            offered.append(candidate)
    return offered


def inspect(paths: list[str], told: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """The job ``library.inspect``: entries (or problems) for files, and for the models inside folders.

    ``told`` is what a candidate said of a path: origin, name, quant, repo, mmproj. Each result has "path" and either
    "entry" or "problem". An mmproj among the files goes to its model, and is a problem only when that is not there.
    """
    found: list[tuple[str, LibraryEntry | Exception]] = []
    for path in paths:
        place = Path(path)
        if os.path.isdir(place):  # noqa: PTH112 - never raises
            inside = [p for p in gguf_files(place) if facts(p).kind == "model" and _first_part(p)]
            if inside:
                each = [(str(p), _inspected(str(p), {})) for p in inside[:_MOST]]
                found += [result for result in each if not isinstance(result[1], NotChat)] or each[:1]
                continue
        found.append((path, _inspected(path, told.get(path, {}))))
    return [
        {"path": path, "entry": msgspec.to_builtins(result)}
        if isinstance(result, LibraryEntry)
        else {"path": path, "problem": msgspec.to_builtins(problem_of(result))}
        for path, result in _with_companions(found)
    ]


def _inspected(path: str, told: Mapping[str, str]) -> LibraryEntry | Exception:
    options: dict[str, Any] = {"origin": "file", **told}
    try:
        return new_entry(path, **options)
    except Exception as error:  # whatever is wrong with this file, the others are looked at
        return error


def _with_companions(found: list[tuple[str, LibraryEntry | Exception]]) -> list[tuple[str, LibraryEntry | Exception]]:
    """``found`` with each mmproj given to the one model among the others that it fits; what no model took says which
    model beside it is the one to choose."""
    models = {path: entry for path, entry in found if isinstance(entry, LibraryEntry)}
    kept: list[tuple[str, LibraryEntry | Exception]] = []
    for path, result in found:
        if not isinstance(result, NotChat) or result.kind_of_file is not Kind.MMPROJ:
            kept.append((path, result))
            continue
        real = os.path.realpath(path)
        if any(e.mmproj is not None and os.path.realpath(e.absolute(e.mmproj)) == real for e in models.values()):
            continue
        takers = [at for at, e in models.items() if e.mmproj is None and fits(Path(path), facts(Path(at)).width)]
        if len(takers) == 1:
            models[takers[0]] = with_mmproj(models[takers[0]], path)
            continue
        kept.append((path, _with_owner(result, Path(path))))
    return [(path, models.get(path, result)) for path, result in kept]


def header(path: str) -> dict[str, Any]:
    """The job ``gguf.header``: the name of a file's model and its bytes. Raises ``UserFacing``; for an mmproj it names
    its model."""
    try:
        found = read_header(path)
    except NotChat as error:
        raise _with_owner(error, Path(path)) from error
    return {"name": found.name, "size_bytes": found.size_bytes}


def _with_owner(error: NotChat, path: Path) -> NotChat:
    """For an mmproj with its model beside it: the sentence that says which file to choose instead."""
    beside = find_model(path) if error.kind_of_file is Kind.MMPROJ else None
    return NotChat(path, Kind.MMPROJ, model=beside.name) if beside is not None else error


def _candidate(found: FoundFile, have: set[str]) -> ImportCandidate | None:
    path = str(found.path)
    kind = facts(found.path).kind
    if kind in ("mmproj", "other") or not _first_part(found.path):
        return None
    if kind == "none" and not _has_magic(found.path):
        return None
    told: dict[str, Any]
    try:
        model = shown(new_entry(**{**structs.asdict(found), "path": path}))
    except Cancelled:
        raise
    except (AppError, OSError) as error:
        if isinstance(error, NotChat) and error.kind_of_file is not Kind.FOREIGN:
            return None
        told = {"name": shown_name(found.name or found.path.stem), "quant": found.quant or quant_of(path)}
        told["size_bytes"] = found.path.stat().st_size if found.path.exists() else 0
        told["problem"] = problem_of(error)
    else:
        told = {name: getattr(model, name) for name in ("name", "quant", "size_bytes", "files", "mmproj", "repo")}
    return ImportCandidate(path=path, origin=found.origin, known=os.path.realpath(path) in have, **told)


def _first_part(path: Path) -> bool:
    part = split_of(path.name)
    return part is None or part[1] == 1


def _has_magic(path: Path) -> bool:
    try:
        return read_file(path, 4) == b"GGUF"
    except OSError:
        return False
