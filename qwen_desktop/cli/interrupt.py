"""What ends a command from outside: Ctrl+C, SIGTERM, a terminal that is closed.

What there is is printed and saved, and the exit code is the one that shells give such an end: 128 and the signal's
number. What hangs meanwhile is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from qwen_desktop.cli.console import Console
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.streams import lead_nowhere
from qwen_desktop.process.last_resort import LastResort

#: From the first signal to the process's end, in seconds.
LIMIT_S = 2.8
#: Exit code of Ctrl+C, and on Windows of Ctrl+Break and of a console that is closed.
INTERRUPTED = 130
#: Signals that end a program; those that the system at hand does not have are passed over.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

#: One for the process: it holds on after the command, whose threads may keep the process.
last_resort = LastResort()


def _numbers() -> tuple[int, ...]:
    """The signals to hear. Those that are ignored stay so: nohup, or a shell's job in the background."""
    found = (int(getattr(signal, name)) for name in _NAMES if hasattr(signal, name))
    return tuple(number for number in found if signal.getsignal(number) is not signal.SIG_IGN)


class Interrupt:
    """The first signal asks the task that makes this to stop (or gives up what comes before that), the second ends it
    at once. Heard until the ``with`` block ends."""

    def __init__(self) -> None:
        self._first = 0
        work = asyncio.current_task()
        if work is None:
            raise RuntimeError("outside of a task")
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._stop: Callable[[], Awaitable[None]] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._terminals = [descriptor for descriptor in (1, 2) if _is_terminal(descriptor)]
        self._before = {number: signal.signal(number, self._on_signal) for number in _numbers()}

    def __enter__(self) -> Interrupt:
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def pressed(self) -> bool:
        """Whether a signal has come."""
        return self._first != 0

    @property
    def code(self) -> int:
        """The exit code for it."""
        return exit_code(self._first)

    def ended(self, error: BaseException | None) -> bool:
        """Whether a signal is why the task ended so. With its terminal a program loses where it prints to."""
        lost = isinstance(error, OSError) or (isinstance(error, AppError) and isinstance(error.__cause__, OSError))
        return self.pressed and (error is None or isinstance(error, asyncio.CancelledError) or lost)

    def stop_with(self, stop: Callable[[], Awaitable[None]]) -> None:
        """From now on the first signal calls this instead of cancelling."""
        self._stop = stop

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # loop.add_signal_handler does not exist on Windows; this form works everywhere.
        first, self._first = not self._first, self._first or number
        if first:
            last_resort.arm(LIMIT_S, exit_code(number))
            for descriptor in self._terminals:
                if not _is_terminal(descriptor):
                    lead_nowhere(descriptor)
        self._loop.call_soon_threadsafe(self._press, first)

    def _press(self, first: bool) -> None:
        if first and self._stop is not None:
            self._stopping = self._loop.create_task(self._call(self._stop))
        else:
            self._work.cancel()

    async def _call(self, stop: Callable[[], Awaitable[None]]) -> None:
        try:
            await stop()
        except Exception:  # the engine is gone: there is nothing left to wait for
            self._work.cancel()


def exit_code(number: int) -> int:
    """The exit code of a program that this signal has ended."""
    return INTERRUPTED if sys.platform == "win32" else 128 + number


def _is_terminal(descriptor: int) -> bool:
    """False also for one that was closed."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def asked(question: str, console: Console) -> bool | None:
    """Whether the user agrees, None when nobody can answer here. A signal ends the waiting: ``CancelledError``."""
    if not sys.stdin.isatty():
        return None

    def leave(number: int, frame: FrameType | None) -> None:
        handler = before[number]
        if callable(handler):
            handler(number, frame)
        raise asyncio.CancelledError

    before: dict[int, Any] = {}
    try:
        for number in _numbers():  # before the question is to be seen: who sees it may answer with a signal
            before[number] = signal.signal(number, leave)
        if last_resort.armed:  # one came just before
            raise asyncio.CancelledError
        console.warn(f"{question} [y/N]")
        with contextlib.suppress(OSError, ValueError):  # the terminal has gone, or what was typed is no text
            return sys.stdin.readline().strip().lower() in ("y", "yes")
        return False
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
