"""Random Markdown for as long as there is time: no word is lost, and a text that grew has the blocks of the whole."""

from __future__ import annotations

import random
import time

from qwen_desktop.jobs.markdown.parser import Markdown
from tests.markdown_texts import grown, lost, made_up


def test_random_markdown(seconds: float) -> None:
    deadline, markdown = time.monotonic() + seconds, Markdown()
    while time.monotonic() < deadline:
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        text, words = made_up(chance, 80)
        text += "\n\nEnd."
        assert lost(markdown, text, words) == [], f"seed {seed}: {text!r}"
        assert grown(chance, markdown, text) == markdown.blocks(text, growing=True), f"seed {seed}: {text!r}"
