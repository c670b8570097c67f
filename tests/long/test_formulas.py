"""Random LaTeX for as long as there is time: none raises, takes long, or is larger than it may be."""

from __future__ import annotations

import random
import time

import msgspec

from qwen_desktop.jobs.formulas.data import from_builtins
from qwen_desktop.jobs.formulas.rendering import LIMIT_S, formula, render
from tests.latex import DRAWN, KEPT

_PIECES = [
    *"{}[]()|_^&'\"$%#~<>=-+*/.,;:!1x\\", "\\\\", "\\left", "\\right", "\\middle", "\\frac", "\\sqrt", "\\sum",
    "\\text{",
    "\\begin{matrix}", "\\end{matrix}", "\\begin{array}{c|c}", "\\end{array}", "\\hline", "\\tag{1}", "\\ce{", "\\not",
    "\\operatorname*{",
    "\\xrightarrow[", "\\overset", "\\underbrace{", "\\boxed{", "\\color{red}", "\\limits", "\\over",
    "\\hspace{3em}", "\\rule{1em}{1em}", "速", "\u05d0", "\ud800", "\x00", "😀",
    "\U000f0001", "&#x41;", "zzzaa",
]  # fmt: skip


def test_random_latex(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        if chance.random() < 0.5:
            source = "".join(chance.choices(_PIECES, k=chance.randint(1, chance.choice((6, 30, 300)))))
        else:  # something good, damaged
            source = chance.choice(DRAWN + KEPT)
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(source) + 1)
                source = source[:at] + chance.choice(_PIECES) + source[at + chance.randint(0, 3) :]
        started = time.thread_time()
        found = formula(source, display=chance.random() < 0.5)
        assert time.thread_time() - started < LIMIT_S + 1, f"seed {seed}: {source!r}"
        if found is not None:
            assert 0 < found.width < 2001 and found.ascent + found.descent < 201, f"seed {seed}: {source!r}"
            (data,) = msgspec.msgpack.decode(msgspec.msgpack.encode(render([(source, {})])))
            assert data is None or from_builtins(data).width > 0, f"seed {seed}: {source!r}"
