"""Formulas in the window: set by the real job worker while the answer comes."""

from __future__ import annotations

from typing import Any

from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.ui.chat.blocks_math import MathLayout
from tests import layouts
from tests.scripted_engine import Script
from tests.ui.conftest import Make

ANSWER = (
    "It is $\\frac{1}{2}$, not $5, so\n\n\\[\n\\sum_{i=1}^n i = \\frac{n(n+1)}{2}\n\\]\n\nbut never $\\nonsense{x}$ "
    + "and words " * 30
)


async def test_a_formula_is_drawn_by_the_worker_and_one_that_cannot_be_is_read(make: Make) -> None:
    worker = JobWorker(worker_command("jobs"))

    async def ready(app: Any) -> None:
        app.jobs = worker

    make.script = Script(ANSWER)
    ui = await make(prepare=ready)
    await ui.say("A sum?")
    view = ui.chat.pane.transcript
    await ui.until(lambda: view.items and not view.items[-1].streaming and view.items[-1].ready)
    await ui.until(lambda: not view.drawings.waiting)
    item = view.items[-1]
    paragraph, displayed, last = layouts.text_of(item).layouts
    assert isinstance(displayed, MathLayout)
    assert displayed.height > 2 * paragraph.flow._line, "as tall as a sum with its limits"
    assert list(paragraph.flow._objects) == [1] and not last.flow._objects
    assert not any(layout.waiting for layout in (paragraph, displayed, last))
    assert layouts.message_text(view, item.message.id).startswith(
        "It is $\\frac{1}{2}$, not $5, so\n\n$$\\sum_{i=1}^n i = \\frac{n(n+1)}{2}$$\n\nbut never $\\nonsense{x}$ and"
    )
    await worker.aclose()
