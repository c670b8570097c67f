"""An answer that goes on where it was cut: its prompt up to its last word, and what it was written with. Worker side.

A text can be split into tokens in several ways, and a model goes on best from those that it has written itself. Of the
answers that were cut last they are remembered; of any other its text is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from qwen_desktop.core.parts import Part, TextPart, ThinkingPart
from qwen_desktop.engine.marks import CLOSE, OPEN

_EMPTY = re.compile(rf"{OPEN}\s*{CLOSE}\s*\Z")
#: So many cut answers are remembered, a conversation's last one each.
_MOST = 8


class Written(Struct, frozen=True):
    """A cut answer: its prompt's tokens, those that it was written with, what it said by them, whether that ends in an
    open thought, and the bytes at its end that are not said yet."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    parts: tuple[Part, ...]
    thinking: bool
    pending: bytes

    def said(self, parts: Sequence[Part]) -> bool:
        """Whether it said just this."""
        return [(type(p), _words(p)) for p in parts] == [(type(p), _words(p)) for p in self.parts]


class Writings:
    """The answers that were cut last, by the conversation's key."""

    def __init__(self) -> None:
        self._written: dict[str, Written] = {}

    def keep(self, key: str, written: Written | None) -> None:
        """How this conversation's last answer was written; None where that is of no more use."""
        self._written.pop(key, None)
        if written is not None and key:
            self._written[key] = written
            while len(self._written) > _MOST:
                del self._written[next(iter(self._written))]

    def forget(self, keys: tuple[str, ...]) -> None:
        """These conversations' are of no more use; ``("*",)`` for all."""
        if "*" in keys:
            self._written.clear()
        for key in keys:
            self._written.pop(key, None)

    def find(self, key: str, prompt: Sequence[int], parts: Sequence[Part]) -> Written | None:
        """How ``parts`` were written behind this prompt, where that is known."""
        found = self._written.get(key)
        return found if found is not None and found.prompt == tuple(prompt) and found.said(parts) else None


def behind(
    prompt: str, parts: Sequence[Part], *, opened: bool, thinks: bool, hide: Callable[[str], str]
) -> tuple[str, bool]:
    """An answer's rendered prompt, which has ``opened`` a thought or not, with what it has said, and whether that ends
    inside a thought. ``thinks``: a model that thinks writes an empty thought where it has none. ``hide`` keeps typed
    control tokens what they are."""
    said = [part for part in parts if _words(part)]
    if any(isinstance(part, ThinkingPart) for part in said) and not opened:
        prompt = _EMPTY.sub("", prompt)  # it was asked to think then, and not to now
    elif said and not opened and thinks and not ends_in_empty(prompt):
        prompt, opened = f"{prompt}{OPEN}\n", True
    for part in said:
        if isinstance(part, ThinkingPart):
            prompt += hide(_words(part)) if opened else f"{OPEN}\n{hide(_words(part))}"
            opened = True
        else:
            mark = f"\n{CLOSE}\n\n" if opened else ""
            prompt, opened = f"{prompt}{mark}{hide(_words(part))}", False
    if said and opened and isinstance(parts[-1], TextPart):  # it was cut right behind its thought
        prompt, opened = f"{prompt}\n{CLOSE}\n\n", False
    return prompt, opened


def ends_in_empty(prompt: str) -> bool:
    """Whether a prompt forbids the model to think: it ends in an empty thought."""
    return _EMPTY.search(prompt) is not None


def _words(part: Part) -> str:
    return part.text if isinstance(part, TextPart | ThinkingPart) else ""
