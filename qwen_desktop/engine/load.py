"""Loading: from a request to a session that answers, with what this machine can give. Worker side."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from qwen_desktop.core import memory
from qwen_desktop.core.engine import LoadRequest, ModelInfo
from qwen_desktop.core.fit import layers_on
from qwen_desktop.core.gguf import GgufHeader, read_header
from qwen_desktop.core.hardware import each_once
from qwen_desktop.core.memory import Use
from qwen_desktop.core.shape import Shape as ModelShape
from qwen_desktop.core.shape import shape_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine import fit, load_errors
from qwen_desktop.engine.answer import memory_bytes
from qwen_desktop.engine.devices import list_devices
from qwen_desktop.engine.held import held_bytes, let_go
from qwen_desktop.engine.llama import Flag, Library, Model
from qwen_desktop.engine.llama_context import Context, ContextError, Shape, flash_default
from qwen_desktop.engine.session import Session
from qwen_desktop.engine.templates import Template

log = logging.getLogger(__name__)


def load(
    library: Library,
    request: LoadRequest,
    flag: Flag,
    progress: Callable[[float, int], bool],
    before: Session | None = None,
    *,
    base: int = 0,
) -> Session:
    """Load the model of ``request``. ``progress(fraction, total_bytes)`` returns False to stop.

    ``before`` is the session that is loaded now: its weights are kept when only the context or the threads differ,
    and it is closed in any case. ``base`` is what this process held before any model. Raises ``AppError``.
    """
    began = time.monotonic()
    try:
        header = read_header(request.path)
        shape = shape_of(header)
        template = Template(request.template or header.chat_template)
        template.fit()  # before gigabytes are read for a model that would not see the question
        model = _kept(before, header, request, library)
        if before is not None:
            before.context.close()
            if model is None:
                before.close()
        free = fit.available_memory()
        if model is None:
            progress(0.0, header.size_bytes)
            layers = request.gpu_layers if request.gpu_layers is not None else _gpu_layers(library, shape, request)
            model = library.load(header, layers, lambda part: progress(part, header.size_bytes))
            model.asked_layers = request.gpu_layers
            if model.copied_bytes:
                let_go(header, model.copied_bytes)
            free = min(free - shape.weights_bytes, fit.available_memory())
    except BaseException:
        if before is not None:
            before.close()
        raise
    try:
        if not model.can_generate:
            raise load_errors.cannot_chat(Path(request.path).name)
        template.set_tokens(bos=model.bos, eos=model.eos)
        threads = request.threads or fit.usual_threads()
        context = _context(model, shape, request, threads=threads, free=free, flag=flag, gpu=library.gpu)
    except BaseException:
        model.close()
        raise
    info = _info(library, model, header, request, context=context, template=template, seconds=time.monotonic() - began)
    info = msgspec.structs.replace(info, held_bytes=max(0, held_bytes() - base))
    pace = fit.Pace(threads) if request.threads is None else None
    if pace is not None:
        context.set_threads(write=pace.write.threads, read=pace.read.threads)
    return Session(model, context, template, info, pace, base=base)


def _gpu_layers(library: Library, shape: ModelShape, request: LoadRequest) -> int | None:
    """As many layers as the free memory of the graphics devices holds; None (all) when they do not tell it."""
    if not library.gpu:
        return 0
    try:
        gpus = list_devices(library)
    except (AttributeError, OSError, ValueError) as error:  # a build that does not tell: as llama.cpp sees fit
        log.info("devices.unknown kind=%s", type(error).__name__)
        return None
    if not any(gpu.free_bytes for gpu in gpus):
        return None
    cards = each_once(
        [gpu for gpu in gpus if gpu.kind == "gpu"] or gpus
    )  # llama.cpp leaves integrated graphics out beside cards
    context = fit.ladder(request.context, shape.context_train)[0]
    use = Use(context=context, kv_type=request.kv_type, flash_attention=request.flash_attention)
    return layers_on(shape, use, cards)


def _kept(before: Session | None, header: GgufHeader, request: LoadRequest, library: Library) -> Model | None:
    """The weights that are loaded already, when they are the ones asked for."""
    if before is None or before.model.pointer is None or before.model.header.fingerprint != header.fingerprint:
        return None
    same = not library.gpu or before.model.asked_layers == request.gpu_layers
    return before.model if same and before.model.header.path == header.path else None


def _context(
    model: Model, shape: ModelShape, request: LoadRequest, *, threads: int, free: int, flag: Flag, gpu: bool
) -> Context:
    """The largest context that was asked for and fits; memory is checked first, since systems promise more than
    they have and then end the process."""
    flash = request.flash_attention
    if request.kv_type != "f16":
        flash = "on"  # llama.cpp needs it for a quantized cache
    elif flash == "auto":
        flash = flash_default(gpu=gpu)
    chunk = memory.chunk(model.parameters, gpu=gpu and model.gpu_layers > 0)
    sizes = fit.ladder(request.context, model.context_train)
    for size in sizes:
        cost = fit.context_bytes(shape, size, kv_type=request.kv_type, flash=flash == "on", chunk=chunk)
        if cost > free * 0.9 and size != sizes[-1] and not (gpu and model.gpu_layers):
            continue
        try:
            return Context(model, Shape(size, threads, chunk, flash, request.kv_type), flag)
        except ContextError:
            continue
    raise load_errors.no_memory(Path(request.path).name)


def _info(
    library: Library,
    model: Model,
    header: GgufHeader,
    request: LoadRequest,
    *,
    context: Context,
    template: Template,
    seconds: float,
) -> ModelInfo:
    return ModelInfo(
        path=request.path,
        name=header.name,
        architecture=header.architecture,
        quant=header.quant,
        size_bytes=header.size_bytes,
        parameters=model.parameters,
        context_size=context.size,
        context_train=model.context_train,
        threads=context.shape.threads,
        gpu_layers=model.gpu_layers,
        flash_attention=context.shape.flash == "on" or (context.shape.flash == "auto" and library.gpu),
        kv_type=context.shape.kv_type,
        sha256=header.fingerprint,
        template_sha256=hashlib.sha256(template.source.encode()).hexdigest(),
        template_source="repaired" if request.template else "file" if template.own else "fallback",
        thinking=template.thinking,
        guide=header.guide,
        engine=library.version,
        cpu=library.cpu,
        batch=context.shape.chunk,
        load_s=round(seconds, 3),
        memory_bytes=memory_bytes(),
        notices=tuple(
            notice
            for notice in (
                fit.notice(request.context, context.size, model.context_train),
                _template_notice(template),
                _tokenizer_notice(model),
            )
            if notice is not None
        ),
    )


def _template_notice(template: Template) -> Text | None:
    """The sentence for a file without a chat template."""
    if template.own:
        return None
    return Text(
        "template.none",
        QT_TRANSLATE_NOOP(
            "engine",
            "This file has no chat template, so Qwen's is used. If the answers are odd, open a chat (Instruct) model.",
        ),
    )


def _tokenizer_notice(model: Model) -> Text | None:
    """The sentence for a file that was converted without saying how text becomes words."""
    if not model.degraded:
        return None
    return Text(
        "tokenizer.degraded",
        QT_TRANSLATE_NOOP(
            "engine",
            "This file does not say how its text is split into tokens, so the answers are worse than the model's own;"
            " get a newer file of it.",
        ),
    )
