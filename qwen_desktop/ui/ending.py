"""An end that nobody clicked for: a signal, the session manager, a log-off, the system's wish to quit, a display gone.

Nobody may be there to answer a question then, and the system kills what does not end soon: the answers are stopped,
what there is is saved, and whatever hangs meanwhile is left behind after ``LIMIT_S``.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

from PySide6.QtCore import (
    QCoreApplication,
    QEventLoop,
    QMessageLogContext,
    QObject,
    QtMsgType,
    Signal,
    qInstallMessageHandler,
)

from qwen_desktop.process.last_resort import LastResort
from qwen_desktop.ui.crash_report import CrashWatch
from qwen_desktop.ui.qt_application import Application

#: From the wish to the process's end, in seconds; what comes later the system kills.
LIMIT_S = 2.8
#: Of that for the services to end in order, and for what was just asked for (a rename, a setting).
SERVICES_S = 2.0
SETTLE_S = 0.2
#: Between two turns of the event loop while the system waits for us, in seconds.
_TURN_S = 0.002
#: Signals that end a program; those that the system at hand does not have are passed over.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
#: What Qt says before it ends the process, since the X server or the Wayland compositor has gone.
_DISPLAY_GONE = "connection broke"


class SessionEnd(QObject):
    """Hears every wish of the system that the run should end and tells the first one, by ``asked``.

    Made before anything that must be saved begins; a wish that comes before the event loop runs is not lost.
    """

    asked = Signal()
    _heard = Signal()

    def __init__(self, app: Application, watch: CrashWatch, last_resort: LastResort) -> None:
        super().__init__()
        self.begun = False
        self._over = False
        self.watch = watch
        self.last_resort = last_resort
        self._waiting = False
        self._display_gone = False
        self._heard.connect(self._begin)
        app.commitDataRequest.connect(self.wait)
        app.aboutToQuit.connect(self.wait)
        app.session_over.connect(self.wait)
        qInstallMessageHandler(self._on_message)
        self._signals = _on_signals(self._prepare, self._heard.emit)

    def over(self) -> None:
        """The run has ended and everything is saved: what hangs from here on is left behind."""
        self.watch.leaving()
        self._over = True
        qInstallMessageHandler(None)
        for number in self._signals:
            signal.signal(number, signal.SIG_IGN)  # Python gives its handlers back before the process has ended

    def wait(self) -> None:
        """End, and return only when all is saved: the system may end the process as soon as this returns."""
        if self._over:
            return
        self._prepare()
        self._begin()
        if self._waiting:
            return
        with contextlib.suppress(RuntimeError):
            if asyncio.current_task() is not None:
                return  # inside a step of a task no other task can run
        self._waiting = True
        until = time.monotonic() + LIMIT_S
        while not self._over and time.monotonic() < until:
            # No loop of Qt's own: without a display it would end at once.
            QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents)
            time.sleep(_TURN_S)
        self._waiting = False

    def _prepare(self) -> None:
        self.last_resort.arm(LIMIT_S)
        self.watch.leaving()

    def _on_message(self, _kind: QtMsgType, _context: QMessageLogContext, text: str | None) -> None:
        if text and _DISPLAY_GONE in text:
            # A log-out that takes the display away first. Without X11 Qt stops its loop, without Wayland the process,
            # at once: then answers are on the disk up to the last half second, and the workers end with their pipes.
            self.watch.leaving()
            if self._display_gone:
                return  # it is said again with each turn of the loop
            self._display_gone = True
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)

    def _begin(self) -> None:
        if not self.begun:
            self.begun = True
            self.asked.emit()


def _on_signals(prepare: Callable[[], None], heard: Callable[[], None]) -> frozenset[int]:
    """At the first signal that ends programs call ``heard`` in a thread of its own, and at each one ``prepare``, there
    and in the main thread. Returns the signals.

    Python runs its handlers only between its own instructions, and Qt's loop may not run any for long; a thread needs
    the interpreter, which the main thread may hold. So the thread reads from the socket that the interpreter's C
    handler writes to, on every system, and the handlers do what can be done there.
    """
    found = (int(getattr(signal, name)) for name in _NAMES if hasattr(signal, name))
    # Those that are ignored stay so: nohup, or a shell's job in the background.
    numbers = frozenset(number for number in found if signal.getsignal(number) is not signal.SIG_IGN)
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    for number in numbers:
        signal.signal(number, lambda _number, _frame: prepare())
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        with reader, writer:
            while not numbers.intersection(reader.recv(64)):
                pass
            prepare()
            heard()
            while reader.recv(64):  # both ends stay open: the interpreter goes on writing
                pass

    threading.Thread(target=listen, name="signals", daemon=True).start()
    return numbers
