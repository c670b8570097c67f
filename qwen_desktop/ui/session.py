"""The windowed run, from the first paint to the orderly end: event loop (qasync), services, crash offer, signals."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from PySide6.QtCore import QLockFile, QObject, QSocketNotifier, QTimer
from PySide6.QtGui import QIcon

from qwen_desktop.core.paths import Paths
from qwen_desktop.ui import foreground
from qwen_desktop.ui.crash_report import CrashReport, CrashWatch
from qwen_desktop.ui.event_loop import EventLoop
from qwen_desktop.ui.file_open import Application
from qwen_desktop.ui.hand_over import HandOver, Listener
from qwen_desktop.ui.main_window import MainWindow
from qwen_desktop.ui.services import Services
from qwen_desktop.ui.theme import Theme

log = logging.getLogger(__name__)


def run(
    app: Application,
    window: MainWindow,
    paths: Paths,
    build: Callable[[Paths], Services],
    *,
    files: tuple[str, ...],
    lock: QLockFile,
) -> int:
    """Fill the window and run until it is closed; returns the process's exit code."""
    watch = CrashWatch(paths)
    crashed = watch.begin()
    try:
        with EventLoop(app) as loop:
            session = _Session(app, window, paths, build(paths), watch)
            loop.set_exception_handler(session.on_loop_error)
            sys.excepthook = session.on_error
            loop.run_until_complete(session.main(files, crashed))
    finally:
        lock.unlock()
    watch.end()
    return 0


class _Session(QObject):
    """One run of the window."""

    def __init__(
        self, app: Application, window: MainWindow, paths: Paths, services: Services, watch: CrashWatch
    ) -> None:
        super().__init__()
        self._app = app
        self._window = window
        self._paths = paths
        self._services = services
        self._watch = watch
        self._listener: Listener | None = None
        self._done = asyncio.Event()
        look = services.preferences.settings.appearance
        self._theme = Theme(paths.resources, self)
        self._theme.set_mode(look.theme)
        self._theme.set_text_size(look.text_size)
        self._theme.set_motion(look.motion)
        self._theme.apply(app)
        app.setWindowIcon(QIcon(str(paths.resources / "icons" / "app.svg")))
        window.build(services, self._theme)
        window.finished.connect(self._done.set)
        self._wake = _on_signals(self, window.close)

    async def main(self, files: tuple[str, ...], crashed: CrashReport | None) -> None:
        """Open the history behind the window, wait for the end, close everything in order."""
        try:
            await self._services.open()
            self._listener = Listener(self._paths.runtime, self)
            self._listener.heard.connect(self._heard)
            self._app.file_opened.connect(lambda path: self._heard(HandOver((path,))))
            await self._window.start((*files, *self._app.take()))
            if crashed is not None:
                self._window.offer_crash_report(crashed)
            await self._done.wait()
        finally:
            if self._listener is not None:
                self._listener.close()
            await self._services.aclose()
            self._window.hide()

    def _heard(self, message: HandOver) -> None:
        foreground.bring(self._window, message.proof)
        if message.files:
            self._window.open_files(message.files)

    def on_error(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """An error nobody caught: into the log (place and type), into the crash file, told in one sentence."""
        self._watch.note(kind, error, trace)
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
        log.error("uncaught kind=%s at=%s", kind.__name__, where)
        self._window.report_error(error)

    def on_loop_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error in a callback or an abandoned task."""
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.on_error(type(error), error, error.__traceback__)
        else:
            log.error("loop.error")


def _on_signals(owner: QObject, stop: Callable[[], object]) -> QObject:
    """Let Ctrl+C and a session's end (SIGTERM) close the window as a click would.

    Python runs signal handlers only between its own instructions, and Qt's loop may not run any for long: the wake-up
    socket makes the loop run some. Windows has no such socket notifier for signals: a timer does the same there.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: QTimer.singleShot(0, stop))
    if sys.platform == "win32":
        timer = QTimer(owner)
        timer.timeout.connect(lambda: None)
        timer.start(250)
        return timer
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read, owner)
    # The closure keeps both sockets alive as long as the notifier.
    notifier.activated.connect(lambda: (reader.recv(512), writer)[0])
    return notifier
