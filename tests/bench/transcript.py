"""How long it takes to open a conversation of 10,000 messages, to bring the rest in above, and to scroll.

    python tests/bench/transcript.py

Opening: from ``set_messages`` with the tail (120 messages) until its text is painted; <= 150 ms. Prepending: each chunk
of 200 older messages, until all 10,000 are there. Scrolling: one page up through 200 pages, with painting; <= 33 ms at
p99. Jumping: from the end to the very top of all 10,000. The figures are the window's own, without the database.
"""

from __future__ import annotations

import gc
import os
import sys
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from PySide6.QtWidgets import QApplication, QMainWindow  # noqa: E402
from stream import percentile  # noqa: E402
from transcript_data import conversation  # noqa: E402

from qwen_desktop.core.paths import resources_folder  # noqa: E402
from qwen_desktop.ui.chat.transcript import TranscriptView  # noqa: E402
from qwen_desktop.ui.theme import Theme  # noqa: E402

COUNT = 10_000
TAIL = 120
CHUNK = 200


def painted(app: QApplication, view: TranscriptView) -> float:
    """Turn the event loop until everything on screen is laid out and painted; milliseconds."""
    started = time.perf_counter()
    while True:
        app.processEvents()
        if view.visible_items() and all(item.ready for item in view.visible_items()):
            view.viewport().repaint()
            return (time.perf_counter() - started) * 1000


def main() -> int:
    """Print the figures and a verdict; 1 when they are missed."""
    gc.disable()  # as in the app, where it waits for idle moments (ui/gc_timer.py)
    app = QApplication(sys.argv[:1])
    theme = Theme(resources_folder())
    theme.apply(app)
    messages = conversation(COUNT)
    window = QMainWindow()
    window.resize(1000, 760)
    view = TranscriptView(theme, window)
    window.setCentralWidget(view)
    window.show()
    view.set_messages(conversation(20, seed=1), more_above=False)
    painted(app, view)  # imports and fonts are not part of opening
    opening: list[float] = []
    for _ in range(5):
        view.set_messages(conversation(20, seed=1), more_above=False)
        painted(app, view)
        started = time.perf_counter()
        view.set_messages(messages[-TAIL:], more_above=True)
        painted(app, view)
        opening.append((time.perf_counter() - started) * 1000)
    chunks: list[float] = []
    place = COUNT - TAIL
    while place > 0:
        first = max(0, place - CHUNK)
        started = time.perf_counter()
        view.prepend(messages[first:place], more_above=first > 0)
        chunks.append((time.perf_counter() - started) * 1000)
        place = first
        app.processEvents()
    pages: list[float] = []
    for _ in range(200):
        started = time.perf_counter()
        view.scroll_by(-700)
        painted(app, view)
        pages.append((time.perf_counter() - started) * 1000)
        app.processEvents()
    started = time.perf_counter()
    view.verticalScrollBar().setValue(0)
    painted(app, view)
    jump = (time.perf_counter() - started) * 1000
    started = time.perf_counter()
    app.clipboard().clear()
    view.select_all()
    view.copying.selection()
    asked = (time.perf_counter() - started) * 1000
    while not (length := len(app.clipboard().text())):
        app.processEvents()
    copying = (time.perf_counter() - started) * 1000
    chunks.sort()
    pages.sort()
    worst = percentile(pages, 0.99)
    good = max(opening) <= 150 and worst <= 33
    print(f"open the tail of {COUNT}: best {min(opening):.1f}, worst {max(opening):.1f} ms of {len(opening)} (<= 150)")
    print(f"prepend {CHUNK} messages: p50 {percentile(chunks, 0.5):.1f}, max {chunks[-1]:.1f} ms, {len(chunks)} times")
    print(f"scroll a page: p50 {percentile(pages, 0.5):.1f}, p99 {worst:.1f}, max {pages[-1]:.1f} ms (p99 <= 33)")
    print(f"jump to the top: {jump:.1f} ms; select all and copy {length} characters: {copying:.0f} ms, "
          f"of which {asked:.0f} before the loop turns again")  # fmt: skip
    laid_out = sum(item.laid_out for item in view.items)
    print(f"{laid_out} of {len(view.items)} messages are laid out: {'good' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
