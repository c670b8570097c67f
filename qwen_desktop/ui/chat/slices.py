"""Work over many messages in short steps, so that typing and painting go on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from PySide6.QtCore import QObject, QTimer

#: The longest step, in seconds; one message may add its own time.
_STEP_S: Final = 0.004


class Slices(QObject):
    """Collects what an iterator yields, some milliseconds at a time; ``done`` gets all of it. The first step runs at
    once, so that short work is done when ``begin`` returns. New work replaces work that is under way."""

    def __init__(self, done: Callable[[Sequence[str]], None], parent: QObject) -> None:
        super().__init__(parent)
        self._done = done
        self._work: Iterator[str] | None = None
        self._found: list[str] = []
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._step)

    @property
    def running(self) -> bool:
        """Whether something is still to be collected."""
        return self._work is not None

    def begin(self, work: Iterator[str]) -> None:
        """Start collecting."""
        self._work, self._found = work, []
        self._timer.start()
        self._step()

    def _step(self) -> None:
        work = self._work
        if work is None:
            return
        until = time.perf_counter() + _STEP_S
        for piece in work:
            self._found.append(piece)
            if time.perf_counter() > until:
                return
        self._timer.stop()
        found, self._work, self._found = self._found, None, []
        self._done(found)
