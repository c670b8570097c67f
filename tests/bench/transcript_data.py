"""Conversations for the transcript's benches: made up, varied, and the same on every run."""

from __future__ import annotations

import random

from qwen_desktop.core.chat import Message, Provenance, Status
from qwen_desktop.core.engine import FinishReason, Sampling, Stats, ThinkingMode
from qwen_desktop.core.parts import (
    FilePart,
    ImagePart,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)

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

#: What else an answer can hold: GitHub's Markdown, and formulas as Qwen writes them.
_EXTRAS = (
    "- [x] the files are sorted\n- [ ] the names are checked\n  - [ ] twice\n  - [x] at night",
    "> [!NOTE]\n> A merge keeps **one line** of each file in memory.\n>\n> > It says so itself.",
    "The heap costs $O(n \\log k)$, so $k = 40$ files of $n$ lines take\n\n$$"
    "T(n, k) = \\sum_{i=1}^{n} \\log_2 k \\le n \\cdot \\frac{\\ln 40}{\\ln 2}$$\n\nat most,"
    " and \\(m = 2^{k}\\) names.",
    "\\[\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}\\]\n\nIt costs $24000 to $40000, ~~more~~ or less.",
    "1. Sort each file.\n   1. By its first word\n   2. By its last\n2. Merge them:\n"
    "\n   ```sh\n   sort -m *.txt\n   ```",
    "The order is stable.[^1] See https://example.org/merge for more.\n\n[^1]: As the manual says, *since 1996*.",
    "### What is left\n\n<details>Raw text</details>\n\n---\n\n![a picture](https://example.org/p.png)",
)


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
    if chance.random() < 0.4:
        pieces.append(chance.choice(_EXTRAS))
    pieces.append(prose(chance, chance.randint(30, 120)))
    return "\n\n".join(pieces)


def conversation(count: int, seed: int = 7) -> list[Message]:
    """``count`` messages, a question and an answer in turn: some with thoughts, notes, tools, files and pictures."""
    chance = random.Random(seed)
    made = Provenance("/models/q.gguf", "Qwen3 4B", "", "", Sampling(), 1, ThinkingMode.AUTO, "bench")
    spent = Provenance(
        "/models/q.gguf", "Qwen3 4B", "", "", Sampling(), 1, ThinkingMode.AUTO, "bench", budget_spent=True
    )
    result: list[Message] = []
    for number in range(count):
        parent = f"m{number - 1}" if number else None
        if number % 2 == 0:
            asked: tuple[Part, ...] = (TextPart(prose(chance, chance.randint(5, 40))),)
            if number % 14 == 0:
                asked += (FilePart(f"{number:064x}", "text/plain", f"names {number}.txt", 4000, prose(chance, 60)),)
            if number % 22 == 0:
                asked += (ImagePart(f"{number:064x}", "image/png", 640, 400, f"picture {number}.png"),)
            result.append(Message(f"m{number}", "c", parent, Role.USER, asked, 0.0))
            continue
        parts: tuple[Part, ...] = (TextPart(answer(chance)),)
        if number % 6 == 1:
            parts = (ThinkingPart(prose(chance, 60), 2.5, 90), *parts)
        if number % 30 == 1:
            parts = (
                *parts[:-1],
                ToolCallPart("1", "sort", '{"files": 40}'),
                ToolResultPart("1", "sorted"),
                *parts[-1:],
            )
        status = Status.STOPPED if number % 26 == 1 else Status.DONE
        result.append(
            Message(
                f"m{number}", "c", parent, Role.ASSISTANT, parts, 0.0, status,
                FinishReason.LENGTH if number % 34 == 1 else FinishReason.STOP,
                provenance=spent if number % 18 == 1 else made, stats=Stats(decode_tokens_per_s=18.4, ttft_s=0.4),
            )
        )  # fmt: skip
    return result
