"""What other programs and folders already hold: found, looked into with bounds, offered for linking.

A damaged GGUF is shown with what is wrong with it; what is no GGUF, a companion or an unfinished download is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from qwen_desktop.core.errors import AppError, Cancelled, problem_of
from qwen_desktop.core.files import open_file
from qwen_desktop.core.models import ImportCandidate
from qwen_desktop.core.text import shown as shown_name
from qwen_desktop.hub.companions import facts
from qwen_desktop.hub.installed import new_entry, shown
from qwen_desktop.hub.inventory import Entry
from qwen_desktop.hub.names import quant_of, split_of
from qwen_desktop.hub.other_apps import FINDERS, Found, Surroundings, gguf_files

Report = Callable[..., Any]
#: More are not shown: nobody reads such a list, and each costs up to a tenth of a second.
_MOST = 500


def find(
    *, home: str, environ: Mapping[str, str], system: str, known: list[str], folder: str, report: Report | None = None
) -> list[dict[str, Any]]:
    """The job ``library.find_importable``: ``ImportCandidate`` of everything found, as plain data.

    ``known`` are paths that the library has, ``folder`` is our models folder: GGUFs that somebody put there by hand
    are offered too.
    """
    around = Surroundings(Path(home), environ, system)
    every: list[Found] = []
    for finder in FINDERS.values():
        every += finder(around)
        if report is not None:
            report(0, 0)
    have = {os.path.realpath(path) for path in known}
    ours = [path for path in gguf_files(Path(folder)) if os.path.realpath(path) not in have]
    every += (Found(path, "file") for path in ours if not any(path.parent.glob("*.gguf.part")))
    return [msgspec.to_builtins(candidate) for candidate in candidates(every, known, report)]


def candidates(every: Iterable[Found], known: Iterable[str], report: Report | None = None) -> list[ImportCandidate]:
    """Each file once (several programs may share one), companions and later parts left out."""
    have = {os.path.realpath(path) for path in known}
    taken: set[str] = set()
    offered: list[ImportCandidate] = []
    unique: list[Found] = []
    for found in every:
        key = os.path.realpath(found.path)
        if key not in taken:
            taken.add(key)
            unique.append(found)
    for number, found in enumerate(unique[:_MOST]):
        if report is not None:
            report(number, len(unique))
        candidate = _candidate(found, have)
        if candidate is not None:
            offered.append(candidate)
    return offered


def inspect(paths: list[str], told: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """The job ``library.inspect``: entries (or problems) for files, and for the models inside folders.

    ``told`` is what a candidate said of a path: origin, name, quant, repo, mmproj. Each result has "path" and either
    "entry" or "problem".
    """
    results: list[dict[str, Any]] = []
    for path in paths:
        place = Path(path)
        if os.path.isdir(place):  # noqa: PTH112 - never raises
            inside = [p for p in gguf_files(place) if facts(p).kind == "model" and _first_part(p)]
            if inside:
                results += [_inspected(str(p), {}) for p in inside[:_MOST]]
                continue
        results.append(_inspected(path, told.get(path, {})))
    return results


def _inspected(path: str, told: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {"origin": "file", **told}
    try:
        entry = new_entry(path, **options)
    except Exception as error:  # whatever is wrong with this file, the others are looked at
        return {"path": path, "problem": msgspec.to_builtins(problem_of(error))}
    return {"path": path, "entry": msgspec.to_builtins(entry)}


def _candidate(found: Found, have: set[str]) -> ImportCandidate | None:
    path = str(found.path)
    kind = facts(found.path).kind
    if kind in ("mmproj", "other") or not _first_part(found.path):
        return None
    if kind == "none" and not _has_magic(found.path):
        return None
    known = os.path.realpath(path) in have
    try:
        entry: Entry = new_entry(
            path,
            origin=found.origin,
            name=found.name,
            quant=found.quant,
            repo=found.repo,
            mmproj=found.mmproj,
            licence=found.licence,
        )
    except Cancelled:
        raise
    except (AppError, OSError) as error:
        problem = problem_of(error)
        if problem.what.code in ("gguf.no_weights", "gguf.companion"):
            return None  # a bare vocabulary, an adapter
        size = found.path.stat().st_size if found.path.exists() else 0
        name = found.name or found.path.stem
        return ImportCandidate(
            path, shown_name(name), found.quant or quant_of(path), size, found.origin, known=known, problem=problem
        )
    model = shown(entry)
    return ImportCandidate(
        path=path,
        name=model.name,
        quant=model.quant,
        size_bytes=model.size_bytes,
        origin=found.origin,
        files=model.files,
        mmproj=model.mmproj,
        known=known,
        repo=model.repo,
    )


def _first_part(path: Path) -> bool:
    part = split_of(path.name)
    return part is None or part[1] == 1


def _has_magic(path: Path) -> bool:
    try:
        with open_file(path) as file:
            return file.read(4) == b"GGUF"
    except OSError:
        return False
