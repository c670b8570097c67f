"""From typed messages to token ids, and what is left out when the context is full.

The system message and the last message are never left out. Cutting happens at a user's message (a turn's border),
down to 60 % of the context, and the same cut stays until it is full again: dropping one turn at a time would destroy
the remembered beginning each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.core.engine import ChatMessage, ContextCut, ThinkingMode, answer_reserve
from qwen_desktop.core.errors import Failure, UserFacing, prompt_empty
from qwen_desktop.core.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolResultPart,
)
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, clean, shown
from qwen_desktop.engine import going_on
from qwen_desktop.engine.templates import Template, ends_in_thinking

_KEEP = 0.6
#: No token is longer than this on average over a text; more bytes than that never fit, unread.
_LONGEST_TOKEN = 24
#: A place to go back to that is so few tokens behind another one saves less than it costs.
_NEAR = 8
#: Stands for words that are not known yet, in no form that templates look for, and begins like nothing else.
_ANY = "\ue0f2"
# private-use characters around a number stand for a control token that somebody typed
_HIDE_OPEN, _HIDE_CLOSE = "\ue0f0", "\ue0f1"
_HIDDEN = re.compile(f"{_HIDE_OPEN}(\\d+){_HIDE_CLOSE}")

#: A document stands between these. In its own text whatever looks like one of them is no mark, also with characters
#: in it that nobody sees. The pattern never goes back: a file of nothing but spaces takes no longer.
_TAG = "attached_document"
_GAP = r"[\s\xad\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]*+"
_MARK = re.compile(rf"<(?={_GAP}/?+{_GAP}{_GAP.join(_TAG)})", re.IGNORECASE)
_NO_MARKUP = str.maketrans({'"': "'", "<": "‹", ">": "›"})

# fmt: off
_too_long = Failure(
    UserFacing, "prompt.too_long", "n context",
    QT_TRANSLATE_NOOP("engine", "Your message has %n token(s); the context holds {context}."),
    QT_TRANSLATE_NOOP("engine", "Shorten it or raise the context size in Settings."), "view.settings",
)
_full = Failure(
    UserFacing, "prompt.full", "n context",
    QT_TRANSLATE_NOOP(
        "engine", "The answer cannot go on: it has %n token(s) with its question; the context holds {context}."
    ),
    QT_TRANSLATE_NOOP("engine", "Raise the context size in Settings, then let it go on."),
    "view.settings",
)
# fmt: on


class Prompt(Struct, frozen=True):
    """A rendered prompt. ``cut`` says what was left out, ``thinking`` whether it ends inside ``<think>``.

    That of an answer that goes on ends with what it has said, ``parts``, of which ``pending`` is not said yet;
    ``asked`` are the tokens before that.
    """

    tokens: tuple[int, ...]
    thinking: bool
    cut: ContextCut | None = None
    #: the messages that were sent, without the answer
    messages: tuple[ChatMessage, ...] = ()
    parts: tuple[Part, ...] = ()
    pending: bytes = b""
    asked: tuple[int, ...] = ()
    #: where to be able to go back to, see ``Renderer.stops``
    stops: tuple[int, ...] = ()

    @property
    def question(self) -> tuple[int, ...]:
        """The tokens before the answer's first one."""
        return self.asked or self.tokens

    def written(self, written: going_on.Written) -> Prompt:
        """The same with the answer as it was written."""
        tokens = (*written.prompt, *written.tokens)
        return replace(self, tokens=tokens, thinking=written.thinking, pending=written.pending)


class Renderer:
    """Renders messages to tokens. ``tokenize(text, special, begin)`` is the model's tokenizer; ``control`` are the
    written forms of its control tokens, which stay plain text where a message contains them."""

    def __init__(
        self,
        template: Template,
        tokenize: Callable[[str, bool, bool], list[int]],
        control: Sequence[str],
        bos: str,
    ) -> None:
        self.template = template
        self._tokenize = tokenize
        self._bos = bos
        words = sorted((word for word in control if word), key=len, reverse=True)
        self._words = words
        self._typed = re.compile("|".join(re.escape(word) for word in words)) if words else None
        self._index = {word: index for index, word in enumerate(words)}

    def text(self, messages: Sequence[ChatMessage], thinking: ThinkingMode, *, answer: bool = True) -> str:
        """The prompt as text, typed control tokens hidden. Raises ``UserFacing``."""
        return self.template.render([self._plain(message) for message in messages], thinking, answer=answer)

    def prompt(self, messages: Sequence[ChatMessage], thinking: ThinkingMode, parts: Sequence[Part] = ()) -> Prompt:
        """The prompt of an answer to ``messages`` that has said ``parts``. Raises ``UserFacing``."""
        text = self.text(messages, thinking)
        opened = ends_in_thinking(text)
        tokens = tuple(self.tokens(text))
        if not parts:
            return Prompt(tokens, opened, messages=tuple(messages))
        thinks = bool(self.template.thinking)
        text, opened = going_on.behind(text, parts, opened=opened, thinks=thinks, hide=self._hide)
        last = parts[-1]
        if isinstance(last, ThinkingPart) and last.tokens is None:  # it was broken off without a word
            parts = (*parts[:-1], replace(last, tokens=len(self.tokens(self._hide(last.text)))))
        return Prompt(tuple(self.tokens(text)), opened, messages=tuple(messages), parts=tuple(parts), asked=tokens)

    def stops(self, made: Prompt, thinking: ThinkingMode) -> tuple[int, ...]:
        """Positions in a prompt at which later prompts of the conversation part from it: behind the instructions (as
        those of another conversation do), where the last question begins (another one in its place), and near the end
        (another answer, and the next turn, whose prompt may have the answer without the thought that this one opens).

        Found by rendering what may come. For models that go back only to where that was prepared.
        """
        messages = made.messages
        asked = max((at for at, message in enumerate(messages) if message.role is Role.USER), default=None)
        word = (TextPart(_ANY),)
        question, answer = ChatMessage(Role.USER, word), ChatMessage(Role.ASSISTANT, word)
        others: list[tuple[tuple[ChatMessage, ...], bool]] = [((*messages, answer, question), False)]
        if asked is not None:
            others.append(((*messages[:asked], question), True))
        if messages[0].role is Role.SYSTEM:
            others.append(((messages[0], question), True))
        found: set[int] = set()
        text = self.text(messages, thinking)
        for other, ends in others:
            try:
                same = text[: _common(text, self.text(other, thinking, answer=ends))]
            except UserFacing:  # there is no such conversation, by this template
                continue
            # without the last token: what follows may become one with it
            found.add(_common(self.tokens(same)[:-1], made.tokens))
        last = len(made.question) - 1
        if max(found, default=0) + _NEAR <= last:
            found.add(last)
        stops, before = [], 0
        for stop in sorted(found):
            if stop - before >= _NEAR and stop < len(made.tokens):
                stops.append(stop)
                before = stop
        return tuple(stops)

    def tokens(self, text: str) -> list[int]:
        """Token ids of a rendered prompt."""
        begin = not (self._bos and text.startswith(self._bos))
        pieces = _HIDDEN.split(text)
        if len(pieces) == 1:
            return self._tokenize(text, True, begin)
        found: list[int] = []
        for index, piece in enumerate(pieces):
            if index % 2:
                found += self._tokenize(self._words[int(piece)], False, False)
            elif piece:
                found += self._tokenize(piece, True, begin and not found)
        return found

    def count(self, text: str) -> int:
        """Tokens of a text that stands somewhere in a message."""
        return len(self.tokens("\n" + self._hide(text))) - len(self.tokens("\n"))

    def _plain(self, message: ChatMessage) -> dict[str, Any]:
        content = "\n\n".join(filter(None, (_text(part) for part in message.parts)))
        plain: dict[str, Any] = {"role": message.role.value, "content": self._hide(content)}
        thought = "\n\n".join(part.text for part in message.parts if isinstance(part, ThinkingPart))
        if thought:
            plain["reasoning_content"] = self._hide(thought)
        return plain

    def _hide(self, text: str) -> str:
        text = _bare(text)
        if self._typed is None:
            return text
        return self._typed.sub(lambda found: f"{_HIDE_OPEN}{self._index[found[0]]}{_HIDE_CLOSE}", text)


def _common(first: Sequence[object], second: Sequence[object]) -> int:
    """How many things both begin with."""
    differing = (at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return next(differing, min(len(first), len(second)))


def _text(part: object) -> str:
    match part:
        case TextPart(text) | ToolResultPart(text=text):
            return text
        case FilePart(name="", text=text):  # a long paste is said as much as what was typed
            return text
        case FilePart(text=text) if text:
            return _document(part)
        case ImagePart(name=name):
            return f"(A picture was attached here{_named(name)}. It cannot be shown to you.)"
        case AudioPart(name=name):
            return f"(A sound was attached here{_named(name)}. It cannot be played to you.)"
    return ""


def _bare(text: str) -> str:
    """A text without the characters that have a meaning of ours here."""
    return clean(text).replace(_HIDE_OPEN, "").replace(_HIDE_CLOSE, "")


def _document(part: FilePart) -> str:
    """A document between marks that nothing in it can close: what stands in it is never taken for the user's words.
    The same bytes each turn, so that what was read of it stays read."""
    pages = f' pages="{part.pages}"' if part.pages else ""
    parts = "" if part.whole else ' parts="chosen by the user"'
    text = _MARK.sub("&lt;", _bare(part.text))  # what is left out later must not put a mark together
    return f'<{_TAG} name="{_inside(part.name)}"{pages}{parts}>\n{text.strip(chr(10))}\n</{_TAG}>'


def _named(name: str) -> str:
    return f": {_inside(name)}" if name else ""


def _inside(name: str) -> str:
    return shown(name).translate(_NO_MARKUP)


def build(
    renderer: Renderer,
    messages: Sequence[ChatMessage],
    thinking: ThinkingMode,
    *,
    context: int,
    max_tokens: int | None,
    cut_from: str | None,
    go_on: bool = False,
) -> Prompt:
    """Render what fits into ``context`` tokens with room for the answer. Raises ``UserFacing``.

    To ``go_on`` the last message is what the answer has said so far.
    """
    if go_on and messages[-1].role is not Role.ASSISTANT:
        raise ValueError("only an answer goes on")
    messages, parts = (messages[:-1], messages[-1].parts) if go_on else (messages, ())
    if not messages or not any(_text(part).strip() for part in messages[-1].parts):
        raise prompt_empty()
    reserve = answer_reserve(context, max_tokens)
    room = context - reserve
    head = 1 if messages[0].role is Role.SYSTEM and len(messages) > 1 else 0

    def render(start: int) -> Prompt:
        chosen = (*messages[:head], *messages[start:])
        cut = ContextCut(messages[start].id, start - head) if start > head else None
        size = sum(len(_text(part)) for part in (*parts, *(part for m in chosen for part in m.parts)))
        if context and size > context * _LONGEST_TOKEN and start < len(messages) - 1:
            # certainly too long: do not spend seconds to learn by how much
            return Prompt((0,) * (context + 1), thinking=False, cut=cut, messages=chosen)
        return replace(renderer.prompt(chosen, thinking, parts), cut=cut)

    start = next((i for i, m in enumerate(messages) if cut_from and m.id == cut_from and i >= head), head)
    made = render(start)
    if len(made.tokens) <= room:
        return made
    borders = [i for i in range(start + 1, len(messages)) if messages[i].role is Role.USER]
    if not borders or borders[-1] != len(messages) - 1:
        borders.append(len(messages) - 1)
    low, high = 0, len(borders) - 1  # the first border from which at most 60 % of the context is used
    limit = min(room, int(context * _KEEP))
    found: Prompt | None = None
    while low <= high:
        middle = (low + high) // 2
        made = render(borders[middle])
        if len(made.tokens) <= limit:
            found = made
            high = middle - 1
        else:
            low = middle + 1
    if found is None:  # the last message alone is more than 60 %: it may use the room, and the reserve if it must
        found = render(len(messages) - 1)
        if len(found.tokens) > max(room, context - 64):
            raise (_full if parts else _too_long)(len(found.tokens), context)
    return found
