"""What made an answer, so that it can be made again exactly, and what is not as it was. Worker side; pure."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator

from msgspec.structs import replace

from qwen_desktop.core.engine import GenerateRequest, GenerateResult, ModelInfo, Recipe
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source, Text
from qwen_desktop.engine.generation import Generation

# fmt: off
#: What of a recipe must be the same for the same tokens, and the sentence where it is not.
_SAME: tuple[tuple[str, Source], ...] = (
    ("model_sha256", QT_TRANSLATE_NOOP("engine", "It is another model file.")),
    ("template_sha256", QT_TRANSLATE_NOOP("engine", "The chat template is another one.")),
    ("prompt_sha256", QT_TRANSLATE_NOOP("engine", "The messages before it are other ones.")),
    ("engine", QT_TRANSLATE_NOOP("engine", "The engine is another version.")),
    ("cpu", QT_TRANSLATE_NOOP("engine", "It was computed for another kind of processor.")),
    ("gpu_layers", QT_TRANSLATE_NOOP("engine", "Another number of layers is on the graphics card.")),
    ("experts_on_cpu", QT_TRANSLATE_NOOP("engine", "The experts of other layers are on the graphics card.")),
    ("yarn_factor", QT_TRANSLATE_NOOP("engine", "The context is stretched differently.")),
    ("kv_type", QT_TRANSLATE_NOOP("engine", "The context has another precision.")),
    ("read", QT_TRANSLATE_NOOP("engine", "The prompt was read in other steps.")),
)
_ADAPTERS = QT_TRANSLATE_NOOP("engine", "Its adapters (LoRA) are other ones, or count differently.")
#: llama.cpp adds them up in the order in which they lie in memory
_SEVERAL = QT_TRANSLATE_NOOP("engine", "Several adapters (LoRA) were added up, perhaps in another order.")
_NOT_ALONE = QT_TRANSLATE_NOOP("engine", "One of the two was written beside other answers, or with a break.")
_FLASH = QT_TRANSLATE_NOOP("engine", "Flash attention was set differently.")
#: flash attention divides its work among the threads
_THREADS = QT_TRANSLATE_NOOP("engine", "Another number of threads wrote it, which counts with flash attention.")
# fmt: on


def as_then(request: GenerateRequest) -> GenerateRequest:
    """The request with the values of the answer that is to be made again, where it names one."""
    recipe = request.again
    if recipe is None:
        return request
    return replace(
        request,
        sampling=recipe.sampling,
        thinking=recipe.thinking,
        thinking_budget=recipe.thinking_budget,
        max_tokens=recipe.max_tokens,
        loop_guard=recipe.loop_guard,
        grammar=recipe.grammar,
        stop=recipe.stop,
        cut_from=recipe.cut_from,
        adapters=recipe.adapters,
        batch="",
    )


def of(generation: Generation, info: ModelInfo, result: GenerateResult) -> Recipe | None:
    """What made an answer of a local model; None when it has not begun."""
    local, request = info.local, generation.request
    if local is None or not generation.steps:
        return None
    cut = generation.prompt.cut
    return Recipe(
        model_sha256=local.sha256,
        template_sha256=local.template_sha256,
        prompt_sha256=hashlib.sha256(array("i", generation.prompt.tokens).tobytes()).hexdigest(),
        engine=info.engine,
        cpu=local.cpu,
        kv_type=local.kv_type,
        gpu_layers=local.gpu_layers,
        experts_on_cpu=local.experts_on_cpu,
        yarn_factor=local.yarn_factor,
        sampling=result.sampling,
        thinking=request.thinking,
        thinking_budget=request.thinking_budget,
        max_tokens=request.max_tokens,
        loop_guard=request.loop_guard,
        grammar=request.grammar,
        stop=request.stop,
        cut_from=cut.first_kept_id if cut is not None else None,
        threads=generation.threads,
        flash_tokens=generation.flash[0],
        evaluated=generation.flash[1],
        read=generation.steps,
        alone=generation.exact,
        go_on=bool(generation.prompt.parts),
        adapters=generation.used,
        written=generation.written_steps,
    )


def differences(then: Recipe, now: Recipe | None) -> tuple[Text, ...]:
    """What is not as it was, a sentence each; nothing, and the tokens are the same."""
    return tuple(_differences(then, now)) if now is not None else ()


def _differences(then: Recipe, now: Recipe) -> Iterator[Text]:
    for name, sentence in _SAME:
        if getattr(then, name) != getattr(now, name):
            yield Text(f"again.{name}", sentence)
    if _counting(then) != _counting(now):
        yield Text("again.adapters", _ADAPTERS)
    elif len(_counting(then)) > 1:
        yield Text("again.adapters_order", _SEVERAL)
    both = min(then.evaluated, now.evaluated)
    flash = min(then.flash_tokens, both)
    if flash != min(now.flash_tokens, both):
        yield Text("again.flash_tokens", _FLASH)
    if not (then.alone and now.alone):
        yield Text("again.alone", _NOT_ALONE)
    elif flash and (then.threads != now.threads or not now.threads):
        yield Text("again.threads", _THREADS)


def _counting(recipe: Recipe) -> list[tuple[str, float]]:
    return sorted((each.sha256, each.scale) for each in recipe.adapters if each.scale and not each.idle)
