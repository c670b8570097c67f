"""Conversations for the transcript's benches: made up, varied, and the same on every run."""

from __future__ import annotations

import random

from qwen_desktop.core.chat import Message, Provenance
from qwen_desktop.core.engine import Sampling, Stats, ThinkingMode
from qwen_desktop.core.parts import Role, TextPart, ThinkingPart

_WORDS = (
    "the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "seven", "sorted", "files", "merge",
    "in", "constant", "memory",
)  # fmt: skip
_CODE = """```python
import heapq
from pathlib import Path


def merge(paths: list[Path], out: Path) -> None:
    \"\"\"Merge sorted text files line by line, in constant memory.\"\"\"
    files = [p.open() for p in paths]
    with out.open("w") as target:
        target.writelines(heapq.merge(*files))
```"""
_TABLE = """| Files | Memory | Time |
|---|---:|---|
| 40 | about 6 MB | 11 min |
| 400 | about 60 MB | 12 min |"""


def prose(chance: random.Random, words: int) -> str:
    """Some words with a few marks among them."""
    chosen = [chance.choice(_WORDS) for _ in range(words)]
    for place in range(0, words, 17):
        chosen[place] = chance.choice(("**{}**", "*{}*", "`{}`", "[{}](https://example.org)")).format(chosen[place])
    return " ".join(chosen).capitalize() + "."


def answer(chance: random.Random) -> str:
    """An answer of some 600 to 2,500 characters."""
    pieces = [prose(chance, chance.randint(20, 60))]
    if chance.random() < 0.3:
        pieces.append(_CODE)
    if chance.random() < 0.2:
        pieces.append(_TABLE)
    if chance.random() < 0.4:
        pieces.append("\n".join(f"- {prose(chance, 12)}" for _ in range(4)))
    pieces.append(prose(chance, chance.randint(30, 120)))
    return "\n\n".join(pieces)


def conversation(count: int, seed: int = 7) -> list[Message]:
    """``count`` messages, a question and an answer in turn."""
    chance = random.Random(seed)
    made = Provenance("/models/q.gguf", "Qwen3 4B", "", "", Sampling(), 1, ThinkingMode.AUTO, "bench")
    result: list[Message] = []
    for number in range(count):
        parent = f"m{number - 1}" if number else None
        if number % 2 == 0:
            parts = (TextPart(prose(chance, chance.randint(5, 40))),)
            result.append(Message(f"m{number}", "c", parent, Role.USER, parts, 0.0))
            continue
        thinking = (ThinkingPart(prose(chance, 60), 2.5, 90),) if number % 6 == 1 else ()
        stats = Stats(decode_tokens_per_s=18.4, ttft_s=0.4)
        result.append(
            Message(
                f"m{number}", "c", parent, Role.ASSISTANT, (*thinking, TextPart(answer(chance))), 0.0,
                provenance=made, stats=stats,
            )
        )  # fmt: skip
    return result
