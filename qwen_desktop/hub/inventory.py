"""``library.json``: what is remembered of every model on this computer, whoever else writes it meanwhile.

Models in our folder are listed by their manifests; here stands what manifests do not say (last use, a repaired
template, what the header said), the linked models of other places, and what lay on a drive that is not connected now.
A damaged file is set aside and costs those notes only, never a model; one that cannot be read is not written over.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from qwen_desktop.core.errors import Environment, Failure
from qwen_desktop.core.files import read_file, set_aside, write_atomic
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.models import ModelKind, Origin
from qwen_desktop.core.packed import to_json
from qwen_desktop.core.quality import Quality
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.hub.locks import held
from qwen_desktop.hub.manifest import ManifestFile

log = logging.getLogger(__name__)

SCHEMA = 1
#: The template doctor's edition: what an older one found is looked at again.
DOCTOR = 2
#: Another process holds the lock for a fraction of a second; more than this many seconds means that it hangs.
_PATIENCE_S = 5.0
#: What this edition says of a file's header: models that an older one let pass are looked at again.
READER = 1
#: A template is some kilobytes, a library some hundred models.
_LONGEST = 64 << 20

# fmt: off
_locked = Failure(
    Environment, "library.locked", "",
    QT_TRANSLATE_NOOP("library", "Another program keeps the list of models locked."),
    QT_TRANSLATE_NOOP("library", "Close other Qwen Desktop windows, then try again."),
)
# fmt: on


class TemplateNote(Struct, frozen=True):
    """What the template doctor said. ``checked`` names its edition and the template it saw; ``faults`` gravest first;
    ``override`` is the template that is used instead of the file's, "" for the file's own."""

    checked: str = ""
    family: str = ""
    faults: tuple[Text, ...] = ()
    repairable: bool = False
    override: str = ""


class LibraryEntry(Struct, frozen=True):
    """One model. Paths are absolute for a linked one; for one of ours (``owned``) they count from ``folder``.

    ``stamp`` is (bytes, modification time in ns) of the first file when its header was read, by the edition ``reader``
    of us. ``damaged`` are the files whose hash was wrong when last verified. ``alias`` is a name that the user gave
    it, ``options`` are how it is loaded in the place of the settings. ``made_from`` says what it was made of here,
    ``quality`` what was measured of it then. Times are seconds since 1970, 0 for never.
    """

    files: tuple[ManifestFile, ...]
    owned: bool = False
    folder: str = ""
    mmproj: ManifestFile | None = None
    name: str = ""
    quant: str = ""
    repo: str = ""
    origin: Origin = "file"
    licence: str = ""
    architecture: str = ""
    parameters: int = 0
    context_train: int = 0
    stamp: tuple[int, int] = (0, 0)
    reader: int = 0
    added: float = 0.0
    last_used: float = 0.0
    verified_at: float = 0.0
    damaged: tuple[str, ...] = ()
    template: TemplateNote | None = None
    alias: str = ""
    options: LoadOptions = LoadOptions()
    kind: ModelKind = "chat"
    made_from: str = ""
    quality: Quality | None = None

    @property
    def id(self) -> str:
        """The first file's path: absolute for a linked model, from the models folder for one of ours."""
        return self.files[0].path

    @property
    def path(self) -> str:
        """The absolute path of the first file."""
        return self.absolute(self.files[0])

    @property
    def all_files(self) -> tuple[ManifestFile, ...]:
        """The parts, and the mmproj behind them."""
        return (*self.files, *([self.mmproj] if self.mmproj else []))

    def absolute(self, file: ManifestFile) -> str:
        """Where ``file`` lies."""
        return str(Path(self.folder, file.path)) if self.owned else file.path

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts, mmproj apart."""
        return sum(file.size_bytes for file in self.files)


#: By the absolute path of the first file.
LibraryEntries = dict[str, LibraryEntry]


class _Found(NamedTuple):
    """What one look at the file found: ``spoilt`` are its bytes where they are damaged, ``unread`` why there are none.
    One value, so that whoever looks in another thread meanwhile changes nothing of it."""

    entries: LibraryEntries
    spoilt: bytes | None = None
    unread: OSError | None = None


class Inventory:
    """The file ``library.json``. Blocking, some milliseconds; safe to use from several threads and processes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._held: tuple[tuple[int, int, int], _Found] | None = None
        self._kept: list[Path] = []

    @property
    def spoilt(self) -> bool:
        """Whether something of the file was damaged when it was read last: the next ``update`` keeps a copy."""
        held = self._held
        return held is not None and held[1].spoilt is not None

    def kept(self) -> list[Path]:
        """Where damaged files were set aside since this was asked last, so that the user can be told."""
        kept, self._kept = self._kept, []
        return kept

    def read(self) -> LibraryEntries:
        """What the file says now; read again only when it has changed. Never raises."""
        return self._look().entries

    def _look(self) -> _Found:
        state = self._state()
        held = self._held
        if held is not None and held[0] == state:
            return held[1]
        try:
            data = read_file(self.file, _LONGEST)
        except FileNotFoundError:
            data = b""
        except OSError as error:
            return _Found({}, unread=error)  # not remembered: the next time it may work
        entries, whole = _decode(data)
        found = _Found(entries, None if whole else data)
        self._held = (state, found)
        return found

    def update(self, change: Callable[[LibraryEntries], LibraryEntries]) -> LibraryEntries:
        """Replace the entries by ``change(entries)`` while no other process does, and return them.

        Nothing is written when nothing differs. Raises ``OSError``, and ``Environment`` when the file stays locked.
        """
        until = time.monotonic() + _PATIENCE_S

        def waiting() -> None:
            if time.monotonic() > until:
                raise _locked()

        with held(self.file.with_suffix(".lock"), waiting, 0.01):
            found = self._look()
            if found.unread is not None:  # what cannot be read may be whole
                raise found.unread
            before = found.entries
            after = change(dict(before))
            if after == before and found.spoilt is None:
                return before
            if found.spoilt is not None:
                self._kept.append(set_aside(self.file, found.spoilt, "damaged"))
                log.warning("library.damaged kept=%d", len(after))
            write_atomic(self.file, to_json({"schema": SCHEMA, "models": after}, indent=1))
            self._held = (self._state(), _Found(after))
            return after

    def _state(self) -> tuple[int, int, int]:
        try:
            status = self.file.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_mtime_ns, status.st_size, status.st_ino)


def _decode(data: bytes) -> tuple[LibraryEntries, bool]:
    """The entries, and whether all of the file could be read: what is damaged or unknown is left out."""
    if not data:
        return {}, True
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        return {}, False
    if not isinstance(found, dict) or not isinstance(found.get("models"), dict):
        return {}, False
    whole = found.get("schema") == SCHEMA
    entries: LibraryEntries = {}
    for value in found["models"].values():
        try:
            entry = msgspec.convert(value, LibraryEntry, strict=False)
        except (msgspec.ValidationError, ValueError, OverflowError):
            whole = False
            continue
        if entry.files:
            entries[entry.path] = entry
        else:
            whole = False
    return entries, whole
