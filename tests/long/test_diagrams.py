"""Diagrams damaged in every way, for long: each ends in a picture, which Qt draws, or in a reason."""

from __future__ import annotations

import random
import time
from typing import Any

from PySide6.QtGui import QImage, QPainter

from qwen_desktop.core.paths import resources_folder
from qwen_desktop.jobs import diagrams as job
from qwen_desktop.ui.chat import diagrams
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.diagrams import Picture
from qwen_desktop.ui.theme import Theme
from tests.pele import needs_pele
from tests.unit.jobs.test_diagrams import KINDS

_PIECES = [
    "\n", "\n", " ", "-->", "---", "==>", "-.->", "|x|", "[", "]", "(", ")", "{", "}", '"', "'", "&", ";", ":", "%%",
    "<br/>", "<b>", "</b>", "#quot;", "style A fill:#f00", "classDef c fill:red", ":::c", "subgraph x", "end",
    "state s {", "}",
    "Note over A: x", "loop x", "alt y", "else", "A", "B", "->>", "-->>", "<|--", "o--o", "title x", "section y",
    "1d", "2024-01-01", "99999999999", "-1", "1e400", "开", "ا", "\u202e", "\ufeff", "\x00", "😀", "$$x$$",
    "::icon(fa fa-x)", "@{ shape: cyl }",
    "---\nconfig:\n  theme: dark\n---\n", "%%{init: {'theme':'forest'}}%%",
    'click A href "https://example.com"', "\\", "`", "~",
]  # fmt: skip


@needs_pele
def test_damaged_diagrams(qapp: Any, seconds: float, qtlog: Any) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    theme = Theme(resources_folder())
    theme.set_mode(chance.choice(("light", "dark", "contrast")))
    style = Style(theme)
    until, drawn, count = time.monotonic() + seconds, 0, 0
    while time.monotonic() < until:
        sources = []
        for _ in range(20):
            text = chance.choice(list(KINDS.values()))
            for _ in range(chance.randint(0, 5)):
                at = chance.randrange(len(text) + 1)
                if chance.random() < 0.5:
                    text = text[:at] + chance.choice(_PIECES) + text[at:]
                else:
                    text = text[:at] + text[at + chance.randint(1, 9) :]
            sources.append(text)
        answers = job.render([(source, diagrams.options(style, source)) for source in sources])
        for source, made in zip(sources, answers, strict=True):
            count += 1
            if "failed" in made:
                assert made["failed"] in {"syntax", "unknown", "large"}, f"seed {seed}: {source!r}"
                continue
            picture = Picture(**made)
            renderer = picture.renderer(style)
            assert renderer.isValid(), f"seed {seed}: {source!r}"
            image = QImage(400, 300, QImage.Format.Format_RGB32)
            painter = QPainter(image)
            renderer.render(painter)
            painter.end()
            drawn += 1
            remarks = [record.message for record in qtlog.records]
            assert not remarks, f"seed {seed}: {source!r}: {remarks[0]}"
    assert drawn > count / 10
