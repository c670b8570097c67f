"""A vocabulary without a model, and a sampler that takes any allowed token: what a model that obeys nothing does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from qwen_desktop.core.engine import Grammar
from qwen_desktop.engine.grammar import Constraint, Grammars

_LONGER = (
    '{"', '":', '": ', '",', '", "', '"}', "}}", "]}", "[]", "{}", "\n  ", "\n    ", " \"", "true", "false", "null",
    "the", " name", "12", "2024", "-0", "00", ".5", "e-", "\\n", "\\u00", "ä", "имя", "是", "😀", "  ", "\t\t", "\r\n",
    "a@b", "://", "xyz", "http", "<think>",
)  # fmt: skip
END = 256 + len(_LONGER)
_CLOSING = {END, *b'"}]0123456789'}


class Words:
    """256 bytes, some longer tokens, and one that ends the answer."""

    vocab_size = END + 1

    def __init__(self) -> None:
        self.pieces = [bytes((byte,)) for byte in range(256)] + [word.encode() for word in _LONGER] + [b""]
        self._ids = {piece: token for token, piece in enumerate(self.pieces)}

    def written_pieces(self) -> list[bytes]:
        return list(self.pieces)

    def end_tokens(self) -> list[int]:
        return [END]

    def tokenize(self, text: str, *, special: bool, begin: bool) -> list[int]:
        data, tokens = text.encode(), []
        while data:
            length = next(n for n in range(min(8, len(data)), 0, -1) if data[:n] in self._ids)
            tokens.append(self._ids[data[:length]])
            data = data[length:]
        return tokens


class AnyToken:
    """Chooses like a sampler, at random. ``hurry`` is how often it takes what closes, so that answers end."""

    def __init__(self, seed: int, hurry: float = 0.3) -> None:
        self._random = random.Random(seed)
        self._hurry = hurry
        self._allowed: Sequence[int] = range(END + 1)

    def allow(self, tokens: bytes | None) -> None:
        self._allowed = range(END + 1) if tokens is None else [t for t, known in enumerate(tokens) if known]

    def next(self, _context: Any, _row: int) -> int:
        closing = [token for token in self._allowed if token in _CLOSING]
        if closing and self._random.random() < self._hurry:
            return self._random.choice(closing)
        return self._random.choice(self._allowed)


def written(grammars: Grammars, grammar: Grammar, seed: int, most: int = 400) -> tuple[str, bool]:
    """An answer at random, and whether it ended by itself."""
    constraint: Constraint = grammars.constraint(grammar)
    sampler = AnyToken(seed)
    pieces, data = Words().pieces, b""
    for count in range(most):
        if count == most // 3:
            sampler._hurry = 0.95
        token = constraint.choose(sampler, None, 0)  # type: ignore[arg-type]
        if token == END:
            return data.decode(), True
        data += pieces[token]
        if constraint.done:
            return data.decode(), True
    return data.decode("utf-8", "replace"), False
