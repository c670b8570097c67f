"""Attempts at a load: where a model does not fit the graphics cards, less of it goes there. Worker side."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from qwen_desktop.core import memory, placement
from qwen_desktop.core.amounts import size
from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.gguf import GgufHeader
from qwen_desktop.core.hardware import Gpu, each_once
from qwen_desktop.core.memory import Use
from qwen_desktop.core.placement import Placement
from qwen_desktop.core.shape import Shape
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Text
from qwen_desktop.engine import autotune, load_errors, pages
from qwen_desktop.engine.devices import list_devices
from qwen_desktop.engine.llama import LlamaLibrary, Model
from qwen_desktop.engine.llama_context import Context
from qwen_desktop.hardware import memory as main_memory

log = logging.getLogger(__name__)

# fmt: off
_PART = QT_TRANSLATE_NOOP(
    "engine",
    "%n of {all} layers (is|are) on the graphics card: of its memory {free} are free, and all layers need {needs}."
    " The processor does the rest.",
)
_EXPERTS = QT_TRANSLATE_NOOP(
    "engine",
    "The experts of %n layer(s) stay on the processor: of the graphics card's memory {free} are free, and the whole"
    " model needs {needs}.",
)
_NONE = QT_TRANSLATE_NOOP(
    "engine",
    "The model runs on the processor: of the graphics card's memory {free} are free, and the whole model needs"
    " {needs}.",
)
_LESS = QT_TRANSLATE_NOOP(
    "engine",
    "%n of {all} layers (is|are) on the graphics card: its memory holds no more. The processor does the rest.",
)
_NOTHING = QT_TRANSLATE_NOOP(
    "engine", "The model runs on the processor: the graphics card's memory does not hold it.",
)
_REFUSED = QT_TRANSLATE_NOOP(
    "engine", "The model runs on the processor, since the graphics card could not be used ({reason}).",
)
# fmt: on


class Attempts:
    """Weights and context, at first as they were asked for, then with less and less on the graphics cards.

    The context that was promised stays as long as layers can leave the cards instead; it gets smaller only where main
    memory has no place for more layers. ``model`` is one of the same file that is loaded now. What fails by itself is
    stepped down from: no figure of a driver is trusted.
    """

    def __init__(
        self,
        library: LlamaLibrary,
        request: LoadRequest,
        header: GgufHeader,
        shape: Shape,
        model: Model | None,
        *,
        progress: Callable[[float, int], bool],
        base: int,
    ) -> None:
        self._library, self._request, self._header, self._shape = library, request, header, shape
        self._model, self._progress, self._base = model, progress, base
        size = autotune.ladder(request.context, shape.longest_context)[0]
        self._use = Use(
            context=size,
            kv_type=request.kv_type,
            flash_attention=request.flash_attention,
            gpu_layers=request.gpu_layers,
            experts_on_cpu=request.experts_on_cpu,
        )
        self._cards = cards_of(library, model.card_bytes if model is not None else 0)
        self._refused: AppError | None = None

    def run(self, make: Callable[[Model, int | None, bool], Context]) -> Context:
        """The context of the first attempt that succeeds. ``make`` gets the weights, the bytes of main memory for it,
        and whether it may be smaller than asked for to fit a card. Raises ``AppError`` of the last one; nothing is
        loaded then."""
        steps = self._steps()
        try:
            while True:
                placed, every = steps.pop(0)
                try:
                    model = self._weights(placed)
                    return make(model, room_for(model, self._shape, self._base), every)
                except AppError as error:
                    refused = load_errors.is_refusal(error)
                    if not steps or not (refused or load_errors.is_memory(error)):
                        raise
                    log.warning("load.again layers=%d code=%s", placed.layers, error.problem.what.code)
                    if refused:  # a driver, perhaps: the processor will say whether it is the file
                        self._refused = error
                        del steps[:-1]
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        if self._model is not None:
            self._model.close()
            self._model = None
            pages.trim()

    def _weights(self, placed: Placement) -> Model:
        if self._model is not None and self._model.placed != placed:
            self._close()
        if self._model is None:
            header, size = self._header, self._header.size_bytes
            self._progress(0.0, size)
            files = pages.files_of(header)
            self._model = self._library.load(
                header,
                placed,
                lambda part: self._progress(part, size),
                kept=placement.experts_kept(self._shape, placed),
                split=placement.split(self._shape, self._use, self._cards) if placed.layers else (),
            )
            self._model.files = files
            if self._model.copied_bytes or self._model.card_bytes:
                pages.let_go(header.parts)
        if not self._model.can_generate:
            say = load_errors.cannot_chat if self._request.purpose == "chat" else load_errors.cannot_embed
            raise say(Path(self._request.path).name)
        return self._model

    def _steps(self) -> list[tuple[Placement, bool]]:
        """What to try, in order, and whether the context may get smaller there."""
        if not self._library.gpu:
            return [(Placement(), True)]
        shape = self._shape
        first = placement.choose(shape, self._use, self._cards)
        if not first.layers:  # as asked for, or nothing fits
            return [(first, True)]
        free = replace(self._use, gpu_layers=None)
        *less, last = placement.fewer(first, shape, placement.choose(shape, free, self._cards))
        holds = self._holds(last)
        steps = [(step, False) for step in (first, *less) if step is first or self._holds(step)]
        return [*steps, *([] if holds else [(steps[-1][0], True)]), (last, True)]

    def _holds(self, placed: Placement) -> bool:
        """Whether main memory has a place for what is not on cards."""
        free = free_for(self._base)
        if free is None:
            return True
        need = memory.estimate(self._shape, self._use, gpu=True)
        weights, rest = placement.host_bytes(self._shape, self._use, need, placed)
        return weights + rest + memory.MARGIN <= free

    def notice(self) -> Text | None:
        """The sentence for what is not on a card although it could be there, and was not asked to stay away."""
        asked, shape, model = self._request, self._shape, self._model
        if not self._library.gpu or model is None:
            return None
        whole, placed = shape.layers + 1, model.placed
        most = whole if asked.gpu_layers is None else min(asked.gpu_layers, whole)
        kept = len(placement.experts_kept(shape, placed))
        if placed.layers >= most and kept <= (asked.experts_on_cpu or 0):
            return None
        if self._refused is not None:
            reason = str(self._refused.problem.what.params.get("reason", ""))
            return Text("gpu.refused", _REFUSED, {"reason": reason})
        return self._less(placed, kept if placed.layers >= most else 0)

    def _less(self, placed: Placement, kept: int) -> Text:
        """That not all of it is on a card: not the experts of ``kept`` layers, or else not all layers."""
        shape, whole = self._shape, self._shape.layers + 1
        plain: dict[str, Param] = {"all": whole, "n": kept or placed.layers}
        if not any(gpu.free_bytes for gpu in self._cards):  # a driver that does not tell
            return Text("gpu.less", _LESS, plain) if placed.layers else Text("gpu.nothing", _NOTHING)
        need = memory.estimate(shape, self._use, gpu=True)
        figures: dict[str, Param] = {
            **plain,
            "free": size(sum(gpu.free_bytes or 0 for gpu in self._cards)),
            "needs": size(placement.device_bytes(shape, self._use, need, Placement(whole))),
        }
        if not placed.layers:
            return Text("gpu.none", _NONE, figures)
        return Text("gpu.experts", _EXPERTS, figures) if kept else Text("gpu.part", _PART, figures)


def cards_of(library: LlamaLibrary, back: int = 0) -> tuple[Gpu, ...]:
    """The cards that llama.cpp gives layers to; none where this build does not tell. ``back`` bytes on them are the
    present model's."""
    if not library.gpu:
        return ()
    try:
        gpus = list_devices(library)
    except (AttributeError, OSError, ValueError) as error:
        log.info("devices.unknown kind=%s", type(error).__name__)
        return ()
    # llama.cpp leaves integrated graphics out beside cards
    cards = each_once([gpu for gpu in gpus if gpu.kind == "gpu"] or gpus)
    gain = 1 + back / (sum(gpu.free_bytes or 0 for gpu in cards) or 1)  # llama.cpp spreads a model by what is free
    return tuple(replace(gpu, free_bytes=gpu.free_bytes and int(gpu.free_bytes * gain)) for gpu in cards)


def free_for(base: int) -> int | None:
    """Bytes of main memory that there were for the model: what is free now, and what this process has taken beyond
    ``base``."""
    free = main_memory.read().free_bytes
    return None if free is None else free + main_memory.resident().own - base


def room_for(model: Model, shape: Shape, base: int) -> int | None:
    """Bytes of main memory that a context of the loaded ``model`` may take; None when that cannot be known.

    What is free now and what this process has taken beyond ``base`` is together what there was for the model, and of
    that its weights need all. So it does not matter which of them are copies (taken already), mapped pages (which count
    as free on Linux, however warm, and as taken elsewhere) or not read yet.

    The warm pages of other models count as free too, and that does no harm: beside others a model is loaded only when
    what it needs for the whole context asked for is free without those pages (``services.engines``), and more than
    asked for it never gets. One that needs a smaller context is alone.
    """
    free = free_for(base)
    return None if free is None else free - model.main_bytes - memory.overhead_bytes(shape, 0)
