"""Loading: from a request to a session that answers, with what this machine can give. Worker side."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from qwen_desktop.core.engine import LoadRequest, ModelInfo
from qwen_desktop.core.gguf import GgufHeader, read_header
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine import fit, load_errors
from qwen_desktop.engine.answer import memory_bytes
from qwen_desktop.engine.llama import Flag, Library, Model
from qwen_desktop.engine.llama_context import Context, ContextError, Shape, flash_default
from qwen_desktop.engine.session import Session
from qwen_desktop.engine.templates import Template


def load(
    library: Library,
    request: LoadRequest,
    flag: Flag,
    progress: Callable[[float, int], bool],
    before: Session | None = None,
) -> Session:
    """Load the model of ``request``. ``progress(fraction, total_bytes)`` returns False to stop.

    ``before`` is the session that is loaded now: its weights are kept when only the context or the threads differ,
    and it is closed in any case. Raises ``AppError``.
    """
    began = time.monotonic()
    try:
        header = read_header(request.path)
        model = _kept(before, header, request, library)
        if before is not None:
            before.context.close()
            if model is None:
                before.close()
        free = fit.available_memory()
        if model is None:
            progress(0.0, header.size_bytes)
            model = library.load(header, request.gpu_layers, lambda part: progress(part, header.size_bytes))
            free = min(free - header.size_bytes, fit.available_memory())
    except BaseException:
        if before is not None:
            before.close()
        raise
    try:
        if not model.can_generate:
            raise load_errors.cannot_chat(Path(request.path).name)
        template = Template(header.chat_template, bos=model.bos, eos=model.eos)
        threads = request.threads or fit.usual_threads()
        context = _context(model, header, request, threads=threads, free=free, flag=flag, gpu=library.gpu)
    except BaseException:
        model.close()
        raise
    info = _info(library, model, header, request, context=context, template=template, seconds=time.monotonic() - began)
    pace = fit.Pace(threads) if request.threads is None else None
    if pace is not None:
        context.set_threads(write=pace.write.threads, read=pace.read.threads)
    return Session(model, context, template, info, pace)


def _kept(before: Session | None, header: GgufHeader, request: LoadRequest, library: Library) -> Model | None:
    """The weights that are loaded already, when they are the ones asked for."""
    if before is None or before.model.pointer is None or before.model.header.fingerprint != header.fingerprint:
        return None
    wanted = request.gpu_layers if request.gpu_layers is not None else (999 if library.gpu else 0)
    same = before.model.gpu_layers == (wanted if library.gpu else 0)
    return before.model if same and before.model.header.path == header.path else None


def _context(
    model: Model, header: GgufHeader, request: LoadRequest, *, threads: int, free: int, flag: Flag, gpu: bool
) -> Context:
    """The largest context that was asked for and fits; memory is checked first, since systems promise more than
    they have and then end the process."""
    flash = request.flash_attention
    if request.kv_type != "f16":
        flash = "on"  # llama.cpp needs it for a quantized cache
    elif flash == "auto":
        flash = flash_default(gpu=gpu)
    chunk = 512 if gpu and model.gpu_layers else _chunk(model.parameters)
    sizes = fit.ladder(request.context, model.context_train)
    for size in sizes:
        cost = fit.context_bytes(header, size, kv_type=request.kv_type, flash=flash == "on", chunk=chunk)
        if cost > free * 0.9 and size != sizes[-1] and not (gpu and model.gpu_layers):
            continue
        try:
            return Context(model, Shape(size, threads, chunk, flash, request.kv_type), flag)
        except ContextError:
            continue
    raise load_errors.no_memory(Path(request.path).name)


def _chunk(parameters: int) -> int:
    """Tokens evaluated at once: fixed for a model, so that results repeat, and small enough that the progress shows
    some movement each second on a processor."""
    return 128 if parameters < 2_000_000_000 else 64 if parameters < 10_000_000_000 else 32


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
        template_source="file" if template.own else "fallback",
        thinking=template.thinking,
        guide=header.guide,
        engine=library.version,
        load_s=round(seconds, 3),
        memory_bytes=memory_bytes(),
        notice=fit.notice(request.context, context.size, model.context_train) or _template_notice(template),
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
