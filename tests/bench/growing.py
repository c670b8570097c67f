"""What a frame of a streaming answer costs at its start and at its end, for each kind of text.

    python tests/bench/growing.py [kind ...]

An answer of 20,000 characters that is all of one kind comes at 200 tokens a second at the end of a conversation. The
cost of a frame is what the window's thread computes (its own processor time: parsing, layout, painting, and what the
job worker's results take) divided by the pictures that it showed, for 1,000 characters near the start and for the last
1,000; between them the text comes faster. At the end a frame may cost 1.5 times as much. What the job worker computes
beside it is printed, too.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import psutil
from _transcript import Pane, in_loop, run_for
from PySide6.QtCore import Qt, QTimer
from transcript_data import conversation, prose

from qwen_desktop.core.parts import Part, TextPart, ThinkingPart

LENGTH = 20_000
#: Where the start is measured, and how many characters of it and of the end.
FIRST, STRETCH = 1_000, 1_000
RATE, TOKEN = 200, 4
#: Characters at once between the two.
STRIDE = 600
MOST = 1.5


def texts() -> dict[str, tuple[Part, str]]:
    """The kinds, each with the part that it is."""
    chance = random.Random(5)
    paragraphs = [prose(chance, 70) for _ in range(60)]
    lines = [prose(chance, 9) for _ in range(500)]
    code = "```python\n" + "\n".join(f"value_{n} = compute({n}, 'text')  # line {n}" for n in range(500))
    rows = [f"| {n} | {prose(chance, 3)} | {n * n} |" for n in range(500)]
    notes = [f"{prose(chance, 30)} It says so.[^{n}]\n\n[^{n}]: {prose(chance, 12)}" for n in range(1, 80)]
    plain = " ".join(prose(chance, 40).replace("[", "").replace("](https://example.org)", "") for _ in range(100))
    answers = {
        "prose": "\n\n".join(paragraphs),
        "one paragraph": plain,
        "list": "\n".join(f"- {line[:38]}" for line in lines),
        "numbered list": "\n".join(f"{n}. {line[:36]}" for n, line in enumerate(lines, 1)),
        "nested list": "\n".join(f"{'  ' * (n % 3)}- {line[:34]}" for n, line in enumerate(lines)),
        "table": "| n | words | square |\n|---|---|---:|\n" + "\n".join(rows),
        "code": code,
        "quotation": "\n>\n".join(f"> {paragraph}" for paragraph in paragraphs),
        "footnotes": "\n\n".join(notes),
    }
    found: dict[str, tuple[Part, str]] = {name: (TextPart(""), text) for name, text in answers.items()}
    found["thought"] = ThinkingPart(""), "\n\n".join(paragraphs)
    found["thought of one line"] = ThinkingPart(""), plain
    return found


class Cost:
    """Feeds a stretch of a text in its own time and says what a frame of it cost, in milliseconds of the window's
    thread and of the worker."""

    def __init__(self, pane: Pane) -> None:
        self._pane = pane
        self._frames = 0
        pane.view.live.changed.connect(self._count)

    def _count(self) -> None:
        self._frames += 1

    def _worker(self) -> float:
        children = psutil.Process().children(recursive=True)
        return sum(sum(child.cpu_times()[:2]) for child in children)

    def of(self, text: str) -> tuple[float, float]:
        place = 0
        timer = QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        began, length = time.perf_counter(), len(text)

        def token() -> None:  # as many as are due: a loop that is held up gets them all the same
            nonlocal place
            due = min(length, int((time.perf_counter() - began) * RATE) * TOKEN)
            while place < due:
                self._pane.feed(text[place : place + TOKEN])
                place += TOKEN

        timer.timeout.connect(token)
        self._frames, before, beside = 0, time.thread_time(), self._worker()
        timer.start(1000 // RATE)
        while place < length:
            run_for(20)
        timer.stop()
        run_for(50)
        frames = max(1, self._frames)
        return (time.thread_time() - before) / frames * 1000, (self._worker() - beside) / frames * 1000


def measure(pane: Pane, part: Part, text: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """The cost of a frame at the start and at the end."""
    text = text[:LENGTH]
    assert len(text) > LENGTH * 0.9, len(text)
    pane.begin(conversation(40), part)
    gc.collect()
    cost = Cost(pane)
    end = len(text) - STRETCH
    fast(pane, text[:FIRST])
    first = cost.of(text[FIRST : FIRST + STRETCH])
    fast(pane, text[FIRST + STRETCH : end])
    return first, cost.of(text[end:])


def fast(pane: Pane, text: str) -> None:
    for place in range(0, len(text), STRIDE):
        pane.feed(text[place : place + STRIDE])
        run_for(36)
    run_for(400)


def main() -> int:
    """Print a line a kind and a verdict; 1 when it is missed."""
    wanted = [name for name in sys.argv[1:] if name != "--json"]
    figures: dict[str, float] = {}

    def work() -> int:
        pane = Pane()
        pane.view.options.open_thinking = True
        for name, (part, text) in texts().items():
            if wanted and name not in wanted:
                continue
            (first, beside), (last, then) = measure(pane, part, text)
            figures[name] = last / first
            print(
                f"{name:20} {first:6.2f} -> {last:6.2f} ms a frame, {last / first:5.2f} times"
                f"   (worker {beside:6.2f} -> {then:6.2f} ms)  {'ok' if last / first <= MOST else 'GROWS'}",
                flush=True,
            )
        pane.close()
        return 0 if all(ratio <= MOST for ratio in figures.values()) else 1

    code = in_loop(work)
    print(f"at most {max(figures.values()):.2f} times (<= {MOST}): {'MISSED' if code else 'good'}")
    if "--json" in sys.argv:
        print(json.dumps(figures))
    return code


if __name__ == "__main__":
    sys.exit(main())
