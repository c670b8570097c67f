"""The catalogue: the list that comes with the app, and what a hub said since, laid over it.

Three files in the cache folder: ``catalog-hub.json`` keeps what the hub said (it survives an update of the app),
``catalog.jsonl`` the finished list, one line a model after a first line with the hash of the shipped one that it was
made from. Joining takes tens of milliseconds and belongs into the job worker; the finished list can be read line by
line, so that a window can do other things meanwhile. ``catalog-looked-up.jsonl`` remembers models that were looked up
by name and are not in the list.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from qwen_desktop.core.errors import Environment, Failure
from qwen_desktop.core.files import read_file, write_atomic
from qwen_desktop.core.models import Catalog, CatalogModel, Quant, RemoteFile
from qwen_desktop.core.quants import in_steps
from qwen_desktop.core.shape import for_quant
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.hub.names import best_mmproj, is_usable, quants_of

log = logging.getLogger(__name__)

#: The form of all these files.
SCHEMA = 1
FILE = "catalog.json"
KEPT_FILE = "catalog.jsonl"
HUB_FILE = "catalog-hub.json"
LOOKED_UP_FILE = "catalog-looked-up.jsonl"
#: A real one has 1 MB at most.
_LONGEST = 32 << 20
#: So many models that were looked up are remembered, the latest.
_MOST_LOOKED_UP = 100

# fmt: off
_damaged = Failure(
    Environment, "catalog.damaged", "",
    QT_TRANSLATE_NOOP("hub", "The list of models that belongs to this app is damaged."),
    QT_TRANSLATE_NOOP("hub", "Install Qwen Desktop again."),
)
# fmt: on


class RepoState(Struct, frozen=True):
    """A repository as a hub listed it. Without a ``commit`` it was ModelScope's list."""

    commit: str
    files: tuple[RemoteFile, ...]
    gated: bool = False
    source: str = "huggingface"


class Overlay(Struct, frozen=True):
    """What the hub said: the state of known repositories, and models that the shipped list does not have."""

    schema: int = SCHEMA
    updated_at: float = 0.0
    repos: dict[str, RepoState] = {}
    models: tuple[CatalogModel, ...] = ()


class _Head(Struct, frozen=True):
    """The first line of the finished list. ``made_from`` is the SHA-256 of the shipped file."""

    schema: int
    made_from: str
    updated_at: float


def shipped_hash(resources: Path) -> str:
    """The SHA-256 of the list that comes with the app, "" when it cannot be read."""
    try:
        return hashlib.sha256((resources / FILE).read_bytes()).hexdigest()
    except OSError:
        return ""


def read_shipped(resources: Path) -> tuple[Catalog, str]:
    """The list that comes with the app, and its SHA-256. Raises ``Environment`` when it is missing or damaged."""
    try:
        data = (resources / FILE).read_bytes()
        catalog = msgspec.json.decode(data, type=Catalog)
        if catalog.schema != SCHEMA:
            raise ValueError(f"schema {catalog.schema}")
    except (OSError, ValueError) as error:
        raise _damaged(details=f"{type(error).__name__}: {error}"[:300]) from error
    return catalog, hashlib.sha256(data).hexdigest()


def kept_lines(cache: Path, made_from: str) -> tuple[float, list[bytes]] | None:
    """When the finished list was made and its lines, for ``decode_model``; None without one of this shipped list."""
    data = _bytes(cache / KEPT_FILE)
    if data is None:
        return None
    first, *lines = data.splitlines()
    try:
        head = msgspec.json.decode(first, type=_Head)
    except ValueError:
        return None
    if head.schema != SCHEMA or head.made_from != made_from:
        return None
    return head.updated_at, lines


#: One line of the finished list. Raises ``ValueError`` for a damaged one.
decode_model: Callable[[bytes], CatalogModel] = msgspec.json.Decoder(CatalogModel).decode


def read_kept(cache: Path, made_from: str) -> Catalog | None:
    """The finished list of an earlier refresh, when it was made from the same shipped one and is whole."""
    found = kept_lines(cache, made_from)
    if found is None:
        return None
    try:
        return Catalog(SCHEMA, tuple(map(decode_model, found[1])), found[0])
    except ValueError as error:
        log.warning("catalog.unreadable kind=%s", type(error).__name__)
        return None


def read_overlay(cache: Path) -> Overlay:
    """What the hub said last; an empty one when there is none or it cannot be used."""
    data = _bytes(cache / HUB_FILE)
    try:
        found = msgspec.json.decode(data, type=Overlay) if data else Overlay()
    except ValueError as error:
        log.warning("catalog.unreadable kind=%s", type(error).__name__)
        return Overlay()
    return found if found.schema == SCHEMA else Overlay()


def write(cache: Path, overlay: Overlay, catalog: Catalog, made_from: str) -> None:
    """Keep both. Raises ``OSError``."""
    write_atomic(cache / HUB_FILE, msgspec.json.encode(overlay))
    head = _Head(SCHEMA, made_from, catalog.updated_at)
    write_atomic(cache / KEPT_FILE, msgspec.json.Encoder().encode_lines([head, *catalog.models]))


def read_looked_up(cache: Path) -> dict[str, CatalogModel]:
    """The models that were looked up, by id, the latest last. Damaged lines are left out."""
    found = {}
    for line in (_bytes(cache / LOOKED_UP_FILE) or b"").splitlines():
        try:
            model = decode_model(line)
        except ValueError:
            continue
        found[model.id] = model
    return found


def remember(cache: Path, model: CatalogModel) -> None:
    """Keep a model that was looked up. Raises ``OSError``."""
    known = read_looked_up(cache)
    known.pop(model.id, None)
    kept = [*known.values(), model][-_MOST_LOOKED_UP:]
    write_atomic(cache / LOOKED_UP_FILE, msgspec.json.Encoder().encode_lines(kept))


def merged(shipped: Catalog, overlay: Overlay) -> Catalog:
    """The shipped list with the hub's files over it; models that only the hub knows follow at the end."""
    models = [
        with_files(model, overlay.repos[model.repo]) if model.repo in overlay.repos else model
        for model in shipped.models
    ]
    known = {model.id for model in models} | {model.repo for model in models}
    models += [m for m in overlay.models if m.id not in known and m.repo not in known]
    return Catalog(SCHEMA, tuple(models), overlay.updated_at)


def with_files(model: CatalogModel, state: RepoState) -> CatalogModel:
    """``model`` with the quants that its repository really has, their sizes and hashes.

    What the hub lists counts; a repository that lists no usable GGUF (moved, emptied) leaves the model as it was.
    """
    files = tuple(f for f in state.files if is_usable(f.path))
    quants = in_steps(quants_of(files), model.shape.parameters)
    if not quants:
        return model
    before = model.recommended_quant
    if before is not None and any(q.name == before.name for q in quants):
        quants = tuple(structs.replace(q, recommended=q.name == before.name) for q in quants)
    quants = tuple(_sized(q, model) for q in quants)
    chosen = next(q for q in quants if q.recommended)
    shape = model.shape
    if chosen.size_bytes and not chosen.inferred:
        shape = for_quant(shape, chosen.size_bytes)
        guessed = tuple(f for f in shape.inferred if f not in ("weights_bytes", "active_bytes"))
        shape = structs.replace(shape, inferred=guessed)
    certain = {"file_pattern", "repo", "mmproj"}
    return structs.replace(
        model,
        quants=quants,
        shape=shape,
        revision=state.commit or model.revision,
        gated=state.gated,
        mmproj=best_mmproj(files) or model.mmproj,
        inferred=tuple(f for f in model.inferred if f not in certain),
    )


def _sized(quant: Quant, model: CatalogModel) -> Quant:
    """A hub that tells no sizes leaves those that the list had."""
    if quant.size_bytes:
        return quant
    before = next((q for q in model.quants if q.name == quant.name), None)
    return structs.replace(quant, size_bytes=before.size_bytes if before else None, inferred=True)


def _bytes(path: Path) -> bytes | None:
    try:
        data = read_file(path, _LONGEST + 1)
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("catalog.unreadable file=%s kind=%s", path.name, type(error).__name__)
        return None
    return data if 0 < len(data) <= _LONGEST else None
