"""Event-loop delay while 200 tokens a second stream into a conversation of 1,000 messages.

    python tests/bench/stream.py [seconds]

A timer is due every 5 ms; its lateness is the delay. At the same time the same heartbeat runs in a process of its own
with a bare QMainWindow, so that both see the same load (the job worker, the engine of whoever computes here, other
programs). The median of the differences counts: p99 <= 4 ms and max <= 32 ms beyond it. The streamed answer holds
prose, a list, a table and a long code block. It paints offscreen unless QT_QPA_PLATFORM says otherwise.
"""

from __future__ import annotations

import gc
import json
import random
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))

from _transcript import SIZE, Pane, in_loop, run_for
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QMainWindow
from transcript_data import answer, conversation

from qwen_desktop.core.parts import TextPart

BEAT_MS = 5
ROUNDS = 5
RATE = 200


class Heartbeat:
    """Measures how late a 5 ms timer fires, in milliseconds."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._last = time.perf_counter()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.delays.append(max(0.0, (now - self._last) * 1000 - BEAT_MS))
        self._last = now

    def measure(self, seconds: float) -> list[float]:
        """Run the loop for ``seconds`` and give the delays, sorted."""
        self.begin()
        run_for(int(seconds * 1000))
        return self.end()

    def begin(self) -> None:
        """Beat from now on."""
        self.delays = []
        self._last = time.perf_counter()
        self._timer.start()

    def end(self) -> list[float]:
        """Beat no more; the delays, sorted."""
        self._timer.stop()
        return sorted(self.delays)


def percentile(values: list[float], part: float) -> float:
    """The value below which ``part`` of the sorted ``values`` lie."""
    return values[min(len(values) - 1, int(len(values) * part))] if values else 0.0


def show(name: str, values: list[float]) -> tuple[float, float, float]:
    """Print p50, p99 and the largest delay."""
    figures = (percentile(values, 0.5), percentile(values, 0.99), values[-1])
    print(f"{name:34} p50 {figures[0]:6.2f}  p99 {figures[1]:6.2f}  max {figures[2]:6.2f} ms  ({len(values)} beats)")
    return figures


def streamed_text() -> str:
    """A long answer with all kinds of blocks; the code block alone has 300 lines."""
    chance = random.Random(3)
    code = "```python\n" + "\n".join(f"value_{n} = compute({n}, 'text')  # line {n}" for n in range(300)) + "\n```"
    return "\n\n".join([answer(chance), code, answer(chance) * 3, answer(chance).replace("\n", " ") * 4] * 20)


class Bare:
    """A window that does nothing, in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, __file__, "--bare"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._say("")

    def _say(self, line: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        if line:
            print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline()

    def begin(self, seconds: float) -> None:
        """Have it measure for so long."""
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)

    def end(self) -> list[float]:
        """What it has measured."""
        found: list[float] = json.loads(self._say(""))
        return found

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def bare() -> int:
    """The other process: a round for each line of standard input."""
    window = QMainWindow()
    window.resize(*SIZE)
    window.show()
    run_for(200)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(Heartbeat().measure(float(line))), flush=True)
    return 0


class Streaming:
    """A window with a conversation of 1,000 messages into which an answer streams while it is measured."""

    def __init__(self) -> None:
        self._pane = Pane()
        self.view = self._pane.view
        self._pane.begin(conversation(1000), TextPart(""))
        run_for(1500)
        self._text = streamed_text()
        self.place = 0
        self._feed = QTimer()
        self._feed.setTimerType(Qt.TimerType.PreciseTimer)
        self._feed.setInterval(1000 // RATE)
        self._feed.timeout.connect(self._token)
        gc.collect()
        gc.freeze()

    def _token(self) -> None:
        self._pane.feed(self._text[self.place : self.place + 4])
        self.place += 4

    def measure(self, seconds: float) -> list[float]:
        """The heartbeat while tokens come."""
        self._feed.start()
        delays = Heartbeat().measure(seconds)
        self._feed.stop()
        run_for(100)
        return delays

    def close(self) -> None:
        """End its worker."""
        self._pane.close()


def figures(seconds: float) -> dict[str, float]:
    """Print what was measured; the medians of the differences."""
    other, streaming = Bare(), Streaming()
    idle: list[list[float]] = []
    busy: list[list[float]] = []
    for _ in range(ROUNDS):
        other.begin(seconds / ROUNDS)
        busy.append(streaming.measure(seconds / ROUNDS))
        idle.append(other.end())
    laid_out = sum(item.laid_out for item in streaming.view.items)
    print(f"streamed {streaming.place} characters; {laid_out} of {len(streaming.view.items)} messages laid out")
    show("bare QMainWindow beside it", sorted(chain.from_iterable(idle)))
    show("streaming 200 tokens/s", sorted(chain.from_iterable(busy)))
    other.close()
    streaming.close()
    pairs = list(zip(idle, busy, strict=True))
    return {
        "p99, ms": median(percentile(b, 0.99) - percentile(a, 0.99) for a, b in pairs),
        "max, ms": median(b[-1] - a[-1] for a, b in pairs),
    }


def main() -> int:
    """Print the figures and a verdict; 1 when they are missed."""
    if "--bare" in sys.argv:
        return in_loop(bare)

    def work() -> int:
        seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
        p99, most = figures(seconds).values()
        good = p99 <= 4 and most <= 32
        print(f"beyond the bare window, median of {ROUNDS} rounds: p99 {p99:.2f} ms (<= 4), max {most:.2f} ms (<= 32): "
              + ("good" if good else "MISSED"))  # fmt: skip
        return 0 if good else 1

    return in_loop(work)


if __name__ == "__main__":
    sys.exit(main())
