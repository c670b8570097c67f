"""Loading: from a request to a session that answers, with what this machine can give. Worker side."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from qwen_desktop.core import memory, placement, tuning, yarn
from qwen_desktop.core.engine import Capabilities, CardPart, LoadRequest, LocalInfo, ModelInfo
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.gguf import CHATS, MODELS, Kind, NotChat, read_header
from qwen_desktop.core.shape import Shape as ModelShape
from qwen_desktop.core.shape import shape_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine import autotune, embedding, load_errors, pages, sampling_defaults, soft_switches, streams
from qwen_desktop.engine.attempts import Attempts
from qwen_desktop.engine.drafting import draft_model
from qwen_desktop.engine.generation import memory_bytes
from qwen_desktop.engine.llama import Flag, LlamaLibrary, Model
from qwen_desktop.engine.llama_context import Context, ContextError, ContextShape
from qwen_desktop.engine.pace import Pace
from qwen_desktop.engine.prompt_cache import cache as prompt_cache
from qwen_desktop.engine.session import Session
from qwen_desktop.engine.templates import Template
from qwen_desktop.hardware import cpu
from qwen_desktop.hardware import memory as main_memory
from qwen_desktop.process.priority import put_above_others

log = logging.getLogger(__name__)

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
# fmt: off
_STRETCHED = QT_TRANSLATE_NOOP(
    "engine",
    "The context of %n token(s) is stretched with YaRN ×{factor}, since this model was trained with {train}:"
    " short texts may get slightly worse.",
)
# fmt: on


#: What llama.cpp needs for its graphs: where that cannot be had it ends the process.
_GRAPH = 48 * 1024 * 1024
#: A conversation's context where none is wanted, in tokens: llama.cpp makes no smaller one.
_EMBEDS = 256


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
    places = cpu.places()
    # first: it looks at other programs while this one loads
    most_read = request.read_threads or request.most_read_threads
    pace = Pace(places, most_write=request.most_threads, most_read=most_read) if request.threads is None else None
    # with a thread on each processor the window could not even stop an answer
    put_above_others(request.priority and (request.threads or places.usual) < places.logical)
    model, writer, guessing = None, None, None
    if before is not None:
        guessing = before.drop_draft_model(kept=True)
        model, writer = before.release(), before.kept.writer if before.kept is not None else None
        pages.trim()  # its context's memory is free for the new one
    try:
        same = (
            model is not None
            and model.header.path == request.path
            and model.files == (pages.files_of(model.header) or None)
        )
        embeds = request.purpose == "embed"
        kinds = MODELS if embeds else CHATS
        header = model.header if model is not None and same else read_header(request.path, kinds=kinds)
        if header.kind not in kinds:
            raise NotChat(Path(request.path), header.kind)
        shape = shape_of(header)
        if embeds:
            request = replace(request, context=_EMBEDS)
        template = Template(None if header.kind is not Kind.CHAT else request.template or header.chat_template)
        if not embeds:
            template.fit()  # before gigabytes are read for a model that would not see the question
        model = _kept(model, if_so=same)
        guessing = _kept(guessing, if_so=same and guessing is not None and guessing.header.path == request.draft_model)
        beside = guessing.copied_bytes if guessing is not None else 0
        attempts = Attempts(library, request, header, shape, model, progress=progress, base=base.own + beside)
        model = None  # theirs now, also when they fail
        context = attempts.run(
            lambda loaded, room, every: _context(
                loaded,
                shape,
                request,
                threads=request.threads or request.most_threads or places.usual,
                room=room,
                flag=flag,
                gpu=library.gpu,
                every=every,
            )
        )
    except BaseException:
        for each in (model, guessing):
            _kept(each, if_so=False)
        raise
    model = context.model
    template.set_tokens(bos=model.bos, eos=model.eos)
    seconds, held = time.monotonic() - began, max(0, model.resident_bytes(base) - beside)
    told = attempts.notice()
    parallel, border = streams.more(library, context, request.streams), _border(request, context)
    info = _info(library, request, shape, context, template, seconds=seconds, held=held, told=told)
    local = info.local and replace(info.local, parallel=parallel, flash_until=border)
    info = replace(info, local=local)
    if pace is not None:
        context.set_threads(write=pace.write.threads, read=pace.read.threads)
    elif request.read_threads is not None:
        context.set_threads(read=request.read_threads)
    session = Session(
        model,
        context,
        template,
        info,
        pace,
        base=base,
        streams=lambda: streams.more(library, context, request.streams),
        cells=lambda sequences: streams.cells(library, context, sequences),
        border=border,
        batch_width=request.batch_rows or tuning.ROWS[-1],
        kept=prompt_cache.make(request, info, model.header.parts, writer),
    )
    able = replace(
        info.capabilities,
        embeddings=embedding.can_embed(session),
        rerank=embedding.has_head(header),
        chat=header.kind is Kind.CHAT,
    )
    session.info = replace(info, capabilities=able)
    _add_draft_model(library, request, flag, session, guessing, base=base)
    return session


def _kept(model: Model | None, *, if_so: bool) -> Model | None:
    """Weights, where there are any, or None once they are freed."""
    if model is None or if_so:
        return model
    model.close()
    return None


def _add_draft_model(
    library: LlamaLibrary,
    request: LoadRequest,
    flag: Flag,
    session: Session,
    kept: Model | None,
    *,
    base: main_memory.Resident,
) -> None:
    """Have a small model guess for this one, where that is asked for: ``kept`` are its weights, where they are loaded.
    Where it cannot be had, a notice says so, and the answers come without."""
    costs, info = session.costs, session.info
    if not request.draft_model or costs is None:
        _kept(kept, if_so=False)
        return
    try:
        made = draft_model.load(library, request.draft_model, session.context, flag, costs, kept=kept)
    except AppError as error:
        log.warning("draft_model.refused code=%s", error.problem.what.code)
        session.info = replace(info, notices=(*info.notices, error.problem.what))
        return
    session.guesses_with(made)
    if session.pace is not None:
        made.context.set_threads(write=session.pace.write.threads, read=session.pace.read.threads)
    if info.local is not None:
        resident = max(info.local.resident_bytes, session.model.resident_bytes(base))
        mapped = info.local.mapped_bytes + (made.model.mapped_bytes if main_memory.resident().files else 0)
        local = replace(info.local, resident_bytes=resident, mapped_bytes=mapped, draft_model=made.model.header.name)
        session.info = replace(info, local=local)


def _border(request: LoadRequest, context: Context) -> int:
    """How many tokens of a conversation are computed with flash attention where the context does without."""
    made = context.shape
    if not request.flash_until or made.flash != "off" or made.kv_type != "f16":
        return 0
    model = context.model
    return 0 if model.recurrent or model.sliding else min(request.flash_until, context.size // 2)


def _context(
    model: Model,
    shape: ModelShape,
    request: LoadRequest,
    *,
    threads: int,
    room: int | None,
    flag: Flag,
    gpu: bool,
    every: bool = True,
) -> Context:
    """The largest context that was asked for and fits; memory is checked first, since systems promise more than
    they have and then end the process. Where not ``every`` size may be tried, only the largest is that main memory
    holds. Raises ``Environment``."""
    flash = request.flash_attention
    if memory.needs_flash(request.kv_type):
        flash = "on"  # llama.cpp needs it for quantized values
    elif flash == "auto":
        # On the processor alone flash attention halves the decode speed at depth (measured: 17 against 8.7 tokens/s
        # at 4,096 tokens) and reads prompts a quarter faster; an answer is decoded. With a card llama.cpp decides.
        flash = "auto" if gpu else "off"
    chunk = memory.chunk(model.parameters, gpu=gpu and model.gpu_layers > 0)
    kv_type = memory.chosen(request.kv_type)
    rows = 1 if request.drafts == "off" or model.sliding else memory.draft_rows(shape)
    sizes = autotune.ladder(request.context, max(model.context_train, shape.context_extended))
    for tokens in sizes:
        cost = autotune.context_bytes(
            shape, tokens, kv_type=kv_type, flash=flash == "on", chunk=chunk, gpu_layers=model.gpu_layers
        )
        if room is not None and cost and cost > room * memory.SHARE and tokens != sizes[-1]:
            continue
        if not pages.can_have(max(0, cost - memory.MARGIN) + _GRAPH):
            continue
        stretched = yarn.needed(tokens, model.context_train, shape.context_extended)
        try:
            return Context(
                model, ContextShape(tokens, threads, chunk, flash, kv_type, yarn=stretched, outputs=rows), flag
            )
        except ContextError:
            if not every:
                break
    raise load_errors.no_memory(Path(request.path).name)


def _info(
    library: LlamaLibrary,
    request: LoadRequest,
    shape: ModelShape,
    context: Context,
    template: Template,
    *,
    seconds: float,
    held: int,
    told: Text | None,
) -> ModelInfo:
    model, made = context.model, context.shape
    header = model.header
    local = LocalInfo(
        path=request.path,
        architecture=header.architecture,
        quant=header.quant,
        size_bytes=header.size_bytes,
        parameters=model.parameters,
        context_train=model.context_train,
        threads=made.threads,
        gpu_layers=model.gpu_layers,
        flash_attention=made.flash == "on" or (made.flash == "auto" and library.gpu),
        kv_type=made.kv_type,
        sha256=header.fingerprint,
        template_sha256=hashlib.sha256(template.source.encode()).hexdigest(),
        template_source="repaired" if request.template else "file" if template.own else "fallback",
        guide=header.guide,
        cpu=library.cpu,
        batch=made.chunk,
        load_s=round(seconds, 3),
        memory_bytes=memory_bytes(),
        resident_bytes=held,
        mapped_bytes=model.mapped_bytes if main_memory.resident().files else 0,
        read_threads=request.read_threads or made.threads,
        experts_on_cpu=len(placement.experts_kept(shape, model.placed)),
        yarn_factor=made.yarn.factor if made.yarn is not None else 1.0,
        layers=shape.layers + 1,
        cards=tuple(CardPart(name, weights) for name, weights in model.cards.items()),
        goes_back=not model.sliding,
        thinking_sampling=sampling_defaults.defaults(header, thinking=True),
        direct_sampling=sampling_defaults.defaults(header, thinking=False),
    )
    return ModelInfo(
        name=header.name,
        context_size=context.size,
        capabilities=Capabilities(
            thinking=template.thinking, grammar=True, soft_switches=soft_switches.obeyed(header, template)
        ),
        engine=library.version,
        local=local,
        notices=tuple(_notices(request, shape, context, template, told)),
    )


def _notices(
    request: LoadRequest, shape: ModelShape, context: Context, template: Template, told: Text | None
) -> Iterator[Text]:
    """What was not given as asked for, and what is wrong with the file."""
    if told is not None:
        yield told
    train = context.model.context_train
    smaller = autotune.notice(request.context, context.size, max(train, shape.context_extended))
    if smaller is not None:
        yield smaller
    if context.shape.yarn is not None:
        factor = f"{context.shape.yarn.factor:g}"
        yield Text("context.yarn", _STRETCHED, {"n": context.size, "factor": factor, "train": train})
    if not template.own and request.purpose == "chat":
        yield Text("template.none", _NO_TEMPLATE)
    if context.model.degraded:
        yield Text("tokenizer.degraded", _NO_SPLITTING)
