"""How many tokens attachments take and how many there is room for, by the tokenizer of the model that will answer.

A number is exact where that model is in memory, and an estimate until then. What was counted once is remembered by its
text and the model's file, so that typing and opening cost nothing; a conversation is rendered once for each new end.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.engine import ChatMessage, GenerateRequest, LocalEngine, answer_reserve
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.parts import FilePart, Part, Role, TextPart
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.history import History
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.services.request_messages import SYSTEM_ID, cut_of, request_messages

log = logging.getLogger(__name__)

#: A token has about so many bytes of UTF-8, in English as in Chinese.
BYTES_A_TOKEN = 4
#: So many numbers are remembered.
_KEPT = 2_000
#: Texts that are sent to be counted in one go, in characters.
_AT_ONCE = 400_000
#: No token has more characters than this on average.
_CHARACTERS_A_TOKEN = 12


class Count(Struct, frozen=True):
    """Tokens, and whether the engine has counted them."""

    tokens: int
    exact: bool = False


class Room(Struct, frozen=True):
    """The context of a model, in tokens: how many it has, how many the conversation takes with its instructions, and
    how many are kept for the answer. ``empty`` is what is taken where all earlier messages are left out."""

    context: int
    used: int = 0
    reserve: int = 0
    empty: int = 0

    @property
    def left(self) -> int:
        """Tokens that there is room for beside the conversation."""
        return max(0, self.context - self.used - self.reserve)

    @property
    def most(self) -> int:
        """Tokens that one message can have at most, with everything before it left out."""
        return max(0, self.context - self.empty - self.reserve)


def estimate(part: Part) -> Count:
    """About how many tokens a part takes, from its bytes."""
    text = part.text if isinstance(part, FilePart | TextPart) else ""
    return Count(max(1, len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN) if text else 0)


def too_many(counts: Sequence[int], left: int) -> tuple[int, ...]:
    """By how many tokens each of several texts is too long, where all of them together have ``left``: the longest ones
    are, since something is to be left out of them."""
    excess = sum(counts) - left
    over = [0] * len(counts)
    for number in sorted(range(len(counts)), key=lambda number: -counts[number]):
        over[number] = max(0, min(counts[number], excess))
        excess -= over[number]
    return tuple(over)


class TokenCounts:
    """Counts for whoever shows them. Never raises: where nothing can be counted there is an estimate, or None."""

    def __init__(self, engines: Engines, history: History, preferences: Preferences) -> None:
        self._engines = engines
        self._history = history
        self._preferences = preferences
        self._known: OrderedDict[tuple[Any, ...], Count] = OrderedDict()

    def known(self, ref: ModelRef, part: Part) -> Count:
        """What is known of a part without asking: what was counted, else an estimate."""
        return self._known.get((self._model(ref), *_key(part))) or self._guess(part)

    async def parts(self, ref: ModelRef, parts: Sequence[Part]) -> tuple[Count, ...]:
        """What each part takes in a message. Exact where the model is in memory; also while it answers."""
        return tuple([await self._part(ref, part) for part in parts])

    async def texts(self, ref: ModelRef, texts: Sequence[str]) -> tuple[Count, ...]:
        """What each text takes as a piece of a message."""
        found: list[Count] = []
        engine = self._engines.loaded(ref)
        if engine is not None:
            try:
                for group in _groups(texts):
                    numbers, exact = await engine.count_texts(group)
                    found += [Count(number, exact) for number in numbers]
            except AppError as error:
                log.info("tokens.uncounted code=%s", error.problem.what.code)
        return (*found, *(estimate(TextPart(text)) for text in texts[len(found) :]))

    async def room(self, ref: ModelRef, conversation: Conversation | None, system_prompt: str = "") -> Room | None:
        """What there is room for in a conversation, None for a new one, which begins with ``system_prompt``; None while
        the model is not in memory, for then its context is not known."""
        engine, info = self._engines.loaded(ref), self._engines.state(ref).info
        if engine is None or info is None:
            return None
        leaf = conversation.leaf_id if conversation is not None else None
        prompt = conversation.system_prompt if conversation is not None else system_prompt
        begun, whole = (self._model(ref), "begun", prompt), (self._model(ref), "whole", prompt, leaf)
        try:
            empty = await self._asked(engine, begun, prompt, ())
            branch = () if whole in self._known else await self._branch(leaf, prompt, info.context_size)
            used = await self._asked(engine, whole, prompt, branch)
        except AppError as error:
            log.info("tokens.uncounted code=%s", error.problem.what.code)
            return None
        reserve = answer_reserve(info.context_size, self._preferences.settings.sampling.max_tokens)
        return Room(info.context_size, used, reserve, empty)

    # Inside ------------------------------------------------------------------------------------------------------

    async def _branch(self, leaf: str | None, prompt: str, context: int) -> tuple[ChatMessage, ...]:
        if leaf is None:
            return ()
        branch, _ = await self._history.prompt_messages(leaf, _CHARACTERS_A_TOKEN * context)
        messages = request_messages(branch, prompt)
        cut = cut_of(branch, messages)
        start = next((number for number, message in enumerate(messages) if message.id == cut), 0)
        return tuple(message for message in messages[start:] if message.id != SYSTEM_ID)

    async def _asked(
        self, engine: LocalEngine, key: tuple[Any, ...], prompt: str, messages: tuple[ChatMessage, ...]
    ) -> int:
        """Tokens of a conversation in which the next question is still empty."""
        if key not in self._known:
            head = (ChatMessage(Role.SYSTEM, (TextPart(prompt),), SYSTEM_ID),) if prompt.strip() else ()
            before = messages[:-1] if messages and messages[-1].role is Role.USER else messages
            last = messages[-1].parts if len(before) < len(messages) else ()
            asked = ChatMessage(Role.USER, (*last, TextPart(_LETTER)))
            number, exact = await engine.count_tokens(GenerateRequest((*head, *before, asked)))
            self._keep(key, Count(number - 1, exact))
        return self._known[key].tokens

    async def _part(self, ref: ModelRef, part: Part) -> Count:
        key = (self._model(ref), *_key(part))
        engine = self._engines.loaded(ref)
        if key in self._known or engine is None:
            return self._known.get(key) or self._guess(part)
        try:
            base = await self._asked(engine, (key[0], "base"), "", ())
            # Rendered with a question behind it, as it is sent: what stands between both belongs to the part.
            after = () if isinstance(part, TextPart) else (TextPart(_LETTER),)
            asked = ChatMessage(Role.USER, (part, *after))
            number, exact = await engine.count_tokens(GenerateRequest((asked,)))
        except AppError as error:
            log.info("tokens.uncounted code=%s", error.problem.what.code)
            return estimate(part)
        count = Count(max(0, number - base - len(after)), exact)
        self._keep(key, count)
        return count

    def _guess(self, part: Part) -> Count:
        """The estimate of a part, made once: it reads all of the text."""
        key = ("estimate", *_key(part))
        if key not in self._known:
            self._keep(key, estimate(part))
        return self._known[key]

    def _model(self, ref: ModelRef) -> str:
        info = self._engines.state(ref).info
        local = info.local if info is not None else None
        return f"{local.sha256}:{local.template_sha256}" if local is not None else ""

    def _keep(self, key: tuple[Any, ...], count: Count) -> None:
        self._known[key] = count
        self._known.move_to_end(key)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)


#: A question of one token.
_LETTER = "a"


def _key(part: Part) -> tuple[Any, ...]:
    """What tells a part apart without keeping its text."""
    if isinstance(part, FilePart):
        return "file", part.name, part.pages, part.whole, len(part.text), hash(part.text)
    if isinstance(part, TextPart):
        return "text", len(part.text), hash(part.text)
    return (part,)


def _groups(texts: Sequence[str]) -> list[tuple[str, ...]]:
    groups: list[list[str]] = [[]]
    size = 0
    for text in texts:
        if size + len(text) > _AT_ONCE and groups[-1]:
            groups.append([])
            size = 0
        groups[-1].append(text)
        size += len(text)
    return [tuple(group) for group in groups if group]
