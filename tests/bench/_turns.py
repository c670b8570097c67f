"""How long the turns of a Qt event loop are, by the thread's own time too: others use this computer."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt, QTimer


class Turns:
    """Looks at the clock each millisecond between ``begin`` and ``end``: a turn is what lay between two looks."""

    def __init__(self) -> None:
        self.own: list[float] = []
        self.wall: list[float] = []
        self._last = 0.0, 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._turn)

    def _turn(self) -> None:
        own, wall = time.thread_time(), time.perf_counter()
        self.own.append((own - self._last[0]) * 1000)
        self.wall.append((wall - self._last[1]) * 1000)
        self._last = own, wall

    def begin(self) -> None:
        """Look from now on."""
        self.own, self.wall = [], []
        self._last = time.thread_time(), time.perf_counter()
        self._timer.start(1)

    def end(self) -> None:
        """Look no more."""
        self._turn()
        self._timer.stop()

    def told(self) -> str:
        """The longest turn, and how many of them were longer than 8 ms, in milliseconds."""
        over = [sum(turn > 8 for turn in turns) for turns in (self.own, self.wall)]
        return (
            f"own max {max(self.own):5.1f} ms, {over[0]:3} over 8; wall max {max(self.wall):6.1f} ms, {over[1]:3} "
            f"over 8 ({len(self.own)} turns)"
        )

    @property
    def longest(self) -> float:
        """The longest turn by the thread's own time, in milliseconds."""
        return max(self.own)
