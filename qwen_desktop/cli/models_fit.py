"""``qwen-desktop models fit``: does this file fit this machine, from its own header: a path (also of a file that is
only partly there), the address of a GGUF, or a repository with or without a quant.

The JSON object of ``--json``; bytes are bytes:

- ``reference``, ``name``, ``quant``, ``architecture``, ``parameters``, ``active_parameters``, ``size_bytes`` (the file)
- for ``context`` tokens (what was asked for, at most what the model can see), ``kv_type`` and ``streams`` (chats in
  memory, each with that context): ``weights_bytes``, ``kv_bytes``, ``state_bytes``, ``compute_bytes``,
  ``mmproj_bytes``, ``draft_bytes`` (the small model that guesses), ``overhead_bytes``, together ``total_bytes``
- ``free_bytes``: what is free here now, graphics memory included; ``missing_bytes``: what lacks when nothing fits
- ``verdict``: fits, tight (it leaves little memory to other programs), smaller_context, slow, too_large;
  ``fitting_context``: the context it is about; ``max_context``: the largest that fits (0 for none); ``gpu_layers``: how
  many layers go to graphics cards, of which ``experts_on_cpu`` leave their experts on the processor
- ``decode_tokens_per_s``, ``prompt_tokens_per_s``: predicted, null when the machine's speed is unknown
- ``fetched_bytes``: what came over the network for this; ``measured``: loads on this machine corrected it;
  ``inferred``: names of facts that are not from the file itself
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from qwen_desktop.cli.console import exact_size, harmless
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.fit import FileFit
from qwen_desktop.core.memory import CACHES
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill
from qwen_desktop.services.fit_words import sentence

_VERDICT = (
    "free_bytes", "missing_bytes", "verdict", "max_context", "gpu_layers", "experts_on_cpu", "decode_tokens_per_s",
    "prompt_tokens_per_s", "measured", "inferred",
)  # fmt: skip

# fmt: off
_unknown_type = Failure(
    UserFacing, "fit.kv_type", "name types",
    QT_TRANSLATE_NOOP("fit", "{name} is no type of the KV cache that the engine makes."),
    QT_TRANSLATE_NOOP("fit", "Choose one of: {types}."),
)
# fmt: on


async def fit(
    run: CommandRun,
    reference: str,
    *,
    context: int | None = None,
    kv_type: str | None = None,
    memory: float | None = None,
) -> int:
    """Print whether it fits; ``memory`` (in GB) stands for what is free here. Returns 0 whatever the verdict is.

    Raises ``AppError`` when there is nothing to judge.
    """
    if kv_type is not None and kv_type not in CACHES:
        raise _unknown_type(kv_type[:40], ", ".join(CACHES))
    console = run.console
    async with run.services() as services:
        console.progress(QT_TRANSLATE_NOOP("fit", "Reading the header …"))
        memory_bytes = None if memory is None else int(memory * 1e9)
        found = await services.fits.of_reference(reference, context=context, kv_type=kv_type, memory_bytes=memory_bytes)
    if run.as_json:
        console.object(as_object(found))
    else:
        for name, value in rows(found):
            console.line(f"{name:16}{harmless(value)}")
        console.line(str(sentence(found.fit)))
    return 0


def as_object(found: FileFit) -> dict[str, Any]:
    """What ``--json`` prints."""
    shape, verdict = found.shape, found.fit
    memory = structs.asdict(found.asked)
    del memory["device_bytes"]
    return {
        "reference": found.reference,
        "name": found.name,
        "quant": found.quant,
        "architecture": shape.architecture,
        "parameters": shape.parameters,
        "active_parameters": shape.active_parameters,
        "size_bytes": found.size_bytes,
        "context": found.context,
        "kv_type": found.use.kv_type,
        "streams": found.use.streams,
        **memory,
        "fitting_context": verdict.context if verdict.max_context else 0,
        **{name: getattr(verdict, name) for name in _VERDICT},
        "fetched_bytes": found.fetched_bytes,
    }


def rows(found: FileFit) -> list[tuple[str, str]]:
    """The figures as a table for people."""
    shape, memory, verdict = found.shape, found.asked, found.fit
    parameters = _billions(shape.parameters)
    if shape.active_parameters < shape.parameters:
        template = QT_TRANSLATE_NOOP("fit", "{all}, {active} of them for each token")
        parameters = fill(template, {"all": parameters, "active": _billions(shape.active_parameters)})
    shown = [
        (QT_TRANSLATE_NOOP("fit", "Model"), " ".join(part for part in (found.name, found.quant) if part)),
        (QT_TRANSLATE_NOOP("fit", "Architecture"), shape.architecture),
        (QT_TRANSLATE_NOOP("fit", "Parameters"), parameters),
        (QT_TRANSLATE_NOOP("fit", "Weights"), exact_size(memory.weights_bytes)),
        (
            QT_TRANSLATE_NOOP("fit", "Context"),
            fill(
                QT_TRANSLATE_NOOP("fit", "{size} for %n token(s)"),
                {"size": exact_size(memory.kv_bytes), "n": found.context},
            ),
        ),
        (QT_TRANSLATE_NOOP("fit", "State"), exact_size(memory.state_bytes) if memory.state_bytes else ""),
        (QT_TRANSLATE_NOOP("fit", "Computing"), exact_size(memory.compute_bytes)),
        (QT_TRANSLATE_NOOP("fit", "Pictures"), exact_size(memory.mmproj_bytes) if memory.mmproj_bytes else ""),
        (QT_TRANSLATE_NOOP("fit", "Draft model"), exact_size(memory.draft_bytes) if memory.draft_bytes else ""),
        (QT_TRANSLATE_NOOP("fit", "The engine"), exact_size(memory.overhead_bytes)),
        (QT_TRANSLATE_NOOP("fit", "Together"), exact_size(memory.total_bytes)),
        (QT_TRANSLATE_NOOP("fit", "Free now"), exact_size(verdict.free_bytes)),
        (QT_TRANSLATE_NOOP("fit", "Largest context"), f"{verdict.max_context:,}" if verdict.max_context else ""),
    ]
    if verdict.decode_tokens_per_s is not None:
        speed = fill(QT_TRANSLATE_NOOP("fit", "{speed} tokens/s"), {"speed": verdict.decode_tokens_per_s})
        shown.append((QT_TRANSLATE_NOOP("fit", "Speed"), speed))
    if found.fetched_bytes:
        shown.append((QT_TRANSLATE_NOOP("fit", "Fetched"), exact_size(found.fetched_bytes)))
    return [row for row in shown if row[1]]


def _billions(count: int) -> str:
    return f"{count / 1e9:.2f} B" if count >= 100_000_000 else f"{count / 1e6:.1f} M"
