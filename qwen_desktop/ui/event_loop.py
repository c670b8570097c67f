"""The window's event loop: qasync's, whose tasks survive a loop of Qt's inside one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

import qasync

#: How soon a callback is tried again that came while a task was being executed, in seconds.
_AGAIN_S = 0.005


class _Callback(asyncio.Handle):
    """A callback that waits while a task is being executed.

    A native dialog, a menu, a drag or a synthetic click run a loop of Qt's own. Begun inside a step of a task, it would
    let the steps of other tasks begin there, which asyncio refuses ("Cannot enter into task"), and a refused step is
    lost: its task never ends, nor whoever waits for it.
    """

    __slots__ = ()
    _loop: EventLoop

    def _run(self) -> None:
        if asyncio.current_task(self._loop) is None:
            super()._run()
        else:
            self._loop._add_callback(self, _AGAIN_S)


class EventLoop(qasync.QEventLoop):  # type: ignore[misc]  # qasync has no types
    """One for the application; made once ``QApplication`` is there."""

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Call ``callback(*args)`` after ``delay`` seconds; ``call_soon`` and ``call_at`` end here too."""
        handle = _Callback(callback, args, self, context)
        self._add_callback(handle, delay)
        return handle
