"""Random Markdown, broken as models and people write it, and two things that must hold for any of it."""

from __future__ import annotations

import random
import re

from qwen_desktop.jobs.markdown.blocks import Block, projection
from qwen_desktop.jobs.markdown.parser import Markdown
from qwen_desktop.ui.chat.transcript_live import GrowingText

PARTS = [
    "# ", "#", "## ", "- ", "-", "   - ", "* ", "+", "1. ", "2) ", "1", ">", "> ", "```\n", "```py\n", "```markdown\n",
    "~~~\n", "    ", "  ", "\t", "\n", "\n", "\n", "\n\n", "| ", "|", " | ", "|---|---|\n", "| a | b |\n", "`", "``",
    "*", "**", "_", "__", "~~", "[", "](https://x.org/a)", "]", "$", "$$", "\\(", "\\)", "\\[", "\\]", "\\", "---\n",
    "===\n", "[^1]", "[^n]", "\n[^1]: ", "\n\n[^n]: ", "\n[r]: https://x.org/r\n", "[r]", "[t][r]", "^[", "> [!NOTE]\n",
    "![", "www.x.org", "me@x.org", "1. [x] ", "<br>", "[x] ", "- [ ] ", "!", "。", "，", "“", "”", "「", "」",
    "\r\n", "\r",
]  # fmt: skip


def made_up(chance: random.Random, most: int) -> tuple[str, list[str]]:
    """Random Markdown, and the words in it."""
    pieces, words = [], []
    for _ in range(chance.randint(1, most)):
        if chance.random() < 0.6:
            pieces.append(chance.choice(PARTS))
        else:
            words.append(chance.choice(("w{}q", "字{}文", "한{}국")).format(len(words)))
            pieces.append(chance.choice(("", " ")) + words[-1])
    return "".join(pieces), words


def lost(markdown: Markdown, text: str, words: list[str]) -> list[str]:
    """The words that are not on show. What stands behind an opening fence is no text."""
    shown = projection(markdown.blocks(text))
    info = " ".join(re.findall(r"(?:`{3,}|~{3,})([^\n]*)", text))
    return [word for word in words if word not in shown and word not in info]


def grown(chance: random.Random, markdown: Markdown, text: str) -> tuple[Block, ...]:
    """The blocks of ``text`` when it came in small pieces and was looked at after each. It has not ended."""
    growing, place = GrowingText(markdown), 0
    while place < len(text):
        step = chance.randint(1, 9)
        growing.blocks(text[: place + step])
        place += step
    return tuple(growing.blocks(text)[0])
