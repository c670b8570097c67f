"""Which models are on this computer, and what is wrong with those that cannot be used. Runs in the job worker."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from qwen_desktop.core.errors import AppError, Problem, UserFacing, os_problem, problem_of
from qwen_desktop.core.gguf import MODELS, GgufHeader, Kind, read_header
from qwen_desktop.core.models import InstalledModel, ModelKind, Origin
from qwen_desktop.core.text import clean
from qwen_desktop.core.text import shown as shown_name
from qwen_desktop.hub import library_errors as errors
from qwen_desktop.hub.companions import find_mmproj, fits
from qwen_desktop.hub.inventory import READER, Inventory, LibraryEntries, LibraryEntry
from qwen_desktop.hub.manifest import Manifest, ManifestFile, find_manifests
from qwen_desktop.hub.names import is_repo, is_safe, quant_of

_HASH_NAME = re.compile(r"^(?:sha256-)?([0-9a-f]{64})$")
#: Names in headers that say nothing: what converters write when nobody told them.
_NO_NAME = re.compile(r"^(?:models?|llama|qwen\d?|snapshots?|[0-9a-f]{16,64}|tmp.*|\.+)$", re.IGNORECASE)
_ORIGINS = frozenset(("downloaded", "imported", "lm_studio", "ollama", "jan", "gpt4all", "huggingface_cache", "file"))
_LEFT_ALONE_S = 3600.0
#: The ending of a copy in the making (see ``copying``).
COPYING = ".copying"
#: What is remembered of a model of ours beside its manifest.
_KEPT = (
    "architecture", "parameters", "context_train", "stamp", "reader", "damaged", "last_used", "verified_at", "template",
    "alias", "options", "made_from", "quality",
)  # fmt: skip

_KINDS: dict[Kind, ModelKind] = {Kind.CHAT: "chat", Kind.EMBEDDING: "embedding", Kind.RERANKER: "reranker"}
#: What faces show of it as it is noted.
_SHOWN = (
    "id", "name", "quant", "repo", "origin", "owned", "architecture", "parameters", "context_train", "verified_at",
    "last_used", "added", "licence", "alias", "options", "kind", "made_from", "quality",
)  # fmt: skip
#: What somebody may change while a scan runs: of the model whatever file it has now, and of this very file.
_KEPT_OF_MODEL = ("last_used", "alias", "options")
_KEPT_OF_FILE = (*_KEPT_OF_MODEL, "template", "verified_at", "damaged", "made_from", "quality")


class Seen(Struct):
    """A model as it lies there now."""

    entry: LibraryEntry
    problem: Problem | None = None


def scan(folder: str, file: str) -> list[dict[str, Any]]:
    """The job ``library.scan``: look at the models folder and at every linked model, note it in ``file``
    (``library.json``) and return the ``InstalledModel`` of each as plain data. Never raises for what lies there."""
    root = Path(folder)
    inventory = Inventory(Path(file))
    before = inventory.read()
    away, owned = _owned(root, before)
    linked = [_look(entry) for entry in before.values() if not entry.owned]
    mine = {seen.entry.path for seen in owned}
    found = [*owned, *(seen for seen in linked if seen.entry.path not in mine)]
    try:
        now = inventory.update(lambda current: _merged(current, found, root, away=away))
    except (OSError, AppError):
        now = _merged(dict(before), found, root, away=away)  # a data folder that cannot be written: shown all the same
    return [
        msgspec.to_builtins(shown(now.get(seen.entry.path, seen.entry), seen.problem))
        for seen in sorted(found, key=lambda s: (s.entry.name.lower(), s.entry.size_bytes))
    ]


def shown(entry: LibraryEntry, problem: Problem | None = None) -> InstalledModel:
    """The model as faces show it."""
    note = entry.template
    if problem is None and entry.damaged:
        problem = errors.damaged(entry.damaged[0], owned=entry.owned).problem
    return InstalledModel(
        path=entry.path,
        size_bytes=sum(file.size_bytes for file in entry.all_files),
        files=tuple(entry.absolute(f) for f in entry.files),
        mmproj=entry.absolute(entry.mmproj) if entry.mmproj else "",
        sha256=entry.files[0].sha256,
        problem=problem,
        template_fault=note.faults[0] if note and note.faults else None,
        template_repaired=bool(note and note.override),
        template_repairable=bool(note and note.repairable),
        **{name: getattr(entry, name) for name in _SHOWN},
    )


def new_entry(
    path: str, *, origin: Origin, name: str = "", quant: str = "", repo: str = "", mmproj: str = "", licence: str = ""
) -> LibraryEntry:
    """A linked model: its header is checked, its parts and its mmproj are found. Raises ``UserFacing``, ``NotChat``
    for what is no model that the engine loads."""
    place = Path(path)
    header = read_header(place, kinds=MODELS)
    told = Path(mmproj) if mmproj else None
    width = header.number("embedding_length")
    base = _text(header, "general.basename") or _text(header, "general.name")
    if told is None or not fits(told, width):
        told = find_mmproj(place, name=base, architecture=header.architecture, width=width)
    entry = LibraryEntry(
        files=tuple(_file(Path(part)) for part in header.parts or (path,)),
        mmproj=_file(told) if told is not None and told.is_file() else None,
        name=name,
        quant=quant or quant_of(place.name),
        repo=repo if is_repo(repo) else "",
        origin=origin,
        licence=licence or _text(header, "general.license"),
        added=time.time(),
    )
    return _with_header(entry, header)


def lies_in(entry: LibraryEntry, folder: Path) -> bool:
    """Whether it lies in the models folder and can be one of ours: a name that no manifest can hold stays a link."""
    return folder in Path(entry.path).parents and all(is_safe(Path(file.path).name) for file in entry.files)


def with_mmproj(entry: LibraryEntry, path: str) -> LibraryEntry:
    """``entry`` with the mmproj at ``path``. Raises ``OSError``."""
    return structs.replace(entry, mmproj=_file(Path(path)))


# Looking -------------------------------------------------------------------------------------------------------------


def _owned(root: Path, before: LibraryEntries) -> tuple[bool, list[Seen]]:
    """Whether the models folder is away (an unplugged drive), and the models in it."""
    remembered = [entry for entry in before.values() if entry.owned and entry.folder == str(root)]
    try:
        # An unmounted drive often leaves an empty folder behind.
        away = bool(remembered) and not any(root.iterdir())
        manifests = list(find_manifests(root)) if not away else []
    except OSError as error:
        if not remembered:
            return True, []
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        found = errors.folder_away(str(root)).problem if missing else os_problem(error)
        return True, [Seen(entry, found) for entry in remembered]
    if away:
        return True, [Seen(entry, errors.folder_away(str(root)).problem) for entry in remembered]
    _sweep(root)
    seen: dict[str, Seen] = {}
    for path, manifest in manifests:
        entry = _of_manifest(root, path, manifest)
        old = before.get(entry.path)
        if old is not None and old.owned:
            kept = {key: getattr(old, key) for key in _KEPT}
            hashes = {file.path: file.sha256 for file in old.files}  # a hash that was learned by verifying
            files = tuple(structs.replace(f, sha256=f.sha256 or hashes.get(f.path, "")) for f in entry.files)
            names = {"name": entry.name or old.name, "quant": entry.quant or old.quant}
            entry = structs.replace(entry, **kept, **names, files=files)
        seen.setdefault(entry.path, _look(entry))
    return False, list(seen.values())


def _sweep(root: Path) -> None:
    """Delete what killed imports left: copies in the making that nobody has written to for an hour."""
    for depth in range(1, 5):
        for path in root.glob("/".join(["*"] * depth) + ".gguf" + COPYING):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _LEFT_ALONE_S:
                    path.unlink()


def _of_manifest(root: Path, path: Path, manifest: Manifest) -> LibraryEntry:
    base = path.parent.relative_to(root).as_posix()
    inside = "" if base == "." else f"{base}/"

    def placed(file: ManifestFile) -> ManifestFile:
        return structs.replace(file, path=inside + file.path)

    origin: Any = manifest.origin if manifest.origin in _ORIGINS else "downloaded"
    return LibraryEntry(
        files=tuple(placed(f) for f in manifest.files),
        owned=True,
        folder=str(root),
        mmproj=placed(manifest.mmproj[0]) if manifest.mmproj else None,
        name=manifest.title,
        quant=manifest.quant,
        repo=manifest.repo,
        origin=origin,
        licence=manifest.licence,
        added=manifest.time,
    )


def _look(entry: LibraryEntry) -> Seen:
    """Compare the entry with what lies there now."""
    linked = entry.mmproj if not entry.owned else None
    if linked is not None and Path(entry.path).exists() and not Path(linked.path).exists():
        entry = structs.replace(entry, mmproj=None)  # the other program replaced or removed it
    for file in entry.all_files:
        place = Path(entry.absolute(file))
        try:
            size = place.stat().st_size
        except OSError as error:
            return Seen(entry, errors.gone(place, error))
        if entry.owned and file.size_bytes and size != file.size_bytes:
            return Seen(entry, errors.changed(place.name).problem)
    try:
        known = stamp_of(Path(entry.path)) == entry.stamp
        return Seen(entry if known and entry.reader == READER else _read_again(entry, known=known))
    except (OSError, UserFacing) as error:
        return Seen(entry, problem_of(error))


def _read_again(entry: LibraryEntry, *, known: bool) -> LibraryEntry:
    """The entry by its header as it is now. A linked file that the other program replaced (it is not ``known``) starts
    anew."""
    header = read_header(entry.path, kinds=MODELS)
    if known:
        return _with_header(entry, header)
    if not entry.owned:
        entry = structs.replace(entry, files=tuple(_file(Path(part)) for part in header.parts or (entry.path,)))
    if entry.stamp != (0, 0):
        entry = structs.replace(entry, damaged=(), verified_at=0.0, template=None, made_from="", quality=None)
    return _with_header(entry, header)


def stamp_of(path: Path) -> tuple[int, int]:
    """(bytes, modification time in ns) of a file. Raises ``OSError``."""
    status = path.stat()
    return (status.st_size, status.st_mtime_ns)


def _with_header(entry: LibraryEntry, header: GgufHeader) -> LibraryEntry:
    stem = Path(entry.files[0].path).name.removesuffix(".gguf")
    own = header.name if not _NO_NAME.match(header.name) and not _HASH_NAME.match(header.name) else ""
    return structs.replace(
        entry,
        name=shown_name(entry.name or own or stem),
        quant=entry.quant or header.quant,
        architecture=header.architecture,
        parameters=header.parameters,
        context_train=header.context_length,
        kind=_KINDS[header.kind],
        stamp=stamp_of(Path(header.path)),
        reader=READER,
    )


def _file(path: Path) -> ManifestFile:
    """A linked file; other programs name their blobs by their hash."""
    found = _HASH_NAME.match(Path(os.path.realpath(path)).name.lower())
    return ManifestFile(str(path), path.stat().st_size, found[1] if found else "")


def _text(header: GgufHeader, key: str) -> str:
    value = header.metadata.get(key)
    return clean(value)[:200] if isinstance(value, str) else ""


# Noting --------------------------------------------------------------------------------------------------------------


def _merged(current: LibraryEntries, found: list[Seen], root: Path, *, away: bool) -> LibraryEntries:
    """``current`` with what was found; what another process noted meanwhile (last use, a repair) stays."""
    merged = {path: entry for path, entry in current.items() if away or not (entry.owned and entry.folder == str(root))}
    for seen in found:
        entry, now = seen.entry, current.get(seen.entry.path)
        if now is None and not entry.owned:
            continue  # unlinked meanwhile
        if now is not None and now.stamp == entry.stamp and not entry.owned:
            entry = structs.replace(now, mmproj=entry.mmproj, reader=entry.reader, kind=entry.kind)
        elif now is not None:
            kept = _KEPT_OF_FILE if now.stamp == entry.stamp else _KEPT_OF_MODEL
            entry = structs.replace(entry, **{key: getattr(now, key) for key in kept})
        merged[entry.path] = entry
    return merged
