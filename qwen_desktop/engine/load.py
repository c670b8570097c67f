"""Loading: from a request to a session that answers, with what this machine can give. Worker side."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from qwen_desktop.core import memory
from qwen_desktop.core.engine import Capabilities, LoadRequest, LocalInfo, ModelInfo
from qwen_desktop.core.fit import layers_on
from qwen_desktop.core.gguf import GgufHeader, read_header
from qwen_desktop.core.hardware import each_once
from qwen_desktop.core.memory import Use
from qwen_desktop.core.shape import Shape as ModelShape
from qwen_desktop.core.shape import shape_of
from qwen_desktop.core.speed import usual_threads
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine import autotune, load_errors
from qwen_desktop.engine.devices import list_devices
from qwen_desktop.engine.generation import memory_bytes
from qwen_desktop.engine.llama import ALL_LAYERS, Flag, LlamaLibrary, Model
from qwen_desktop.engine.llama_context import Context, ContextError, ContextShape
from qwen_desktop.engine.session import Session
from qwen_desktop.engine.templates import Template
from qwen_desktop.hardware import cpu
from qwen_desktop.hardware import memory as main_memory

log = logging.getLogger(__name__)

_MAPS = Path("/proc/self/maps")
_MADV_DONTNEED = 4
_NO_TEMPLATE = QT_TRANSLATE_NOOP(
    "engine",
    "This file has no chat template, so Qwen's is used. If the answers are odd, open a chat (Instruct) model.",
)
#: It was converted without saying how text becomes words.
_NO_SPLITTING = QT_TRANSLATE_NOOP(
    "engine",
    "This file does not say how its text is split into tokens, so the answers are worse than the model's own;"
    " get a newer file of it.",
)


def load(
    library: LlamaLibrary,
    request: LoadRequest,
    flag: Flag,
    progress: Callable[[float, int], bool],
    before: Session | None = None,
    *,
    base: main_memory.Resident,
) -> Session:
    """Load the model of ``request``. ``progress(fraction, total_bytes)`` returns False to stop.

    ``before`` is the session that is loaded now; it is closed in any case, and its weights stay when they are the ones
    asked for: then only the context is made anew and nothing is told to ``progress``. After a failure nothing is
    loaded. ``base`` is what this process held before any model. Raises ``AppError``.
    """
    began = time.monotonic()
    model = None
    if before is not None:
        model = before.release()
        _trim()  # its context's memory is free for the new one
    try:
        same = model is not None and model.header.path == request.path and model.files == (_files(model.header) or None)
        header = model.header if model is not None and same else read_header(request.path)
        shape = shape_of(header)
        template = Template(request.template or header.chat_template)
        template.fit()  # before gigabytes are read for a model that would not see the question
        layers = _gpu_layers(library, shape, request, model.card_bytes if model is not None else 0)
        if model is not None and not (same and layers == model.gpu_layers):
            model.close()
            model = None
        if model is None:
            progress(0.0, header.size_bytes)
            files = _files(header)
            model = library.load(header, layers, lambda part: progress(part, header.size_bytes))
            model.files = files
            if model.copied_bytes or model.card_bytes:
                let_go(header.parts)
        if not model.can_generate:
            raise load_errors.cannot_chat(Path(request.path).name)
        template.set_tokens(bos=model.bos, eos=model.eos)
        cores = cpu.cores()
        threads = request.threads or request.most_threads or usual_threads(cores)
        context = _context(
            model, shape, request, threads=threads, room=_room(model, shape, base.own), flag=flag, gpu=library.gpu
        )
    except BaseException:
        if model is not None:
            model.close()
        raise
    seconds, held = time.monotonic() - began, model.resident_bytes(base)
    info = _info(library, request, context, template, seconds=seconds, held=held)
    pace = None
    if request.threads is None:
        pace = autotune.Pace(cores, most_write=request.most_threads, most_read=request.most_read_threads)
    if pace is not None:
        context.set_threads(write=pace.write.threads, read=pace.read.threads)
    return Session(model, context, template, info, pace, base=base)


def _files(header: GgufHeader) -> tuple[tuple[int, ...], ...]:
    """What tells whether the files are still those that were loaded; empty when one of them is gone."""
    try:
        found = [Path(path).stat() for path in header.parts]
    except OSError:
        return ()
    return tuple((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in found)


def _trim() -> None:
    """Give freed memory back to the system: small blocks stay with the C library otherwise, some MB at each change."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):  # a C library of another kind
            ctypes.CDLL(None).malloc_trim(0)


def let_go(paths: tuple[str, ...]) -> None:
    """Take the pages of mapped model files out of this process: those that are used come back when they are touched.

    llama.cpp maps a file whole, so weights that it keeps elsewhere (rearranged for the processor, on a graphics card)
    would be counted twice by everybody who looks at this process: system monitors, the system when it is short of
    memory and chooses what to end, our own measurements. Linux only; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    names = {os.path.realpath(path) for path in paths}
    try:
        advise = ctypes.CDLL(None).madvise
        advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for line in os.fsdecode(_MAPS.read_bytes()).split("\n"):
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[1].startswith("r-") and fields[5] in names:
                first, _, last = fields[0].partition("-")
                advise(int(first, 16), int(last, 16) - int(first, 16), _MADV_DONTNEED)
    except (OSError, ValueError, AttributeError) as error:
        log.info("let_go.failed kind=%s", type(error).__name__)


def _gpu_layers(library: LlamaLibrary, shape: ModelShape, request: LoadRequest, back: int = 0) -> int:
    """The layers for graphics devices: those asked for, else as many as their free memory holds, all when they do not
    tell it. ``back`` bytes on them are the present model's."""
    if not library.gpu:
        return 0
    if request.gpu_layers is not None:
        return request.gpu_layers
    try:
        gpus = list_devices(library)
    except (AttributeError, OSError, ValueError) as error:  # a build that does not tell: as llama.cpp sees fit
        log.info("devices.unknown kind=%s", type(error).__name__)
        return ALL_LAYERS
    if not any(gpu.free_bytes for gpu in gpus):
        return ALL_LAYERS
    # llama.cpp leaves integrated graphics out beside cards
    cards = each_once([gpu for gpu in gpus if gpu.kind == "gpu"] or gpus)
    context = autotune.ladder(request.context, shape.context_train)[0]
    use = Use(context=context, kv_type=request.kv_type, flash_attention=request.flash_attention)
    gain = 1 + back / (sum(gpu.free_bytes or 0 for gpu in cards) or 1)  # llama.cpp spreads a model by what is free
    freed = [replace(gpu, free_bytes=gpu.free_bytes and int(gpu.free_bytes * gain)) for gpu in cards]
    return layers_on(shape, use, freed)


def _room(model: Model, shape: ModelShape, base: int) -> int | None:
    """Bytes of main memory that a context of the loaded ``model`` may take; None when that cannot be known.

    What is free now and what this process has taken beyond ``base`` is together what there was for the model, and of
    that its weights need all. So it does not matter which of them are copies (taken already), mapped pages (which count
    as free on Linux, however warm, and as taken elsewhere) or not read yet.

    The warm pages of other models count as free too, and that does no harm: beside others a model is loaded only when
    what it needs for the whole context asked for is free without those pages (``services.engines``), and more than
    asked for it never gets. One that needs a smaller context is alone.
    """
    free = main_memory.read().free_bytes
    if free is None:
        return None
    taken = main_memory.resident().own - base
    return free + taken - model.main_bytes - memory.overhead_bytes(shape, 0)


def _context(
    model: Model, shape: ModelShape, request: LoadRequest, *, threads: int, room: int | None, flag: Flag, gpu: bool
) -> Context:
    """The largest context that was asked for and fits; memory is checked first, since systems promise more than
    they have and then end the process."""
    flash = request.flash_attention
    if request.kv_type != "f16":
        flash = "on"  # llama.cpp needs it for a quantized cache
    elif flash == "auto":
        # On the processor alone flash attention halves the decode speed at depth (measured: 17 against 8.7 tokens/s
        # at 4,096 tokens) and reads prompts a quarter faster; an answer is decoded. With a card llama.cpp decides.
        flash = "auto" if gpu else "off"
    chunk = memory.chunk(model.parameters, gpu=gpu and model.gpu_layers > 0)
    sizes = autotune.ladder(request.context, model.context_train)
    for size in sizes:
        cost = autotune.context_bytes(
            shape, size, kv_type=request.kv_type, flash=flash == "on", chunk=chunk, gpu_layers=model.gpu_layers
        )
        if room is not None and cost and cost > room * memory.SHARE and size != sizes[-1]:
            continue
        try:
            return Context(model, ContextShape(size, threads, chunk, flash, request.kv_type), flag)
        except ContextError:
            continue
    raise load_errors.no_memory(Path(request.path).name)


def _info(
    library: LlamaLibrary, request: LoadRequest, context: Context, template: Template, *, seconds: float, held: int
) -> ModelInfo:
    model = context.model
    header = model.header
    local = LocalInfo(
        path=request.path,
        architecture=header.architecture,
        quant=header.quant,
        size_bytes=header.size_bytes,
        parameters=model.parameters,
        context_train=model.context_train,
        threads=context.shape.threads,
        gpu_layers=model.gpu_layers,
        flash_attention=context.shape.flash == "on" or (context.shape.flash == "auto" and library.gpu),
        kv_type=context.shape.kv_type,
        sha256=header.fingerprint,
        template_sha256=hashlib.sha256(template.source.encode()).hexdigest(),
        template_source="repaired" if request.template else "file" if template.own else "fallback",
        guide=header.guide,
        cpu=library.cpu,
        batch=context.shape.chunk,
        load_s=round(seconds, 3),
        memory_bytes=memory_bytes(),
        resident_bytes=held,
        mapped_bytes=model.mapped_bytes if main_memory.resident().files else 0,
    )
    return ModelInfo(
        name=header.name,
        context_size=context.size,
        capabilities=Capabilities(thinking=template.thinking),
        engine=library.version,
        local=local,
        notices=tuple(_notices(request, context, template)),
    )


def _notices(request: LoadRequest, context: Context, template: Template) -> Iterator[Text]:
    """What was not given as asked for, and what is wrong with the file."""
    smaller = autotune.notice(request.context, context.size, context.model.context_train)
    if smaller is not None:
        yield smaller
    if not template.own:
        yield Text("template.none", _NO_TEMPLATE)
    if context.model.degraded:
        yield Text("tokenizer.degraded", _NO_SPLITTING)
