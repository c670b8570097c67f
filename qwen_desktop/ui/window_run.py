"""The windowed run, from the first paint to the orderly end: event loop (qasync), services, crash offer."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QLocale, QLockFile, QObject, QTranslator
from PySide6.QtGui import QIcon

from qwen_desktop.core.paths import Paths
from qwen_desktop.process.last_resort import LastResort
from qwen_desktop.ui import foreground
from qwen_desktop.ui.crash_report import CrashWatch
from qwen_desktop.ui.ending import SERVICES_S, SETTLE_S, SessionEnd
from qwen_desktop.ui.event_loop import EventLoop
from qwen_desktop.ui.hand_over import HandOver, Listener
from qwen_desktop.ui.main_window import MainWindow
from qwen_desktop.ui.qt_application import Application
from qwen_desktop.ui.theme import Theme

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services

log = logging.getLogger(__name__)

#: After a click the services end within 3 s; what holds the process longer is left behind, in seconds.
_CLOSE_S = 4.0


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
    ending = SessionEnd(app, watch, LastResort())
    crashed = watch.begin()
    try:
        with EventLoop(app) as loop:
            this_run = WindowRun(app, window, paths, build(paths), ending)
            loop.set_exception_handler(this_run.on_loop_error)
            sys.excepthook = this_run.on_error
            loop.run_until_complete(this_run.main(files, crashed))
    finally:
        lock.unlock()
    watch.end()
    return 0


class WindowRun(QObject):
    """One run of the window."""

    def __init__(
        self, app: Application, window: MainWindow, paths: Paths, services: Services, ending: SessionEnd
    ) -> None:
        super().__init__()
        self._app = app
        self._window = window
        self._paths = paths
        self._services = services
        self._ending = ending
        self._listener: Listener | None = None
        self._done = asyncio.Event()
        look = services.preferences.settings.appearance
        theme = Theme(paths.resources, self)
        theme.set_mode(look.theme)
        theme.set_text_size(look.text_size)
        theme.set_motion(look.motion)
        theme.apply(app)
        app.setWindowIcon(QIcon(str(paths.resources / "icons" / "app.svg")))
        spoken = [translator.language() for translator in app.findChildren(QTranslator)]
        log.info("language texts=%s locale=%s", spoken, QLocale().name())
        window.build(services, theme)
        window.finished.connect(self._done.set)
        ending.asked.connect(self._end)
        app.quit_chosen.connect(window.quitting.ask)

    async def main(self, files: tuple[str, ...], crashed: str | None) -> None:
        """Open the history behind the window, wait for the end, close everything in order."""
        if self._ending.begun:  # a signal while the program was being read
            self._end()
        opening = asyncio.create_task(self._open(files, crashed), name="window_run.open")
        done = asyncio.create_task(self._done.wait(), name="window_run.done")
        try:
            await asyncio.wait({opening, done}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                opening.result()
                await done
        finally:
            self._ending.last_resort.arm(_CLOSE_S)
            for task in (opening, done):
                task.cancel()
            if self._listener is not None:
                self._listener.close()
            await (self._services.aclose(SERVICES_S) if self._ending.begun else self._services.aclose())
            self._window.hide()
            self._ending.over()

    async def _open(self, files: tuple[str, ...], crashed: str | None) -> None:
        await self._services.open()
        self._listener = Listener(self._paths.runtime, self)
        self._listener.heard.connect(self._heard)
        self._app.file_opened.connect(lambda path: self._heard(HandOver((path,))))
        await self._window.start((*files, *self._app.take()))
        if crashed is not None:
            self._window.offer_crash_report(crashed)

    def _end(self) -> None:
        self._window.quitting.now(SETTLE_S)

    def _heard(self, message: HandOver) -> None:
        foreground.bring(self._window, message.proof)
        if message.files:
            self._window.open_files(message.files)

    def on_error(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """An error nobody caught: into the log (place and type), into the crash file, told in one sentence."""
        self._ending.watch.note(kind, error, trace)
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
