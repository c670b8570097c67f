"""``chat --lora PATH[:SCALE]``: the adapters that an answer is made with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.engine import Adapter, UsedAdapter
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.gguf.adapters import check_scales, read_adapter
from qwen_desktop.core.model_ref import GuideRef, ModelRef
from qwen_desktop.core.paths import absolute
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, shown
from qwen_desktop.services.history import History

#: What may follow the last colon; a path on Windows has one as well.
_SCALE = re.compile(r"(?P<path>.{2,}|[^A-Za-z]):(?P<scale>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.DOTALL)
#: What looks like a scale and is none.
_NO_SCALE = re.compile(r".+\.gguf:[^/\\]*", re.IGNORECASE | re.DOTALL)

# fmt: off
_wrong = Failure(
    UserFacing, "lora.scale", "told", QT_TRANSLATE_NOOP("cli", "{told} does not end in a scale that is a number."),
    QT_TRANSLATE_NOOP("cli", "Write the adapter as PATH or PATH:SCALE, the scale as 0.5, say."),
)
_guide = Failure(
    UserFacing, "lora.guide", "", QT_TRANSLATE_NOOP("cli", "No adapter was made for the guide, which would answer."),
    QT_TRANSLATE_NOOP("cli", "Name the model that it was made for with --model."),
)
_twice = Failure(
    UserFacing, "lora.twice", "path", QT_TRANSLATE_NOOP("cli", "The adapter {path} is named twice."),
    QT_TRANSLATE_NOOP("cli", "Name it once, with the scale that counts."),
)
# fmt: on


def read_adapters(told: Sequence[str]) -> tuple[Adapter, ...]:
    """The adapters by what was written ("" for none), each looked at before a model is loaded. Raises ``UserFacing``
    for what is no adapter; whether they fit the model the engine says."""
    found = tuple(_adapter(each) for each in told if each)
    check_scales(found)
    for number, adapter in enumerate(found):
        read_adapter(adapter.path)
        if any(adapter.path == other.path for other in found[:number]):
            raise _twice(shown(adapter.path))
    return found


async def keep_adapters(
    history: History, conversation: Conversation | None, adapters: tuple[Adapter, ...] | None, ref: ModelRef
) -> None:
    """Have a stored conversation go on with these, where something is said of them. Raises ``UserFacing`` where the
    guide would answer with some."""
    if adapters and isinstance(ref, GuideRef):
        raise _guide()
    if conversation is not None and adapters is not None:
        await history.set_adapters(conversation.id, adapters)


def _adapter(told: str) -> Adapter:
    path, scale = told, 1.0
    if not _is_file(told):
        if match := _SCALE.fullmatch(told):
            path, scale = match["path"], float(match["scale"])
        elif _NO_SCALE.fullmatch(told):
            raise _wrong(shown(told))
    return Adapter(str(absolute(path)), scale)


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def adapter_json(adapter: UsedAdapter) -> dict[str, Any]:
    """What ``--json`` says of one."""
    return {"name": adapter.name, "scale": adapter.scale, "sha256": adapter.sha256, "used": not adapter.idle}
