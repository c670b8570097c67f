"""Does a model fit this machine: the one place that answers, for cards, lists, details, downloads, advice and commands.

Each verdict comes from the same four things: the machine as ``Machines`` knows it, how the settings load a model, what
measured loads taught (``measurements.json`` in the data folder), and the file's shape, which is exact from when its own
header was read. ``FitsChanged`` tells when one of them is another.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.core import corrections, memory, speed
from qwen_desktop.core.chat import Message
from qwen_desktop.core.corrections import Measurement
from qwen_desktop.core.engine import LoadRequest, LocalInfo, ModelInfo, Stats
from qwen_desktop.core.errors import AppError, Failure, UserFacing
from qwen_desktop.core.files import read_file, write_atomic
from qwen_desktop.core.fit import FileFit, Fit, fit, usual_day
from qwen_desktop.core.hardware import Machine, Memory
from qwen_desktop.core.memory import UNCORRECTED, Correction, Use
from qwen_desktop.core.model_ref import LoadOptions, ModelRef, merged
from qwen_desktop.core.models import CatalogModel, InstalledModel, Purpose, Quant, Recommendation
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.core.paths import Paths, absolute
from qwen_desktop.core.profile import Profile, profile_of, profiled
from qwen_desktop.core.settings import Settings
from qwen_desktop.core.shape import Shape, for_quant
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.hardware.memory import read as read_memory
from qwen_desktop.hub import api
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.names import is_gguf
from qwen_desktop.hub.remote_header import RemoteHeader
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.catalogue import Catalogue
from qwen_desktop.services.draft_models import DraftModels
from qwen_desktop.services.events import (
    CatalogueChanged,
    EngineChanged,
    EventBus,
    FitsChanged,
    LibraryChanged,
    MachineChanged,
    MessageChanged,
    SettingsChanged,
)
from qwen_desktop.services.hub_access import hub_access
from qwen_desktop.services.machines import Machines
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.secrets import Secrets

log = logging.getLogger(__name__)

#: A real file has some tens of kilobytes.
_LONGEST_FILE = 1 << 20
#: Shorter answers and prompts say little about the speed, in tokens.
_FEWEST_WRITTEN, _FEWEST_READ = 16, 64
_DEFAULTS = Settings()
_URL = re.compile(r"^https?://", re.IGNORECASE)
_HUB = re.compile(r"^(?:www\.)?(?:hf\.co|huggingface\.co|modelscope\.(?:cn|ai))/", re.IGNORECASE)

# fmt: off
_not_found = Failure(
    UserFacing, "fits.unknown", "reference",
    QT_TRANSLATE_NOOP("fits", "{reference} is neither a GGUF file nor the address of one."),
    QT_TRANSLATE_NOOP("fits", "Name a file, its address, or a repository such as Qwen/Qwen3-4B-GGUF:Q4_K_M."),
)
# fmt: on


class _Header(Struct, frozen=True):
    """A file's own header, with the bytes of its companions; ``path`` where it was asked for by that."""

    found: RemoteHeader
    mmproj_bytes: int = 0
    path: str = ""


class Fits:
    """Verdicts for this machine. The measurements (a small file) are read in the constructor.

    It learns by itself from the bus: a model that got ready, an answer that ended. ``installed`` lists the models of
    the library, ``options`` says how the one at a path is loaded whatever the settings say.
    """

    def __init__(
        self,
        machines: Machines,
        jobs: JobWorker,
        transfers: JobWorker,
        paths: Paths,
        bus: EventBus,
        *,
        catalogue: Catalogue | None = None,
        preferences: Preferences | None = None,
        secrets: Secrets | None = None,
        installed: Callable[[], Iterable[InstalledModel]] = tuple,
        options: Callable[[str], LoadOptions] = lambda _path: LoadOptions(),
        draft_models: DraftModels | None = None,
    ) -> None:
        self._machines = machines
        self._jobs = jobs
        self._transfers = transfers
        self._file = paths.data / "measurements.json"
        self._bus = bus
        self._catalogue = catalogue
        self._preferences = preferences
        self._secrets = secrets
        self._installed = installed
        self._options = options
        self._draft_models = draft_models
        #: the installed files that are not loaded as the settings say
        self._own = self._with_options()
        self._known = _read(self._file)
        self._taught_by = self._known
        self._corrections: dict[tuple[Any, ...], Correction] = {}
        self._headers: dict[str, _Header] = {}
        self._verdicts: dict[tuple[Any, ...], Fit] = {}
        self._basis: tuple[Any, ...] = ()
        #: models that are or were in memory, by their fingerprint, and headers of files, by path with size and time
        self._loaded: dict[str, ModelInfo] = {}
        self._read: dict[str, tuple[tuple[int, int], tuple[_Header, str]]] = {}
        #: models in memory: since when (seconds of the epoch), and how many bytes of it the system counts as used
        self._resident: dict[ModelRef, tuple[float, int]] = {}
        self._emptied: tuple[Machine, Machine] | None = None
        self._unprobed: Machine | None = None
        self._learning: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()
        self._leave = (
            bus.subscribe(EngineChanged, self._on_engine),
            bus.subscribe(MessageChanged, lambda event: self._on_message(event.message)),
            bus.subscribe(MachineChanged, lambda _event: self._tell()),
            bus.subscribe(SettingsChanged, self._on_settings),
            bus.subscribe(CatalogueChanged, lambda _event: self._verdicts.clear()),
            bus.subscribe(LibraryChanged, self._on_library),
        )

    # Verdicts --------------------------------------------------------------------------------------------------------

    def use(
        self, context: int | None = None, *, kv_type: str | None = None, mmproj_bytes: int = 0, path: str = ""
    ) -> Use:
        """How a model would be loaded: as the settings in force say, but for the own options of the one at ``path``,
        but for what is given."""
        own = self._options(path) if path else LoadOptions()
        given = LoadOptions(context=context or None, kv_type=kv_type)
        options = profiled(merged(self._settings.engine, own, given), self.profile)
        use = Use(**options, mmproj_bytes=mmproj_bytes)
        if path and self._draft_models is not None:
            drafted = self._draft_models.known_bytes(path, use.draft_model)
            if drafted is None:  # it is looked for, and told of then
                self._later(self._look_for_draft_model(path, use.draft_model))
            use = replace(use, draft_bytes=drafted or 0)
        return replace(use, kv_type=memory.chosen(use.kv_type))

    @property
    def profile(self) -> Profile:
        """What "automatic" means on this machine, by the settings in force."""
        machine = self._machines.known
        if machine is None or machine.memory.total_bytes is None:
            if self._unprobed is None:  # a first start, or a command: the memory alone is read at once
                self._unprobed = Machine(memory=read_memory())
            machine = self._unprobed
        return profile_of(machine, self._settings.engine.profile)

    def of(self, model: CatalogModel, quant: Quant | None, context: int | None = None) -> Fit | None:
        """The verdict about a file of the catalogue now, an installed one as it is loaded: under a millisecond. None
        while the machine, what is free on it, or the size of the file is unknown."""
        machine = self._machines.known
        if machine is None or machine.memory.free_bytes is None:
            return None
        return self._judged(model, quant, context, machine)

    def usual(self, model: CatalogModel, quant: Quant | None, context: int | None = None) -> Fit | None:
        """The same on a usual day of this machine, loaded as the settings say, whatever runs at the moment and however
        one file is loaded: what to get is chosen by that."""
        machine = self._machines.known
        return None if machine is None else self._judged(model, quant, context, machine, usual=True)

    def has(self, model: CatalogModel, quant: Quant) -> bool:
        """Whether a file of the catalogue is installed."""
        return any(item.is_of(model, quant) for item in self._installed())

    def recommend(self, models: Iterable[CatalogModel], purpose: Purpose) -> Recommendation | None:
        """What to take for a purpose; None while the machine is unknown. Some milliseconds."""
        from qwen_desktop.services import advisor  # noqa: PLC0415 - only once somebody asks for advice

        machine = self._machines.known
        return None if machine is None else advisor.recommend(models, machine, purpose, self)

    def _judged(
        self, model: CatalogModel, quant: Quant | None, context: int | None, machine: Machine, *, usual: bool = False
    ) -> Fit | None:
        basis = (machine, self._settings.engine, self._known)
        if len(self._basis) != len(basis) or any(a is not b for a, b in zip(self._basis, basis, strict=True)):
            self._basis = basis
            self._verdicts.clear()
        if quant is None:
            return None
        name = _name(model.repo, quant.name)
        key = (name, quant.size_bytes, context, usual)
        found = self._verdicts.get(key)
        if found is None:
            header = self._headers.get(name)
            if header is not None:
                shape, mmproj_bytes = header.found.shape, header.mmproj_bytes
            elif quant.size_bytes:
                shape = replace(for_quant(model.shape, quant.size_bytes), context_extended=model.stretched)
                mmproj_bytes = _mmproj_bytes(model)
            else:
                return None
            here = usual_day(machine) if usual else self._without_models(machine)
            use = self.use(context, mmproj_bytes=mmproj_bytes, path="" if usual else self._path(name))
            correction = self._correction(machine, header, name, use)
            found = replace(fit(shape, use, here, correction), exact=header is not None)
            self._verdicts[key] = found
        return found

    def _correction(self, machine: Machine, header: _Header | None, name: str, use: Use) -> Correction:
        fingerprint = header.found.fingerprint if header is not None else ""
        here, bandwidth = corrections.machine_name(machine), machine.bandwidth_bytes_per_s
        if not any((fingerprint and m.key == fingerprint) or (name and m.model == name) for m in self._known):
            fingerprint = name = ""  # one answer for all that were never loaded
        asked = (here, bandwidth, fingerprint, name, use.context)
        if self._taught_by is not self._known:
            self._taught_by, self._corrections = self._known, {}
        if asked not in self._corrections:
            self._corrections[asked] = corrections.correction(
                self._known, here, key=fingerprint, model=name, context=use.context, bandwidth=bandwidth
            )
        return self._corrections[asked]

    def _without_models(self, machine: Machine) -> Machine:
        """The machine without the models that were in its memory when it was looked at: they leave for another one."""
        if self._emptied is None or self._emptied[0] is not machine:
            given = sum(taken for since, taken in self._resident.values() if since < machine.taken_at)
            free = machine.memory.free_bytes
            here = replace(machine.memory, free_bytes=free + given) if free is not None else machine.memory
            self._emptied = machine, replace(machine, memory=here)
        return self._emptied[1]

    @property
    def _settings(self) -> Settings:
        return self._preferences.settings if self._preferences is not None else _DEFAULTS

    def _on_settings(self, event: SettingsChanged) -> None:
        if any(key.startswith("engine.") and key != "engine.model" for key in event.keys):
            self._tell()

    def _on_library(self, _event: LibraryChanged) -> None:
        before, self._own = self._own, self._with_options()
        if self._own != before:
            self._verdicts.clear()
            self._tell()

    def _with_options(self) -> list[tuple[str, str, LoadOptions]]:
        installed = self._installed()
        return [(i.path, _name(i.repo, i.quant), i.options) for i in installed if i.options != LoadOptions()]

    def _path(self, name: str) -> str:
        """The installed file of that name in the catalogue, "" for none."""
        return next((item.path for item in self._installed() if _name(item.repo, item.quant) == name), "")

    async def _look_for_draft_model(self, path: str, wish: str) -> None:
        """See what the small model that guesses for the one at ``path`` takes."""
        models = self._draft_models
        if path and models is not None and models.known_bytes(path, wish) is None:
            await models.bytes_of(path, wish)
            self._verdicts.clear()
            self._tell()

    def _tell(self) -> None:
        self._bus.publish(FitsChanged())

    # Files and addresses ---------------------------------------------------------------------------------------------

    async def of_reference(
        self,
        reference: str,
        *,
        context: int | None = None,
        kv_type: str | None = None,
        memory_bytes: int | None = None,
    ) -> FileFit:
        """The verdict about one file, from its own header: a path (also of a file that is only partly there), the
        address of a GGUF, or a repository with or without a quant. Loaded as ``use`` says.

        ``memory_bytes`` stands for this machine's free memory, without its graphics devices. Raises ``AppError``.
        """
        header, name = await self._header(reference.strip())
        found = header.found
        machine = await self._machines.machine()
        if memory_bytes is None:
            machine = self._without_models(machine)
        else:
            machine = replace(machine, memory=Memory(memory_bytes, memory_bytes), gpus=(), unused_gpus=())
        path = header.path or self._path(name)
        await self._look_for_draft_model(path, self.use(path=path).draft_model)
        use = self.use(context, kv_type=kv_type, mmproj_bytes=header.mmproj_bytes, path=path)
        correction = self._correction(machine, header, name, use)
        verdict = replace(fit(found.shape, use, machine, correction), exact=True)
        asked = verdict.memory
        if verdict.context != verdict.asked:
            asked_for = replace(use, context=verdict.asked)
            asked = memory.estimate(found.shape, asked_for, correction, gpu=verdict.gpu_layers > 0)
        return FileFit(
            reference=reference,
            name=found.name,
            quant=found.quant,
            shape=found.shape,
            fit=verdict,
            asked=asked,
            context=verdict.asked,
            use=use,
            size_bytes=found.size_bytes,
            fetched_bytes=found.fetched_bytes,
        )

    async def loaded(self, path: str) -> tuple[FileFit, Correction]:
        """The verdict about a file of this computer, loaded as ``use`` says, and what measured loads say about it: once
        read, quick for as long as the file stays as it is. Raises ``AppError``."""
        header, name = await self._of_file(path)
        found = header.found
        machine = self._without_models(self._machines.known or await self._machines.machine())
        use = self.use(mmproj_bytes=header.mmproj_bytes, path=path)
        correction = self._correction(machine, header, name, use)
        verdict = replace(fit(found.shape, use, machine, correction), exact=True)
        judged = FileFit(
            reference=path,
            name=found.name,
            quant=found.quant,
            shape=found.shape,
            fit=verdict,
            asked=verdict.memory,
            context=verdict.asked,
            use=use,
            size_bytes=found.size_bytes,
        )
        return judged, correction

    async def of_sizes(self, path: str, sizes: Iterable[int]) -> tuple[Fit, ...]:
        """The verdicts about smaller versions of a file of this computer, by their bytes. Raises ``AppError``."""
        header, _ = await self._of_file(path)
        machine = self._without_models(self._machines.known or await self._machines.machine())
        use, shape = self.use(mmproj_bytes=header.mmproj_bytes), header.found.shape
        return tuple(fit(for_quant(shape, size), use, machine) for size in sizes)

    async def needs(self, request: LoadRequest) -> int:
        """How many bytes of main memory must be free for a file to be loaded so; 0 when its header cannot be read,
        which the load itself will say."""
        try:
            header, name = await self._of_file(request.path)
        except AppError:
            return 0
        shape, machine = header.found.shape, self._machines.known
        context = request.context or Use().context
        use = Use(
            context=min(context, shape.longest_context) if shape.longest_context else context,
            kv_type=request.kv_type,
            flash_attention=request.flash_attention,
            mmproj_bytes=header.mmproj_bytes,
            streams=request.streams or 1,
        )
        if self._draft_models is not None:
            use = replace(use, draft_bytes=await self._draft_models.bytes_of(request.path, request.draft_model))
        known = self._correction(machine, header, name, use) if machine is not None else UNCORRECTED
        return memory.needed(memory.estimate(shape, use, known))

    async def _header(self, reference: str) -> tuple[_Header, str]:
        """The header that a reference means, and the file's name in the catalogue ("" where it is not of one)."""
        kept = self._headers.get(reference.lower())
        if kept is not None:
            return _Header(replace(kept.found, fetched_bytes=0), kept.mmproj_bytes), reference.lower()
        if not _URL.match(reference) and (await asyncio.to_thread(_is_there, reference) or _is_path(reference)):
            return await self._local(str(absolute(reference)))
        access = await hub_access(self._preferences, self._secrets)
        if _URL.match(reference) and is_gguf(urlsplit(reference).path):
            urls = [[_direct(reference)]]
            params: dict[str, Any] = {"urls": urls, "access": access.as_params()}
            return _Header(await self._call(self._transfers, params)), ""
        if self._catalogue is None:
            raise _not_found(unquote(reference)[:200])
        model = await self._catalogue.lookup(reference)
        quant = model.recommended_quant
        if quant is None or not quant.files:
            raise _not_found(unquote(reference)[:200])
        hubs = (model.hub,) if model.hub else access.hubs
        params = {
            "urls": _sources(model, tuple(file.path for file in quant.files), access, hubs),
            "access": access.as_params(),
            "repo": model.repo,
            "path": quant.files[0].path,
        }
        found = replace(await self._call(self._transfers, params), name=model.name, quant=quant.name)
        return self._keep(_name(model.repo, quant.name), _Header(found, _mmproj_bytes(model)))

    async def _local(self, path: str) -> tuple[_Header, str]:
        """The header of a file on this computer; of an installed model it is that of its entry in the catalogue too."""
        found = await self._call(self._jobs, {"file": path})
        item = next((item for item in self._installed() if item.path == path), None)
        if item is None:
            return _Header(found, path=path), ""
        mmproj_bytes = await asyncio.to_thread(_size, item.mmproj) if item.mmproj else 0
        if not item.repo or not item.quant:
            return _Header(found, mmproj_bytes, path), ""
        header, name = self._keep(_name(item.repo, item.quant), _Header(found, mmproj_bytes))
        return replace(header, path=path), name

    async def _of_file(self, path: str) -> tuple[_Header, str]:
        """The same, read once for as long as the file stays as it is."""
        stamp = await asyncio.to_thread(_stamp, path)
        if path not in self._read or self._read[path][0] != stamp:
            self._read[path] = stamp, await self._local(path)
        return self._read[path][1]

    def _keep(self, name: str, header: _Header) -> tuple[_Header, str]:
        if self._headers.get(name) != header:
            self._headers[name] = header
            self._verdicts.clear()
            self._tell()
        return header, name

    async def _call(self, worker: JobWorker, params: dict[str, Any]) -> RemoteHeader:
        return msgspec.convert(await worker.call("hub.header", params), RemoteHeader)

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
        await self.settled()

    async def settled(self) -> None:
        """Wait until all that was heard of is learned."""
        while self._learning:
            await asyncio.wait(self._learning)

    def _on_engine(self, event: EngineChanged) -> None:
        info = event.state.info
        if info is not None and info.local is not None and not info.local.guide:
            self._loaded[info.local.sha256] = info
            self._resident[event.ref] = time.time(), max(0, info.local.resident_bytes - info.local.mapped_bytes)
        else:
            self._resident.pop(event.ref, None)

    def _on_message(self, message: Message) -> None:
        made, stats = message.provenance, message.stats
        info = self._loaded.get(made.model_sha256) if made is not None else None
        if made is None or info is None or stats is None or not stats.resident_bytes:
            return
        if made.recipe is None or not made.recipe.alone:  # beside others it was slower than the model is
            stats = replace(stats, decode_tokens_per_s=0.0, prompt_tokens_per_s=0.0)
        elif stats.drafted_tokens:  # it was another speed than that of token by token
            stats = replace(stats, decode_tokens_per_s=0.0)
        self._later(self.learn(info, stats))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="fits.learn")
        self._learning.add(task)
        task.add_done_callback(self._learning.discard)

    async def _learn(self, info: ModelInfo, stats: Stats) -> None:
        machine = self._machines.known or await self._machines.machine()
        if info.local is None:
            return
        header, name = await self._of_file(info.local.path)
        threads = self.use(path=info.local.path).threads
        new = measurement(
            header.found.shape, machine, info.local, stats, context=info.context_size, threads=threads, model=name
        )
        if not (new.resident_bytes or new.decode or new.prompt):
            return
        before = self._taught(machine, new)
        async with self._writing:
            self._known = await asyncio.to_thread(_add, self._file, self._known, new)
        if self._taught(machine, new) != before:
            self._tell()

    def _taught(self, machine: Machine, new: Measurement) -> list[Correction]:
        """What is known about this file and about others."""
        return [
            corrections.correction(
                self._known, new.machine, key=key, context=new.context, bandwidth=machine.bandwidth_bytes_per_s
            )
            for key in (new.key, "")
        ]


def measurement(
    shape: Shape,
    machine: Machine,
    info: LocalInfo,
    stats: Stats,
    *,
    context: int,
    threads: int | None = None,
    model: str = "",
) -> Measurement:
    """What one answer of a loaded model says, beside what was predicted for just that, with a context of ``context``
    tokens. ``threads`` are those that were asked for.

    On graphics cards the memory is not ours to measure: only the speed is kept.
    """
    flash = "on" if info.flash_attention else "off"
    use = Use(context=context, kv_type=info.kv_type, batch=info.batch, flash_attention=flash, streams=stats.streams)
    weighed = stats.resident_bytes if not info.gpu_layers else 0
    predicted = memory.estimate(shape, use, filled=stats.context_most).total_bytes
    on_cards, experts = min(1.0, info.gpu_layers / (shape.layers + 1)), info.experts_on_cpu / max(1, shape.layers)
    written = stats.completion_tokens >= _FEWEST_WRITTEN
    read = stats.prompt_tokens - stats.cached_tokens >= _FEWEST_READ
    depth = max(0, stats.context_used - stats.completion_tokens // 2)
    decode = speed.decode(
        shape,
        machine,
        depth=depth,
        kv_type=info.kv_type,
        threads=threads,
        layers_on_cards=on_cards,
        experts_on_cpu=experts,
    )
    prompt = speed.prompt(shape, machine, threads=threads, layers_on_cards=on_cards, experts_on_cpu=experts)
    return Measurement(
        key=info.sha256,
        machine=corrections.machine_name(machine),
        context=context,
        kv_type=info.kv_type,
        flash=info.flash_attention,
        filled=stats.context_most,
        weights_bytes=shape.weights_bytes,
        resident_bytes=weighed,
        predicted_bytes=predicted if weighed else 0,
        decode=stats.decode_tokens_per_s if written and decode else 0.0,
        predicted_decode=decode or 0.0,
        prompt=stats.prompt_tokens_per_s if read and prompt else 0.0,
        predicted_prompt=prompt or 0.0,
        taken_at=time.time(),
        bandwidth=machine.bandwidth_bytes_per_s or 0.0,
        model=model,
    )


def _name(repo: str, quant: str) -> str:
    """What a file of the catalogue is known by."""
    return f"{repo}:{quant}".lower()


def _mmproj_bytes(model: CatalogModel) -> int:
    return sum(file.size_bytes for file in model.mmproj)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat()
    except OSError:  # the header's reader says what is wrong
        return 0, 0
    return found.st_size, found.st_mtime_ns


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


def _sources(model: CatalogModel, paths: tuple[str, ...], access: Access, hubs: tuple[str, ...]) -> list[list[str]]:
    """Where the parts of a file lie, first choice first."""
    repos = {"huggingface": model.repo, "modelscope": model.modelscope}
    places = [(hub, repos[hub]) for hub in hubs if repos[hub]]
    return [[api.file_url(hub, repo, path, model.revision, access=access) for path in paths] for hub, repo in places]
