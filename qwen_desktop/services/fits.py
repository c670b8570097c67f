"""Does a model fit this machine: quick verdicts for lists, exact ones from a file's own header, and what measured
loads teach about both (``measurements.json`` in the data folder).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec.structs import replace

from qwen_desktop.core import corrections, memory, speed
from qwen_desktop.core.chat import Message
from qwen_desktop.core.corrections import Measurement
from qwen_desktop.core.engine import ModelInfo, Stats
from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.core.files import read_file, write_atomic
from qwen_desktop.core.fit import Correction, FileFit, Fit, Shape, Use
from qwen_desktop.core.hardware import Machine, Memory
from qwen_desktop.core.models import CatalogModel
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.core.paths import Paths, absolute
from qwen_desktop.core.settings import Downloads
from qwen_desktop.core.shape import for_quant
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.core.verdict import fit
from qwen_desktop.hub import api
from qwen_desktop.hub.access import Access, access_of
from qwen_desktop.hub.names import is_gguf
from qwen_desktop.hub.remote_header import Found
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.events import EventBus, MessageChanged, ModelChanged, ModelStatus
from qwen_desktop.services.machines import Machines
from qwen_desktop.services.preferences import Preferences

log = logging.getLogger(__name__)

#: A real file has some tens of kilobytes.
_LONGEST_FILE = 1 << 20
#: Shorter answers and prompts say little about the speed, in tokens.
_FEWEST_WRITTEN, _FEWEST_READ = 16, 64
#: A figure that moved by less is not worth a write.
_WORTH = 0.02
_URL = re.compile(r"^https?://", re.IGNORECASE)
_HUB = re.compile(r"^(?:www\.)?(?:hf\.co|huggingface\.co|modelscope\.(?:cn|ai))/", re.IGNORECASE)


class Lookup(Protocol):
    """The catalogue as far as it is needed here."""

    async def lookup(self, reference: str, /) -> CatalogModel: ...


class Tokens(Protocol):
    """Where access tokens are kept."""

    async def get(self, name: str, /) -> str | None: ...


class Fits:
    """Verdicts for this machine. The measurements (a small file) are read in the constructor.

    It learns by itself from the bus: a model that got ready, an answer that ended.
    """

    def __init__(
        self,
        machines: Machines,
        jobs: JobWorker,
        transfers: JobWorker,
        paths: Paths,
        bus: EventBus,
        *,
        catalogue: Lookup | None = None,
        preferences: Preferences | None = None,
        secrets: Tokens | None = None,
    ) -> None:
        self._machines = machines
        self._jobs = jobs
        self._transfers = transfers
        self._file = paths.data / "measurements.json"
        self._catalogue = catalogue
        self._preferences = preferences
        self._secrets = secrets
        self._known = _read(self._file)
        self._corrections: dict[tuple[str, str, int], Correction] = {}
        self._loaded: dict[str, ModelInfo] = {}
        self._shapes: dict[str, Shape] = {}
        self._learning: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()
        self._leave = (
            bus.subscribe(ModelChanged, self._on_model),
            bus.subscribe(MessageChanged, lambda event: self._on_message(event.message)),
        )

    # Verdicts --------------------------------------------------------------------------------------------------------

    def of(self, shape: Shape, *, quant_bytes: int | None = None, use: Use | None = None, key: str = "") -> Fit | None:
        """The verdict about a shape, for lists: under a millisecond. None while the machine, or what is free on it, is
        unknown.

        ``quant_bytes`` is the size of the quantization in question, ``key`` the file's fingerprint where it is known.
        """
        machine = self._machines.known
        if machine is None or machine.memory.free_bytes is None:
            return None
        use = use or Use()
        if quant_bytes:
            shape = for_quant(shape, quant_bytes)
        return fit(shape, use, machine, self._correction(machine, key, use.context))

    def correction(self, *, key: str = "", context: int = 0) -> Correction:
        """What loads on this machine taught, about one file or about any."""
        machine = self._machines.known
        return Correction() if machine is None else self._correction(machine, key, context)

    async def of_reference(self, reference: str, use: Use | None = None, memory_bytes: int | None = None) -> FileFit:
        """The verdict about one file, from its own header: a path (also of a file that is only partly there), the
        address of a GGUF, or a repository with or without a quant.

        ``memory_bytes`` stands for this machine's free memory, without its graphics devices. Raises ``AppError``.
        """
        use = use or Use()
        found, use = await self._header(reference.strip(), use)
        machine = await self._machines.machine()
        if memory_bytes is not None:
            machine = replace(machine, memory=Memory(memory_bytes, memory_bytes), gpus=(), unused_gpus=())
        correction = self._correction(machine, found.fingerprint, use.context)
        verdict = fit(found.shape, use, machine, correction)
        context = min(use.context, found.shape.context_train or use.context)
        asked = verdict.memory
        if verdict.context != context:
            asked = memory.estimate(found.shape, replace(use, context=context), correction, gpu=verdict.gpu_layers > 0)
        return FileFit(
            reference=reference,
            name=found.name,
            quant=found.quant,
            shape=found.shape,
            fit=verdict,
            asked=asked,
            context=context,
            size_bytes=found.size_bytes,
            fetched_bytes=found.fetched_bytes,
        )

    async def _header(self, reference: str, use: Use) -> tuple[Found, Use]:
        if not _URL.match(reference) and (await asyncio.to_thread(_is_there, reference) or _is_path(reference)):
            return await self._call(self._jobs, {"file": str(absolute(reference))}), use
        access = await self._access()
        if _URL.match(reference) and is_gguf(urlsplit(reference).path):
            urls = [[_direct(reference)]]
            params: dict[str, Any] = {"urls": urls, "access": access.as_params()}
            return await self._call(self._transfers, params), use
        if self._catalogue is None:
            raise _not_found(reference)
        model = await self._catalogue.lookup(reference)
        quant = model.recommended_quant
        if quant is None or not quant.files:
            raise _not_found(reference)
        if model.mmproj and not use.mmproj_bytes:
            use = replace(use, mmproj_bytes=sum(file.size_bytes for file in model.mmproj))
        params = {
            "urls": _sources(model, tuple(file.path for file in quant.files), access),
            "access": access.as_params(),
            "repo": model.repo,
            "path": quant.files[0].path,
        }
        found = await self._call(self._transfers, params)
        return replace(found, name=model.name, quant=quant.name), use

    async def _call(self, worker: JobWorker, params: dict[str, Any]) -> Found:
        return msgspec.convert(await worker.call("hub.header", params), Found)

    async def _access(self) -> Access:
        downloads = self._preferences.settings.downloads if self._preferences is not None else Downloads()
        return access_of(downloads, await self._token("hf_token"), await self._token("modelscope_token"))

    async def _token(self, name: str) -> str:
        return (await self._secrets.get(name) or "") if self._secrets is not None else ""

    # Learning --------------------------------------------------------------------------------------------------------

    async def learn(self, info: ModelInfo, stats: Stats) -> None:
        """Take note of what a loaded model really took and how fast it was. Never raises."""
        try:
            await self._learn(info, stats)
        except (AppError, OSError, ValueError) as error:
            log.warning("fits.learn kind=%s", type(error).__name__)

    async def aclose(self) -> None:
        """Finish what is being written."""
        for leave in self._leave:
            leave()
        if self._learning:
            await asyncio.wait(self._learning)

    def _on_model(self, event: ModelChanged) -> None:
        info = event.state.info
        if event.state.status is ModelStatus.READY and info is not None and not info.guide:
            self._loaded = {info.sha256: info}

    def _on_message(self, message: Message) -> None:
        made = message.provenance
        info = self._loaded.get(made.model_sha256) if made is not None else None
        if info is None or message.stats is None or not message.stats.held_bytes:
            return
        task = asyncio.get_running_loop().create_task(self.learn(info, message.stats), name="fits.learn")
        self._learning.add(task)
        task.add_done_callback(self._learning.discard)

    async def _learn(self, info: ModelInfo, stats: Stats) -> None:
        machine = self._machines.known or await self._machines.machine()
        shape = self._shapes.get(info.sha256)
        if shape is None:
            shape = (await self._call(self._jobs, {"file": info.path})).shape
            self._shapes = {info.sha256: shape}
        new = measurement(shape, machine, info, stats)
        if not (new.held_bytes or new.decode or new.prompt):
            return
        before = next((m for m in self._known if m.settings == new.settings), None)
        known = corrections.learned(self._known, new)
        if before is not None and not _differs(before, known[-1]):
            return
        async with self._writing:
            self._known = await asyncio.to_thread(_add, self._file, self._known, new)
            self._corrections.clear()

    def _correction(self, machine: Machine, key: str, context: int) -> Correction:
        name = corrections.machine_name(machine)
        found = self._corrections.get((name, key, context))
        if found is None:
            found = corrections.correction(self._known, name, key=key, context=context)
            self._corrections[name, key, context] = found
        return found


def measurement(shape: Shape, machine: Machine, info: ModelInfo, stats: Stats) -> Measurement:
    """What one answer of a loaded model says, beside what was predicted for just that.

    On graphics cards the memory is not ours to measure: only the speed is kept.
    """
    use = Use(context=info.context_size, kv_type=info.kv_type, batch=info.batch, flash_attention=info.flash_attention)
    weighed = stats.held_bytes if not info.gpu_layers else 0
    predicted = memory.estimate(shape, use, filled=stats.context_most).total_bytes
    share = min(1.0, info.gpu_layers / (shape.layers + 1))
    written = stats.completion_tokens >= _FEWEST_WRITTEN
    read = stats.prompt_tokens - stats.cached_tokens >= _FEWEST_READ
    depth = max(0, stats.context_used - stats.completion_tokens // 2)
    decode = speed.decode(shape, machine, depth=depth, kv_type=info.kv_type, layers_on_cards=share)
    prompt = speed.prompt(shape, machine, layers_on_cards=share)
    return Measurement(
        key=info.sha256,
        machine=corrections.machine_name(machine),
        context=info.context_size,
        kv_type=info.kv_type,
        flash=info.flash_attention,
        filled=stats.context_most,
        weights_bytes=shape.weights_bytes,
        held_bytes=weighed,
        predicted_bytes=predicted if weighed else 0,
        decode=stats.decode_tokens_per_s if written and decode else 0.0,
        predicted_decode=decode or 0.0,
        prompt=stats.prompt_tokens_per_s if read and prompt else 0.0,
        predicted_prompt=prompt or 0.0,
        taken_at=time.time(),
    )


def _differs(before: Measurement, after: Measurement) -> bool:
    """Whether a correction would be another one."""
    old, new = (corrections.correction((m,), m.machine, key=m.key) for m in (before, after))
    pairs = ((old.speed_factor, new.speed_factor), (old.prompt_factor, new.prompt_factor))
    moved = abs(old.extra_bytes - new.extra_bytes) > _WORTH * after.held_bytes
    return moved or any(abs(a - b) > _WORTH * b for a, b in pairs)


def _read(file: Path) -> tuple[Measurement, ...]:
    """What earlier runs measured; nothing when the file is missing or damaged."""
    try:
        return from_json(read_file(file, _LONGEST_FILE), tuple[Measurement, ...])
    except (OSError, ValueError, RecursionError):
        return ()


def _add(file: Path, known: tuple[Measurement, ...], new: Measurement) -> tuple[Measurement, ...]:
    """Add to the file as it is now (another window may have written it) and return all."""
    result = corrections.learned(_read(file) or known, new)
    write_atomic(file, to_json(result, indent=1))
    return result


def _is_there(reference: str) -> bool:
    try:
        place = absolute(reference)
        # what else is there is no repository either, when it is written as a place: the header's reader says what it is
        return place.is_file() or (reference.startswith(("/", "~", ".")) and place.exists())
    except (OSError, ValueError, RuntimeError):
        return False


def _is_path(reference: str) -> bool:
    """Whether a text that is no address can only mean a file of this computer, if not one that is there."""
    return is_gguf(reference) and ":" not in reference[2:] and not _HUB.match(reference)


def _direct(url: str) -> str:
    """The address of the bytes: a hub's page about a file ("blob") becomes the file."""
    address = urlsplit(url)
    parts = address.path.split("/")
    if len(parts) > 4 and parts[3] == "blob":
        parts[3] = "resolve"
    return address._replace(path="/".join(parts), fragment="").geturl()


def _sources(model: CatalogModel, paths: tuple[str, ...], access: Access) -> list[list[str]]:
    """Where the parts of a file lie, first choice first."""
    found = [[api.huggingface_url(model.repo, path, model.revision, access=access) for path in paths]]
    if model.modelscope:
        found.append([api.modelscope_url(model.modelscope, path, access=access) for path in paths])
    return found


def _not_found(reference: str) -> UserFacing:
    return UserFacing(
        Text(
            "fits.unknown",
            QT_TRANSLATE_NOOP("fits", "{reference} is neither a GGUF file nor the address of one."),
            {"reference": unquote(reference)[:200]},
        ),
        Text(
            "fits.unknown.hint",
            QT_TRANSLATE_NOOP("fits", "Name a file, its address, or a repository such as Qwen/Qwen3-4B-GGUF:Q4_K_M."),
        ),
    )
