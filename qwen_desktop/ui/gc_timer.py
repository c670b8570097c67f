"""Python's cyclic garbage collection, kept on the window's thread.

Left alone it runs in whatever thread happens to allocate: in the database's or a reader's it destroys Qt objects away
from their thread, their timers stay behind, and the next tick of one is a crash (seen in the tests of this window).
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

#: How often the counts are looked at, in milliseconds.
_LOOK_MS = 500


class GcTimer(QObject):
    """Collects here from ``start`` to ``stop``. While ``busy()`` the oldest, largest generation waits."""

    def __init__(self, busy: Callable[[], object], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._busy = busy
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look)

    def start(self) -> None:
        """Take over. What exists now (modules, pages) is set aside: looking through it each time would be felt."""
        gc.disable()
        gc.collect(1)
        gc.freeze()
        self._timer.start(_LOOK_MS)

    def stop(self) -> None:
        """Hand back to Python. Safe without a start."""
        if self._timer.isActive():
            self._timer.stop()
            gc.unfreeze()
            gc.enable()

    def _look(self) -> None:
        young, middle, old = gc.get_count()
        most_young, most_middle, most_old = gc.get_threshold()
        if young > most_young:
            gc.collect(2 if old > most_old and not self._busy() else 1 if middle > most_middle else 0)
