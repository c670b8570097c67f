"""The note beside a finished model: ``model-<quant>.json`` in ``<models folder>/<owner>/<name>/``.

A model counts as installed only with it, so a download or an import writes it last. It is read without trust: other
programs and people write into that folder too.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from qwen_desktop.core.files import read_file, write_atomic
from qwen_desktop.core.packed import to_json
from qwen_desktop.core.text import clean
from qwen_desktop.hub.names import is_usable

SCHEMA = 1
_NAME = re.compile(r"^model-.+\.json$", re.IGNORECASE)
_TEXTS = ("repo", "quant", "revision", "licence", "source", "title", "origin")
_LONGEST = 1 << 20
#: Manifests lie two folders deep; people may sort theirs one deeper or shallower.
_DEEPEST = 4
_MOST_FOLDERS = 20_000


class ManifestFile(Struct, frozen=True):
    """One file: its path from the manifest's folder, bytes, and SHA-256 (empty when nobody knows it)."""

    path: str
    size_bytes: int = 0
    sha256: str = ""


class Manifest(Struct, frozen=True):
    """What an installed model is. ``files`` are its parts in order, ``time`` seconds since 1970."""

    repo: str
    quant: str
    files: tuple[ManifestFile, ...]
    mmproj: tuple[ManifestFile, ...] = ()
    revision: str = ""
    licence: str = ""
    source: str = ""
    time: float = 0.0
    title: str = ""
    origin: str = "downloaded"
    schema: int = SCHEMA


def manifest_name(quant: str) -> str:
    """The manifest's file name for ``quant``, safe on every system."""
    return f"model-{re.sub(r'[^A-Za-z0-9._-]', '_', quant) or 'file'}.json"


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write (atomically) the manifest into the model's ``folder`` and return its path. Raises ``OSError``."""
    path = folder / manifest_name(manifest.quant)
    data = to_json(manifest, indent=1)
    write_atomic(path, data, mode=0o644)
    return path


def read_manifest(path: Path) -> Manifest | None:
    """The manifest, or None for a file that is none: damaged, of another program, or naming files elsewhere."""
    try:
        data = read_file(path, _LONGEST + 1)
        found = json.loads(data) if len(data) <= _LONGEST else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    files = _files(found.get("files"))
    if not files:
        return None
    time = found.get("time")
    texts: dict[str, Any] = {key: _text(found, key) for key in _TEXTS}
    return Manifest(
        files=files,
        mmproj=_files(found.get("mmproj")),
        time=float(time) if isinstance(time, int | float) and 0 <= time < 1e12 else 0.0,
        **{**texts, "origin": texts["origin"] or "downloaded"},
    )


def find_manifests(folder: Path) -> Iterator[tuple[Path, Manifest]]:
    """The manifests under ``folder``, a few folders deep. Raises ``OSError`` when ``folder`` itself cannot be read."""
    for path in files_under(folder, _DEEPEST, hidden=False):
        if _NAME.match(path.name) and (manifest := read_manifest(path)) is not None:
            yield path, manifest


def forget_in_manifests(file: Path) -> None:
    """Another model took the place of ``file``: remove the manifests beside it that say what it was. Others stay, and
    what cannot be removed."""
    with contextlib.suppress(OSError):
        for path in file.parent.iterdir():
            manifest = read_manifest(path) if _NAME.match(path.name) else None
            if manifest is not None and file.name in {each.path for each in manifest.files}:
                path.unlink()


def files_under(folder: Path, deepest: int, *, hidden: bool = True) -> Iterator[Path]:
    """All that is no folder under ``folder``, so many folders deep. Links to folders are followed once, never in
    circles; what cannot be read is passed over. Raises ``OSError`` when ``folder`` itself cannot be read."""
    seen: set[tuple[int, int]] = set()
    waiting = [(folder, 0)]
    while waiting and len(seen) < _MOST_FOLDERS:
        place, depth = waiting.pop()
        try:
            status = place.stat()
            entries = sorted(place.iterdir())
        except (OSError, ValueError):
            if depth == 0:
                raise
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            if not os.path.isdir(entry):  # noqa: PTH112 - never raises
                yield entry
            elif depth < deepest and (hidden or not entry.name.startswith(".")):
                waiting.append((entry, depth + 1))


def _files(found: Any) -> tuple[ManifestFile, ...]:
    """The listed files; nothing at all when one of them would lie outside the folder."""
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list) or len(found) > 1000:
        return ()
    files = []
    for entry in found:
        if not isinstance(entry, dict):
            return ()
        path = _text(entry, "path") or _text(entry, "name")
        if not is_usable(path):
            return ()
        sha256, size = _text(entry, "sha256").lower(), entry.get("size_bytes", entry.get("size", 0))
        known = re.fullmatch(r"[0-9a-f]{64}", sha256) is not None
        files.append(ManifestFile(path, size if isinstance(size, int) and size > 0 else 0, sha256 if known else ""))
    return tuple(files)


def _text(found: dict[str, Any], key: str) -> str:
    value = found.get(key, "")
    return clean(value)[:2000] if isinstance(value, str) else ""
