"""LoRA adapters of a loaded model: loaded once a file, switched without loading the model again. Worker side.

What a conversation has evaluated belongs to the adapters that it was read with: llama.cpp keeps it when they change,
and what is computed from it then is wrong. So each sequence has the ``Key`` of its adapters, and everything that is
taken over from one must be ``shared``.

An activated adapter (aLoRA) counts from the last place of its invocation in the prompt on. What comes before is read
without it, and so shared with everybody who reads it without. It is used alone.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

from qwen_desktop.core.engine import Adapter, UsedAdapter
from qwen_desktop.core.errors import Environment, Failure, UserFacing
from qwen_desktop.core.files import open_raw
from qwen_desktop.core.gguf import GgufHeader
from qwen_desktop.core.gguf import refusals as gguf_refusals
from qwen_desktop.core.gguf.adapters import AdapterHeader, check_fits, check_scales, read_adapter
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine import pages
from qwen_desktop.engine.bindings import api

if TYPE_CHECKING:
    from qwen_desktop.engine.llama_context import Context

log = logging.getLogger(__name__)

#: The adapters that tokens are evaluated with: fingerprints and scales in their order, and from which token on where
#: that is not the first one (``_FROM``, first).
Key: TypeAlias = tuple[tuple[str, float], ...]

#: So many that nobody uses stay loaded.
_KEPT = 8
_FROM = "from"
_NEVER = 1 << 62
#: What llama.cpp needs for its graphs, which are made anew: where that cannot be had it ends the process.
_GRAPH = 48 << 20
#: Nodes of a graph that one change takes, and the room for them where llama.cpp has a fixed one, for each tensor.
_NODES, _ROOM = 4, 12
#: Architectures whose graphs have no room of their own for adapters.
_FIXED = frozenset(("qwen3next", "qwen35", "qwen35moe", "qwen4exp", "deepseek4", "bailingmoe3", "hy_v4", "minimax-01",
                    "minimax-m3", "hrm_text", "kimi-linear", "kimi-k3", "glm5-next", "nanbeige"))  # fmt: skip

# fmt: off
_twice = Failure(
    UserFacing, "adapter.twice", "file", QT_TRANSLATE_NOOP("engine", "The adapter {file} is named twice."),
    QT_TRANSLATE_NOOP("engine", "Name it once, with the strength that it is to have in all."),
)
_not_together = Failure(
    UserFacing, "adapter.activated", "file",
    QT_TRANSLATE_NOOP("engine", "{file} is activated by words in the chat (aLoRA) and can only be used alone."),
    QT_TRANSLATE_NOOP("engine", "Take the other adapters away, or this one."),
)
_invocation = Failure(
    UserFacing, "adapter.invocation", "file",
    QT_TRANSLATE_NOOP("engine", "{file} is activated by tokens that this model does not have."),
    QT_TRANSLATE_NOOP("engine", "Choose an adapter that was made for this model."),
)
_no_room = Failure(
    UserFacing, "adapter.room", "",
    QT_TRANSLATE_NOOP("engine", "These adapters change more of this model than llama.cpp has room for at once."),
    QT_TRANSLATE_NOOP("engine", "Use fewer of them together."),
)
_no_memory = Failure(
    Environment, "adapter.memory", "file",
    QT_TRANSLATE_NOOP("engine", "There is not enough memory for the adapter {file}."),
    QT_TRANSLATE_NOOP("engine", "Close other programs, or use a smaller model or fewer adapters."),
)
_refused = Failure(
    UserFacing, "adapter.refused", "file",
    QT_TRANSLATE_NOOP("engine", "llama.cpp cannot use the adapter {file} with this model."),
    QT_TRANSLATE_NOOP("engine", "Download it again, or choose another one."),
)
_changing = Failure(
    UserFacing, "adapter.changing", "file", QT_TRANSLATE_NOOP("engine", "{file} is being written just now."),
    QT_TRANSLATE_NOOP("engine", "Try again when that is done."),
)
# fmt: on


def begins(key: Key) -> int:
    """From which token on these adapters count; no prompt is so long where there are none."""
    return (int(key[0][1]) if key[0][0] == _FROM else 0) if key else _NEVER


def at(key: Key, position: int) -> Key:
    """The adapters that the token at ``position`` is evaluated with."""
    start = begins(key)
    return () if position < start else key[1:] if start else key


def alike(key: Key, position: int) -> int:
    """How many tokens from ``position`` on are evaluated with the same adapters."""
    start = begins(key)
    return start - position if position < start else _NEVER


def first(key: Key, count: int) -> Key:
    """What the first ``count`` tokens depend on: on no adapters where these count from a later one on."""
    return key if begins(key) < count else ()


def shared(held: Key, wanted: Key) -> int:
    """How many tokens at the beginning are evaluated with the same adapters under both keys."""
    return _NEVER if held == wanted else min(begins(held), begins(wanted))


class Loaded:
    """An adapter's weights. ``users`` are the answers that are being made with it."""

    def __init__(self, pointer: Any, header: AdapterHeader, fingerprint: str) -> None:
        self.pointer = pointer
        self.header = header
        self.fingerprint = fingerprint
        self.users = 0


class Use:
    """The adapters of one answer, each with its scale. ``release`` it in any case."""

    def __init__(self, asked: Sequence[Adapter] = (), loaded: Sequence[Loaded] = ()) -> None:
        self._asked = tuple(zip(asked, loaded, strict=True))
        self._held = list(loaded)
        for each in self._held:
            each.users += 1

    def release(self) -> None:
        """It is made: they may be freed."""
        for each in self._held:
            each.users -= 1
        self._held.clear()

    @property
    def words(self) -> tuple[int, ...]:
        """What activates it, empty where nothing needs to."""
        return next((each.header.invocation for asked, each in self._asked if asked.scale), ())

    def key(self, prompt: Sequence[int]) -> Key:
        """The key of an answer to ``prompt``: it has none where nothing counts."""
        key = sorted((each.fingerprint, asked.scale) for asked, each in self._asked if asked.scale)
        if not self.words:
            return tuple(key)
        place = last(prompt, self.words)
        return () if place is None else ((_FROM, float(place)), *key) if place else tuple(key)

    def told(self, key: Key) -> tuple[UsedAdapter, ...]:
        """What to say of them, where ``key`` was the answer's."""
        return tuple(
            UsedAdapter(asked.path, asked.scale, each.fingerprint, each.header.name, bool(asked.scale) and not key)
            for asked, each in self._asked
        )


def last(prompt: Sequence[int], words: Sequence[int]) -> int | None:
    """Where ``words`` stand in the prompt for the last time, None where they do not."""
    prompt, words = list(prompt), list(words)
    for place in range(len(prompt) - len(words), -1, -1):
        if prompt[place] == words[0] and prompt[place : place + len(words)] == words:
            return place
    return None


class Adapters:
    """The adapters that are loaded beside a model; they are freed with it. ``said`` is llama.cpp's log."""

    def __init__(self, pointer: Any, header: GgufHeader, vocabulary: int, said: Sequence[str] = ()) -> None:
        self._model = pointer
        self._header = header
        self._vocabulary = vocabulary
        self._said = said
        #: by their fingerprints, the one that was used last at the end
        self._loaded: dict[str, Loaded] = {}
        #: what a file was when it was loaded, and its fingerprint
        self._files: dict[str, tuple[tuple[int, ...], str]] = {}
        self._on: WeakKeyDictionary[Context, Key] = WeakKeyDictionary()

    def use(self, asked: Sequence[Adapter]) -> Use:
        """Load what is not loaded yet, for one answer. Raises ``UserFacing`` and ``Environment``."""
        check_scales(asked)
        loaded: list[Loaded] = []
        for each in asked:
            one = self._one(each.path, [other.fingerprint for other in loaded])
            if one in loaded:
                raise _twice(Path(each.path).name)
            loaded.append(one)
        on = [one for one, each in zip(loaded, asked, strict=True) if each.scale]
        activated = next((one for one in on if one.header.invocation), None)
        if activated is not None and len(on) > 1:
            raise _not_together(Path(activated.header.path).name)
        if self._header.architecture in _FIXED:
            nodes = _NODES * sum(len(one.header.pairs) for one in on)
            if nodes > _ROOM * len(self._header.tensors):
                raise _no_room()
        return Use(asked, loaded)

    def apply(self, context: Context, key: Key) -> None:
        """Have a context compute with the adapters of a key ``at`` a position. Raises ``LookupError`` for one that is
        not loaded any more."""
        if self._on.get(context, ()) == key:
            return
        pointers = [self._loaded[fingerprint].pointer for fingerprint, _ in key]
        kind = api.llama_adapter_lora_p_ctypes
        api.llama_set_adapters_lora(
            context.pointer,
            (kind * len(pointers))(*pointers) if key else None,
            len(pointers),
            (ctypes.c_float * len(pointers))(*(scale for _, scale in key)) if key else None,
        )
        self._on[context] = key

    def made(self, context: Context) -> None:
        """A context was made, or made anew: none is switched on there."""
        self._on.pop(context, None)

    def _one(self, path: str, needed: Sequence[str]) -> Loaded:
        before = _identity(path)
        known = self._files.get(path)
        if known is not None and known[0] == before and known[1] in self._loaded:
            return self._used(known[1])
        header = read_adapter(path)
        check_fits(header, self._header)
        if any(token >= self._vocabulary for token in header.invocation):
            raise _invocation(Path(path).name)
        fingerprint = _sha256(path)
        if fingerprint not in self._loaded:
            self._make_room(needed)
            self._loaded[fingerprint] = Loaded(self._load(path, header), header, fingerprint)
        if _identity(path) != before:
            raise _changing(Path(path).name)
        self._files[path] = (before, fingerprint)
        return self._used(fingerprint)

    def _used(self, fingerprint: str) -> Loaded:
        self._loaded[fingerprint] = one = self._loaded.pop(fingerprint)
        return one

    def _load(self, path: str, header: AdapterHeader) -> Any:
        if not pages.can_have(header.weights_bytes + _GRAPH):
            raise _no_memory(Path(path).name)
        pointer = api.llama_adapter_lora_init(self._model, path.encode("utf-8", "surrogateescape"))
        if not pointer:
            raise _refused(Path(path).name, details="\n".join(list(self._said)[-6:]))
        return pointer

    def _make_room(self, needed: Sequence[str]) -> None:
        """Free those that were used longest ago and that nobody uses now."""
        unused = [each for each in self._loaded.values() if not each.users and each.fingerprint not in needed]
        for each in unused[: max(0, len(unused) - _KEPT + 1)]:
            for context, key in list(self._on.items()):
                if context.pointer and any(fingerprint == each.fingerprint for fingerprint, _ in key):
                    self.apply(context, ())
            del self._loaded[each.fingerprint]
            api.llama_adapter_lora_free(each.pointer)


def _identity(path: str) -> tuple[int, ...]:
    """What tells a file from a later one with the same name. Raises ``UserFacing`` where there is none."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        raise gguf_refusals.unreadable(Path(path), error) from error
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _sha256(path: str) -> str:
    """The fingerprint of all of a file: two adapters may differ in nothing but their weights."""
    try:
        with open_raw(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise gguf_refusals.unreadable(Path(path), error) from error
